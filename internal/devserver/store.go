package devserver

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"go.temporal.io/server/common/config"
	tlog "go.temporal.io/server/common/log"
	"go.temporal.io/server/common/log/tag"
	"go.temporal.io/server/common/persistence/sql/sqlplugin/sqlite"
	sqliteschema "go.temporal.io/server/schema/sqlite"
	"google.golang.org/protobuf/types/known/durationpb"
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
	if !fresh && !schemaComplete(ctx, s.o.File) {
		// A crash came between creating the file and the end of its schema: no
		// server can ever start on it, and no work can be in it.
		for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
			if err := os.Remove(s.o.File + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return nil, err
			}
		}
		fresh = true
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

// schemaComplete looks for the tables that the schema creates first and last.
func schemaComplete(ctx context.Context, file string) bool {
	db, err := sql.Open("sqlite", "file:"+file+"?mode=ro")
	if err != nil {
		return false
	}
	defer func() { _ = db.Close() }() // opened for reading only
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var n int
	err = db.QueryRowContext(ctx, `select count(*) from sqlite_master where type = 'table' and name in ('namespaces', 'executions_visibility')`).Scan(&n)
	return err == nil && n == 2
}

// logger writes the server's log to slog. Fatal and Panic only log: a library
// doesn't end our process.
type logger struct {
	to    *slog.Logger
	level *slog.LevelVar
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
func (l logger) Fatal(m string, t ...tag.Tag)  { l.write(slog.LevelError, m, t) }
func (l logger) SLog() *slog.Logger            { return l.to }

var (
	_ tlog.Logger      = logger{}
	_ tlog.SLogWrapper = logger{}
)
