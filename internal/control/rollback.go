package control

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/activities"
	"github.com/perennial-ml/perennial/internal/client"
	"github.com/perennial-ml/perennial/internal/serve"
)

// rollbackTries is how often a rollback tries against other writers of the row.
const rollbackTries = 10

// rollbackRows is how far back a rollback looks for the version before.
const rollbackRows = 10000

// How often, and how far apart, a write is tried that may be repeated.
const (
	insistTries = 3
	insistPause = 100 * time.Millisecond
)

// insist repeats a write that failed for a moment: a change must not stop
// half-way, or be made without its audit row, because a reply was lost. again
// says that an earlier try may have been made, so that what the write finds done
// may be its own.
func insist(ctx context.Context, write func(again bool) error) error {
	for try := 1; ; try++ {
		err := write(try > 1)
		if err == nil || try == insistTries || !activities.Retryable(perennial.CodeOf(err)) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(insistPause):
		}
	}
}

// Rollback sends all of a model's traffic to a version at once: by default to
// the one that was good before the present rollout or promotion. It writes the
// traffic row itself, so that it works without Temporal; a running rollout sees
// it within a second and ends. What it takes out of service is not rolled out
// again without force. No freeze forbids it.
func (c *Control) Rollback(ctx context.Context, model string, req client.RollbackRequest) (client.RolloutView, error) {
	const op = "control.Rollback"
	actor, err := authorise(ctx, op, perennial.AccessOperator)
	if err != nil {
		return client.RolloutView{}, err
	}
	until := int64(0)
	if req.Freeze != "" {
		d, err := duration(op, "/freeze", req.Freeze)
		if err != nil {
			return client.RolloutView{}, err
		}
		until = c.o.Now().Add(d).UnixMilli()
	}
	before, after, err := c.rollback(ctx, model, req, actor.Name)
	if err != nil {
		return client.RolloutView{}, perennial.Wrap(op, err)
	}
	if until > 0 {
		freeze := serve.Freeze{Model: model, Until: until, Reason: after.Reason, Actor: actor.Name, MadeAt: c.o.Now().UnixMilli()}
		if err := insist(ctx, func(bool) error { return c.o.Traffic.SetFreeze(ctx, freeze) }); err != nil {
			return client.RolloutView{}, perennial.Wrap(op, err)
		}
	}
	if err := insist(ctx, func(bool) error { return c.project(ctx, model) }); err != nil {
		c.o.Logger.Error("the alias champion could not follow the rollback", "model", model, "version", after.Champion, "error", err)
	}
	if err := insist(ctx, func(bool) error { return c.reject(ctx, before, after) }); err != nil {
		c.o.Logger.Error("the version that was rolled back is not marked", "model", model, "error", err)
	}
	if err := c.record(ctx, perennial.AuditEntry{Action: "rollback", Target: model, Reason: req.Reason, Before: state(before), After: state(after)}); err != nil {
		return client.RolloutView{}, err
	}
	view, err := c.rolloutAfter(ctx, model)
	return view, perennial.Wrap(op, err)
}

// rollback writes the row.
func (c *Control) rollback(ctx context.Context, model string, req client.RollbackRequest, actor string) (before, after perennial.Traffic, err error) {
	opID, reason := uuid.NewString(), req.Reason
	if reason == "" {
		reason = "rolled back"
	}
	for range rollbackTries {
		if before, err = c.inService(ctx, model, req.IfEpoch); err != nil {
			return before, after, err
		}
		to, err := c.target(ctx, before, req.To)
		if err != nil {
			return before, after, err
		}
		err = insist(ctx, func(bool) (err error) { // the op id makes it one change
			after, err = c.o.Traffic.Set(ctx, perennial.Traffic{
				Model: model, Mode: perennial.ModeServing, Champion: to, OpID: opID, RolloutID: before.RolloutID,
				Outcome: perennial.OutcomeRolledBack, Reason: reason, Actor: actor, ChangedAt: c.o.Now().UnixMilli(),
			}, before.Epoch)
			return err
		})
		if perennial.CodeOf(err) != perennial.CodePrecondition || req.IfEpoch != 0 {
			return before, after, err
		}
	}
	return before, after, perennial.Errorf(perennial.CodeConflict, "control.rollback", "The traffic of %s keeps changing; try again.", model)
}

// target gives the version to go back to, and makes sure that it can be served.
func (c *Control) target(ctx context.Context, row perennial.Traffic, to string) (string, error) {
	const op = "control.target"
	if to == "" {
		switch row.Mode {
		case perennial.ModeShadow, perennial.ModeCanary, perennial.ModeAB:
			to = row.Champion
		case perennial.ModeWatch:
			to = row.Previous
		case perennial.ModeServing:
			rows, err := c.o.Traffic.History(ctx, row.Model, rollbackRows)
			if err != nil {
				return "", err
			}
			to = before(rows)
		case perennial.ModeNone:
		}
	}
	switch {
	case to == "":
		return "", perennial.Errorf(perennial.CodePrecondition, op, "%s has no version to go back to.", row.Model).
			WithHint("Name one: perennial history %s shows what was in service.", row.Model)
	case to == row.Champion && row.Mode == perennial.ModeServing:
		return "", perennial.Errorf(perennial.CodeConflict, op, "Version %s of %s answers everything already.", to, row.Model)
	}
	version, err := c.o.Registry.GetVersion(ctx, row.Model, to)
	if err != nil {
		return "", err
	}
	there, err := c.o.Blobs.Has(ctx, "sha256:"+version.Lineage.ModelSHA256)
	if err == nil && !there {
		err = perennial.Errorf(perennial.CodePrecondition, op, "The model file of version %s of %s is gone: it can't be served.", to, row.Model)
	}
	return to, err
}

