package devserver

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"go.temporal.io/server/common/config"
	tlog "go.temporal.io/server/common/log"
	"go.temporal.io/server/common/log/tag"
	"go.temporal.io/server/common/persistence/sql/sqlplugin/sqlite"
	sqliteschema "go.temporal.io/server/schema/sqlite"
	"google.golang.org/protobuf/types/known/durationpb"
	modernc "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// openStore makes the SQLite file ready: the schema where it is new, and the
// namespace. One connection only: more of them lock each other out.
func (s *Server) openStore(ctx context.Context) (*config.SQL, error) {
	store := &config.SQL{
		PluginName: sqlite.PluginName, DatabaseName: s.o.File,
		ConnectAttributes: map[string]string{"mode": "rwc", "journal_mode": "wal", "synchronous": "normal", "busy_timeout": "10000"},
	}
	_, err := os.Stat(s.o.File)
	fresh := errors.Is(err, fs.ErrNotExist)
	if !fresh {
		usable, err := schemaComplete(ctx, s.o.File)
		if err != nil {
			return nil, err
		}
		if !usable {
			// Either a crash came before the end of the schema, or the file is
			// damaged: no server can ever start on it.
			s.o.Logger.Warn("the embedded Temporal server begins anew: its file can't be used", "file", s.o.File, "kept_as", s.o.File+damaged)
			if err := setAside(s.o.File); err != nil {
				return nil, err
			}
			fresh = true
		}
	}
	if fresh {
		if err := sqliteschema.SetupSchema(store); err != nil {
			return nil, err
		}
	}
	namespace, err := sqliteschema.NewNamespaceConfig("active", Namespace, false, s.searchAttributes())
	if err != nil {
		return nil, err
	}
	if s.o.Retention > 0 {
		namespace.Detail.Config.Retention = durationpb.New(s.o.Retention)
	}
	return store, sqliteschema.CreateNamespaces(store, namespace) // does nothing where the namespace exists
}

// damaged is added to the name of a file that no server can start on.
const damaged = ".damaged"

// setAside renames the file for whoever wants to look at it, and removes what
// SQLite keeps beside it.
func setAside(file string) error {
	if err := os.Rename(file, file+damaged); err != nil {
		return err
	}
	for _, suffix := range []string{"-wal", "-shm", "-journal"} {
		if err := os.Remove(file + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// schemaComplete looks for the tables that the schema creates first and last. A
// file that is no database, or a damaged one, isn't complete; one that can't be
// read for any other reason is an error, for work may be in it.
func schemaComplete(ctx context.Context, file string) (bool, error) {
	db, err := sql.Open("sqlite", "file:"+file+"?mode=ro&_pragma=busy_timeout(10000)")
	if err != nil {
		return false, err
	}
	defer func() { _ = db.Close() }() // opened for reading only
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	var n int
	err = db.QueryRowContext(ctx, `select count(*) from sqlite_master where type = 'table' and name in ('namespaces', 'executions_visibility')`).Scan(&n)
	if broken, ok := errors.AsType[*modernc.Error](err); ok && slices.Contains([]int{sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT}, broken.Code()&0xff) {
		return false, nil
	}
	return n == 2, err
}

// fatal is what a server can't be built without.
type fatal string

func (f fatal) Error() string { return string(f) }

// logger writes the server's log to slog. Fatal and Panic only log: a library
// doesn't end our process. But while the server is built Fatal doesn't return
// (see newServer), for a server would start without what is missing.
type logger struct {
	to       *slog.Logger
	level    *slog.LevelVar
	building *atomic.Bool
}

func (l logger) write(level slog.Level, message string, tags []tag.Tag) {
	if level < l.level.Level() {
		return
	}
	attrs := make([]slog.Attr, len(tags))
	for i, t := range tags {
		attrs[i] = slog.Any(t.Key(), t.Value())
	}
	l.to.LogAttrs(context.Background(), level, message, attrs...)
}

func (l logger) Debug(m string, t ...tag.Tag)  { l.write(slog.LevelDebug, m, t) }
func (l logger) Info(m string, t ...tag.Tag)   { l.write(slog.LevelInfo, m, t) }
func (l logger) Warn(m string, t ...tag.Tag)   { l.write(slog.LevelWarn, m, t) }
func (l logger) Error(m string, t ...tag.Tag)  { l.write(slog.LevelError, m, t) }
func (l logger) DPanic(m string, t ...tag.Tag) { l.write(slog.LevelError, m, t) }
func (l logger) Panic(m string, t ...tag.Tag)  { l.write(slog.LevelError, m, t) }
func (l logger) SLog() *slog.Logger            { return l.to }

func (l logger) Fatal(m string, t ...tag.Tag) {
	l.write(slog.LevelError, m, t)
	if l.building.Load() {
		panic(fatal(m))
	}
}

var (
	_ tlog.Logger      = logger{}
	_ tlog.SLogWrapper = logger{}
)
