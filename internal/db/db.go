// Package db opens Perennial's databases: SQLite for one process, Postgres for
// several. It knows dialects, connection settings, migrations and how a
// driver's error becomes a *perennial.Error; it knows no table. Each component
// keeps its own rows and its own migrations.
//
// Rules for components:
//   - portable SQL only (TEXT, BIGINT, DOUBLE PRECISION, BOOLEAN, BYTEA; JSON is
//     TEXT), times as BIGINT milliseconds, no autoincrement;
//   - a NaN must be stored as NULL or with a flag of its own, because SQLite
//     turns it into NULL;
//   - what reads and then writes runs in one Transaction. SQLite starts it as
//     BEGIN IMMEDIATE, so that it can't fail half-way; on Postgres the row that
//     guards the invariant is locked with clause.Locking (a no-op on SQLite);
//   - inside a transaction only its own handle is used: asking the pool for a
//     second connection can dead-lock;
//   - errors leave the component through Fault.
//
// Start reading at Open and Migrate.
package db

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"gorm.io/gorm"

	"github.com/perennial-ml/perennial"
)

// DefaultMaxConns is the size of the connection pool where Options gives none.
const DefaultMaxConns = 10

// DefaultSlowQuery is the time from which a query is reported where Options gives
// none.
const DefaultSlowQuery = 500 * time.Millisecond

// Options says which database to open, and how.
type Options struct {
	URL       string        // sqlite:<file> or postgres://user@host/database?…; a relative file is relative to the working directory
	MaxConns  int           // connections kept at most; 0: DefaultMaxConns
	Logger    *slog.Logger  // slow queries at warn, never their values; nil: silent
	SlowQuery time.Duration // from when a query is slow; 0: DefaultSlowQuery
}

// Open opens a database and makes sure that it answers. For SQLite it creates
// the file and its parent directories (mode 0700), and checks that every setting
// took hold.
//
// Errors: invalid for a URL of another kind, unavailable where the directory or
// the file can't be written, the disk is full or the server doesn't answer,
// internal where the file is damaged or no database. The message names the file,
// or the server without user and password.
func Open(ctx context.Context, o Options) (*gorm.DB, error) {
	const op = "db.Open"
	if o.MaxConns <= 0 {
		o.MaxConns = DefaultMaxConns
	}
	config := &gorm.Config{
		TranslateError:       true,
		DisableAutomaticPing: true,
		Logger:               queryLogger{log: o.Logger, slow: cmp.Or(o.SlowQuery, DefaultSlowQuery)},
	}
	var g *gorm.DB
	var err error
	switch scheme, rest, _ := strings.Cut(o.URL, ":"); scheme {
	case "sqlite":
		g, err = openSQLite(ctx, rest, config)
	case "postgres", "postgresql":
		g, err = openPostgres(ctx, o.URL, config)
	default:
		return nil, perennial.Errorf(perennial.CodeInvalid, op, "the database URL must begin with sqlite: or postgres://").
			WithHint("write sqlite:/path/to/file.db or postgres://user@host:5432/database")
	}
	if err != nil {
		return nil, err
	}
	pool, err := g.DB()
	if err != nil {
		return nil, perennial.Wrap(op, err)
	}
	pool.SetMaxOpenConns(o.MaxConns)
	pool.SetMaxIdleConns(o.MaxConns)
	pool.SetConnMaxIdleTime(5 * time.Minute)
	return g, nil
}

// Close closes every connection of the pool. Closing twice is allowed.
func Close(g *gorm.DB) error {
	pool, err := g.DB()
	if err == nil {
		err = pool.Close()
	}
	return perennial.Wrap("db.Close", err)
}

// abandon closes a database that did not open properly and gives the reason.
func abandon(g *gorm.DB, why error) error {
	if err := Close(g); err != nil {
		return fmt.Errorf("%w (and closing it: %w)", why, err)
	}
	return why
}
