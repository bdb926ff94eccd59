package workflows

import (
	"fmt"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/activities"
)

// Who acts where nobody with a name does.
const (
	actorPerennial = "perennial" // by its own rules
	actorTemporal  = "temporal"  // somebody with Temporal's own tools
)

// command is something that somebody asked for and waits for.
type command struct {
	Command

	name string
	done bool
	err  error
}

// offer is a version that somebody offered and may wait for.
type offer struct {
	activities.Offer

	done   bool
	answer activities.Offered
	err    error
}

// handle registers the updates and the query.
func (r *rollout) handle(ctx workflow.Context) error {
	if err := workflow.SetQueryHandler(ctx, QueryStatus, r.progress.answer); err != nil {
		return err
	}
	for _, name := range []string{UpdatePause, UpdateResume, UpdatePromote, UpdateAbort} {
		ask := func(ctx workflow.Context, c Command) (activities.Rollout, error) { return r.ask(ctx, name, c) }
		err := workflow.SetUpdateHandlerWithOptions(ctx, name, ask, workflow.UpdateHandlerOptions{
			Validator: func(_ workflow.Context, c Command) error { return r.mayAsk(name, c) }, Description: name + " the rollout",
		})
		if err != nil {
			return err
		}
	}
	return workflow.SetUpdateHandlerWithOptions(ctx, UpdateOffer, r.offered, workflow.UpdateHandlerOptions{
		Validator: func(_ workflow.Context, o activities.Offer) error { return r.mayOffer(o) }, Description: "roll a version out",
	})
}

// mayAsk refuses what makes no sense now.
func (r *rollout) mayAsk(name string, c Command) error {
	switch {
	case r.closing, !r.active() && r.now.ID != "":
		return refusal(perennial.CodePrecondition, "Nothing of %s is being rolled out.", r.in.Model)
	case c.IfEpoch != 0 && c.IfEpoch != r.now.Epoch:
		return refusal(perennial.CodePrecondition, "The traffic of %s is at epoch %d, not %d: somebody changed it meanwhile.", r.in.Model, r.now.Epoch, c.IfEpoch)
	case name == UpdatePause && r.now.Paused:
		return refusal(perennial.CodeConflict, "The rollout of %s is paused already.", r.in.Model)
	case name == UpdateResume && !r.now.Paused:
		return refusal(perennial.CodeConflict, "The rollout of %s isn't paused.", r.in.Model)
	}
	return nil
}

// ask waits until the main loop has done what was asked.
func (r *rollout) ask(ctx workflow.Context, name string, c Command) (activities.Rollout, error) {
	if c.Actor == "" {
		c.Actor = actorTemporal
	}
	if c.Reason == "" {
		c.Reason = name
	}
	asked := &command{name: name, Command: c}
	r.commands = append(r.commands, asked)
	if err := workflow.Await(ctx, func() bool { return asked.done }); err != nil {
		return activities.Rollout{}, err
	}
	return r.now, asked.err
}

// obey carries out the oldest command. What the command can't do is its answer,
// not the workflow's failure.
func (r *rollout) obey(ctx workflow.Context) error {
	c := r.commands[0]
	r.commands = r.commands[1:]
	c.err = r.mayAsk(c.name, c.Command)
	if c.err == nil {
		c.Actor, c.err = r.authorise(ctx, c.Actor, activities.UpdateInput{Name: c.name, OpID: c.OpID, Reason: c.Reason, Once: true})
	}
	if c.err == nil {
		c.err = r.carryOut(ctx, c)
	}
	c.done = true
	return nil
}

// authorise gives who asks for an update. Rollouts from before there were orders
// believe what the update says.
func (r *rollout) authorise(ctx workflow.Context, said string, in activities.UpdateInput) (actor string, err error) {
	if workflow.GetVersion(ctx, "rollout/2026-11-authorise", workflow.DefaultVersion, 1) == workflow.DefaultVersion {
		return said, nil
	}
	in.Model = r.in.Model
	disconnected, cancel := workflow.NewDisconnectedContext(ctx)
	defer cancel()
	err = workflow.ExecuteActivity(steady(disconnected, "who asks for "+in.Name), act.AuthoriseUpdate, in).Get(disconnected, &actor)
	return actor, err
}

