package tracking

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"gorm.io/gorm"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/db"
)

// The number of runs of a page: where none is given, and at most (MLflow's).
const (
	pageDefault = 100
	pageMax     = 50_000
)

// SearchRuns lists an experiment's active runs, newest first (start time, then
// run id), a page of limit runs at a time (0: 100, at most 50,000). next is the
// token of the following page, "" on the last; runs that start meanwhile don't
// shift the pages. An experiment that doesn't exist has no runs; a token that
// this store did not give is invalid.
func (s *Store) SearchRuns(ctx context.Context, experimentName string, limit int, pageToken string) (runs []perennial.Run, next string, err error) {
	const op = "tracking.SearchRuns"
	if limit <= 0 {
		limit = pageDefault
	}
	limit = min(limit, pageMax)
	g := s.db.WithContext(ctx)
	q := g.Where("lifecycle_stage = ? AND experiment_id = (SELECT experiment_id FROM experiments WHERE name = ?)", stageActive, experimentName)
	if pageToken != "" {
		start, id, err := decodeToken(pageToken)
		if err != nil {
			return nil, "", db.Fault(op, err)
		}
		q = q.Where("start_time <= ? AND (start_time < ? OR run_id > ?)", start, start, id)
	}
	var rows []runRow
	if err := q.Order("start_time DESC, run_id").Limit(limit + 1).Find(&rows).Error; err != nil {
		return nil, "", db.Fault(op, err)
	}
	if len(rows) > limit {
		rows = rows[:limit]
		next = encodeToken(rows[limit-1])
	}
	runs, err = hydrate(g, rows)
	return runs, next, db.Fault(op, err)
}

// ChildRuns lists the active runs whose parent is parentID, oldest first.
func (s *Store) ChildRuns(ctx context.Context, parentID string) ([]perennial.Run, error) {
	const op = "tracking.ChildRuns"
	g := s.db.WithContext(ctx)
	children := g.Model(&tagRow{}).Select("run_id").
		Where("key = ? AND substr(value, 1, 100) = substr(?, 1, 100) AND value = ?", perennial.TagParentRun, parentID, parentID)
	var rows []runRow
	if err := g.Where("lifecycle_stage = ? AND run_id IN (?)", stageActive, children).Order("start_time, run_id").Find(&rows).Error; err != nil {
		return nil, db.Fault(op, err)
	}
	runs, err := hydrate(g, rows)
	return runs, db.Fault(op, err)
}

// Running lists the active runs of Perennial's own trainings (those with a kind)
// that are in state RUNNING, oldest first.
func (s *Store) Running(ctx context.Context) ([]perennial.Run, error) {
	const op = "tracking.Running"
	g := s.db.WithContext(ctx)
	ours := g.Model(&tagRow{}).Select("run_id").Where("key = ?", perennial.TagKind)
	var rows []runRow
	err := g.Where("lifecycle_stage = ? AND status = ? AND run_id IN (?)", stageActive, string(perennial.RunRunning), ours).Order("start_time, run_id").Find(&rows).Error
	if err != nil {
		return nil, db.Fault(op, err)
	}
	runs, err := hydrate(g, rows)
	return runs, db.Fault(op, err)
}

// MetricHistory gives every point of one metric by step, time and value; none
// where the run never logged it. A missing run is not_found.
func (s *Store) MetricHistory(ctx context.Context, runID, key string) ([]perennial.Metric, error) {
	const op = "tracking.MetricHistory"
	g := s.db.WithContext(ctx)
	var rows []metricRow
	err := g.Where("run_id = ? AND key = ?", runID, key).Order("step, timestamp, value, is_nan").Find(&rows).Error
	if err == nil && len(rows) == 0 {
		err = runExists(g, runID)
	}
	if err != nil {
		return nil, db.Fault(op, err)
	}
	points := make([]perennial.Metric, len(rows))
	for i, r := range rows {
		points[i] = r.metric()
	}
	return points, nil
}

func runExists(g *gorm.DB, id string) error {
	if _, found, err := db.Take[runRow](g.Where("run_id = ?", id)); err != nil || found {
		return err
	}
	return missing("run", id)
}

// A page token holds the place of the page's last run, so that it stays good
// while runs come and go.
func encodeToken(last runRow) string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(last.StartTime, 10) + " " + last.RunID))
}

func decodeToken(token string) (start int64, id string, err error) {
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err == nil {
		var text string
		text, id, _ = strings.Cut(string(b), " ")
		start, err = strconv.ParseInt(text, 10, 64)
	}
	if err != nil || id == "" {
		return 0, "", invalid("the page token is not one that a list gave")
	}
	return start, id, nil
}

// hydrateRuns bounds the ids in one query.
const hydrateRuns = 1000

// hydrate adds params, latest metrics, tags and inputs to runs, in their order.
// It gives as many runs as rows, also with an error.
func hydrate(g *gorm.DB, rows []runRow) ([]perennial.Run, error) {
	runs := make([]perennial.Run, len(rows))
	at := make(map[string]*perennial.Run, len(rows))
	for i, r := range rows {
		runs[i] = r.run()
		at[r.RunID] = &runs[i]
	}
	for part := range slices.Chunk(rows, hydrateRuns) {
		ids := make([]string, len(part))
		for i, r := range part {
			ids[i] = r.RunID
		}
		if err := addParts(g, ids, at); err != nil {
			return runs, err
		}
	}
	return runs, nil
}

func addParts(g *gorm.DB, ids []string, at map[string]*perennial.Run) error {
	byKey := func() *gorm.DB { return g.Where("run_id IN ?", ids).Order("run_id, key") }
	var params []paramRow
	if err := byKey().Find(&params).Error; err != nil {
		return err
	}
	for _, p := range params {
		at[p.RunID].Params = append(at[p.RunID].Params, perennial.Tag{Key: p.Key, Value: p.Value})
	}
	var metrics []latestMetricRow
	if err := byKey().Find(&metrics).Error; err != nil {
		return err
	}
	for _, m := range metrics {
		at[m.RunID].Metrics = append(at[m.RunID].Metrics, metricRow(m).metric())
	}
	var tags []tagRow
	if err := byKey().Find(&tags).Error; err != nil {
		return err
	}
	for _, t := range tags {
		at[t.RunID].Tags = append(at[t.RunID].Tags, perennial.Tag{Key: t.Key, Value: t.Value})
	}
	var inputs []inputRow
	if err := g.Where("run_id IN ?", ids).Order("run_id, name, digest, context").Find(&inputs).Error; err != nil {
		return err
	}
	for _, in := range inputs {
		input := perennial.DatasetInput{Context: in.Context, Data: perennial.DataRef{Path: in.Name, MD5: in.Digest}}
		if in.Data != "" {
			if err := json.Unmarshal([]byte(in.Data), &input.Data); err != nil {
				return err
			}
		}
		at[in.RunID].Inputs = append(at[in.RunID].Inputs, input)
	}
	return nil
}

func (r runRow) run() perennial.Run {
	run := perennial.Run{
		ID: r.RunID, ExperimentID: r.ExperimentID, Name: r.Name, User: r.UserID,
		Status: perennial.RunStatus(r.Status), StartedAt: r.StartTime,
		ArtifactURI: r.ArtifactURI, LifecycleStage: r.LifecycleStage,
	}
	if r.EndTime != nil {
		run.EndedAt = *r.EndTime
	}
	return run
}
