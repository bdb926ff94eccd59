package tracking

import (
	"context"
	"net/http"
	"regexp"
	"strings"
	"unicode/utf8"

	"gorm.io/gorm"

	"github.com/perennial-ml/perennial/internal/db"
	"github.com/perennial-ml/perennial/internal/mlflow"
)

// workspace is the one that there is.
const workspace = "default"

func (s *Server) experimentRoutes() {
	handle(s, http.MethodPost, "experiments/create", s.createExperiment)
	handle(s, http.MethodGet, "experiments/get", s.getExperiment)
	handle(s, http.MethodGet, "experiments/get-by-name", s.getExperimentByName)
	handle(s, http.MethodPost, "experiments/search", s.searchExperiments)
	handle(s, http.MethodGet, "experiments/search", s.searchExperiments)
	handle(s, http.MethodPost, "experiments/update", s.updateExperiment)
	handle(s, http.MethodPost, "experiments/delete", s.deleteExperiment)
	handle(s, http.MethodPost, "experiments/restore", s.restoreExperiment)
	handle(s, http.MethodPost, "experiments/set-experiment-tag", s.setExperimentTag)
	handle(s, http.MethodPost, "experiments/delete-experiment-tag", s.deleteExperimentTag)
	handle(s, http.MethodPost, "experiments/search-datasets", s.searchDatasets)
}

// millis is the present time in MLflow's unit.
func (s *Server) millis() int64 { return s.now().UnixMilli() }

func (s *Server) createExperiment(ctx context.Context, in *mlflow.CreateExperiment) (*mlflow.ExperimentID, error) {
	if err := checkExperimentName("name", in.Name); err != nil {
		return nil, err
	}
	if err := checkLocation(in.ArtifactLocation); err != nil {
		return nil, err
	}
	for _, t := range in.Tags {
		if err := checkExperimentTag(t.Key, t.Value); err != nil {
			return nil, err
		}
	}
	var id string
	err := s.store.write(ctx, "tracking.createExperiment", func(tx *gorm.DB) error {
		row, made, err := createExperiment(tx, in.Name, in.ArtifactLocation, s.millis())
		if err != nil {
			return err
		}
		if !made {
			return experimentTaken(in.Name)
		}
		id = row.ExperimentID
		return experimentTags.put(tx, in.Tags, id)
	})
	return &mlflow.ExperimentID{ExperimentID: id}, err
}

func experimentTaken(name string) error {
	return mlflow.Errorf(mlflow.CodeExists, "Experiment '%s' already exists. A deleted experiment keeps its name: restore it, or take another name.", name)
}

func checkExperimentName(field, name string) error {
	if strings.TrimSpace(name) == "" || strings.ContainsRune(name, utf8.RuneError) { // which half of a surrogate pair becomes
		return mlflow.Invalid("Invalid value \"%s\" for parameter '%s' supplied: Names must be non-empty strings of whole characters.", name, field)
	}
	return checkLength(field, name, maxExperimentName)
}

func checkExperimentTag(key, value string) error {
	if err := checkKey("tag", key); err != nil {
		return err
	}
	return checkLength("value", value, maxExperimentTag)
}

// checkLocation refuses an artifact location that could lead elsewhere than it
// seems to.
func checkLocation(uri string) error {
	switch {
	case uri == "":
		return nil
	case len(uri) > maxArtifactLocation:
		return mlflow.Invalid("Invalid artifact path length. The length of the artifact path cannot be greater than %d.", maxArtifactLocation)
	case strings.ContainsAny(uri, "?#\\\x00"), strings.Contains(uri, ".."), strings.Contains(strings.ToLower(uri), "%2e"), strings.HasPrefix(uri, "runs:"):
		return mlflow.Invalid("Invalid artifact location: '%s'. It may not hold '..', '?', '#' or backslashes, nor be a runs:/ address.", uri)
	}
	return nil
}

