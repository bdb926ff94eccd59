package activities

import (
	"context"
	"encoding/json"

	"go.temporal.io/sdk/activity"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/access"
)

// Orders knows what people asked for through Perennial, and keeps the audit.
type Orders interface {
	TakeOrder(ctx context.Context, o access.Order, by string) (actor string, ok bool, err error)
	Append(ctx context.Context, e perennial.AuditEntry) (perennial.AuditEntry, error)
}

// UpdateInput is an update that a workflow was asked for.
type UpdateInput struct {
	Model  string `json:"model"`
	Name   string `json:"name"`
	OpID   string `json:"op_id,omitempty"` // of the order; "" where it came past Perennial
	Reason string `json:"reason,omitempty"`
	Once   bool   `json:"once,omitempty"` // an order is for one step; else the change itself is safe to repeat
}

// outsider acts where an update came with Temporal's own tools.
const outsider = "temporal"

// AuthoriseUpdate gives who asked for an update: whoever control wrote down
// before it sent it. One that came past Perennial is forbidden where requests
// need a token, and else the change of an operator named temporal; both are
// audited. Safe to repeat: an order stays with the step that took it, and the
// audit's row is the same one, its time that of the step's first try.
func (a *Activities) AuthoriseUpdate(ctx context.Context, in UpdateInput) (actor string, err error) {
	const op = "AuthoriseUpdate"
	info, step := activity.GetInfo(ctx), ""
	if in.Once {
		step = stepID(ctx)
	}
	if in.OpID != "" {
		actor, ok, err := a.Orders.TakeOrder(ctx, access.Order{OpID: in.OpID, WorkflowID: info.WorkflowExecution.ID, Action: in.Name}, step)
		if err != nil || ok {
			return actor, perennial.Wrap(op, err)
		}
	}
	guarded, err := a.Guarded(ctx)
	if err != nil {
		return "", perennial.Wrap(op, err)
	}
	entry := perennial.AuditEntry{
		At: info.ScheduledTime.UnixMilli(), Actor: outsider, Action: "rollout." + in.Name, Target: in.Model, Reason: in.Reason,
		WorkflowID: info.WorkflowExecution.ID, RequestID: stepID(ctx),
	}
	if guarded {
		entry.After = json.RawMessage(`{"refused":"forbidden"}`)
	}
	if _, err := a.Orders.Append(ctx, entry); err != nil {
		return "", perennial.Wrap(op, err)
	}
	if guarded {
		return "", perennial.Errorf(perennial.CodeForbidden, op, "Requests need a token here, and this one came past Perennial.").
			WithHint("Ask through Perennial: perennial rollout %s %s, with a token of the role operator.", in.Name, in.Model)
	}
	return outsider, nil
}
