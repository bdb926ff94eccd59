package tracking

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/db"
	"github.com/perennial-ml/perennial/internal/mlflow"
)

func (s *Server) runRoutes() {
	handle(s, http.MethodPost, "runs/create", s.createRun)
	handle(s, http.MethodGet, "runs/get", s.getRun)
	handle(s, http.MethodPost, "runs/update", s.updateRun)
	handle(s, http.MethodPost, "runs/delete", s.deleteRun)
	handle(s, http.MethodPost, "runs/restore", s.restoreRun)
	handle(s, http.MethodPost, "runs/search", s.searchRuns)
	handle(s, http.MethodPost, "runs/log-metric", s.logMetric)
	handle(s, http.MethodPost, "runs/log-parameter", s.logParam)
	handle(s, http.MethodPost, "runs/set-tag", s.setTag)
	handle(s, http.MethodPost, "runs/delete-tag", s.deleteTag)
	handle(s, http.MethodPost, "runs/log-batch", s.logBatch)
	handle(s, http.MethodPost, "runs/log-model", s.logModel)
	handle(s, http.MethodPost, "runs/log-inputs", s.logInputs)
	handle(s, http.MethodPost, "runs/outputs", s.logOutputs)
	handle(s, http.MethodGet, "metrics/get-history", s.history)
	handle(s, http.MethodGet, "metrics/get-history-bulk", s.historyBulk)
	handle(s, http.MethodGet, "metrics/get-history-bulk-interval", s.historyInterval)
}

// createRun makes a run. With the tag perennial.op, which says what the run is for,
// it gives the run that was made for it before: a create can be sent twice.
func (s *Server) createRun(ctx context.Context, in *createRun) (*mlflow.RunAnswer, error) {
	if err := checkTags(in.Tags); err != nil {
		return nil, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return nil, perennial.Wrap("tracking.createRun", err)
	}
	row, tags, err := in.rows(strings.ReplaceAll(id.String(), "-", ""), s.millis())
	if err != nil {
		return nil, err
	}
	answer := &mlflow.RunAnswer{}
	err = s.store.write(ctx, "tracking.createRun", func(tx *gorm.DB) error {
		e, err := activeExperiment(tx, row.ExperimentID)
		if err != nil {
			return err
		}
		row.ArtifactURI = e.ArtifactLocation + "/" + row.RunID + "/artifacts"
		made, err := insertRun(tx, row)
		if err != nil {
			return err
		}
		if made {
			answer.Run = row.wire()
			answer.Run.Data.Tags = tags
			return runTags.put(tx, tags, row.RunID)
		}
		earlier, found, err := db.Take[runRow](tx.Where("op = ?", *row.Op))
		if err == nil && (!found || earlier.ExperimentID != row.ExperimentID) {
			err = mlflow.Invalid("%s %s was used for a run of another experiment.", perennial.TagOp, *row.Op)
		}
		if err != nil {
			return err
		}
		answer.Run, err = wireRun(tx, earlier)
		return err
	})
	return answer, err
}

// createRun is mlflow.CreateRun as it is read.
type createRun struct {
	mlflow.CreateRun

	StartTime *mlflow.Int `json:"start_time"` // nil: now
}

// rows gives the run's row and its tags.
func (in *createRun) rows(id string, now int64) (runRow, []mlflow.Tag, error) {
	row := runRow{
		RunID: id, ExperimentID: in.ExperimentID, Name: in.RunName, UserID: in.UserID,
		Status: string(perennial.RunRunning), StartTime: now, LifecycleStage: stageActive,
	}
	if row.ExperimentID == "" {
		return row, nil, required("experiment_id")
	}
	if in.StartTime != nil {
		row.StartTime = int64(*in.StartTime)
	}
	tags := lastOfEach(in.Tags)
	named := false
	for i, t := range tags {
		switch t.Key {
		case perennial.TagRunName:
			if in.RunName != "" && in.RunName != t.Value {
				return row, nil, mlflow.Invalid("Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different values (run_name='%s', mlflow.runName='%s').", in.RunName, t.Value)
			}
			if row.Name = t.Value; row.Name == "" {
				row.Name = inventName(id)
				tags[i].Value = row.Name
			}
			named = true
		case perennial.TagOp:
			row.Op = &tags[i].Value
		}
	}
	if row.Name == "" {
		row.Name = inventName(id)
	}
	if row.Name = mlflow.Truncate(row.Name, mlflow.MaxTag); !named {
		tags = append(tags, mlflow.Tag{Key: perennial.TagRunName, Value: row.Name})
	}
	return row, tags, nil
}

