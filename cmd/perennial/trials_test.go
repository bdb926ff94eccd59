package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/client"
)

// tried is the run of a training with so many of three trials done.
func tried(done int) client.RunView {
	r := irisRun()
	r.Trials = []client.TrialView{
		{Trial: 1, Algorithm: "logistic_regression", State: "completed", Params: json.RawMessage(`{"c":1}`), Score: new(0.25), Scores: []*float64{new(0.2), new(0.3)}, Seconds: 1.26},
		{Trial: 2, Algorithm: "logistic_regression", State: "failed", Params: json.RawMessage(`{"c":-1}`), Error: "c is negative"},
		{Trial: 3, Algorithm: "logistic_regression", State: "partial", Params: json.RawMessage(`{"c":0.123456,"kind":"x"}`), Score: new(0.5), Scores: []*float64{new(0.5)}},
	}
	for i := done; i < 3; i++ {
		r.Trials[i].State, r.Trials[i].Score, r.Trials[i].Scores = "proposed", nil, nil
	}
	return r
}

func TestWaitingTellsOfEachTrialAsItFinishes(t *testing.T) {
	t.Parallel()
	var states []client.WorkflowView
	var runs []client.RunView
	for _, done := range []int{0, 1, 1, 3} {
		v := irisWorkflow(perennial.WorkflowRunning)
		v.Progress.Done, v.Progress.Total, v.Progress.RunID = done, 3, "run2"
		if done == 0 {
			v.Progress.Best = nil
		}
		states = append(states, v)
	}
	last := irisWorkflow(perennial.WorkflowCompleted)
	last.Progress.Done, last.Progress.Total, last.Progress.RunID = 3, 3, "run2"
	states, runs = append(states, last), append(runs, tried(1), tried(3))
	n, looked := 0, 0
	f := newFake(t, map[string]any{
		"POST /pipelines/iris/train": client.TrainResponse{WorkflowID: "train:iris", WorkflowRunID: "wr2", Started: true},
		"GET /workflows/train:iris":  func([]byte) any { n++; return states[min(n, len(states))-1] },
		"GET /runs/run2":             func([]byte) any { looked++; return runs[min(looked, len(runs))-1] },
	})
	got := perennialCLI(t, "", "train", "iris", "--wait", "--json", "--project", t.TempDir(), "--api", f.url)
	require.Equal(t, exitDone, got.code, got.err)
	require.Equal(t, `train:iris: tune, 3 trials
train:iris: trial 1 of 3: logistic_regression log_loss 0.25 (2 folds, 1.3 s) c=1; the best so far
train:iris: trial 2 of 3: logistic_regression failed: c is negative c=-1
train:iris: trial 3 of 3: logistic_regression log_loss 0.5 (1 fold so far, 0.0 s) c=0.1235 kind=x
`, got.err)
	var view client.WorkflowView
	require.NoError(t, json.Unmarshal([]byte(got.out), &view), "one JSON document: %s", got.out)
}

// One line says that its trial is the best so far, whenever it is looked at: not
// the last of the lines that come at once, and not one that is worse.
func TestWaitingMarksTheBestTrialSoFar(t *testing.T) {
	t.Parallel()
	v := irisWorkflow(perennial.WorkflowCompleted)
	v.Progress.Done, v.Progress.Total, v.Progress.RunID = 7, 7, "run2"
	v.Progress.Best = &client.Best{Metric: "log_loss", Value: 0.2}
	run := irisRun()
	for i, c := range []struct {
		score float64
		folds int
		state string
	}{{0.3, 1, "stopped"}, {0.2, 1, "stopped"}, {0.25, 1, "stopped"}, {0.4, 2, "completed"}, {0.1, 1, "stopped"}, {0.3, 2, "completed"}, {0.3, 2, "completed"}} {
		run.Trials = append(run.Trials, client.TrialView{Trial: i + 1, Algorithm: "ridge", State: c.state, Score: &c.score, Scores: make([]*float64, c.folds)})
	}
	f := training(t, v)
	f.answers["GET /runs/run2"] = run
	got := perennialCLI(t, "", "train", "iris", "--wait", "--project", t.TempDir(), "--api", f.url)
	require.Equal(t, exitDone, got.code, got.err)
	var marked []string
	for line := range strings.Lines(got.err) {
		if strings.Contains(line, "; the best so far") {
			marked = append(marked, strings.Fields(line)[2])
		}
	}
	require.Equal(t, []string{"1", "2", "4", "6"}, marked, got.err)
}

