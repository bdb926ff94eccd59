package control_test

import (
	"encoding/json"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/mocks"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/control"
	"github.com/perennial-ml/perennial/internal/db"
	"github.com/perennial-ml/perennial/internal/ledger"
	"github.com/perennial-ml/perennial/internal/mlflow"
	"github.com/perennial-ml/perennial/internal/tracking"
	"github.com/perennial-ml/perennial/workflows"
)

const (
	workflowID    = "train:iris"
	workflowRunID = "8f4c"
)

// world is a training that our tables take for running.
type world struct {
	*control.Control

	temporal *mocks.Client
	ledger   *ledger.Store
	tracking *mlflow.Tracker
	run      perennial.Run
	child    perennial.Run
}

func setup(t *testing.T) *world {
	t.Helper()
	ctx := t.Context()
	g, err := db.Open(ctx, db.Options{URL: "sqlite:" + filepath.Join(t.TempDir(), "state.db")})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close(g)) })
	require.NoError(t, db.Migrate(ctx, g, tracking.Component, tracking.Migrations))
	require.NoError(t, db.Migrate(ctx, g, ledger.Component, ledger.Migrations))
	w := &world{temporal: mocks.NewClient(t), ledger: ledger.NewStore(g), tracking: tracker(t, g)}
	w.Control = control.New(control.Options{
		Temporal: w.temporal, Ledger: w.ledger, Runs: w.tracking, Namespace: "default", Logger: slog.New(slog.DiscardHandler),
	})
	experiment, err := w.tracking.EnsureExperiment(ctx, "iris")
	require.NoError(t, err)
	w.run, err = w.tracking.CreateRun(ctx, mlflow.RunSpec{ExperimentID: experiment.ID, User: "me", StartedAt: 5, Tags: []perennial.Tag{
		{Key: perennial.TagKind, Value: "train"}, {Key: perennial.TagPipeline, Value: "iris"},
		{Key: perennial.TagWorkflow, Value: workflowID}, {Key: perennial.TagWorkflowRun, Value: workflowRunID},
	}})
	require.NoError(t, err)
	w.child, err = w.tracking.CreateRun(ctx, mlflow.RunSpec{ExperimentID: experiment.ID, StartedAt: 6, ParentRunID: w.run.ID, Tags: []perennial.Tag{
		{Key: perennial.TagKind, Value: "candidate"},
	}})
	require.NoError(t, err)
	return w
}

// record writes the ledger's row of the running workflow.
func (w *world) record(t *testing.T) {
	t.Helper()
	status, err := json.Marshal(workflows.Status{Pipeline: "iris", RunID: w.run.ID, Stage: perennial.StageTune, Stages: []perennial.Stage{
		{Name: perennial.StageResolve, State: perennial.StageCompleted}, {Name: perennial.StageTune, State: perennial.StageRunning},
	}})
	require.NoError(t, err)
	require.NoError(t, w.ledger.SaveWorkflow(t.Context(), ledger.Workflow{
		ID: workflowID, RunID: workflowRunID, Type: "Train", Pipeline: "iris", State: perennial.WorkflowRunning, StartedBy: "me", StartedAt: 5, Status: status,
	}))
}

// described is what Temporal says of a workflow run.
func described(id, runID string, status enumspb.WorkflowExecutionStatus) *workflowservice.DescribeWorkflowExecutionResponse {
	return &workflowservice.DescribeWorkflowExecutionResponse{WorkflowExecutionInfo: &workflowpb.WorkflowExecutionInfo{
		Execution: &commonpb.WorkflowExecution{WorkflowId: id, RunId: runID}, Status: status,
	}}
}

// answer is what Temporal says of the workflow; unspecified: it knows none.
func (w *world) answer(status enumspb.WorkflowExecutionStatus, end error) {
	call := w.temporal.On("DescribeWorkflowExecution", mock.Anything, workflowID, mock.Anything).Maybe()
	if status == enumspb.WORKFLOW_EXECUTION_STATUS_UNSPECIFIED {
		call.Return(nil, serviceerror.NewNotFound("no such workflow"))
		return
	}
	d := described(workflowID, workflowRunID, status)
	if status != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
		d.WorkflowExecutionInfo.CloseTime = timestamppb.New(time.UnixMilli(99))
	}
	call.Return(d, nil)
	w.temporal.On("QueryWorkflow", mock.Anything, workflowID, workflowRunID, workflows.QueryStatus).Return(nil, serviceerror.NewQueryFailed("no worker")).Maybe()
	run := &mocks.WorkflowRun{}
	run.On("Get", mock.Anything, mock.Anything).Return(end)
	w.temporal.On("GetWorkflow", mock.Anything, workflowID, workflowRunID).Return(run).Maybe()
}

