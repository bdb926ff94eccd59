package serve_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"github.com/perennial-ml/perennial/internal/serve"
)

func TestReplicas(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, g *gorm.DB, a, b *serve.TrafficStore) {
		ctx := t.Context()
		loaded := serve.Replica{Model: "iris", Version: "2", State: serve.ReplicaLoaded, Epoch: 4}
		failed := serve.Replica{Model: "iris", Version: "2", State: serve.ReplicaFailed, Error: "no file", Epoch: 3}
		require.NoError(t, a.Report(ctx, "one", []serve.Replica{loaded, {Model: "iris", Version: "1", State: serve.ReplicaLoaded}}))
		require.NoError(t, b.Report(ctx, "two", []serve.Replica{failed}))
		require.NoError(t, b.Report(ctx, "three", nil))
		require.NoError(t, b.Report(ctx, "dead", []serve.Replica{failed}))
		require.NoError(t, g.WithContext(ctx).Exec("UPDATE replicas SET seen_at = seen_at - 6000 WHERE replica = 'dead'").Error)
		got, err := a.Replicas(ctx, "iris", "2")
		require.NoError(t, err)
		require.Len(t, got, 3)
		states := map[string]string{}
		for _, r := range got {
			states[r.Replica] = r.State + r.Error
		}
		require.Equal(t, map[string]string{"one": "loaded", "two": "failedno file", "three": ""}, states)
		require.NoError(t, a.Report(ctx, "two", []serve.Replica{loaded}))
		require.NoError(t, a.Forget(ctx, "three"))
		got, err = b.Replicas(ctx, "iris", "2")
		require.NoError(t, err)
		require.Len(t, got, 2)
		require.Equal(t, serve.ReplicaLoaded, got[1].State)
	})
}

func TestRenewMovesTheLeaseAlone(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, _ *gorm.DB, a, b *serve.TrafficStore) {
		mustSet(t, a, serving("1", "op1"), 0)
		before := mustSet(t, a, canary(500, "op2"), 1)
		ok, err := b.Renew(t.Context(), "iris", 2)
		require.NoError(t, err)
		require.True(t, ok)
		ok, err = b.Renew(t.Context(), "iris", 1)
		require.NoError(t, err)
		require.False(t, ok)
		row, err := a.Get(t.Context(), "iris")
		require.NoError(t, err)
		require.Equal(t, before.LeaseSeq+1, row.LeaseSeq)
		row.LeaseSeq = before.LeaseSeq
		require.Equal(t, before, row)
		next := canary(2500, "op3")
		next.LeaseSeq = 0
		require.Equal(t, before.LeaseSeq+1, mustSet(t, a, next, 2).LeaseSeq, "a change doesn't set it back")
		rows, err := a.RolloutRows(t.Context(), "iris", "r1")
		require.NoError(t, err)
		require.Len(t, rows, 2)
		require.Equal(t, []int64{2, 3}, []int64{rows[0].Epoch, rows[1].Epoch})
	})
}

func TestFreezes(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, _ *gorm.DB, a, b *serve.TrafficStore) {
		ctx := t.Context()
		frozen := func(model string, now int64) string {
			f, ok, err := b.Frozen(ctx, model, now)
			require.NoError(t, err)
			require.Equal(t, ok, f.Until > now)
			return f.Reason
		}
		require.Empty(t, frozen("iris", 5))
		require.NoError(t, a.SetFreeze(ctx, serve.Freeze{Model: "iris", Until: 10, Reason: "first"}))
		require.NoError(t, a.SetFreeze(ctx, serve.Freeze{Model: "iris", Until: 20, Reason: "second"}))
		require.Equal(t, "second", frozen("iris", 19))
		require.Empty(t, frozen("iris", 20))
		require.Empty(t, frozen("churn", 5))
		require.NoError(t, a.SetFreeze(ctx, serve.Freeze{Until: 30, Reason: "all"}))
		require.Equal(t, "all", frozen("iris", 5))
		require.Equal(t, "all", frozen("churn", 5))
		require.NoError(t, a.Unfreeze(ctx, ""))
		require.NoError(t, a.Unfreeze(ctx, "iris"))
		require.NoError(t, a.Unfreeze(ctx, "iris"))
		require.Empty(t, frozen("iris", 5))
	})
}

func TestRejectedFiles(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, _ *gorm.DB, a, b *serve.TrafficStore) {
		ctx := t.Context()
		_, rejected, err := b.Rejected(ctx, "iris", "aa")
		require.NoError(t, err)
		require.False(t, rejected)
		want := serve.RejectedFile{Model: "iris", ModelSHA256: "aa", Version: "2", DecisionID: "d", Reason: "errors", RejectedAt: 5}
		require.NoError(t, a.Reject(ctx, want))
		want.Version = "3"
		require.NoError(t, a.Reject(ctx, want))
		got, rejected, err := b.Rejected(ctx, "iris", "aa")
		require.NoError(t, err)
		require.True(t, rejected)
		require.Equal(t, want, got)
	})
}
