package control

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/activities"
	"github.com/perennial-ml/perennial/internal/serve"
)

// actorMLflow is who moved an alias on an MLflow server, which doesn't say who it
// was.
const actorMLflow = "mlflow"

// How long one process has for a move, and how long a move must stand before it
// counts: by then whoever of us made it has noted it.
const (
	aliasBusy   = 30 * time.Second
	aliasStands = 300 * time.Millisecond
)

// FollowAliases looks now and then every so often at the aliases of what is in
// service on an MLflow server of its own, until ctx ends: a move by somebody else
// is the command that AliasMoved describes, and what is refused is set back.
// Several processes may do that: one carries a move out.
func (c *Control) FollowAliases(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for down := false; ; {
		err := c.LookAtAliases(ctx)
		if ctx.Err() == nil && err != nil && !down {
			c.o.Logger.Warn("the aliases on the MLflow server can't be followed", "error", err)
		}
		down = err != nil
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// LookAtAliases is one look of FollowAliases.
func (c *Control) LookAtAliases(ctx context.Context) error {
	rows, err := c.o.Traffic.List(ctx)
	if err != nil {
		return err
	}
	var faults []error
	for _, row := range rows {
		if row.Mode != perennial.ModeNone {
			faults = append(faults, c.lookAt(ctx, row.Model))
		}
	}
	return errors.Join(faults...)
}

// lookAt makes one model's aliases and its traffic row agree, whichever of them
// moved.
func (c *Control) lookAt(ctx context.Context, model string) error {
	found, err := c.standings(ctx, model)
	if err != nil {
		return err
	}
	behind := false
	for _, s := range found {
		switch {
		case s.version == s.want && s.known && s.note.Seen == s.version && s.note.Wanted == s.version:
		case s.version == s.want:
			err = c.o.Traffic.AliasSeen(ctx, model, s.alias, s.version)
		case s.foreign():
			err = c.followMove(ctx, model, s)
		case s.left():
		default:
			behind = true
		}
		if err != nil {
			return err
		}
	}
	if !behind {
		return nil
	}
	c.o.Logger.Warn("the aliases lagged behind the traffic row", "model", model)
	return c.project(ctx, model)
}

// standing is where an alias stands, where the traffic row wants it, and what is
// known of it.
type standing struct {
	alias         string
	version, want string
	row           perennial.Traffic
	note          serve.Alias
	known         bool
}

// foreign reports whether somebody else moved the alias. One that was never seen
// before is set first.
func (s standing) foreign() bool { return s.version != s.want && s.known && !s.note.Ours(s.version) }

// left reports whether somebody else's move could not be carried out, and the
// alias was left where it was moved to until traffic changes.
func (s standing) left() bool { return s.note.AskedEpoch == s.row.Epoch && s.note.Asked == s.version }

// standings reads a model's aliases. They are read before what is known of them,
// and the traffic row last: our own moves are made in the other order, so that
// none of them looks like somebody else's.
func (c *Control) standings(ctx context.Context, model string) ([]standing, error) {
	m, err := c.o.Registry.GetModel(ctx, model)
	if perennial.CodeOf(err) == perennial.CodeNotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	notes, err := c.o.Traffic.Aliases(ctx, model)
	if err != nil {
		return nil, err
	}
	row, err := c.o.Traffic.Get(ctx, model)
	if err != nil {
		return nil, err
	}
	out := []standing{{alias: perennial.AliasChampion, want: row.Champion}, {alias: perennial.AliasChallenger, want: row.Challenger}}
	for i := range out {
		out[i].version, out[i].row = m.Aliases[out[i].alias], row
		out[i].note, out[i].known = notes[out[i].alias]
	}
	return out, nil
}

// followMove carries out a move by somebody else, in one process.
func (c *Control) followMove(ctx context.Context, model string, s standing) (err error) {
	now := c.o.Now()
	until := now.Add(aliasBusy).UnixMilli()
	mine, err := c.o.Traffic.ClaimAlias(ctx, model, s.alias, now.UnixMilli(), until)
	if err != nil || !mine {
		return err
	}
	defer func() {
		err = errors.Join(err, c.o.Traffic.ReleaseAlias(context.WithoutCancel(ctx), model, s.alias, until))
	}()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(aliasStands):
	}
	again, err := c.standings(ctx, model)
	if err != nil {
		return err
	}
	for _, a := range again {
		if a.alias == s.alias && a.version == s.version && a.foreign() {
			return c.carryOut(ctx, model, a)
		}
	}
	return nil // it went on: the next look sees
}

func (c *Control) carryOut(ctx context.Context, model string, s standing) error {
	ctx = perennial.WithActor(ctx, perennial.Actor{Name: actorMLflow, Role: perennial.AccessOperator})
	move := aliasMove{model: model, alias: s.alias, version: s.version, opID: fmt.Sprintf("alias:%s:%s:%d", s.alias, s.version, s.row.Epoch)}
	err := c.obey(ctx, s.row, move)
	switch {
	case err == nil:
		return c.project(ctx, model)
	case activities.Retryable(perennial.CodeOf(err)):
		return err // the next look tries again
	case !errors.Is(err, errRefused): // it shows, and traffic goes on
		return c.o.Traffic.AliasSeen(ctx, model, s.alias, s.version)
	}
	if err := c.project(ctx, model); err != nil {
		return err
	}
	message, _, _ := perennial.Explain(err)
	return c.record(ctx, perennial.AuditEntry{
		Action: "alias.set_back", Target: model, Reason: message, Before: state(map[string]any{"alias": s.alias, "version": s.version}),
		After: state(map[string]any{"alias": s.alias, "version": s.want}),
	})
}