func (s *Server) getExperiment(ctx context.Context, in *mlflow.ExperimentID) (*mlflow.ExperimentAnswer, error) {
	if in.ExperimentID == "" {
		return nil, required("experiment_id")
	}
	if err := checkExperimentIDs(in.ExperimentID); err != nil {
		return nil, err
	}
	return s.oneExperiment(ctx, "experiment_id = ?", in.ExperimentID, noExperiment(in.ExperimentID))
}

func (s *Server) getExperimentByName(ctx context.Context, in *mlflow.GetExperimentByName) (*mlflow.ExperimentAnswer, error) {
	if in.ExperimentName == "" {
		return nil, required("experiment_name")
	}
	return s.oneExperiment(ctx, "name = ?", in.ExperimentName, mlflow.Missing("Could not find experiment with name '%s'", in.ExperimentName))
}

func (s *Server) oneExperiment(ctx context.Context, where, value string, missing error) (*mlflow.ExperimentAnswer, error) {
	const op = "tracking.getExperiment"
	g := s.store.db.WithContext(ctx)
	row, found, err := db.Take[experimentRow](g.Where(where, value))
	switch {
	case err != nil:
		return nil, db.Fault(op, err)
	case !found:
		return nil, missing
	}
	list, err := wireExperiments(g, []experimentRow{row})
	if err != nil {
		return nil, db.Fault(op, err)
	}
	return &mlflow.ExperimentAnswer{Experiment: list[0]}, nil
}

var experimentIDRE = regexp.MustCompile(`^[+-]?[0-9]+$`)

// checkExperimentIDs refuses ids that no experiment can have: they are numbers.
func checkExperimentIDs(ids ...string) error {
	for _, id := range ids {
		if !experimentIDRE.MatchString(id) {
			return mlflow.Invalid("Invalid experiment ID '%s'. Experiment ID must be a valid integer.", clip(id))
		}
	}
	return nil
}

func noExperiment(id string) error { return mlflow.Missing("No Experiment with id=%s exists", id) }

// wireExperiments adds the tags to experiments.
func wireExperiments(g *gorm.DB, rows []experimentRow) ([]mlflow.Experiment, error) {
	list := make([]mlflow.Experiment, len(rows))
	at := make(map[string]*mlflow.Experiment, len(rows))
	ids := make([]string, len(rows))
	for i, r := range rows {
		list[i] = mlflow.Experiment{
			ExperimentID: r.ExperimentID, Name: r.Name, ArtifactLocation: r.ArtifactLocation, LifecycleStage: r.LifecycleStage,
			LastUpdateTime: mlflow.Int(r.LastUpdateTime), CreationTime: mlflow.Int(r.CreationTime), Workspace: workspace,
		}
		at[r.ExperimentID], ids[i] = &list[i], r.ExperimentID
	}
	for part := range chunks(ids) {
		var tags []experimentTagRow
		if err := g.Where("experiment_id IN ?", part).Order("experiment_id, key").Find(&tags).Error; err != nil {
			return nil, err
		}
		for _, t := range tags {
			e := at[t.ExperimentID]
			e.Tags = append(e.Tags, mlflow.Tag{Key: t.Key, Value: t.Value})
		}
	}
	return list, nil
}

// changeExperiment runs f on an experiment that is locked for it.
func (s *Server) changeExperiment(ctx context.Context, id string, f func(tx *gorm.DB, row experimentRow) error) (*mlflow.Void, error) {
	if id == "" {
		return nil, required("experiment_id")
	}
	if err := checkExperimentIDs(id); err != nil {
		return nil, err
	}
	return nil, s.store.write(ctx, "tracking.changeExperiment", func(tx *gorm.DB) error {
		row, found, err := db.Take[experimentRow](forUpdate(tx).Where("experiment_id = ?", id))
		switch {
		case err != nil:
			return err
		case !found:
			return noExperiment(id)
		}
		return f(tx, row)
	})
}

// setExperiment changes a column of an experiment and notes the time. Tags leave it
// alone, as in MLflow.
func (s *Server) setExperiment(tx *gorm.DB, id, column, value string) error {
	return tx.Model(&experimentRow{}).Where("experiment_id = ?", id).Updates(map[string]any{column: value, "last_update_time": s.millis()}).Error
}

