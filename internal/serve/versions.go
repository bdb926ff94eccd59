package serve

import (
	"context"
	"encoding/json"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/db"
)

// VersionStore remembers registered versions, with the hashes of their model files,
// so that serving goes on, and begins, while the tracking server is away.
type VersionStore struct{ db *gorm.DB }

// NewVersionStore makes a store over a migrated database.
func NewVersionStore(g *gorm.DB) *VersionStore { return &VersionStore{g} }

type versionRow struct {
	Model   string `gorm:"primaryKey"`
	Version string `gorm:"primaryKey"`
	Doc     string
}

// TableName names the table.
func (versionRow) TableName() string { return "known_versions" }

// Keep remembers a version that has a model file, in place of what was known of it.
func (s *VersionStore) Keep(ctx context.Context, v perennial.ModelVersion) error {
	const op = "serve.KeepVersion"
	if v.Lineage.ModelSHA256 == "" {
		return nil
	}
	v.Aliases = nil // they move
	doc, err := json.Marshal(v)
	if err != nil {
		return perennial.Wrap(op, err)
	}
	row := versionRow{Model: v.Model, Version: v.Version, Doc: string(doc)}
	return db.Fault(op, s.db.WithContext(ctx).Clauses(clause.OnConflict{UpdateAll: true}).Create(&row).Error)
}

// GetVersion gives a version that was kept, without aliases; not_found where none
// was.
func (s *VersionStore) GetVersion(ctx context.Context, model, version string) (perennial.ModelVersion, error) {
	const op = "serve.KnownVersion"
	var v perennial.ModelVersion
	row, found, err := db.Take[versionRow](s.db.WithContext(ctx).Where("model = ? AND version = ?", model, version))
	if err == nil && !found {
		err = perennial.Errorf(perennial.CodeNotFound, "", "model version %s %s isn't known here", model, version)
	}
	if err == nil {
		err = json.Unmarshal([]byte(row.Doc), &v)
	}
	return v, db.Fault(op, err)
}
