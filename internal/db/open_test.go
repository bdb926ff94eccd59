package db_test

import (
	"bytes"
	"context"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/db"
	"github.com/perennial-ml/perennial/internal/db/dbtest"
)

func TestOpenMakesAPrivateFile(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new", "home with ? and % and #")
	file := filepath.Join(dir, "perennial.db")
	g, err := db.Open(t.Context(), db.Options{URL: "sqlite:" + file})
	require.NoError(t, err)
	require.NoError(t, g.Exec("CREATE TABLE x (v TEXT)").Error)
	require.NoError(t, db.Close(g))
	require.NoError(t, db.Close(g), "closing twice")

	info, err := os.Stat(dir)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())
	info, err = os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	require.Positive(t, info.Size())
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	plain := filepath.Join(dir, "notes.txt")
	require.NoError(t, os.WriteFile(plain, bytes.Repeat([]byte("no database "), 1000), 0o600))
	cases := []struct {
		name, url string
		code      perennial.Code
		says      []string
	}{
		{"unknown scheme", "mysql://root:secret@db/x", perennial.CodeInvalid, []string{"sqlite:"}},
		{"no file", "sqlite:", perennial.CodeInvalid, []string{"no file"}},
		{"zero byte", "sqlite:a\x00b", perennial.CodeInvalid, []string{"no file"}},
		{"a file as the parent", "sqlite:" + plain + "/x.db", perennial.CodeUnavailable, []string{plain, "not a directory"}},
		{"a directory nobody can write", "sqlite:/proc/perennial/x.db", perennial.CodeUnavailable, []string{"/proc/perennial/x.db"}},
		{"a directory", "sqlite:" + dir, perennial.CodeUnavailable, []string{dir, "no regular file"}},
		{"not a database", "sqlite:" + plain, perennial.CodeInternal, []string{plain, "not an SQLite database"}},
		{"broken Postgres URL", "postgres://u:secret@h:port/x", perennial.CodeInvalid, []string{"Postgres URL"}},
		{"wrong Postgres parameter", "postgres://u:secret@h/x?sslmode=maybe", perennial.CodeInvalid, []string{"h/x"}},
		{"no server", "postgres://u:secret@127.0.0.1:1/x?connect_timeout=2", perennial.CodeUnavailable, []string{"127.0.0.1:1/x"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := db.Open(t.Context(), db.Options{URL: c.url})
			require.Error(t, err)
			require.Equal(t, c.code, perennial.CodeOf(err), "%v", err)
			message, hint, _ := perennial.Explain(err)
			for _, s := range c.says {
				require.Contains(t, message, s)
			}
			require.NotEmpty(t, hint+message)
			require.NotContains(t, err.Error()+hint, "secret")
		})
	}
	kept, err := os.ReadFile(plain)
	require.NoError(t, err)
	require.Len(t, kept, 12000, "a file that is no database must not be touched")
}

func TestFullDiskNamesTheFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "full.db")
	g, err := db.Open(t.Context(), db.Options{URL: "sqlite:" + file, MaxConns: 1})
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close(g)) }()
	require.NoError(t, g.Exec("CREATE TABLE x (v TEXT)").Error)
	require.NoError(t, g.Exec("PRAGMA max_page_count = 3").Error)
	err = db.Fault("test", g.Exec("INSERT INTO x VALUES (?)", string(make([]byte, 100_000))).Error)
	require.Equal(t, perennial.CodeUnavailable, perennial.CodeOf(err))
	message, _, _ := perennial.Explain(err)
	require.Equal(t, file+": the disk is full", message)
}

func TestManyOpenOneNewFile(t *testing.T) {
	t.Parallel()
	url := "sqlite:" + filepath.Join(t.TempDir(), "a", "b.db")
	pools := make([]*gorm.DB, 8)
	errs := make([]error, len(pools))
	var wg sync.WaitGroup
	for i := range pools {
		wg.Go(func() { pools[i], errs[i] = db.Open(t.Context(), db.Options{URL: url}) })
	}
	wg.Wait()
	for i := range pools {
		require.NoError(t, errs[i])
		require.NoError(t, db.Close(pools[i]))
	}
}

