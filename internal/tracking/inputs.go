package tracking

import (
	"context"
	"encoding/json"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/perennial-ml/perennial"
)

type inputRow struct {
	RunID   string `gorm:"primaryKey"`
	Name    string `gorm:"primaryKey"`
	Digest  string `gorm:"primaryKey"`
	Context string `gorm:"primaryKey"`
	Data    string // JSON of perennial.DataRef, "" of an input that came through MLflow's REST
	Tags    string // JSON of the tags besides the context; "" for none
}

func (inputRow) TableName() string { return "inputs" }

// LogInput notes that a run read a data set. The same path, md5 and context again
// replaces what was noted.
func (s *Store) LogInput(ctx context.Context, runID string, input perennial.DatasetInput) error {
	const op = "tracking.LogInput"
	return s.write(ctx, op, func(tx *gorm.DB) error {
		run, err := activeRun(tx, runID)
		if err != nil {
			return err
		}
		data, err := json.Marshal(input.Data)
		if err != nil {
			return err
		}
		source, err := json.Marshal(map[string]string{"uri": input.Data.Path})
		if err != nil {
			return err
		}
		set := datasetRow{ExperimentID: run.ExperimentID, Name: input.Data.Path, Digest: input.Data.MD5, SourceType: "local", Source: string(source), Profile: string(data)}
		if err := tx.Clauses(clause.OnConflict{DoNothing: true}).Create(&set).Error; err != nil {
			return err
		}
		row := inputRow{RunID: runID, Name: input.Data.Path, Digest: input.Data.MD5, Context: input.Context, Data: string(data)}
		return tx.Clauses(clause.OnConflict{UpdateAll: true}).Create(&row).Error
	})
}
