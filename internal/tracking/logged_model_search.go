package tracking

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/perennial-ml/perennial/internal/db"
	"github.com/perennial-ml/perennial/internal/mlflow"
)

// loggedGrammar is what filters and orders of logged models know.
var loggedGrammar = &grammar{
	entity: "logged model", loose: true,
	prefixes: map[string]kind{
		"attribute": kindAttribute, "attributes": kindAttribute, "attr": kindAttribute, "metric": kindMetric, "metrics": kindMetric,
		"param": kindParam, "params": kindParam, "parameter": kindParam, "parameters": kindParam, "tag": kindTag, "tags": kindTag,
	},
	attributes: map[string]attribute{
		"name":                      {column: "logged_models.name", in: true},
		"model_id":                  {column: "logged_models.model_id", in: true},
		"model_type":                {column: "logged_models.model_type", in: true},
		"status":                    {column: "REPLACE(logged_models.status, 'LOGGED_MODEL_', '')", in: true},
		"source_run_id":             {column: "logged_models.source_run_id", in: true},
		"experiment_id":             {column: "logged_models.experiment_id", in: true},
		"creation_timestamp":        {column: "logged_models.creation_time", numeric: true},
		"creation_timestamp_ms":     {column: "logged_models.creation_time", numeric: true},
		"creation_time":             {column: "logged_models.creation_time", numeric: true},
		"last_updated_timestamp":    {column: "logged_models.last_updated_time", numeric: true},
		"last_updated_timestamp_ms": {column: "logged_models.last_updated_time", numeric: true},
	},
	valid: []string{"creation_timestamp", "experiment_id", "last_updated_timestamp", "model_id", "model_type", "name", "source_run_id", "status"},
}

// Pages of logged models, and how many experiments and data sets a search takes.
const (
	loggedPage, loggedPageMax = 100, 10_000
	maxExperiments            = 10_000
	maxDatasets               = 100
)

// searchLoggedModels searches the logged models of experiments, the newest first
// unless another order is asked for. A metric matches where any of its points does;
// data sets narrow which points count.
func (s *Server) searchLoggedModels(ctx context.Context, in *mlflow.SearchLoggedModels) (*mlflow.LoggedModels, error) {
	const op = "tracking.searchLoggedModels"
	p, err := pageOf(in.MaxResults, in.PageToken, loggedPage, loggedPageMax)
	switch {
	case err != nil:
		return nil, err
	case len(in.ExperimentIDs) > maxExperiments:
		return nil, mlflow.Invalid("A search takes at most %d experiments.", maxExperiments)
	case len(in.Datasets) > maxDatasets:
		return nil, mlflow.Invalid("A search takes at most %d data sets.", maxDatasets)
	case slices.ContainsFunc(in.Datasets, func(d mlflow.LoggedModelDataset) bool { return d.Name == "" }):
		return nil, mlflow.Invalid("`dataset_name` in the `datasets` clause must be specified.")
	}
	clauses, err := loggedGrammar.parse(in.Filter)
	if err := cmp.Or(checkExperimentIDs(in.ExperimentIDs...), err); err != nil {
		return nil, err
	}
	g := s.store.db.WithContext(ctx)
	q := g.Where("logged_models.lifecycle_stage = ? AND logged_models.experiment_id IN ?", stageActive, in.ExperimentIDs)
	measured := false
	for _, c := range clauses {
		switch c.kind {
		case kindMetric:
			q, measured = withPoint(q, in.Datasets, "AND key = ? AND NOT is_nan AND value "+string(c.op)+" CAST(? AS DOUBLE PRECISION)", c.key, c.number), true
		case kindParam:
			q = withTag(q, loggedParams, c)
		case kindTag:
			q = withTag(q, loggedTags, c)
		default:
			if strings.HasPrefix(c.key, "REPLACE") {
				c.text = strings.TrimPrefix(c.text, "LOGGED_MODEL_")
				for i := range c.list {
					c.list[i] = strings.TrimPrefix(c.list[i], "LOGGED_MODEL_")
				}
			}
			q = withAttribute(q, loggedGrammar, c)
		}
	}
	if !measured && len(in.Datasets) > 0 {
		q = withPoint(q, in.Datasets, "")
	}
	if q, err = loggedOrder(q, in.OrderBy); err != nil {
		return nil, err
	}
	found, next, err := rows[loggedModelRow](q, p)
	if err != nil {
		return nil, db.Fault(op, err)
	}
	models, err := readLoggedModels(g, found)
	return &mlflow.LoggedModels{Models: models, NextPageToken: next}, db.Fault(op, err)
}

// withPoint narrows a query to models of which a point was measured, on one of the
// data sets where some are given.
func withPoint(q *gorm.DB, datasets []mlflow.LoggedModelDataset, condition string, args ...any) *gorm.DB {
	sql := "EXISTS (SELECT 1 FROM logged_model_metrics WHERE logged_model_metrics.model_id = logged_models.model_id " + condition
	if len(datasets) > 0 {
		var either []string
		for _, d := range datasets {
			one, named := onDataset(d.Name, d.Digest)
			either, args = append(either, one), append(args, named...)
		}
		sql += " AND (" + strings.Join(either, " OR ") + ")"
	}
	return q.Where(sql+")", args...)
}

func onDataset(name, digest string) (sql string, args []any) {
	if digest == "" {
		return "dataset_name = ?", []any{name}
	}
	return "(dataset_name = ? AND dataset_digest = ?)", []any{name, digest}
}

// loggedOrder sorts; models that lack a key come last both ways.
func loggedOrder(q *gorm.DB, list []mlflow.LoggedModelOrder) (*gorm.DB, error) {
	names := make([]string, len(list))
	for i, o := range list {
		names[i] = o.FieldName
		if o.Ascending != nil && !*o.Ascending {
			names[i] += " DESC"
		}
	}
	terms, err := loggedGrammar.order(names)
	if err != nil {
		return nil, err
	}
	var parts []string
	var args []any
	for i, t := range terms {
		value, vars := loggedValue(t, list[i])
		if t.kind != kindMetric && !loggedGrammar.byColumn(t.key).numeric {
			value = byteOrder(q, value)
		}
		parts = append(parts, value+" IS NULL", value+direction(t.descending))
		args = append(append(args, vars...), vars...)
	}
	parts = append(parts, "logged_models.creation_time DESC", "logged_models.model_id")
	return q.Clauses(clause.OrderBy{Expression: gorm.Expr(strings.Join(parts, ", "), args...)}), nil
}

// loggedValue gives the SQL of what is sorted by. Of a metric the last point counts.
func loggedValue(t orderTerm, o mlflow.LoggedModelOrder) (sql string, args []any) {
	switch t.kind {
	case kindParam:
		return "(SELECT x.value FROM " + loggedParams.table + " x WHERE " + loggedParams.join + " AND x.key = ?)", []any{t.key}
	case kindTag:
		return "(SELECT x.value FROM " + loggedTags.table + " x WHERE " + loggedTags.join + " AND x.key = ?)", []any{t.key}
	case kindMetric:
		sql, args = "(SELECT CASE WHEN is_nan THEN NULL ELSE value END FROM logged_model_metrics WHERE logged_model_metrics.model_id = logged_models.model_id AND key = ?", []any{t.key}
		if o.DatasetName != "" {
			one, named := onDataset(o.DatasetName, o.DatasetDigest)
			sql, args = sql+" AND "+one, append(args, named...)
		}
		return sql + " ORDER BY timestamp DESC, step DESC LIMIT 1)", args
	case kindAttribute, kindDataset:
	}
	return t.key, nil
}
