package client

import (
	"context"
	"net/http"
	"time"

	"github.com/perennial-ml/perennial"
)

// TokenRequest is the body of POST /tokens.
type TokenRequest struct {
	Name    string               `json:"name" minLength:"1" maxLength:"63" doc:"Of the holder, as the audit shows it."`
	Role    perennial.AccessRole `json:"role" enum:"reader,predictor,labeler,trainer,operator,admin" doc:"What the holder may do; each role holds the ones before it."`
	Expires string               `json:"expires,omitempty" maxLength:"32" doc:"How long it lasts, as 720h; without it until it is revoked."`
	Reason  string               `json:"reason,omitempty" maxLength:"1000" doc:"Why; kept in the audit."`
}

// TokenView is what is known of a token: all but the token itself.
type TokenView struct {
	TokenID    string               `json:"token_id"`
	Name       string               `json:"name"`
	Role       perennial.AccessRole `json:"role"`
	CreatedAt  time.Time            `json:"created_at"`
	CreatedBy  string               `json:"created_by"`
	ExpiresAt  *time.Time           `json:"expires_at,omitempty"`
	LastUsedAt *time.Time           `json:"last_used_at,omitempty"` // to the minute
	RevokedAt  *time.Time           `json:"revoked_at,omitempty"`
}

// NewTokenView is the answer to POST /tokens: the only time that a token is
// shown.
type NewTokenView struct {
	TokenView
	Token string `json:"token"`
}

// AuditView is one row of the audit.
type AuditView struct {
	Seq        int64     `json:"seq"`
	At         time.Time `json:"at"`
	Actor      string    `json:"actor"`
	Action     string    `json:"action"`
	Target     string    `json:"target,omitempty"`
	Before     any       `json:"before,omitempty"`
	After      any       `json:"after,omitempty"`
	Reason     string    `json:"reason,omitempty"`
	WorkflowID string    `json:"workflow_id,omitempty"`
	RequestID  string    `json:"request_id,omitempty"`
	Hash       string    `json:"hash"` // covers this row and the one before it
}

// AuditReport says whether the audit is as it was written.
type AuditReport struct {
	Whole   bool   `json:"whole"`
	Entries int64  `json:"entries"`          // whole ones, from the first on
	Hash    string `json:"hash"`             // of the last whole one: kept elsewhere, it proves all of them later
	Broken  int64  `json:"broken,omitempty"` // number of the first row that was changed, or is missing
	Reason  string `json:"reason,omitempty"` // what is wrong with it
}

// CreateToken makes a token and gives it this once.
func (c *Client) CreateToken(ctx context.Context, req TokenRequest) (NewTokenView, error) {
	var out NewTokenView
	err := c.call(ctx, http.MethodPost, "/tokens", nil, req, &out)
	return out, err
}

// Tokens lists every token that was ever made, newest first.
func (c *Client) Tokens(ctx context.Context) (List[TokenView], error) {
	return get[List[TokenView]](ctx, c, "/tokens", nil)
}

// RevokeToken ends a token: it is refused within a second.
func (c *Client) RevokeToken(ctx context.Context, id, reason string) (TokenView, error) {
	var out TokenView
	err := c.call(ctx, http.MethodDelete, segments("tokens", id), nil, ReasonRequest{Reason: reason}, &out)
	return out, err
}

// Audit lists the audit, newest first.
func (c *Client) Audit(ctx context.Context, page Page) (List[AuditView], error) {
	return get[List[AuditView]](ctx, c, "/audit", page.query())
}

// VerifyAudit checks every row of the audit.
func (c *Client) VerifyAudit(ctx context.Context) (AuditReport, error) {
	return get[AuditReport](ctx, c, "/audit/verify", nil)
}
