package card_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/card"
	"github.com/perennial-ml/perennial/models/evaluate"
)

var update = flag.Bool("update", false, "write the golden cards anew")

// churn is a card with something of everything, and names that try to be more
// than text.
func churn() *card.Card {
	interval := [2]float64{0.61, 0.7}
	values := func(ap, recall float64) []evaluate.Value {
		return []evaluate.Value{{Name: "average_precision", Value: ap}, {Name: "recall", Value: recall}}
	}
	return &card.Card{
		Pipeline: "churn", Version: "6", Outcome: perennial.OutcomeTrained, State: "completed", Owner: perennial.Owner{Team: "growth-ml", Contact: "#growth-ml"},
		Task: perennial.Classification, Target: "churned", Classes: []string{"no", "<script>alert(1)</script>"}, Positive: "<script>alert(1)</script>", Threshold: 0.42,
		RunID: "run6", WorkflowID: "train:churn", Trigger: "schedule", Reason: "nightly | `rm`\n[x](javascript:y)", Actor: "scheduler", StartedAt: 1772366400000, EndedAt: 1772366461500,
		Data:  perennial.DataRef{Path: "data/raw/churn.csv", MD5: "bb22", Rows: 1200, FeedbackRows: 40, Sides: "cc33"},
		Sides: map[perennial.Side]int{perennial.SideTrain: 860, perennial.SideHoldout: 240, perennial.SideStream: 100},
		Split: perennial.Split{By: perennial.SplitStratified, Test: 0.2, Seed: 42},
		Features: []card.Feature{
			{Column: perennial.Column{Name: "signup_date", Type: perennial.TypeDate, Format: "%Y-%m-%d"}, Rows: 960, Min: 18000, Max: 20000},
			{Column: perennial.Column{Name: "plan", Type: perennial.TypeCategorical, Values: []string{"basic", "plus"}, Unknown: "reject"}, Rows: 950, Nulls: 10},
			{Column: perennial.Column{Name: "income", Type: perennial.TypeNumeric, Range: &[2]float64{0, 1e6}, OutOfRange: "warn", Nullable: true}, Rows: 900, Nulls: 60, Min: 1200, Max: 250000},
			{Column: perennial.Column{Name: "is_student", Type: perennial.TypeBoolean}, Rows: 960, Min: 0, Max: 1},
			{Column: perennial.Column{Name: "empty", Type: perennial.TypeNumeric}, Nulls: 960},
		},
		Prepared: 9, Algorithm: "logistic_regression", Params: map[string]any{"c": 1.5, "penalty": "l2"}, Select: "average_precision", Budget: perennial.BudgetFull,
		Ended: "converged", Iterations: 17,
		Candidates: &evaluate.Candidates{Metric: "average_precision", HigherIsBetter: true, Folds: 5, Candidates: []evaluate.Candidate{
			{Algorithm: "logistic_regression", Selected: true, Trial: 3, Trials: 30, Failed: 1, Params: map[string]any{"c": 1.5}, Mean: 0.66, Std: 0.02, Scores: make([]float64, 5), Wall: 0.5, CPU: 0.9, Memory: 300 << 20},
			{Algorithm: "extra_trees", Trial: 1, Trials: 9, Stopped: true, Params: map[string]any{"trees": 9}, Mean: 0.5, Scores: make([]float64, 1), Wall: 0.1, CPU: 0.1, Memory: 300 << 20},
			{Algorithm: "random_forest", Trial: 2, Trials: 2, Failed: 2, Params: map[string]any{"trees": 9}, Failure: "the forest would make more than 16 million nodes", Wall: 3, CPU: 3, Memory: 300 << 20},
		}},
		Report: &evaluate.Report{
			Task: perennial.Classification, N: 240, Level: 0.95, Seed: 42, Baseline: values(0.2, 0),
			Metrics: []evaluate.Score{{Name: "average_precision", Value: 0.66, Interval: &interval, HigherIsBetter: true}, {Name: "recall", Value: 0.7, HigherIsBetter: true}},
			Slices:  []evaluate.Slice{{Column: "plan", Value: "basic", N: 200, Metrics: values(0.67, 0.7)}, {Column: "plan", N: 40}},
		},
		Champion: &card.Champion{Version: "5", Rows: 230, Candidate: values(0.655, 0.69), Champion: values(0.6, 0.65)},
		Gates: &perennial.Decision{Verdict: perennial.VerdictPass, Reason: "The model passed both gates.", Checks: []perennial.Check{
			{Name: "average_precision vs champion", Verdict: perennial.VerdictPass, N: 230, Value: 0.655, Reference: 0.6, Message: "0.055 better"},
		}},
		Warnings:  []string{"The search was cut by its time limit: 30 of 60 trials. A longer tuning.max_time may find a better model."},
		Resources: card.Resources{CPU: 91.234, Wall: 61.5, Memory: 1.5 * (1 << 30)},
		Lineage:   card.Lineage{ModelSHA256: "aa11", ParamsSHA256: "dd44", SchemaSHA256: "ee55", PipelineRevision: "ff66", Seed: 42, Trainer: "perennial/2", Build: "v1", Go: "go1.26", Platform: "linux/amd64", ProjectDirty: true},
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(file, got, 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err, "run with -update")
	require.Equal(t, string(want), string(got))
}

func TestACard(t *testing.T) {
	t.Parallel()
	markdown := churn().Markdown(map[string]string{"roc": "evaluation/roc.png"})
	golden(t, "churn.md", markdown)
	page, err := churn().HTML(map[string][]byte{"roc": []byte("\x89PNG")})
	require.NoError(t, err)
	golden(t, "churn.html", page)
	require.NotContains(t, string(page), "<script")
	require.NotContains(t, string(markdown), "<script")
	require.NotContains(t, string(markdown), "[x](javascript")
	golden(t, "candidates.md", card.CandidatesMarkdown(churn().Candidates))
}

func TestACardOfWhatIsNotKnown(t *testing.T) {
	t.Parallel()
	bare := &card.Card{Pipeline: "churn", RunID: "run6", Outcome: perennial.OutcomeRejectedByGates}
	markdown := string(bare.Markdown(nil))
	require.True(t, strings.HasPrefix(markdown, "# Model card: churn, run run6\n"))
	for _, absent := range []string{"## Results", "## Gates", "## Slices", "## Pictures", "## Candidates", "NaN"} {
		require.NotContains(t, markdown, absent)
	}
	_, err := bare.HTML(nil)
	require.NoError(t, err)
}

func TestACardSurvivesJSON(t *testing.T) {
	t.Parallel()
	b, err := json.Marshal(churn())
	require.NoError(t, err)
	var again card.Card
	require.NoError(t, json.Unmarshal(b, &again))
	require.True(t, bytes.Equal(churn().Markdown(nil), again.Markdown(nil)))
}

func TestACardSaysWhichSidesWereScored(t *testing.T) {
	t.Parallel()
	c := churn()
	require.Contains(t, string(c.Markdown(nil)), "On 240 rows held out, scored once (the side holdout; the side stream, 100 rows, is left out because feedback is among the data).")
	c.Data.FeedbackRows = 0
	require.Contains(t, string(c.Markdown(nil)), "scored once (the sides holdout, 240 rows, and stream, 100 rows: without feedback nothing was learned from either).")
	delete(c.Sides, perennial.SideStream)
	require.Contains(t, string(c.Markdown(nil)), "On 240 rows held out, scored once. Intervals")
}

func TestACardShowsTheWorstOfManySlices(t *testing.T) {
	t.Parallel()
	c := churn()
	few := c.Report.Slices
	for i := range 120 {
		part := evaluate.Slice{Column: "city", Value: fmt.Sprintf("C%03d", i), N: 10}
		if i%40 != 7 { // the others have no row of the positive class
			part.Metrics = []evaluate.Value{{Name: "average_precision", Value: float64((i*37)%120) / 120}}
		}
		c.Report.Slices = append(c.Report.Slices, part)
	}
	text := string(c.Markdown(nil))
	require.Equal(t, 12, strings.Count(text, "| city | C")+strings.Count(text, "| city | (109 more) |"), text)
	require.Contains(t, text, "Of the 120 values of city the 10 worst by average_precision are shown, and the best; report.json has all.")
	worst, best := strings.Index(text, "| city | C000 | 10 | 0 |"), strings.Index(text, "| city | C107 | 10 | 0.99167 |")
	require.Positive(t, worst)
	require.Greater(t, best, strings.Index(text, "(109 more)"))
	require.Contains(t, text, "| plan | basic |", "of few all")
	require.Len(t, few, 2)

	c.Select = "rmse"
	c.Report.Slices = c.Report.Slices[len(few):]
	for i := range c.Report.Slices {
		c.Report.Slices[i].Metrics = []evaluate.Value{{Name: "rmse", Value: float64(i)}}
	}
	require.Regexp(t, `(?s)C119.*C110.*109 more.*C000`, string(c.Markdown(nil)), "lower is better")
}
