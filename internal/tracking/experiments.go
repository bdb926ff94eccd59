package tracking

import (
	"cmp"
	"context"
	"strconv"

	"gorm.io/gorm"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/db"
)

type experimentRow struct {
	ExperimentID     string `gorm:"primaryKey"`
	Name             string
	ArtifactLocation string
	LifecycleStage   string
	CreationTime     int64
	LastUpdateTime   int64
}

func (experimentRow) TableName() string { return "experiments" }

type experimentTagRow struct {
	ExperimentID string `gorm:"primaryKey"`
	Key          string `gorm:"primaryKey"`
	Value        string
}

func (experimentTagRow) TableName() string { return "experiment_tags" }

// EnsureExperiment gives the experiment of a name and creates it where there is
// none; now, in milliseconds, becomes its creation time, and the greatest id plus
// one its id. A deleted experiment keeps its name: precondition.
func (s *Store) EnsureExperiment(ctx context.Context, name string, now int64) (perennial.Experiment, error) {
	const op = "tracking.EnsureExperiment"
	var e perennial.Experiment
	err := s.write(ctx, op, func(tx *gorm.DB) error {
		if name == "" {
			return invalid("an experiment needs a name")
		}
		row, found, err := db.Take[experimentRow](tx.Where("name = ?", name))
		if err == nil && !found {
			row, _, err = createExperiment(tx, name, "", now)
		}
		if err != nil {
			return err
		}
		if row.LifecycleStage != stageActive {
			return deleted("experiment", name)
		}
		e, err = row.experiment(tx)
		return err
	})
	return e, err
}

// createExperiment makes an experiment, or gives the one that has the name already.
// Its artifacts lie under its id where location is "".
func createExperiment(tx *gorm.DB, name, location string, now int64) (row experimentRow, made bool, err error) {
	// Experiment 0 always exists: who holds its row may give out the next id.
	if _, _, err := db.Take[experimentRow](forUpdate(tx).Where("experiment_id = ?", defaultExperiment)); err != nil {
		return experimentRow{}, false, err
	}
	if row, found, err := db.Take[experimentRow](tx.Where("name = ?", name)); err != nil || found {
		return row, false, err
	}
	var last int64
	if err := tx.Raw("SELECT MAX(CAST(experiment_id AS BIGINT)) FROM experiments").Scan(&last).Error; err != nil {
		return experimentRow{}, false, err
	}
	id := strconv.FormatInt(last+1, 10)
	row = experimentRow{
		ExperimentID: id, Name: name, ArtifactLocation: cmp.Or(location, "mlflow-artifacts:/"+id),
		LifecycleStage: stageActive, CreationTime: now, LastUpdateTime: now,
	}
	return row, true, tx.Create(&row).Error
}

func (r experimentRow) experiment(tx *gorm.DB) (perennial.Experiment, error) {
	var tags []experimentTagRow
	err := tx.Where("experiment_id = ?", r.ExperimentID).Order("key").Find(&tags).Error
	e := perennial.Experiment{
		ID: r.ExperimentID, Name: r.Name, ArtifactLocation: r.ArtifactLocation,
		LifecycleStage: r.LifecycleStage, CreatedAt: r.CreationTime, UpdatedAt: r.LastUpdateTime,
	}
	for _, t := range tags {
		e.Tags = append(e.Tags, perennial.Tag{Key: t.Key, Value: t.Value})
	}
	return e, err
}
