package tracking

import (
	"cmp"
	"context"
	"strings"

	"gorm.io/gorm"

	"github.com/perennial-ml/perennial/internal/db"
	"github.com/perennial-ml/perennial/internal/mlflow"
)

// searchDefault is the number of runs of a page where none is given (MLflow's).
const searchDefault = 1000

// searchExperimentsMax bounds the experiments that one search names.
const searchExperimentsMax = 10_000

var startTime, endTime = attribute{column: "start_time", numeric: true}, attribute{column: "end_time", numeric: true}

// runGrammar is what searches of runs know.
var runGrammar = &grammar{
	entity: "run",
	prefixes: map[string]kind{
		"attribute": kindAttribute, "attributes": kindAttribute, "attr": kindAttribute, "run": kindAttribute,
		"metric": kindMetric, "metrics": kindMetric,
		"parameter": kindParam, "parameters": kindParam, "param": kindParam, "params": kindParam,
		"tag": kindTag, "tags": kindTag,
		"dataset": kindDataset, "datasets": kindDataset,
	},
	attributes: map[string]attribute{
		"run_id": {column: "run_id", in: true}, "run_name": {column: "name"}, "run name": {column: "name"}, "Run name": {column: "name"}, "Run Name": {column: "name"},
		"status": {column: "status"}, "user_id": {column: "user_id"}, "artifact_uri": {column: "artifact_uri"},
		"start_time": startTime, "created": startTime, "Created": startTime, "end_time": endTime,
	},
	datasets: []string{"name", "digest", "context"},
	valid:    []string{"artifact_uri", "created", "end_time", "run_id", "run_name", "start_time", "status", "user_id"},
}

func (s *Server) searchRuns(ctx context.Context, in *mlflow.SearchRuns) (*mlflow.Runs, error) {
	limit, err := pageSize(in.MaxResults, searchDefault, pageMax)
	if err != nil {
		return nil, err
	}
	stages, err := stagesOf(in.RunViewType)
	if err != nil {
		return nil, err
	}
	if len(in.ExperimentIDs) > searchExperimentsMax {
		return nil, mlflow.Invalid("A search can name at most %d experiments. Got %d.", searchExperimentsMax, len(in.ExperimentIDs))
	}
	conditions, err := runGrammar.parse(in.Filter)
	if err := cmp.Or(checkExperimentIDs(in.ExperimentIDs...), err); err != nil {
		return nil, err
	}
	order, err := runGrammar.order(in.OrderBy)
	if err != nil {
		return nil, err
	}
	after, err := parsePlace(in.PageToken, orderName(order))
	if err != nil {
		return nil, err
	}
	answer := &mlflow.Runs{}
	if len(in.ExperimentIDs) == 0 {
		return answer, nil
	}
	g := s.store.db.WithContext(ctx)
	search := runSearch{g: g, experiments: in.ExperimentIDs, stages: stages, conditions: conditions, order: fullOrder(order), after: after, size: limit}
	page, err := search.run()
	if err != nil {
		return nil, db.Fault("tracking.searchRuns", err)
	}
	if page.more {
		answer.NextPageToken = after.token(page.end...)
	}
	answer.Runs, err = wireRuns(g, page.rows)
	return answer, db.Fault("tracking.searchRuns", err)
}

// stagesOf gives the lifecycle stages of a view.
func stagesOf(v mlflow.View) ([]string, error) {
	switch v {
	case "", mlflow.ViewActive:
		return []string{stageActive}, nil
	case mlflow.ViewDeleted:
		return []string{stageDeleted}, nil
	case mlflow.ViewAll:
		return []string{stageActive, stageDeleted}, nil
	}
	return nil, mlflow.Invalid("Invalid value \"%s\" for parameter 'view_type' supplied: it is one of ACTIVE_ONLY, DELETED_ONLY, ALL.", string(v))
}

