package activities

import (
	"context"

	"github.com/perennial-ml/perennial"
)

// Rollouts answers questions about rollouts for those who are no workflow. What it
// has isn't registered as steps, as every method of Activities is.
type Rollouts struct{ Steps *Activities }

// LoadRollout reads where a rollout stands.
func (r Rollouts) LoadRollout(ctx context.Context, in LoadInput) (Rollout, error) {
	return r.Steps.LoadRollout(ctx, in)
}

// Refused says why a version must not take the traffic of a model whose champion
// ("" for none) answers now: incompatible_schema with the reason, "" where it may.
// The errors are BeginRollout's. It reads only.
func (r Rollouts) Refused(ctx context.Context, o Offer, champion string) (perennial.Outcome, string, error) {
	const op = "Refused"
	version, err := r.Steps.Tracker.GetVersion(ctx, o.Model, o.Version)
	if err != nil {
		return "", "", perennial.Wrap(op, err)
	}
	if champion == "" {
		_, err = r.Steps.model(ctx, version)
		return "", "", perennial.Wrap(op, err)
	}
	refused, err := r.Steps.refused(ctx, o, version, champion)
	return refused.Outcome, refused.Reason, perennial.Wrap(op, err)
}
