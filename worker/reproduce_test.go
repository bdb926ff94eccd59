package worker_test

import (
	"context"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/activities"
	"github.com/perennial-ml/perennial/internal/ledger"
	"github.com/perennial-ml/perennial/workflows"
)

// reproduce runs the Reproduce workflow with everything real but Temporal, as a
// process that was just started.
func (w *world) reproduce(t *testing.T, run string) (workflows.TrainResult, error) {
	t.Helper()
	w.act = &activities.Activities{
		Pipelines: w.pipeline, Data: w.act.Data, Blobs: w.act.Blobs, Tracker: w.act.Tracker, Ledger: w.act.Ledger, Traffic: w.traffic,
		Now: time.Now, Build: w.act.Build, Threads: 1, Project: w.dir,
	}
	env := w.environment()
	env.ExecuteWorkflow(workflows.Reproduce, workflows.ReproduceInput{RunID: run, Pipeline: "iris", Actor: "me"})
	if err := env.GetWorkflowError(); err != nil {
		return workflows.TrainResult{}, err
	}
	var result workflows.TrainResult
	require.NoError(t, env.GetWorkflowResult(&result))
	require.Equal(t, run, result.RunID)
	return result, nil
}

// retold is a tracker whose run has other tags and parameters than it was given.
type retold struct {
	activities.Tracker
	tags, params map[string]string
}

func (r retold) GetRun(ctx context.Context, id string) (perennial.Run, error) {
	run, err := r.Tracker.GetRun(ctx, id)
	replace := func(list []perennial.Tag, by map[string]string) []perennial.Tag {
		var out []perennial.Tag
		for _, tag := range list {
			if v, ok := by[tag.Key]; ok {
				tag.Value = v
			}
			out = append(out, tag)
		}
		return out
	}
	run.Tags, run.Params = replace(run.Tags, r.tags), replace(run.Params, r.params)
	return run, err
}

// reworked is a ledger whose study has one trial that is another.
type reworked struct {
	activities.Ledger
	trial ledger.Trial
}

func (r reworked) Trials(ctx context.Context, study string) ([]ledger.Trial, error) {
	list, err := r.Ledger.Trials(ctx, study)
	if len(list) > r.trial.Index {
		trial := &list[r.trial.Index]
		if r.trial.Params != nil {
			trial.Params = r.trial.Params
		} else {
			trial.Score = r.trial.Score
		}
	}
	return list, err
}

func (w *world) remove(t *testing.T, kind, hex string) {
	t.Helper()
	require.NoError(t, os.Remove(w.blobs.Path(kind+":"+hex)))
}

