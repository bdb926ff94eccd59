package ledger_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/ledger"
)

func TestAttempts(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s, other *ledger.Store) {
		ctx := t.Context()
		first := ledger.Attempt{WorkflowRunID: "r1", Pipeline: "iris", Trigger: perennial.TriggerDrift, DataMD5: "d", Sides: "s", ParamsSHA256: "p", ClaimedAt: 10}
		second := first
		second.WorkflowRunID, second.ClaimedAt = "r2", 20
		for range 2 {
			require.NoError(t, s.SaveAttempt(ctx, first))
			require.NoError(t, other.SaveAttempt(ctx, second))
		}
		_, ok, err := s.LastAttempt(ctx, "iris")
		require.NoError(t, err)
		require.False(t, ok, "neither has ended")

		require.NoError(t, s.EndAttempt(ctx, "r1", perennial.OutcomeTrained, "3", 30))
		require.NoError(t, s.EndAttempt(ctx, "r1", "", "", 40), "a late write changes nothing")
		require.NoError(t, s.EndAttempt(ctx, "r2", "", "", 40), "it failed")
		require.NoError(t, s.EndAttempt(ctx, "r9", "", "", 40), "a run that claimed nothing")
		first.Outcome, first.Version, first.EndedAt = perennial.OutcomeTrained, "3", 30
		second.EndedAt = 40
		last, ok, err := other.LastAttempt(ctx, "iris")
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, first, last, "the newest that ended well")

		got, ok, err := other.Attempt(ctx, "r2")
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, second, got)
		list, err := s.Attempts(ctx, "iris", 10)
		require.NoError(t, err)
		require.Equal(t, []ledger.Attempt{second, first}, list)
		list, err = s.Attempts(ctx, "iris", 11)
		require.NoError(t, err)
		require.Len(t, list, 1)
		require.Equal(t, perennial.CodeInvalid, perennial.CodeOf(s.SaveAttempt(ctx, ledger.Attempt{Pipeline: "iris"})))
	})
}

func TestTheFirstRequestKeepsTheKey(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s, other *ledger.Store) {
		ctx := t.Context()
		const now = 10_000_000_000
		var wg sync.WaitGroup
		got := make([]ledger.Key, 12)
		errs := make([]error, len(got))
		for i := range got {
			wg.Go(func() {
				k := ledger.Key{Key: "k", BodySHA256: fmt.Sprint("body", i), WorkflowID: "w", CreatedAt: now}
				got[i], errs[i] = []*ledger.Store{s, other}[i%2].ClaimKey(ctx, k)
			})
		}
		wg.Wait()
		for i := range got {
			require.NoError(t, errs[i])
			require.Equal(t, got[0], got[i])
		}
		require.NoError(t, s.KeepKeyRun(ctx, "k", "r1"))
		require.NoError(t, other.KeepKeyRun(ctx, "k", "r2"))
		again := ledger.Key{Key: "k", BodySHA256: "new", WorkflowID: "w", CreatedAt: now + ledger.KeyLife.Milliseconds()}
		stored, err := other.ClaimKey(ctx, again)
		require.NoError(t, err)
		require.Equal(t, "r1", stored.RunID)
		again.CreatedAt++
		stored, err = s.ClaimKey(ctx, again)
		require.NoError(t, err)
		require.Equal(t, again, stored, "seven days later the key is free")
		_, err = s.ClaimKey(ctx, ledger.Key{Key: "k"})
		require.Equal(t, perennial.CodeInvalid, perennial.CodeOf(err))
	})
}

func TestSchedules(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s, other *ledger.Store) {
		ctx := t.Context()
		_, ok, err := s.Schedule(ctx, "iris")
		require.NoError(t, err)
		require.False(t, ok)
		row := ledger.Schedule{
			Pipeline: "iris", Revision: "a", Source: ledger.ScheduleFromFile, Cron: "0 3 * * *", Timezone: "UTC", Jitter: 30_000,
			Spec: "{}", Actor: "perennial", Reason: "the file", ChangedAt: 5,
		}
		require.NoError(t, s.SaveSchedule(ctx, row))
		row.Source, row.Paused, row.Cron, row.ChangedAt = ledger.ScheduleFromOperator, true, "", 6
		require.NoError(t, other.SaveSchedule(ctx, row))
		got, ok, err := s.Schedule(ctx, "iris")
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, row, got)
		list, err := s.Schedules(ctx)
		require.NoError(t, err)
		require.Equal(t, []ledger.Schedule{row}, list)
		require.Equal(t, perennial.CodeInvalid, perennial.CodeOf(s.SaveSchedule(ctx, ledger.Schedule{})))
	})
}
