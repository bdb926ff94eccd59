package tracking

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"

	"gorm.io/gorm"

	"github.com/perennial-ml/perennial/internal/db"
	"github.com/perennial-ml/perennial/internal/mlflow"
)

// createVersion registers the next version of a model: its number is one more than
// any that the model ever had. The run, where none is given, is the logged model's,
// and the logged model gets a note of the version.
func (s *Store) createVersion(ctx context.Context, in *mlflow.CreateModelVersion, now int64) (mlflow.ModelVersion, error) {
	var version mlflow.ModelVersion
	err := s.write(ctx, "tracking.createVersion", func(tx *gorm.DB) error {
		if in.Name == "" {
			return mlflow.Invalid("Registered model name cannot be empty.")
		}
		from, err := resolveSource(tx, in)
		if err != nil {
			return err
		}
		if err := cmp.Or(checkDescription(in.Description), checkOwnOfVersion(ctx, tx, in.Tags, from.version)); err != nil {
			return err
		}
		model, err := lockModel(tx, in.Name)
		if err != nil {
			return err
		}
		row := versionRow{
			Name: in.Name, Version: model.NextVersion, RunID: cmp.Or(in.RunID, from.runID), Source: cmp.Or(from.named, in.Source), Status: mlflow.StatusReady,
			CreationTime: now, LastUpdatedTime: now, Description: in.Description, RunLink: in.RunLink,
			CurrentStage: mlflow.StageNone, StorageLocation: from.location, ModelID: from.modelID,
		}
		if err := tx.Create(&row).Error; err != nil {
			return err
		}
		if err := putVersionTags(tx, row, in.Tags); err != nil {
			return err
		}
		if from.modelID != "" {
			if err := noteVersion(tx, from.modelID, row.Name, row.Version); err != nil {
				return err
			}
		}
		if err := tx.Model(&modelRow{}).Where("name = ?", in.Name).Updates(map[string]any{"next_version": row.Version + 1, "last_updated_time": now}).Error; err != nil {
			return err
		}
		version, err = wireVersion(tx, row)
		return err
	})
	return version, err
}

func putVersionTags(tx *gorm.DB, v versionRow, tags []mlflow.Tag) error {
	if err := checkLongTags(tags, mlflow.MaxRegistryTag); err != nil {
		return err
	}
	return versionTags.put(tx, tags, v.Name, v.Version)
}

// findVersion reads a version's row.
func findVersion(g *gorm.DB, name, version string) (versionRow, error) {
	if name == "" {
		return versionRow{}, mlflow.Invalid("Registered model name cannot be empty.")
	}
	number, err := strconv.ParseInt(version, 10, 64)
	if err != nil {
		return versionRow{}, mlflow.Invalid("Model version must be an integer, got '%s'", clip(version))
	}
	row, found, err := db.Take[versionRow](g.Where("name = ? AND version = ?", name, number))
	if err == nil && !found {
		err = mlflow.Missing("Model Version (name=%s, version=%s) not found", clip(name), clip(version))
	}
	return row, err
}

// getVersion gives a version as MLflow shows it.
func (s *Store) getVersion(ctx context.Context, name, version string) (mlflow.ModelVersion, error) {
	g := s.db.WithContext(ctx)
	row, err := findVersion(g, name, version)
	var v mlflow.ModelVersion
	if err == nil {
		v, err = wireVersion(g, row)
	}
	return v, db.Fault("tracking.getVersion", err)
}

// changeVersion makes one change to a version. The model's row is locked, so that
// changes come one after another. Tags leave the times alone, as in MLflow.
func (s *Store) changeVersion(ctx context.Context, name, version string, change func(tx *gorm.DB, v versionRow) error) error {
	return s.write(ctx, "tracking.changeVersion", func(tx *gorm.DB) error {
		row, err := lockVersion(tx, name, version)
		if err != nil {
			return err
		}
		return change(tx, row)
	})
}

// setVersions changes a column of the versions that a query finds and notes the time,
// in ms.
func setVersions(q *gorm.DB, column, value string, now int64) error {
	return q.Model(&versionRow{}).Updates(map[string]any{column: value, "last_updated_time": now}).Error
}

// touchModel notes the time of a change, in ms.
func touchModel(tx *gorm.DB, name string, now int64) error {
	return tx.Model(&modelRow{}).Where("name = ?", name).Update("last_updated_time", now).Error
}

// lockVersion locks a version's model and reads the version.
func lockVersion(tx *gorm.DB, name, version string) (versionRow, error) {
	if _, _, err := db.Take[modelRow](forUpdate(tx).Where("name = ?", name)); err != nil {
		return versionRow{}, err
	}
	return findVersion(tx, name, version)
}

// deleteVersion removes a version with its tags and aliases. Its number is not
// given out again.
func (s *Store) deleteVersion(ctx context.Context, name, version string, now int64) error {
	return s.write(ctx, "tracking.deleteVersion", func(tx *gorm.DB) error {
		row, err := lockVersion(tx, name, version)
		if err != nil {
			return err
		}
		if err := tx.Where("name = ? AND version = ?", row.Name, row.Version).Delete(&versionRow{}).Error; err != nil {
			return err
		}
		return touchModel(tx, name, now)
	})
}

