package access_test

import (
	"encoding/json"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"gorm.io/gorm"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/access"
	"github.com/perennial-ml/perennial/internal/db"
	"github.com/perennial-ml/perennial/internal/db/dbtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// each runs a conformance test on every database, with two stores that share it
// as two processes would.
func each(t *testing.T, f func(t *testing.T, g *gorm.DB, s, other *access.Store)) {
	t.Helper()
	dbtest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		g := open()
		require.NoError(t, db.Migrate(t.Context(), g, access.Component, access.Migrations))
		f(t, g, access.NewStore(g), access.NewStore(open()))
	})
}

func entry(i int) perennial.AuditEntry {
	return perennial.AuditEntry{
		At: int64(1000 + i), Actor: "ann", Action: "train.start", Target: fmt.Sprint(i), Before: json.RawMessage(`{"b":1.10,"a":"ü"}`),
		Reason: "why\x00 not", WorkflowID: "train:iris", RequestID: "r",
	}
}

// fill appends n entries from both stores at once.
func fill(t *testing.T, s, other *access.Store, n int) {
	t.Helper()
	var wg sync.WaitGroup
	errs := make([]error, n)
	for i := range errs {
		wg.Go(func() { _, errs[i] = []*access.Store{s, other}[i%2].Append(t.Context(), entry(i)) })
	}
	wg.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
}

func TestTheAuditIsOneChain(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, _ *gorm.DB, s, other *access.Store) {
		ctx := t.Context()
		v, err := s.Verify(ctx)
		require.NoError(t, err)
		require.Equal(t, access.Verified{}, v, "no rows are whole")
		fill(t, s, other, 30)
		var all []perennial.AuditEntry
		for token := ""; ; {
			list, next, err := other.Entries(ctx, 7, token)
			require.NoError(t, err)
			all = append(all, list...)
			if token = next; token == "" {
				break
			}
		}
		require.Len(t, all, 30)
		targets := map[string]bool{}
		for i, e := range all {
			require.EqualValues(t, 30-i, e.Seq, "newest first, without a gap")
			require.Equal(t, e.Sum(), e.Hash)
			if i > 0 {
				require.Equal(t, e.Hash, all[i-1].Previous)
			}
			targets[e.Target] = true
		}
		require.Len(t, targets, 30)
		require.Equal(t, json.RawMessage(`{"b":1.10,"a":"ü"}`), all[0].Before, "byte for byte") //nolint:testifylint // JSONEq forgives other bytes
		require.Nil(t, all[0].After)
		require.Equal(t, "why\uFFFD not", all[0].Reason)
		v, err = other.Verify(ctx)
		require.NoError(t, err)
		require.Equal(t, access.Verified{Entries: 30, Hash: all[0].Hash}, v)
	})
}

func TestAnAuditEntryMustSayWhoWhenAndWhat(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, _ *gorm.DB, s, _ *access.Store) {
		for name, change := range map[string]func(*perennial.AuditEntry){
			"no time": func(e *perennial.AuditEntry) { e.At = 0 }, "no actor": func(e *perennial.AuditEntry) { e.Actor = "" },
			"no action": func(e *perennial.AuditEntry) { e.Action = "" }, "broken state": func(e *perennial.AuditEntry) { e.After = json.RawMessage(`{`) },
		} {
			e := entry(1)
			change(&e)
			_, err := s.Append(t.Context(), e)
			require.Equal(t, perennial.CodeInvalid, perennial.CodeOf(err), name)
		}
		_, _, err := s.Entries(t.Context(), 0, "x")
		require.Equal(t, perennial.CodeMalformed, perennial.CodeOf(err))
	})
}

