package tracking

import (
	"cmp"
	"database/sql"
	"encoding/json"
	"slices"
	"strings"

	"gorm.io/gorm"

	"github.com/perennial-ml/perennial/internal/mlflow"
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

// wire gives a run in MLflow's form, without what was logged to it.
func (r runRow) wire() mlflow.Run {
	info := mlflow.RunInfo{
		RunUUID: r.RunID, RunID: r.RunID, ExperimentID: r.ExperimentID, RunName: r.Name, UserID: r.UserID, Status: r.Status,
		StartTime: mlflow.Int(r.StartTime), ArtifactURI: r.ArtifactURI, LifecycleStage: r.LifecycleStage,
	}
	if r.EndTime != nil {
		end := mlflow.Int(*r.EndTime)
		info.EndTime = &end
	}
	return mlflow.Run{Info: info}
}

func wireRun(g *gorm.DB, row runRow) (mlflow.Run, error) {
	runs, err := wireRuns(g, []runRow{row})
	return runs[0], err
}

// wireRuns adds to runs what was logged to them, each list by key. It gives as many
// runs as rows, also with an error.
func wireRuns(g *gorm.DB, rows []runRow) ([]mlflow.Run, error) {
	runs := make([]mlflow.Run, len(rows))
	at := make(map[string]*mlflow.Run, len(rows))
	ids := make([]string, len(rows))
	for i, r := range rows {
		runs[i] = r.wire()
		at[r.RunID], ids[i] = &runs[i], r.RunID
	}
	for part := range chunks(ids) {
		for _, read := range runParts {
			if err := each(g, read.sql, part, func(rows *sql.Rows) error { return read.add(rows, at) }); err != nil {
				return runs, err
			}
		}
	}
	for i := range runs {
		sortParts(&runs[i])
	}
	return runs, nil
}

// sortParts puts every list of a run in order. The indexes give most of them so.
func sortParts(r *mlflow.Run) {
	byKey := func(a, b mlflow.Tag) int { return strings.Compare(a.Key, b.Key) }
	slices.SortFunc(r.Data.Params, byKey)
	slices.SortFunc(r.Data.Tags, byKey)
	slices.SortFunc(r.Data.Metrics, func(a, b mlflow.Metric) int { return strings.Compare(a.Key, b.Key) })
	slices.SortFunc(r.Inputs.DatasetInputs, func(a, b mlflow.DatasetInput) int {
		return cmp.Or(strings.Compare(a.Dataset.Name, b.Dataset.Name), strings.Compare(a.Dataset.Digest, b.Dataset.Digest), strings.Compare(purpose(a), purpose(b)))
	})
	slices.SortFunc(r.Inputs.ModelInputs, func(a, b mlflow.ModelInput) int { return strings.Compare(a.ModelID, b.ModelID) })
	slices.SortFunc(r.Outputs.ModelOutputs, func(a, b mlflow.ModelOutput) int {
		return cmp.Or(cmp.Compare(a.Step, b.Step), strings.Compare(a.ModelID, b.ModelID))
	})
}

// purpose is what a data set was read for.
func purpose(d mlflow.DatasetInput) string {
	for _, t := range d.Tags {
		if t.Key == mlflow.TagDataContext {
			return t.Value
		}
	}
	return ""
}

// runParts reads what belongs to some runs.
var runParts = []struct {
	sql string
	add func(rows *sql.Rows, at map[string]*mlflow.Run) error
}{
	{"SELECT run_id, key, value FROM params WHERE run_id IN (?)", addTags(func(r *mlflow.Run) *[]mlflow.Tag { return &r.Data.Params })},
	{"SELECT run_id, key, value FROM tags WHERE run_id IN (?)", addTags(func(r *mlflow.Run) *[]mlflow.Tag { return &r.Data.Tags })},
	{"SELECT run_id, key, value, timestamp, step, is_nan FROM latest_metrics WHERE run_id IN (?)", addMetric},
	{`SELECT i.run_id, i.name, i.digest, i.context, i.tags, d.source_type, d.source, d.schema, d.profile
FROM inputs i JOIN runs r ON r.run_id = i.run_id JOIN input_datasets d ON d.experiment_id = r.experiment_id AND d.name = i.name AND d.digest = i.digest
WHERE i.run_id IN (?)`, addInput},
	{"SELECT run_id, model_id FROM model_inputs WHERE run_id IN (?)", addModelInput},
	{"SELECT run_id, model_id, step FROM model_outputs WHERE run_id IN (?)", addModelOutput},
}

// each runs a query that names some runs and gives f every row. SQLite takes the
// names as one value, so that the text is always the same.
func each(g *gorm.DB, query string, ids []string, f func(*sql.Rows) error) error {
	var names any = ids
	if g.Name() == "sqlite" {
		b, err := json.Marshal(ids)
		if err != nil {
			return err
		}
		names, query = string(b), keep+strings.Replace(query, "(?)", "(SELECT value FROM json_each(?))", 1)
	}
	rows, err := g.Raw(query, names).Rows()
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // Err below says the same
	for rows.Next() {
		if err := f(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

func addTags(list func(*mlflow.Run) *[]mlflow.Tag) func(*sql.Rows, map[string]*mlflow.Run) error {
	return func(rows *sql.Rows, at map[string]*mlflow.Run) error {
		var id string
		var t mlflow.Tag
		if err := rows.Scan(&id, &t.Key, &t.Value); err != nil {
			return err
		}
		to := list(at[id])
		*to = append(*to, t)
		return nil
	}
}

func addMetric(rows *sql.Rows, at map[string]*mlflow.Run) error {
	var m metricRow
	if err := rows.Scan(&m.RunID, &m.Key, &m.Value, &m.Timestamp, &m.Step, &m.IsNan); err != nil {
		return err
	}
	r := at[m.RunID]
	r.Data.Metrics = append(r.Data.Metrics, m.wire())
	return nil
}

func addInput(rows *sql.Rows, at map[string]*mlflow.Run) error {
	var id, purpose, tags string
	var in mlflow.DatasetInput
	d := &in.Dataset
	if err := rows.Scan(&id, &d.Name, &d.Digest, &purpose, &tags, &d.SourceType, &d.Source, &d.Schema, &d.Profile); err != nil {
		return err
	}
	if tags != "" {
		if err := json.Unmarshal([]byte(tags), &in.Tags); err != nil {
			return err
		}
	}
	if purpose != "" {
		in.Tags = append(in.Tags, mlflow.Tag{Key: mlflow.TagDataContext, Value: purpose})
	}
	r := at[id]
	r.Inputs.DatasetInputs = append(r.Inputs.DatasetInputs, in)
	return nil
}

func addModelInput(rows *sql.Rows, at map[string]*mlflow.Run) error {
	var id string
	var m mlflow.ModelInput
	if err := rows.Scan(&id, &m.ModelID); err != nil {
		return err
	}
	at[id].Inputs.ModelInputs = append(at[id].Inputs.ModelInputs, m)
	return nil
}

func addModelOutput(rows *sql.Rows, at map[string]*mlflow.Run) error {
	var id string
	var m mlflow.ModelOutput
	var step int64
	if err := rows.Scan(&id, &m.ModelID, &step); err != nil {
		return err
	}
	m.Step = mlflow.Int(step)
	at[id].Outputs.ModelOutputs = append(at[id].Outputs.ModelOutputs, m)
	return nil
}
