package tracking

import (
	"context"
	"errors"
	"regexp"
	"strconv"
	"strings"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/db"
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

type aliasRow struct {
	Name    string `gorm:"primaryKey"`
	Alias   string `gorm:"primaryKey"`
	Version int64
}

func (aliasRow) TableName() string { return "registered_model_aliases" }

// GetModel gives a registered model with its aliases and tags.
func (s *Store) GetModel(ctx context.Context, name string) (perennial.RegisteredModel, error) {
	const op = "tracking.GetModel"
	models, err := s.models(ctx, "name = ?", name)
	if err == nil && len(models) == 0 {
		err = missing("model", name)
	}
	if err != nil {
		return perennial.RegisteredModel{}, db.Fault(op, err)
	}
	return models[0], nil
}

// models reads models and what belongs to them; where may use the column name,
// which all three tables have.
func (s *Store) models(ctx context.Context, where string, args ...any) ([]perennial.RegisteredModel, error) {
	g := s.db.WithContext(ctx).Where(where, args...).Session(&gorm.Session{})
	var rows []modelRow
	var aliases []aliasRow
	var tags []modelTagRow
	if err := errors.Join(g.Order("name").Find(&rows).Error, g.Find(&aliases).Error, g.Order("name, key").Find(&tags).Error); err != nil {
		return nil, err
	}
	models := make([]perennial.RegisteredModel, len(rows))
	at := make(map[string]*perennial.RegisteredModel, len(rows))
	for i, r := range rows {
		models[i] = perennial.RegisteredModel{
			Name: r.Name, Description: r.Description, CreatedAt: r.CreationTime, UpdatedAt: r.LastUpdatedTime,
		}
		at[r.Name] = &models[i]
	}
	for _, a := range aliases {
		if m := at[a.Name]; m != nil {
			if m.Aliases == nil {
				m.Aliases = map[string]string{}
			}
			m.Aliases[a.Alias] = strconv.FormatInt(a.Version, 10)
		}
	}
	for _, t := range tags {
		if m := at[t.Name]; m != nil {
			m.Tags = append(m.Tags, perennial.Tag{Key: t.Key, Value: t.Value})
		}
	}
	return models, nil
}

// MLflow's rules: what could be read as a version or as its own word is no alias.
var (
	aliasRE        = regexp.MustCompile(`^[\w-]{1,255}$`)
	versionAliasRE = regexp.MustCompile(`^[vV]\d+$`)
)

// SetAlias makes an alias point at a version, wherever it pointed before. An
// alias is at most 255 letters, digits, "_" and "-", and neither "latest" nor
// like "v3". Errors: invalid, not_found.
func (s *Store) SetAlias(ctx context.Context, model, alias, version string) error {
	const op = "tracking.SetAlias"
	if !aliasRE.MatchString(alias) || versionAliasRE.MatchString(alias) || strings.EqualFold(alias, "latest") {
		return db.Fault(op, invalid("%q can't be an alias", alias))
	}
	number, err := parseVersion(version)
	if err != nil {
		return db.Fault(op, err)
	}
	err = s.db.WithContext(ctx).Clauses(clause.OnConflict{UpdateAll: true}).
		Create(&aliasRow{Name: model, Alias: alias, Version: number}).Error
	if errors.Is(err, gorm.ErrForeignKeyViolated) {
		err = missing("model version", model+" "+version)
	}
	return db.Fault(op, err)
}

// DeleteAlias removes an alias; one that isn't there is no error, a missing model
// is not_found.
func (s *Store) DeleteAlias(ctx context.Context, model, alias string) error {
	const op = "tracking.DeleteAlias"
	return s.write(ctx, op, func(tx *gorm.DB) error {
		if err := modelExists(tx, model); err != nil {
			return err
		}
		return tx.Where("name = ? AND alias = ?", model, alias).Delete(&aliasRow{}).Error
	})
}

func modelExists(g *gorm.DB, name string) error {
	if _, found, err := db.Take[modelRow](g.Where("name = ?", name)); err != nil || found {
		return err
	}
	return missing("model", name)
}
