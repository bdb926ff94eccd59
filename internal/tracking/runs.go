package tracking

import (
	"context"
	"slices"
	"strings"

	"github.com/google/uuid"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/db"
)

type runRow struct {
	RunID          string `gorm:"primaryKey"`
	ExperimentID   string
	Name           string
	UserID         string
	Status         string
	StartTime      int64
	EndTime        *int64
	ArtifactURI    string
	LifecycleStage string
	Op             *string
}

func (runRow) TableName() string { return "runs" }

// RunSpec says what run to create.
type RunSpec struct {
	ExperimentID string
	Name         string // "": the tag mlflow.runName, else an invented one
	User         string
	StartedAt    int64           // ms
	Op           string          // one-time id; a second create with it gives the first run back; "": none
	ParentRunID  string          // "": none
	Tags         []perennial.Tag // a later value of a key wins
}

// CreateRun creates a run in state RUNNING. Name, user, parent and op are
// mirrored in their tags. With an Op that was used before, in this process or any
// other, it gives that run as it is now and changes nothing.
//
// Errors: not_found for the experiment, precondition where it is deleted,
// conflict where the op was used in another experiment.
func (s *Store) CreateRun(ctx context.Context, spec RunSpec) (perennial.Run, error) {
	const op = "tracking.CreateRun"
	id, err := uuid.NewV7()
	if err != nil {
		return perennial.Run{}, perennial.Wrap(op, err)
	}
	row, tags := spec.rows(strings.ReplaceAll(id.String(), "-", ""))
	var run perennial.Run
	err = s.write(ctx, op, func(tx *gorm.DB) error {
		experiment, found, err := db.Take[experimentRow](tx.Where("experiment_id = ?", spec.ExperimentID))
		switch {
		case err != nil:
			return err
		case !found:
			return missing("experiment", spec.ExperimentID)
		case experiment.LifecycleStage != stageActive:
			return deleted("experiment", experiment.Name)
		}
		row.ArtifactURI = experiment.ArtifactLocation + "/" + row.RunID + "/artifacts"
		created := tx.Clauses(clause.OnConflict{Columns: []clause.Column{{Name: "op"}}, DoNothing: true}).Create(&row)
		if created.Error != nil {
			return created.Error
		}
		if created.RowsAffected == 0 {
			return earlierRun(tx, spec, &run)
		}
		if err := putTags(tx, row.RunID, tags); err != nil {
			return err
		}
		runs, err := hydrate(tx, []runRow{row})
		run = runs[0]
		return err
	})
	return run, err
}

// rows gives the run's row and its tags.
func (spec RunSpec) rows(id string) (runRow, []perennial.Tag) {
	tags := slices.Clone(spec.Tags)
	row := runRow{
		RunID: id, ExperimentID: spec.ExperimentID, Name: spec.Name, UserID: spec.User,
		Status: string(perennial.RunRunning), StartTime: spec.StartedAt, LifecycleStage: stageActive,
	}
	if row.Name == "" {
		row.Name = (&perennial.Run{Tags: tags}).Tag(perennial.TagRunName)
	}
	if row.Name == "" {
		row.Name = inventName(id)
	}
	if spec.Op != "" {
		row.Op = &spec.Op
	}
	for _, t := range []perennial.Tag{
		{Key: perennial.TagRunName, Value: row.Name}, {Key: perennial.TagUser, Value: spec.User},
		{Key: perennial.TagParentRun, Value: spec.ParentRunID}, {Key: perennial.TagOp, Value: spec.Op},
	} {
		if t.Value != "" {
			tags = append(tags, t)
		}
	}
	return row, tags
}

// earlierRun gives the run that was created under the same op.
func earlierRun(tx *gorm.DB, spec RunSpec, run *perennial.Run) error {
	row, found, err := db.Take[runRow](tx.Where("op = ?", spec.Op))
	switch {
	case err != nil:
		return err
	case !found:
		return missing("run with op", spec.Op)
	case row.ExperimentID != spec.ExperimentID:
		return perennial.Errorf(perennial.CodeConflict, "", "op %s was used for run %s of another experiment", spec.Op, row.RunID)
	}
	runs, err := hydrate(tx, []runRow{row})
	*run = runs[0]
	return err
}

// UpdateRun sets a run's state and, where endedAt (ms) isn't 0, its end.
func (s *Store) UpdateRun(ctx context.Context, id string, status perennial.RunStatus, endedAt int64) error {
	const op = "tracking.UpdateRun"
	return s.write(ctx, op, func(tx *gorm.DB) error {
		switch status {
		case perennial.RunRunning, perennial.RunScheduled, perennial.RunFinished, perennial.RunFailed, perennial.RunKilled:
		default:
			return invalid("%q is no run status", status)
		}
		if _, err := activeRun(tx, id); err != nil {
			return err
		}
		set := map[string]any{"status": string(status)}
		if endedAt != 0 {
			set["end_time"] = endedAt
		}
		return tx.Model(&runRow{}).Where("run_id = ?", id).Updates(set).Error
	})
}

// GetRun gives a run, deleted or not, with its params, latest metrics, tags and
// inputs, each sorted by key.
func (s *Store) GetRun(ctx context.Context, id string) (perennial.Run, error) {
	const op = "tracking.GetRun"
	g := s.db.WithContext(ctx)
	row, found, err := db.Take[runRow](g.Where("run_id = ?", id))
	if err == nil && !found {
		err = missing("run", id)
	}
	if err != nil {
		return perennial.Run{}, db.Fault(op, err)
	}
	runs, err := hydrate(g, []runRow{row})
	return runs[0], db.Fault(op, err)
}

// activeRun locks a run for a change and refuses a deleted one.
func activeRun(tx *gorm.DB, id string) (runRow, error) {
	row, found, err := db.Take[runRow](forUpdate(tx).Where("run_id = ?", id))
	switch {
	case err != nil:
		return row, err
	case !found:
		return row, missing("run", id)
	case row.LifecycleStage != stageActive:
		return row, deleted("run", id)
	}
	return row, nil
}