// transition moves a version to a stage; with archive, the others of that stage,
// which must be Staging or Production, are archived.
func (s *Store) transition(ctx context.Context, in *mlflow.TransitionStage, now int64) error {
	stage, err := canonicalStage(in.Stage)
	if err != nil {
		return err
	}
	if in.ArchiveExistingVersions && stage != mlflow.StageStaging && stage != mlflow.StageProduction {
		return mlflow.Invalid("Model version transition cannot archive existing model versions because '%s' is not an Active stage. Valid stages are Staging, Production", stage)
	}
	return s.changeVersion(ctx, in.Name, in.Version, func(tx *gorm.DB, v versionRow) error {
		if err := setVersions(tx.Where("name = ? AND version = ?", v.Name, v.Version), "current_stage", stage, now); err != nil {
			return err
		}
		if in.ArchiveExistingVersions {
			others := tx.Where("name = ? AND version <> ? AND current_stage = ?", v.Name, v.Version, stage)
			if err := setVersions(others, "current_stage", mlflow.StageArchived, now); err != nil {
				return err
			}
		}
		return touchModel(tx, v.Name, now)
	})
}

// canonicalStage gives a stage as MLflow spells it, whatever the case it came in.
func canonicalStage(stage string) (string, error) {
	stages := []string{mlflow.StageNone, mlflow.StageStaging, mlflow.StageProduction, mlflow.StageArchived}
	i := slices.IndexFunc(stages, func(s string) bool { return strings.EqualFold(s, stage) })
	if i < 0 {
		return "", mlflow.Invalid("Invalid Model Version stage: %s. Value must be one of %s.", clip(stage), strings.Join(stages, ", "))
	}
	return stages[i], nil
}

// downloadURI gives where a version's files lie.
func (s *Store) downloadURI(ctx context.Context, name, version string) (string, error) {
	g := s.db.WithContext(ctx)
	row, err := findVersion(g, name, version)
	if err != nil {
		return "", db.Fault("tracking.downloadURI", err)
	}
	return cmp.Or(row.StorageLocation, row.Source), nil
}

func wireVersion(g *gorm.DB, row versionRow) (mlflow.ModelVersion, error) {
	versions, err := wireVersions(g, []versionRow{row})
	if err != nil {
		return mlflow.ModelVersion{}, err
	}
	return versions[0], nil
}

// wireVersions adds tags and aliases to versions, in their order.
func wireVersions(g *gorm.DB, rows []versionRow) ([]mlflow.ModelVersion, error) {
	versions := make([]mlflow.ModelVersion, 0, len(rows))
	for part := range slices.Chunk(rows, queryIDs) {
		some, err := wireSome(g, part)
		if err != nil {
			return nil, err
		}
		versions = append(versions, some...)
	}
	return versions, nil
}

// wireSome is wireVersions for as many as one query can name.
func wireSome(g *gorm.DB, rows []versionRow) ([]mlflow.ModelVersion, error) {
	type key struct {
		name   string
		number int64
	}
	versions := make([]mlflow.ModelVersion, len(rows))
	at := make(map[key]*mlflow.ModelVersion, len(rows))
	pairs := make([]any, 0, 2*len(rows))
	for i, r := range rows {
		versions[i] = mlflow.ModelVersion{
			Name: r.Name, Version: strconv.FormatInt(r.Version, 10), CreationTimestamp: mlflow.Int(r.CreationTime), LastUpdatedTimestamp: mlflow.Int(r.LastUpdatedTime),
			CurrentStage: r.CurrentStage, Description: r.Description, Source: r.Source, RunID: r.RunID, Status: r.Status, RunLink: r.RunLink,
		}
		at[key{r.Name, r.Version}] = &versions[i]
		pairs = append(pairs, r.Name, r.Version)
	}
	const pair = ", (?, CAST(? AS BIGINT))"
	of := func(table, column string) *gorm.DB { // the pairs first, so that SQLite looks each of them up
		return g.Raw("WITH pairs (name, version) AS (VALUES "+strings.Repeat(pair, len(rows))[2:]+") SELECT x.name, x.version, "+column+
			" FROM pairs CROSS JOIN "+table+" x WHERE x.name = pairs.name AND x.version = pairs.version ORDER BY "+column, pairs...)
	}
	var tags []versionTagRow
	if err := of(versionTags.table, "x.key, x.value").Scan(&tags).Error; err != nil {
		return nil, err
	}
	for _, t := range tags {
		v := at[key{t.Name, t.Version}]
		v.Tags = append(v.Tags, mlflow.Tag{Key: t.Key, Value: t.Value})
	}
	var aliases []aliasRow
	if err := of("registered_model_aliases", "x.alias").Scan(&aliases).Error; err != nil {
		return nil, err
	}
	for _, a := range aliases {
		v := at[key{a.Name, a.Version}]
		v.Aliases = append(v.Aliases, a.Alias)
	}
	return versions, nil
}
