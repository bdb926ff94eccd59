package tracking

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/perennial-ml/perennial/internal/db"
	"github.com/perennial-ml/perennial/internal/mlflow"
)

type modelRow struct {
	Name            string `gorm:"primaryKey"`
	Description     string
	CreationTime    int64
	LastUpdatedTime int64
	NextVersion     int64
}

func (modelRow) TableName() string { return "registered_models" }

type modelTagRow struct {
	Name  string `gorm:"primaryKey"`
	Key   string `gorm:"primaryKey"`
	Value string
}

func (modelTagRow) TableName() string { return "registered_model_tags" }

// Limits of the registry, in characters.
const (
	maxModelName   = 256
	maxDescription = 5000
)

// createModel makes a registered model; now in ms. A name in use is
// RESOURCE_ALREADY_EXISTS.
func (s *Store) createModel(ctx context.Context, in *mlflow.CreateRegisteredModel, now int64) (mlflow.RegisteredModel, error) {
	row := modelRow{Name: in.Name, Description: in.Description, CreationTime: now, LastUpdatedTime: now, NextVersion: 1}
	var model mlflow.RegisteredModel
	err := s.write(ctx, "tracking.createModel", func(tx *gorm.DB) error {
		if err := cmp.Or(modelName(in.Name), checkDescription(in.Description)); err != nil {
			return err
		}
		done := tx.Clauses(clause.OnConflict{DoNothing: true}).Create(&row)
		if done.Error == nil && done.RowsAffected == 0 {
			return nameTaken(in.Name)
		}
		if done.Error != nil {
			return done.Error
		}
		if err := putModelTags(tx, in.Name, in.Tags); err != nil {
			return err
		}
		var err error
		model, err = oneModel(tx, in.Name)
		return err
	})
	return model, err
}

func nameTaken(name string) error {
	return mlflow.Errorf(mlflow.CodeExists, "Registered Model (name=%s) already exists.", clip(name))
}

// modelName refuses what can't name a registered model.
func modelName(name string) error {
	switch {
	case strings.TrimSpace(name) == "":
		return mlflow.Invalid("Registered model name cannot be empty.")
	case tooLong(name, maxModelName):
		return mlflow.Invalid("Registered model name '%s' is longer than %d characters.", clip(name), maxModelName)
	case strings.ContainsAny(name, "/:"):
		return mlflow.Invalid("Invalid model name '%s'. Names cannot contain '/' or ':'.", clip(name))
	case strings.ContainsRune(name, utf8.RuneError): // which half of a surrogate pair becomes
		return mlflow.Invalid("Invalid model name '%s': it isn't made of whole characters.", clip(name))
	case name == "." || strings.HasPrefix(name, ".."):
		return mlflow.Invalid("Invalid model name '%s': it would be another one as the name of a folder.", name)
	}
	return nil
}

func checkDescription(text string) error {
	if tooLong(text, maxDescription) {
		return mlflow.Invalid("The description is longer than %d characters.", maxDescription)
	}
	return nil
}

func putModelTags(tx *gorm.DB, name string, tags []mlflow.Tag) error {
	if err := checkLongTags(tags, mlflow.MaxRegistryTag); err != nil {
		return err
	}
	return modelTags.put(tx, tags, name)
}

// findModel reads a registered model's row.
func findModel(g *gorm.DB, name string) (modelRow, error) {
	if name == "" {
		return modelRow{}, mlflow.Invalid("Registered model name cannot be empty.")
	}
	row, found, err := db.Take[modelRow](g.Where("name = ?", name))
	if err == nil && !found {
		err = mlflow.Missing("Registered Model with name=%s not found", clip(name))
	}
	return row, err
}

// lockModel locks a registered model for a change.
func lockModel(tx *gorm.DB, name string) (modelRow, error) { return findModel(forUpdate(tx), name) }

// hasModel refuses a model that there isn't.
func (s *Store) hasModel(ctx context.Context, name string) error {
	_, err := findModel(s.db.WithContext(ctx), name)
	return db.Fault("tracking.hasModel", err)
}

// changeModel makes one change to a registered model that is locked for it. Tags leave
// its time alone, as in MLflow.
func (s *Store) changeModel(ctx context.Context, name string, change func(tx *gorm.DB) error) error {
	return s.write(ctx, "tracking.changeModel", func(tx *gorm.DB) error {
		if _, err := lockModel(tx, name); err != nil {
			return err
		}
		return change(tx)
	})
}

