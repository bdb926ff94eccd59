package tracking

import (
	"cmp"
	"context"
	"encoding/json"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/perennial-ml/perennial/internal/db"
	"github.com/perennial-ml/perennial/internal/mlflow"
)

type inputRow struct {
	RunID   string `gorm:"primaryKey"`
	Name    string `gorm:"primaryKey"`
	Digest  string `gorm:"primaryKey"`
	Context string `gorm:"primaryKey"`
	Tags    string // JSON of the tags besides the context; "" for none
}

func (inputRow) TableName() string { return "inputs" }

// datasetRow is a data set as an experiment's runs read it. What came first under
// a name and a digest stays.
type datasetRow struct {
	ExperimentID string `gorm:"primaryKey"`
	Name         string `gorm:"primaryKey"`
	Digest       string `gorm:"primaryKey"`
	SourceType   string
	Source       string
	Schema       string
	Profile      string
}

func (datasetRow) TableName() string { return "input_datasets" }

type modelInputRow struct {
	RunID   string `gorm:"primaryKey"`
	ModelID string `gorm:"primaryKey"`
}

func (modelInputRow) TableName() string { return "model_inputs" }

type modelOutputRow struct {
	RunID   string `gorm:"primaryKey"`
	ModelID string `gorm:"primaryKey"`
	Step    int64
}

func (modelOutputRow) TableName() string { return "model_outputs" }

// logInputs notes what a run read. A data set that was read for two purposes is
// two inputs; the same one again changes nothing.
func (s *Server) logInputs(ctx context.Context, in *mlflow.LogInputs) (*mlflow.Void, error) {
	if n := len(in.Datasets) + len(in.Models); n > mlflow.MaxBatchMetrics {
		return nil, mlflow.Invalid("A request can log at most %d inputs. Got %d.", mlflow.MaxBatchMetrics, n)
	}
	for i, d := range in.Datasets {
		if err := checkDataset(d); err != nil {
			return nil, err
		}
		in.Datasets[i].Tags = lastOfEach(d.Tags)
	}
	for _, m := range in.Models {
		if m.ModelID == "" {
			return nil, required("model_id")
		}
	}
	return s.changeRun(ctx, in.RunRef, func(tx *gorm.DB, run *runRow) error {
		once := tx.Clauses(clause.OnConflict{DoNothing: true}).Session(&gorm.Session{})
		for _, d := range in.Datasets {
			if err := checkOwnOfRun(ctx, tx, run.RunID, keysOf(d.Tags)...); err != nil {
				return err
			}
			if err := putInput(tx, once, run, d); err != nil {
				return err
			}
		}
		for _, m := range in.Models {
			if err := once.Create(&modelInputRow{RunID: run.RunID, ModelID: m.ModelID}).Error; err != nil {
				return err
			}
		}
		return nil
	})
}

// putInput notes one data set. Without a purpose, as log_metric names it, it is the
// same input as one that is there, which gets its purpose when that comes.
func putInput(tx, once *gorm.DB, run *runRow, d mlflow.DatasetInput) error {
	set := datasetRow{
		ExperimentID: run.ExperimentID, Name: d.Dataset.Name, Digest: d.Dataset.Digest,
		SourceType: d.Dataset.SourceType, Source: d.Dataset.Source, Schema: d.Dataset.Schema, Profile: d.Dataset.Profile,
	}
	if err := once.Create(&set).Error; err != nil {
		return err
	}
	use := inputRow{RunID: run.RunID, Name: set.Name, Digest: set.Digest}
	var others []mlflow.Tag
	for _, t := range d.Tags {
		if t.Key == mlflow.TagDataContext {
			use.Context = t.Value
		} else {
			others = append(others, t)
		}
	}
	if len(others) > 0 {
		b, err := json.Marshal(others)
		if err != nil {
			return err
		}
		use.Tags = string(b)
	}
	same := tx.Where("run_id = ? AND name = ? AND digest = ?", use.RunID, use.Name, use.Digest).Session(&gorm.Session{})
	there, found, err := db.Take[inputRow](same.Where("context IN ('', ?) OR ? = ''", use.Context, use.Context).Order("context DESC"))
	switch {
	case err != nil:
		return err
	case !found:
		return tx.Create(&use).Error
	case there.Context == use.Context, use.Context == "":
		return nil
	}
	return same.Model(&inputRow{}).Where("context = ''").Updates(map[string]any{"context": use.Context, "tags": cmp.Or(use.Tags, there.Tags)}).Error
}

