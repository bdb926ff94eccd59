package ledger

import (
	"context"

	"gorm.io/gorm/clause"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/db"
)

// Attempt is one training that was allowed to begin, and on what. Equal data,
// sides and params give an equal model, so that a later training on the same may
// be spared.
type Attempt struct {
	WorkflowRunID string `gorm:"primaryKey"` // Temporal's, of Train
	Pipeline      string
	Trigger       perennial.Trigger `gorm:"column:triggered_by"`
	DataMD5       string            `gorm:"column:data_md5"`
	Sides         string            // sha256 of the side table; "" before the pipeline has one
	ParamsSHA256  string            `gorm:"column:params_sha256"`
	Outcome       perennial.Outcome // "" until it has ended well
	Version       string            // that it registered
	ClaimedAt     int64             // ms
	EndedAt       int64             // ms; 0 while it runs
}

// TableName is for gorm.
func (Attempt) TableName() string { return "attempts" }

// SaveAttempt stores an attempt unless its workflow run has one.
func (s *Store) SaveAttempt(ctx context.Context, a Attempt) error {
	const op = "ledger.SaveAttempt"
	if a.WorkflowRunID == "" || a.Pipeline == "" {
		return perennial.Errorf(perennial.CodeInvalid, op, "an attempt needs a pipeline and a workflow run")
	}
	return db.Fault(op, s.db.WithContext(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&a).Error)
}

// Attempt gives the attempt of a workflow run; ok is false where it has none.
func (s *Store) Attempt(ctx context.Context, workflowRunID string) (a Attempt, ok bool, err error) {
	a, ok, err = db.Take[Attempt](s.db.WithContext(ctx).Where("workflow_run_id = ?", workflowRunID))
	return a, ok, db.Fault("ledger.Attempt", err)
}

// EndAttempt writes down how an attempt ended: with an outcome, or with "" where
// it failed. A run without an attempt, and one that has ended, stay as they are.
func (s *Store) EndAttempt(ctx context.Context, workflowRunID string, outcome perennial.Outcome, version string, now int64) error {
	return db.Fault("ledger.EndAttempt", s.db.WithContext(ctx).Model(&Attempt{}).
		Where("workflow_run_id = ? AND ended_at = 0", workflowRunID).
		Updates(map[string]any{"outcome": string(outcome), "version": version, "ended_at": now}).Error)
}

// Attempts lists a pipeline's attempts that were claimed at since (ms) or later,
// newest first.
func (s *Store) Attempts(ctx context.Context, pipeline string, since int64) ([]Attempt, error) {
	var rows []Attempt
	err := s.db.WithContext(ctx).Where("pipeline = ? AND claimed_at >= ?", pipeline, since).Order("claimed_at DESC, workflow_run_id DESC").Find(&rows).Error
	return rows, db.Fault("ledger.Attempts", err)
}

// LastAttempt gives a pipeline's newest attempt that ended well, if any.
func (s *Store) LastAttempt(ctx context.Context, pipeline string) (a Attempt, ok bool, err error) {
	a, ok, err = db.Take[Attempt](s.db.WithContext(ctx).Where("pipeline = ? AND outcome <> ''", pipeline).Order("claimed_at DESC, workflow_run_id DESC"))
	return a, ok, db.Fault("ledger.LastAttempt", err)
}
