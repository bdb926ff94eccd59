package control

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/activities"
	"github.com/perennial-ml/perennial/internal/client"
	"github.com/perennial-ml/perennial/internal/mlflow"
	"github.com/perennial-ml/perennial/internal/serve"
	"github.com/perennial-ml/perennial/workflows"
)

// The values of a pipeline's rollout.on_alias_change.
const (
	aliasCanary  = "canary"
	aliasPromote = "promote"
	aliasRefuse  = "refuse"
)

// aliasMove is what somebody asks for by moving an alias.
type aliasMove struct {
	model, alias string
	version      string // "": it is removed
	opID         string // the same again is the same move
}

func (m aliasMove) reason() string {
	return fmt.Sprintf("the alias %s was moved to version %s in MLflow", m.alias, m.version)
}

// AliasMoved is what the tracking server calls in place of moving (or, with
// version "", removing) the alias champion or challenger, or one that differs from
// them by case only, which can be removed but not set. For a model that
// Perennial doesn't serve it moves the alias. For others the aliases follow the
// traffic row, and moving champion is a command, handled as the pipeline's
// rollout.on_alias_change says: canary rolls the version out, and the alias comes
// after it when it is promoted; promote puts it into service at once; refuse
// refuses. What can't be done changes nothing, and shows in the rollout's view.
//
// The caller has made sure that the actor may do that (role operator); where the
// context names one, its role is looked at again. Errors: not_found for an
// unknown version; precondition for a move that is refused; invalid for a version
// that can't be served or that would refuse what the champion accepts; those of
// StartRollout.
func (c *Control) AliasMoved(ctx context.Context, actor, model, alias, version string) error {
	const op = "control.AliasMoved"
	if perennial.ActorOf(ctx).Name == "" {
		ctx = perennial.WithActor(ctx, perennial.Actor{Name: actor, Role: perennial.AccessOperator})
	}
	if _, err := authorise(ctx, op, perennial.AccessOperator); err != nil {
		return err
	}
	m := aliasMove{model: model, alias: alias, version: version, opID: uuid.NewString()}
	row, ours, err := c.follows(ctx, m)
	switch {
	case err != nil:
	case ours && alias == strings.ToLower(alias):
		err = c.obey(ctx, row, m)
	case ours && version != "": // MLflow would keep both
		err = refusedMove(op, "The alias %s would be another one than %s, which says who answers the predictions of %s.", alias, strings.ToLower(alias), model).
			WithHint("Use %s to steer traffic, or a name of its own for anything else.", strings.ToLower(alias))
	case version == "":
		err = c.o.Registry.DeleteAlias(mlflow.Decided(ctx), model, alias)
	default:
		err = c.o.Registry.SetAlias(mlflow.Decided(ctx), model, alias, version)
	}
	return perennial.Wrap(op, err)
}

// follows reports whether a move is Perennial's business: of a model that is or
// was in service or has a pipeline, or to a version that Perennial can serve as
// it is. It gives the traffic row.
func (c *Control) follows(ctx context.Context, m aliasMove) (row perennial.Traffic, ours bool, err error) {
	row, err = c.o.Traffic.Get(ctx, m.model)
	if err != nil || row.Mode != perennial.ModeNone {
		return row, err == nil, err
	}
	_, err = c.o.Pipelines.Get(ctx, m.model)
	if perennial.CodeOf(err) != perennial.CodeNotFound {
		return row, err == nil, err
	}
	if m.alias != perennial.AliasChampion || m.version == "" {
		return row, false, nil
	}
	version, err := c.o.Registry.GetVersion(ctx, m.model, m.version)
	return row, version.Lineage.ModelSHA256 != "", err
}

