package activities

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/serve"
)

// The moves of a rollout.
const (
	MoveWeight   = "weight"    // more traffic for the challenger
	MovePause    = "pause"     // hold it where it is
	MoveResume   = "resume"    // go on
	MoveWatch    = "watch"     // the challenger becomes the champion, the old one keeps the holdback
	MoveFinish   = "finish"    // the new champion answers everything
	MoveBack     = "back"      // the version that was good before answers everything
	MoveRollBack = "roll_back" // the same, and the challenger's file is rejected
)

// Move is one change of a model's traffic by its rollout.
type Move struct {
	Rollout  Rollout `json:"rollout"` // as it stands
	Kind     string  `json:"kind"`
	WeightBP int     `json:"weight_bp,omitempty"`
	Reason   string  `json:"reason"`
	Actor    string  `json:"actor"`
	Decision string  `json:"decision_id,omitempty"`
}

// MoveTraffic makes one change and gives the rollout as it stands then. Where
// somebody else changed the row in between, nothing is written, and what it
// became is given; a move back is made nevertheless, as long as the row is still
// this rollout's.
//
// More traffic (weight, watch) is refused with precondition while the model is
// frozen or a live serving process hasn't loaded the challenger. Safe to repeat:
// the write carries an op id of this step.
func (a *Activities) MoveTraffic(ctx context.Context, m Move) (Rollout, error) {
	const op = "MoveTraffic"
	if m.Kind == MoveWeight || m.Kind == MoveWatch {
		waits, err := Waits(ctx, a.Traffic, m.Rollout, a.nowMillis())
		if err != nil {
			return Rollout{}, perennial.Wrap(op, err)
		}
		if waits != "" {
			return Rollout{}, perennial.Errorf(perennial.CodePrecondition, op, "%s", waits)
		}
	}
	row, err := a.moveRow(ctx, m)
	if err != nil {
		return Rollout{}, perennial.Wrap(op, err)
	}
	if m.Kind == MoveRollBack && row.Mode == perennial.ModeServing {
		if err := a.reject(ctx, m); err != nil {
			return Rollout{}, perennial.Wrap(op, err)
		}
	}
	if row.RolloutID == m.Rollout.ID && (row.Mode == perennial.ModeServing || row.Mode == perennial.ModeWatch) {
		if err := a.project(ctx, row.Model); err != nil {
			return Rollout{}, perennial.Wrap(op, err)
		}
	}
	r, err := a.LoadRollout(ctx, LoadInput{Model: m.Rollout.Model, ID: m.Rollout.ID, Challenger: m.Rollout.Challenger})
	return keepPolicy(r, m.Rollout), perennial.Wrap(op, err)
}

// keepPolicy keeps what was agreed at a rollout's start, whatever the pipeline
// says by now.
func keepPolicy(r, old Rollout) Rollout {
	if r.Outcome != "" || r.ID != old.ID || old.Policy == "" {
		return r
	}
	began := r.EndsAt - r.allowed()
	r.Policy, r.Steps, r.HoldbackBP, r.WatchMillis, r.DeadlineMillis = old.Policy, old.Steps, old.HoldbackBP, old.WatchMillis, old.DeadlineMillis
	r.Approval, r.OnInsufficient, r.OnNewVersion = old.Approval, old.OnInsufficient, old.OnNewVersion
	r.EndsAt = began + r.allowed()
	return r
}

// moveRow writes the row; where that isn't this rollout's any more, or not at
// the epoch that the move was decided at, it gives the row as it is.
func (a *Activities) moveRow(ctx context.Context, m Move) (perennial.Traffic, error) {
	id := stepID(ctx)
	back := m.Kind == MoveBack || m.Kind == MoveRollBack
	for {
		row, err := a.Traffic.Get(ctx, m.Rollout.Model)
		if err != nil {
			return row, err
		}
		mine := row.RolloutID == m.Rollout.ID && row.Mode != perennial.ModeServing
		if row.OpID == id || !mine || !back && row.Epoch != m.Rollout.Epoch {
			return row, nil
		}
		next := m.next(row)
		next.OpID, next.ChangedAt = id, a.nowMillis()
		row, err = a.Traffic.Set(ctx, next, row.Epoch)
		if perennial.CodeOf(err) != perennial.CodePrecondition {
			return row, err
		}
	}
}

// next is the row after the move.
func (m Move) next(row perennial.Traffic) perennial.Traffic {
	row.Reason, row.Actor, row.Outcome = m.Reason, m.Actor, ""
	if m.Decision != "" {
		row.DecisionID = m.Decision
	}
	safe := row.Champion
	if row.Mode == perennial.ModeWatch {
		safe = row.Previous
	}
	switch m.Kind {
	case MoveWeight:
		row.WeightBP = m.WeightBP
	case MovePause:
		row.Paused = true
	case MoveResume:
		row.Paused = false
	case MoveWatch:
		row.Mode, row.Champion, row.Previous, row.Challenger = perennial.ModeWatch, row.Challenger, row.Champion, ""
		row.WeightBP, row.Paused = 10000-m.Rollout.HoldbackBP, false
	case MoveFinish:
		row.Mode, row.WeightBP, row.Paused, row.Outcome = perennial.ModeServing, 0, false, perennial.OutcomePromoted
	case MoveBack, MoveRollBack:
		row.Mode, row.Champion, row.Previous, row.Challenger = perennial.ModeServing, safe, "", ""
		row.WeightBP, row.Paused, row.Outcome = 0, false, perennial.OutcomeRolledBack
		if m.Kind == MoveBack {
			row.Outcome = perennial.OutcomeAborted
		}
	}
	return row
}

func (a *Activities) reject(ctx context.Context, m Move) error {
	version, err := a.Tracker.GetVersion(ctx, m.Rollout.Model, m.Rollout.Challenger)
	if err != nil {
		return err
	}
	return a.Traffic.Reject(ctx, serve.RejectedFile{
		Model: m.Rollout.Model, ModelSHA256: version.Lineage.ModelSHA256, Version: version.Version,
		DecisionID: m.Decision, Reason: m.Reason, RejectedAt: a.nowMillis(),
	})
}

// Readiness is what Waits asks.
type Readiness interface {
	Frozen(ctx context.Context, model string, now int64) (serve.Freeze, bool, error)
	Replicas(ctx context.Context, model, version string) ([]serve.Replica, error)
}

// Waits says what keeps a challenger from more traffic now (ms): a freeze, or a
// live serving process that hasn't loaded it. "" for nothing.
func Waits(ctx context.Context, traffic Readiness, r Rollout, now int64) (string, error) {
	freeze, frozen, err := traffic.Frozen(ctx, r.Model, now)
	if err != nil {
		return "", err
	}
	if frozen {
		return fmt.Sprintf("%s is frozen until %s: %s.", r.Model, time.UnixMilli(freeze.Until).UTC().Format(time.RFC3339), freeze.Reason), nil
	}
	replicas, err := traffic.Replicas(ctx, r.Model, r.Challenger)
	if err != nil {
		return "", err
	}
	if len(replicas) == 0 {
		return "No serving process reports what it has loaded.", nil
	}
	var without []string
	for _, p := range replicas {
		switch p.State {
		case serve.ReplicaLoaded:
		case serve.ReplicaFailed:
			without = append(without, p.Replica+" can't load it: "+strings.TrimSuffix(p.Error, "."))
		default:
			without = append(without, p.Replica+" hasn't loaded it yet")
		}
	}
	if len(without) == 0 {
		return "", nil
	}
	return fmt.Sprintf("Version %s is not everywhere: %s.", r.Challenger, strings.Join(without, "; ")), nil
}
