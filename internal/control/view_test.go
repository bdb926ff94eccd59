package control_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/client"
	"github.com/perennial-ml/perennial/worker"
)

func TestAWorkflowSaysWhyAStepOfItsChildWaits(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.record(t)
	w.answer(enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, nil)
	away := worker.MapError(perennial.Errorf(perennial.CodeUnavailable, "", "the MLflow server doesn't answer").WithHint("Is it running?"))
	failure := temporal.GetDefaultFailureConverter().ErrorToFailure(away)
	step := &workflowpb.PendingActivityInfo{
		State: enumspb.PENDING_ACTIVITY_STATE_STARTED, LastFailure: failure, NextAttemptScheduleTime: timestamppb.New(time.UnixMilli(7)),
	}
	describe := func(id string) *mock.Call {
		return w.temporal.On("DescribeWorkflowExecution", mock.Anything, id, mock.Anything)
	}
	describe(workflowID).Return(&workflowservice.DescribeWorkflowExecutionResponse{
		PendingActivities: []*workflowpb.PendingActivityInfo{{State: enumspb.PENDING_ACTIVITY_STATE_SCHEDULED}},
		PendingChildren:   []*workflowpb.PendingChildExecutionInfo{{WorkflowId: "tune:iris", RunId: "r"}},
	}, nil)
	describe("tune:iris").Return(&workflowservice.DescribeWorkflowExecutionResponse{PendingActivities: []*workflowpb.PendingActivityInfo{step}}, nil)

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