func (w *world) statuses(t *testing.T) []perennial.RunStatus {
	t.Helper()
	var out []perennial.RunStatus
	for _, id := range []string{w.run.ID, w.child.ID} {
		run, err := w.tracking.GetRun(t.Context(), id)
		require.NoError(t, err)
		out = append(out, run.Status)
	}
	return out
}

func TestReconcileClosesWhatNoWorkflowWillClose(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status enumspb.WorkflowExecutionStatus
		end    error
		state  perennial.WorkflowState
		run    perennial.RunStatus
		says   string
	}{
		"terminated": {enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED, &temporal.TerminatedError{}, perennial.WorkflowTerminated, perennial.RunKilled, "It was terminated."},
		"timed out":  {enumspb.WORKFLOW_EXECUTION_STATUS_TIMED_OUT, &temporal.TimeoutError{}, perennial.WorkflowTimedOut, perennial.RunFailed, "took too long"},
		"completed":  {enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, nil, perennial.WorkflowCompleted, perennial.RunFinished, ""},
		"lost":       {enumspb.WORKFLOW_EXECUTION_STATUS_UNSPECIFIED, nil, perennial.WorkflowTerminated, perennial.RunKilled, "has lost this workflow"},
	} {
		for _, recorded := range []bool{true, false} {
			t.Run(map[bool]string{true: name, false: name + " before its first record"}[recorded], func(t *testing.T) {
				t.Parallel()
				w := setup(t)
				if recorded {
					w.record(t)
				}
				w.answer(c.status, c.end)
				require.NoError(t, w.Reconcile(t.Context()))
				require.Equal(t, []perennial.RunStatus{c.run, c.run}, w.statuses(t))
				row, err := w.ledger.Workflow(t.Context(), workflowID, "")
				require.NoError(t, err)
				require.Equal(t, c.state, row.State)
				require.NotZero(t, row.EndedAt)
				require.Contains(t, string(row.Status), c.says)
				require.NotContains(t, string(row.Status), `"running"`)

				before := row
				require.NoError(t, w.Reconcile(t.Context()), "again")
				row, err = w.ledger.Workflow(t.Context(), workflowID, "")
				require.NoError(t, err)
				require.Equal(t, before, row)
			})
		}
	}
}

func TestReconcileLeavesWhatRuns(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.record(t)
	w.answer(enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, nil)
	require.NoError(t, w.Reconcile(t.Context()))
	require.Equal(t, []perennial.RunStatus{perennial.RunRunning, perennial.RunRunning}, w.statuses(t))
}

func TestReconcileChangesNothingWhereTemporalIsDown(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.record(t)
	w.temporal.On("DescribeWorkflowExecution", mock.Anything, workflowID, workflowRunID).Return(nil, serviceerror.NewUnavailable("down"))
	require.Equal(t, perennial.CodeUnavailable, perennial.CodeOf(w.Reconcile(t.Context())))
	require.Equal(t, []perennial.RunStatus{perennial.RunRunning, perennial.RunRunning}, w.statuses(t))
}

func TestLookingAtALostWorkflowSettlesIt(t *testing.T) {
	t.Parallel()
	for name, status := range map[string]enumspb.WorkflowExecutionStatus{
		"lost": enumspb.WORKFLOW_EXECUTION_STATUS_UNSPECIFIED, "terminated": enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := setup(t)
			w.record(t)
			w.answer(status, &temporal.TerminatedError{})
			view, err := w.Workflow(t.Context(), workflowID, "")
			require.NoError(t, err)
			require.Equal(t, perennial.WorkflowTerminated, view.State)
			require.NotNil(t, view.Error)
			require.Equal(t, []perennial.RunStatus{perennial.RunKilled, perennial.RunKilled}, w.statuses(t))
		})
	}
}
