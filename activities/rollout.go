package activities

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/pipeline"
	"github.com/perennial-ml/perennial/models"
)

// Rollout is where a rollout stands, as far as its workflow must know. All of
// it follows from the traffic row, its history and the pipeline, so that a
// rollout goes on even where Temporal has lost it.
type Rollout struct {
	ID         string         `json:"rollout_id"`
	Model      string         `json:"model"`
	Challenger string         `json:"challenger"` // that is rolled out; in watch the champion
	Safe       string         `json:"safe"`       // that answers everything after a rollback
	Mode       perennial.Mode `json:"mode"`
	Epoch      int64          `json:"epoch"` // of the traffic row
	Since      int64          `json:"since"` // the first epoch whose requests count in this step
	WeightBP   int            `json:"weight_bp"`
	Paused     bool           `json:"paused"`
	Actor      string         `json:"actor"`

	Policy         string `json:"policy"` // key of the pipeline's rollout section, as it was at the start
	Steps          []int  `json:"steps"`  // basis points, growing; the whole follows
	HoldbackBP     int    `json:"holdback_bp"`
	WatchMillis    int64  `json:"watch_millis"`
	DeadlineMillis int64  `json:"deadline_millis"`
	EndsAt         int64  `json:"ends_at"` // ms: the deadline, in watch its end
	Approval       bool   `json:"approval"`
	OnInsufficient string `json:"on_insufficient_data"`
	OnNewVersion   string `json:"on_new_version"`

	// Outcome is set where there is nothing to roll out (any more), with the reason.
	Outcome perennial.Outcome `json:"outcome,omitempty"`
	Reason  string            `json:"reason,omitempty"`
}

// BeginRollout takes an offered version: it writes the challenger into the
// traffic row with a weight of nothing, so that every process loads it first. A
// model without a champion gets the version at once; the champion itself is
// unchanged, and a version that would refuse what the champion accepts
// incompatible_schema.
//
// It answers not_found for an unknown version, precondition for a model file
// that a rollout rejected before (unless forced), and conflict while an A/B test
// runs. Safe to repeat: the write carries the offer's op id, or one of this step,
// and what was taken once is never taken again.
func (a *Activities) BeginRollout(ctx context.Context, o Offer) (Rollout, error) {
	const op = "BeginRollout"
	id := cmp.Or(o.OpID, stepID(ctx))
	row, err := a.Traffic.Get(ctx, o.Model)
	if err != nil {
		return Rollout{}, perennial.Wrap(op, err)
	}
	if row.RolloutID == id { // done in an earlier try
		r, err := a.resumed(ctx, row, o)
		return r, perennial.Wrap(op, err)
	}
	before, err := a.Traffic.RolloutRows(ctx, o.Model, id)
	if err != nil {
		return Rollout{}, perennial.Wrap(op, err)
	}
	if len(before) > 0 {
		return Rollout{Outcome: perennial.OutcomeOffered, Reason: fmt.Sprintf("This offer of version %s was taken before, and its rollout is over.", o.Version)}, nil
	}
	version, err := a.Tracker.GetVersion(ctx, o.Model, o.Version)
	if err != nil {
		return Rollout{}, perennial.Wrap(op, err)
	}
	switch {
	case row.Mode == perennial.ModeNone:
		if _, err := a.model(ctx, version); err != nil { // nothing else stands behind it
			return Rollout{}, perennial.Wrap(op, err)
		}
		r, err := a.firstVersion(ctx, o, id)
		return r, perennial.Wrap(op, err)
	case row.Mode == perennial.ModeAB:
		return Rollout{}, perennial.Errorf(perennial.CodeConflict, op, "%s has an A/B test running: end it before a rollout.", o.Model)
	case row.Champion == o.Version:
		return Rollout{Outcome: perennial.OutcomeUnchanged, Reason: fmt.Sprintf("Version %s is the champion.", o.Version)}, nil
	}
	if refused, err := a.refused(ctx, o, version, row.Champion); err != nil || refused.Outcome != "" {
		return refused, perennial.Wrap(op, err)
	}
	row, err = a.Traffic.Set(ctx, perennial.Traffic{
		Model: o.Model, Mode: perennial.ModeCanary, Champion: row.Champion, Challenger: o.Version, OpID: id, RolloutID: id,
		DecisionID: o.Decision, Reason: o.Reason, Actor: o.Actor, ChangedAt: a.nowMillis(),
	}, row.Epoch)
	if perennial.CodeOf(err) == perennial.CodePrecondition {
		return Rollout{}, perennial.Errorf(perennial.CodeUnavailable, op, "The traffic of %s changed in between.", o.Model).Because(err) // look again
	}
	if err != nil {
		return Rollout{}, perennial.Wrap(op, err)
	}
	r, err := a.resumed(ctx, row, o)
	return r, perennial.Wrap(op, err)
}

