package serve_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/db"
	"github.com/perennial-ml/perennial/internal/db/dbtest"
	"github.com/perennial-ml/perennial/internal/serve"
)

// eachStore runs f on every database, with a store per process of a cluster.
func eachStore(t *testing.T, f func(t *testing.T, g *gorm.DB, a, b *serve.TrafficStore)) {
	dbtest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		g := open()
		require.NoError(t, db.Migrate(t.Context(), g, serve.Component, serve.Migrations))
		f(t, g, serve.NewTrafficStore(g), serve.NewTrafficStore(open()))
	})
}

func serving(version, op string) perennial.Traffic {
	return perennial.Traffic{Model: "iris", Mode: perennial.ModeServing, Champion: version, OpID: op, Reason: "first version", Actor: "train", ChangedAt: 1700000000000}
}

func canary(weight int, op string) perennial.Traffic {
	return perennial.Traffic{Model: "iris", Mode: perennial.ModeCanary, Champion: "1", Challenger: "2", WeightBP: weight, RolloutID: "r1", OpID: op,
		LeaseSeq: 3, DecisionID: "d1", Paused: true, ChangedAt: 5}
}

func mustSet(t *testing.T, s *serve.TrafficStore, next perennial.Traffic, ifEpoch int64) perennial.Traffic {
	t.Helper()
	row, err := s.Set(t.Context(), next, ifEpoch)
	require.NoError(t, err)
	return row
}

func TestTrafficStore(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]func(t *testing.T, g *gorm.DB, a, b *serve.TrafficStore){
		"a model without a row is in mode none":     testNoRow,
		"every field comes back":                    testFields,
		"a stale epoch changes nothing":             testStale,
		"a forbidden transition is a conflict":      testTransition,
		"a repeated operation has one effect":       testRepeat,
		"exactly one of many writers wins":          testConcurrent,
		"the same operation at once has one effect": testConcurrentRepeat,
		"the salt is new for each rollout":          testSalt,
		"nothing is deleted or rewritten":           testKept,
		"a row that contradicts itself is refused":  testContradiction,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachStore(t, test)
		})
	}
}

func testNoRow(t *testing.T, _ *gorm.DB, a, _ *serve.TrafficStore) {
	row, err := a.Get(t.Context(), "iris")
	require.NoError(t, err)
	require.Equal(t, perennial.Traffic{Model: "iris", Mode: perennial.ModeNone}, row)
	rows, err := a.List(t.Context())
	require.NoError(t, err)
	require.Empty(t, rows)
}

func testFields(t *testing.T, _ *gorm.DB, a, b *serve.TrafficStore) {
	first := mustSet(t, a, serving("1", "op1"), 0)
	require.Equal(t, int64(1), first.Epoch)
	want := canary(500, "op2")
	second := mustSet(t, b, want, 1)
	require.NotEmpty(t, second.Salt)
	want.Epoch, want.Salt = 2, second.Salt
	require.Equal(t, want, second)
	row, err := a.Get(t.Context(), "iris")
	require.NoError(t, err)
	require.Equal(t, want, row)
	rows, err := b.List(t.Context())
	require.NoError(t, err)
	require.Equal(t, []perennial.Traffic{want}, rows)
	history, err := a.History(t.Context(), "iris", 0)
	require.NoError(t, err)
	require.Equal(t, []perennial.Traffic{second, first}, history)
	history, err = a.History(t.Context(), "iris", 1)
	require.NoError(t, err)
	require.Equal(t, []perennial.Traffic{second}, history)
}

func testStale(t *testing.T, _ *gorm.DB, a, b *serve.TrafficStore) {
	first := mustSet(t, a, serving("1", "op1"), 0)
	for _, epoch := range []int64{0, 2, -1} {
		_, err := b.Set(t.Context(), serving("2", "op2"), epoch)
		require.Equal(t, perennial.CodePrecondition, perennial.CodeOf(err))
	}
	row, err := a.Get(t.Context(), "iris")
	require.NoError(t, err)
	require.Equal(t, first, row)
}

func testTransition(t *testing.T, _ *gorm.DB, a, _ *serve.TrafficStore) {
	_, err := a.Set(t.Context(), canary(500, "op1"), 0)
	require.Equal(t, perennial.CodeConflict, perennial.CodeOf(err))
	mustSet(t, a, serving("1", "op2"), 0)
	none := perennial.Traffic{Model: "iris", Mode: perennial.ModeNone, OpID: "op3"}
	_, err = a.Set(t.Context(), none, 1)
	require.Equal(t, perennial.CodeConflict, perennial.CodeOf(err))
	history, err := a.History(t.Context(), "iris", 0)
	require.NoError(t, err)
	require.Len(t, history, 1)
}

