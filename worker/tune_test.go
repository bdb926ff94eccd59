package worker_test

import (
	"context"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"
	sdkworker "go.temporal.io/sdk/worker"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/activities"
	"github.com/perennial-ml/perennial/internal/ledger"
	"github.com/perennial-ml/perennial/internal/mlflow"
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
				require.Equal(t, map[ledger.TrialState]int{ledger.TrialStopped: 24, ledger.TrialCompleted: 3}, states)
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
	files := w.files(t, result.RunID)
	for _, card := range []string{activities.CardMarkdownPath, activities.CardHTMLPath} {
		require.Contains(t, string(files[card]), "The search was cut by its time limit: "+run.Tag(perennial.TagTruncated)+".")
	}
	for _, trial := range list {
		require.Equal(t, ledger.TrialCompleted, trial.State)
	}
}

func TestASearchTriesNothingTwice(t *testing.T) {
	t.Parallel()
	for _, strategy := range []string{"tpe", "random"} {
		w := setup(t)
		w.edit(t, "pipelines/iris.yaml", "search: {c: {log: [0.01, 100]}}", "search: {c: {choice: [1, 3, 30]}, penalty: {choice: [l2, none]}}")
		w.edit(t, "pipelines/iris.yaml", "  - {algorithm: malaschitz_forest}\n", "")
		w.edit(t, "pipelines/iris.yaml", "tuning: {strategy: random, trials: 9,", "tuning: {strategy: "+strategy+", trials: 9,")
		w.apply(t)
		result, err := w.train(t, "iris", perennial.BudgetFull)
		require.NoError(t, err)
		require.Len(t, w.trials(t, result.RunID), 6, "the defaults, c 30 and l2, are one of the six points")
		run, err := w.tracking.GetRun(t.Context(), result.RunID)
		require.NoError(t, err)
		require.Empty(t, run.Tag(perennial.TagTruncated), "there is nothing left to try")
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
	older.RunID = w.another(t, "older")
	env := w.activities(t)
	for _, in := range []activities.TrialsInput{{From: 4, To: 8}, {From: 0, To: 4}, {From: 8, To: 12}} {
		in.StudyInput = older
		_, err := env.ExecuteActivity(w.act.RunTrials, in)
		require.NoError(t, err)
	}
	require.Equal(t, w.trials(t, result.RunID), w.trials(t, older.RunID))
}

// another makes a run for a study of its own.
func (w *world) another(t *testing.T, op string) string {
	t.Helper()
	e, err := w.tracking.EnsureExperiment(t.Context(), "iris")
	require.NoError(t, err)
	run, err := w.tracking.CreateRun(t.Context(), mlflow.RunSpec{ExperimentID: e.ID, StartedAt: 1, Op: op})
	require.NoError(t, err)
	return run.ID
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
	study.RunID = w.another(t, "another")
	require.NoError(t, w.ledger.ProposeTrials(t.Context(), []ledger.Trial{
		{StudyID: study.RunID, Index: 0, Algorithm: "logistic_regression", Params: json.RawMessage(`{"c":-1}`)},
		{StudyID: study.RunID, Index: 1, Algorithm: "logistic_regression", Params: json.RawMessage(`{"c":1}`)},
	}))
	env := w.activities(t)
	_, err = env.ExecuteActivity(w.act.RunTrials, activities.TrialsInput{StudyInput: study, Trials: []int{0, 1}, Folds: 3})
	require.NoError(t, err)
	list := w.trials(t, study.RunID)
	require.Equal(t, ledger.TrialFailed, list[0].State)
	require.Contains(t, list[0].Error, "c")
	require.Equal(t, ledger.TrialCompleted, list[1].State)
}

// spoiled proposes parameters that a candidate can't be fitted with.
type spoiled struct {
	*ledger.Store
	candidate int
}

func (s spoiled) ProposeTrials(ctx context.Context, trials []ledger.Trial) error {
	trials = slices.Clone(trials)
	for i := range trials {
		if trials[i].Candidate == s.candidate {
			trials[i].Params = json.RawMessage(`{"c":-1}`)
		}
	}
	return s.Store.ProposeTrials(ctx, trials)
}

func TestACandidateThatFailsIsShownWithItsReason(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.act.Ledger = spoiled{w.ledger, 0}
	result, err := w.train(t, "iris", perennial.BudgetBootstrap)
	require.NoError(t, err)
	candidates, err := w.tracking.ChildRuns(t.Context(), result.RunID)
	require.NoError(t, err)
	require.Len(t, candidates, 2)
	for _, c := range candidates {
		if c.Tag(perennial.TagAlgorithm) == "malaschitz_forest" {
			require.Equal(t, perennial.RunFinished, c.Status)
			require.Empty(t, c.Tag(perennial.TagFailure))
			continue
		}
		require.Equal(t, perennial.RunFailed, c.Status)
		require.Contains(t, c.Tag(perennial.TagFailure), "c is outside")
	}
	card := string(w.files(t, result.RunID)[activities.CardMarkdownPath])
	require.Contains(t, card, "logistic_regression (failed)")
	require.Contains(t, card, "c is outside")
	require.NotEmpty(t, w.files(t, result.RunID)["evaluation/candidates.png"])

	w.act.Ledger = spoiled{w.ledger, -1}
	w.edit(t, "pipelines/iris.yaml", "  - {algorithm: malaschitz_forest}\n", "")
	w.apply(t)
	w.act.Ledger = spoiled{w.ledger, 0}
	_, err = w.train(t, "iris", perennial.BudgetBootstrap)
	require.ErrorContains(t, err, "none of the 1 trials could be fitted; trial 1 (logistic_regression)")
}

func TestWhatHalvingLeftIsStopped(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.edit(t, "pipelines/iris.yaml", "  - {algorithm: malaschitz_forest}\n", "  - {algorithm: random_forest, params: {trees: 1}}\n")
	w.edit(t, "pipelines/iris.yaml", "tuning: {strategy: random, trials: 9, folds: 5, seed: 1}", "tuning: {strategy: asha, trials: 6, folds: 5, seed: 1}")
	w.apply(t)
	result, err := w.train(t, "iris", perennial.BudgetFull)
	require.NoError(t, err)
	candidates, err := w.tracking.ChildRuns(t.Context(), result.RunID)
	require.NoError(t, err)
	stopped := map[string]string{}
	for _, c := range candidates {
		require.Equal(t, perennial.RunFinished, c.Status, "it did what it was to do")
		_, scored := c.Metric("cv_log_loss")
		require.True(t, scored)
		stopped[c.Tag(perennial.TagAlgorithm)] = c.Tag(perennial.TagStopped)
	}
	require.Equal(t, map[string]string{"logistic_regression": "", "random_forest": "1 of 5 folds"}, stopped)
	for _, trial := range w.trials(t, result.RunID) {
		require.Equal(t, len(trial.Scores) == 5, trial.State == ledger.TrialCompleted)
		require.Equal(t, len(trial.Scores) < 5, trial.State == ledger.TrialStopped)
	}
	require.Contains(t, string(w.files(t, result.RunID)[activities.CardMarkdownPath]), "random_forest (stopped)")

	env, study := w.activities(t), w.study(t, result.RunID)
	_, err = env.ExecuteActivity(w.act.RunTrials, activities.TrialsInput{StudyInput: study, Trials: []int{1}, Folds: 3})
	require.NoError(t, err)
	require.Len(t, w.trials(t, result.RunID)[1].Scores, 3, "what was stopped can go on")
}

// activities gives an environment in which single steps run.
func (w *world) activities(t *testing.T) *testsuite.TestActivityEnvironment {
	t.Helper()
	env := new(testsuite.WorkflowTestSuite).NewTestActivityEnvironment()
	env.SetWorkerOptions(sdkworker.Options{Interceptors: worker.Interceptors(nil, nil), MaxHeartbeatThrottleInterval: time.Second, DeadlockDetectionTimeout: time.Minute})
	env.RegisterActivity(w.act)
	return env
}
