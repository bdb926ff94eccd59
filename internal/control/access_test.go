package control_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/mocks"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/access"
	"github.com/perennial-ml/perennial/internal/client"
	"github.com/perennial-ml/perennial/internal/control"
	"github.com/perennial-ml/perennial/internal/ledger"
	"github.com/perennial-ml/perennial/internal/pipeline"
	"github.com/perennial-ml/perennial/workflows"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// desk is everything behind a Control; Temporal is the SDK's mock.
type desk struct {
	control.Ledger // for what no test here asks
	control.Pipelines

	temporal *mocks.Client
	audit    []perennial.AuditEntry
	auditErr error
	tokens   []access.Token
	orders   []access.Order

	keepAdmin bool
}

func (w *desk) Get(_ context.Context, name string) (*pipeline.Spec, error) {
	if name != "iris" {
		return nil, perennial.Errorf(perennial.CodeNotFound, "", "there is no pipeline %s", name)
	}
	return &pipeline.Spec{Pipeline: perennial.Pipeline{Name: name}}, nil
}

func (w *desk) Workflow(context.Context, string, string) (ledger.Workflow, error) {
	return ledger.Workflow{}, perennial.Errorf(perennial.CodeNotFound, "", "no such workflow")
}

func (w *desk) Workflows(context.Context, string, int) ([]ledger.Workflow, error) { return nil, nil }

func (w *desk) Running(context.Context) ([]ledger.Workflow, error) { return nil, nil }

func (w *desk) SaveWorkflow(context.Context, ledger.Workflow) error { return nil }

func (w *desk) Trials(context.Context, string) ([]ledger.Trial, error) { return nil, nil }

func (w *desk) Append(ctx context.Context, e perennial.AuditEntry) (perennial.AuditEntry, error) {
	if ctx.Err() != nil {
		return e, ctx.Err()
	}
	w.audit = append(w.audit, e)
	return e, w.auditErr
}

func (w *desk) SaveOrder(_ context.Context, o access.Order) error {
	w.orders = append(w.orders, o)
	return nil
}

func atDesk(t *testing.T) (*control.Control, *desk) {
	t.Helper()
	w := &desk{temporal: mocks.NewClient(t)}
	return control.New(control.Options{
		Temporal: w.temporal, Pipelines: w, Ledger: w, Audit: w, Tokens: w, Orders: w, KeepAdmin: true, Logger: slog.New(slog.DiscardHandler), Now: func() time.Time { return now },
	}), w
}

// as gives the context of somebody with a role.
func as(t *testing.T, role perennial.AccessRole) context.Context {
	t.Helper()
	return perennial.WithActor(t.Context(), perennial.Actor{Name: "ann", Role: role, RequestID: "req-1"})
}

func TestWithoutTheRoleNothingIsAsked(t *testing.T) {
	t.Parallel()
	c, w := atDesk(t) // the mock fails the test on any call
	for name, ctx := range map[string]context.Context{
		"nobody": t.Context(), "labeler": as(t, perennial.AccessLabeler), "unknown role": as(t, "root"),
	} {
		_, err := c.Train(ctx, client.TrainOrder{Pipeline: "iris"})
		require.Equal(t, perennial.CodeForbidden, perennial.CodeOf(err), name)
		require.Equal(t, perennial.CodeForbidden, perennial.CodeOf(c.Cancel(ctx, "train:iris", "")), name)
	}
	require.Empty(t, w.audit)
}

func TestATrainingIsAuditedOnce(t *testing.T) {
	t.Parallel()
	c, w := atDesk(t)
	run := mocks.NewWorkflowRun(t)
	run.On("GetRunID").Return("r1")
	w.temporal.On("ExecuteWorkflow", mock.Anything, mock.Anything, mock.Anything, mock.Anything).Return(run, nil).Once()
	ctx, cancel := context.WithCancel(as(t, perennial.AccessTrainer))
	started, err := c.Train(ctx, client.TrainOrder{Pipeline: "iris", Reason: "new prices", Trigger: "manual"})
	require.NoError(t, err)
	require.True(t, started.Started)
	require.Len(t, w.audit, 1)
	after := w.audit[0].After
	require.JSONEq(t, `{"workflow_run_id":"r1","budget":"full","trigger":"manual"}`, string(after))
	require.Equal(t, perennial.AuditEntry{
		At: now.UnixMilli(), Actor: "ann", Action: "train.start", Target: "iris", After: after, Reason: "new prices", WorkflowID: "train:iris", RequestID: "req-1",
	}, w.audit[0])

	w.temporal.On("ExecuteWorkflow", mock.Anything, mock.Anything, mock.Anything, mock.Anything).
		Return(nil, serviceerror.NewWorkflowExecutionAlreadyStarted("", "", "r1")).Once()
	started, err = c.Train(ctx, client.TrainOrder{Pipeline: "iris"})
	require.NoError(t, err)
	require.False(t, started.Started)
	require.Len(t, w.audit, 1, "nothing was changed")
	cancel()

	w.temporal.On("ExecuteWorkflow", mock.Anything, mock.Anything, mock.Anything, mock.Anything).Return(run, nil).Once()
	_, err = c.Train(ctx, client.TrainOrder{Pipeline: "iris"})
	require.NoError(t, err)
	require.Len(t, w.audit, 2, "a caller who went away changes nothing about it")

	w.temporal.On("ExecuteWorkflow", mock.Anything, mock.Anything, mock.Anything, mock.Anything).Return(run, nil).Once()
	w.auditErr = perennial.Errorf(perennial.CodeUnavailable, "", "no disk")
	_, err = c.Train(as(t, perennial.AccessAdmin), client.TrainOrder{Pipeline: "iris"})
	require.Equal(t, perennial.CodeUnavailable, perennial.CodeOf(err))
}

func TestACancelIsAudited(t *testing.T) {
	t.Parallel()
	c, w := atDesk(t)
	d := described(workflowID, "r1", enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING)
	w.temporal.On("DescribeWorkflowExecution", mock.Anything, workflowID, "").Return(d, nil)
	w.temporal.On("QueryWorkflow", mock.Anything, workflowID, "r1", workflows.QueryStatus).Return(nil, serviceerror.NewUnavailable("no worker"))
	w.temporal.On("CancelWorkflow", mock.Anything, "train:iris", "").Return(nil).Once()
	require.NoError(t, c.Cancel(as(t, perennial.AccessTrainer), "train:iris", "wrong data"))
	require.Equal(t, []perennial.AuditEntry{{
		At: now.UnixMilli(), Actor: "ann", Action: "workflow.cancel", Target: "train:iris", Before: json.RawMessage(`{"stage":"","state":"running"}`),
		Reason: "wrong data", WorkflowID: "train:iris", RequestID: "req-1",
	}}, w.audit)
	d.WorkflowExecutionInfo.Status = enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED
	require.Equal(t, perennial.CodePrecondition, perennial.CodeOf(c.Cancel(as(t, perennial.AccessTrainer), "train:iris", "")))
	require.Len(t, w.audit, 1)
}