func testRepeat(t *testing.T, _ *gorm.DB, a, b *serve.TrafficStore) {
	first := mustSet(t, a, serving("1", "op1"), 0)
	require.Equal(t, first, mustSet(t, b, serving("1", "op1"), 0))
	second := mustSet(t, a, canary(500, "op2"), 1)
	require.Equal(t, first, mustSet(t, b, serving("1", "op1"), 0), "also after the state moved on")
	require.Equal(t, second, mustSet(t, b, canary(500, "op2"), 1))
	row, err := a.Get(t.Context(), "iris")
	require.NoError(t, err)
	require.Equal(t, second, row)
}

// race runs one Set per worker at the same time and gives the rows and errors.
func race(ctx context.Context, stores []*serve.TrafficStore, workers int, next func(i int) perennial.Traffic, ifEpoch int64) (won []perennial.Traffic, lost []error) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i := range workers {
		wg.Go(func() {
			row, err := stores[i%len(stores)].Set(ctx, next(i), ifEpoch)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				lost = append(lost, err)
				return
			}
			won = append(won, row)
		})
	}
	wg.Wait()
	return won, lost
}

func testConcurrent(t *testing.T, _ *gorm.DB, a, b *serve.TrafficStore) {
	const workers = 12
	for epoch := range int64(4) {
		won, lost := race(t.Context(), []*serve.TrafficStore{a, b}, workers, func(i int) perennial.Traffic {
			return serving(fmt.Sprint(i+1), fmt.Sprintf("op-%d-%d", epoch, i))
		}, epoch)
		require.Len(t, won, 1)
		require.Len(t, lost, workers-1)
		for _, err := range lost {
			require.Equal(t, perennial.CodePrecondition, perennial.CodeOf(err), "%v", err)
		}
		row, err := a.Get(t.Context(), "iris")
		require.NoError(t, err)
		require.Equal(t, won[0], row)
	}
}

func testConcurrentRepeat(t *testing.T, _ *gorm.DB, a, b *serve.TrafficStore) {
	for epoch := range int64(3) {
		won, lost := race(t.Context(), []*serve.TrafficStore{a, b}, 8, func(int) perennial.Traffic {
			return serving("1", fmt.Sprintf("op-%d", epoch))
		}, epoch)
		require.Empty(t, lost)
		for _, row := range won {
			require.Equal(t, won[0], row)
		}
	}
	history, err := a.History(t.Context(), "iris", 0)
	require.NoError(t, err)
	require.Len(t, history, 3)
}

func testSalt(t *testing.T, _ *gorm.DB, a, _ *serve.TrafficStore) {
	mustSet(t, a, serving("1", "op1"), 0)
	first := mustSet(t, a, canary(500, "op2"), 1)
	ramp := mustSet(t, a, canary(2500, "op3"), 2)
	require.Equal(t, first.Salt, ramp.Salt)
	watch := perennial.Traffic{Model: "iris", Mode: perennial.ModeWatch, Champion: "2", Previous: "1", WeightBP: 9500, RolloutID: "r1", OpID: "op4", Salt: "mine"}
	require.Equal(t, first.Salt, mustSet(t, a, watch, 3).Salt)
	next := mustSet(t, a, canary(500, "op5"), 4)
	require.NotEqual(t, first.Salt, next.Salt)
	restarted := canary(500, "op6")
	restarted.RolloutID = "r2"
	require.NotEqual(t, next.Salt, mustSet(t, a, restarted, 5).Salt)
}

func testKept(t *testing.T, g *gorm.DB, a, _ *serve.TrafficStore) {
	mustSet(t, a, serving("1", "op1"), 0)
	mustSet(t, a, serving("2", "op2"), 1)
	for _, sql := range []string{
		"DELETE FROM traffic_history WHERE epoch = 1",
		"DELETE FROM traffic_history WHERE epoch = 2",
		"UPDATE traffic SET epoch = 7",
	} {
		require.Error(t, g.WithContext(t.Context()).Exec(sql).Error, sql)
	}
}

func testContradiction(t *testing.T, _ *gorm.DB, a, _ *serve.TrafficStore) {
	for name, change := range map[string]func(*perennial.Traffic){
		"no model":              func(r *perennial.Traffic) { r.Model = "" },
		"no operation id":       func(r *perennial.Traffic) { r.OpID = "" },
		"no champion":           func(r *perennial.Traffic) { r.Champion = "" },
		"no challenger":         func(r *perennial.Traffic) { r.Challenger = "" },
		"weight over the whole": func(r *perennial.Traffic) { r.WeightBP = 10001 },
		"negative weight":       func(r *perennial.Traffic) { r.WeightBP = -1 },
		"watch without old":     func(r *perennial.Traffic) { r.Mode = perennial.ModeWatch },
	} {
		row := canary(500, "op")
		change(&row)
		_, err := a.Set(t.Context(), row, 0)
		require.Equal(t, perennial.CodeInvalid, perennial.CodeOf(err), name)
	}
}
