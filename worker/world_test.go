package worker_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial/activities"
	"github.com/perennial-ml/perennial/internal/blob"
	"github.com/perennial-ml/perennial/internal/db"
	"github.com/perennial-ml/perennial/internal/ledger"
	"github.com/perennial-ml/perennial/internal/pipeline"
	"github.com/perennial-ml/perennial/internal/serve"
	"github.com/perennial-ml/perennial/internal/tracking"
)

// stores opens the database and the blob store.
func (w *world) stores(t *testing.T, file, artifacts string) {
	t.Helper()
	ctx := t.Context()
	g, err := db.Open(ctx, db.Options{URL: "sqlite:" + file})
	require.NoError(t, err)
	t.Cleanup(func() {
		pool, err := g.DB()
		require.NoError(t, err)
		require.NoError(t, pool.Close())
	})
	require.NoError(t, db.Migrate(ctx, g, tracking.Component, tracking.Migrations))
	require.NoError(t, db.Migrate(ctx, g, ledger.Component, ledger.Migrations))
	require.NoError(t, db.Migrate(ctx, g, serve.Component, serve.Migrations))
	require.NoError(t, db.Migrate(ctx, g, pipeline.Component, pipeline.Migrations))
	w.db, w.artifacts = g, artifacts
	w.blobs, err = blob.Open("file:" + artifacts)
	require.NoError(t, err)
	w.tracking, w.ledger, w.traffic, w.pipeline = tracker(t, g, w.blobs), ledger.NewStore(g), serve.NewTrafficStore(g), pipeline.NewStore(g)
}

// again gives a world that has come as far, with stores of its own; the project's
// files are shared.
func (w *world) again(t *testing.T) *world {
	t.Helper()
	file, artifacts := filepath.Join(t.TempDir(), "state.db"), filepath.Join(t.TempDir(), "artifacts")
	require.NoError(t, w.db.Exec("VACUUM INTO ?", file).Error)
	require.NoError(t, os.MkdirAll(w.artifacts, 0o700))
	require.NoError(t, os.CopyFS(artifacts, os.DirFS(w.artifacts)))
	out := *w
	out.stores(t, file, artifacts)
	out.act = &activities.Activities{
		Pipelines: out.pipeline, Data: w.act.Data, Blobs: out.blobs, Tracker: out.tracking, Ledger: out.ledger, Traffic: out.traffic,
		Now: w.act.Now, Build: w.act.Build, Threads: w.act.Threads, Project: w.dir,
	}
	return &out
}
