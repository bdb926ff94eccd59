// Package dbtest runs a store's conformance suite against every database that
// Perennial supports: SQLite always, Postgres where the environment variable
// PERENNIAL_TEST_POSTGRES_URL names a server (CI does). It is for tests only.
package dbtest

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"github.com/perennial-ml/perennial/internal/db"
)

// PostgresURL is the environment variable with the URL of a Postgres database in
// which the tests may make and drop schemas.
const PostgresURL = "PERENNIAL_TEST_POSTGRES_URL"

// Each runs f as a parallel subtest for every database. open gives a pool on an
// empty database of the test's own; every further call gives another pool on the
// same database, as another process would have. Pools are closed, and the
// database dropped, when the subtest ends.
func Each(t *testing.T, f func(t *testing.T, open func() *gorm.DB)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		file := filepath.Join(t.TempDir(), "test.db")
		f(t, func() *gorm.DB { return open(t, "sqlite:"+file) })
	})
	if os.Getenv(PostgresURL) == "" {
		return
	}
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		own := Postgres(t)
		f(t, func() *gorm.DB { return open(t, own) })
	})
}

func open(t *testing.T, url string) *gorm.DB {
	t.Helper()
	g, err := db.Open(t.Context(), db.Options{URL: url, MaxConns: 5})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close(g)) })
	return g
}

// Postgres makes a schema that is dropped when the test ends, and gives the URL
// that works in it; "" where no server is configured.
func Postgres(t *testing.T) string {
	t.Helper()
	server := os.Getenv(PostgresURL)
	if server == "" {
		return ""
	}
	u, err := url.Parse(server)
	require.NoError(t, err, PostgresURL)
	schema := "t_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	run := func(ctx context.Context, sql string) {
		g, err := db.Open(ctx, db.Options{URL: server, MaxConns: 1})
		require.NoError(t, err)
		require.NoError(t, g.WithContext(ctx).Exec(sql).Error)
		require.NoError(t, db.Close(g))
	}
	run(t.Context(), fmt.Sprintf("CREATE SCHEMA %s", schema))
	t.Cleanup(func() { run(context.WithoutCancel(t.Context()), fmt.Sprintf("DROP SCHEMA %s CASCADE", schema)) })
	q := u.Query()
	q.Set("search_path", schema)
	u.RawQuery = q.Encode()
	return u.String()
}