func checkDataset(d mlflow.DatasetInput) error {
	for _, f := range []struct {
		name, text string
		required   bool
		limit      int
	}{
		{"name", d.Dataset.Name, true, maxDatasetName}, {"digest", d.Dataset.Digest, true, maxDatasetDigest},
		{"source_type", d.Dataset.SourceType, false, maxDatasetSource}, {"source", d.Dataset.Source, false, maxDatasetSource},
		{"schema", d.Dataset.Schema, false, maxDatasetSchema}, {"profile", d.Dataset.Profile, false, maxDatasetProfile},
	} {
		if f.required && f.text == "" {
			return required("dataset." + f.name)
		}
		if err := checkLength(f.name, f.text, f.limit); err != nil {
			return err
		}
	}
	for _, t := range d.Tags {
		if t.Key == "" {
			return required("tags.key")
		}
		if err := checkLength("tags.key", t.Key, maxInputTagKey); err != nil {
			return err
		}
		if err := checkLength("tags.value", t.Value, mlflow.MaxInputTag); err != nil {
			return err
		}
	}
	return nil
}

func (s *Server) logOutputs(ctx context.Context, in *mlflow.LogOutputs) (*mlflow.Void, error) {
	if len(in.Models) > mlflow.MaxBatchMetrics {
		return nil, mlflow.Invalid("A request can log at most %d outputs. Got %d.", mlflow.MaxBatchMetrics, len(in.Models))
	}
	for _, m := range in.Models {
		if m.ModelID == "" {
			return nil, required("model_id")
		}
	}
	return s.changeRun(ctx, in.RunRef, func(tx *gorm.DB, run *runRow) error {
		for _, m := range in.Models {
			row := modelOutputRow{RunID: run.RunID, ModelID: m.ModelID, Step: int64(m.Step)}
			if err := tx.Clauses(clause.OnConflict{UpdateAll: true}).Create(&row).Error; err != nil {
				return err
			}
		}
		return nil
	})
}

// The bounds of a search for data sets.
const (
	datasetExperiments = 20
	datasetsMax        = 1000
)

func (s *Server) searchDatasets(ctx context.Context, in *mlflow.ExperimentIDs) (*mlflow.DatasetSummaries, error) {
	switch n := len(in.ExperimentIDs); {
	case n == 0:
		return nil, mlflow.Invalid("SearchDatasets request must specify at least one experiment_id.")
	case n > datasetExperiments:
		return nil, mlflow.Invalid("SearchDatasets request cannot specify more than %d experiment_ids. Received %d experiment_ids.", datasetExperiments, n)
	}
	if err := checkExperimentIDs(in.ExperimentIDs...); err != nil {
		return nil, err
	}
	answer := &mlflow.DatasetSummaries{}
	err := s.store.db.WithContext(ctx).Raw(`SELECT DISTINCT r.experiment_id, i.name, i.digest, i.context
FROM inputs i JOIN runs r ON r.run_id = i.run_id
WHERE r.experiment_id IN ? AND r.lifecycle_stage = ?
ORDER BY r.experiment_id, i.name, i.digest, i.context LIMIT ?`, in.ExperimentIDs, stageActive, datasetsMax).Scan(&answer.DatasetSummaries).Error
	return answer, db.Fault("tracking.searchDatasets", err)
}
