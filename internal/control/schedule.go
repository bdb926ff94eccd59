package control

import (
	"context"
	"time"

	temporalclient "go.temporal.io/sdk/client"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/client"
	"github.com/perennial-ml/perennial/internal/ledger"
	"github.com/perennial-ml/perennial/internal/pipeline"
	"github.com/perennial-ml/perennial/workflows"
)

// Schedules tells how the schedules of all pipelines in force stand.
func (c *Control) Schedules(ctx context.Context) ([]client.ScheduleView, error) {
	const op = "control.Schedules"
	specs, err := c.o.Pipelines.List(ctx)
	if err != nil {
		return nil, perennial.Wrap(op, err)
	}
	rows, err := c.o.Ledger.Schedules(ctx)
	if err != nil {
		return nil, perennial.Wrap(op, err)
	}
	known := map[string]ledger.Schedule{}
	for _, row := range rows {
		known[row.Pipeline] = row
	}
	out := make([]client.ScheduleView, 0, len(specs))
	for _, spec := range specs {
		out = append(out, c.scheduleView(ctx, spec, known[spec.Pipeline.Name]))
	}
	return out, nil
}

// Schedule tells how a pipeline's schedule stands; not_found for an unknown
// pipeline. While Temporal doesn't answer, it is what we last saw.
func (c *Control) Schedule(ctx context.Context, name string) (client.ScheduleView, error) {
	spec, row, err := c.scheduleOf(ctx, name)
	if err != nil {
		return client.ScheduleView{}, perennial.Wrap("control.Schedule", err)
	}
	return c.scheduleView(ctx, spec, row), nil
}

// SetSchedule changes a pipeline's schedule, pauses or resumes it, or brings it
// back to what the file says. The change stays until the file changes. It
// answers invalid for a cron expression, time zone or jitter that is none, and
// precondition where there is no schedule and none is given.
func (c *Control) SetSchedule(ctx context.Context, name string, req client.ScheduleRequest) (client.ScheduleView, error) {
	const op = "control.SetSchedule"
	var none client.ScheduleView
	actor, err := authorise(ctx, op, perennial.AccessOperator)
	if err != nil {
		return none, err
	}
	spec, row, err := c.scheduleOf(ctx, name)
	if err != nil {
		return none, perennial.Wrap(op, err)
	}
	if row, _, err = c.observe(ctx, row); err != nil {
		return none, perennial.Wrap(op, err)
	}
	before := inForce(row)
	if req.Reset {
		if req != (client.ScheduleRequest{Reset: true, Reason: req.Reason}) {
			return none, perennial.Errorf(perennial.CodeInvalid, op, "reset brings the file's schedule back: nothing else but a reason may be given with it")
		}
		row, err = c.applyFile(ctx, spec, actor.Name, req.Reason)
	} else if err = change(&row, spec, req); err == nil {
		row.Revision, row.Source, row.Removed = spec.Revision, ledger.ScheduleFromOperator, false
		row.Actor, row.Reason, row.ChangedAt = actor.Name, req.Reason, c.o.Now().UnixMilli()
		row, err = c.putSchedule(ctx, row)
	}
	if err != nil {
		return none, perennial.Wrap(op, err)
	}
	return c.scheduleView(ctx, spec, row), c.record(ctx, perennial.AuditEntry{
		Action: auditedAs(req), Target: name, Reason: req.Reason, Before: before, After: inForce(row),
	})
}

// auditedAs names a change of a schedule in the audit.
func auditedAs(req client.ScheduleRequest) string {
	switch {
	case req.Reset:
		return "schedule.reset"
	case req.Paused == nil || req.Cron != "" || req.Timezone != "" || req.Jitter != "":
		return "schedule.set"
	case *req.Paused:
		return "schedule.pause"
	}
	return "schedule.resume"
}

// RemoveSchedule removes a pipeline's schedule until its file changes; not_found
// where there is none.
func (c *Control) RemoveSchedule(ctx context.Context, name, reason string) (client.ScheduleView, error) {
	const op = "control.RemoveSchedule"
	var none client.ScheduleView
	actor, err := authorise(ctx, op, perennial.AccessOperator)
	if err != nil {
		return none, err
	}
	spec, row, err := c.scheduleOf(ctx, name)
	if err != nil {
		return none, perennial.Wrap(op, err)
	}
	row, d, err := c.observe(ctx, row)
	if err != nil {
		return none, perennial.Wrap(op, err)
	}
	if d == nil && (row.Spec == "" || row.Removed) {
		return none, perennial.Errorf(perennial.CodeNotFound, op, "pipeline %s has no schedule", name)
	}
	before := inForce(row)
	if err := c.deleteSchedule(ctx, name); err != nil {
		return none, perennial.Wrap(op, err)
	}
	row.Revision, row.Source, row.Removed, row.Cron, row.Spec, row.Paused = spec.Revision, ledger.ScheduleFromOperator, true, "", "", false
	row.Actor, row.Reason, row.ChangedAt = actor.Name, reason, c.o.Now().UnixMilli()
	if err := c.saveSchedule(ctx, row); err != nil {
		return none, perennial.Wrap(op, err)
	}
	return c.scheduleView(ctx, spec, row), c.record(ctx, perennial.AuditEntry{Action: "schedule.remove", Target: name, Reason: reason, Before: before})
}

