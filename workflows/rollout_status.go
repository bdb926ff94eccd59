package workflows

import (
	"go.temporal.io/sdk/workflow"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/activities"
)

// show keeps the status up to date and, where the rollout has reached another
// stage, the search attributes and the ledger.
func (r *rollout) show(ctx workflow.Context) error {
	stands := r.now
	r.progress.status.Rollout = &stands
	name := stageOf(stands)
	state := perennial.StageRunning
	switch stands.Outcome {
	case "":
	case perennial.OutcomePromoted:
		state = perennial.StageCompleted
	default:
		state = perennial.StageFailed
	}
	if stands.Outcome != "" && r.stage != "" {
		name = r.stage
	}
	reached := false
	for i := range r.progress.status.Stages {
		s := &r.progress.status.Stages[i]
		switch {
		case s.Name == name:
			s.State, reached = state, true
		case reached:
			s.State = perennial.StagePending
		default:
			s.State = perennial.StageCompleted
		}
	}
	r.progress.status.Stage = name
	r.progress.show(ctx)
	if r.stage == name || stands.Outcome != "" {
		return nil
	}
	r.stage = name
	if err := workflow.UpsertTypedSearchAttributes(ctx, AttrPhase.ValueSet(name), AttrVersion.ValueSet(stands.Challenger)); err != nil {
		return err
	}
	return r.record(ctx, perennial.WorkflowRunning)
}

// stageOf names the stage of a rollout.
func stageOf(r activities.Rollout) string {
	switch {
	case r.Mode == perennial.ModeWatch, r.Outcome == perennial.OutcomePromoted:
		return perennial.StageWatch
	case r.WeightBP > 0:
		return perennial.StageCanary
	default:
		return perennial.StagePrepare
	}
}

// finish writes down how the rollout ended and passes the error on. What became
// of it is told however it ended.
func (r *rollout) finish(ctx workflow.Context, err error) error {
	r.closing = true
	return r.progress.end(ctx, err, &TrainResult{Outcome: r.result.Outcome, Version: r.result.Version, Decision: r.result.Decision}, r.record)
}

func (r *rollout) record(ctx workflow.Context, state perennial.WorkflowState) error {
	return r.progress.keep(ctx, activities.Progress{
		Pipeline: r.in.Model, State: state, Outcome: r.result.Outcome, Version: r.result.Version, Decision: r.result.Decision,
		StartedBy: r.in.Actor, Reason: r.result.Reason,
	})
}
