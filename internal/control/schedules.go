package control

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	temporalclient "go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/ledger"
	"github.com/perennial-ml/perennial/internal/pipeline"
	"github.com/perennial-ml/perennial/workflows"
)

// How every schedule of ours runs: a start that finds the one before still
// running is left out, and one that was missed is made up for within ten minutes.
const (
	scheduleCatchUp = 10 * time.Minute
	scheduleJitter  = 30 * time.Second
	byFile          = "perennial" // who changes a schedule when its file changes
	byTemporal      = "temporal"  // who changed it where it is not as we left it
)

// SyncSchedules brings the schedules in Temporal and our table together. A
// pipeline's file is applied when its revision changes; what an operator set,
// paused or removed since, through us or with Temporal's own tools, stays until
// then. The schedule of a pipeline that vanished is paused. With restore, one
// that Temporal doesn't know any more is made again, as when its file was
// deleted; without, an operator has deleted it. Safe to repeat and to run in
// several processes.
func (c *Control) SyncSchedules(ctx context.Context, restore bool) error {
	const op = "control.SyncSchedules"
	specs, err := c.o.Pipelines.List(ctx)
	if err != nil {
		return perennial.Wrap(op, err)
	}
	rows, err := c.o.Ledger.Schedules(ctx)
	if err != nil {
		return perennial.Wrap(op, err)
	}
	known, inForce := map[string]ledger.Schedule{}, map[string]bool{}
	for _, row := range rows {
		known[row.Pipeline] = row
	}
	var faults []error
	for _, spec := range specs {
		name := spec.Pipeline.Name
		if _, gone := c.gone.Load(name); !gone {
			inForce[name] = true
			faults = append(faults, c.syncSchedule(ctx, spec, known[name], restore))
		}
	}
	for _, row := range rows {
		if !inForce[row.Pipeline] && row.Revision != "" {
			faults = append(faults, c.retireSchedule(ctx, row))
		}
	}
	return perennial.Wrap(op, errors.Join(faults...))
}

func (c *Control) syncSchedule(ctx context.Context, spec *pipeline.Spec, row ledger.Schedule, restore bool) error {
	if row.Revision != spec.Revision {
		_, err := c.applyFile(ctx, spec, byFile, "the pipeline file changed")
		return err
	}
	_, d, err := c.observe(ctx, row)
	if err != nil || d != nil || row.Spec == "" || row.Removed {
		return err
	}
	if restore {
		_, err = c.putSchedule(ctx, row)
		return err
	}
	row.Source, row.Removed, row.Spec, row.Cron = ledger.ScheduleFromOperator, true, "", ""
	row.Actor, row.Reason, row.ChangedAt = byTemporal, "deleted with Temporal's tools", c.o.Now().UnixMilli()
	return c.saveSchedule(ctx, row)
}

// retireSchedule pauses the schedule of a pipeline that is gone. When the
// pipeline comes back, its file is applied as if it were new.
func (c *Control) retireSchedule(ctx context.Context, row ledger.Schedule) error {
	if row.Spec != "" && !row.Removed {
		err := c.schedule(ctx, row.Pipeline).Pause(ctx, temporalclient.SchedulePauseOptions{Note: "the pipeline is gone"})
		if err != nil && !missing(err) {
			return unavailable("control.retireSchedule", err)
		}
		row.Paused = true
	}
	row.Revision, row.Actor, row.Reason, row.ChangedAt = "", byFile, "the pipeline is gone", c.o.Now().UnixMilli()
	return c.saveSchedule(ctx, row)
}

