package control

import (
	"context"
	"errors"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	temporalclient "go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/activities"
	"github.com/perennial-ml/perennial/internal/client"
	"github.com/perennial-ml/perennial/workflows"
)

// How often, and how long apart, an offer is tried again that met a rollout at
// its very end.
const (
	offerTries = 10
	offerPause = 300 * time.Millisecond
)

// Offer hands a version to its model's Rollout, which it starts where none runs.
// It is for steps of workflows, which act for whoever the offer names; people go
// by StartRollout.
func (c *Control) Offer(ctx context.Context, o activities.Offer) (activities.Offered, error) {
	const op = "control.Offer"
	opID, err := c.order(ctx, o.Model, workflows.UpdateOffer, o.Actor, o.OpID)
	if err != nil {
		return activities.Offered{}, perennial.Wrap(op, err)
	}
	o.OpID = opID
	for try := 1; ; try++ {
		out, err := c.offer(ctx, o)
		if perennial.CodeOf(err) != perennial.CodeUnavailable || try == offerTries {
			return out, perennial.Wrap(op, err)
		}
		select {
		case <-ctx.Done():
			return out, perennial.Wrap(op, err)
		case <-time.After(offerPause):
		}
	}
}

func (c *Control) offer(ctx context.Context, o activities.Offer) (out activities.Offered, err error) {
	start := c.o.Temporal.NewWithStartWorkflowOperation(c.rolloutOptions(ctx, o.Model, o.Actor, o.Reason, enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING),
		workflows.Rollout, workflows.RolloutInput{Model: o.Model, Actor: o.Actor})
	handle, err := c.o.Temporal.UpdateWithStartWorkflow(ctx, temporalclient.UpdateWithStartWorkflowOptions{
		StartWorkflowOperation: start,
		UpdateOptions: temporalclient.UpdateWorkflowOptions{
			WorkflowID: workflows.RolloutID(o.Model), UpdateID: o.OpID, UpdateName: workflows.UpdateOffer,
			WaitForStage: temporalclient.WorkflowUpdateStageCompleted, Args: []any{o},
		},
	})
	if err == nil {
		err = handle.Get(ctx, &out)
	}
	return out, updateFault("control.offer", err)
}

// rolloutOptions are those under which a model's Rollout is started.
func (c *Control) rolloutOptions(ctx context.Context, model, actor, reason string, conflict enumspb.WorkflowIdConflictPolicy) temporalclient.StartWorkflowOptions {
	return temporalclient.StartWorkflowOptions{
		ID: workflows.RolloutID(model), TaskQueue: c.o.Queue, WorkflowIDConflictPolicy: conflict,
		WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE, WorkflowExecutionErrorWhenAlreadyStarted: true,
		StaticSummary:         "roll out " + model,
		Memo:                  map[string]any{"pipeline": model, "reason": reason, "actor": actor},
		TypedSearchAttributes: c.attributes(ctx, model),
	}
}

// updateFault turns what an update gave into our error: a workflow's own words
// as they are, anything else as a Temporal that doesn't answer.
func updateFault(op string, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*temporal.ApplicationError](err); ok {
		f := workflows.FailureOf(err)
		return &perennial.Error{Code: f.Code, Op: op, Message: f.Message, Hint: f.Hint, Fields: f.Errors, Err: err}
	}
	if late(err) {
		return perennial.Errorf(perennial.CodeUnavailable, op, "Temporal or every worker doesn't answer; it may still be done when they do").
			WithHint("Predictions go on. Look at both, and at how the rollout stands; `perennial rollback` needs neither.").Because(err)
	}
	return unavailable(op, err)
}

// late reports whether an update wasn't answered in time: by Temporal, or by the
// worker that Temporal waits for.
func late(err error) bool {
	_, ok := errors.AsType[*temporalclient.WorkflowUpdateServiceTimeoutOrCanceledError](err)
	return ok
}

// StartRollout rolls a registered version out. Errors: not_found for an unknown
// version, precondition for a model file that was rolled back before (without
// force) and for a traffic row that has moved on, unavailable without Temporal.
func (c *Control) StartRollout(ctx context.Context, model string, req client.RolloutRequest) (client.RolloutResponse, error) {
	const op = "control.StartRollout"
	actor, err := authorise(ctx, op, perennial.AccessOperator)
	if err != nil {
		return client.RolloutResponse{}, err
	}
	if err := c.Servable(ctx, model, req.Version); err != nil {
		return client.RolloutResponse{}, perennial.Wrap(op, err)
	}
	before, err := c.trafficAt(ctx, model, req.IfEpoch)
	if err != nil {
		return client.RolloutResponse{}, perennial.Wrap(op, err)
	}
	out, err := c.Offer(ctx, activities.Offer{Model: model, Version: req.Version, Reason: req.Reason, Actor: actor.Name, Force: req.Force})
	if err != nil {
		return client.RolloutResponse{}, perennial.Wrap(op, err)
	}
	answer := client.RolloutResponse{Outcome: out.Outcome, Reason: out.Reason, WorkflowID: workflows.RolloutID(model), StatusURL: "/models/" + model + "/rollout"}
	return answer, c.record(ctx, perennial.AuditEntry{
		Action: "rollout.start", Target: model, Reason: req.Reason, WorkflowID: answer.WorkflowID, Before: state(before),
		After: state(map[string]any{"version": req.Version, "outcome": out.Outcome, "force": req.Force}),
	})
}