func TestTheSameEntryAgainIsTheSameRow(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, _ *gorm.DB, s, other *access.Store) {
		ctx := t.Context()
		first, err := s.Append(ctx, entry(1))
		require.NoError(t, err)
		_, err = s.Append(ctx, entry(2))
		require.NoError(t, err)
		again, err := other.Append(ctx, entry(1))
		require.NoError(t, err)
		require.Equal(t, first, again)
		for name, change := range map[string]func(*perennial.AuditEntry){
			"another time": func(e *perennial.AuditEntry) { e.At++ }, "another actor": func(e *perennial.AuditEntry) { e.Actor = "bob" },
			"another request": func(e *perennial.AuditEntry) { e.RequestID = "s" }, "another state": func(e *perennial.AuditEntry) { e.After = json.RawMessage(`{}`) },
		} {
			e := entry(1)
			change(&e)
			row, err := s.Append(ctx, e)
			require.NoError(t, err)
			require.Greater(t, row.Seq, int64(2), name)
		}
		v, err := s.Verify(ctx)
		require.NoError(t, err)
		require.EqualValues(t, 6, v.Entries)
		require.Zero(t, v.Broken)
	})
}

func TestVerifyNamesTheFirstRowThatIsNotAsItWasWritten(t *testing.T) {
	t.Parallel()
	rehash := func(t *testing.T, g *gorm.DB, s *access.Store, seq int64) { // as somebody would who knows how it is made
		t.Helper()
		list, _, err := s.Entries(t.Context(), 0, fmt.Sprint(seq+1))
		require.NoError(t, err)
		require.NoError(t, g.Exec("UPDATE audit SET hash = ? WHERE seq = ?", list[0].Sum(), seq).Error)
	}
	for name, c := range map[string]struct {
		tamper func(t *testing.T, g *gorm.DB, s *access.Store)
		broken int64
		reason string
	}{
		"a changed row": {func(t *testing.T, g *gorm.DB, _ *access.Store) {
			require.NoError(t, g.Exec("UPDATE audit SET actor = 'bob' WHERE seq = 4").Error)
		}, 4, "changed"},
		"a changed row with a new hash": {func(t *testing.T, g *gorm.DB, s *access.Store) {
			require.NoError(t, g.Exec("UPDATE audit SET reason = '' WHERE seq = 4").Error)
			rehash(t, g, s, 4)
		}, 5, "the row before it"},
		"a missing row": {func(t *testing.T, g *gorm.DB, _ *access.Store) {
			require.NoError(t, g.Exec("DELETE FROM audit WHERE seq = 4").Error)
		}, 4, "the next row is 5"},
		"the end cut off": {func(t *testing.T, g *gorm.DB, _ *access.Store) {
			require.NoError(t, g.Exec("DELETE FROM audit WHERE seq > 7").Error)
		}, 8, "rows up to 9"},
		"everything cut off": {func(t *testing.T, g *gorm.DB, _ *access.Store) {
			require.NoError(t, g.Exec("DELETE FROM audit").Error)
		}, 1, "rows up to 9"},
		"another end": {func(t *testing.T, g *gorm.DB, s *access.Store) {
			require.NoError(t, g.Exec("UPDATE audit SET actor = 'bob' WHERE seq = 9").Error)
			rehash(t, g, s, 9)
		}, 9, "written last"},
		"a row put in": {func(t *testing.T, g *gorm.DB, s *access.Store) {
			list, _, err := s.Entries(t.Context(), 1, "")
			require.NoError(t, err)
			e := list[0]
			e.Seq, e.Previous = 10, e.Hash
			require.NoError(t, g.Exec("INSERT INTO audit SELECT 10, at, actor, action, target, before, after, reason, workflow_id, request_id, hash, ? FROM audit WHERE seq = 9", e.Sum()).Error)
		}, 10, "put in"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			each(t, func(t *testing.T, g *gorm.DB, s, other *access.Store) {
				fill(t, s, other, 9)
				c.tamper(t, g, s)
				v, err := s.Verify(t.Context())
				require.NoError(t, err)
				require.Equal(t, c.broken, v.Broken)
				require.Contains(t, v.Reason, c.reason)
			})
		})
	}
}
