package tracking

import (
	"cmp"
	"strconv"

	"gorm.io/gorm"

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