// applyFile makes the schedule what the pipeline file says.
func (c *Control) applyFile(ctx context.Context, spec *pipeline.Spec, actor, reason string) (ledger.Schedule, error) {
	row := ledger.Schedule{
		Pipeline: spec.Pipeline.Name, Revision: spec.Revision, Source: ledger.ScheduleFromFile,
		Cron: spec.Pipeline.Retrain.Schedule, Timezone: spec.Pipeline.Retrain.Timezone, Jitter: scheduleJitter.Milliseconds(),
		Actor: actor, Reason: reason, ChangedAt: c.o.Now().UnixMilli(),
	}
	if row.Cron != "" {
		return c.putSchedule(ctx, row)
	}
	if err := c.deleteSchedule(ctx, row.Pipeline); err != nil {
		return row, perennial.Wrap("control.applyFile", err)
	}
	return row, c.saveSchedule(ctx, row)
}

// putSchedule creates or changes a schedule in Temporal and keeps its row with
// the spec as Temporal understood it.
func (c *Control) putSchedule(ctx context.Context, row ledger.Schedule) (ledger.Schedule, error) {
	err := insist(ctx, func(bool) (err error) {
		row.Spec, err = c.tellSchedule(ctx, row)
		return err
	})
	if err != nil {
		return row, perennial.Wrap("control.putSchedule", err)
	}
	return row, c.saveSchedule(ctx, row)
}

// tellSchedule makes a schedule in Temporal what its row says, and gives the spec
// as Temporal understood it. Safe to repeat.
func (c *Control) tellSchedule(ctx context.Context, row ledger.Schedule) (understood string, err error) {
	const op = "control.tellSchedule"
	spec, err := specOf(row)
	if err != nil {
		return row.Spec, perennial.Wrap(op, err)
	}
	action := c.scheduleAction(ctx, row.Pipeline)
	note := strings.TrimSuffix(row.Actor+": "+row.Reason, ": ")
	_, err = c.o.Temporal.ScheduleClient().Create(ctx, temporalclient.ScheduleOptions{
		ID: workflows.ScheduleID(row.Pipeline), Spec: spec, Action: action, Overlap: enumspb.SCHEDULE_OVERLAP_POLICY_SKIP,
		CatchupWindow: scheduleCatchUp, Paused: row.Paused, Note: note, Memo: map[string]any{"pipeline": row.Pipeline},
	})
	if errors.Is(err, temporal.ErrScheduleAlreadyRunning) {
		err = c.schedule(ctx, row.Pipeline).Update(ctx, temporalclient.ScheduleUpdateOptions{
			DoUpdate: func(temporalclient.ScheduleUpdateInput) (*temporalclient.ScheduleUpdate, error) {
				return &temporalclient.ScheduleUpdate{Schedule: &temporalclient.Schedule{
					Spec: &spec, Action: action, State: &temporalclient.ScheduleState{Paused: row.Paused, Note: note},
					Policy: &temporalclient.SchedulePolicies{Overlap: enumspb.SCHEDULE_OVERLAP_POLICY_SKIP, CatchupWindow: scheduleCatchUp},
				}}, nil
			},
		})
	}
	if bad, ok := errors.AsType[*serviceerror.InvalidArgument](err); ok {
		return row.Spec, perennial.Errorf(perennial.CodeInvalid, op, "Temporal doesn't take this schedule: %s", bad.Message)
	}
	if err != nil {
		return row.Spec, unavailable(op, err)
	}
	d, err := c.schedule(ctx, row.Pipeline).Describe(ctx)
	if err != nil {
		return row.Spec, unavailable(op, err)
	}
	understood, err = encodeSpec(d)
	return understood, perennial.Wrap(op, err)
}

// deleteSchedule deletes a schedule in Temporal, where there is one.
func (c *Control) deleteSchedule(ctx context.Context, pipeline string) error {
	return insist(ctx, func(bool) error {
		if err := c.schedule(ctx, pipeline).Delete(ctx); err != nil && !missing(err) {
			return unavailable("control.deleteSchedule", err)
		}
		return nil
	})
}