// change puts what a request asks for into a row.
func change(row *ledger.Schedule, spec *pipeline.Spec, req client.ScheduleRequest) error {
	const op = "control.change"
	bad := func(path, rule, message string) error {
		err := perennial.Errorf(perennial.CodeInvalid, op, "%s", message)
		err.Fields = []perennial.FieldError{{Path: path, Rule: rule, Message: err.Message}}
		return err
	}
	if req.Cron == "" && req.Timezone == "" && req.Jitter == "" && req.Paused == nil {
		return bad("", "required", "nothing is asked for: give cron, timezone, jitter, paused or reset")
	}
	if req.Cron != "" && !pipeline.ValidSchedule(req.Cron) {
		return bad("/cron", pipeline.RuleSchedule, "cron must be five cron fields like \"0 3 * * *\", @daily or @every 6h")
	}
	if req.Timezone != "" && !pipeline.ValidTimezone(req.Timezone) {
		return bad("/timezone", pipeline.RuleSchedule, "timezone must be a name like UTC or Europe/Vienna")
	}
	if row.Spec == "" && req.Cron == "" {
		return perennial.Errorf(perennial.CodePrecondition, op, "pipeline %s has no schedule", spec.Pipeline.Name).
			WithHint("Give one with cron, or bring the file's back with reset.")
	}
	if row.Spec == "" {
		row.Timezone, row.Jitter = spec.Pipeline.Retrain.Timezone, scheduleJitter.Milliseconds()
	}
	if req.Jitter != "" {
		jitter, err := time.ParseDuration(req.Jitter)
		if err != nil || jitter < 0 || jitter > 24*time.Hour {
			return bad("/jitter", "duration", "jitter must be a duration from 0s to 24h")
		}
		row.Jitter = jitter.Milliseconds()
	}
	if req.Cron == "" && row.Cron == "" && (req.Timezone != "" || req.Jitter != "") {
		return perennial.Errorf(perennial.CodePrecondition, op, "the schedule of %s was set with Temporal's tools", spec.Pipeline.Name).
			WithHint("Give cron too, or change it with the tools that set it.")
	}
	if req.Cron != "" {
		row.Cron = req.Cron
	}
	if req.Timezone != "" {
		row.Timezone = req.Timezone
	}
	if req.Paused != nil {
		row.Paused = *req.Paused
	}
	return nil
}

// scheduleOf gives a pipeline in force and the row of its schedule, an empty one
// where nothing was applied yet.
func (c *Control) scheduleOf(ctx context.Context, name string) (*pipeline.Spec, ledger.Schedule, error) {
	spec, err := c.o.Pipelines.Get(ctx, name)
	if err != nil {
		return nil, ledger.Schedule{}, err
	}
	row, _, err := c.o.Ledger.Schedule(ctx, name)
	row.Pipeline = name
	return spec, row, err
}

// inForce is what an audit row says of a schedule, nil for none.
func inForce(row ledger.Schedule) []byte {
	if row.Spec == "" {
		return nil
	}
	return state(map[string]any{"cron": row.Cron, "timezone": row.Timezone, "jitter_ms": row.Jitter, "paused": row.Paused, "source": row.Source})
}

// nextStarts is how many of the coming starts are shown.
const nextStarts = 3

// scheduleView tells what our row knows, and what Temporal does. What was changed
// there is kept, as at every look.
func (c *Control) scheduleView(ctx context.Context, spec *pipeline.Spec, row ledger.Schedule) client.ScheduleView {
	v := client.ScheduleView{
		Pipeline: spec.Pipeline.Name, ScheduleID: workflows.ScheduleID(spec.Pipeline.Name), Next: []time.Time{}, Running: []string{},
		File: client.ScheduleFile{Cron: spec.Pipeline.Retrain.Schedule, Timezone: spec.Pipeline.Retrain.Timezone},
	}
	row.Pipeline = v.Pipeline
	row, d, err := c.observe(ctx, row)
	v.State, v.Source, v.ChangedBy, v.Reason = "none", row.Source, row.Actor, row.Reason
	if row.ChangedAt > 0 {
		at := time.UnixMilli(row.ChangedAt).UTC()
		v.ChangedAt = &at
	}
	switch {
	case row.Removed:
		v.State = "removed"
		return v
	case row.Spec == "":
		return v
	}
	v.Cron, v.Timezone, v.Jitter = row.Cron, row.Timezone, (time.Duration(row.Jitter) * time.Millisecond).String()
	if v.State = "active"; row.Paused {
		v.State = "paused"
	}
	if err == nil && d != nil {
		describe(&v, d)
	}
	return v
}

// describe adds what only Temporal knows.
func describe(v *client.ScheduleView, d *temporalclient.ScheduleDescription) {
	if d.Schedule.State != nil {
		v.Note = d.Schedule.State.Note
	}
	for _, at := range d.Info.NextActionTimes[:min(nextStarts, len(d.Info.NextActionTimes))] {
		v.Next = append(v.Next, at.UTC())
	}
	for _, w := range d.Info.RunningWorkflows {
		v.Running = append(v.Running, w.WorkflowID)
	}
	if n := len(d.Info.RecentActions); n > 0 && d.Info.RecentActions[n-1].StartWorkflowResult != nil {
		last := d.Info.RecentActions[n-1]
		v.Last = &client.ScheduleRun{WorkflowID: last.StartWorkflowResult.WorkflowID, At: last.ActualTime.UTC()}
	}
}