// trafficAt gives a model's row, precondition where it isn't at the epoch that
// was asked for (0: whatever it is).
func (c *Control) trafficAt(ctx context.Context, model string, ifEpoch int64) (perennial.Traffic, error) {
	row, err := c.o.Traffic.Get(ctx, model)
	switch {
	case err != nil:
		return row, err
	case ifEpoch != 0 && row.Epoch != ifEpoch:
		return row, perennial.Errorf(perennial.CodePrecondition, "control.trafficAt", "The traffic of %s is at epoch %d, not %d: somebody changed it meanwhile.", model, row.Epoch, ifEpoch).
			WithHint("Look at the state as it is now and ask again.")
	}
	return row, nil
}

// inService is trafficAt, not_found for a model that was never in service.
func (c *Control) inService(ctx context.Context, model string, ifEpoch int64) (perennial.Traffic, error) {
	row, err := c.trafficAt(ctx, model, ifEpoch)
	if err == nil && row.Mode == perennial.ModeNone {
		err = neverServed("control.inService", model)
	}
	return row, err
}

func neverServed(op, model string) error {
	return perennial.Errorf(perennial.CodeNotFound, op, "Nothing of %s was ever in service.", model).WithHint("GET /models lists the models.")
}

// CommandRollout asks the running rollout to pause, resume, promote or abort,
// and answers when that is done. Errors: not_found for a model that was never in
// service, precondition where nothing is rolled out, the row has moved on or a
// freeze forbids it, conflict for what is so already.
func (c *Control) CommandRollout(ctx context.Context, model, name string, req client.RolloutCommand) (client.RolloutView, error) {
	const op = "control.CommandRollout"
	actor, err := authorise(ctx, op, perennial.AccessOperator)
	if err != nil {
		return client.RolloutView{}, err
	}
	before, err := c.inService(ctx, model, req.IfEpoch)
	if err != nil {
		return client.RolloutView{}, perennial.Wrap(op, err)
	}
	opID, err := c.order(ctx, model, name, actor.Name, "")
	if err != nil {
		return client.RolloutView{}, perennial.Wrap(op, err)
	}
	var done activities.Rollout
	err = insist(ctx, func(bool) error { // the update's id makes it one
		handle, err := c.o.Temporal.UpdateWorkflow(ctx, temporalclient.UpdateWorkflowOptions{
			WorkflowID: workflows.RolloutID(model), UpdateID: opID, UpdateName: name, WaitForStage: temporalclient.WorkflowUpdateStageCompleted,
			Args: []any{workflows.Command{Reason: req.Reason, OpID: opID, IfEpoch: req.IfEpoch}},
		})
		if err == nil {
			err = handle.Get(ctx, &done)
		}
		if missing(err) {
			return perennial.Errorf(perennial.CodePrecondition, op, "Nothing of %s is being rolled out.", model).Because(err)
		}
		return updateFault(op, err)
	})
	if err != nil {
		return client.RolloutView{}, err
	}
	err = c.record(ctx, perennial.AuditEntry{
		Action: "rollout." + name, Target: model, Reason: req.Reason, WorkflowID: workflows.RolloutID(model), Before: state(before), After: state(done),
	})
	if err != nil {
		return client.RolloutView{}, perennial.Wrap(op, err)
	}
	view, err := c.rolloutAfter(ctx, model)
	return view, perennial.Wrap(op, err)
}

// rolloutAfter tells how a rollout stands after a change of it: whoever got an
// error would ask for the change again, and a second promote is a second step.
func (c *Control) rolloutAfter(ctx context.Context, model string) (view client.RolloutView, err error) {
	err = insist(ctx, func(bool) (err error) {
		view, err = c.Rollout(ctx, model)
		return err
	})
	return view, err
}

// resume starts the rollout of every traffic row again that has none, as after a
// terminated workflow or a lost Temporal database. A paused one stays paused.
// First it makes the registry agree with every row.
func (c *Control) resume(ctx context.Context) error {
	const op = "control.resume"
	rows, err := c.o.Traffic.List(ctx)
	if err != nil {
		return perennial.Wrap(op, err)
	}
	for _, row := range rows {
		if !c.o.ForeignRegistry { // else FollowAliases does it, which asks first whose move it was
			if err := c.project(ctx, row.Model); err != nil {
				return perennial.Wrap(op, err)
			}
		}
		if row.Mode != perennial.ModeShadow && row.Mode != perennial.ModeCanary && row.Mode != perennial.ModeWatch {
			continue
		}
		d, known, err := c.describe(ctx, workflows.RolloutID(row.Model), "")
		if err != nil {
			return perennial.Wrap(op, err)
		}
		if known && !stateOf(d).Terminal() {
			continue
		}
		options := c.rolloutOptions(ctx, row.Model, row.Actor, row.Reason, enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL)
		_, err = c.o.Temporal.ExecuteWorkflow(ctx, options, workflows.Rollout, workflows.RolloutInput{Model: row.Model, Actor: row.Actor, Resume: true})
		if _, running := errors.AsType[*serviceerror.WorkflowExecutionAlreadyStarted](err); running {
			continue
		}
		if err != nil {
			return unavailable(op, err)
		}
		c.o.Logger.Warn("a rollout had no workflow any more: it goes on from the traffic row", "model", row.Model, "mode", row.Mode, "epoch", row.Epoch)
	}
	return nil
}
