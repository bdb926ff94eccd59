package control_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/mocks"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/client"
	"github.com/perennial-ml/perennial/internal/ledger"
	"github.com/perennial-ml/perennial/worker"
	"github.com/perennial-ml/perennial/workflows"
)

func TestRunningWorkflowsLeavesOutWhatHasEnded(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.record(t)
	for id, state := range map[string]perennial.WorkflowState{"train:old": perennial.WorkflowCompleted, "train:late": perennial.WorkflowRunning} {
		require.NoError(t, w.ledger.SaveWorkflow(t.Context(), ledger.Workflow{ID: id, RunID: "r", Type: "Train", Pipeline: "iris", State: state, StartedAt: 9}))
	}
	w.answer(enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, nil)
	lost := described("train:late", "r", enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED) // and its row doesn't know yet
	w.temporal.On("DescribeWorkflowExecution", mock.Anything, "train:late", "r").Return(lost, nil)
	w.temporal.On("QueryWorkflow", mock.Anything, "train:late", "r", workflows.QueryStatus).Return(nil, serviceerror.NewQueryFailed("no worker"))
	run := &mocks.WorkflowRun{}
	run.On("Get", mock.Anything, mock.Anything).Return(nil)
	w.temporal.On("GetWorkflow", mock.Anything, "train:late", "r").Return(run)

	views, err := w.RunningWorkflows(t.Context())
	require.NoError(t, err)
	require.Len(t, views, 1)
	require.Equal(t, workflowID, views[0].WorkflowID)
	w.temporal.AssertNotCalled(t, "DescribeWorkflowExecution", mock.Anything, "train:old", mock.Anything)
}

func TestWhatHasEndedIsListedWithoutTemporal(t *testing.T) {
	t.Parallel()
	w := setup(t)
	for id, s := range map[string]workflows.Status{
		"retrain:iris:x": {Pipeline: "iris", Train: workflowRunID, Stages: []perennial.Stage{{Name: perennial.StageTrain}, {Name: perennial.StageOffer}}},
		workflowID:       {Pipeline: "iris", Stages: []perennial.Stage{{Name: perennial.StageResolve}, {Name: perennial.StageTune}}},
	} {
		status, err := json.Marshal(s)
		require.NoError(t, err)
		require.NoError(t, w.ledger.SaveWorkflow(t.Context(), ledger.Workflow{
			ID: id, RunID: workflowRunID, Pipeline: "iris", State: perennial.WorkflowCompleted, StartedAt: 5, Status: status,
		}))
	}
	views, err := w.Workflows(t.Context(), "iris", 10) // Temporal's mock knows no call
	require.NoError(t, err)
	require.Len(t, views, 2)
	stages := []string{}
	for _, s := range views[0].Stages {
		stages = append(stages, s.Name)
	}
	require.Equal(t, []string{perennial.StageResolve, perennial.StageTune, perennial.StageOffer}, stages)
}

func TestAWorkflowSaysWhyAStepOfItsChildWaits(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.record(t)
	away := worker.MapError(perennial.Errorf(perennial.CodeUnavailable, "", "the MLflow server doesn't answer").WithHint("Is it running?"))
	failure := temporal.GetDefaultFailureConverter().ErrorToFailure(away)
	step := &workflowpb.PendingActivityInfo{
		State: enumspb.PENDING_ACTIVITY_STATE_STARTED, LastFailure: failure, NextAttemptScheduleTime: timestamppb.New(time.UnixMilli(7)),
	}
	running := described(workflowID, workflowRunID, enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING)
	running.PendingActivities = []*workflowpb.PendingActivityInfo{{State: enumspb.PENDING_ACTIVITY_STATE_SCHEDULED}}
	running.PendingChildren = []*workflowpb.PendingChildExecutionInfo{{WorkflowId: "tune:iris", RunId: "r"}}
	child := &workflowservice.DescribeWorkflowExecutionResponse{PendingActivities: []*workflowpb.PendingActivityInfo{step}}
	for id, d := range map[string]*workflowservice.DescribeWorkflowExecutionResponse{workflowID: running, "tune:iris": child} { // each once a view
		w.temporal.On("DescribeWorkflowExecution", mock.Anything, id, mock.Anything).Return(d, nil).Twice()
	}
	w.temporal.On("QueryWorkflow", mock.Anything, workflowID, workflowRunID, workflows.QueryStatus).Return(nil, serviceerror.NewQueryFailed("no worker"))

	view, err := w.Workflow(t.Context(), workflowID, "")
	require.NoError(t, err)
	require.Nil(t, view.Retrying, "the next try is running")

	step.State = enumspb.PENDING_ACTIVITY_STATE_SCHEDULED
	view, err = w.Workflow(t.Context(), workflowID, "")
	require.NoError(t, err)
	require.Equal(t, &client.Retrying{
		WorkflowError: client.WorkflowError{Code: perennial.CodeUnavailable, Message: "the MLflow server doesn't answer", Hint: "Is it running?"},
		NextAt:        new(time.UnixMilli(7).UTC()),
	}, view.Retrying)
}
