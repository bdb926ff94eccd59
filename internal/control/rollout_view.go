package control

import (
	"context"
	"time"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/activities"
	"github.com/perennial-ml/perennial/internal/client"
	"github.com/perennial-ml/perennial/internal/predlog"
	"github.com/perennial-ml/perennial/internal/serve"
	"github.com/perennial-ml/perennial/judge"
	"github.com/perennial-ml/perennial/workflows"
)

// Traffic keeps who answers, what is frozen and what was rejected
// (internal/serve).
type Traffic interface {
	activities.Readiness
	Get(ctx context.Context, model string) (perennial.Traffic, error)
	List(ctx context.Context) ([]perennial.Traffic, error)
	History(ctx context.Context, model string, limit int) ([]perennial.Traffic, error)
	Set(ctx context.Context, next perennial.Traffic, ifEpoch int64) (perennial.Traffic, error)
	SetFreeze(ctx context.Context, f serve.Freeze) error
	Unfreeze(ctx context.Context, model string) error
	Reject(ctx context.Context, r serve.RejectedFile) error
	// Champions lists the versions that were in service, the last first.
	Champions(ctx context.Context, model string, most int) ([]string, error)
	AliasNotes
}

// AliasNotes keep what is known of the aliases that follow traffic
// (internal/serve).
type AliasNotes interface {
	Aliases(ctx context.Context, model string) (map[string]serve.Alias, error)
	Asked(ctx context.Context, models ...string) ([]serve.Alias, error)
	AliasWanted(ctx context.Context, model, alias, version string) error
	AliasSeen(ctx context.Context, model, alias, version string) error
	AliasAsked(ctx context.Context, a serve.Alias) error
	ClaimAlias(ctx context.Context, model, alias string, now, until int64) (bool, error)
	ReleaseAlias(ctx context.Context, model, alias string, until int64) error
}

// Registry knows versions and moves aliases (internal/mlflow).
type Registry interface {
	activities.AliasRegistry
	GetVersion(ctx context.Context, model, version string) (perennial.ModelVersion, error)
	DeleteVersion(ctx context.Context, model, version string) error
}

// Blobs has the model files (internal/blob).
type Blobs interface {
	Has(ctx context.Context, key string) (bool, error)
	Get(ctx context.Context, key string) ([]byte, error)
}

// Rollouts derives a rollout from its traffic row, and judges who may take it
// (activities.Rollouts).
type Rollouts interface {
	LoadRollout(ctx context.Context, in activities.LoadInput) (activities.Rollout, error)
	// Refused says why a version must not take a model's traffic.
	Refused(ctx context.Context, o activities.Offer, champion string) (perennial.Outcome, string, error)
}

// Evidence counts what each variant did (internal/predlog).
type Evidence interface {
	Evidence(ctx context.Context, model string, since int64) (map[perennial.Variant]predlog.Counts, error)
}

// Rollout tells how a model's rollout stands, from the traffic row and the
// prediction log alone: it needs no Temporal. not_found for a model that was
// never in service.
func (c *Control) Rollout(ctx context.Context, model string) (client.RolloutView, error) {
	const op = "control.Rollout"
	row, err := c.o.Traffic.Get(ctx, model)
	if err != nil {
		return client.RolloutView{}, perennial.Wrap(op, err)
	}
	if row.Mode == perennial.ModeNone {
		return client.RolloutView{}, neverServed(op, model)
	}
	v := client.RolloutView{
		Model: model, Phase: string(row.Mode), Mode: row.Mode, Epoch: row.Epoch, Champion: row.Champion, Previous: row.Previous, Challenger: row.Challenger,
		Weight: float64(row.WeightBP) / 10000, Steps: []float64{}, Reason: row.Reason, Guardrails: []client.GuardrailView{}, Replicas: []client.ReplicaView{},
		Actions: []string{}, LastDecisionID: row.DecisionID, WorkflowID: workflows.RolloutID(model),
	}
	freeze, frozen, err := c.o.Traffic.Frozen(ctx, model, c.o.Now().UnixMilli())
	if err != nil {
		return client.RolloutView{}, perennial.Wrap(op, err)
	}
	if frozen {
		v.Frozen = freezeView(freeze)
	}
	diverged, err := c.Divergences(ctx, row)
	if err != nil {
		return client.RolloutView{}, perennial.Wrap(op, err)
	}
	v.Alias = diverged[model]
	switch row.Mode {
	case perennial.ModeShadow, perennial.ModeCanary, perennial.ModeWatch:
		err = c.fillRollout(ctx, row, &v)
	case perennial.ModeServing:
		v.Phase, v.Weight = "none", 0
		if row.Outcome != "" {
			v.Phase = string(row.Outcome)
		}
	case perennial.ModeNone, perennial.ModeAB:
	}
	return v, perennial.Wrap(op, err)
}

