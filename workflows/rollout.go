package workflows

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/activities"
)

// Rollout leads one model's versions into service, one after the other: the
// challenger is loaded everywhere, gets more traffic step by step, becomes the
// champion under watch, and in the end answers everything. A breach sends
// everything back to the version that was good before. It ends when nothing is
// left to roll out.
//
// The traffic row is the truth and this workflow its driver: where the row was
// changed by somebody else, it follows. See rollout_commands.go for what people
// may ask of it.
func Rollout(ctx workflow.Context, in RolloutInput) (RolloutResult, error) {
	r := &rollout{in: in, result: in.Result, progress: newProgress(in.Model, in.Actor, perennial.RolloutStages())}
	for _, o := range in.Offers {
		r.offers = append(r.offers, &offer{Offer: o})
	}
	if in.Rollout != nil {
		r.now = *in.Rollout
	}
	if err := r.handle(ctx); err != nil {
		return RolloutResult{}, err
	}
	err := r.run(ctx)
	if again := new(workflow.ContinueAsNewError); errors.As(err, &again) {
		return RolloutResult{}, err
	}
	return r.result, r.finish(ctx, err)
}

// rollout is the running workflow.
type rollout struct {
	in       RolloutInput
	progress *progress
	now      activities.Rollout // where it stands; ID "" while nothing is rolled out
	offers   []*offer           // not yet taken, oldest first
	commands []*command         // not yet carried out, oldest first
	result   RolloutResult
	stage    string // shown last
	closing  bool   // nothing more is taken
	failed   error  // of the only offer
}

func (r *rollout) run(ctx workflow.Context) error {
	if err := workflow.UpsertTypedSearchAttributes(ctx, AttrModel.ValueSet(r.in.Model), AttrPipeline.ValueSet(r.in.Model)); err != nil {
		return err
	}
	switch {
	case r.in.Resume:
		if err := r.load(ctx, activities.LoadInput{Model: r.in.Model}); err != nil {
			return err
		}
	case r.active():
		if err := r.show(ctx); err != nil {
			return err
		}
	default: // the offer that this was started with
		if _, err := workflow.AwaitWithTimeout(ctx, offerWait, func() bool { return len(r.offers) > 0 }); err != nil {
			return err
		}
	}
	for {
		var err error
		switch {
		case r.active():
			err = r.step(ctx)
		case ctx.Err() != nil:
			err = ctx.Err()
		case len(r.offers) > 0:
			err = r.take(ctx)
		case len(r.commands) > 0:
			r.refuse()
		case workflow.AllHandlersFinished(ctx):
			return r.failed
		default:
			err = workflow.Await(ctx, func() bool { return len(r.offers)+len(r.commands) > 0 || workflow.AllHandlersFinished(ctx) })
		}
		if err != nil {
			return err
		}
		if err := r.again(ctx); err != nil {
			return err
		}
	}
}

// offerWait is how long a rollout that was started with nothing waits for an
// offer.
const offerWait = time.Minute

// active reports whether a version is being rolled out.
func (r *rollout) active() bool { return r.now.ID != "" && r.now.Outcome == "" }

// step does the next thing: what somebody asked for, a newer version, or what
// the observation says.
func (r *rollout) step(ctx workflow.Context) error {
	switch {
	case ctx.Err() != nil:
		return r.cancelled(ctx)
	case len(r.commands) > 0:
		return r.obey(ctx)
	case r.restarts():
		return r.take(ctx)
	}
	seen, interrupted, err := r.observe(ctx)
	if ctx.Err() != nil {
		return nil //nolint:nilerr // the next step is the last
	}
	if err != nil || interrupted {
		return err
	}
	switch seen.What {
	case activities.SeenAdvance:
		return r.advance(ctx, seen)
	case activities.SeenBreach:
		return r.move(ctx, activities.Move{Kind: activities.MoveRollBack, Reason: seen.Reason, Actor: actorPerennial, Decision: seen.Decision})
	case activities.SeenDeadline:
		return r.deadline(ctx, seen)
	case activities.SeenElapsed:
		return r.move(ctx, activities.Move{Kind: activities.MoveFinish, Reason: "the watch is over", Actor: actorPerennial, Decision: seen.Decision})
	case activities.SeenChanged:
		return r.load(ctx, activities.LoadInput{Model: r.in.Model, ID: r.now.ID, Challenger: r.now.Challenger})
	}
	return nil
}

// observe waits until the step is decided or somebody asks for something.
func (r *rollout) observe(ctx workflow.Context) (seen activities.Seen, interrupted bool, err error) {
	watching, stop := workflow.WithCancel(ctx)
	defer stop()
	summary := fmt.Sprintf("version %s, %s at %d.%02d %%", r.now.Challenger, r.now.Mode, r.now.WeightBP/100, r.now.WeightBP%100)
	future := workflow.ExecuteActivity(observing(watching, summary), act.ObserveRollout, r.now)
	err = workflow.Await(ctx, func() bool {
		return future.IsReady() || len(r.commands) > 0 || r.restarts()
	})
	if err != nil || !future.IsReady() {
		return activities.Seen{}, true, err
	}
	return seen, false, future.Get(ctx, &seen)
}

