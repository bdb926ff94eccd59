package access_test

import (
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/access"
)

func token(name string) access.Token {
	return access.Token{Name: name, Role: perennial.AccessTrainer, CreatedAt: 1000, CreatedBy: "admin", ExpiresAt: 5000}
}

func TestTokens(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, g *gorm.DB, s, other *access.Store) {
		ctx := t.Context()
		made, secret, err := s.CreateToken(ctx, token("ci"))
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(secret, "prn_"))
		require.Len(t, secret, 4+43, "256 bits")
		want := token("ci")
		want.ID = made.ID
		require.Equal(t, want, made)

		var stored []map[string]any
		require.NoError(t, g.Table("tokens").Find(&stored).Error)
		require.NotContains(t, strings.ToLower(strings.Join(texts(stored[0]), " ")), strings.ToLower(secret[4:]), "the token is stored nowhere")

		_, _, err = other.CreateToken(ctx, token("ci"))
		require.Equal(t, perennial.CodeConflict, perennial.CodeOf(err))
		ended, changed, err := other.RevokeToken(ctx, made.ID, 2000, false)
		require.NoError(t, err)
		require.True(t, changed)
		require.EqualValues(t, 2000, ended.RevokedAt)
		ended, changed, err = s.RevokeToken(ctx, made.ID, 3000, false)
		require.NoError(t, err)
		require.False(t, changed)
		require.EqualValues(t, 2000, ended.RevokedAt)
		again, second, err := s.CreateToken(ctx, token("ci"))
		require.NoError(t, err, "the name is free again")
		require.NotEqual(t, secret, second)
		list, err := s.Tokens(ctx)
		require.NoError(t, err)
		require.Equal(t, []access.Token{again, ended}, list)
		_, _, err = s.RevokeToken(ctx, "nope", 1, false)
		require.Equal(t, perennial.CodeNotFound, perennial.CodeOf(err))
	})
}

func TestATokenMadeTwiceIsOneToken(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, _ *gorm.DB, s, other *access.Store) {
		ctx, order := t.Context(), token("ci")
		order.ID = "chosen"
		_, lost, err := s.CreateToken(ctx, order)
		require.NoError(t, err)
		made, secret, err := other.CreateToken(ctx, order)
		require.NoError(t, err, "nobody received the first text")
		require.Equal(t, order, made)
		list, err := s.Tokens(ctx)
		require.NoError(t, err)
		require.Equal(t, []access.Token{made}, list)

		guard := access.NewGuard(access.GuardOptions{Store: s, Poll: time.Hour, Now: func() time.Time { return time.UnixMilli(1500) }, Logger: slog.New(slog.DiscardHandler)})
		require.NoError(t, guard.Start(ctx))
		_, err = guard.Authenticate(secret)
		require.NoError(t, err)
		_, err = guard.Authenticate(lost)
		require.Equal(t, perennial.CodeUnauthorized, perennial.CodeOf(err))
		require.NoError(t, guard.Stop(ctx))
		_, _, err = s.CreateToken(ctx, order)
		require.Equal(t, perennial.CodeConflict, perennial.CodeOf(err), "it was used")
		_, _, err = s.RevokeToken(ctx, "chosen", 2000, false)
		require.NoError(t, err)
		_, _, err = s.CreateToken(ctx, order)
		require.Error(t, err, "it has ended")
	})
}

func texts(row map[string]any) []string {
	var out []string
	for _, v := range row {
		if s, ok := v.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

func TestATokenThatSaysTooLittle(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, _ *gorm.DB, s, _ *access.Store) {
		for name, c := range map[string]struct {
			change func(*access.Token)
			path   string
		}{
			"no name":      {func(t *access.Token) { t.Name = "" }, "/name"},
			"no such name": {func(t *access.Token) { t.Name = "Jürgen" }, "/name"},
			"reserved":     {func(t *access.Token) { t.Name = "admin" }, "/name"},
			"no such role": {func(t *access.Token) { t.Role = "root" }, "/role"},
			"in the past":  {func(t *access.Token) { t.ExpiresAt = 1000 }, "/expires"},
		} {
			wrong := token("ci")
			c.change(&wrong)
			_, _, err := s.CreateToken(t.Context(), wrong)
			require.Equal(t, perennial.CodeInvalid, perennial.CodeOf(err), name)
			_, _, fields := perennial.Explain(err)
			require.Equal(t, c.path, fields[0].Path, name)
		}
	})
}

