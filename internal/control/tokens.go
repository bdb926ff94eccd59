package control

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/access"
	"github.com/perennial-ml/perennial/internal/client"
)

// Tokens keeps who may do what (internal/access).
type Tokens interface {
	CreateToken(ctx context.Context, t access.Token) (made access.Token, secret string, err error)
	RevokeToken(ctx context.Context, id string, now int64, keepAdmin bool) (t access.Token, changed bool, err error)
	Tokens(ctx context.Context) ([]access.Token, error)
}

// CreateToken makes a token. Its text is in the answer and nowhere else, the
// audit included. Codes as access.Store.CreateToken's.
func (c *Control) CreateToken(ctx context.Context, req client.TokenRequest) (client.NewTokenView, error) {
	const op = "control.CreateToken"
	actor, err := authorise(ctx, op, perennial.AccessAdmin)
	if err != nil {
		return client.NewTokenView{}, err
	}
	now := c.o.Now()
	order := access.Token{ID: uuid.Must(uuid.NewV7()).String(), Name: req.Name, Role: req.Role, CreatedAt: now.UnixMilli(), CreatedBy: actor.Name}
	if req.Expires != "" {
		lasts, err := duration(op, "/expires", req.Expires)
		if err != nil {
			return client.NewTokenView{}, err
		}
		order.ExpiresAt = now.Add(lasts).UnixMilli()
	}
	var made access.Token
	var secret string
	err = insist(ctx, func(bool) (err error) { // the id makes it one token
		made, secret, err = c.o.Tokens.CreateToken(ctx, order)
		return err
	})
	if err != nil {
		return client.NewTokenView{}, perennial.Wrap(op, err)
	}
	view := tokenView(made)
	return client.NewTokenView{TokenView: view, Token: secret}, c.record(ctx, perennial.AuditEntry{
		Action: "token.create", Target: made.Name, After: state(view), Reason: req.Reason,
	})
}

// RevokeToken ends a token; one that has ended already stays as it is. An
// unknown id is not_found, the last administrator's token precondition where
// nothing else would let anybody in.
func (c *Control) RevokeToken(ctx context.Context, id, reason string) (client.TokenView, error) {
	const op = "control.RevokeToken"
	if _, err := authorise(ctx, op, perennial.AccessAdmin); err != nil {
		return client.TokenView{}, err
	}
	var ended access.Token
	changed, now := false, c.o.Now().UnixMilli()
	err := insist(ctx, func(again bool) (err error) {
		ended, changed, err = c.o.Tokens.RevokeToken(ctx, id, now, c.o.KeepAdmin)
		changed = changed || again && ended.RevokedAt == now
		return err
	})
	if err != nil {
		return client.TokenView{}, perennial.Wrap(op, err)
	}
	after := tokenView(ended)
	if !changed {
		return after, nil
	}
	before := after
	before.RevokedAt = nil
	return after, c.record(ctx, perennial.AuditEntry{
		Action: "token.revoke", Target: ended.Name, Before: state(before), After: state(after), Reason: reason,
	})
}

// Tokens lists every token that was ever made, newest first.
func (c *Control) Tokens(ctx context.Context) ([]client.TokenView, error) {
	const op = "control.Tokens"
	if _, err := authorise(ctx, op, perennial.AccessAdmin); err != nil {
		return nil, err
	}
	list, err := c.o.Tokens.Tokens(ctx)
	views := make([]client.TokenView, len(list))
	for i, t := range list {
		views[i] = tokenView(t)
	}
	return views, perennial.Wrap(op, err)
}

func tokenView(t access.Token) client.TokenView {
	return client.TokenView{
		TokenID: t.ID, Name: t.Name, Role: t.Role, CreatedAt: time.UnixMilli(t.CreatedAt).UTC(), CreatedBy: t.CreatedBy,
		ExpiresAt: timeOrNone(t.ExpiresAt), LastUsedAt: timeOrNone(t.LastUsedAt), RevokedAt: timeOrNone(t.RevokedAt),
	}
}

func timeOrNone(ms int64) *time.Time {
	if ms == 0 {
		return nil
	}
	return new(time.UnixMilli(ms).UTC())
}
