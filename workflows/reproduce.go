package workflows

import (
	"go.temporal.io/sdk/workflow"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/activities"
)

// Reproduce trains once more what a run trained, from the run's own data,
// parameters, seed and list of trials, and says whether the same model file
// comes out, or what differs first. It registers nothing.
func Reproduce(ctx workflow.Context, in ReproduceInput) (TrainResult, error) {
	r := &reproduce{in: in, progress: newProgress(in.Pipeline, in.Actor, perennial.ReproduceStages())}
	if err := workflow.SetQueryHandler(ctx, QueryStatus, r.progress.answer); err != nil {
		return TrainResult{}, err
	}
	err := r.record(ctx, perennial.WorkflowRunning)
	if err == nil {
		err = r.run(ctx)
	}
	return r.result, r.finish(ctx, err)
}

// reproduce is a running Reproduce.
type reproduce struct {
	in       ReproduceInput
	progress *progress
	found    activities.Reproduced
	result   TrainResult
}

func (r *reproduce) run(ctx workflow.Context) error {
	err := r.progress.stage(ctx, perennial.StageResolve, func(ctx workflow.Context) (bool, error) {
		ask := activities.ReproduceInput{RunID: r.in.RunID}
		return false, workflow.ExecuteActivity(io(ctx, "is all there that it was made of?"), act.CheckRun, ask).Get(ctx, &r.found)
	})
	if err != nil {
		return err
	}
	if r.found.Outcome != "" {
		r.progress.skip(perennial.StageFit)
	} else {
		err = r.progress.stage(ctx, perennial.StageFit, func(ctx workflow.Context) (bool, error) {
			ask := r.found
			return false, workflow.ExecuteActivity(fit(ctx, "the selected trial once more"), act.RefitModel, ask).Get(ctx, &r.found)
		})
	}
	r.result = TrainResult{Outcome: r.found.Outcome, Reason: r.found.Reason, Differs: r.found.Differs, RunID: r.in.RunID}
	return err
}

// finish writes down how it ended and passes the error on.
func (r *reproduce) finish(ctx workflow.Context, err error) error {
	return r.progress.end(ctx, err, succeeded(err, &r.result), r.record)
}

// record names no run: the one that is reproduced has ended long ago.
func (r *reproduce) record(ctx workflow.Context, state perennial.WorkflowState) error {
	return r.progress.keep(ctx, activities.Progress{
		Pipeline: r.in.Pipeline, State: state, Outcome: r.result.Outcome, StartedBy: r.in.Actor, Reason: r.in.Reason,
	})
}