// advance gives the challenger its next share, and after the last one the whole.
func (r *rollout) advance(ctx workflow.Context, seen activities.Seen) error {
	move := activities.Move{Kind: activities.MoveWatch, Reason: seen.Reason, Actor: actorPerennial, Decision: seen.Decision}
	i := slices.IndexFunc(r.now.Steps, func(bp int) bool { return bp > r.now.WeightBP })
	switch {
	case i >= 0:
		move.Kind, move.WeightBP = activities.MoveWeight, r.now.Steps[i]
	case r.now.Approval:
		move.Kind, move.Reason = activities.MovePause, "an operator must approve: promote or abort. "+seen.Reason
	}
	return r.raise(ctx, move)
}

// raise makes a move that may be refused for now, and goes on observing then.
func (r *rollout) raise(ctx workflow.Context, move activities.Move) error {
	err := r.move(ctx, move)
	if err != nil && FailureOf(err).Code == perennial.CodePrecondition {
		return nil
	}
	return err
}

// deadline does what the policy says where evidence is missing.
func (r *rollout) deadline(ctx workflow.Context, seen activities.Seen) error {
	move := activities.Move{Kind: activities.MovePause, Reason: "the deadline has passed. " + seen.Reason, Actor: actorPerennial, Decision: seen.Decision}
	switch r.now.OnInsufficient {
	case "promote":
		promote := move
		promote.Kind = activities.MoveWatch
		err := r.move(ctx, promote)
		if err == nil || FailureOf(err).Code != perennial.CodePrecondition {
			return err
		}
		move.Reason += " " + FailureOf(err).Message
	case "abort":
		move.Kind = activities.MoveBack
		return r.move(ctx, move)
	}
	return r.move(ctx, move)
}

// cancelled ends a rollout whose workflow was cancelled.
func (r *rollout) cancelled(ctx workflow.Context) error {
	if err := r.move(ctx, activities.Move{Kind: activities.MoveBack, Reason: "the rollout's workflow was cancelled", Actor: actorTemporal}); err != nil {
		return err
	}
	return ctx.Err()
}

// move makes one change of traffic and keeps what became of it. No cancellation
// reaches it: whether a change was made must never be unknown.
func (r *rollout) move(ctx workflow.Context, move activities.Move) error {
	move.Rollout = r.now
	disconnected, cancel := workflow.NewDisconnectedContext(ctx)
	defer cancel()
	var next activities.Rollout
	if err := workflow.ExecuteActivity(steady(disconnected, move.Kind+": "+move.Reason), act.MoveTraffic, move).Get(disconnected, &next); err != nil {
		return err
	}
	if move.Decision != "" {
		r.result.Decision = move.Decision
	}
	return r.stands(disconnected, next)
}

func (r *rollout) load(ctx workflow.Context, in activities.LoadInput) error {
	var next activities.Rollout
	if err := workflow.ExecuteActivity(steady(ctx, "where the rollout stands"), act.LoadRollout, in).Get(ctx, &next); err != nil {
		return err
	}
	return r.stands(ctx, next)
}

// stands takes over where the rollout stands now.
func (r *rollout) stands(ctx workflow.Context, next activities.Rollout) error {
	r.now = next
	if next.Outcome != "" {
		r.result.Outcome, r.result.Reason = next.Outcome, next.Reason
	}
	if next.Challenger != "" {
		r.result.Version = next.Challenger
	}
	return r.show(ctx)
}

// again starts the workflow anew with a short history where this one has become
// long, at a moment when nobody waits for an answer.
func (r *rollout) again(ctx workflow.Context) error {
	limit := r.in.MaxEvents
	if limit == 0 {
		limit = maxEvents
	}
	if workflow.GetInfo(ctx).GetCurrentHistoryLength() < limit || !r.active() || len(r.commands) > 0 || !workflow.AllHandlersFinished(ctx) {
		return nil
	}
	next := RolloutInput{Model: r.in.Model, Actor: r.in.Actor, Rollout: &r.now, Result: r.result, MaxEvents: r.in.MaxEvents}
	for _, o := range r.offers {
		next.Offers = append(next.Offers, o.Offer)
	}
	if err := r.record(ctx, perennial.WorkflowCompleted); err != nil {
		return err
	}
	return workflow.NewContinueAsNewError(ctx, Rollout, next)
}

// maxEvents is the length of history at which a rollout continues as new.
const maxEvents = 1500
