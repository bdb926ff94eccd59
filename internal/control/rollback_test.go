package control_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/mocks"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/client"
	"github.com/perennial-ml/perennial/internal/control"
	"github.com/perennial-ml/perennial/internal/db"
	"github.com/perennial-ml/perennial/internal/serve"
	"github.com/perennial-ml/perennial/internal/tracking"
)

// lossy carries every call out and loses the reply of the nth.
type lossy struct {
	control.Traffic
	control.Registry

	nth, calls int
}

func (l *lossy) reply(err error) error {
	if l.calls++; err == nil && l.calls == l.nth {
		return perennial.Errorf(perennial.CodeUnavailable, "store", "the reply is lost")
	}
	return err
}

func (l *lossy) Get(ctx context.Context, model string) (perennial.Traffic, error) {
	row, err := l.Traffic.Get(ctx, model)
	return row, l.reply(err)
}

func (l *lossy) Set(ctx context.Context, next perennial.Traffic, epoch int64) (perennial.Traffic, error) {
	row, err := l.Traffic.Set(ctx, next, epoch)
	return row, l.reply(err)
}

func (l *lossy) SetFreeze(ctx context.Context, f serve.Freeze) error {
	return l.reply(l.Traffic.SetFreeze(ctx, f))
}

func (l *lossy) Frozen(ctx context.Context, model string, at int64) (serve.Freeze, bool, error) {
	f, ok, err := l.Traffic.Frozen(ctx, model, at)
	return f, ok, l.reply(err)
}

func (l *lossy) Reject(ctx context.Context, r serve.RejectedFile) error {
	return l.reply(l.Traffic.Reject(ctx, r))
}

func (l *lossy) GetVersion(ctx context.Context, model, version string) (perennial.ModelVersion, error) {
	v, err := l.Registry.GetVersion(ctx, model, version)
	return v, l.reply(err)
}

func (l *lossy) SetAlias(ctx context.Context, model, alias, version string) error {
	return l.reply(l.Registry.SetAlias(ctx, model, alias, version))
}

// Has says that every model file is there.
func (l *lossy) Has(context.Context, string) (bool, error) { return true, l.reply(nil) }

// TestARollbackIsOneChangeWhateverReplyIsLost asks for a rollback in mid-canary
// and loses the reply of each call in turn; whoever gets an error asks again.
func TestARollbackIsOneChangeWhateverReplyIsLost(t *testing.T) {
	t.Parallel()
	for nth := 1; ; nth++ {
		if lost := loseInRollback(t, nth); !lost {
			require.Greater(t, nth, 8)
			return
		}
	}
}

func loseInRollback(t *testing.T, nth int) (lost bool) {
	t.Helper()
	ctx := as(t, perennial.AccessOperator)
	g, err := db.Open(ctx, db.Options{URL: "sqlite:" + filepath.Join(t.TempDir(), "state.db")})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close(g)) })
	require.NoError(t, db.Migrate(ctx, g, tracking.Component, tracking.Migrations))
	require.NoError(t, db.Migrate(ctx, g, serve.Component, serve.Migrations))
	versions, traffic := tracking.NewStore(g), serve.NewTrafficStore(g)
	experiment, err := versions.EnsureExperiment(ctx, "iris", 1)
	require.NoError(t, err)
	_, err = versions.EnsureModel(ctx, "iris", 1)
	require.NoError(t, err)
	for _, v := range []string{"1", "2"} {
		run, err := versions.CreateRun(ctx, tracking.RunSpec{ExperimentID: experiment.ID, StartedAt: 1, Op: v})
		require.NoError(t, err)
		_, err = versions.CreateVersion(ctx, perennial.ModelVersion{Model: "iris", RunID: run.ID, Status: "READY", Lineage: perennial.Lineage{RunID: run.ID, ModelSHA256: "file-" + v}}, v)
		require.NoError(t, err)
	}
	for epoch, row := range []perennial.Traffic{
		{Mode: perennial.ModeServing, Champion: "1"},
		{Mode: perennial.ModeCanary, Champion: "1", Challenger: "2", WeightBP: 2500},
	} {
		row.Model, row.OpID, row.RolloutID = "iris", fmt.Sprint("op-", epoch), "r"
		_, err := traffic.Set(ctx, row, int64(epoch))
		require.NoError(t, err)
	}
	require.NoError(t, versions.SetAlias(ctx, "iris", perennial.AliasChampion, "2")) // by somebody else: the row is the truth

	l := &lossy{Traffic: traffic, Registry: versions, nth: nth}
	_, w := atDesk(t)
	c := control.New(control.Options{
		Temporal: mocks.NewClient(t), Pipelines: w, Ledger: w, Audit: w, Traffic: l, Registry: l, Blobs: l,
		Logger: slog.New(slog.DiscardHandler), Now: func() time.Time { return now },
	})
	request := client.RollbackRequest{Reason: "complaints", Freeze: "1h"}
	_, err = c.Rollback(ctx, "iris", request)
	lost = l.calls >= nth
	if err != nil {
		require.Equal(t, perennial.CodeUnavailable, perennial.CodeOf(err))
		row, getErr := traffic.Get(ctx, "iris")
		require.NoError(t, getErr)
		if row.Mode == perennial.ModeCanary { // nothing was done yet
			_, err = c.Rollback(ctx, "iris", request)
			require.NoError(t, err)
		}
	}
	rows, err := traffic.History(ctx, "iris", 10)
	require.NoError(t, err)
	require.Len(t, rows, 3, "one change, losing reply %d", nth)
	require.Equal(t, perennial.ModeServing, rows[0].Mode)
	require.Equal(t, "1", rows[0].Champion)
	champion, err := versions.GetVersion(ctx, "iris", "1")
	require.NoError(t, err)
	require.Equal(t, []string{perennial.AliasChampion}, champion.Aliases)
	_, rejected, err := traffic.Rejected(ctx, "iris", "file-2")
	require.NoError(t, err)
	require.True(t, rejected)
	_, frozen, err := traffic.Frozen(ctx, "iris", now.UnixMilli())
	require.NoError(t, err)
	require.True(t, frozen)
	require.Len(t, w.audit, 1)
	return lost
}
