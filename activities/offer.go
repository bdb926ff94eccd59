package activities

import (
	"context"

	"go.temporal.io/sdk/activity"

	"github.com/perennial-ml/perennial"
)

// Starter starts what a workflow must not start by itself: control implements
// it, so that a step of a workflow goes the same way as a person's request.
type Starter interface {
	// Offer hands a registered version to the model's Rollout, which it starts
	// where none runs, and answers once the rollout has taken it or refused it.
	Offer(ctx context.Context, o Offer) (Offered, error)
}

// Offer names a version that may go into service.
type Offer struct {
	Model    string `json:"model"`
	Version  string `json:"version"`
	Decision string `json:"decision_id,omitempty"` // of the gates that let it pass
	Reason   string `json:"reason,omitempty"`
	Actor    string `json:"actor,omitempty"`
	OpID     string `json:"op_id,omitempty"` // the same again is the same offer
	Force    bool   `json:"force,omitempty"` // although it was rolled back before
}

// Offered is what became of an offer.
type Offered struct {
	Outcome    perennial.Outcome `json:"outcome"` // offered | unchanged (it is the champion) | incompatible_schema
	Reason     string            `json:"reason"`
	WorkflowID string            `json:"workflow_id"`
}

// OfferVersion hands a version to its model's Rollout. Safe to repeat: without
// an op id the offer carries this workflow's run id, and BeginRollout takes an op
// id once.
func (a *Activities) OfferVersion(ctx context.Context, o Offer) (Offered, error) {
	ctx, stop := heartbeat(ctx)
	defer stop()
	if o.OpID == "" {
		o.OpID = activity.GetInfo(ctx).WorkflowExecution.RunID + ":offer"
	}
	out, err := a.Starter.Offer(ctx, o)
	return out, perennial.Wrap("OfferVersion", err)
}
