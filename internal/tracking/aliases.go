package tracking

import (
	"context"
	"regexp"
	"strings"

	"gorm.io/gorm"

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

// checkAlias refuses what MLflow doesn't take for a new alias: what could be read as
// a version, or as its own word.
func checkAlias(alias string) error {
	switch {
	case strings.EqualFold(alias, aliasLatest):
		return mlflow.Invalid("'latest' alias name (case insensitive) is reserved.")
	case aliasReservedRE.MatchString(alias):
		return mlflow.Invalid("Version alias name '%s' is reserved.", clip(alias))
	}
	return checkAliasName(alias)
}

// checkAliasName refuses what can't be the name of any alias.
func checkAliasName(alias string) error {
	switch {
	case alias == "":
		return mlflow.Invalid("Registered model alias name cannot be empty.")
	case !wordsAnd("_-", alias):
		return mlflow.Invalid("Invalid alias name: '%s'. Names may only contain alphanumerics, underscores (_), and dashes (-).", clip(alias))
	case tooLong(alias, maxAlias):
		return mlflow.Invalid("Registered model alias name '%s' is longer than %d characters.", clip(alias), maxAlias)
	}
	return nil
}

// aliasLatest is the alias, in whatever case, of a model's newest version: nobody can
// set it.
const aliasLatest = "latest"

// byAlias gives the version that an alias points at. In MLflow's way an alias that
// isn't there is an invalid value.
func (s *Store) byAlias(ctx context.Context, name, alias string) (mlflow.ModelVersion, error) {
	const op = "tracking.byAlias"
	g := s.db.WithContext(ctx)
	row, found, err := aliased(g, name, alias)
	switch {
	case err != nil:
		return mlflow.ModelVersion{}, db.Fault(op, err)
	case !found && strings.EqualFold(alias, aliasLatest):
		return mlflow.ModelVersion{}, mlflow.Missing("Latest version not found for model %s.", clip(name))
	case !found:
		return mlflow.ModelVersion{}, mlflow.Invalid("Registered model alias %s not found.", clip(alias))
	}
	v, err := wireVersion(g, row)
	return v, db.Fault(op, err)
}

// aliased gives the row of the version that an alias points at.
func aliased(g *gorm.DB, name, alias string) (row versionRow, found bool, err error) {
	if strings.EqualFold(alias, aliasLatest) {
		return db.Take[versionRow](g.Where("name = ?", name).Order("version DESC"))
	}
	at := g.Model(&aliasRow{}).Select("version").Where("name = ? AND alias = ?", name, alias)
	return db.Take[versionRow](g.Where("name = ? AND version = (?)", name, at))
}

// deleteAlias removes an alias; one that isn't there is no error.
func (s *Store) deleteAlias(ctx context.Context, name, alias string) error {
	err := s.db.WithContext(ctx).Where("name = ? AND alias = ?", name, alias).Delete(&aliasRow{}).Error
	return db.Fault("tracking.deleteAlias", err)
}

// versionsOf lists the versions that were made of a run or a logged model.
func (s *Store) versionsOf(ctx context.Context, owner string) ([]versionRow, error) {
	var rows []versionRow
	err := s.db.WithContext(ctx).Where("run_id = ? OR model_id = ?", owner, owner).Find(&rows).Error
	return rows, db.Fault("tracking.versionsOf", err)
}
