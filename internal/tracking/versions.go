package tracking

import (
	"cmp"
	"context"
	"encoding/json"
	"strconv"

	"gorm.io/gorm"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/db"
	"github.com/perennial-ml/perennial/internal/mlflow"
)

type versionRow struct {
	Name            string `gorm:"primaryKey"`
	Version         int64  `gorm:"primaryKey;autoIncrement:false"`
	RunID           string
	Source          string
	Status          string
	CreationTime    int64
	LastUpdatedTime int64
	Lineage         string
	Op              *string
	Description     string
	RunLink         string
	CurrentStage    string
	StorageLocation string
	ModelID         string
}

func (versionRow) TableName() string { return "model_versions" }

type versionTagRow struct {
	Name    string `gorm:"primaryKey"`
	Version int64  `gorm:"primaryKey;autoIncrement:false"`
	Key     string `gorm:"primaryKey"`
	Value   string
}

func (versionTagRow) TableName() string { return "model_version_tags" }

// statusReady is the status of a version that can be loaded.
const statusReady = "READY"

// CreateVersion registers the next version of v.Model, which must exist
// (EnsureModel): the number is one more than any that the model ever had. v's
// Version and Aliases are ignored; Status defaults to READY, UpdatedAt to
// CreatedAt (ms). With an op, a one-time id, that was used for the model before,
// it gives that version as it is now and changes nothing.
func (s *Store) CreateVersion(ctx context.Context, v perennial.ModelVersion, op string) (perennial.ModelVersion, error) {
	const operation = "tracking.CreateVersion"
	var created perennial.ModelVersion
	err := s.write(ctx, operation, func(tx *gorm.DB) error {
		// The model's row is locked, so that numbers and ops are given out one at a time.
		model, found, err := db.Take[modelRow](forUpdate(tx).Where("name = ?", v.Model))
		if err == nil && !found {
			err = missing("model", v.Model)
		}
		if err != nil {
			return err
		}
		number := model.NextVersion
		earlier, found, err := db.Take[versionRow](tx.Where("name = ? AND op = ?", v.Model, op))
		switch {
		case err != nil:
			return err
		case found: // never with an empty op, which is stored as NULL
			number = earlier.Version
		default:
			err = insertVersion(tx, v, number, op)
		}
		if err != nil {
			return err
		}
		versions, err := readVersions(tx, "name = ? AND version = ?", v.Model, number)
		if err == nil && len(versions) > 0 {
			created = versions[0]
		}
		return err
	})
	return created, err
}

func insertVersion(tx *gorm.DB, v perennial.ModelVersion, number int64, op string) error {
	lineage, err := json.Marshal(v.Lineage)
	if err != nil {
		return err
	}
	row := versionRow{
		Name: v.Model, Version: number, RunID: v.RunID, Source: v.Source, Status: cmp.Or(v.Status, statusReady),
		CreationTime: v.CreatedAt, LastUpdatedTime: cmp.Or(v.UpdatedAt, v.CreatedAt), Lineage: string(lineage), CurrentStage: mlflow.StageNone,
	}
	if op != "" {
		row.Op = &op
	}
	if err := tx.Create(&row).Error; err != nil {
		return err
	}
	var tags []versionTagRow
	for _, t := range lastOfEach(v.Tags) {
		tags = append(tags, versionTagRow{Name: v.Model, Version: number, Key: t.Key, Value: t.Value})
	}
	if len(tags) > 0 {
		if err := tx.CreateInBatches(tags, insertRows).Error; err != nil {
			return err
		}
	}
	return tx.Model(&modelRow{}).Where("name = ?", v.Model).
		Updates(map[string]any{"next_version": number + 1, "last_updated_time": row.LastUpdatedTime}).Error
}

// GetVersion gives one version with its aliases, tags and lineage. Errors:
// invalid where version is no number, not_found.
func (s *Store) GetVersion(ctx context.Context, model, version string) (perennial.ModelVersion, error) {
	const op = "tracking.GetVersion"
	number, err := parseVersion(version)
	if err != nil {
		return perennial.ModelVersion{}, db.Fault(op, err)
	}
	versions, err := readVersions(s.db.WithContext(ctx), "name = ? AND version = ?", model, number)
	if err == nil && len(versions) == 0 {
		err = missing("model version", model+" "+version)
	}
	if err != nil {
		return perennial.ModelVersion{}, db.Fault(op, err)
	}
	return versions[0], nil
}

// Versions lists a model's versions, newest first. A missing model is not_found.
func (s *Store) Versions(ctx context.Context, model string) ([]perennial.ModelVersion, error) {
	const op = "tracking.Versions"
	g := s.db.WithContext(ctx)
	versions, err := readVersions(g, "name = ?", model)
	if err == nil && len(versions) == 0 {
		err = modelExists(g, model)
	}
	return versions, db.Fault(op, err)
}

// readVersions reads versions and what belongs to them; where may use the columns
// name and version, which all three tables have.
func readVersions(g *gorm.DB, where string, args ...any) ([]perennial.ModelVersion, error) {
	g = g.Where(where, args...).Session(&gorm.Session{})
	var rows []versionRow
	if err := g.Order("name, version DESC").Find(&rows).Error; err != nil {
		return nil, err
	}
	var aliases []aliasRow
	if err := g.Order("alias").Find(&aliases).Error; err != nil {
		return nil, err
	}
	var tags []versionTagRow
	if err := g.Order("key").Find(&tags).Error; err != nil {
		return nil, err
	}
	versions := make([]perennial.ModelVersion, len(rows))
	at := make(map[int64]*perennial.ModelVersion, len(rows))
	for i, r := range rows {
		versions[i] = perennial.ModelVersion{
			Model: r.Name, Version: strconv.FormatInt(r.Version, 10), RunID: r.RunID, Source: r.Source, Status: r.Status,
			CreatedAt: r.CreationTime, UpdatedAt: r.LastUpdatedTime,
		}
		if err := json.Unmarshal([]byte(r.Lineage), &versions[i].Lineage); err != nil {
			return nil, err
		}
		at[r.Version] = &versions[i]
	}
	for _, a := range aliases {
		if v := at[a.Version]; v != nil {
			v.Aliases = append(v.Aliases, a.Alias)
		}
	}
	for _, t := range tags {
		if v := at[t.Version]; v != nil {
			v.Tags = append(v.Tags, perennial.Tag{Key: t.Key, Value: t.Value})
		}
	}
	return versions, nil
}

// parseVersion reads a version's number as it is written: no sign, no zero in
// front.
func parseVersion(version string) (int64, error) {
	n, err := strconv.ParseInt(version, 10, 64)
	if err != nil || n < 1 || strconv.FormatInt(n, 10) != version {
		return 0, invalid("%q is no version: it is a number like 3", version)
	}
	return n, nil
}
