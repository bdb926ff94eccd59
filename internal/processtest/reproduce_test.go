package processtest_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/client"
)

// searchable is a project whose iris searches long enough to be killed in
// between, with nothing of chance in it.
func searchable(t *testing.T) string {
	t.Helper()
	dir := demo(t)
	p := &process{t: t, project: dir}
	p.rewrite("iris.yaml", "  - {algorithm: malaschitz_forest}\n", "  - {algorithm: logistic_regression, search: {c: {log: [0.001, 1.0e+6]}, class_weight: {choice: [none, balanced]}}}\n")
	p.rewrite("iris.yaml", "tuning: {strategy: random, trials: 9, folds: 5, seed: 1}", "tuning: {strategy: tpe, trials: 64, folds: 10, seed: 1, parallel: 16}")
	return dir
}

// modelOf gives the hash of a version's model file.
func (p *process) modelOf(run string) string {
	p.t.Helper()
	view, err := p.Run(p.t.Context(), run)
	require.NoError(p.t, err)
	return view.Tags[perennial.TagModelSHA256]
}

// sameTrials requires that two runs tried the same with the same results, each
// trial once.
func (p *process) sameTrials(before, after string) {
	p.t.Helper()
	var lists [2][]client.TrialView
	for i, run := range []string{before, after} {
		view, err := p.Run(p.t.Context(), run)
		require.NoError(p.t, err)
		for k := range view.Trials {
			view.Trials[k].Seconds, view.Trials[k].CPU = 0, 0
			require.Equal(p.t, k+1, view.Trials[k].Trial)
		}
		lists[i] = view.Trials
	}
	require.NotEmpty(p.t, lists[0])
	require.Equal(p.t, lists[0], lists[1])
}

// TestAStudyIsTheSameAfterAKillAndForAnyParallelTrials trains once with one
// training slot, once with sixteen, and once with a kill in the middle of the
// search; the model file is the same, and reproduce says so of each.
func TestAStudyIsTheSameAfterAKillAndForAnyParallelTrials(t *testing.T) {
	t.Parallel()
	p := prepare(t, searchable(t), "--no-bootstrap")
	p.env = append(p.env, "PERENNIAL_TRAIN_SLOTS=1")
	p.start()
	first := p.train("iris", client.TrainRequest{Reason: "one at a time"})
	require.Equal(t, perennial.WorkflowCompleted, first.State, "%+v", first.Error)
	want := p.modelOf(first.Result.RunID)
	require.Len(t, want, 64)
	p.stop()

	p.env = []string{"PERENNIAL_TRAIN_SLOTS=16"}
	p.start()
	second := p.train("iris", client.TrainRequest{Reason: "sixteen at once"})
	require.Equal(t, want, p.modelOf(second.Result.RunID))
	p.sameTrials(first.Result.RunID, second.Result.RunID)

	started, err := p.Train(t.Context(), "iris", client.TrainRequest{Reason: "to be killed"})
	require.NoError(t, err)
	p.eventually(time.Minute, "trials have run", func(ctx context.Context) bool {
		v, err := p.Workflow(ctx, started.WorkflowID, started.WorkflowRunID)
		return err == nil && v.Progress != nil && v.Progress.Done >= 3
	})
	p.kill()
	p.start()
	view, err := p.Workflow(t.Context(), started.WorkflowID, started.WorkflowRunID)
	require.NoError(t, err)
	if view.Progress == nil || view.Progress.Done >= 64 {
		t.Log("it was killed too late")
	}
	third, err := p.FollowWorkflow(t.Context(), started.WorkflowID, started.WorkflowRunID, nil)
	require.NoError(t, err)
	require.Equal(t, perennial.WorkflowCompleted, third.State, "%+v", third.Error)
	require.Equal(t, want, p.modelOf(third.Result.RunID))
	p.sameTrials(first.Result.RunID, third.Result.RunID)

	for _, id := range []string{first.Result.RunID, third.Result.RunID} {
		out, code := run(t, "--api", p.url, "reproduce", id)
		require.Equal(t, 0, code, out)
		require.Contains(t, out, "same")
	}
	require.NoError(t, os.Remove(filepath.Join(p.home, "artifacts", "sha256", want[:2], want[2:])))
	out, code := run(t, "--api", p.url, "reproduce", first.Result.RunID)
	require.Equal(t, 0, code, "the hash is enough: %s", out)
	versions, err := p.Versions(t.Context(), "iris")
	require.NoError(t, err)
	require.Len(t, versions.Items, 3, "a reproduction registers nothing")
}