func TestReproduceNamesWhatDiffersFirst(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change  func(t *testing.T, w *world, run *perennial.Run)
		outcome perennial.Outcome
		differs string
		reason  string
	}{
		"nothing": {func(*testing.T, *world, *perennial.Run) {}, perennial.OutcomeSame, "", "byte for byte"},
		"the pipeline and the data have changed since": {func(t *testing.T, w *world, _ *perennial.Run) {
			w.edit(t, "pipelines/iris.yaml", "trials: 12", "trials: 13")
			w.edit(t, "data/raw/iris.csv", "5.1,3.5", "5.2,3.5")
			w.apply(t)
		}, perennial.OutcomeSame, "", "byte for byte"},
		"the data's copy is gone, and the project has it": {func(t *testing.T, w *world, run *perennial.Run) {
			w.remove(t, "md5", run.Inputs[0].Data.MD5)
		}, perennial.OutcomeSame, "", "byte for byte"},
		"the data's copy is gone, and the project has other data": {func(t *testing.T, w *world, run *perennial.Run) {
			w.remove(t, "md5", run.Inputs[0].Data.MD5)
			w.edit(t, "data/raw/iris.csv", "5.1,3.5", "5.2,3.5")
		}, perennial.OutcomeDiffers, "data", "the project's has md5"},
		"the sides are gone": {func(t *testing.T, w *world, run *perennial.Run) {
			w.remove(t, "sha256", run.Inputs[0].Data.Sides)
		}, perennial.OutcomeDiffers, "data", "the table of its sides"},
		"the bundle is gone": {func(t *testing.T, w *world, run *perennial.Run) {
			w.remove(t, "sha256", strings.TrimPrefix(run.Tag(perennial.TagBundle), "sha256:"))
		}, perennial.OutcomeDiffers, "parameters", "is missing"},
		"a trial is another": {func(_ *testing.T, w *world, _ *perennial.Run) {
			w.act.Ledger = reworked{w.act.Ledger, ledger.Trial{Index: 5, Params: []byte(`{"class_weight":"balanced","c":7}`)}}
		}, perennial.OutcomeDiffers, "parameters", "trial 6 would be proposed as"},
		"another trial was best": {func(_ *testing.T, w *world, _ *perennial.Run) {
			w.act.Ledger = reworked{w.act.Ledger, ledger.Trial{Index: 11, Score: -1}}
		}, perennial.OutcomeDiffers, "parameters", "trial 12 would be selected"},
		"a run from when trials counted from 0": {func(t *testing.T, w *world, run *perennial.Run) {
			n, err := strconv.Atoi(run.Param("trial"))
			require.NoError(t, err)
			require.Equal(t, run.Param("trial"), run.Tag(perennial.TagTrial))
			w.act.Tracker = retold{w.act.Tracker, map[string]string{perennial.TagTrial: ""}, map[string]string{"trial": strconv.Itoa(n - 1)}}
		}, perennial.OutcomeSame, "", "byte for byte"},
		"another platform": {func(_ *testing.T, w *world, _ *perennial.Run) {
			w.act.Tracker = retold{w.act.Tracker, map[string]string{perennial.TagPlatform: "s390x", perennial.TagModelSHA256: strings.Repeat("ab", 32)}, nil}
		}, perennial.OutcomeDiffers, "platform", "s390x"},
		"other bytes": {func(_ *testing.T, w *world, _ *perennial.Run) {
			w.act.Tracker = retold{w.act.Tracker, nil, map[string]string{"params_sha256": "ab"}}
		}, perennial.OutcomeDiffers, "model", "first in PROV (provenance)"},
		"other bytes, and the file is gone": {func(_ *testing.T, w *world, _ *perennial.Run) {
			w.act.Tracker = retold{w.act.Tracker, map[string]string{perennial.TagModelSHA256: strings.Repeat("ab", 32)}, nil}
		}, perennial.OutcomeDiffers, "model", "the run's own file is gone"},
		"an algorithm of chance": {func(_ *testing.T, w *world, _ *perennial.Run) {
			w.act.Tracker = retold{w.act.Tracker, map[string]string{perennial.TagAlgorithm: "malaschitz_forest"}, nil}
		}, perennial.OutcomeNotReproducible, "", "isn't reproducible"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := setup(t)
			w.searching(t, "{strategy: tpe, trials: 12, folds: 3, seed: 3}")
			trained, err := w.train(t, "iris", perennial.BudgetFull)
			require.NoError(t, err)
			run, err := w.tracking.GetRun(t.Context(), trained.RunID)
			require.NoError(t, err)
			c.change(t, w, &run)
			result, err := w.reproduce(t, trained.RunID)
			require.NoError(t, err)
			require.Equal(t, c.outcome, result.Outcome, result.Reason)
			require.Equal(t, c.differs, result.Differs)
			require.Contains(t, result.Reason, c.reason)
			after, err := w.tracking.GetRun(t.Context(), trained.RunID)
			require.NoError(t, err)
			require.Equal(t, run, after, "the run stays as it was")
			versions, err := w.tracking.Versions(t.Context(), "iris")
			require.NoError(t, err)
			require.Len(t, versions, 1, "nothing is registered")
		})
	}
}

func TestReproduceReplaysAStudyThatWasCut(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.searching(t, "{strategy: tpe, trials: 40, folds: 3, seed: 3, max_time: 1m}")
	began := time.Now()
	w.act.Now = func() time.Time { return time.Now().Add(time.Since(began) * 10_000) }
	trained, err := w.train(t, "iris", perennial.BudgetFull)
	require.NoError(t, err)
	require.Less(t, len(w.trials(t, trained.RunID)), 40)
	result, err := w.reproduce(t, trained.RunID)
	require.NoError(t, err)
	require.Equal(t, perennial.OutcomeSame, result.Outcome, result.Reason)
}

func TestOnlyATrainingIsReproduced(t *testing.T) {
	t.Parallel()
	w := setup(t)
	trained, err := w.train(t, "iris", perennial.BudgetBootstrap)
	require.NoError(t, err)
	children, err := w.tracking.ChildRuns(t.Context(), trained.RunID)
	require.NoError(t, err)
	_, err = w.reproduce(t, children[0].ID)
	require.Equal(t, perennial.CodePrecondition, workflows.FailureOf(err).Code)
	_, err = w.reproduce(t, "nope")
	require.Equal(t, perennial.CodeNotFound, workflows.FailureOf(err).Code)
}