func TestTransactionsAreSerial(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		a, b := open(), open()
		require.NoError(t, a.Exec("CREATE TABLE n (id BIGINT PRIMARY KEY, v BIGINT NOT NULL)").Error)
		require.NoError(t, a.Exec("INSERT INTO n VALUES (1, 0)").Error)
		forUpdate := ""
		if a.Name() == "postgres" {
			forUpdate = " FOR UPDATE"
		}
		var wg sync.WaitGroup
		errs := make(chan error, 200)
		for i := range 8 {
			g := []*gorm.DB{a, b}[i%2]
			wg.Go(func() {
				for range 25 {
					errs <- g.Transaction(func(tx *gorm.DB) error {
						var v int64
						if err := tx.Raw("SELECT v FROM n WHERE id = 1" + forUpdate).Scan(&v).Error; err != nil {
							return err
						}
						return tx.Exec("UPDATE n SET v = ? WHERE id = 1", v+1).Error
					})
				}
			})
		}
		wg.Wait()
		close(errs)
		for err := range errs {
			require.NoError(t, err)
		}
		var v int64
		require.NoError(t, a.Raw("SELECT v FROM n").Scan(&v).Error)
		require.Equal(t, int64(200), v)
	})
}

type row struct {
	ID   string `gorm:"primaryKey"`
	B    []byte
	F    float64
	Flag bool
	N    int64
	P    *string
}

func (row) TableName() string { return "rows_" }

func TestTypesRoundTrip(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		g := open()
		require.NoError(t, g.Exec(`CREATE TABLE rows_ (id TEXT PRIMARY KEY, b BYTEA, f DOUBLE PRECISION, flag BOOLEAN, n BIGINT, p TEXT REFERENCES rows_ (id))`).Error)
		want := row{ID: "ü", B: []byte{0, 255, '\'', 10}, F: math.Nextafter(0.1, 1), Flag: true, N: math.MaxInt64}
		require.NoError(t, g.Create(&want).Error)
		var got row
		require.NoError(t, g.First(&got, "id = ?", "ü").Error)
		require.Equal(t, want, got)
		require.NoError(t, g.Create(&row{ID: "-inf", F: math.Inf(-1), N: math.MinInt64}).Error)
		got = row{}
		require.NoError(t, g.First(&got, "flag = ?", false).Error)
		require.Equal(t, math.Inf(-1), got.F)
		require.Empty(t, got.B)

		require.Equal(t, perennial.CodeConflict, perennial.CodeOf(db.Fault("test", g.Create(&want).Error)))
		none := "none"
		require.Equal(t, perennial.CodeNotFound, perennial.CodeOf(db.Fault("test", g.Create(&row{ID: "x", P: &none}).Error)))
		require.Equal(t, perennial.CodeNotFound, perennial.CodeOf(db.Fault("test", g.First(&got, "id = ?", "y").Error)))
		require.Equal(t, perennial.CodeInternal, perennial.CodeOf(db.Fault("test", g.Exec("SELEC").Error)))
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		require.Equal(t, perennial.CodeDeadline, perennial.CodeOf(db.Fault("test", g.WithContext(ended).First(&got).Error)))
		require.NoError(t, db.Fault("test", nil))
	})
}

func TestSlowQueriesAreLoggedWithoutValues(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		slow   time.Duration
		logged bool
	}{{"quick", time.Hour, false}, {"slow", time.Nanosecond, true}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			g, err := db.Open(t.Context(), db.Options{
				URL: "sqlite:" + filepath.Join(t.TempDir(), "x.db"), Logger: slog.New(slog.NewJSONHandler(&out, nil)), SlowQuery: c.slow,
			})
			require.NoError(t, err)
			var n int64
			require.NoError(t, g.Debug().Raw("SELECT 7 WHERE 'a' <> ?", "confidential").Scan(&n).Error)
			require.NoError(t, g.Exec("CREATE TABLE rows_ (id TEXT, b BYTEA, f DOUBLE PRECISION, flag BOOLEAN, n BIGINT, p TEXT)").Error)
			require.NoError(t, g.Create(&row{ID: "confidential"}).Error)
			require.NoError(t, g.First(&row{}, "id = ?", "confidential").Error)
			require.NoError(t, db.Close(g))
			require.NotContains(t, out.String(), "confidential")
			require.Equal(t, c.logged, strings.Contains(out.String(), "slow query"))
			require.Equal(t, c.logged, strings.Contains(out.String(), "SELECT 7"))
			require.Equal(t, c.logged, strings.Contains(out.String(), "INSERT INTO"))
		})
	}
}
