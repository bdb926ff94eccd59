package activities

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/serve"
	"github.com/perennial-ml/perennial/judge"
)

// How a rollout is observed.
const (
	observeEvery = time.Second      // between two looks; longer where a look takes long
	observeShare = 20               // a look takes at most this part of the time
	renewEvery   = time.Minute      // the lease, at least
	renewTimes   = 4                // and so often in its length
	observeFor   = 30 * time.Minute // one observation
)

// What ends an observation.
const (
	SeenAdvance  = "advance"  // the step is over: all is well and loaded everywhere
	SeenBreach   = "breach"   // a guardrail failed
	SeenDeadline = "deadline" // too little evidence for too long
	SeenElapsed  = "elapsed"  // the watch is over
	SeenChanged  = "changed"  // somebody else changed the traffic row
	SeenNothing  = "nothing"  // go on
)

// Seen is what an observation ended with.
type Seen struct {
	What     string `json:"what"`
	Decision string `json:"decision_id,omitempty"`
	Reason   string `json:"reason,omitempty"`
}

// Workflows tells whether a run of a workflow goes on; control implements it. A
// Temporal that doesn't answer is unavailable.
type Workflows interface {
	Running(ctx context.Context, id, runID string) (bool, error)
}

// ObserveRollout looks at a rollout once a second until its step is decided,
// and renews the traffic row's lease once a minute meanwhile: a long canary is a
// few long steps, not a long history. It renews only while Temporal knows the
// workflow: without it nobody could act on what is seen here, and the rollout is
// unattended. A paused rollout is held back from going
// on, never from being rolled back. A database that doesn't answer is waited
// for. It heartbeats, and ends at once when it is cancelled.
//
// Safe to repeat: it changes nothing but the lease, and the decision that it
// stores has the step's id.
func (a *Activities) ObserveRollout(ctx context.Context, r Rollout) (Seen, error) {
	const op = "ObserveRollout"
	ctx, stop := heartbeat(ctx)
	defer stop()
	policy, err := getJSON[perennial.RolloutSpec](ctx, a.Blobs, r.Policy)
	if err != nil {
		return Seen{}, perennial.Wrap(op, err)
	}
	o := observer{a: a, r: r, policy: policy, id: activity.GetInfo(ctx)}
	began, every := time.Now(), cmp.Or(a.Look, observeEvery)
	for time.Since(began) < observeFor {
		fault := o.renew(ctx)
		look := time.Now()
		seen, err := o.look(ctx)
		if err == nil && seen.What != "" {
			return seen, nil
		}
		if err = errors.Join(fault, err); err != nil && ctx.Err() == nil {
			activity.GetLogger(ctx).Warn("the rollout can't be observed; trying on", "model", r.Model, "error", err)
		}
		select {
		case <-ctx.Done():
			if errors.Is(context.Cause(ctx), ErrStopping) {
				return Seen{What: SeenNothing}, nil
			}
			return Seen{}, ctx.Err()
		case <-time.After(min(max(every, observeShare*time.Since(look)), max(every, o.a.renewEvery()))):
		}
	}
	return Seen{What: SeenNothing}, nil
}

// observer is one observation.
type observer struct {
	a       *Activities
	r       Rollout
	policy  perennial.RolloutSpec
	id      activity.Info
	renewed time.Time
}

// renewEvery is how often a lease is renewed.
func (a *Activities) renewEvery() time.Duration {
	return min(renewEvery, cmp.Or(a.Lease, serve.DefaultLease)/renewTimes)
}

// askFor is how long Temporal has to answer.
const askFor = 2 * time.Second

// renew says that somebody attends to the rollout, where it is time to.
func (o *observer) renew(ctx context.Context) error {
	if time.Since(o.renewed) < o.a.renewEvery() {
		return nil
	}
	asking, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	running, err := o.a.Workflows.Running(asking, o.id.WorkflowExecution.ID, o.id.WorkflowExecution.RunID)
	if err != nil || !running {
		return err
	}
	if _, err := o.a.Traffic.Renew(ctx, o.r.Model, o.r.Epoch); err != nil {
		return err
	}
	o.renewed = time.Now()
	return nil
}

// look decides whether the step is over; What is "" where it isn't.
func (o *observer) look(ctx context.Context) (Seen, error) {
	row, err := o.a.Traffic.Get(ctx, o.r.Model)
	if err != nil {
		return Seen{}, err
	}
	if row.Epoch != o.r.Epoch {
		return Seen{What: SeenChanged, Reason: row.Reason}, nil
	}
	d, err := o.judge(ctx)
	if err != nil {
		return Seen{}, err
	}
	late := o.a.nowMillis() >= o.r.EndsAt
	switch {
	case d.Verdict == perennial.VerdictFail:
		return o.conclude(ctx, SeenBreach, d)
	case o.r.Paused:
		return Seen{}, nil
	case o.r.Mode == perennial.ModeWatch:
		if late {
			return o.conclude(ctx, SeenElapsed, d)
		}
		return Seen{}, nil
	}
	waits, err := Waits(ctx, o.a.Traffic, o.r, o.a.nowMillis())
	if err != nil {
		return Seen{}, err
	}
	loading := o.r.WeightBP == 0
	switch {
	case waits == "" && loading:
		return Seen{What: SeenAdvance, Reason: fmt.Sprintf("Version %s is loaded everywhere.", o.r.Challenger)}, nil
	case waits == "" && d.Passed:
		return o.conclude(ctx, SeenAdvance, d)
	case late:
		seen, err := o.conclude(ctx, SeenDeadline, d)
		if waits != "" { // the record says what was judged, and recomputes to itself
			seen.Reason = strings.TrimSuffix(waits, ".") + "; " + d.Reason
		}
		return seen, err
	}
	return Seen{}, nil
}

// conclude stores the decision behind what was seen.
func (o *observer) conclude(ctx context.Context, what string, d perennial.Decision) (Seen, error) {
	d.ID = fmt.Sprintf("canary-%s-%s", o.id.WorkflowExecution.RunID, o.id.ActivityID)
	d.Model, d.Version, d.WorkflowID, d.At = o.r.Model, o.r.Challenger, o.id.WorkflowExecution.ID, o.a.nowMillis()
	if err := o.a.Ledger.SaveDecision(ctx, d); err != nil {
		return Seen{}, err
	}
	return Seen{What: what, Decision: d.ID, Reason: d.Reason}, nil
}

// judge compares both sides in the present step.
func (o *observer) judge(ctx context.Context) (perennial.Decision, error) {
	counts, err := o.a.Evidence.Evidence(ctx, o.r.Model, o.r.Since)
	if err != nil {
		return perennial.Decision{}, err
	}
	return judge.Canary(CanaryPolicy(o.policy), CanaryEvidence(o.r, counts)), nil
}
