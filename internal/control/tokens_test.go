package control_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/access"
	"github.com/perennial-ml/perennial/internal/client"
)

// shownOnce is what the fake store gives out.
const shownOnce = "prn_c2VjcmV0"

func (w *desk) CreateToken(_ context.Context, t access.Token) (access.Token, string, error) {
	t.ID = "t1"
	w.tokens = append(w.tokens, t)
	return t, shownOnce, nil
}

func (w *desk) RevokeToken(_ context.Context, id string, at int64, keepAdmin bool) (access.Token, bool, error) {
	w.keepAdmin = keepAdmin
	for i, t := range w.tokens {
		if t.ID == id {
			changed := t.RevokedAt == 0
			if changed {
				w.tokens[i].RevokedAt = at
			}
			return w.tokens[i], changed, nil
		}
	}
	return access.Token{}, false, perennial.Errorf(perennial.CodeNotFound, "", "no token %s", id)
}

func (w *desk) Tokens(context.Context) ([]access.Token, error) { return w.tokens, nil }

func TestOnlyAnAdministratorDealsWithTokens(t *testing.T) {
	t.Parallel()
	c, w := atDesk(t)
	ctx := as(t, perennial.AccessOperator)
	_, err := c.CreateToken(ctx, client.TokenRequest{Name: "ci", Role: perennial.AccessReader})
	require.Equal(t, perennial.CodeForbidden, perennial.CodeOf(err))
	_, err = c.RevokeToken(ctx, "t1", "")
	require.Equal(t, perennial.CodeForbidden, perennial.CodeOf(err))
	_, err = c.Tokens(ctx)
	require.Equal(t, perennial.CodeForbidden, perennial.CodeOf(err))
	require.Empty(t, w.audit)
	require.Empty(t, w.tokens)
}

func TestTokensAreAuditedWithoutTheirText(t *testing.T) {
	t.Parallel()
	c, w := atDesk(t)
	ctx := as(t, perennial.AccessAdmin)
	made, err := c.CreateToken(ctx, client.TokenRequest{Name: "ci", Role: perennial.AccessTrainer, Expires: "24h", Reason: "builds"})
	require.NoError(t, err)
	require.Equal(t, shownOnce, made.Token)
	require.Equal(t, now.Add(24*time.Hour), *made.ExpiresAt)
	require.Equal(t, "ann", made.CreatedBy)
	for range 2 {
		ended, err := c.RevokeToken(ctx, "t1", "gone")
		require.NoError(t, err)
		require.Equal(t, now, *ended.RevokedAt)
	}
	_, err = c.RevokeToken(ctx, "t2", "")
	require.Equal(t, perennial.CodeNotFound, perennial.CodeOf(err))
	list, err := c.Tokens(ctx)
	require.NoError(t, err)
	require.Len(t, list, 1)

	require.True(t, w.keepAdmin, "an administrator must be left")
	require.Len(t, w.audit, 2, "a second revoke changes nothing")
	require.Equal(t, "token.create", w.audit[0].Action)
	require.Equal(t, "builds", w.audit[0].Reason)
	require.Nil(t, w.audit[0].Before)
	require.Equal(t, "token.revoke", w.audit[1].Action)
	require.JSONEq(t, string(w.audit[0].After), string(w.audit[1].Before))
	require.Contains(t, string(w.audit[1].After), "revoked_at")
	all, err := json.Marshal(w.audit)
	require.NoError(t, err)
	require.NotContains(t, string(all), shownOnce)

	for _, wrong := range []string{"soon", "-1h", "0s"} {
		_, err := c.CreateToken(ctx, client.TokenRequest{Name: "ci", Role: perennial.AccessTrainer, Expires: wrong})
		require.Equal(t, perennial.CodeInvalid, perennial.CodeOf(err), wrong)
	}
}