// mustBeActive refuses a write to something deleted.
func mustBeActive(what, id, stage string) error {
	if stage == stageActive {
		return nil
	}
	return mlflow.Invalid("The %s %s must be in the 'active' state. Current state is %s.", what, id, stage)
}

func (s *Server) updateExperiment(ctx context.Context, in *mlflow.UpdateExperiment) (*mlflow.Void, error) {
	if in.NewName == "" {
		return nil, required("new_name")
	}
	if err := checkExperimentName("new_name", in.NewName); err != nil {
		return nil, err
	}
	return s.changeExperiment(ctx, in.ExperimentID, func(tx *gorm.DB, row experimentRow) error {
		if err := mustBeActive("experiment", row.ExperimentID, row.LifecycleStage); err != nil {
			return err
		}
		other, found, err := db.Take[experimentRow](tx.Where("name = ?", in.NewName))
		if err == nil && found && other.ExperimentID != row.ExperimentID {
			err = experimentTaken(in.NewName)
		}
		if err != nil {
			return err
		}
		return s.setExperiment(tx, row.ExperimentID, "name", in.NewName)
	})
}

// defaultExperiment always exists.
const defaultExperiment = "0"

func (s *Server) deleteExperiment(ctx context.Context, in *mlflow.ExperimentID) (*mlflow.Void, error) {
	if in.ExperimentID == defaultExperiment {
		return nil, mlflow.Invalid("Cannot delete the default experiment '0'. This is an internally reserved experiment.")
	}
	return s.moveExperiment(ctx, in.ExperimentID, stageActive, stageDeleted)
}

func (s *Server) restoreExperiment(ctx context.Context, in *mlflow.ExperimentID) (*mlflow.Void, error) {
	return s.moveExperiment(ctx, in.ExperimentID, stageDeleted, stageActive)
}

// moveExperiment takes an experiment with its runs from one lifecycle stage to the
// other. One that isn't in the first is not found, as in MLflow.
func (s *Server) moveExperiment(ctx context.Context, id, from, to string) (*mlflow.Void, error) {
	return s.changeExperiment(ctx, id, func(tx *gorm.DB, row experimentRow) error {
		if row.LifecycleStage != from {
			return noExperiment(id)
		}
		if err := s.setExperiment(tx, id, "lifecycle_stage", to); err != nil {
			return err
		}
		return tx.Model(&runRow{}).Where("experiment_id = ? AND lifecycle_stage = ?", id, from).Update("lifecycle_stage", to).Error
	})
}

func (s *Server) setExperimentTag(ctx context.Context, in *mlflow.ExperimentTag) (*mlflow.Void, error) {
	value := ""
	if in.Value != nil {
		value = *in.Value
	}
	if err := checkExperimentTag(in.Key, value); err != nil {
		return nil, err
	}
	return s.changeExperiment(ctx, in.ExperimentID, func(tx *gorm.DB, row experimentRow) error {
		if err := mustBeActive("experiment", row.ExperimentID, row.LifecycleStage); err != nil {
			return err
		}
		return experimentTags.put(tx, []mlflow.Tag{{Key: in.Key, Value: value}}, row.ExperimentID)
	})
}

func (s *Server) deleteExperimentTag(ctx context.Context, in *mlflow.ExperimentTag) (*mlflow.Void, error) {
	if in.Key == "" {
		return nil, required("key")
	}
	return s.changeExperiment(ctx, in.ExperimentID, func(tx *gorm.DB, row experimentRow) error {
		if err := mustBeActive("experiment", row.ExperimentID, row.LifecycleStage); err != nil {
			return err
		}
		gone := tx.Where("experiment_id = ? AND key = ?", row.ExperimentID, in.Key).Delete(&experimentTagRow{})
		if gone.Error == nil && gone.RowsAffected == 0 {
			return mlflow.Missing("No tag with name: %s in experiment with id %s", in.Key, row.ExperimentID)
		}
		return gone.Error
	})
}
