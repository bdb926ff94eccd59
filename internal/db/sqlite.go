package db

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	gormsqlite "gorm.io/driver/sqlite"
	"gorm.io/gorm"
	modernc "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/perennial-ml/perennial"
)

// sqlitePragmas are set on every connection, in modernc's DSN form, and read
// back after opening: the driver ignores what it doesn't know. busy_timeout is
// how long a writer waits for another, in milliseconds; synchronous NORMAL
// survives a killed process, and with WAL a power cut costs at most the last
// transactions, never the file.
var sqlitePragmas = []struct{ name, set, want string }{
	{"busy_timeout", "10000", "10000"},
	{"journal_mode", "WAL", "wal"},
	{"synchronous", "NORMAL", "1"},
	{"foreign_keys", "1", "1"},
}

// openTries and openPause bound the wait for another process that is switching
// a new file to WAL: SQLite doesn't call the busy handler for that switch. They
// make the ten seconds of busy_timeout.
const (
	openTries = 200
	openPause = 50 * time.Millisecond
)

func openSQLite(ctx context.Context, file string, config *gorm.Config) (*gorm.DB, error) {
	const op = "db.Open"
	if file == "" || strings.ContainsRune(file, 0) {
		return nil, perennial.Errorf(perennial.CodeInvalid, op, "the database URL names no file").WithHint("write sqlite:/path/to/file.db")
	}
	path, err := filepath.Abs(file)
	if err != nil {
		return nil, perennial.Wrap(op, err)
	}
	if err := prepareFile(path); err != nil {
		return nil, perennial.Errorf(perennial.CodeUnavailable, op, "the database file %s can't be created or used: %s", path, plainCause(err)).
			WithHint("give a directory that exists, is writable and has space left").Because(err)
	}
	for try := 1; ; try++ {
		g, err := dialSQLite(ctx, path, config)
		if err == nil {
			return g, nil
		}
		if !isBusy(err) || try == openTries {
			return nil, perennial.Wrap(op, explainSQLite(path, err))
		}
		select {
		case <-ctx.Done():
			return nil, perennial.Wrap(op, explainSQLite(path, ctx.Err()))
		case <-time.After(openPause):
		}
	}
}

// dialSQLite opens the file and reads every pragma back.
func dialSQLite(ctx context.Context, path string, config *gorm.Config) (*gorm.DB, error) {
	query := url.Values{"_txlock": {"immediate"}, "_time_format": {"sqlite"}}
	for _, p := range sqlitePragmas {
		query.Add("_pragma", p.name+"("+p.set+")")
	}
	dsn := (&url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: query.Encode()}).String()
	inner, ok := gormsqlite.New(gormsqlite.Config{DriverName: "sqlite", DSN: dsn}).(*gormsqlite.Dialector)
	if !ok {
		return nil, errors.New("gorm's SQLite driver changed its type")
	}
	g, err := gorm.Open(sqliteDialector{Dialector: inner, path: path}, config)
	if err != nil {
		return nil, err
	}
	for _, p := range sqlitePragmas {
		var got string
		if err := g.WithContext(ctx).Raw("PRAGMA " + p.name).Scan(&got).Error; err != nil {
			return nil, abandon(g, err)
		}
		if got != p.want {
			return nil, abandon(g, perennial.Errorf(perennial.CodeUnavailable, "db.Open",
				"%s: SQLite refused %s = %s and uses %s", path, p.name, p.set, got).
				WithHint("keep the file on a local disk: network file systems can't share a write-ahead log"))
		}
	}
	return g, nil
}

// creating keeps a new file's descriptor from being closed while SQLite has the
// same file open in this process, which would drop SQLite's locks.
var creating sync.Mutex

// prepareFile makes the parent directories (0700) and an empty file (0600), and
// gives the operating system's reason where it can't. An existing file is left
// alone, for the reason given at creating.
func prepareFile(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	creating.Lock()
	defer creating.Unlock()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600) //nolint:gosec // the operator's own path
	if err == nil {
		return f.Close()
	}
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		return errors.New("it is no regular file")
	}
	return err
}

// plainCause is the operating system's word without the call and the path.
func plainCause(err error) string {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err.Error()
	}
	return err.Error()
}

// sqliteDialector is gorm's SQLite dialect on the driver without cgo, whose
// errors gorm's own translation doesn't know.
type sqliteDialector struct {
	*gormsqlite.Dialector
	path string
}

// Translate gives gorm's error for broken constraints and a *perennial.Error
// that names the file for what the machine did.
func (d sqliteDialector) Translate(err error) error { return explainSQLite(d.path, err) }

// Explain gives a query's text for the log, without its values.
func (d sqliteDialector) Explain(sql string, _ ...any) string { return sql }

func explainSQLite(path string, err error) error {
	const op = "db"
	var e *modernc.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Code() {
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY:
		return fmt.Errorf("%w: %w", gorm.ErrDuplicatedKey, err)
	case sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
		return fmt.Errorf("%w: %w", gorm.ErrForeignKeyViolated, err)
	case sqlite3.SQLITE_CONSTRAINT_CHECK:
		return fmt.Errorf("%w: %w", gorm.ErrCheckConstraintViolated, err)
	}
	switch e.Code() & 0xff { // the primary code; the rest refines it
	case sqlite3.SQLITE_FULL:
		return perennial.Errorf(perennial.CodeUnavailable, op, "%s: the disk is full", path).
			WithHint("free some space; nothing of the failed write was kept").Because(err)
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return perennial.Errorf(perennial.CodeUnavailable, op, "%s is locked by another writer", path).
			WithHint("try again; stop other programs that hold the file").Because(err)
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN:
		return perennial.Errorf(perennial.CodeUnavailable, op, "%s can't be opened or written", path).
			WithHint("the file and its directory must be writable").Because(err)
	case sqlite3.SQLITE_IOERR:
		return perennial.Errorf(perennial.CodeUnavailable, op, "%s: the disk reported an error", path).
			WithHint("see the log for the cause; check the disk and its free space").Because(err)
	case sqlite3.SQLITE_NOTADB:
		return perennial.Errorf(perennial.CodeInternal, op, "%s is not an SQLite database", path).
			WithHint("move the file away or name another one").Because(err)
	case sqlite3.SQLITE_CORRUPT:
		return perennial.Errorf(perennial.CodeInternal, op, "%s is damaged", path).
			WithHint("restore it from a backup").Because(err)
	case sqlite3.SQLITE_INTERRUPT:
		return perennial.Errorf(perennial.CodeDeadline, op, "the database query was stopped before it ended").Because(err)
	}
	return err
}

func isBusy(err error) bool {
	var e *modernc.Error
	return errors.As(err, &e) && e.Code()&0xff == sqlite3.SQLITE_BUSY
}
