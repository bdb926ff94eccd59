// Package ledger keeps what Perennial did and decided by itself: decisions with
// everything needed to recompute them, the trials of a study, the workflows that
// ran, and which side table a pipeline's rows were first split by. It is what
// answers once Temporal has forgotten a workflow, and the reason why nothing that
// must last lives in Temporal alone.
//
// Rows are written by activities, which are repeated after a crash: every Save is
// safe to repeat. It judges nothing and starts nothing.
//
// Start reading at Store; the tables are in migrations.
package ledger

import (
	"context"
	"embed"
	"encoding/json"
	"io/fs"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/db"
)

// Component names these tables' version table for db.Migrate.
const Component = "ledger"

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations holds the tables' history for db.Migrate.
var Migrations fs.FS = migrations

// Store reads and writes the ledger. It is safe for concurrent use by any number
// of goroutines and processes. Its errors are *perennial.Error: not_found,
// invalid for a record that lacks its id or can't be written as JSON,
// unavailable, deadline or internal for the database's own troubles.
type Store struct{ db *gorm.DB }

// NewStore gives a store on a database that db.Migrate has prepared.
func NewStore(g *gorm.DB) *Store { return &Store{db: g} }

type decisionRow struct {
	DecisionID string `gorm:"primaryKey"`
	Kind       string
	Model      string
	Version    string
	RunID      string
	Verdict    string
	At         int64
	Record     string
}

func (decisionRow) TableName() string { return "decisions" }

// SaveDecision stores a decision under the id that its caller gave it. An id that
// is there keeps what it has: a decision never changes.
func (s *Store) SaveDecision(ctx context.Context, d perennial.Decision) error {
	const op = "ledger.SaveDecision"
	record, err := json.Marshal(d)
	if d.ID == "" || err != nil {
		return perennial.Errorf(perennial.CodeInvalid, op, "a decision needs an id and finite numbers").Because(err)
	}
	row := decisionRow{
		DecisionID: d.ID, Kind: string(d.Kind), Model: d.Model, Version: d.Version, RunID: d.RunID,
		Verdict: string(d.Verdict), At: d.At, Record: string(record),
	}
	return db.Fault(op, s.db.WithContext(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&row).Error)
}

// Decision gives a decision exactly as it was stored.
func (s *Store) Decision(ctx context.Context, id string) (perennial.Decision, error) {
	const op = "ledger.Decision"
	row, found, err := db.Take[decisionRow](s.db.WithContext(ctx).Where("decision_id = ?", id))
	if err == nil && !found {
		err = perennial.Errorf(perennial.CodeNotFound, "", "decision %s doesn't exist", id)
	}
	var d perennial.Decision
	if err == nil {
		err = json.Unmarshal([]byte(row.Record), &d)
	}
	return d, db.Fault(op, err)
}

// BaseSides says by which side table the first version of a pipeline's base data
// was split. It is decided once and never changed.
type BaseSides struct {
	Pipeline string  `gorm:"primaryKey"`
	BaseMD5  string  // md5 of the base data that was split
	Sides    string  // key of the side table in the blob store
	Seed     int64   // by which later rows are given a side
	Test     float64 // share of later rows that are held out, 0 to 1; 0: made before it was kept
}

// TableName is for gorm.
func (BaseSides) TableName() string { return "base_sides" }

// BaseSides gives the side table in force; ok is false where there is none yet.
func (s *Store) BaseSides(ctx context.Context, pipeline string) (b BaseSides, ok bool, err error) {
	b, ok, err = db.Take[BaseSides](s.db.WithContext(ctx).Where("pipeline = ?", pipeline))
	return b, ok, db.Fault("ledger.BaseSides", err)
}

// SaveBaseSides stores a pipeline's side table unless it has one, and gives the
// one in force: the first write wins.
func (s *Store) SaveBaseSides(ctx context.Context, b BaseSides) (BaseSides, error) {
	const op = "ledger.SaveBaseSides"
	if b.Pipeline == "" || b.BaseMD5 == "" || b.Sides == "" {
		return BaseSides{}, perennial.Errorf(perennial.CodeInvalid, op, "base sides need a pipeline, the data's md5 and a blob")
	}
	g := s.db.WithContext(ctx)
	if err := g.Clauses(clause.OnConflict{DoNothing: true}).Create(&b).Error; err != nil {
		return BaseSides{}, db.Fault(op, err)
	}
	stored, _, err := db.Take[BaseSides](g.Where("pipeline = ?", b.Pipeline))
	return stored, db.Fault(op, err)
}
