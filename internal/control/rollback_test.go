package control_test

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/mocks"
	"gorm.io/gorm"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/access"
	"github.com/perennial-ml/perennial/internal/blob"
	"github.com/perennial-ml/perennial/internal/client"
	"github.com/perennial-ml/perennial/internal/control"
	"github.com/perennial-ml/perennial/internal/datastore"
	"github.com/perennial-ml/perennial/internal/db"
	"github.com/perennial-ml/perennial/internal/ledger"
	"github.com/perennial-ml/perennial/internal/mlflow"
	"github.com/perennial-ml/perennial/internal/pipeline"
	"github.com/perennial-ml/perennial/internal/serve"
	"github.com/perennial-ml/perennial/internal/tracking"
	"github.com/perennial-ml/perennial/workflows"
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

func (l *lossy) Unfreeze(ctx context.Context, model string) error {
	return l.reply(l.Traffic.Unfreeze(ctx, model))
}

func (l *lossy) Replicas(ctx context.Context, model, version string) ([]serve.Replica, error) {
	replicas, err := l.Traffic.Replicas(ctx, model, version)
	return replicas, l.reply(err)
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

func (l *lossy) DeleteAlias(ctx context.Context, model, alias string) error {
	return l.reply(l.Registry.DeleteAlias(ctx, model, alias))
}

func (l *lossy) DeleteVersion(ctx context.Context, model, version string) error {
	return l.reply(l.Registry.DeleteVersion(ctx, model, version))
}

func (l *lossy) GetModel(ctx context.Context, name string) (perennial.RegisteredModel, error) {
	m, err := l.Registry.GetModel(ctx, name)
	return m, l.reply(err)
}

func (l *lossy) AliasWanted(ctx context.Context, model, alias, version string) error {
	return l.reply(l.Traffic.AliasWanted(ctx, model, alias, version))
}

func (l *lossy) AliasSeen(ctx context.Context, model, alias, version string) error {
	return l.reply(l.Traffic.AliasSeen(ctx, model, alias, version))
}

func (l *lossy) AliasAsked(ctx context.Context, a serve.Alias) error {
	return l.reply(l.Traffic.AliasAsked(ctx, a))
}

// Get gives no model file: nobody here reads one.
func (*lossyBlobs) Get(context.Context, string) ([]byte, error) { return nil, fs.ErrNotExist }

// Has says that every model file is there.
func (s *lossyBlobs) Has(context.Context, string) (bool, error) { return true, s.l.reply(nil) }

type lossyBlobs struct{ l *lossy }

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
	versions, traffic := irisStores(t, "1", "2")
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
		Temporal: mocks.NewClient(t), Pipelines: w, Ledger: w, Audit: w, Traffic: l, Registry: l, Blobs: &lossyBlobs{l},
		Logger: slog.New(slog.DiscardHandler), Now: func() time.Time { return now },
	})
	request := client.RollbackRequest{Reason: "complaints", Freeze: "1h"}
	_, err := c.Rollback(ctx, "iris", request)
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

// irisStores gives a registry with some versions of iris, and its traffic.
func irisStores(t *testing.T, numbers ...string) (*mlflow.Tracker, *serve.TrafficStore) {
	t.Helper()
	g := stores(t)
	versions := tracker(t, g)
	register(t, versions, numbers...)
	return versions, serve.NewTrafficStore(g)
}

// tracker gives a tracker on the embedded server over a database, with files of its
// own.
func tracker(t *testing.T, g *gorm.DB) *mlflow.Tracker {
	t.Helper()
	blobs, err := blob.Open("file:" + t.TempDir())
	require.NoError(t, err)
	return trackerWith(t, g, blobs)
}

func trackerWith(t *testing.T, g *gorm.DB, blobs *blob.Store) *mlflow.Tracker {
	t.Helper()
	c, err := mlflow.NewClient(mlflow.Options{URI: mlflow.EmbeddedURI, Transport: tracking.NewServer(tracking.NewStore(g), blobs, tracking.Hooks{}, nil)})
	require.NoError(t, err)
	return mlflow.NewTracker(c, blobs)
}

