package control

import (
	"context"

	"github.com/google/uuid"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/access"
	"github.com/perennial-ml/perennial/workflows"
)

// Orders keeps what running workflows are asked for (internal/access). They make
// a change only where they find its order.
type Orders interface {
	SaveOrder(ctx context.Context, o access.Order) error
}

// order writes down that an actor may ask a model's rollout for an update, under
// an op id, a new one for "", and gives the id.
func (c *Control) order(ctx context.Context, model, update, actor, opID string) (string, error) {
	if opID == "" {
		opID = uuid.NewString()
	}
	o := access.Order{OpID: opID, WorkflowID: workflows.RolloutID(model), Action: update, Actor: actor, CreatedAt: c.o.Now().UnixMilli()}
	err := insist(ctx, func(bool) error { return c.o.Orders.SaveOrder(ctx, o) })
	return opID, perennial.Wrap("control.order", err)
}
