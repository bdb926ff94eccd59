package control

import (
	"cmp"
	"context"
	"encoding/json"
	"math"
	"slices"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/temporal"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/activities"
	"github.com/perennial-ml/perennial/internal/client"
	"github.com/perennial-ml/perennial/internal/ledger"
	"github.com/perennial-ml/perennial/models/evaluate"
	"github.com/perennial-ml/perennial/workflows"
)

// Workflow tells where a workflow stands: the run named, or the latest where
// runID is "". Once Temporal has forgotten it, the ledger answers.
func (c *Control) Workflow(ctx context.Context, id, runID string) (client.WorkflowView, error) {
	const op = "control.Workflow"
	d, ok, err := c.describe(ctx, id, runID)
	if err != nil || !ok {
		row, ledgerErr := c.o.Ledger.Workflow(ctx, id, runID)
		if ledgerErr == nil && err == nil {
			row, ledgerErr = c.settle(ctx, row)
		}
		if ledgerErr == nil {
			return c.fromLedger(ctx, row), nil
		}
		if err != nil {
			return client.WorkflowView{}, perennial.Wrap(op, err)
		}
		return client.WorkflowView{}, perennial.Wrap(op, ledgerErr)
	}
	info := d.GetWorkflowExecutionInfo()
	view := client.WorkflowView{
		WorkflowID: id, WorkflowRunID: info.GetExecution().GetRunId(), Type: info.GetType().GetName(), State: stateOf(d),
		StartedAt: info.GetStartTime().AsTime(), EndedAt: ended(d), UIURL: c.uiURL(id, info.GetExecution().GetRunId()), Stages: []client.StageView{},
	}
	view.Reason = memo(d, "reason")
	view.StartedBy = memo(d, "actor")
	view.Pipeline = memo(d, "pipeline")
	status, known := c.status(ctx, view)
	if known {
		c.fill(ctx, &view, status)
		view.StartedBy, view.Pipeline = cmp.Or(view.StartedBy, status.Actor), cmp.Or(view.Pipeline, status.Pipeline) // started from outside, without a memo
	}
	if view.State == perennial.WorkflowRunning {
		view.Retrying = c.retrying(ctx, d)
	}
	if view.State.Terminal() && view.State != perennial.WorkflowCompleted && view.Error == nil {
		err := c.o.Temporal.GetWorkflow(ctx, id, view.WorkflowRunID).Get(ctx, nil)
		view.Error = failureView(workflows.FailureOf(err))
	}
	return view, nil
}

// Workflows lists what the ledger knows, newest first; what runs is asked about.
func (c *Control) Workflows(ctx context.Context, pipelineName string, limit int) ([]client.WorkflowView, error) {
	rows, err := c.o.Ledger.Workflows(ctx, pipelineName, limit)
	if err != nil {
		return nil, perennial.Wrap("control.Workflows", err)
	}
	out := make([]client.WorkflowView, len(rows))
	for i, row := range rows {
		out[i] = c.live(ctx, row)
	}
	return out, nil
}

// RunningWorkflows lists the workflows that haven't ended, newest first.
func (c *Control) RunningWorkflows(ctx context.Context) ([]client.WorkflowView, error) {
	rows, err := c.o.Ledger.Running(ctx)
	if err != nil {
		return nil, perennial.Wrap("control.RunningWorkflows", err)
	}
	var out []client.WorkflowView
	for _, row := range slices.Backward(rows) {
		if view := c.live(ctx, row); !view.State.Terminal() {
			out = append(out, view)
		}
	}
	return out, nil
}

// live tells of a row in the ledger; of one that runs, what Temporal knows.
func (c *Control) live(ctx context.Context, row ledger.Workflow) client.WorkflowView {
	if !row.State.Terminal() {
		if view, err := c.Workflow(ctx, row.ID, row.RunID); err == nil {
			return view
		}
	}
	return c.fromLedger(ctx, row)
}

