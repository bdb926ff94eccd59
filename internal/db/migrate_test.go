package db_test

import (
	"sync"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/db"
	"github.com/perennial-ml/perennial/internal/db/dbtest"
)

func sql(up string) *fstest.MapFile {
	return &fstest.MapFile{Data: []byte("-- +goose Up\n" + up + "\n")}
}

var (
	one = fstest.MapFS{"migrations/00001_first.sql": sql("CREATE TABLE a (id TEXT PRIMARY KEY);")}
	two = fstest.MapFS{
		"migrations/00001_first.sql":  one["migrations/00001_first.sql"],
		"migrations/00002_second.sql": sql("CREATE TABLE b (id TEXT PRIMARY KEY);\nINSERT INTO b VALUES ('x');"),
	}
	other = fstest.MapFS{"00001_c.sql": sql("CREATE TABLE c (id TEXT PRIMARY KEY);")}
)

func TestMigrateStepByStep(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		g, ctx := open(), t.Context()
		names, err := db.Pending(ctx, g, "part", two)
		require.NoError(t, err)
		require.Equal(t, []string{"00001_first.sql", "00002_second.sql"}, names)
		require.False(t, g.Migrator().HasTable("part_migrations"), "Pending must not write")

		require.NoError(t, db.Migrate(ctx, g, "part", one))
		require.NoError(t, db.Migrate(ctx, g, "other", other))
		names, err = db.Pending(ctx, g, "part", two)
		require.NoError(t, err)
		require.Equal(t, []string{"00002_second.sql"}, names)

		require.NoError(t, db.Migrate(ctx, g, "part", two))
		require.NoError(t, db.Migrate(ctx, g, "part", two), "again")
		names, err = db.Pending(ctx, g, "part", two)
		require.NoError(t, err)
		require.Empty(t, names)

		require.Equal(t, perennial.CodePrecondition, perennial.CodeOf(db.Migrate(ctx, g, "part", one)), "older program")
		require.Equal(t, perennial.CodeInvalid, perennial.CodeOf(db.Migrate(ctx, g, "p; DROP", one)))
	})
}

func TestBrokenMigrationLeavesNothing(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		g, ctx := open(), t.Context()
		broken := fstest.MapFS{
			"00001_first.sql":  one["migrations/00001_first.sql"],
			"00002_broken.sql": sql("CREATE TABLE b (id TEXT);\nINSERT INTO nowhere VALUES (1);"),
		}
		require.Equal(t, perennial.CodeInternal, perennial.CodeOf(db.Migrate(ctx, g, "part", broken)))
		require.True(t, g.Migrator().HasTable("a"))
		require.False(t, g.Migrator().HasTable("b"))
		require.NoError(t, db.Migrate(ctx, g, "part", two), "mended")
	})
}

func TestManyMigrateAtOnce(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		pools := make([]*gorm.DB, 4)
		for i := range pools {
			pools[i] = open()
		}
		errs := make([]error, len(pools))
		var wg sync.WaitGroup
		for i, g := range pools {
			wg.Go(func() { errs[i] = db.Migrate(t.Context(), g, "part", two) })
		}
		wg.Wait()
		for _, err := range errs {
			require.NoError(t, err)
		}
		var n int64
		require.NoError(t, pools[0].Table("b").Count(&n).Error)
		require.Equal(t, int64(1), n)
	})
}