// renameModel gives a registered model another name; versions, tags and aliases
// follow it through their foreign keys.
func (s *Store) renameModel(ctx context.Context, name, newName string, now int64) error {
	return s.changeModel(ctx, name, func(tx *gorm.DB) error {
		if err := modelName(newName); err != nil {
			return err
		}
		if _, taken, err := db.Take[modelRow](tx.Where("name = ? AND name <> ?", newName, name)); err != nil || taken {
			return cmp.Or(err, nameTaken(newName))
		}
		if err := tx.Model(&modelRow{}).Where("name = ?", name).Updates(map[string]any{"name": newName, "last_updated_time": now}).Error; err != nil {
			if errors.Is(err, gorm.ErrDuplicatedKey) {
				return nameTaken(newName)
			}
			return err
		}
		return tx.Model(&versionRow{}).Where("name = ?", newName).Update("last_updated_time", now).Error
	})
}

// deleteModel removes a registered model with everything that belongs to it.
func (s *Store) deleteModel(ctx context.Context, name string) error {
	return s.write(ctx, "tracking.deleteModel", func(tx *gorm.DB) error {
		if _, err := lockModel(tx, name); err != nil {
			return err
		}
		return tx.Where("name = ?", name).Delete(&modelRow{}).Error
	})
}

// getModel gives a registered model as MLflow shows it.
func (s *Store) getModel(ctx context.Context, name string) (mlflow.RegisteredModel, error) {
	model, err := oneModel(s.db.WithContext(ctx), name)
	return model, db.Fault("tracking.getModel", err)
}

func oneModel(g *gorm.DB, name string) (mlflow.RegisteredModel, error) {
	row, err := findModel(g, name)
	if err != nil {
		return mlflow.RegisteredModel{}, err
	}
	models, err := readModels(g, []modelRow{row})
	if err != nil {
		return mlflow.RegisteredModel{}, err
	}
	return models[0], nil
}

// readModels adds tags, aliases and the newest version of each stage to models, in
// their order.
func readModels(g *gorm.DB, rows []modelRow) ([]mlflow.RegisteredModel, error) {
	models := make([]mlflow.RegisteredModel, len(rows))
	at := make(map[string]*mlflow.RegisteredModel, len(rows))
	names := make([]string, len(rows))
	for i, r := range rows {
		models[i] = mlflow.RegisteredModel{
			Name: r.Name, Description: r.Description, CreationTimestamp: mlflow.Int(r.CreationTime), LastUpdatedTimestamp: mlflow.Int(r.LastUpdatedTime),
		}
		at[r.Name], names[i] = &models[i], r.Name
	}
	if len(rows) == 0 {
		return models, nil
	}
	var tags []modelTagRow
	if err := g.Where("name IN ?", names).Order("name, key").Find(&tags).Error; err != nil {
		return nil, err
	}
	for _, t := range tags {
		at[t.Name].Tags = append(at[t.Name].Tags, mlflow.Tag{Key: t.Key, Value: t.Value})
	}
	var aliases []aliasRow
	if err := g.Where("name IN ?", names).Order("name, alias").Find(&aliases).Error; err != nil {
		return nil, err
	}
	for _, a := range aliases {
		at[a.Name].Aliases = append(at[a.Name].Aliases, mlflow.Alias{Alias: a.Alias, Version: strconv.FormatInt(a.Version, 10)})
	}
	latest, err := latestVersions(g, names)
	if err != nil {
		return nil, err
	}
	for _, v := range latest {
		at[v.Name].LatestVersions = append(at[v.Name].LatestVersions, v)
	}
	return models, nil
}

// latestVersions gives the newest version of each stage of some models, by name
// and number.
func latestVersions(g *gorm.DB, names []string) ([]mlflow.ModelVersion, error) {
	newest := g.Model(&versionRow{}).Select("name, MAX(version)").Where("name IN ?", names).Group("name, current_stage")
	var rows []versionRow
	if err := g.Where("(name, version) IN (?)", newest).Order("name, version").Find(&rows).Error; err != nil {
		return nil, err
	}
	return wireVersions(g, rows)
}

// getLatestVersions gives the newest version of each stage of a model, or of those
// stages only that are asked for.
func (s *Store) getLatestVersions(ctx context.Context, in *mlflow.GetLatestVersions) ([]mlflow.ModelVersion, error) {
	stages := make([]string, len(in.Stages))
	for i, stage := range in.Stages {
		var err error
		if stages[i], err = canonicalStage(stage); err != nil {
			return nil, err
		}
	}
	if err := s.hasModel(ctx, in.Name); err != nil {
		return nil, err
	}
	versions, err := latestVersions(s.db.WithContext(ctx), []string{in.Name})
	if err != nil || len(stages) == 0 {
		return versions, db.Fault("tracking.getLatestVersions", err)
	}
	return slices.DeleteFunc(versions, func(v mlflow.ModelVersion) bool { return !slices.Contains(stages, v.CurrentStage) }), nil
}