func TestTheLastAdministratorStays(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, _ *gorm.DB, s, other *access.Store) {
		ctx := t.Context()
		var ids []string
		for _, name := range []string{"ann", "bob", "gone"} {
			order := token(name)
			order.Role = perennial.AccessAdmin
			if order.ExpiresAt = 0; name == "gone" {
				order.ExpiresAt = 1500
			}
			made, _, err := s.CreateToken(ctx, order)
			require.NoError(t, err)
			ids = append(ids, made.ID)
		}
		errs := make([]error, 2)
		var wg sync.WaitGroup
		for i, store := range []*access.Store{s, other} { // each revokes the other
			wg.Go(func() { _, _, errs[i] = store.RevokeToken(ctx, ids[i], 2000, true) })
		}
		wg.Wait()
		refused := 0
		for _, err := range errs {
			if err != nil {
				refused++
				require.Equal(t, perennial.CodePrecondition, perennial.CodeOf(err))
			}
		}
		require.Equal(t, 1, refused, "%v", errs)
		has, err := s.HasAdmin(ctx, 2000)
		require.NoError(t, err)
		require.True(t, has)
		_, changed, err := s.RevokeToken(ctx, ids[2], 2000, true)
		require.NoError(t, err, "one that has expired lets nobody in")
		require.True(t, changed)
		for _, id := range ids[:2] {
			_, _, err := s.RevokeToken(ctx, id, 2000, false)
			require.NoError(t, err, "something else lets an administrator in")
		}
		has, err = s.HasTokens(ctx, 2000)
		require.NoError(t, err)
		require.False(t, has)
	})
}

func TestAnAdministratorInForce(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, _ *gorm.DB, s, _ *access.Store) {
		ctx := t.Context()
		has := func(now int64) bool {
			ok, err := s.HasAdmin(ctx, now)
			require.NoError(t, err)
			return ok
		}
		_, _, err := s.CreateToken(ctx, token("ci"))
		require.NoError(t, err)
		require.False(t, has(1))
		root := token("root")
		root.Role = perennial.AccessAdmin
		made, _, err := s.CreateToken(ctx, root)
		require.NoError(t, err)
		require.True(t, has(4999))
		require.False(t, has(5000), "expired")
		_, _, err = s.RevokeToken(ctx, made.ID, 2000, false)
		require.NoError(t, err)
		require.False(t, has(1))
	})
}

