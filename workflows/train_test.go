package workflows_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	sdkworker "go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/activities"
	"github.com/perennial-ml/perennial/worker"
	"github.com/perennial-ml/perennial/workflows"
)

var act *activities.Activities

// steps are the activities' answers in a training where all goes well; a test
// replaces what it is about.
type steps struct {
	env      *testsuite.TestWorkflowEnvironment
	recorded []activities.Progress
}

// environment forgives a machine that stops for a while what Temporal forgives no
// worker: more than a second in a workflow task, and three without an event.
func environment() *testsuite.TestWorkflowEnvironment {
	env := new(testsuite.WorkflowTestSuite).NewTestWorkflowEnvironment()
	env.SetTestTimeout(time.Minute)
	env.SetWorkerOptions(sdkworker.Options{DeadlockDetectionTimeout: time.Minute})
	return env
}

func setup(t *testing.T) *steps {
	t.Helper()
	s := &steps{env: environment()}
	worker.Register(s.env)
	s.env.RegisterActivity(&activities.Activities{})
	return s
}

// answer mocks every step that isn't in except.
func (s *steps) answer(except ...string) {
	skip := map[string]bool{}
	for _, e := range except {
		skip[e] = true
	}
	on := func(name string, activity any, answers ...any) {
		if !skip[name] {
			s.env.OnActivity(activity, mock.Anything, mock.Anything).Return(answers...).Maybe()
		}
	}
	on("ResolvePipeline", act.ResolvePipeline, activities.Resolved{Bundle: "sha256:b", DataMD5: "d"}, nil)
	on("ClaimAttempt", act.ClaimAttempt, activities.Claimed{Reason: "the data are others"}, nil)
	on("StartRun", act.StartRun, "run-1", nil)
	on("ValidateDataset", act.ValidateDataset, activities.Validated{Rows: 150}, nil)
	on("SplitDataset", act.SplitDataset, activities.Snapshot{Key: "sha256:s", Rows: 150, Reused: true}, nil)
	on("PlanStudy", act.PlanStudy, activities.Study{Trials: 20, Parallel: 2}, nil)
	if !skip["ProposeTrials"] {
		s.env.OnActivity(act.ProposeTrials, mock.Anything, mock.Anything).Return(proposing(20)).Maybe()
	}
	on("RunTrials", act.RunTrials, activities.TrialsDone{Millis: 10}, nil)
	on("SelectTrial", act.SelectTrial, activities.Selected{Trial: 7, Completed: 20}, nil)
	on("FitModel", act.FitModel, "sha256:m", nil)
	on("ScoreModel", act.ScoreModel, "sha256:r", nil)
	on("JudgeGates", act.JudgeGates, activities.Gated{Decision: "d-1", Passed: true}, nil)
	on("RegisterVersion", act.RegisterVersion, "1", nil)
	on("SetTraffic", act.SetTraffic, true, nil)
	s.env.OnActivity(act.RecordWorkflow, mock.Anything, mock.Anything).Return(func(_ context.Context, p activities.Progress) error {
		s.recorded = append(s.recorded, p)
		return nil
	}).Maybe()
}

// proposing answers ProposeTrials for a study of so many trials.
func proposing(trials int) func(context.Context, activities.ProposeInput) (activities.Proposed, error) {
	return func(_ context.Context, in activities.ProposeInput) (activities.Proposed, error) {
		var out activities.Proposed
		for i := 8 * in.Round; i < min(8*in.Round+8, trials); i++ {
			out.Trials, out.Folds = append(out.Trials, i), 5
		}
		return out, nil
	}
}

var input = workflows.TrainInput{Pipeline: "iris", Budget: perennial.BudgetFull, Trigger: "manual", Reason: "test", Actor: "me"}

func (s *steps) run() {
	s.env.ExecuteWorkflow(workflows.Train, input)
}

func (s *steps) status(t *testing.T) workflows.Status {
	t.Helper()
	v, err := s.env.QueryWorkflow(workflows.QueryStatus)
	require.NoError(t, err)
	var status workflows.Status
	require.NoError(t, v.Get(&status))
	return status
}

func TestTrainRegistersAndServesAFirstVersion(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.answer("FitModel")
	s.env.OnActivity(act.FitModel, mock.Anything, mock.Anything).Return(func(_ context.Context, in activities.FitInput) (string, error) {
		if in.Trial != 7 || in.Bundle != "sha256:b" || in.Snapshot != "sha256:s" || in.RunID != "run-1" {
			return "", errors.New("wrong input")
		}
		return "sha256:m", nil
	})
	s.run()
	require.NoError(t, s.env.GetWorkflowError())
	var result workflows.TrainResult
	require.NoError(t, s.env.GetWorkflowResult(&result))
	require.Equal(t, workflows.TrainResult{Outcome: perennial.OutcomeTrained, RunID: "run-1", Version: "1", Decision: "d-1", InService: true}, result)
	status := s.status(t)
	for _, stage := range status.Stages {
		require.Equal(t, perennial.StageCompleted, stage.State, stage.Name)
		require.Equal(t, stage.Name == perennial.StagePreprocess, stage.Reused, stage.Name)
	}
	require.Equal(t, 20, status.Total)
	require.Len(t, s.recorded, 2)
	require.Equal(t, perennial.WorkflowRunning, s.recorded[0].State)
	require.Equal(t, perennial.WorkflowCompleted, s.recorded[1].State)
}