// obey carries a move out, and notes one that can't be.
func (c *Control) obey(ctx context.Context, row perennial.Traffic, m aliasMove) error {
	current := row.Champion
	if m.alias == perennial.AliasChallenger {
		current = row.Challenger
	}
	if m.version == current {
		return c.project(ctx, m.model)
	}
	err := c.command(ctx, row, m)
	if err == nil || activities.Retryable(perennial.CodeOf(err)) {
		return err
	}
	message, hint, _ := perennial.Explain(err)
	c.o.Logger.Warn("a move of an alias changed no traffic", "model", m.model, "alias", m.alias, "version", m.version, "actor", perennial.ActorOf(ctx).Name, "reason", message, "hint", hint)
	note := serve.Alias{
		Model: m.model, Alias: m.alias, Asked: m.version, AskedBy: perennial.ActorOf(ctx).Name, AskedReason: message,
		AskedAt: c.o.Now().UnixMilli(), AskedEpoch: row.Epoch,
	}
	if noteErr := insist(ctx, func(bool) error { return c.o.Traffic.AliasAsked(ctx, note) }); noteErr != nil {
		c.o.Logger.Error("a move of an alias that changed no traffic could not be noted", "model", m.model, "error", noteErr)
	}
	return err
}

// command does what moving an alias asks for.
func (c *Control) command(ctx context.Context, row perennial.Traffic, m aliasMove) error {
	const op = "control.command"
	switch {
	case m.alias == perennial.AliasChallenger:
		return refusedMove(op, "The alias challenger follows the rollout of %s: it is set at its start and removed at its end.", m.model).
			WithHint("Start a rollout with: perennial rollout start %s %s; end one with: perennial rollout abort %s", m.model, cmp.Or(m.version, "VERSION"), m.model)
	case m.version == "":
		return refusedMove(op, "The alias champion says which version of %s is in service: it can't be removed.", m.model)
	}
	policy, err := c.policy(ctx, m.model)
	if err != nil {
		return err
	}
	how := cmp.Or(policy.OnAliasChange, aliasCanary)
	if how == aliasRefuse {
		return refusedMove(op, "The pipeline %s refuses that its aliases are moved (rollout.on_alias_change).", m.model).
			WithHint("Use: perennial rollout start %s %s", m.model, m.version)
	}
	if err := c.Servable(ctx, m.model, m.version); err != nil {
		return err
	}
	switch how {
	case aliasCanary:
		return c.offerMoved(ctx, row, m)
	case aliasPromote:
		return c.promoteMoved(ctx, m)
	}
	return perennial.Errorf(perennial.CodeInternal, op, "rollout.on_alias_change of %s is %q, which nobody knows", m.model, how)
}

// errRefused is the cause of every error about a move that nobody may make.
var errRefused = errors.New("the aliases follow the traffic row")

func refusedMove(op, format string, args ...any) *perennial.Error {
	return perennial.Errorf(perennial.CodePrecondition, op, format, args...).Because(errRefused)
}

// offerMoved rolls a version out to which somebody moved the alias champion.
func (c *Control) offerMoved(ctx context.Context, row perennial.Traffic, m aliasMove) error {
	out, err := c.Offer(ctx, activities.Offer{Model: m.model, Version: m.version, Reason: m.reason(), Actor: perennial.ActorOf(ctx).Name, OpID: m.opID})
	if err == nil && out.Outcome == perennial.OutcomeIncompatibleSchema {
		err = perennial.Errorf(perennial.CodeInvalid, "control.offerMoved", "%s", out.Reason)
	}
	if err != nil {
		return err
	}
	if err := insist(ctx, func(bool) error { return c.project(ctx, m.model) }); err != nil { // the version is rolled out: the aliases come after it
		c.o.Logger.Warn("the aliases could not be set", "model", m.model, "error", err)
	}
	return c.record(ctx, perennial.AuditEntry{
		Action: "alias.move", Target: m.model, Reason: m.reason(), WorkflowID: workflows.RolloutID(m.model), Before: state(row),
		After: state(map[string]any{"alias": m.alias, "version": m.version, "on_alias_change": aliasCanary, "outcome": out.Outcome}),
	})
}