// insertRun reports false where another run has the op.
func insertRun(tx *gorm.DB, r runRow) (made bool, err error) {
	done := tx.Exec(keep+`INSERT INTO runs (run_id, experiment_id, name, user_id, status, start_time, end_time, artifact_uri, lifecycle_stage, op)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (op) DO NOTHING`,
		r.RunID, r.ExperimentID, r.Name, r.UserID, r.Status, r.StartTime, r.EndTime, r.ArtifactURI, r.LifecycleStage, r.Op)
	return done.RowsAffected == 1, done.Error
}

func (s *Server) getRun(ctx context.Context, in *mlflow.RunRef) (*mlflow.RunAnswer, error) {
	const op = "tracking.getRun"
	if in.ID() == "" {
		return nil, required("run_id")
	}
	g := s.store.db.WithContext(ctx)
	row, err := findRun(g, in.ID())
	if err != nil {
		return nil, db.Fault(op, err)
	}
	run, err := wireRun(g, row)
	return &mlflow.RunAnswer{Run: run}, db.Fault(op, err)
}

// findRun reads the row of a run, deleted or not.
func findRun(g *gorm.DB, id string) (runRow, error) { return readRun(g, id, "") }

// lockRun reads the row of a run that a transaction changes.
func lockRun(tx *gorm.DB, id string) (runRow, error) {
	if tx.Name() == "postgres" {
		return readRun(tx, id, " FOR UPDATE")
	}
	return readRun(tx, id, "") // the transaction is the only one that writes
}

func readRun(g *gorm.DB, id, lock string) (runRow, error) {
	var r runRow
	err := g.Raw(keep+"SELECT "+runColumns+" FROM runs r WHERE r.run_id = ?"+lock, id).Row().
		Scan(&r.RunID, &r.ExperimentID, &r.Name, &r.UserID, &r.Status, &r.StartTime, &r.EndTime, &r.ArtifactURI, &r.LifecycleStage)
	if errors.Is(err, sql.ErrNoRows) {
		err = mlflow.Missing("Run with id=%s not found", id)
	}
	return r, err
}

// changeRun runs f on an active run that is locked for it.
func (s *Server) changeRun(ctx context.Context, ref mlflow.RunRef, f func(tx *gorm.DB, row *runRow) error) (*mlflow.Void, error) {
	if ref.ID() == "" {
		return nil, required("run_id")
	}
	return nil, s.store.write(ctx, "tracking.changeRun", func(tx *gorm.DB) error {
		row, err := lockRun(tx, ref.ID())
		if err != nil {
			return err
		}
		if err := mustBeActive("run", row.RunID, row.LifecycleStage); err != nil {
			return err
		}
		return f(tx, &row)
	})
}

func (s *Server) updateRun(ctx context.Context, in *mlflow.UpdateRun) (*mlflow.RunInfoAnswer, error) {
	switch perennial.RunStatus(in.Status) {
	case "", perennial.RunRunning, perennial.RunScheduled, perennial.RunFinished, perennial.RunFailed, perennial.RunKilled:
	default:
		return nil, mlflow.Invalid("Invalid value \"%s\" for parameter 'status' supplied: it is one of RUNNING, SCHEDULED, FINISHED, FAILED, KILLED.", in.Status)
	}
	answer := &mlflow.RunInfoAnswer{}
	_, err := s.changeRun(ctx, in.RunRef, func(tx *gorm.DB, row *runRow) error {
		if in.Status != "" {
			row.Status = in.Status
		}
		if in.EndTime != nil {
			end := int64(*in.EndTime)
			row.EndTime = &end
		}
		if in.RunName != "" {
			row.Name = mlflow.Truncate(in.RunName, mlflow.MaxTag)
			if err := runTags.put(tx, []mlflow.Tag{{Key: perennial.TagRunName, Value: row.Name}}, row.RunID); err != nil {
				return err
			}
		}
		answer.RunInfo = row.wire().Info
		return tx.Exec(keep+"UPDATE runs SET name = ?, status = ?, end_time = ? WHERE run_id = ?", row.Name, row.Status, row.EndTime, row.RunID).Error
	})
	return answer, err
}

func (s *Server) deleteRun(ctx context.Context, in *mlflow.RunRef) (*mlflow.Void, error) {
	return s.moveRun(ctx, in.ID(), stageDeleted)
}

func (s *Server) restoreRun(ctx context.Context, in *mlflow.RunRef) (*mlflow.Void, error) {
	return s.moveRun(ctx, in.ID(), stageActive)
}