func TestTrainStopsAtTheGates(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.answer("JudgeGates", "RegisterVersion", "SetTraffic")
	s.env.OnActivity(act.JudgeGates, mock.Anything, mock.Anything).Return(activities.Gated{Decision: "d-2"}, nil)
	s.run()
	require.NoError(t, s.env.GetWorkflowError())
	var result workflows.TrainResult
	require.NoError(t, s.env.GetWorkflowResult(&result))
	require.Equal(t, perennial.OutcomeRejectedByGates, result.Outcome)
	require.Empty(t, result.Version)
	stages := s.status(t).Stages
	require.Equal(t, perennial.StageSkipped, stages[len(stages)-1].State)
	s.env.AssertNotCalled(t, "RegisterVersion", mock.Anything, mock.Anything)
}

func TestTrainFailsWithTheStepsFault(t *testing.T) {
	t.Parallel()
	for step, nothing := range map[string]any{
		"ResolvePipeline": activities.Resolved{}, "StartRun": "", "ValidateDataset": activities.Validated{}, "SplitDataset": activities.Snapshot{},
		"PlanStudy": activities.Study{}, "ProposeTrials": activities.Proposed{}, "RunTrials": activities.TrialsDone{}, "SelectTrial": activities.Selected{}, "FitModel": "",
		"ScoreModel": "", "JudgeGates": activities.Gated{}, "RegisterVersion": "", "SetTraffic": false,
	} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			s := setup(t)
			s.answer(step)
			fault := worker.MapError(perennial.Errorf(perennial.CodeInvalid, step, "row 7 is wrong").WithHint("Mend row 7."))
			var calls atomic.Int64
			s.env.SetOnActivityStartedListener(func(info *activity.Info, _ context.Context, _ converter.EncodedValues) {
				if info.ActivityType.Name == step {
					calls.Add(1)
				}
			})
			s.env.OnActivity(step, mock.Anything, mock.Anything).Return(nothing, fault)
			s.run()
			require.Error(t, s.env.GetWorkflowError())
			status := s.status(t)
			require.Equal(t, perennial.CodeInvalid, status.Failure.Code)
			require.Equal(t, "row 7 is wrong", status.Failure.Message)
			require.Equal(t, "Mend row 7.", status.Failure.Hint)
			last := s.recorded[len(s.recorded)-1]
			require.Equal(t, perennial.WorkflowFailed, last.State)
			want := int64(1)
			if step == "RunTrials" {
				want = 2 // two batches run at once
			}
			require.Equal(t, want, calls.Load(), "a fault of the data isn't tried again")
		})
	}
}

func TestTrainTriesAPassingFaultAgain(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.answer("RegisterVersion")
	calls := 0
	s.env.OnActivity(act.RegisterVersion, mock.Anything, mock.Anything).Return(func(context.Context, activities.RegisterInput) (string, error) {
		if calls++; calls < 3 {
			return "", worker.MapError(perennial.Errorf(perennial.CodeUnavailable, "db", "locked"))
		}
		return "1", nil
	})
	s.run()
	require.NoError(t, s.env.GetWorkflowError())
	require.Equal(t, 3, calls)
}

func TestTrainSaysHowToGoOnWhereAStepWasGivenUp(t *testing.T) {
	t.Parallel()
	away := worker.MapError(perennial.Errorf(perennial.CodeUnavailable, "", "the MLflow server doesn't answer").WithHint("A training goes on when it is back."))
	converter := temporal.GetDefaultFailureConverter()
	for state, hint := range map[enumspb.RetryState]string{
		enumspb.RETRY_STATE_MAXIMUM_ATTEMPTS_REACHED: "start again: perennial train PIPELINE",
		enumspb.RETRY_STATE_IN_PROGRESS:              "A training goes on when it is back.",
	} {
		err := converter.FailureToError(&failurepb.Failure{
			Cause:       converter.ErrorToFailure(away),
			FailureInfo: &failurepb.Failure_ActivityFailureInfo{ActivityFailureInfo: &failurepb.ActivityFailureInfo{RetryState: state}},
		})
		f := workflows.FailureOf(err)
		require.Equal(t, "the MLflow server doesn't answer", f.Message)
		require.Contains(t, f.Hint, hint)
	}
}

func TestTrainRecordsACancellation(t *testing.T) {
	t.Parallel()
	for step, nothing := range map[string]any{"RunTrials": activities.TrialsDone{}, "FitModel": "", "ScoreModel": ""} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			s := setup(t)
			s.answer(step)
			s.env.OnActivity(step, mock.Anything, mock.Anything).After(time.Hour).Return(nothing, temporal.NewCanceledError()).Maybe()
			s.env.RegisterDelayedCallback(s.env.CancelWorkflow, time.Minute)
			s.run()
			require.True(t, temporal.IsCanceledError(s.env.GetWorkflowError()), "%v", s.env.GetWorkflowError())
			last := s.recorded[len(s.recorded)-1]
			require.Equal(t, perennial.WorkflowCancelled, last.State)
			require.Equal(t, "run-1", last.RunID)
		})
	}
}

func TestFailureOfNeverShowsWhatIsInternal(t *testing.T) {
	t.Parallel()
	f := workflows.FailureOf(worker.MapError(errors.New("password=hunter2")))
	require.Equal(t, perennial.CodeInternal, f.Code)
	require.NotContains(t, f.Message, "hunter2")
	require.Equal(t, perennial.CodeConflict, workflows.FailureOf(workflow.ErrCanceled).Code)
}