// promoteMoved puts a version into service at once to which somebody moved the
// alias champion. Like a rollback it writes the row itself; a running rollout
// sees it within a second and ends.
func (c *Control) promoteMoved(ctx context.Context, m aliasMove) error {
	const op = "control.promoteMoved"
	for range rollbackTries {
		row, err := c.o.Traffic.Get(ctx, m.model)
		if err != nil {
			return err
		}
		if row.Champion == m.version && row.Mode == perennial.ModeServing {
			return c.project(ctx, m.model)
		}
		if err := c.mayPromote(ctx, row, m); err != nil {
			return err
		}
		previous := row.Champion
		if previous == m.version { // from the watch of this very version
			previous = row.Previous
		}
		var after perennial.Traffic
		err = insist(ctx, func(bool) (err error) { // the op id makes it one change
			after, err = c.o.Traffic.Set(ctx, perennial.Traffic{
				Model: m.model, Mode: perennial.ModeServing, Champion: m.version, Previous: previous, OpID: m.opID, RolloutID: row.RolloutID,
				Outcome: perennial.OutcomePromoted, Reason: m.reason(), Actor: perennial.ActorOf(ctx).Name, ChangedAt: c.o.Now().UnixMilli(),
			}, row.Epoch)
			return err
		})
		if perennial.CodeOf(err) == perennial.CodePrecondition {
			continue // somebody else was quicker: look again
		}
		if err != nil {
			return err
		}
		if err := insist(ctx, func(bool) error { return c.project(ctx, m.model) }); err != nil {
			c.o.Logger.Error("the aliases could not follow the traffic row", "model", m.model, "version", after.Champion, "error", err)
		}
		return c.record(ctx, perennial.AuditEntry{Action: "alias.move", Target: m.model, Reason: m.reason(), Before: state(row), After: state(after)})
	}
	return perennial.Errorf(perennial.CodeConflict, op, "The traffic of %s keeps changing; try again.", m.model)
}

// mayPromote refuses a version that must not answer everything now. What a freeze
// and an earlier rejection forbid, going back to the version before isn't.
func (c *Control) mayPromote(ctx context.Context, row perennial.Traffic, m aliasMove) error {
	const op = "control.mayPromote"
	if row.Mode == perennial.ModeAB {
		return perennial.Errorf(perennial.CodeConflict, op, "%s has an A/B test running: end it first.", m.model)
	}
	earlier, err := c.o.Traffic.History(ctx, m.model, rollbackRows)
	if err != nil {
		return err
	}
	back := m.version == row.Previous || m.version == before(earlier)
	if !back {
		freeze, frozen, err := c.o.Traffic.Frozen(ctx, m.model, c.o.Now().UnixMilli())
		if err != nil {
			return err
		}
		if frozen {
			return perennial.Errorf(perennial.CodePrecondition, op, "%s is frozen until %s: %s.", m.model, time.UnixMilli(freeze.Until).UTC().Format(time.RFC3339), freeze.Reason).
				WithHint("Lift it with: perennial unfreeze %s", m.model)
		}
	}
	outcome, reason, err := c.o.Rollouts.Refused(ctx, activities.Offer{Model: m.model, Version: m.version, Force: back}, row.Champion)
	if err == nil && outcome != "" {
		err = perennial.Errorf(perennial.CodeInvalid, op, "%s", reason)
	}
	return err
}

// project makes the registry's aliases say what the traffic row says.
func (c *Control) project(ctx context.Context, model string) error {
	return activities.Project(ctx, c.o.Registry, c.o.Traffic, model)
}

// Divergences gives, by model, the last move of an alias that traffic doesn't follow,
// of those models for which there was one since their traffic last changed.
func (c *Control) Divergences(ctx context.Context, rows ...perennial.Traffic) (map[string]*client.DivergenceView, error) {
	const op = "control.Divergences"
	models, epochs := make([]string, len(rows)), make(map[string]int64, len(rows))
	for i := range rows {
		models[i], epochs[rows[i].Model] = rows[i].Model, rows[i].Epoch
	}
	asked, err := c.o.Traffic.Asked(ctx, models...)
	if err != nil {
		return nil, perennial.Wrap(op, err)
	}
	last := map[string]serve.Alias{}
	for _, a := range asked {
		if a.AskedEpoch == epochs[a.Model] && a.AskedAt > last[a.Model].AskedAt {
			last[a.Model] = a
		}
	}
	out := make(map[string]*client.DivergenceView, len(last))
	for model, a := range last {
		if a.Asked != "" {
			if _, err := c.o.Registry.GetVersion(ctx, model, a.Asked); perennial.CodeOf(err) == perennial.CodeNotFound {
				continue // nor has the alias anything to stand at any more
			}
		}
		out[model] = &client.DivergenceView{
			Alias: a.Alias, Version: a.Asked, Actor: a.AskedBy, Reason: a.AskedReason, At: time.UnixMilli(a.AskedAt).UTC(),
		}
	}
	return out, nil
}
