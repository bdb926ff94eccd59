package perennial

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
)

// AccessRole says what the holder of a token may do. Each role holds every one
// below it.
type AccessRole string

// The roles of CONTRACTS §5, the lowest first.
const (
	AccessReader    AccessRole = "reader"    // every GET, metrics
	AccessPredictor AccessRole = "predictor" // predictions
	AccessLabeler   AccessRole = "labeler"   // feedback
	AccessTrainer   AccessRole = "trainer"   // trainings, pipelines, data sets, cancel
	AccessOperator  AccessRole = "operator"  // what changes traffic, schedules, deletes
	AccessAdmin     AccessRole = "admin"     // tokens, audit
)

// AccessRoles lists the roles, the lowest first.
func AccessRoles() []AccessRole {
	return []AccessRole{AccessReader, AccessPredictor, AccessLabeler, AccessTrainer, AccessOperator, AccessAdmin}
}

// Holds reports whether r is needed or above it. An unknown role holds nothing
// and nobody holds it.
func (r AccessRole) Holds(needed AccessRole) bool {
	roles := AccessRoles()
	have, want := slices.Index(roles, r), slices.Index(roles, needed)
	return want >= 0 && have >= want
}

// Actor is who asks for something.
type Actor struct {
	Name      string     // the token's name; "api" without authentication
	Role      AccessRole // the highest one held
	RequestID string     // of the HTTP request; "" where none asked
}

type actorKey struct{}

// WithActor gives a context in which actor asks.
func WithActor(ctx context.Context, actor Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, actor)
}

// ActorOf gives who asks; without anyone an Actor that may do nothing.
func ActorOf(ctx context.Context) Actor {
	actor, _ := ctx.Value(actorKey{}).(Actor)
	return actor
}

// AuditEntry is one row of the audit: who changed what, from what to what, and
// why. Rows form a chain: each one's hash covers the hash of the row before it,
// so that a row that was changed or taken out shows.
type AuditEntry struct {
	Seq        int64           `json:"seq"` // 1, 2, 3 …
	At         int64           `json:"at"`  // ms since 1970
	Actor      string          `json:"actor"`
	Action     string          `json:"action"`                // noun and verb: train.start, token.revoke
	Target     string          `json:"target"`                // the name or id of what was changed
	Before     json.RawMessage `json:"before,omitempty"`      // nil where nothing was there
	After      json.RawMessage `json:"after,omitempty"`       // nil where nothing is left
	Reason     string          `json:"reason,omitempty"`      // as the actor gave it
	WorkflowID string          `json:"workflow_id,omitempty"` // that does the work
	RequestID  string          `json:"request_id,omitempty"`
	Previous   string          `json:"previous"` // Hash of the row before; "" for the first
	Hash       string          `json:"hash"`     // what Sum gives
}

// Sum gives the entry's hash: sha256 in hex over its fields but Hash, in the
// order of the struct, each written as its length in bytes, a colon, its bytes
// and a line feed; numbers in decimal.
func (e *AuditEntry) Sum() string {
	h := sha256.New()
	for _, field := range []string{
		fmt.Sprint(e.Seq), fmt.Sprint(e.At), e.Actor, e.Action, e.Target, string(e.Before), string(e.After),
		e.Reason, e.WorkflowID, e.RequestID, e.Previous,
	} {
		fmt.Fprintf(h, "%d:%s\n", len(field), field)
	}
	return hex.EncodeToString(h.Sum(nil))
}
