package activities

import (
	"context"
	"fmt"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/dataset"
	"github.com/perennial-ml/perennial/internal/ledger"
)

// ClaimInput asks whether a training may begin.
type ClaimInput struct {
	Bundle  string            `json:"bundle"`
	Trigger perennial.Trigger `json:"trigger"`
	Force   bool              `json:"force"`   // train although nothing has changed
	DryRun  bool              `json:"dry_run"` // say what would be done, and do nothing
}

// Claimed answers. An empty outcome means: begin.
type Claimed struct {
	Outcome perennial.Outcome `json:"outcome"`
	Reason  string            `json:"reason"`
	Version string            `json:"version,omitempty"` // that equal inputs gave before
}

// budgetWindow is the day of retrain.max_per_day: the last 24 hours.
const budgetWindow = 24 * time.Hour

// ClaimAttempt decides whether a training may begin, and writes down that it
// does. Cool-down and daily budget bind automatic triggers; equal data, sides
// and parameters end any training that isn't forced. Safe to repeat: the
// attempt is kept under the workflow's run, which may begin once it has one. A
// pipeline trains once at a time, so that no other attempt comes in between.
func (a *Activities) ClaimAttempt(ctx context.Context, in ClaimInput) (Claimed, error) {
	const op = "ClaimAttempt"
	ctx, stop := heartbeat(ctx)
	defer stop()
	run := activity.GetInfo(ctx).WorkflowExecution.RunID
	if _, ok, err := a.Ledger.Attempt(ctx, run); err != nil || ok {
		return Claimed{Reason: "claimed before"}, perennial.Wrap(op, err)
	}
	bundle, err := getJSON[Bundle](ctx, a.Blobs, in.Bundle)
	if err != nil {
		return Claimed{}, perennial.Wrap(op, err)
	}
	if err := a.thawed(ctx, bundle.Spec.Pipeline.Name, in.Trigger); err != nil {
		return Claimed{}, perennial.Wrap(op, err)
	}
	policy := bundle.Spec.Pipeline.Retrain
	held, err := a.brakes(ctx, bundle.Spec.Pipeline.Name, policy, in.Trigger)
	if err != nil || held.Outcome != "" {
		return held, perennial.Wrap(op, err)
	}
	attempt := ledger.Attempt{
		WorkflowRunID: run, Pipeline: bundle.Spec.Pipeline.Name, Trigger: in.Trigger,
		DataMD5: bundle.Data.MD5, ParamsSHA256: bundle.paramsSHA256(), ClaimedAt: a.nowMillis(),
	}
	if attempt.Sides, err = a.sidesNow(ctx, &bundle); err != nil {
		return Claimed{}, perennial.Wrap(op, err)
	}
	found, err := a.changed(ctx, attempt)
	if err != nil {
		return Claimed{}, perennial.Wrap(op, err)
	}
	if in.Force && found.Outcome == perennial.OutcomeUnchanged {
		found = Claimed{Reason: "forced, although " + found.Reason}
	}
	if found.Outcome != "" {
		return found, nil
	}
	if in.DryRun || policy.DryRun && (in.Trigger.Automatic() || in.Trigger == perennial.TriggerSchedule) {
		found.Outcome = perennial.OutcomeWouldTrain
		return found, nil
	}
	return found, perennial.Wrap(op, a.Ledger.SaveAttempt(ctx, attempt))
}

// thawed refuses with precondition while the model is frozen. A first start's
// training is exempt: it changes nothing that is served.
func (a *Activities) thawed(ctx context.Context, model string, trigger perennial.Trigger) error {
	freeze, frozen, err := a.Traffic.Frozen(ctx, model, a.nowMillis())
	if err != nil || !frozen || trigger == perennial.TriggerBootstrap {
		return err
	}
	return perennial.Errorf(perennial.CodePrecondition, "ClaimAttempt", "%s is frozen until %s: %s.", model, time.UnixMilli(freeze.Until).UTC().Format(time.RFC3339), freeze.Reason).
		WithHint("perennial unfreeze lifts it.")
}