// status asks the workflow itself while it runs, and the ledger when it has
// ended: an ended workflow's query would need a worker to replay it.
func (c *Control) status(ctx context.Context, view client.WorkflowView) (s workflows.Status, known bool) {
	if view.State.Terminal() {
		row, err := c.o.Ledger.Workflow(ctx, view.WorkflowID, view.WorkflowRunID)
		if err == nil {
			row, err = c.settle(ctx, row)
		}
		if err == nil && json.Unmarshal(row.Status, &s) == nil {
			return s, true
		}
	}
	return c.query(ctx, view.WorkflowID, view.WorkflowRunID)
}

// query asks a workflow itself where it stands, running or not.
func (c *Control) query(ctx context.Context, id, runID string) (s workflows.Status, known bool) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	value, err := c.o.Temporal.QueryWorkflow(ctx, id, runID, workflows.QueryStatus)
	if err != nil || value.Get(&s) != nil {
		return workflows.Status{}, false // no worker polls: the rest of the view still holds
	}
	return s, true
}

// fill adds what the workflow tells of itself.
func (c *Control) fill(ctx context.Context, view *client.WorkflowView, s workflows.Status) {
	view.Stages, view.Stage = client.StagesOf(s.Stages), s.Stage
	if s.Total > 0 {
		view.Progress = c.progress(ctx, view, s)
	}
	if s.Result != nil {
		view.Result = &client.WorkflowResult{
			Outcome: s.Result.Outcome, Reason: s.Result.Reason, WorkflowID: s.Result.WorkflowID,
			RunID: s.Result.RunID, Version: s.Result.Version, DecisionID: s.Result.Decision, Differs: s.Result.Differs,
		}
	}
	if s.Train != "" {
		c.unfold(ctx, view, s)
	}
	if view.Error = failureView(s.Failure); view.State == perennial.WorkflowRunning {
		view.Error = nil
	}
}

// retrying gives why a step of a running workflow, or of a child that it waits for,
// is tried again; nil where none is.
func (c *Control) retrying(ctx context.Context, d *workflowservice.DescribeWorkflowExecutionResponse) *client.Retrying {
	for _, a := range d.GetPendingActivities() {
		if a.GetLastFailure() == nil || a.GetState() != enumspb.PENDING_ACTIVITY_STATE_SCHEDULED {
			continue
		}
		failure := workflows.FailureOf(temporal.GetDefaultFailureConverter().FailureToError(a.GetLastFailure()))
		r := &client.Retrying{WorkflowError: *failureView(failure)}
		if next := a.GetNextAttemptScheduleTime(); next.IsValid() {
			r.NextAt = new(next.AsTime())
		}
		return r
	}
	for _, child := range d.GetPendingChildren() {
		if d, known, err := c.describe(ctx, child.GetWorkflowId(), child.GetRunId()); err == nil && known { // else the rest of the view still holds
			if r := c.retrying(ctx, d); r != nil {
				return r
			}
		}
	}
	return nil
}

// unfold shows the stages of a Retrain's training in place of the one that they
// are for the Retrain.
func (c *Control) unfold(ctx context.Context, view *client.WorkflowView, s workflows.Status) {
	row := ledger.Workflow{ID: workflows.TrainID(s.Pipeline), RunID: s.Train, State: perennial.WorkflowRunning}
	if known, err := c.o.Ledger.Workflow(ctx, row.ID, row.RunID); err == nil {
		row = known
	}
	train := c.live(ctx, row)
	i := slices.IndexFunc(view.Stages, func(v client.StageView) bool { return v.Name == perennial.StageTrain })
	if i < 0 || len(train.Stages) == 0 {
		return // the rest of the view still holds
	}
	view.Stages = slices.Concat(view.Stages[:i], train.Stages, view.Stages[i+1:])
	if view.Progress = train.Progress; view.Stage == perennial.StageTrain {
		view.Stage = train.Stage
	}
}