// before gives the champion that the one in force followed, "" for none, from a
// model's states, newest first. What was rolled back is no such champion: a
// version that is gone back to takes the place of what had come after it.
func before(rows []perennial.Traffic) string {
	var line []string
	for _, row := range slices.Backward(rows) {
		if len(line) > 0 && line[len(line)-1] == row.Champion {
			continue
		}
		at := slices.Index(line, row.Champion)
		switch back := row.Mode == perennial.ModeServing && row.Previous == ""; { // a promotion at once names the version before
		case back && at >= 0:
			line = line[:at]
		case back && len(line) > 0:
			line = line[:len(line)-1]
		case at >= 0: // an old version was rolled out again
			line = slices.Delete(line, at, at+1)
		}
		line = append(line, row.Champion)
	}
	if len(line) < 2 {
		return ""
	}
	return line[len(line)-2]
}

// reject marks the version that a rollback took out of service.
func (c *Control) reject(ctx context.Context, before, after perennial.Traffic) error {
	bad := before.Challenger
	if bad == "" {
		bad = before.Champion
	}
	if bad == after.Champion {
		return nil
	}
	version, err := c.o.Registry.GetVersion(ctx, before.Model, bad)
	if err != nil {
		return err
	}
	return c.o.Traffic.Reject(ctx, serve.RejectedFile{
		Model: before.Model, ModelSHA256: version.Lineage.ModelSHA256, Version: bad, Reason: after.Reason, RejectedAt: after.ChangedAt,
	})
}

// Freeze stops retrains and promotions of a model (or all) for a while. It never
// stops a rollback.
func (c *Control) Freeze(ctx context.Context, req client.FreezeRequest) (client.FreezeView, error) {
	const op = "control.Freeze"
	actor, err := authorise(ctx, op, perennial.AccessOperator)
	if err != nil {
		return client.FreezeView{}, err
	}
	d, err := duration(op, "/for", req.For)
	if err != nil {
		return client.FreezeView{}, err
	}
	if req.Model != "" {
		if err := c.known(ctx, req.Model); err != nil {
			return client.FreezeView{}, perennial.Wrap(op, err)
		}
	}
	now := c.o.Now()
	f := serve.Freeze{Model: req.Model, Until: now.Add(d).UnixMilli(), Reason: req.Reason, Actor: actor.Name, MadeAt: now.UnixMilli()}
	if f.Reason == "" {
		f.Reason = "frozen by " + actor.Name
	}
	if err := insist(ctx, func(bool) error { return c.o.Traffic.SetFreeze(ctx, f) }); err != nil {
		return client.FreezeView{}, perennial.Wrap(op, err)
	}
	return *freezeView(f), c.record(ctx, perennial.AuditEntry{Action: "freeze", Target: req.Model, Reason: req.Reason, After: state(f)})
}

// known gives an error for a model that has neither a pipeline nor traffic.
func (c *Control) known(ctx context.Context, model string) error {
	_, err := c.o.Pipelines.Get(ctx, model)
	if perennial.CodeOf(err) != perennial.CodeNotFound {
		return err
	}
	row, err := c.o.Traffic.Get(ctx, model)
	if err == nil && row.Mode == perennial.ModeNone {
		err = neverServed("control.known", model)
	}
	return err
}

// Unfreeze lifts a model's freeze, or with "" that of every model, and says which
// freeze still holds. Without one it changes nothing.
func (c *Control) Unfreeze(ctx context.Context, model, reason string) (client.Unfrozen, error) {
	const op = "control.Unfreeze"
	if _, err := authorise(ctx, op, perennial.AccessOperator); err != nil {
		return client.Unfrozen{}, err
	}
	if err := insist(ctx, func(bool) error { return c.o.Traffic.Unfreeze(ctx, model) }); err != nil {
		return client.Unfrozen{}, perennial.Wrap(op, err)
	}
	if err := c.record(ctx, perennial.AuditEntry{Action: "unfreeze", Target: model, Reason: reason}); err != nil {
		return client.Unfrozen{}, err
	}
	out := client.Unfrozen{Model: model}
	err := insist(ctx, func(bool) error {
		freeze, frozen, err := c.o.Traffic.Frozen(ctx, model, c.o.Now().UnixMilli())
		if err == nil && frozen {
			out.Frozen = freezeView(freeze)
		}
		return err
	})
	return out, perennial.Wrap(op, err)
}

func freezeView(f serve.Freeze) *client.FreezeView {
	return &client.FreezeView{Model: f.Model, Until: time.UnixMilli(f.Until).UTC(), Reason: f.Reason, Actor: f.Actor}
}

// duration reads a duration above zero from a field of a request.
func duration(op, path, came string) (time.Duration, error) {
	if d, err := time.ParseDuration(came); err == nil && d > 0 {
		return d, nil
	}
	err := perennial.Errorf(perennial.CodeInvalid, op, "%q is no duration above zero.", came).WithHint("Write it like 90s, 15m or 24h.")
	err.Fields = []perennial.FieldError{{Path: path, Rule: perennial.RuleType, Came: came, Message: err.Message}}
	return 0, err
}
