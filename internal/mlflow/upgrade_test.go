package mlflow_test

import (
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/db"
	"github.com/perennial-ml/perennial/internal/db/dbtest"
	"github.com/perennial-ml/perennial/internal/mlflow"
	"github.com/perennial-ml/perennial/internal/tracking"
)

// What was kept before there was a REST API is read through it.
func TestOlderTablesAreReadThroughTheServer(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		ctx, g := t.Context(), open()
		const first = "migrations/00001_tracking.sql"
		b, err := fs.ReadFile(tracking.Migrations, first)
		require.NoError(t, err)
		require.NoError(t, db.Migrate(ctx, g, tracking.Component, fstest.MapFS{first: {Data: b}}))
		for _, sql := range []string{
			`INSERT INTO experiments VALUES ('1', 'iris', 'mlflow-artifacts:/1', 'active', 1, 1)`,
			`INSERT INTO runs VALUES ('abc', '1', 'calm-river', 'me', 'RUNNING', 5, NULL, 'mlflow-artifacts:/1/abc/artifacts', 'active', 'op')`,
			`INSERT INTO tags VALUES ('abc', 'perennial.kind', 'train')`,
			`INSERT INTO inputs VALUES ('abc', 'iris "1".csv', 'd1', 'training', '{"path":"iris \"1\".csv","md5":"d1","rows":150,"sides_sha256":"5d"}')`,
			`INSERT INTO registered_models VALUES ('iris', '', 1, 1, 2)`,
			`INSERT INTO model_versions VALUES ('iris', 1, 'abc', 'mlflow-artifacts:/1/abc/artifacts/model', 'READY', 1, 1, '{"run_id":"abc","model_sha256":"5a","seed":42}', 'op')`,
		} {
			require.NoError(t, g.WithContext(ctx).Exec(sql).Error, sql)
		}
		require.NoError(t, db.Migrate(ctx, g, tracking.Component, tracking.Migrations))
		w := newWorld(t, mlflow.Options{URI: mlflow.EmbeddedURI, Transport: tracking.NewServer(tracking.NewStore(g), nil, tracking.Hooks{}, nil)})

		run, err := w.GetRun(ctx, "abc")
		require.NoError(t, err)
		require.Equal(t, []perennial.DatasetInput{{Context: "training", Data: perennial.DataRef{Path: `iris "1".csv`, MD5: "d1", Rows: 150, Sides: "5d"}}}, run.Inputs)
		version, err := w.GetVersion(ctx, "iris", "1")
		require.NoError(t, err)
		require.Equal(t, perennial.Lineage{RunID: "abc", ModelSHA256: "5a", Seed: 42}, version.Lineage)
		running, err := w.Running(ctx)
		require.NoError(t, err)
		require.Len(t, running, 1)
	})
}
