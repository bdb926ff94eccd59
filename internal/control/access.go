package control

import (
	"context"
	"encoding/json"
	"time"

	"github.com/perennial-ml/perennial"
)

// Audit keeps who changed what. Append gives the entry its place in the chain; it
// is safe to repeat.
type Audit interface {
	Append(ctx context.Context, e perennial.AuditEntry) (perennial.AuditEntry, error)
}

// auditTimeout bounds the write of an audit row, which goes on when the caller
// has given up: the change has been made.
const auditTimeout = 5 * time.Second

// authorise gives who asks, forbidden unless they hold the role that is needed.
func authorise(ctx context.Context, op string, needed perennial.AccessRole) (perennial.Actor, error) {
	actor := perennial.ActorOf(ctx)
	if !actor.Role.Holds(needed) {
		return actor, perennial.Errorf(perennial.CodeForbidden, op, "This needs the role %s.", needed).
			WithHint("Ask with a token of that role or a higher one.")
	}
	return actor, nil
}

// record writes the audit row of a change that was made. Time is now, and actor
// and request are those of the context where the entry names none: a change that
// nobody asked for names what made it. An error means that the change stands and
// its row is missing.
func (c *Control) record(ctx context.Context, e perennial.AuditEntry) error {
	actor := perennial.ActorOf(ctx)
	e.At = c.o.Now().UnixMilli()
	if e.Actor == "" {
		e.Actor = actor.Name
	}
	if e.RequestID == "" {
		e.RequestID = actor.RequestID
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), auditTimeout)
	defer cancel()
	err := insist(ctx, func(bool) error { // the same entry again is the same row
		_, err := c.o.Audit.Append(ctx, e)
		return err
	})
	return perennial.Wrap("control.record", err)
}

// state writes what was or is in force for an audit row; nil for what has no
// JSON form, which none of our own types is.
func state(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	return b
}
