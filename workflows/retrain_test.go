package workflows_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/activities"
	"github.com/perennial-ml/perennial/worker"
	"github.com/perennial-ml/perennial/workflows"
)

// retrain runs a Retrain with an input as it comes from outside.
func (s *steps) retrain(t *testing.T, input string) (workflows.TrainResult, error) {
	t.Helper()
	s.env.ExecuteWorkflow(workflows.Retrain, json.RawMessage(input))
	require.True(t, s.env.IsWorkflowCompleted())
	if err := s.env.GetWorkflowError(); err != nil {
		return workflows.TrainResult{}, err
	}
	var result workflows.TrainResult
	require.NoError(t, s.env.GetWorkflowResult(&result))
	return result, nil
}

// ended gives the last record of the Retrain itself.
func (s *steps) ended(t *testing.T) activities.Progress {
	t.Helper()
	require.NotEmpty(t, s.recorded)
	return s.recorded[len(s.recorded)-1]
}

func TestRetrainRepeatsWhatItsTrainingSays(t *testing.T) {
	t.Parallel()
	for name, claimed := range map[string]activities.Claimed{
		"unchanged":    {Outcome: perennial.OutcomeUnchanged, Reason: "as version 3", Version: "3"},
		"cooling down": {Outcome: perennial.OutcomeCoolingDown, Reason: "too soon"},
		"over budget":  {Outcome: perennial.OutcomeOverBudget, Reason: "too many"},
		"dry run":      {Outcome: perennial.OutcomeWouldTrain, Reason: "the data are others"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := setup(t)
			s.answer("ClaimAttempt", "StartRun")
			s.env.OnActivity(act.ClaimAttempt, mock.Anything, mock.Anything).Return(claimed, nil).Once()
			result, err := s.retrain(t, `{"pipeline":"iris"}`)
			require.NoError(t, err)
			require.Equal(t, workflows.TrainResult{Outcome: claimed.Outcome, Reason: claimed.Reason, Version: claimed.Version, WorkflowID: "train:iris"}, result)
			last := s.ended(t)
			require.Equal(t, perennial.WorkflowCompleted, last.State)
			require.Equal(t, "temporal", last.StartedBy, "nobody else said who asks")
		})
	}
}

func TestRetrainHandsItsRequestOn(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.answer("ClaimAttempt")
	var claim activities.ClaimInput
	s.env.OnActivity(act.ClaimAttempt, mock.Anything, mock.Anything).Return(func(_ context.Context, in activities.ClaimInput) (activities.Claimed, error) {
		claim = in
		return activities.Claimed{}, nil
	})
	result, err := s.retrain(t, `{"pipeline":"iris","reason":"prices","key":"k-1","force":true,"dry_run":true,"trigger":"drift"}`)
	require.NoError(t, err)
	require.Equal(t, perennial.OutcomeTrained, result.Outcome)
	require.Equal(t, "train:iris", result.WorkflowID)
	require.Equal(t, activities.ClaimInput{Bundle: "sha256:b", Trigger: perennial.TriggerDrift, Force: true, DryRun: true}, claim)
	require.Equal(t, "prices", s.ended(t).Reason)
	status := s.status(t)
	require.Equal(t, "run-1", status.RunID)
	require.NotEmpty(t, status.Train)
}

func TestRetrainOffersWhatItTrained(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		offered activities.Offered
		err     error
		want    workflows.TrainResult
		fails   bool
	}{
		"taken":        {offered: activities.Offered{Outcome: perennial.OutcomeOffered}, want: workflows.TrainResult{Outcome: perennial.OutcomeOffered}},
		"incompatible": {offered: activities.Offered{Outcome: perennial.OutcomeIncompatibleSchema, Reason: "/features/age"}, want: workflows.TrainResult{Outcome: perennial.OutcomeIncompatibleSchema, Reason: "/features/age"}},
		"rolled back before": {
			err:  perennial.Errorf(perennial.CodePrecondition, "", "It was rolled back."),
			want: workflows.TrainResult{Outcome: perennial.OutcomeTrained, Reason: "version 2 isn't rolled out: It was rolled back."},
		},
		"forbidden": {err: perennial.Errorf(perennial.CodeForbidden, "", "no"), fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := setup(t)
			s.answer("RegisterVersion", "SetTraffic")
			s.env.OnActivity(act.RegisterVersion, mock.Anything, mock.Anything).Return("2", nil)
			s.env.OnActivity(act.SetTraffic, mock.Anything, mock.Anything).Return(false, nil)
			var err error
			if c.err != nil {
				err = worker.MapError(c.err)
			}
			want := activities.Offer{Model: "iris", Version: "2", Decision: "d-1", Reason: "prices", Actor: "temporal"}
			s.env.OnActivity(act.OfferVersion, mock.Anything, want).Return(c.offered, err).Once()
			result, err := s.retrain(t, `{"pipeline":"iris","reason":"prices"}`)
			require.Equal(t, c.fails, err != nil, "%v", err)
			require.Equal(t, c.want.Outcome, result.Outcome)
			require.Equal(t, c.want.Reason, result.Reason)
			s.env.AssertExpectations(t)
		})
	}
}

