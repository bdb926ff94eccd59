package worker_test

import (
	"bytes"
	"encoding/json"
	"html/template"
	"image/png"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/activities"
	"github.com/perennial-ml/perennial/internal/card"
	"github.com/perennial-ml/perennial/models/evaluate"
)

// files reads all of a run's artifacts.
func (w *world) files(t *testing.T, runID string) map[string][]byte {
	t.Helper()
	list, err := w.tracking.Artifacts(t.Context(), runID)
	require.NoError(t, err)
	out := map[string][]byte{}
	for _, f := range list {
		b, err := w.tracking.ReadArtifact(t.Context(), runID, f.Path)
		require.NoError(t, err)
		require.Len(t, b, int(f.Size))
		out[f.Path] = b
	}
	return out
}

func TestATrainingHasPicturesAndACard(t *testing.T) {
	t.Parallel()
	w := setup(t)
	for _, c := range []struct {
		pipeline string
		budget   perennial.Budget
		pictures []string
	}{
		{"iris", perennial.BudgetBootstrap, []string{"candidates", "confusion_matrix", "roc", "precision_recall", "calibration", "permutation_importance"}},
		{"california-housing", perennial.BudgetBootstrap, []string{"candidates", "predicted_vs_actual", "residuals", "permutation_importance"}},
	} {
		result, err := w.train(t, c.pipeline, c.budget)
		require.NoError(t, err)
		files := w.files(t, result.RunID)
		html := string(files[activities.CardHTMLPath])
		markdown := string(files[activities.CardMarkdownPath])
		for _, name := range c.pictures {
			require.True(t, json.Valid(files["evaluation/"+name+".json"]), name)
			_, err := png.Decode(bytes.NewReader(files["evaluation/"+name+".png"]))
			require.NoError(t, err, name)
			require.Contains(t, markdown, "(evaluation/"+name+".png)")
		}
		require.Equal(t, len(c.pictures), strings.Count(html, "data:image/png;base64,"))
		require.False(t, strings.Contains(html, "://") || strings.Contains(html, "ZgotmplZ"), "the page loads nothing")
		var facts card.Card
		require.NoError(t, json.Unmarshal(files[activities.CardFactsPath], &facts))
		require.Equal(t, result.Version, facts.Version)
		require.Equal(t, result.Outcome, facts.Outcome)
		require.NotEmpty(t, facts.Gates.Checks)
		require.NotNil(t, facts.Candidates)
		require.Positive(t, facts.Resources.CPU)
		for _, said := range []string{result.RunID, facts.Data.MD5, facts.Lineage.ModelSHA256, "perennial reproduce " + result.RunID, facts.Features[0].Name, facts.Gates.Checks[0].Message} {
			require.Contains(t, markdown, said)
			require.Positive(t, strings.Count(html, template.HTMLEscapeString(said)), said) // not Contains, which would print the pictures
		}
		require.Contains(t, string(files[activities.CandidatesPath]), "(selected)")
		run, err := w.tracking.GetRun(t.Context(), result.RunID)
		require.NoError(t, err)
		require.Empty(t, run.Tag("perennial.card_error"))
	}
}

func TestAFullTrainingHasALearningCurve(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.edit(t, "pipelines/iris.yaml", "trials: 9", "trials: 2")
	w.apply(t)
	result, err := w.train(t, "iris", perennial.BudgetFull)
	require.NoError(t, err)
	files := w.files(t, result.RunID)
	var curve evaluate.LearningCurve
	require.NoError(t, json.Unmarshal(files["evaluation/learning_curve.json"], &curve))
	require.NotEmpty(t, curve.Points)
	last := curve.Points[len(curve.Points)-1]
	require.Equal(t, 1.0, last.Share)
	require.Len(t, last.Folds, 3)
	require.NotEmpty(t, files["evaluation/learning_curve.png"])
}

func TestAModelThatItsGatesRefuseHasACardToo(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.edit(t, "pipelines/iris.yaml", "gates:", "gates:\n  - {metric: accuracy, min: 1.5}")
	w.apply(t)
	result, err := w.train(t, "iris", perennial.BudgetBootstrap)
	require.NoError(t, err)
	require.Equal(t, perennial.OutcomeRejectedByGates, result.Outcome)
	markdown := string(w.files(t, result.RunID)[activities.CardMarkdownPath])
	require.Contains(t, markdown, "rejected_by_gates")
	require.Contains(t, markdown, "Verdict: fail")
}

func TestTheSameModelHasTheSamePictures(t *testing.T) {
	t.Parallel()
	w := setup(t)
	first, err := w.train(t, "california-housing", perennial.BudgetBootstrap)
	require.NoError(t, err)
	w.act.Threads = 1
	second, err := w.train(t, "california-housing", perennial.BudgetBootstrap)
	require.NoError(t, err)
	a, b := w.files(t, first.RunID), w.files(t, second.RunID)
	for name, content := range a {
		if strings.HasPrefix(name, "evaluation/") && !strings.Contains(name, "candidates") { // which tells seconds
			require.True(t, bytes.Equal(content, b[name]), name)
		}
	}
}