func TestTheGuard(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, g *gorm.DB, s, other *access.Store) {
		ctx := t.Context()
		var now atomic.Int64
		now.Store(1500)
		guard := access.NewGuard(access.GuardOptions{
			Store: s, AdminToken: "the-operator's-own", Poll: 5 * time.Millisecond,
			Now: func() time.Time { return time.UnixMilli(now.Load()) }, Logger: slog.New(slog.DiscardHandler),
		})
		refused := func(secret string) bool {
			actor, err := guard.Authenticate(secret)
			if err == nil {
				return false
			}
			require.Equal(t, perennial.CodeUnauthorized, perennial.CodeOf(err))
			require.Equal(t, perennial.Actor{}, actor)
			message, hint, _ := perennial.Explain(err)
			if secret != "" {
				require.NotContains(t, message+hint, secret)
			}
			return true
		}
		made, secret, err := s.CreateToken(ctx, token("ci"))
		require.NoError(t, err)
		require.True(t, refused(secret), "before Start")
		issued := guard.Issue(perennial.Actor{Name: "bootstrap", Role: perennial.AccessTrainer})
		require.NoError(t, guard.Start(ctx))
		boot, err := guard.Authenticate(issued)
		require.NoError(t, err)
		require.Equal(t, perennial.Actor{Name: "bootstrap", Role: perennial.AccessTrainer}, boot)
		actor, err := guard.Authenticate(secret)
		require.NoError(t, err)
		require.Equal(t, perennial.Actor{Name: "ci", Role: perennial.AccessTrainer}, actor)
		admin, err := guard.Authenticate("the-operator's-own")
		require.NoError(t, err)
		require.Equal(t, perennial.Actor{Name: "admin", Role: perennial.AccessAdmin}, admin)
		for _, wrong := range []string{"", "prn_", secret[:len(secret)-1], secret + "x", strings.ToUpper(secret), made.ID} {
			require.True(t, refused(wrong))
		}

		_, late, err := other.CreateToken(ctx, token("late"))
		require.NoError(t, err)
		require.Eventually(t, func() bool { return !refused(late) }, 10*time.Second, time.Millisecond, "made by another process")
		_, _, err = other.RevokeToken(ctx, made.ID, 2000, false)
		require.NoError(t, err)
		require.Eventually(t, func() bool { return refused(secret) }, 10*time.Second, time.Millisecond, "revoked by another process")
		now.Store(4999)
		require.False(t, refused(late))
		now.Store(5000)
		require.True(t, refused(late), "expired")

		require.NoError(t, guard.Stop(ctx))
		list, err := s.Tokens(ctx)
		require.NoError(t, err)
		require.Equal(t, "late", list[0].Name)
		require.EqualValues(t, 4999, list[0].LastUsedAt)
		require.NoError(t, g.Exec("DROP TABLE tokens").Error)
		require.Error(t, access.NewGuard(access.GuardOptions{Store: s}).Start(ctx), "it doesn't begin without the table")
	})
}

func TestTheGuardKnowsItsOwnStoresChangesAtOnce(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, _ *gorm.DB, s, _ *access.Store) {
		ctx := t.Context()
		guard := access.NewGuard(access.GuardOptions{Store: s, Poll: time.Hour, Now: func() time.Time { return time.UnixMilli(2000) }, Logger: slog.New(slog.DiscardHandler)})
		require.NoError(t, guard.Start(ctx))
		made, secret, err := s.CreateToken(ctx, token("ci"))
		require.NoError(t, err)
		_, err = guard.Authenticate(secret)
		require.NoError(t, err)
		_, _, err = s.RevokeToken(ctx, made.ID, 2000, false)
		require.NoError(t, err)
		_, err = guard.Authenticate(secret)
		require.Equal(t, perennial.CodeUnauthorized, perennial.CodeOf(err))
		require.NoError(t, guard.Stop(ctx))
	})
}

func TestTheGuardKeepsTheLastGoodState(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, g *gorm.DB, s, _ *access.Store) {
		ctx := t.Context()
		var now atomic.Int64
		log := &lines{}
		guard := access.NewGuard(access.GuardOptions{
			Store: s, Poll: time.Millisecond, Now: func() time.Time { return time.UnixMilli(now.Load()) }, Logger: slog.New(slog.NewTextHandler(log, nil)),
		})
		_, secret, err := s.CreateToken(ctx, token("ci"))
		require.NoError(t, err)
		require.NoError(t, guard.Start(ctx))
		require.NoError(t, g.Exec("ALTER TABLE tokens RENAME TO away").Error)
		require.Eventually(t, func() bool { return log.count("can't be read") == 1 }, 5*time.Second, time.Millisecond)
		_, err = guard.Authenticate(secret)
		require.NoError(t, err)
		require.NoError(t, g.Exec("ALTER TABLE away RENAME TO tokens").Error)
		require.Eventually(t, func() bool { return log.count("read again") == 1 }, 5*time.Second, time.Millisecond)
		require.Equal(t, 1, log.count("can't be read"), "said once")
		require.NoError(t, guard.Stop(ctx))
	})
}

// lines counts what is logged.
type lines struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), text)
}
