package serve

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

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

// Settle puts into versions, as a tracking server gives them, what was kept of where
// they come from: on a server of its own anybody may change the tags that say so. A
// version that was made at another time is another one, of a model that was deleted
// and made again.
func (s *VersionStore) Settle(ctx context.Context, versions []perennial.ModelVersion) error {
	type name struct{ model, version string }
	at := make(map[name]*perennial.ModelVersion, len(versions))
	var models []string
	for i := range versions {
		v := &versions[i]
		at[name{v.Model, v.Version}] = v
		if !slices.Contains(models, v.Model) {
			models = append(models, v.Model)
		}
	}
	q := s.db.WithContext(ctx).Where("model IN ?", models)
	if len(versions) == 1 {
		q = q.Where("version = ?", versions[0].Version)
	}
	var rows []versionRow
	if err := q.Find(&rows).Error; err != nil {
		return db.Fault("serve.SettleVersions", err)
	}
	for _, r := range rows {
		v := at[name{r.Model, r.Version}]
		if v == nil {
			continue
		}
		var known perennial.ModelVersion
		if err := json.Unmarshal([]byte(r.Doc), &known); err != nil {
			return perennial.Wrap("serve.SettleVersions", err)
		}
		if known.CreatedAt != v.CreatedAt {
			continue
		}
		v.Lineage = known.Lineage
		theirs := slices.DeleteFunc(slices.Clone(v.Tags), isOurs)
		ours := slices.DeleteFunc(known.Tags, func(t perennial.Tag) bool { return !isOurs(t) })
		v.Tags = slices.Concat(theirs, ours)
		slices.SortFunc(v.Tags, func(a, b perennial.Tag) int { return strings.Compare(a.Key, b.Key) })
	}
	return nil
}

func isOurs(t perennial.Tag) bool { return strings.HasPrefix(t.Key, perennial.TagPrefix) }

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