// observe looks at a schedule in Temporal and keeps what was changed there since
// we last saw it; d is nil where Temporal knows none.
func (c *Control) observe(ctx context.Context, row ledger.Schedule) (_ ledger.Schedule, d *temporalclient.ScheduleDescription, err error) {
	const op = "control.observe"
	d, err = c.schedule(ctx, row.Pipeline).Describe(ctx)
	if missing(err) {
		return row, nil, nil
	}
	if err != nil {
		return row, nil, unavailable(op, err)
	}
	seen, differs, err := c.seen(row, d)
	if err != nil || !differs {
		return row, d, perennial.Wrap(op, err)
	}
	stored, _, err := c.o.Ledger.Schedule(ctx, row.Pipeline)
	if err != nil {
		return row, d, perennial.Wrap(op, err)
	}
	if stored.Pipeline = row.Pipeline; stored != row {
		return stored, d, nil // it was changed through us just now
	}
	return seen, d, c.saveSchedule(ctx, seen)
}

// seen gives a row as Temporal describes its schedule, and whether that differs
// from what the row says.
func (c *Control) seen(row ledger.Schedule, d *temporalclient.ScheduleDescription) (_ ledger.Schedule, differs bool, err error) {
	spec, err := encodeSpec(d)
	if err != nil {
		return row, false, err
	}
	paused := d.Schedule.State != nil && d.Schedule.State.Paused
	if spec == row.Spec && paused == row.Paused && !row.Removed {
		return row, false, nil
	}
	if spec != row.Spec {
		row.Cron, row.Timezone, row.Jitter = "", d.Schedule.Spec.TimeZoneName, d.Schedule.Spec.Jitter.Milliseconds()
	}
	row.Spec, row.Paused, row.Removed, row.Source = spec, paused, false, ledger.ScheduleFromOperator
	row.Actor, row.Reason, row.ChangedAt = byTemporal, "changed with Temporal's tools", c.o.Now().UnixMilli()
	return row, true, nil
}

// saveSchedule keeps a row of what Temporal was told already.
func (c *Control) saveSchedule(ctx context.Context, row ledger.Schedule) error {
	return insist(ctx, func(bool) error { return c.o.Ledger.SaveSchedule(ctx, row) })
}

func (c *Control) schedule(ctx context.Context, pipeline string) temporalclient.ScheduleHandle {
	return c.o.Temporal.ScheduleClient().GetHandle(ctx, workflows.ScheduleID(pipeline))
}

// scheduleAction is what a schedule starts. Temporal adds the time to the id.
func (c *Control) scheduleAction(ctx context.Context, pipeline string) *temporalclient.ScheduleWorkflowAction {
	const reason = "its schedule"
	return &temporalclient.ScheduleWorkflowAction{
		ID: workflows.RetrainID(pipeline, "schedule"), Workflow: workflows.TypeRetrain, TaskQueue: c.o.Queue,
		Args:                  []any{workflows.RetrainInput{Pipeline: pipeline, Reason: reason, Trigger: perennial.TriggerSchedule}},
		Memo:                  startMemo(pipeline, perennial.TriggerSchedule, reason, "schedule"),
		TypedSearchAttributes: c.attributes(ctx, pipeline),
	}
}

// specOf gives Temporal's spec of a row: of its cron expression, or as it was
// last seen where it was set with Temporal's tools.
func specOf(row ledger.Schedule) (temporalclient.ScheduleSpec, error) {
	if row.Cron == "" {
		var spec temporalclient.ScheduleSpec
		return spec, json.Unmarshal([]byte(row.Spec), &spec)
	}
	return temporalclient.ScheduleSpec{
		CronExpressions: []string{row.Cron}, TimeZoneName: row.Timezone, Jitter: time.Duration(row.Jitter) * time.Millisecond,
	}, nil
}

func encodeSpec(d *temporalclient.ScheduleDescription) (string, error) {
	b, err := json.Marshal(d.Schedule.Spec)
	return string(b), err
}

// missing reports whether Temporal doesn't know what was asked for.
func missing(err error) bool {
	_, ok := errors.AsType[*serviceerror.NotFound](err)
	return ok
}
