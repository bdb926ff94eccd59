package worker_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"
	sdkworker "go.temporal.io/sdk/worker"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/activities"
	"github.com/perennial-ml/perennial/internal/ledger"
	"github.com/perennial-ml/perennial/worker"
	"github.com/perennial-ml/perennial/workflows"
)

// searching makes iris a pipeline that is reproducible and has something to
// search, with the given tuning.
func (w *world) searching(t *testing.T, tuning string) {
	t.Helper()
	w.edit(t, "pipelines/iris.yaml", "  - {algorithm: malaschitz_forest}\n",
		"  - {algorithm: logistic_regression, params: {class_weight: balanced}, search: {c: {log: [0.001, 10]}, tol: {log: [1.0e-7, 0.01]}}}\n")
	w.edit(t, "pipelines/iris.yaml", "tuning: {strategy: random, trials: 9, folds: 5, seed: 1}", "tuning: "+tuning)
	w.apply(t)
}

// trials reads a study, without what depends on the machine's speed.
func (w *world) trials(t *testing.T, run string) []ledger.Trial {
	t.Helper()
	list, err := w.ledger.Trials(t.Context(), run)
	require.NoError(t, err)
	for i := range list {
		list[i].StudyID, list[i].Millis, list[i].CPU, list[i].Memory = "", 0, 0, 0
	}
	return list
}

func (w *world) modelOf(t *testing.T, r workflows.TrainResult) string {
	t.Helper()
	v, err := w.tracking.GetVersion(t.Context(), "iris", r.Version)
	require.NoError(t, err)
	return v.Lineage.ModelSHA256
}

func TestAnyNumberOfParallelTrialsMakesTheSameModel(t *testing.T) {
	t.Parallel()
	for _, strategy := range []string{"tpe", "asha", "random"} {
		t.Run(strategy, func(t *testing.T) {
			t.Parallel()
			var model string
			var trials []ledger.Trial
			for _, parallel := range []string{"1", "4", "16"} {
				w := setup(t)
				w.searching(t, "{strategy: "+strategy+", trials: 27, folds: 5, seed: 3, parallel: "+parallel+"}")
				result, err := w.train(t, "iris", perennial.BudgetFull)
				require.NoError(t, err)
				list := w.trials(t, result.RunID)
				require.Len(t, list, 27)
				if model != "" {
					require.Equal(t, trials, list, "parallel %s", parallel)
					require.Equal(t, model, w.modelOf(t, result), "parallel %s", parallel)
				}
				model, trials = w.modelOf(t, result), list
			}
			states := map[ledger.TrialState]int{}
			for _, trial := range trials {
				states[trial.State]++
			}
			if strategy == "asha" {
				require.Equal(t, map[ledger.TrialState]int{ledger.TrialPartial: 24, ledger.TrialCompleted: 3}, states)
			} else {
				require.Equal(t, map[ledger.TrialState]int{ledger.TrialCompleted: 27}, states)
			}
		})
	}
}

func TestAStudyCutByTimeIsMarked(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.searching(t, "{strategy: tpe, trials: 20, folds: 5, seed: 3, max_time: 1m}")
	began := time.Now()
	w.act.Now = func() time.Time { return time.Now().Add(time.Since(began) * 10_000) } // a clock in a hurry
	result, err := w.train(t, "iris", perennial.BudgetFull)
	require.NoError(t, err)
	run, err := w.tracking.GetRun(t.Context(), result.RunID)
	require.NoError(t, err)
	list := w.trials(t, result.RunID)
	require.Less(t, len(list), 20)
	require.Zero(t, len(list)%8, "a round that has begun is finished")
	require.Contains(t, run.Tag(perennial.TagTruncated), " of 20 trials")
	for _, trial := range list {
		require.Equal(t, ledger.TrialCompleted, trial.State)
	}
}

