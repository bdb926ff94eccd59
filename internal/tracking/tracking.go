// Package tracking keeps runs and registered models in tables shaped like
// MLflow's entities: experiments, runs, params, metrics with steps, tags, dataset
// inputs, artifacts, registered models, versions, aliases. The semantics are
// those of MLflow's own store, so that its REST API can be put on top: params are
// write-once, the latest metric is the greatest by (step, timestamp, value), a
// deleted run takes no writes, a version number is never used twice.
//
// A run's create is safe to repeat with a one-time id, the tag perennial.op, under
// which a second one gives the first one's run.
//
// It holds no bytes: an artifact is a path and the key of a blob.
//
// Start reading at NewServer and the routes that it adds; the tables are in
// migrations.
package tracking

import (
	"context"
	"embed"
	"io/fs"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/perennial-ml/perennial/internal/db"
	"github.com/perennial-ml/perennial/internal/mlflow"
)

// Component names these tables' version table for db.Migrate.
const Component = "tracking"

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations holds the tables' history for db.Migrate.
var Migrations fs.FS = migrations

const (
	stageActive  = mlflow.LifecycleActive
	stageDeleted = mlflow.LifecycleDeleted
)

// Store reads and writes runs and registered models. It is safe for concurrent
// use by any number of goroutines and processes.
//
// Its errors are MLflow's own (*mlflow.Error) for what is missing, deleted or breaks
// a rule, and *perennial.Error of the codes unavailable, deadline and internal for
// the database's own troubles.
type Store struct{ db *gorm.DB }

// NewStore gives a store on a database that db.Migrate has prepared.
func NewStore(g *gorm.DB) *Store { return &Store{db: withKept(g)} }

// write runs f in one transaction; errors get the operation and their code.
func (s *Store) write(ctx context.Context, op string, f func(tx *gorm.DB) error) error {
	return db.Fault(op, s.db.WithContext(ctx).Transaction(f))
}

// forUpdate locks the rows that a query of a transaction reads until its end.
func forUpdate(tx *gorm.DB) *gorm.DB { return tx.Clauses(clause.Locking{Strength: "UPDATE"}) }