// stores gives a database with every table that a Control writes to.
func stores(t *testing.T) *gorm.DB {
	t.Helper()
	g, err := db.Open(t.Context(), db.Options{URL: "sqlite:" + filepath.Join(t.TempDir(), "state.db")})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close(g)) })
	for component, migrations := range map[string]fs.FS{
		tracking.Component: tracking.Migrations, serve.Component: serve.Migrations, ledger.Component: ledger.Migrations,
		access.Component: access.Migrations, pipeline.Component: pipeline.Migrations, datastore.Component: datastore.Migrations,
	} {
		require.NoError(t, db.Migrate(t.Context(), g, component, migrations))
	}
	return g
}

// register gives iris some versions.
func register(t *testing.T, versions *mlflow.Tracker, numbers ...string) {
	t.Helper()
	registerFor(t, versions, "iris", numbers...)
}

func registerFor(t *testing.T, versions *mlflow.Tracker, model string, numbers ...string) {
	t.Helper()
	ctx := t.Context()
	experiment, err := versions.EnsureExperiment(ctx, model)
	require.NoError(t, err)
	_, err = versions.EnsureModel(ctx, model)
	require.NoError(t, err)
	for _, v := range numbers {
		run, err := versions.CreateRun(ctx, mlflow.RunSpec{ExperimentID: experiment.ID, StartedAt: 1, Op: model + " " + v})
		require.NoError(t, err)
		lineage := perennial.Lineage{RunID: run.ID}
		if model == "iris" { // the others are not ours
			lineage.ModelSHA256 = "file-" + v
		}
		_, err = versions.CreateVersion(ctx, perennial.ModelVersion{Model: model, RunID: run.ID, Source: run.ArtifactURI + "/model", Lineage: lineage}, v)
		require.NoError(t, err)
	}
}

func TestARollbackGoesToTheVersionBefore(t *testing.T) {
	t.Parallel()
	serving := func(v string) perennial.Traffic { return perennial.Traffic{Mode: perennial.ModeServing, Champion: v} }
	canary := func(v, challenger string) perennial.Traffic {
		return perennial.Traffic{Mode: perennial.ModeCanary, Champion: v, Challenger: challenger, WeightBP: 500}
	}
	watch := func(v, previous string) perennial.Traffic {
		return perennial.Traffic{Mode: perennial.ModeWatch, Champion: v, Previous: previous, WeightBP: 9500}
	}
	promoted := func(v, previous string) perennial.Traffic {
		return perennial.Traffic{Mode: perennial.ModeServing, Champion: v, Previous: previous}
	}
	for name, test := range map[string]struct {
		rows []perennial.Traffic
		to   string // "": nothing to go back to
	}{
		"a first version":              {[]perennial.Traffic{serving("1")}, ""},
		"an aborted canary":            {[]perennial.Traffic{serving("1"), canary("1", "2"), serving("1")}, ""},
		"in a canary":                  {[]perennial.Traffic{serving("1"), canary("1", "2")}, "1"},
		"in a watch":                   {[]perennial.Traffic{serving("1"), canary("1", "2"), watch("2", "1")}, "1"},
		"a promoted version":           {[]perennial.Traffic{serving("1"), canary("1", "2"), watch("2", "1"), serving("2")}, "1"},
		"an aborted canary after it":   {[]perennial.Traffic{serving("1"), canary("1", "2"), watch("2", "1"), serving("2"), canary("2", "3"), serving("2")}, "1"},
		"after a rollback":             {[]perennial.Traffic{serving("1"), canary("1", "2"), watch("2", "1"), serving("1")}, ""},
		"one back after another":       {[]perennial.Traffic{serving("1"), canary("1", "2"), watch("2", "1"), canary("2", "3"), watch("3", "2"), serving("2")}, "1"},
		"back to one never in line":    {[]perennial.Traffic{serving("1"), canary("1", "2"), watch("2", "1"), serving("3")}, "1"},
		"promoted at once":             {[]perennial.Traffic{serving("1"), promoted("2", "1")}, "1"},
		"promoted at once, and back":   {[]perennial.Traffic{serving("1"), promoted("2", "1"), serving("1")}, ""},
		"promoted at once twice":       {[]perennial.Traffic{serving("1"), promoted("2", "1"), promoted("3", "2"), serving("2")}, "1"},
		"promoted at once, to and fro": {[]perennial.Traffic{serving("1"), promoted("2", "1"), promoted("1", "2")}, "2"},
		"an old version rolled out":    {[]perennial.Traffic{serving("1"), canary("1", "2"), watch("2", "1"), canary("2", "1"), watch("1", "2"), serving("1")}, "2"},
		"back over two":                {[]perennial.Traffic{serving("1"), canary("1", "2"), watch("2", "1"), canary("2", "3"), watch("3", "2"), serving("1")}, ""},
		"a version that came after":    {[]perennial.Traffic{serving("1"), canary("1", "2"), watch("2", "1"), serving("1"), canary("1", "3"), watch("3", "1"), serving("3")}, "1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := as(t, perennial.AccessOperator)
			versions, traffic := irisStores(t, "1", "2", "3")
			for epoch, row := range test.rows {
				row.Model, row.OpID, row.RolloutID = "iris", fmt.Sprint("op-", epoch), "r"
				_, err := traffic.Set(ctx, row, int64(epoch))
				require.NoError(t, err)
			}
			l := &lossy{Traffic: traffic, Registry: versions}
			_, w := atDesk(t)
			c := control.New(control.Options{
				Temporal: mocks.NewClient(t), Pipelines: w, Ledger: w, Audit: w, Traffic: l, Registry: l, Blobs: &lossyBlobs{l},
				Logger: slog.New(slog.DiscardHandler), Now: func() time.Time { return now },
			})
			view, err := c.Rollback(ctx, "iris", client.RollbackRequest{Reason: "complaints"})
			if test.to == "" {
				require.Equal(t, perennial.CodePrecondition, perennial.CodeOf(err))
				require.Empty(t, w.audit)
				return
			}
			require.NoError(t, err)
			require.Equal(t, test.to, view.Champion)
			if test.rows[len(test.rows)-1].Mode == perennial.ModeServing {
				require.Equal(t, "rolled_back", view.Phase)
			}
		})
	}
}