func (r *rollout) carryOut(ctx workflow.Context, c *command) error {
	epoch := r.now.Epoch
	move := activities.Move{Reason: c.Reason, Actor: c.Actor}
	var err error
	switch c.name {
	case UpdatePause:
		move.Kind = activities.MovePause
		err = r.move(ctx, move)
	case UpdateResume:
		move.Kind = activities.MoveResume
		err = r.move(ctx, move)
	case UpdatePromote:
		move.Kind = activities.MoveWatch
		if r.now.Mode == perennial.ModeWatch {
			move.Kind = activities.MoveFinish
		}
		err = r.move(ctx, move)
	case UpdateAbort:
		move.Kind = activities.MoveBack
		err = r.move(ctx, move)
	}
	if err == nil && r.now.Epoch != epoch+1 && c.name != UpdateAbort {
		return refusal(perennial.CodePrecondition, "Somebody changed the traffic of %s at the same moment; look at it and ask again.", r.in.Model)
	}
	return err
}

// refuse answers those who ask when nothing is rolled out.
func (r *rollout) refuse() {
	for _, c := range r.commands {
		c.done, c.err = true, refusal(perennial.CodePrecondition, "Nothing of %s is being rolled out.", r.in.Model)
	}
	r.commands = nil
}

// mayOffer refuses an offer that can't be taken.
func (r *rollout) mayOffer(o activities.Offer) error {
	switch {
	case r.closing:
		return refusal(perennial.CodeUnavailable, "The last rollout of %s is just ending; try again.", r.in.Model)
	case o.Model != r.in.Model, o.Version == "":
		return refusal(perennial.CodeInvalid, "An offer names a version of %s.", r.in.Model)
	}
	return nil
}

// offered answers once the version is being rolled out or has been refused; one
// that must wait for the present rollout is answered at once.
func (r *rollout) offered(ctx workflow.Context, in activities.Offer) (activities.Offered, error) {
	answer := activities.Offered{Outcome: perennial.OutcomeOffered, WorkflowID: RolloutID(in.Model)}
	if r.active() && r.now.Challenger == in.Version {
		answer.Reason = fmt.Sprintf("Version %s is being rolled out already.", in.Version)
		return answer, nil
	}
	o := &offer{Offer: in}
	r.offers = append(r.offers, o)
	if r.active() && !r.restarts() {
		answer.Reason = fmt.Sprintf("Version %s waits until the rollout of version %s has ended.", in.Version, r.now.Challenger)
		return answer, nil
	}
	if err := workflow.Await(ctx, func() bool { return o.done }); err != nil {
		return activities.Offered{}, err
	}
	return o.answer, o.err
}

// restarts reports whether the oldest offer takes the place of the version that
// is being rolled out. A rollout that somebody paused keeps its place.
func (r *rollout) restarts() bool {
	return len(r.offers) > 0 && r.now.OnNewVersion != "queue" && !r.now.Paused
}

// take begins with the oldest offer. A version that is refused leaves the
// present rollout as it is.
func (r *rollout) take(ctx workflow.Context) error {
	o := r.offers[0]
	r.offers = r.offers[1:]
	if o.Actor == "" {
		o.Actor = actorTemporal
	}
	disconnected, cancel := workflow.NewDisconnectedContext(ctx)
	defer cancel()
	var next activities.Rollout
	o.Actor, o.err = r.authorise(disconnected, o.Actor, activities.UpdateInput{Name: UpdateOffer, OpID: o.OpID, Reason: o.Reason})
	if o.err == nil {
		o.err = workflow.ExecuteActivity(steady(disconnected, "version "+o.Version+": "+o.Reason), act.BeginRollout, o.Offer).Get(disconnected, &next)
	}
	o.done = true
	if o.err != nil {
		if !r.active() && r.result.Outcome == "" {
			r.failed = o.err
		}
		return nil
	}
	o.answer = activities.Offered{Outcome: perennial.OutcomeOffered, Reason: next.Reason, WorkflowID: RolloutID(r.in.Model)}
	if next.ID == "" { // refused
		o.answer.Outcome = next.Outcome
		if !r.active() {
			r.result.Outcome, r.result.Version, r.result.Reason = next.Outcome, o.Version, next.Reason
		}
		return nil
	}
	if r.active() && r.now.Mode != perennial.ModeWatch {
		r.result.Superseded = append(r.result.Superseded, r.now.Challenger)
	}
	r.result.Outcome, r.result.Reason, r.stage, r.failed = "", o.Reason, "", nil
	return r.stands(disconnected, next)
}

// refusal is an error that whoever asked can read.
func refusal(code perennial.Code, format string, args ...any) error {
	message := fmt.Sprintf(format, args...)
	return temporal.NewApplicationErrorWithOptions(message, string(code), temporal.ApplicationErrorOptions{
		NonRetryable: true, Details: []any{perennial.Failure{Code: code, Message: message}},
	})
}