// stepID is one id for all tries of this step.
func stepID(ctx context.Context) string {
	info := activity.GetInfo(ctx)
	return info.WorkflowExecution.RunID + ":" + info.ActivityID
}

// firstVersion puts a version into service where nothing is.
func (a *Activities) firstVersion(ctx context.Context, o Offer, id string) (Rollout, error) {
	row, err := a.Traffic.Set(ctx, perennial.Traffic{
		Model: o.Model, Mode: perennial.ModeServing, Champion: o.Version, OpID: id, RolloutID: id,
		DecisionID: o.Decision, Outcome: perennial.OutcomePromoted, Reason: o.Reason, Actor: o.Actor, ChangedAt: a.nowMillis(),
	}, 0)
	if err != nil {
		return Rollout{}, err
	}
	return a.resumed(ctx, row, o)
}

// resumed gives the rollout that an offer began, once the registry's aliases say
// so.
func (a *Activities) resumed(ctx context.Context, row perennial.Traffic, o Offer) (Rollout, error) {
	if err := a.project(ctx, row.Model); err != nil {
		return Rollout{}, err
	}
	return a.rollout(ctx, row, o.Version)
}

// refused says why a version must not be rolled out; without Outcome it may.
func (a *Activities) refused(ctx context.Context, o Offer, version perennial.ModelVersion, champion string) (Rollout, error) {
	const op = "BeginRollout"
	if !o.Force {
		rejected, found, err := a.Traffic.Rejected(ctx, o.Model, version.Lineage.ModelSHA256)
		if err != nil {
			return Rollout{}, err
		}
		if found {
			return Rollout{}, perennial.Errorf(perennial.CodePrecondition, op, "The model file of version %s was rolled back as version %s: %s.",
				o.Version, rejected.Version, rejected.Reason).WithHint("Train another, or roll it out again with force.")
		}
	}
	incumbent, err := a.Tracker.GetVersion(ctx, o.Model, champion)
	if err != nil {
		return Rollout{}, err
	}
	theirs, err := a.model(ctx, incumbent)
	if err != nil {
		return Rollout{}, err
	}
	ours, err := a.model(ctx, version)
	if err != nil {
		return Rollout{}, err
	}
	if ours.Task() != theirs.Task() {
		return Rollout{Outcome: perennial.OutcomeIncompatibleSchema, Reason: fmt.Sprintf("Version %s does %s, the champion %s.", o.Version, ours.Task(), theirs.Task())}, nil
	}
	if faults := ours.Schema().Refuses(theirs.Schema()); len(faults) > 0 {
		return Rollout{Outcome: perennial.OutcomeIncompatibleSchema,
			Reason: fmt.Sprintf("Version %s would refuse what the champion accepts: %s: %s", o.Version, faults[0].Path, faults[0].Message)}, nil
	}
	return Rollout{}, nil
}

func (a *Activities) model(ctx context.Context, v perennial.ModelVersion) (*models.Model, error) {
	if v.Lineage.ModelSHA256 == "" {
		return nil, perennial.Errorf(perennial.CodePrecondition, "model", "Version %s of %s has no model file that can be served.", v.Version, v.Model).
			WithHint("One that a notebook registered is read by: perennial rollout start %s %s", v.Model, v.Version)
	}
	file, err := a.Blobs.Get(ctx, "sha256:"+v.Lineage.ModelSHA256)
	if err != nil {
		return nil, err
	}
	return models.Decode(file)
}

// LoadInput names a rollout. Without an id it is the one in the traffic row,
// whatever that is; Challenger tells how a rollout ended that is over.
type LoadInput struct {
	Model      string `json:"model"`
	ID         string `json:"rollout_id,omitempty"`
	Challenger string `json:"challenger,omitempty"`
}