func (s *Server) moveRun(ctx context.Context, id, stage string) (*mlflow.Void, error) {
	if id == "" {
		return nil, required("run_id")
	}
	return nil, s.store.write(ctx, "tracking.moveRun", func(tx *gorm.DB) error {
		if _, err := lockRun(tx, id); err != nil {
			return err
		}
		return tx.Model(&runRow{}).Where("run_id = ?", id).Update("lifecycle_stage", stage).Error
	})
}

func (s *Server) setTag(ctx context.Context, in *mlflow.SetTag) (*mlflow.Void, error) {
	tags := []mlflow.Tag{{Key: in.Key}}
	if in.Value != nil {
		tags[0].Value = *in.Value
	}
	if err := checkTags(tags); err != nil {
		return nil, err
	}
	return s.changeRun(ctx, in.RunRef, func(tx *gorm.DB, row *runRow) error {
		if err := checkOwnOfRun(ctx, tx, row.RunID, in.Key); err != nil {
			return err
		}
		return setTags(tx, row, tags)
	})
}

// setTags sets tags of a run; the tag mlflow.runName renames it.
func setTags(tx *gorm.DB, row *runRow, tags []mlflow.Tag) error {
	if err := runTags.put(tx, tags, row.RunID); err != nil {
		return err
	}
	for _, t := range lastOfEach(tags) {
		if t.Key == perennial.TagRunName && t.Value != "" {
			return tx.Model(&runRow{}).Where("run_id = ?", row.RunID).Update("name", t.Value).Error
		}
	}
	return nil
}

func (s *Server) deleteTag(ctx context.Context, in *mlflow.DeleteTag) (*mlflow.Void, error) {
	if in.Key == "" {
		return nil, required("key")
	}
	return s.changeRun(ctx, in.RunRef, func(tx *gorm.DB, row *runRow) error {
		if err := checkOwnOfRun(ctx, tx, row.RunID, in.Key); err != nil {
			return err
		}
		gone := tx.Where("run_id = ? AND key = ?", row.RunID, in.Key).Delete(&tagRow{})
		if gone.Error == nil && gone.RowsAffected == 0 {
			return mlflow.Missing("No tag with name: %s in run with id %s", in.Key, row.RunID)
		}
		return gone.Error
	})
}

func (s *Server) logParam(ctx context.Context, in *mlflow.LogParam) (*mlflow.Void, error) {
	if err := checkKey("param", in.Key); err != nil {
		return nil, err
	}
	value := mlflow.Truncate(in.Value, mlflow.MaxParam)
	return s.changeRun(ctx, in.RunRef, func(tx *gorm.DB, row *runRow) error {
		changed, err := runParams.once(tx, []mlflow.Tag{{Key: in.Key, Value: value}}, row.RunID)
		if err == nil && len(changed) > 0 {
			err = mlflow.Invalid("Changing param values is not allowed. Param with key='%s' was already logged with value='%s' for run ID='%s'. Attempted logging new value '%s'.", in.Key, changed[0].Value, row.RunID, value)
		}
		return err
	})
}

// tagModelHistory lists, as JSON, the models that MLflow 2 logged to a run.
const tagModelHistory = "mlflow.log-model.history"

func (s *Server) logModel(ctx context.Context, in *mlflow.LogModel) (*mlflow.Void, error) {
	if in.ModelJSON == "" {
		return nil, required("model_json")
	}
	var model map[string]json.RawMessage
	if err := json.Unmarshal([]byte(in.ModelJSON), &model); err != nil {
		return nil, mlflow.Invalid("Malformed model info. It is not a valid JSON object: %v", err)
	}
	entry := map[string]json.RawMessage{}
	for _, field := range []string{"artifact_path", "flavors", "utc_time_created", "run_id"} {
		value, ok := model[field]
		if !ok {
			return nil, mlflow.Invalid("Model json is missing mandatory fields: {'%s'}", field)
		}
		entry[field] = value
	}
	if id, ok := model["model_uuid"]; ok {
		entry["model_uuid"] = id
	}
	return s.changeRun(ctx, in.RunRef, func(tx *gorm.DB, row *runRow) error {
		tag, _, err := db.Take[tagRow](tx.Where("run_id = ? AND key = ?", row.RunID, tagModelHistory))
		if err != nil {
			return err
		}
		var history []json.RawMessage
		if tag.Value != "" && json.Unmarshal([]byte(tag.Value), &history) != nil {
			return mlflow.Invalid("The run's tag %s is no JSON list; delete it first.", tagModelHistory)
		}
		b, err := json.Marshal(entry)
		if err == nil {
			b, err = json.Marshal(append(history, b))
		}
		if err != nil {
			return err
		}
		return runTags.put(tx, []mlflow.Tag{{Key: tagModelHistory, Value: string(b)}}, row.RunID)
	})
}
