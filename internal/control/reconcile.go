package control

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/ledger"
	"github.com/perennial-ml/perennial/workflows"
)

// Runs are the tracked runs that a workflow may leave open.
type Runs interface {
	GetRun(ctx context.Context, id string) (perennial.Run, error)
	Running(ctx context.Context) ([]perennial.Run, error)
	UpdateRun(ctx context.Context, id string, status perennial.RunStatus, endedAt int64) error
}

// Reconcile closes what no workflow will close any more: rows of the ledger and
// tracked runs that say running, whose workflow was terminated from outside, or
// that Temporal doesn't know because its file was deleted. It is safe to repeat
// and to run in several processes. Where Temporal doesn't answer it changes
// nothing and gives the error.
func (c *Control) Reconcile(ctx context.Context) error {
	const op = "control.Reconcile"
	rows, err := c.o.Ledger.Running(ctx)
	if err != nil {
		return perennial.Wrap(op, err)
	}
	for _, row := range rows {
		if _, err := c.settle(ctx, row); err != nil {
			return perennial.Wrap(op, err)
		}
	}
	runs, err := c.o.Runs.Running(ctx)
	if err != nil {
		return perennial.Wrap(op, err)
	}
	for _, run := range runs {
		if run.Tag(perennial.TagWorkflow) == "" {
			continue // a candidate's: it is closed with its parent
		}
		row, err := c.rowOf(ctx, run)
		if err == nil {
			row, err = c.settle(ctx, row)
		}
		if err == nil && row.State.Terminal() {
			err = c.closeRuns(ctx, run.ID, row.State, row.EndedAt)
		}
		if err != nil {
			return perennial.Wrap(op, err)
		}
	}
	return nil
}

// rowOf gives the ledger's row of a run's workflow, or what the run knows of it
// where the workflow came to its end before it wrote one.
func (c *Control) rowOf(ctx context.Context, run perennial.Run) (ledger.Workflow, error) {
	id, runID := run.Tag(perennial.TagWorkflow), run.Tag(perennial.TagWorkflowRun)
	row, err := c.o.Ledger.Workflow(ctx, id, runID)
	if perennial.CodeOf(err) != perennial.CodeNotFound {
		return row, err
	}
	status, err := json.Marshal(workflows.Status{Pipeline: run.Tag(perennial.TagPipeline), RunID: run.ID})
	return ledger.Workflow{
		ID: id, RunID: runID, Type: "Train", Pipeline: run.Tag(perennial.TagPipeline), State: perennial.WorkflowRunning, StartedBy: run.User,
		StartedAt: run.StartedAt, Status: status,
	}, err
}

// Follow keeps what runs beside Temporal in step with it, now and then every so
// often, and when a pipeline was applied or deleted through this Control, until
// ctx ends: it syncs the schedules (those that Temporal has lost are made again
// the first time), starts rollouts again that have lost their workflow, and
// reconciles.
func (c *Control) Follow(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for first := true; ; {
		if err := c.SyncSchedules(ctx, first); err == nil {
			first = false
		} else if ctx.Err() == nil {
			c.o.Logger.Warn("schedules", "error", err)
		}
		if err := errors.Join(c.resume(ctx), c.Reconcile(ctx)); err != nil && ctx.Err() == nil {
			c.o.Logger.Warn("reconcile", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-c.changed:
		}
	}
}

// settle writes down how a workflow ended that our tables take for running, and
// gives the row as it is then.
func (c *Control) settle(ctx context.Context, row ledger.Workflow) (ledger.Workflow, error) {
	if row.State.Terminal() {
		return row, nil
	}
	d, known, err := c.describe(ctx, row.ID, row.RunID)
	if err != nil || known && !stateOf(d).Terminal() {
		return row, err
	}
	// A workflow writes its row before it ends: read it again, now that it has.
	if now, err := c.o.Ledger.Workflow(ctx, row.ID, row.RunID); err == nil {
		row = now
	} else if perennial.CodeOf(err) != perennial.CodeNotFound {
		return row, err
	}
	if row.State.Terminal() {
		return row, nil
	}
	var s workflows.Status
	if err := json.Unmarshal(row.Status, &s); err != nil && len(row.Status) > 0 {
		return row, perennial.Wrap("control.settle", err)
	}
	row.State, row.EndedAt = perennial.WorkflowTerminated, time.Now().UnixMilli()
	if known {
		row.State = stateOf(d)
		if end := ended(d); end != nil {
			row.EndedAt = end.UnixMilli()
		}
		c.outcome(ctx, row, &s)
	} else {
		s.Failure = &perennial.Failure{
			Code: perennial.CodeUnavailable, Message: "Temporal has lost this workflow: its state file was deleted or damaged.", Hint: "Start it again.",
		}
	}
	return c.close(ctx, row, s)
}

// outcome asks Temporal how far an ended workflow had come, where a worker is
// there to replay it, and what it gave.
func (c *Control) outcome(ctx context.Context, row ledger.Workflow, s *workflows.Status) {
	if last, known := c.query(ctx, row.ID, row.RunID); known {
		*s = last
	}
	var result workflows.TrainResult
	if err := c.o.Temporal.GetWorkflow(ctx, row.ID, row.RunID).Get(ctx, &result); err != nil {
		s.Failure = workflows.FailureOf(err)
		return
	}
	s.Result = &result
}

// close ends the tracked runs of a workflow and its row in the ledger.
func (c *Control) close(ctx context.Context, row ledger.Workflow, s workflows.Status) (ledger.Workflow, error) {
	for i := range s.Stages {
		if s.Stages[i].State == perennial.StageRunning {
			s.Stages[i].State = perennial.StageFailed
		}
	}
	status, err := json.Marshal(s)
	if err != nil {
		return row, perennial.Wrap("control.close", err)
	}
	row.Status = status
	if s.RunID != "" {
		if err := c.closeRuns(ctx, s.RunID, row.State, row.EndedAt); err != nil {
			return row, err
		}
	}
	c.o.Logger.Warn("a workflow ended without writing it down", "workflow", row.ID, "run", row.RunID, "state", row.State)
	return row, c.o.Ledger.SaveWorkflow(ctx, row)
}

// closeRuns ends a training's run and its candidates' where they are open.
func (c *Control) closeRuns(ctx context.Context, id string, state perennial.WorkflowState, at int64) error {
	open, err := c.o.Runs.Running(ctx)
	if err != nil {
		return err
	}
	var faults []error
	for _, run := range open {
		if run.ID == id || run.Tag(perennial.TagParentRun) == id {
			faults = append(faults, c.o.Runs.UpdateRun(ctx, run.ID, state.RunStatus(), at))
		}
	}
	return errors.Join(faults...)
}
