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
	ids := make([]string, len(rows))
	for i, r := range rows {
		runs[i], ids[i] = r.wire(), r.RunID
	}
	names, err := json.Marshal(ids)
	if err != nil {
		return runs, err
	}
	for _, part := range runParts {
		if err := part.of(g, string(names), runs); err != nil {
			return runs, err
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

// runPart reads something of some runs.
type runPart struct {
	sql string // whose first column says which run, by its place i among the ids
	add func(rows *sql.Rows, runs []mlflow.Run) error
}

// runParts are few: with a page of runs it costs more to ask than to read.
var runParts = []runPart{
	{`SELECT ids.i, TRUE, x.key, x.value FROM ids CROSS JOIN params x WHERE x.run_id = ids.id
UNION ALL SELECT ids.i, FALSE, x.key, x.value FROM ids CROSS JOIN tags x WHERE x.run_id = ids.id`, addTags},
	{"SELECT ids.i, x.key, x.value, x.timestamp, x.step, x.is_nan FROM ids CROSS JOIN latest_metrics x WHERE x.run_id = ids.id", addMetrics},
	{`SELECT ids.i, x.name, x.digest, x.context, x.tags, d.source_type, d.source, d.schema, d.profile
FROM ids CROSS JOIN inputs x CROSS JOIN runs r CROSS JOIN input_datasets d
WHERE x.run_id = ids.id AND r.run_id = ids.id AND d.experiment_id = r.experiment_id AND d.name = x.name AND d.digest = x.digest`, addInputs},
	{`SELECT ids.i, TRUE, x.model_id, 0 FROM ids CROSS JOIN model_inputs x WHERE x.run_id = ids.id
UNION ALL SELECT ids.i, FALSE, x.model_id, x.step FROM ids CROSS JOIN model_outputs x WHERE x.run_id = ids.id`, addModels},
}

// of reads the part of runs whose ids are a JSON list. That is one value however many
// they are, so that the text is always the same.
func (p runPart) of(g *gorm.DB, ids string, runs []mlflow.Run) error {
	list := "SELECT key, value FROM json_each(?)"
	if g.Name() == "postgres" {
		list = "SELECT place - 1, id FROM jsonb_array_elements_text(CAST(? AS jsonb)) WITH ORDINALITY AS list (id, place)"
	}
	rows, err := g.Raw(keep+"WITH ids (i, id) AS ("+list+") "+p.sql, ids).Rows()
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // Err below says the same
	if err := p.add(rows, runs); err != nil {
		return err
	}
	return rows.Err()
}

func addTags(rows *sql.Rows, runs []mlflow.Run) error {
	var i int
	var isParam bool
	var t mlflow.Tag
	for rows.Next() {
		if err := rows.Scan(&i, &isParam, &t.Key, &t.Value); err != nil {
			return err
		}
		list := &runs[i].Data.Tags
		if isParam {
			list = &runs[i].Data.Params
		}
		*list = append(*list, t)
	}
	return nil
}

func addMetrics(rows *sql.Rows, runs []mlflow.Run) error {
	var i int
	var m metricRow
	for rows.Next() {
		if err := rows.Scan(&i, &m.Key, &m.Value, &m.Timestamp, &m.Step, &m.IsNan); err != nil {
			return err
		}
		runs[i].Data.Metrics = append(runs[i].Data.Metrics, m.wire())
	}
	return nil
}

func addInputs(rows *sql.Rows, runs []mlflow.Run) error {
	for rows.Next() {
		var i int
		var purpose, tags string
		var in mlflow.DatasetInput
		d := &in.Dataset
		if err := rows.Scan(&i, &d.Name, &d.Digest, &purpose, &tags, &d.SourceType, &d.Source, &d.Schema, &d.Profile); err != nil {
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
		runs[i].Inputs.DatasetInputs = append(runs[i].Inputs.DatasetInputs, in)
	}
	return nil
}

func addModels(rows *sql.Rows, runs []mlflow.Run) error {
	var i int
	var isInput bool
	var id string
	var step int64
	for rows.Next() {
		if err := rows.Scan(&i, &isInput, &id, &step); err != nil {
			return err
		}
		if isInput {
			runs[i].Inputs.ModelInputs = append(runs[i].Inputs.ModelInputs, mlflow.ModelInput{ModelID: id})
		} else {
			runs[i].Outputs.ModelOutputs = append(runs[i].Outputs.ModelOutputs, mlflow.ModelOutput{ModelID: id, Step: mlflow.Int(step)})
		}
	}
	return nil
}
