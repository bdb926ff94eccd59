package control_test

import (
	"testing"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	temporalclient "go.temporal.io/sdk/client"
	"go.temporal.io/sdk/mocks"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/client"
	"github.com/perennial-ml/perennial/workflows"
)

// keyed gives a Control with a real ledger behind the desk.
func keyed(t *testing.T) (*desk, func() (client.Started, error), *client.RetrainOrder) {
	t.Helper()
	c, w := atDesk(t)
	w.Ledger = setup(t).ledger
	order := &client.RetrainOrder{Trigger: perennial.TriggerManual}
	order.Pipeline, order.Reason, order.IdempotencyKey = "iris", "new prices", "prices"
	return w, func() (client.Started, error) { return c.Retrain(as(t, perennial.AccessTrainer), *order) }, order
}

func (w *desk) starts(t *testing.T, runID string) {
	t.Helper()
	run := mocks.NewWorkflowRun(t)
	run.On("GetRunID").Return(runID)
	w.temporal.On("ExecuteWorkflow", mock.Anything, mock.MatchedBy(func(o temporalclient.StartWorkflowOptions) bool {
		return o.ID == "retrain:iris:prices" && o.TaskQueue == workflows.QueueDefault && o.Memo["actor"] == "ann"
	}), workflows.TypeRetrain, workflows.RetrainInput{Pipeline: "iris", Reason: "new prices", Key: "prices", Trigger: perennial.TriggerManual}).Return(run, nil).Once()
}

func TestAKeyLeadsToOneWorkflow(t *testing.T) {
	t.Parallel()
	w, retrain, order := keyed(t)
	w.temporal.On("ExecuteWorkflow", mock.Anything, mock.Anything, mock.Anything, mock.Anything).Return(nil, serviceerror.NewUnavailable("down")).Once()
	w.temporal.On("DescribeWorkflowExecution", mock.Anything, "retrain:iris:prices", "").Return(nil, serviceerror.NewUnavailable("down")).Once()
	_, err := retrain()
	require.Equal(t, perennial.CodeUnavailable, perennial.CodeOf(err))
	w.starts(t, "r1")
	first, err := retrain()
	require.NoError(t, err, "the same request again, now that Temporal is back")
	require.Equal(t, client.Started{WorkflowID: "retrain:iris:prices", WorkflowRunID: "r1", Started: true}, first)
	again, err := retrain()
	require.NoError(t, err)
	require.Equal(t, client.Started{WorkflowID: "retrain:iris:prices", WorkflowRunID: "r1"}, again)
	require.Len(t, w.audit, 1)
	require.Equal(t, "retrain.start", w.audit[0].Action)

	order.Force = true
	_, err = retrain()
	require.Equal(t, perennial.CodeConflict, perennial.CodeOf(err))
	order.IdempotencyKey = "no key"
	_, err = retrain()
	require.Equal(t, perennial.CodeInvalid, perennial.CodeOf(err))
	order.Pipeline = "nope"
	_, err = retrain()
	require.Equal(t, perennial.CodeNotFound, perennial.CodeOf(err))
}

func TestAStartThatWasNotWrittenDownIsFoundAgain(t *testing.T) {
	t.Parallel()
	w, retrain, _ := keyed(t)
	w.temporal.On("ExecuteWorkflow", mock.Anything, mock.Anything, mock.Anything, mock.Anything).
		Return(nil, serviceerror.NewWorkflowExecutionAlreadyStarted("", "", "r1")).Once()
	for range 2 { // the second time from the table
		found, err := retrain()
		require.NoError(t, err)
		require.Equal(t, client.Started{WorkflowID: "retrain:iris:prices", WorkflowRunID: "r1"}, found)
	}
	require.Empty(t, w.audit)
}