// What has a result is not run again, whoever asks and in whichever way.
func TestTrialsRunOnce(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.searching(t, "{strategy: tpe, trials: 9, folds: 3, seed: 3}")
	result, err := w.train(t, "iris", perennial.BudgetFull)
	require.NoError(t, err)
	before, err := w.ledger.Trials(t.Context(), result.RunID)
	require.NoError(t, err)
	study := w.study(t, result.RunID)
	env := w.activities(t)
	for _, in := range []activities.TrialsInput{
		{StudyInput: study, Trials: []int{0, 1, 8}, Folds: 3}, {StudyInput: study, Trials: []int{2}, Folds: 1}, {StudyInput: study, From: 4, To: 9},
	} {
		_, err := env.ExecuteActivity(w.act.RunTrials, in)
		require.NoError(t, err)
	}
	_, err = env.ExecuteActivity(w.act.ProposeTrials, activities.ProposeInput{StudyInput: study, Round: 1})
	require.NoError(t, err)
	after, err := w.ledger.Trials(t.Context(), result.RunID)
	require.NoError(t, err)
	require.Equal(t, before, after)
	_, err = env.ExecuteActivity(w.act.RunTrials, activities.TrialsInput{StudyInput: study, Trials: []int{9}})
	require.ErrorContains(t, err, "never proposed")
	_, err = env.ExecuteActivity(w.act.RunTrials, activities.TrialsInput{StudyInput: study, From: 8, To: 12})
	require.ErrorContains(t, err, "don't exist")
}

// A workflow from before there were rounds names ranges of a study that was
// planned as a whole.
func TestAnOlderStudyRunsOn(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.searching(t, "{strategy: random, trials: 12, folds: 3, seed: 3}")
	result, err := w.train(t, "iris", perennial.BudgetFull)
	require.NoError(t, err)
	older := w.study(t, result.RunID)
	older.RunID = "older"
	env := w.activities(t)
	for _, in := range []activities.TrialsInput{{From: 4, To: 8}, {From: 0, To: 4}, {From: 8, To: 12}} {
		in.StudyInput = older
		_, err := env.ExecuteActivity(w.act.RunTrials, in)
		require.NoError(t, err)
	}
	require.Equal(t, w.trials(t, result.RunID), w.trials(t, "older"))
}

// study gives what a run's study was run on.
func (w *world) study(t *testing.T, run string) activities.StudyInput {
	t.Helper()
	r, err := w.tracking.GetRun(t.Context(), run)
	require.NoError(t, err)
	return activities.StudyInput{Bundle: r.Tag("perennial.bundle"), Snapshot: "sha256:" + r.Inputs[0].Data.Snapshot, RunID: run}
}

func TestAFailingTrialIsNoFailingStudy(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.searching(t, "{strategy: tpe, trials: 12, folds: 3, seed: 3}")
	result, err := w.train(t, "iris", perennial.BudgetFull)
	require.NoError(t, err)
	study := w.study(t, result.RunID)
	study.RunID = "another"
	require.NoError(t, w.ledger.ProposeTrials(t.Context(), []ledger.Trial{
		{StudyID: "another", Index: 0, Algorithm: "logistic_regression", Params: json.RawMessage(`{"c":-1}`)},
		{StudyID: "another", Index: 1, Algorithm: "logistic_regression", Params: json.RawMessage(`{"c":1}`)},
	}))
	env := w.activities(t)
	_, err = env.ExecuteActivity(w.act.RunTrials, activities.TrialsInput{StudyInput: study, Trials: []int{0, 1}, Folds: 3})
	require.NoError(t, err)
	list := w.trials(t, "another")
	require.Equal(t, ledger.TrialFailed, list[0].State)
	require.Contains(t, list[0].Error, "c")
	require.Equal(t, ledger.TrialCompleted, list[1].State)
}

// activities gives an environment in which single steps run.
func (w *world) activities(t *testing.T) *testsuite.TestActivityEnvironment {
	t.Helper()
	env := new(testsuite.WorkflowTestSuite).NewTestActivityEnvironment()
	env.SetWorkerOptions(sdkworker.Options{Interceptors: worker.Interceptors(nil, nil), MaxHeartbeatThrottleInterval: time.Second})
	env.RegisterActivity(w.act)
	return env
}