// orderName tells orders apart in page tokens.
func orderName(order []orderTerm) string {
	names := make([]string, len(order))
	for i, t := range order {
		names[i] = string(t.kind) + "." + t.key
		if t.descending {
			names[i] += " DESC"
		}
	}
	return strings.Join(names, ",")
}

// fullOrder adds what makes an order of runs total: the newest first, then the id.
func fullOrder(order []orderTerm) []orderTerm {
	has := map[string]bool{}
	var full []orderTerm
	for _, t := range order {
		name := string(t.kind) + "." + t.key
		if !has[name] {
			full = append(full, t)
		}
		has[name] = true
	}
	for _, t := range []orderTerm{{kind: kindAttribute, key: "start_time", descending: true}, {kind: kindAttribute, key: "run_id"}} {
		if !has[string(t.kind)+"."+t.key] {
			full = append(full, t)
		}
	}
	return full
}

// experimentGrammar is what searches of experiments know.
var experimentGrammar = &grammar{
	entity:   "experiment",
	prefixes: map[string]kind{"attribute": kindAttribute, "attributes": kindAttribute, "attr": kindAttribute, "tag": kindTag, "tags": kindTag},
	attributes: map[string]attribute{
		"name": {column: "name"}, "experiment_id": {column: "experiment_id", in: true},
		"creation_time":    {column: "creation_time", numeric: true},
		"last_update_time": {column: "last_update_time", numeric: true},
	},
	valid: []string{"creation_time", "experiment_id", "last_update_time", "name"},
}

func (s *Server) searchExperiments(ctx context.Context, in *mlflow.SearchExperiments) (*mlflow.Experiments, error) {
	const op = "tracking.searchExperiments"
	limit, err := pageSize(in.MaxResults, searchDefault, pageMax)
	if err != nil {
		return nil, err
	}
	stages, err := stagesOf(in.ViewType)
	if err != nil {
		return nil, err
	}
	conditions, err := experimentGrammar.parse(in.Filter)
	if err != nil {
		return nil, err
	}
	order, err := experimentGrammar.order(in.OrderBy)
	if err != nil {
		return nil, err
	}
	for _, t := range order {
		if t.kind != kindAttribute {
			return nil, mlflow.Invalid("Invalid order_by entity type '%s'", t.kind)
		}
	}
	after, err := parsePlace(in.PageToken, orderName(order))
	if err != nil {
		return nil, err
	}
	g := s.store.db.WithContext(ctx)
	q, offset := experimentQuery(g, stages, conditions, order), int64(0)
	if !after.empty() {
		if offset = after.whole(0); after.err != nil || offset < 0 {
			return nil, badToken()
		}
	}
	var rows []experimentRow
	if err := q.Offset(int(offset)).Limit(limit + 1).Find(&rows).Error; err != nil {
		return nil, db.Fault(op, err)
	}
	answer := &mlflow.Experiments{}
	if len(rows) > limit {
		rows = rows[:limit]
		answer.NextPageToken = after.token(offset + int64(limit))
	}
	answer.Experiments, err = wireExperiments(g, rows)
	return answer, db.Fault(op, err)
}

// experimentQuery makes the query of a search: there are few experiments, so that
// it is plain.
func experimentQuery(g *gorm.DB, stages []string, conditions []condition, order []orderTerm) *gorm.DB {
	q := g.Where("lifecycle_stage IN ?", stages)
	for _, c := range conditions {
		if c.kind == kindAttribute {
			q = q.Where(compare(g, c.key, c, experimentGrammar.numeric(c)))
			continue
		}
		q = q.Where(keyed(g, experimentTags.table, experimentTags.join, c))
	}
	for _, t := range order {
		column := t.key
		if column == "experiment_id" {
			column = "CAST(experiment_id AS BIGINT)"
		}
		q = q.Order(column + direction(t.descending))
	}
	return q.Order("creation_time DESC, CAST(experiment_id AS BIGINT) DESC")
}

func direction(descending bool) string {
	if descending {
		return " DESC"
	}
	return ""
}