// LoadRollout reads where a rollout stands from the traffic row and its
// history. Safe to repeat: it reads.
func (a *Activities) LoadRollout(ctx context.Context, in LoadInput) (Rollout, error) {
	const op = "LoadRollout"
	row, err := a.Traffic.Get(ctx, in.Model)
	if err != nil {
		return Rollout{}, perennial.Wrap(op, err)
	}
	if in.ID != "" && row.RolloutID != in.ID {
		out := Rollout{ID: in.ID, Model: in.Model, Challenger: in.Challenger, Epoch: row.Epoch, Reason: row.Reason, Actor: row.Actor, Outcome: perennial.OutcomeRolledBack}
		if row.Champion == in.Challenger {
			out.Outcome = perennial.OutcomePromoted
		}
		return out, nil
	}
	r, err := a.rollout(ctx, row, in.Challenger)
	return r, perennial.Wrap(op, err)
}

// rollout derives a rollout from its row.
func (a *Activities) rollout(ctx context.Context, row perennial.Traffic, challenger string) (Rollout, error) {
	r := Rollout{
		ID: row.RolloutID, Model: row.Model, Challenger: row.Challenger, Safe: row.Champion, Mode: row.Mode, Epoch: row.Epoch, Since: row.Epoch,
		WeightBP: row.WeightBP, Paused: row.Paused, Actor: row.Actor,
	}
	switch row.Mode {
	case perennial.ModeWatch:
		r.Challenger, r.Safe = row.Champion, row.Previous
	case perennial.ModeCanary, perennial.ModeShadow:
	case perennial.ModeNone, perennial.ModeServing, perennial.ModeAB:
		r.Outcome, r.Reason, r.Challenger = perennial.OutcomeRolledBack, row.Reason, challenger
		switch {
		case row.Champion == challenger:
			r.Outcome = perennial.OutcomePromoted
		case row.Outcome == perennial.OutcomeAborted:
			r.Outcome = perennial.OutcomeAborted
		}
		return r, nil
	}
	policy, err := a.rolloutPolicy(ctx, row.Model)
	if err != nil {
		return Rollout{}, err
	}
	if r.Policy, err = a.putJSON(ctx, policy); err != nil {
		return Rollout{}, err
	}
	for _, percent := range policy.Steps {
		r.Steps = append(r.Steps, 100*percent)
	}
	r.HoldbackBP = 100 * policy.Watch.Holdback
	r.WatchMillis, r.DeadlineMillis = time.Duration(policy.Watch.For).Milliseconds(), time.Duration(policy.Deadline).Milliseconds()
	r.Approval = policy.Approval == "operator"
	r.OnInsufficient, r.OnNewVersion = policy.OnInsufficientData, policy.OnNewVersion
	return r, a.sinceWhen(ctx, &r)
}

// sinceWhen reads from the history when the step began, and when the time of
// the deadline or of the watch did.
func (a *Activities) sinceWhen(ctx context.Context, r *Rollout) error {
	rows, err := a.Traffic.RolloutRows(ctx, r.Model, r.ID)
	if err != nil {
		return err
	}
	began := a.nowMillis()
	for i, row := range rows {
		first := i == 0 || rows[i-1].Mode != row.Mode
		if first || rows[i-1].Paused && !row.Paused {
			began = row.ChangedAt
		}
		if first || rows[i-1].WeightBP != row.WeightBP {
			r.Since = row.Epoch
		}
	}
	r.EndsAt = began + r.allowed()
	return nil
}

// allowed is how long the present mode may take, in ms.
func (r *Rollout) allowed() int64 {
	if r.Mode == perennial.ModeWatch {
		return r.WatchMillis
	}
	return r.DeadlineMillis
}

// rolloutPolicy gives the pipeline's rollout section, or the defaults for a
// model without a pipeline.
func (a *Activities) rolloutPolicy(ctx context.Context, model string) (perennial.RolloutSpec, error) {
	spec, err := a.Pipelines.Get(ctx, model)
	if perennial.CodeOf(err) == perennial.CodeNotFound {
		return DefaultRollout(), nil
	}
	if err != nil {
		return perennial.RolloutSpec{}, err
	}
	return spec.Pipeline.Rollout, nil
}

// DefaultRollout is the policy of a model without a pipeline.
func DefaultRollout() perennial.RolloutSpec {
	var p perennial.Pipeline
	pipeline.Defaults(&p)
	return p.Rollout
}
