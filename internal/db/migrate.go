package db

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"path"
	"regexp"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
	"gorm.io/gorm"

	"github.com/perennial-ml/perennial"
)

var componentRE = regexp.MustCompile(`^[a-z][a-z_]{0,30}$`)

// Another starter may be migrating the same SQLite file. Each migration is one
// immediate transaction, so the loser of the race fails whole and finds the work
// done when it looks again.
const (
	migrateTries = 20
	migratePause = 50 * time.Millisecond
)

// Migrate brings a component's tables to their newest form. migrations holds
// goose files (00001_what.sql, which begins with "-- +goose Up"), in its root or in
// its directory "migrations"; the applied ones are remembered in the table
// <component>_migrations. There is no way down but a backup. It is safe to repeat
// and safe against other processes that do the same at the same time.
//
// Errors: precondition where the database was written by a newer Perennial;
// internal where a migration fails, which leaves everything before it applied
// and nothing of itself.
func Migrate(ctx context.Context, g *gorm.DB, component string, migrations fs.FS) error {
	const op = "db.Migrate"
	for try := 1; ; try++ {
		err := migrate(ctx, g, component, migrations)
		var refused *perennial.Error
		switch {
		case err == nil:
			return nil
		case errors.As(err, &refused), ctx.Err() != nil, g.Name() != "sqlite", try == migrateTries:
			return Fault(op, explain(g, err))
		}
		select {
		case <-ctx.Done():
		case <-time.After(migratePause):
		}
	}
}

// Pending lists the migrations, by file name, that Migrate would apply, oldest
// first. It writes nothing. Errors as Migrate's.
func Pending(ctx context.Context, g *gorm.DB, component string, migrations fs.FS) ([]string, error) {
	const op = "db.Pending"
	p, err := provider(ctx, g, component, migrations)
	if err != nil {
		return nil, Fault(op, explain(g, err))
	}
	applied, err := appliedVersions(ctx, g, component)
	if err != nil {
		return nil, Fault(op, err)
	}
	var names []string
	for _, s := range p.ListSources() {
		if !applied[s.Version] {
			names = append(names, path.Base(s.Path))
		}
		delete(applied, s.Version)
	}
	if len(applied) > 0 {
		return nil, newerDatabase(op, component)
	}
	return names, nil
}

func migrate(ctx context.Context, g *gorm.DB, component string, migrations fs.FS) error {
	pending, err := Pending(ctx, g, component, migrations)
	if err != nil || len(pending) == 0 {
		return err
	}
	p, err := provider(ctx, g, component, migrations)
	if err != nil {
		return err
	}
	_, err = p.Up(ctx)
	return err
}

// provider gives goose's provider for one component. It is not closed: it
// borrows the pool.
func provider(ctx context.Context, g *gorm.DB, component string, migrations fs.FS) (*goose.Provider, error) {
	const op = "db.Migrate"
	if !componentRE.MatchString(component) {
		return nil, perennial.Errorf(perennial.CodeInvalid, op, "%q is no component name", component)
	}
	if sub, err := fs.Stat(migrations, "migrations"); err == nil && sub.IsDir() {
		if migrations, err = fs.Sub(migrations, "migrations"); err != nil {
			return nil, err
		}
	}
	pool, err := g.DB()
	if err != nil {
		return nil, err
	}
	options := []goose.ProviderOption{
		goose.WithTableName(versionTable(component)),
		goose.WithDisableGlobalRegistry(true),
		goose.WithLogger(goose.NopLogger()),
	}
	dialect := goose.DialectSQLite3
	if g.Name() == "postgres" {
		dialect = goose.DialectPostgres
		locker, err := postgresLocker(ctx, g, component)
		if err != nil {
			return nil, err
		}
		options = append(options, goose.WithSessionLocker(locker))
	}
	return goose.NewProvider(dialect, pool, migrations, options...)
}

// postgresLocker gives an advisory lock of the component's own in its schema: it
// is tried every second for five minutes.
func postgresLocker(ctx context.Context, g *gorm.DB, component string) (lock.SessionLocker, error) {
	var schema string
	if err := g.WithContext(ctx).Raw("SELECT current_schema()").Scan(&schema).Error; err != nil {
		return nil, err
	}
	h := fnv.New64a()
	fmt.Fprintf(h, "perennial migrations\x00%s\x00%s", schema, component)
	return lock.NewPostgresSessionLocker(
		lock.WithLockID(int64(h.Sum64())), //nolint:gosec // any 64 bits will do
		lock.WithLockTimeout(1, 300),
		lock.WithUnlockTimeout(1, 30),
	)
}

// appliedVersions reads the version table without making it.
func appliedVersions(ctx context.Context, g *gorm.DB, component string) (map[int64]bool, error) {
	applied := map[int64]bool{}
	g = g.WithContext(ctx)
	if !g.Migrator().HasTable(versionTable(component)) {
		return applied, ctx.Err()
	}
	var versions []int64
	err := g.Table(versionTable(component)).Where("is_applied AND version_id > 0").Pluck("version_id", &versions).Error
	for _, v := range versions {
		applied[v] = true
	}
	return applied, err
}

func versionTable(component string) string { return component + "_migrations" }

func newerDatabase(op, component string) error {
	return perennial.Errorf(perennial.CodePrecondition, op, "the database's %s tables were made by a newer version of Perennial", component).
		WithHint("use that version, or restore a backup from before the upgrade")
}

// explain gives an error that did not pass through gorm its code.
func explain(g *gorm.DB, err error) error {
	if t, ok := g.Dialector.(gorm.ErrorTranslator); ok {
		return t.Translate(err)
	}
	return err
}