// A quick search is over before anybody looks: its trials come before the stage
// that runs then, and before what the training ended with.
func TestWaitingTellsStagesAndTrialsInTheirOrder(t *testing.T) {
	t.Parallel()
	state := func(stage string, done int) client.WorkflowView {
		v := irisWorkflow(perennial.WorkflowRunning)
		v.Stage, v.Progress.Done, v.Progress.Total, v.Progress.RunID = stage, done, 1, "run2"
		return v
	}
	before := irisWorkflow(perennial.WorkflowRunning)
	before.Stage, before.Progress = perennial.StageResolve, nil
	last := irisWorkflow(perennial.WorkflowCompleted)
	last.Progress.Done, last.Progress.Total, last.Progress.RunID = 1, 1, "run2"
	run := tried(1)
	run.Trials = run.Trials[:1]
	f := training(t, before, state(perennial.StageTune, 0), state(perennial.StageFit, 1), state(perennial.StageFit, 1), state(perennial.StageEvaluate, 1), last)
	f.answers["GET /runs/run2"] = run
	got := perennialCLI(t, "", "train", "iris", "--wait", "--project", t.TempDir(), "--api", f.url)
	require.Equal(t, exitDone, got.code, got.err)
	require.Equal(t, `train:iris: resolve
train:iris: tune, 1 trial
train:iris: trial 1 of 1: logistic_regression log_loss 0.25 (2 folds, 1.3 s) c=1; the best so far
train:iris: fit
train:iris: evaluate
`, got.err)

	f = training(t, before, state(perennial.StageEvaluate, 1), last)
	f.answers["GET /runs/run2"] = run
	got = perennialCLI(t, "", "train", "iris", "--wait", "--project", t.TempDir(), "--api", f.url)
	require.Equal(t, "train:iris: resolve\ntrain:iris: trial 1 of 1: logistic_regression log_loss 0.25 (2 folds, 1.3 s) c=1; the best so far\ntrain:iris: evaluate\n", got.err)
}

func TestWaitingTellsThatTheSearchWasCut(t *testing.T) {
	t.Parallel()
	run := irisRun()
	run.Tags = map[string]string{perennial.TagTruncated: "24 of 60 trials"}
	const note = "The search was cut by its time limit: 24 of 60 trials. A longer tuning.max_time may find a better model.\n"
	last := irisWorkflow(perennial.WorkflowCompleted)
	f := training(t, last)
	f.answers["GET /runs/run2"] = run
	got := perennialCLI(t, "", "train", "iris", "--wait", "--project", t.TempDir(), "--api", f.url)
	require.Equal(t, note, got.err)

	f = retraining(t, client.WorkflowResult{Outcome: perennial.OutcomeOffered, RunID: "run2", Version: "2"})
	f.answers["GET /runs/run2"] = run
	got = perennialCLI(t, "", "retrain", "iris", "--wait", "--project", t.TempDir(), "--api", f.url)
	require.Equal(t, note, got.err)

	last.Result.Outcome = perennial.OutcomeRejectedByGates
	f = training(t, last)
	f.answers["GET /runs/run2"] = run
	got = perennialCLI(t, "", "train", "iris", "--wait", "--project", t.TempDir(), "--api", f.url)
	require.Equal(t, exitFailed, got.code)
	require.Contains(t, got.err, note)
}

// A trial that is stopped was told of while it was partial.
func TestStoppedTrialsAreToldOnce(t *testing.T) {
	t.Parallel()
	stopped := tried(3)
	stopped.Trials[2].State = "stopped"
	runs, looked := []client.RunView{tried(3), stopped}, 0
	running, last := irisWorkflow(perennial.WorkflowRunning), irisWorkflow(perennial.WorkflowCompleted)
	for _, v := range []*client.WorkflowView{&running, &last} {
		v.Progress.Done, v.Progress.Total, v.Progress.RunID = 3, 3, "run2"
	}
	f := training(t, running, last)
	f.answers["GET /runs/run2"] = func([]byte) any { looked++; return runs[min(looked, len(runs))-1] }
	got := perennialCLI(t, "", "train", "iris", "--wait", "--project", t.TempDir(), "--api", f.url)
	require.Equal(t, 1, strings.Count(got.err, "trial 3 of 3"), got.err)

	f = training(t, last)
	f.answers["GET /runs/run2"] = stopped
	got = perennialCLI(t, "", "train", "iris", "--wait", "--project", t.TempDir(), "--api", f.url)
	require.Contains(t, got.err, "trial 3 of 3: logistic_regression log_loss 0.5 (1 fold, stopped, 0.0 s)")
}

