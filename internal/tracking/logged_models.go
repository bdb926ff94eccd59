package tracking

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"github.com/perennial-ml/perennial/internal/db"
	"github.com/perennial-ml/perennial/internal/mlflow"
)

type loggedModelRow struct {
	ModelID         string `gorm:"primaryKey"`
	ExperimentID    string
	Name            string
	ArtifactURI     string
	ModelType       string
	SourceRunID     string
	Status          string
	LifecycleStage  string
	CreationTime    int64
	LastUpdatedTime int64
}

func (loggedModelRow) TableName() string { return "logged_models" }

type loggedParamRow struct {
	ModelID string `gorm:"primaryKey"`
	Key     string `gorm:"primaryKey"`
	Value   string
}

func (loggedParamRow) TableName() string { return "logged_model_params" }

type loggedTagRow struct {
	ModelID string `gorm:"primaryKey"`
	Key     string `gorm:"primaryKey"`
	Value   string
}

func (loggedTagRow) TableName() string { return "logged_model_tags" }

type loggedMetricRow struct {
	ModelID       string `gorm:"primaryKey"`
	Key           string `gorm:"primaryKey"`
	Timestamp     int64  `gorm:"primaryKey;autoIncrement:false"`
	Step          int64  `gorm:"primaryKey;autoIncrement:false"`
	RunID         string `gorm:"primaryKey"`
	Value         float64
	IsNan         bool
	DatasetName   string
	DatasetDigest string
}

func (loggedMetricRow) TableName() string { return "logged_model_metrics" }

// createLoggedModel makes a logged model in state PENDING; now in ms. Without a
// name it gets one that can be said.
func (s *Store) createLoggedModel(ctx context.Context, in *mlflow.CreateLoggedModel, now int64) (mlflow.LoggedModel, error) {
	const op = "tracking.createLoggedModel"
	id := "m-" + strings.ReplaceAll(uuid.NewString(), "-", "")
	row := loggedModelRow{
		ModelID: id, ExperimentID: in.ExperimentID, Name: in.Name, ModelType: in.ModelType, SourceRunID: in.SourceRunID,
		Status: mlflow.LoggedModelPending, LifecycleStage: stageActive, CreationTime: now, LastUpdatedTime: now,
	}
	if row.ExperimentID == "" {
		row.ExperimentID = defaultExperiment
	}
	if row.Name == "" {
		row.Name = inventName(id)
	}
	var model mlflow.LoggedModel
	err := s.write(ctx, op, func(tx *gorm.DB) error {
		if err := loggedModelName(row.Name); err != nil {
			return err
		}
		experiment, err := activeExperiment(tx, row.ExperimentID)
		if err != nil {
			return err
		}
		row.ArtifactURI = strings.TrimSuffix(experiment.ArtifactLocation, "/") + "/models/" + id + "/artifacts"
		if err := tx.Create(&row).Error; err != nil {
			return err
		}
		if err := putLoggedParams(tx, id, in.Params); err != nil {
			return err
		}
		if err := putLoggedTags(tx, id, in.Tags); err != nil {
			return err
		}
		model, err = oneLoggedModel(tx, row)
		return err
	})
	return model, err
}

// activeExperiment gives an experiment that takes changes.
func activeExperiment(tx *gorm.DB, id string) (experimentRow, error) {
	if err := checkExperimentIDs(id); err != nil {
		return experimentRow{}, err
	}
	row, found, err := db.Take[experimentRow](tx.Where("experiment_id = ?", id))
	switch {
	case err != nil:
		return row, err
	case !found:
		return row, noExperiment(id)
	}
	return row, mustBeActive("experiment", id, row.LifecycleStage)
}

// loggedModelName refuses what couldn't stand in an address.
func loggedModelName(name string) error {
	if len(name) > 500 || strings.ContainsAny(name, `/:.%"'`) {
		return mlflow.Invalid("Invalid model name (%q) provided. Model name must be a non-empty string of at most 500 bytes and cannot contain the following characters: ('/', ':', '.', '%%', '\"', \"'\")", clip(name))
	}
	return nil
}

// putLoggedParams writes parameters once: another value for a key is refused.
func putLoggedParams(tx *gorm.DB, id string, params []mlflow.Tag) error {
	for i, p := range params {
		if err := checkKey("param", p.Key); err != nil {
			return err
		}
		params[i].Value = mlflow.Truncate(p.Value, mlflow.MaxParam)
	}
	changed, err := loggedParams.once(tx, params, id)
	if err == nil && len(changed) > 0 {
		err = mlflow.Invalid("Changing param values is not allowed. Param with key='%s' was already logged with value='%s' for logged model '%s'", changed[0].Key, clip(changed[0].Value), id)
	}
	return err
}

func putLoggedTags(tx *gorm.DB, id string, tags []mlflow.Tag) error {
	if err := checkLongTags(tags, mlflow.MaxTag); err != nil {
		return err
	}
	return loggedTags.put(tx, tags, id)
}

// findLoggedModel reads a logged model's row, a deleted one's too.
func findLoggedModel(g *gorm.DB, id string) (loggedModelRow, error) {
	row, found, err := db.Take[loggedModelRow](g.Where("model_id = ?", id))
	if err == nil && !found {
		err = noLoggedModel(id)
	}
	return row, err
}

// lockLoggedModel locks a logged model for a change, in MLflow's way a deleted one too.
func lockLoggedModel(tx *gorm.DB, id string) (loggedModelRow, error) {
	return findLoggedModel(forUpdate(tx), id)
}