func TestThePhaseAfterARollout(t *testing.T) {
	t.Parallel()
	for want, outcome := range map[string]perennial.Outcome{
		"none": "", "promoted": perennial.OutcomePromoted, "rolled_back": perennial.OutcomeRolledBack, "aborted": perennial.OutcomeAborted,
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			_, traffic := irisStores(t, "1")
			_, err := traffic.Set(t.Context(), perennial.Traffic{Model: "iris", Mode: perennial.ModeServing, Champion: "1", OpID: "op", Outcome: outcome}, 0)
			require.NoError(t, err)
			_, w := atDesk(t)
			c := control.New(control.Options{Ledger: w, Traffic: traffic, Logger: slog.New(slog.DiscardHandler), Now: func() time.Time { return now }})
			view, err := c.Rollout(t.Context(), "iris")
			require.NoError(t, err)
			require.Equal(t, want, view.Phase)
		})
	}
}

func TestAModelThatIsntThere(t *testing.T) {
	t.Parallel()
	_, traffic := irisStores(t)
	_, w := atDesk(t)
	c := control.New(control.Options{Pipelines: w, Ledger: w, Audit: w, Traffic: traffic, Logger: slog.New(slog.DiscardHandler), Now: func() time.Time { return now }})
	ctx := as(t, perennial.AccessOperator)
	_, err := c.Rollback(ctx, "irsi", client.RollbackRequest{To: "1"})
	require.Equal(t, perennial.CodeNotFound, perennial.CodeOf(err))
	_, err = c.CommandRollout(ctx, "irsi", workflows.UpdatePause, client.RolloutCommand{})
	require.Equal(t, perennial.CodeNotFound, perennial.CodeOf(err))
	_, err = c.Freeze(ctx, client.FreezeRequest{Model: "irsi", For: "1h"})
	require.Equal(t, perennial.CodeNotFound, perennial.CodeOf(err), "a freeze of nothing would look like one")
	_, err = c.Freeze(ctx, client.FreezeRequest{Model: "iris", For: "1h"})
	require.NoError(t, err, "a pipeline can be frozen before its first version")
	require.Len(t, w.audit, 1)

	_, err = c.Freeze(ctx, client.FreezeRequest{For: "2h"})
	require.NoError(t, err)
	lifted, err := c.Unfreeze(ctx, "iris", "over")
	require.NoError(t, err)
	require.NotNil(t, lifted.Frozen, "the freeze of every model holds still")
	require.Empty(t, lifted.Frozen.Model)
	lifted, err = c.Unfreeze(ctx, "", "over")
	require.NoError(t, err)
	require.Nil(t, lifted.Frozen)
}