func TestRunsShowWhatBecameOfEachCandidate(t *testing.T) {
	t.Parallel()
	run := irisRun()
	failed := run.Candidates[1]
	failed.Status, failed.Metrics = perennial.RunFailed, nil
	failed.Tags = map[string]string{"perennial.selected": "false", perennial.TagFailure: "malaschitz_forest takes at most 5 rows"}
	run.Candidates[1].Tags = map[string]string{"perennial.selected": "false", perennial.TagStopped: "1 of 5 folds"}
	run.Candidates = append(run.Candidates, failed)
	f := newFake(t, map[string]any{"GET /runs": list(run), "GET /runs/run2": run})
	got := perennialCLI(t, "", "runs", "iris", "--api", f.url)
	require.Regexp(t, "├─ logistic_regression +selected +log_loss=0.11", got.out)
	require.Regexp(t, "├─ malaschitz_forest +stopped \\(1 of 5 folds\\) +log_loss=0.2", got.out)
	require.Regexp(t, "└─ malaschitz_forest +failed +- .*\n +malaschitz_forest takes at most 5 rows\n", got.out)
	got = perennialCLI(t, "", "run", "show", "run2", "--api", f.url)
	require.Regexp(t, "cand2 +malaschitz_forest +stopped \\(1 of 5 folds\\) +log_loss=0.2 +c=10\n", got.out)
	require.Regexp(t, "cand2 +malaschitz_forest +failed +- +malaschitz_forest takes at most 5 rows\n", got.out)
}

func TestRunShowListsTrials(t *testing.T) {
	t.Parallel()
	r := tried(3)
	r.Tags = map[string]string{perennial.TagTruncated: "3 of 9 trials", perennial.TagTermination: "converged"}
	f := newFake(t, map[string]any{"GET /runs/run2": r})
	got := perennialCLI(t, "", "run", "show", "run2", "--api", f.url)
	require.Equal(t, exitDone, got.code, got.err)
	require.Contains(t, got.out, "The search was cut by its time limit: 3 of 9 trials.\n")
	require.Regexp(t, `\nfit ended as: +converged\n`, got.out)
	require.Regexp(t, `TRIAL +ALGORITHM +STATE +CV SCORE +FOLD SCORES +SECONDS +PARAMETERS`, got.out)
	require.Regexp(t, `\n1 +logistic_regression +completed +0\.25 +0\.2 0\.3 +1\.26 +c=1\n2 +logistic_regression +failed +- +- +0\.00 +c is negative\n`, got.out)
}

func TestReproduceSaysWhatDiffers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		result client.WorkflowResult
		code   int
		out    string
	}{
		"same": {client.WorkflowResult{Outcome: perennial.OutcomeSame, RunID: "run2", Reason: "byte for byte"}, exitDone, "run:      run2\noutcome:  same\nreason:   byte for byte\n"},
		"differs": {client.WorkflowResult{Outcome: perennial.OutcomeDiffers, RunID: "run2", Differs: "data", Reason: "it is missing"}, exitFailed,
			"run:      run2\noutcome:  differs\ndiffers:  data\nreason:   it is missing\n"},
		"not reproducible": {client.WorkflowResult{Outcome: perennial.OutcomeNotReproducible, RunID: "run2", Reason: "chance"}, exitFailed, "run:      run2\noutcome:  not_reproducible\nreason:   chance\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			view := irisWorkflow(perennial.WorkflowCompleted)
			view.Progress, view.Result = nil, &c.result
			f := newFake(t, map[string]any{
				"POST /runs/run2/reproduce":     client.TrainResponse{WorkflowID: "reproduce:run2", WorkflowRunID: "wr2", Started: true},
				"GET /workflows/reproduce:run2": view,
			})
			got := perennialCLI(t, "", "reproduce", "run2", "--api", f.url)
			require.Equal(t, result{c.code, c.out + "took:     4.2s\n", ""}, got)
		})
	}
}