// modelURI gives where a logged model's files are said to lie, deleted ones' too.
func (s *Store) modelURI(ctx context.Context, id string) (string, error) {
	row, err := findLoggedModel(s.db.WithContext(ctx), id)
	return row.ArtifactURI, db.Fault("tracking.modelURI", err)
}

func noLoggedModel(id string) error {
	return mlflow.Missing("Logged model with ID '%s' not found.", clip(id))
}

// getLoggedModel gives a logged model; a deleted one only where that is asked for.
func (s *Store) getLoggedModel(ctx context.Context, id string, andDeleted bool) (mlflow.LoggedModel, error) {
	const op = "tracking.getLoggedModel"
	g := s.db.WithContext(ctx)
	row, err := findLoggedModel(g, id)
	if err == nil && row.LifecycleStage != stageActive && !andDeleted {
		err = noLoggedModel(id)
	}
	if err != nil {
		return mlflow.LoggedModel{}, db.Fault(op, err)
	}
	model, err := oneLoggedModel(g, row)
	return model, db.Fault(op, err)
}

// changeLoggedModel makes one change to a logged model that is locked for it.
func (s *Store) changeLoggedModel(ctx context.Context, id string, change func(tx *gorm.DB) error) error {
	return s.write(ctx, "tracking.changeLoggedModel", func(tx *gorm.DB) error {
		if _, err := lockLoggedModel(tx, id); err != nil {
			return err
		}
		return change(tx)
	})
}

// setLoggedModel changes a column of a logged model and notes the time, in ms. Tags
// and params leave it alone, as in MLflow.
func setLoggedModel(tx *gorm.DB, id, column, value string, now int64) error {
	return tx.Model(&loggedModelRow{}).Where("model_id = ?", id).Updates(map[string]any{column: value, "last_updated_time": now}).Error
}

func oneLoggedModel(g *gorm.DB, row loggedModelRow) (mlflow.LoggedModel, error) {
	models, err := readLoggedModels(g, []loggedModelRow{row})
	if err != nil {
		return mlflow.LoggedModel{}, err
	}
	return models[0], nil
}

// readLoggedModels adds parameters, tags and metrics to logged models, in their
// order.
func readLoggedModels(g *gorm.DB, rows []loggedModelRow) ([]mlflow.LoggedModel, error) {
	models := make([]mlflow.LoggedModel, len(rows))
	at := make(map[string]*mlflow.LoggedModel, len(rows))
	ids := make([]string, len(rows))
	for i, r := range rows {
		models[i].Info = mlflow.LoggedModelInfo{
			ModelID: r.ModelID, ExperimentID: r.ExperimentID, Name: r.Name, ArtifactURI: r.ArtifactURI, Status: r.Status,
			ModelType: r.ModelType, SourceRunID: r.SourceRunID,
			CreationTimestampMS: mlflow.Int(r.CreationTime), LastUpdatedTimestampMS: mlflow.Int(r.LastUpdatedTime),
		}
		at[r.ModelID], ids[i] = &models[i], r.ModelID
	}
	if len(rows) == 0 {
		return models, nil
	}
	var params []loggedParamRow
	if err := g.Where("model_id IN ?", ids).Order("model_id, key").Find(&params).Error; err != nil {
		return nil, err
	}
	for _, p := range params {
		data := &at[p.ModelID].Data
		data.Params = append(data.Params, mlflow.Tag{Key: p.Key, Value: p.Value})
	}
	var tags []loggedTagRow
	if err := g.Where("model_id IN ?", ids).Order("model_id, key").Find(&tags).Error; err != nil {
		return nil, err
	}
	for _, t := range tags {
		info := &at[t.ModelID].Info
		info.Tags = append(info.Tags, mlflow.Tag{Key: t.Key, Value: t.Value})
	}
	var metrics []loggedMetricRow
	if err := g.Where("model_id IN ?", ids).Order("model_id, key, timestamp, step, run_id").Find(&metrics).Error; err != nil {
		return nil, err
	}
	for _, m := range metrics {
		data := &at[m.ModelID].Data
		data.Metrics = append(data.Metrics, m.metric())
	}
	return models, nil
}

func (r loggedMetricRow) metric() mlflow.Metric {
	return mlflow.Metric{
		Key: r.Key, Value: number(r.Value, r.IsNan), Timestamp: mlflow.Int(r.Timestamp), Step: mlflow.Int(r.Step),
		ModelID: r.ModelID, RunID: r.RunID, DatasetName: r.DatasetName, DatasetDigest: r.DatasetDigest,
	}
}

// noteVersion adds a registered version to the list that a logged model, which the
// transaction has locked, keeps in a tag of its own. A tag that is no such list begins anew.
func noteVersion(tx *gorm.DB, modelID, name string, version int64) error {
	tag, _, err := db.Take[loggedTagRow](tx.Where("model_id = ? AND key = ?", modelID, mlflow.TagModelVersions))
	if err != nil {
		return err
	}
	var all []any
	_ = json.Unmarshal([]byte(tag.Value), &all) // what is no list begins anew
	list, err := json.Marshal(append(all, map[string]any{"name": name, "version": version}))
	if err != nil {
		return err
	}
	if err := loggedTags.put(tx, []mlflow.Tag{{Key: mlflow.TagModelVersions, Value: string(list)}}, modelID); err != nil {
		return fmt.Errorf("note version %d of %s: %w", version, name, err)
	}
	return nil
}