// fillRollout adds what only a running rollout has.
func (c *Control) fillRollout(ctx context.Context, row perennial.Traffic, v *client.RolloutView) error {
	r, err := c.o.Rollouts.LoadRollout(ctx, activities.LoadInput{Model: row.Model})
	if err != nil {
		return err
	}
	policy, err := c.policy(ctx, row.Model)
	if err != nil {
		return err
	}
	counts, err := c.o.Evidence.Evidence(ctx, row.Model, r.Since)
	if err != nil {
		return err
	}
	evidence := activities.CanaryEvidence(r, counts)
	d := judge.Canary(activities.CanaryPolicy(policy), evidence)
	v.Verdict = string(d.Verdict)
	for _, k := range d.Checks {
		v.Guardrails = append(v.Guardrails, client.GuardrailView{
			Name: k.Name, Verdict: string(k.Verdict), Champion: client.GuardrailSide{N: evidence.Reference.N, Value: k.Reference},
			Challenger: client.GuardrailSide{N: evidence.Challenger.N, Value: k.Value}, Effect: k.Effect, Limit: k.Limit, Test: k.Test, Message: k.Message,
		})
	}
	for i, bp := range r.Steps {
		v.Steps = append(v.Steps, float64(bp)/10000)
		if r.WeightBP >= bp {
			v.Step = i + 1
		}
	}
	v.Steps = append(v.Steps, 1)
	ends := time.UnixMilli(r.EndsAt).UTC()
	v.Deadline = &ends
	return c.fillWaiting(ctx, r, d, v)
}

// fillWaiting adds what the rollout waits for, and what may be done about it.
func (c *Control) fillWaiting(ctx context.Context, r activities.Rollout, d perennial.Decision, v *client.RolloutView) error {
	replicas, err := c.o.Traffic.Replicas(ctx, r.Model, r.Challenger)
	if err != nil {
		return err
	}
	for _, p := range replicas {
		state := p.State
		if state == "" {
			state = "loading"
		}
		v.Replicas = append(v.Replicas, client.ReplicaView{Replica: p.Replica, State: state, Error: p.Error})
	}
	waits, err := activities.Waits(ctx, c.o.Traffic, r, c.o.Now().UnixMilli())
	if err != nil {
		return err
	}
	v.Actions = []string{workflows.UpdatePause, workflows.UpdatePromote, workflows.UpdateAbort}
	switch {
	case r.Paused:
		v.Phase, v.Actions[0] = client.PhaseHeld, workflows.UpdateResume
		return nil // the row says why
	case waits != "" && r.Mode != perennial.ModeWatch:
		v.Reason = waits
	default:
		v.Reason = d.Reason
	}
	if r.Mode == perennial.ModeCanary && r.WeightBP == 0 {
		v.Phase = client.PhasePrepare
	}
	return nil
}

// policy gives a model's rollout section, the defaults without a pipeline.
func (c *Control) policy(ctx context.Context, model string) (perennial.RolloutSpec, error) {
	spec, err := c.o.Pipelines.Get(ctx, model)
	if perennial.CodeOf(err) == perennial.CodeNotFound {
		return activities.DefaultRollout(), nil
	}
	if err != nil {
		return perennial.RolloutSpec{}, err
	}
	return spec.Pipeline.Rollout, nil
}
