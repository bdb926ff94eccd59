package tracking

import (
	"context"
	"regexp"
	"strconv"
	"strings"

	"github.com/perennial-ml/perennial/internal/db"
	"github.com/perennial-ml/perennial/internal/mlflow"
)

type aliasRow struct {
	Name    string `gorm:"primaryKey"`
	Alias   string `gorm:"primaryKey"`
	Version int64
}

func (aliasRow) TableName() string { return "registered_model_aliases" }

var aliasReservedRE = regexp.MustCompile(`^[vV]\d+$`)

// maxAlias is how many characters an alias may have.
const maxAlias = 255

// checkAlias refuses what MLflow doesn't take for an alias: what could be read as a
// version, or as its own word.
func checkAlias(alias string) error {
	switch {
	case alias == "":
		return mlflow.Invalid("Registered model alias name cannot be empty.")
	case !wordsAnd("_-", alias):
		return mlflow.Invalid("Invalid alias name: '%s'. Names may only contain alphanumerics, underscores (_), and dashes (-).", clip(alias))
	case tooLong(alias, maxAlias):
		return mlflow.Invalid("Registered model alias name '%s' is longer than %d characters.", clip(alias), maxAlias)
	case strings.EqualFold(alias, "latest"):
		return mlflow.Invalid("'latest' alias name (case insensitive) is reserved.")
	case aliasReservedRE.MatchString(alias):
		return mlflow.Invalid("Version alias name '%s' is reserved.", clip(alias))
	}
	return nil
}

// byAlias gives the version that an alias points at. In MLflow's way an alias that
// isn't there is an invalid value.
func (s *Store) byAlias(ctx context.Context, name, alias string) (mlflow.ModelVersion, error) {
	const op = "tracking.byAlias"
	row, found, err := db.Take[aliasRow](s.db.WithContext(ctx).Where("name = ? AND alias = ?", name, alias))
	switch {
	case err != nil:
		return mlflow.ModelVersion{}, db.Fault(op, err)
	case !found:
		return mlflow.ModelVersion{}, mlflow.Invalid("Registered model alias %s not found.", clip(alias))
	}
	return s.getVersion(ctx, name, strconv.FormatInt(row.Version, 10))
}

// deleteAlias removes an alias; one that isn't there is no error.
func (s *Store) deleteAlias(ctx context.Context, name, alias string) error {
	err := s.db.WithContext(ctx).Where("name = ? AND alias = ?", name, alias).Delete(&aliasRow{}).Error
	return db.Fault("tracking.deleteAlias", err)
}

// versionsOf lists the versions that were made of a run or a logged model.
func (s *Store) versionsOf(ctx context.Context, owner string) ([]mlflow.VersionName, error) {
	var rows []versionRow
	err := s.db.WithContext(ctx).Where("run_id = ? OR model_id = ?", owner, owner).Find(&rows).Error
	names := make([]mlflow.VersionName, len(rows))
	for i, r := range rows {
		names[i] = mlflow.VersionName{Name: r.Name, Version: strconv.FormatInt(r.Version, 10)}
	}
	return names, db.Fault("tracking.versionsOf", err)
}