// progress counts finished trials in the ledger, which knows of each one as it
// ends, and guesses the time left from their mean duration.
func (c *Control) progress(ctx context.Context, view *client.WorkflowView, s workflows.Status) *client.Progress {
	p := &client.Progress{Done: s.Done, Total: s.Total, Unit: "trials", RunID: s.RunID}
	trials, err := c.o.Ledger.Trials(ctx, s.RunID)
	trials = slices.DeleteFunc(trials, func(t ledger.Trial) bool { return t.State == ledger.TrialProposed })
	if err != nil || len(trials) == 0 {
		return p
	}
	p.Done = len(trials)
	millis := int64(0)
	for _, t := range trials {
		millis += t.Millis
	}
	p.Best = c.best(ctx, view.Pipeline, trials)
	if view.State == perennial.WorkflowRunning && s.Stage == perennial.StageTune {
		eta := float64(millis) / float64(len(trials)) * float64(s.Total-len(trials)) / 1000
		p.ETASeconds = &eta
	}
	return p
}

func (c *Control) best(ctx context.Context, name string, trials []ledger.Trial) *client.Best {
	spec, err := c.o.Pipelines.Get(ctx, name)
	if err != nil {
		return nil
	}
	metric, ok := evaluate.Lookup(spec.Pipeline.Select.Metric)
	if !ok {
		return nil
	}
	var best *client.Best
	for _, t := range activities.Comparable(trials, -1) {
		if !math.IsNaN(t.Score) && (best == nil || metric.HigherIsBetter == (t.Score > best.Value)) {
			best = &client.Best{Metric: metric.Name, Value: t.Score}
		}
	}
	return best
}

func (c *Control) fromLedger(ctx context.Context, row ledger.Workflow) client.WorkflowView {
	view := client.WorkflowView{
		WorkflowID: row.ID, WorkflowRunID: row.RunID, Type: row.Type, Pipeline: row.Pipeline, State: row.State, StartedBy: row.StartedBy, Reason: row.Reason,
		StartedAt: time.UnixMilli(row.StartedAt).UTC(), UIURL: c.uiURL(row.ID, row.RunID), Stages: []client.StageView{},
	}
	if row.EndedAt > 0 {
		at := time.UnixMilli(row.EndedAt).UTC()
		view.EndedAt = &at
	}
	var s workflows.Status
	if json.Unmarshal(row.Status, &s) == nil {
		c.fill(ctx, &view, s)
	}
	return view
}

func failureView(f *perennial.Failure) *client.WorkflowError {
	if f == nil {
		return nil
	}
	return &client.WorkflowError{Code: f.Code, Message: f.Message, Hint: f.Hint, Errors: f.Errors}
}

func ended(d *workflowservice.DescribeWorkflowExecutionResponse) *time.Time {
	at := d.GetWorkflowExecutionInfo().GetCloseTime()
	if !at.IsValid() {
		return nil
	}
	return new(at.AsTime())
}

// memo reads one text of a workflow's memo, "" where there is none.
func memo(d *workflowservice.DescribeWorkflowExecutionResponse, key string) string {
	payload, ok := d.GetWorkflowExecutionInfo().GetMemo().GetFields()[key]
	if !ok {
		return ""
	}
	var s string
	if json.Unmarshal(payload.GetData(), &s) != nil {
		return ""
	}
	return s
}

func stateOf(d *workflowservice.DescribeWorkflowExecutionResponse) perennial.WorkflowState {
	switch d.GetWorkflowExecutionInfo().GetStatus() {
	case enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED:
		return perennial.WorkflowCompleted
	case enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED:
		return perennial.WorkflowCancelled
	case enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED:
		return perennial.WorkflowTerminated
	case enumspb.WORKFLOW_EXECUTION_STATUS_TIMED_OUT:
		return perennial.WorkflowTimedOut
	case enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, enumspb.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW, enumspb.WORKFLOW_EXECUTION_STATUS_PAUSED:
		return perennial.WorkflowRunning
	case enumspb.WORKFLOW_EXECUTION_STATUS_FAILED, enumspb.WORKFLOW_EXECUTION_STATUS_UNSPECIFIED:
		return perennial.WorkflowFailed
	}
	return perennial.WorkflowFailed
}
