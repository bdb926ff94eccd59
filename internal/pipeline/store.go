package pipeline

import (
	"context"
	"embed"
	"encoding/json"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/db"
)

// Component names this package's migrations.
const Component = "pipeline"

// Migrations makes the tables pipelines (what is applied now) and
// pipeline_revisions (what ever was).
//
//go:embed migrations/*.sql
var Migrations embed.FS

// Store keeps the applied pipelines. It is safe for concurrent use, by several
// processes too.
type Store struct{ db *gorm.DB }

// NewStore gives a store on a database that Migrations were applied to.
func NewStore(db *gorm.DB) *Store { return &Store{db: db} }

// applied is a row of pipelines.
type applied struct {
	Name      string `gorm:"primaryKey"`
	Revision  string
	Spec      string
	Source    string
	AppliedAt int64
	Deleted   bool
}

// TableName is the row's table.
func (applied) TableName() string { return "pipelines" }

// revision is a row of pipeline_revisions.
type revision struct {
	Name      string `gorm:"primaryKey"`
	Revision  string `gorm:"primaryKey"`
	Spec      string
	AppliedAt int64
}

// TableName is the row's table.
func (revision) TableName() string { return "pipeline_revisions" }

// Apply makes a spec the pipeline of its name from now (ms) on and remembers its
// revision for good. It is idempotent: where this revision is in force already,
// nothing but the file's text changes, and changed is false. Applying a deleted
// pipeline brings it back.
func (s *Store) Apply(ctx context.Context, spec *Spec, now int64) (changed bool, err error) {
	const op = "pipeline.Apply"
	if spec.Revision != spec.Hash() {
		return false, perennial.Errorf(perennial.CodeInvalid, op, "the revision of pipeline %s is not the hash of its content", spec.Pipeline.Name)
	}
	text := string(spec.canonical())
	err = s.db.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		r := revision{Name: spec.Pipeline.Name, Revision: spec.Revision, Spec: text, AppliedAt: now}
		if err := tx.Clauses(clause.OnConflict{DoNothing: true}).Create(&r).Error; err != nil {
			return err
		}
		row := applied{Name: spec.Pipeline.Name, Revision: spec.Revision, Spec: text, Source: spec.Source, AppliedAt: now}
		upsert := tx.Clauses(clause.OnConflict{
			Columns:   []clause.Column{{Name: "name"}},
			DoUpdates: clause.AssignmentColumns([]string{"revision", "spec", "source", "applied_at", "deleted"}),
			Where:     clause.Where{Exprs: []clause.Expression{clause.Expr{SQL: "pipelines.revision <> excluded.revision OR pipelines.deleted"}}},
		}).Create(&row)
		if changed = upsert.RowsAffected > 0; changed || upsert.Error != nil {
			return upsert.Error
		}
		return tx.Model(&applied{}).Where("name = ? AND revision = ?", row.Name, row.Revision).Update("source", row.Source).Error
	})
	if err != nil {
		return false, db.Fault(op, err)
	}
	return changed, nil
}

// Get gives the pipeline in force under a name; not_found where there is none.
func (s *Store) Get(ctx context.Context, name string) (*Spec, error) {
	const op = "pipeline.Get"
	var rows []applied
	if err := s.db.WithContext(ctx).Where("name = ? AND NOT deleted", name).Limit(1).Find(&rows).Error; err != nil {
		return nil, db.Fault(op, err)
	}
	if len(rows) == 0 {
		return nil, perennial.Errorf(perennial.CodeNotFound, op, "there is no pipeline %q", name).WithHint("perennial pipeline list shows what is applied.")
	}
	return read(op, rows[0])
}

// List gives all pipelines in force, by name.
func (s *Store) List(ctx context.Context) ([]*Spec, error) {
	const op = "pipeline.List"
	var rows []applied
	if err := s.db.WithContext(ctx).Where("NOT deleted").Order("name").Find(&rows).Error; err != nil {
		return nil, db.Fault(op, err)
	}
	specs := make([]*Spec, len(rows))
	for i, r := range rows {
		var err error
		if specs[i], err = read(op, r); err != nil {
			return nil, err
		}
	}
	return specs, nil
}

// Revision gives any revision that was ever applied, as lineage names it; its
// Source is empty. not_found where there is none.
func (s *Store) Revision(ctx context.Context, name, sha256 string) (*Spec, error) {
	const op = "pipeline.Revision"
	var rows []revision
	if err := s.db.WithContext(ctx).Where("name = ? AND revision = ?", name, sha256).Limit(1).Find(&rows).Error; err != nil {
		return nil, db.Fault(op, err)
	}
	if len(rows) == 0 {
		return nil, perennial.Errorf(perennial.CodeNotFound, op, "pipeline %q was never applied with revision %q", name, sha256)
	}
	return read(op, applied{Name: name, Revision: sha256, Spec: rows[0].Spec})
}

// Delete takes a pipeline out of force; its revisions stay. not_found where none
// is in force.
func (s *Store) Delete(ctx context.Context, name string) error {
	const op = "pipeline.Delete"
	update := s.db.WithContext(ctx).Model(&applied{}).Where("name = ? AND NOT deleted", name).Update("deleted", true)
	if update.Error != nil {
		return db.Fault(op, update.Error)
	}
	if update.RowsAffected == 0 {
		return perennial.Errorf(perennial.CodeNotFound, op, "there is no pipeline %q", name)
	}
	return nil
}

// read turns a row into a spec.
func read(op string, r applied) (*Spec, error) {
	spec := &Spec{}
	if err := json.Unmarshal([]byte(r.Spec), spec); err != nil {
		return nil, perennial.Errorf(perennial.CodeInternal, op, "the stored pipeline %s can't be read", r.Name).Because(err)
	}
	spec.Source, spec.Revision = r.Source, r.Revision
	return spec, nil
}