func TestRetrainNamesTheTrainingThatRuns(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.answer("ResolvePipeline")
	s.env.OnActivity(act.ResolvePipeline, mock.Anything, mock.Anything).After(time.Minute).Return(activities.Resolved{Bundle: "sha256:b", DataMD5: "d"}, nil).Once()
	both := func(ctx workflow.Context) (second workflows.TrainResult, err error) {
		child := func(id string) workflow.Context {
			return workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{WorkflowID: id, TaskQueue: workflows.QueueDefault})
		}
		first := workflow.ExecuteChildWorkflow(child(workflows.TrainID("iris")), workflows.Train, input)
		if err := first.GetChildWorkflowExecution().Get(ctx, nil); err != nil {
			return second, err
		}
		if err := workflow.ExecuteChildWorkflow(child("retrain:iris:k"), workflows.Retrain, json.RawMessage(`{"pipeline":"iris"}`)).Get(ctx, &second); err != nil {
			return second, err
		}
		return second, first.Get(ctx, nil)
	}
	s.env.RegisterWorkflow(both)
	s.env.ExecuteWorkflow(both)
	require.NoError(t, s.env.GetWorkflowError())
	var result workflows.TrainResult
	require.NoError(t, s.env.GetWorkflowResult(&result))
	require.Equal(t, perennial.OutcomeAlreadyRunning, result.Outcome)
	require.Equal(t, "train:iris", result.WorkflowID)
}

func TestRetrainFailsAsItsTrainingDoes(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.answer("ValidateDataset")
	s.env.OnActivity(act.ValidateDataset, mock.Anything, mock.Anything).Return(activities.Validated{}, worker.MapError(perennial.Errorf(perennial.CodeInvalid, "", "line 2 is wrong")))
	_, err := s.retrain(t, `{"pipeline":"iris"}`)
	require.Error(t, err)
	failure := s.status(t).Failure
	require.Equal(t, perennial.CodeInvalid, failure.Code)
	require.Equal(t, "line 2 is wrong", failure.Message)
	require.Equal(t, perennial.WorkflowFailed, s.ended(t).State)
}

func TestRetrainRefusesWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		input string
		want  []string // paths
	}{
		"unknown keys":       {`{"pipeline":"iris","piepline":"x","budget":"full"}`, []string{"/budget", "/piepline"}},
		"no pipeline":        {`{}`, []string{"/pipeline"}},
		"no name":            {`{"pipeline":"Iris 2"}`, []string{"/pipeline"}},
		"wrong types":        {`{"pipeline":3,"force":"yes","dry_run":null}`, []string{"/pipeline", "/force", "/dry_run"}},
		"unknown trigger":    {`{"pipeline":"iris","trigger":"moon"}`, []string{"/trigger"}},
		"bad key":            {`{"pipeline":"iris","key":"a b"}`, []string{"/key"}},
		"another case":       {`{"Pipeline":"iris"}`, []string{"/pipeline", "/Pipeline"}},
		"no object":          {`"iris"`, nil},
		"a list":             {`[{"pipeline":"iris"}]`, nil},
		"null":               {`null`, nil},
		"two faults at once": {`{"pipeline":"iris","key":"","trigger":"moon","x":1}`, []string{"/trigger", "/x"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := setup(t)
			s.answer()
			_, err := s.retrain(t, c.input)
			app, ok := errors.AsType[*temporal.ApplicationError](err)
			require.True(t, ok, "%v", err)
			require.True(t, app.NonRetryable())
			require.Equal(t, "invalid", app.Type())
			failure := workflows.FailureOf(err)
			require.Equal(t, perennial.CodeInvalid, failure.Code)
			var paths []string
			for _, f := range failure.Errors {
				paths = append(paths, f.Path)
				require.Contains(t, app.Message(), f.Path[1:])
			}
			require.Equal(t, c.want, paths)
			require.Equal(t, perennial.WorkflowFailed, s.ended(t).State)
		})
	}
}