// brakes hold an automatic trigger back: too soon after the last training, or
// too many automatic ones within a day.
func (a *Activities) brakes(ctx context.Context, name string, policy perennial.RetrainSpec, trigger perennial.Trigger) (Claimed, error) {
	if !trigger.Automatic() {
		return Claimed{}, nil
	}
	cooldown, now := time.Duration(policy.Cooldown), a.Now()
	recent, err := a.Ledger.Attempts(ctx, name, now.Add(-max(cooldown, budgetWindow)).UnixMilli())
	if err != nil {
		return Claimed{}, err
	}
	automatic := 0
	for _, r := range recent {
		if free := time.UnixMilli(max(r.ClaimedAt, r.EndedAt)).Add(cooldown); now.Before(free) {
			return Claimed{Outcome: perennial.OutcomeCoolingDown, Reason: fmt.Sprintf(
				"the last training was less than %s ago; automatic ones may begin again at %s", policy.Cooldown, free.UTC().Format(time.RFC3339))}, nil
		}
		if r.Trigger.Automatic() && r.ClaimedAt > now.Add(-budgetWindow).UnixMilli() {
			automatic++
		}
	}
	if automatic >= policy.MaxPerDay {
		return Claimed{Outcome: perennial.OutcomeOverBudget, Reason: fmt.Sprintf(
			"%d automatic trainings began within 24 hours, and retrain.max_per_day is %d", automatic, policy.MaxPerDay)}, nil
	}
	return Claimed{}, nil
}

// changed compares a training's inputs with those of the version in service and
// of the last training that ended well.
func (a *Activities) changed(ctx context.Context, next ledger.Attempt) (Claimed, error) {
	champion, version, err := a.championInputs(ctx, next.Pipeline)
	if err != nil {
		return Claimed{}, err
	}
	last, attempted, err := a.Ledger.LastAttempt(ctx, next.Pipeline)
	if err != nil {
		return Claimed{}, err
	}
	why := "nothing was trained before"
	if attempted {
		why = difference(next, last)
		if why == "" {
			reason := fmt.Sprintf("data, sides and parameters are those of the last training, which ended %s", last.Outcome)
			if last.Version != "" && last.Version != version {
				reason += fmt.Sprintf(" as version %s; perennial rollout start %s %s rolls it out", last.Version, next.Pipeline, last.Version)
			}
			return Claimed{Outcome: perennial.OutcomeUnchanged, Version: last.Version, Reason: reason}, nil
		}
		why += " than in the last training"
	}
	if version != "" {
		differs := difference(next, champion)
		if differs == "" {
			return Claimed{Outcome: perennial.OutcomeUnchanged, Version: version,
				Reason: fmt.Sprintf("data, sides and parameters are those of version %s, which is in service", version)}, nil
		}
		why = fmt.Sprintf("%s than in version %s, which is in service", differs, version)
	}
	return Claimed{Reason: why}, nil
}

// championInputs gives what the version in service was trained on; version is
// "" where nothing is.
func (a *Activities) championInputs(ctx context.Context, model string) (in ledger.Attempt, version string, err error) {
	row, err := a.Traffic.Get(ctx, model)
	if err != nil || row.Champion == "" {
		return in, "", err
	}
	v, err := a.Tracker.GetVersion(ctx, model, row.Champion)
	if err != nil {
		return in, "", err
	}
	return ledger.Attempt{DataMD5: v.Lineage.Data.MD5, Sides: v.Lineage.Data.Sides, ParamsSHA256: v.Lineage.ParamsSHA256}, row.Champion, nil
}

// difference names what differs between two trainings' inputs, "" for nothing.
func difference(x, y ledger.Attempt) string {
	switch {
	case x.DataMD5 != y.DataMD5:
		return "the data are others"
	case x.ParamsSHA256 != y.ParamsSHA256:
		return "pipeline, schema, budget or trainer are others"
	case x.Sides != y.Sides && x.Sides != "" && y.Sides != "": // not known before a pipeline's first training, whose sides these data fix
		return "the rows' sides are others"
	}
	return ""
}

// sidesNow gives the hash of the side table that these data will get, without
// storing anything. It is "" where the pipeline has no base side table yet, and
// where the data can't be read: the next stage will say why.
func (a *Activities) sidesNow(ctx context.Context, bundle *Bundle) (string, error) {
	base, ok, err := a.Ledger.BaseSides(ctx, bundle.Spec.Pipeline.Name)
	if err != nil || !ok {
		return "", err
	}
	t, err := a.table(ctx, bundle)
	if err != nil {
		if Retryable(perennial.CodeOf(err)) {
			return "", err
		}
		return "", nil
	}
	sides, err := a.decodeSides(ctx, base.Sides)
	if err != nil {
		return "", err
	}
	units, err := dataset.Units(t.Table, bundle.Spec.Pipeline.Split)
	if err != nil {
		return "", err
	}
	_, sides = extend(base, bundle.Spec.Pipeline.Split, sides, units)
	return sha256Hex(sides.Encode()), nil
}

func (a *Activities) decodeSides(ctx context.Context, key string) (dataset.Sides, error) {
	b, err := a.Blobs.Get(ctx, key)
	if err != nil {
		return nil, err
	}
	return dataset.DecodeSides(b)
}
