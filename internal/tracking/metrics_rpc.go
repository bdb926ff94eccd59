package tracking

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"gorm.io/gorm"

	"github.com/perennial-ml/perennial/internal/db"
	"github.com/perennial-ml/perennial/internal/mlflow"
)

// logBatch is mlflow.LogBatch as it is read: what is missing shows.
type logBatch struct {
	mlflow.RunRef

	Metrics []batchMetric `json:"metrics"`
	Params  []mlflow.Tag  `json:"params"`
	Tags    []mlflow.Tag  `json:"tags"`
}

// batchMetric is a mlflow.Metric as it is read.
type batchMetric struct {
	Key           string         `json:"key"`
	Value         *mlflow.Number `json:"value"`
	Timestamp     *mlflow.Int    `json:"timestamp"`
	Step          mlflow.Int     `json:"step"`
	ModelID       string         `json:"model_id"`
	DatasetName   string         `json:"dataset_name"`
	DatasetDigest string         `json:"dataset_digest"`
}

func (l *logBatch) bound(size int) error {
	if size > maxBatchBody {
		return mlflow.Invalid("Batched logging API requests must be at most %d bytes, got a request of size %d.", maxBatchBody, size)
	}
	return nil
}

func (s *Server) logMetric(ctx context.Context, in *mlflow.LogMetric) (*mlflow.Void, error) {
	metrics := []batchMetric{{
		Key: in.Key, Value: in.Value, Timestamp: in.Timestamp, Step: in.Step,
		ModelID: in.ModelID, DatasetName: in.DatasetName, DatasetDigest: in.DatasetDigest,
	}}
	points, err := checkMetrics(metrics, func(field string, _ int) string { return field })
	if err != nil {
		return nil, err
	}
	return s.changeRun(ctx, in.RunRef, func(tx *gorm.DB, row *runRow) error { return writeMetrics(tx, row, points) })
}

func (s *Server) logBatch(ctx context.Context, in *logBatch) (*mlflow.Void, error) {
	if in.ID() == "" {
		return nil, required("run_id")
	}
	if err := in.limits(); err != nil {
		return nil, err
	}
	points, err := checkMetrics(in.Metrics, func(field string, i int) string { return "metrics[" + strconv.Itoa(i) + "]." + field })
	if err != nil {
		return nil, err
	}
	if err := checkTags(in.Tags); err != nil {
		return nil, err
	}
	if err := checkParams(in.Params); err != nil {
		return nil, err
	}
	return s.changeRun(ctx, in.RunRef, func(tx *gorm.DB, row *runRow) error {
		if err := checkOwnOfRun(ctx, tx, row.RunID, keysOf(in.Tags)...); err != nil {
			return err
		}
		changed, err := runParams.once(tx, in.Params, row.RunID)
		if err != nil {
			return err
		}
		if len(changed) > 0 {
			return paramsChanged(row.RunID, changed, in.Params)
		}
		if err := writeMetrics(tx, row, points); err != nil {
			return err
		}
		return setTags(tx, row, in.Tags)
	})
}

// paramsChanged is the error of params that came with other values than are there.
func paramsChanged(runID string, old, came []mlflow.Tag) error {
	texts := make([]string, len(old))
	for i, p := range old {
		n := slices.IndexFunc(came, func(t mlflow.Tag) bool { return t.Key == p.Key })
		texts[i] = fmt.Sprintf("{'key': '%s', 'old_value': '%s', 'new_value': '%s'}", p.Key, p.Value, came[n].Value)
	}
	return mlflow.Invalid("Changing param values is not allowed. Params were already logged='[%s]' for run ID='%s'.", strings.Join(texts, ", "), runID)
}

// limits refuses a batch of too many entries.
func (l *logBatch) limits() error {
	for _, part := range []struct {
		name       string
		n, allowed int
	}{
		{"metrics", len(l.Metrics), mlflow.MaxBatchMetrics}, {"params", len(l.Params), mlflow.MaxBatchTags}, {"tags", len(l.Tags), mlflow.MaxBatchTags},
		{"metrics, params, and tags", len(l.Metrics) + len(l.Params) + len(l.Tags), mlflow.MaxBatchMetrics},
	} {
		if part.n > part.allowed {
			return mlflow.Invalid("A batch logging request can contain at most %d %s. Got %d %s. Please split up %s across multiple requests and try again.",
				part.allowed, part.name, part.n, part.name, part.name)
		}
	}
	return nil
}

// checkMetrics checks points as they came. field names a field of the i-th for
// messages.
func checkMetrics(list []batchMetric, field func(name string, i int) string) ([]mlflow.Metric, error) {
	points := make([]mlflow.Metric, len(list))
	checked := "" // most batches have many points of one key
	for i := range list {
		m := &list[i]
		switch {
		case m.Key == "":
			return nil, required(field("key", i))
		case m.Value == nil:
			return nil, required(field("value", i))
		case m.Timestamp == nil:
			return nil, required(field("timestamp", i))
		case *m.Timestamp < 0:
			return nil, mlflow.Invalid("Invalid value %d for parameter '%s' supplied: metric '%s': Timestamp must be a nonnegative long (64-bit integer)", *m.Timestamp, field("timestamp", i), m.Key)
		}
		if m.Key != checked {
			if err := checkKey("metric", m.Key); err != nil {
				return nil, err
			}
			checked = m.Key
		}
		points[i] = mlflow.Metric{
			Key: m.Key, Value: *m.Value, Timestamp: *m.Timestamp, Step: m.Step,
			ModelID: m.ModelID, DatasetName: m.DatasetName, DatasetDigest: m.DatasetDigest,
		}
	}
	return points, nil
}

// checkParams checks the params of a batch and shortens their values as MLflow does.
func checkParams(params []mlflow.Tag) error {
	seen := make(map[string]bool, len(params))
	var twice []string
	for i, p := range params {
		if err := checkKey("param", p.Key); err != nil {
			return err
		}
		if seen[p.Key] && !slices.Contains(twice, p.Key) {
			twice = append(twice, p.Key)
		}
		seen[p.Key] = true
		params[i].Value = mlflow.Truncate(p.Value, mlflow.MaxParam)
	}
	if len(twice) > 0 {
		return mlflow.Invalid("Duplicate parameter keys have been submitted: ['%s']. Please ensure the request contains only one param value per param key.", strings.Join(twice, "', '"))
	}
	return nil
}

// historyMax bounds a page of a history that asks for a number of points.
const historyMax = 50_000

func (s *Server) history(ctx context.Context, in *mlflow.GetHistory) (*mlflow.Metrics, error) {
	const op = "tracking.history"
	switch {
	case in.ID() == "":
		return nil, required("run_id")
	case in.MetricKey == "":
		return nil, required("metric_key")
	}
	limit := 0
	if in.MaxResults != nil {
		var err error
		if limit, err = pageSize(in.MaxResults, 0, historyMax); err != nil {
			return nil, err
		}
	}
	g := s.store.db.WithContext(ctx)
	place, err := parsePlace(in.PageToken, historyPlace)
	if err != nil {
		return nil, err
	}
	answer := &mlflow.Metrics{}
	answer.Metrics, err = readHistory(g, in.ID(), in.MetricKey, points{after: place, limit: limit})
	if err != nil {
		return nil, db.Fault(op, err)
	}
	if limit > 0 && len(answer.Metrics) > limit {
		answer.Metrics = answer.Metrics[:limit]
		last := answer.Metrics[limit-1]
		value, nan := storable(float64(last.Value))
		answer.NextPageToken = place.token(int64(last.Timestamp), int64(last.Step), value, boolInt(nan))
	}
	return answer, nil
}

// historyPlace is where a page of a history ends: time, step, value, NaN.
const historyPlace = "history"

func boolInt(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// points says which points of a metric are read.
type points struct {
	after    place
	limit    int         // one more is read; 0: no limit
	from, to *mlflow.Int // steps, both inclusive; nil: all
}

// The orders of a metric's points. By step they are read from the index.
const (
	byStep = "step, timestamp, value, is_nan"
	byTime = "timestamp, step, value, is_nan"
)

// readHistory reads points of a metric by time, step and value. Those that fit into
// one page are sorted here, which costs nothing where time goes on with the steps.
func readHistory(g *gorm.DB, runID, key string, want points) ([]mlflow.Metric, error) {
	if !want.after.empty() {
		return readPoints(g, runID, key, want, byTime)
	}
	list, err := readPoints(g, runID, key, want, byStep)
	if err == nil && want.limit > 0 && len(list) > want.limit {
		return readPoints(g, runID, key, want, byTime)
	}
	older := func(a, b mlflow.Metric) int { return cmp.Compare(a.Timestamp, b.Timestamp) }
	if !slices.IsSortedFunc(list, older) {
		slices.SortStableFunc(list, older)
	}
	return list, err
}

// readPoints reads points of a metric in an order. A place is one in byTime.
func readPoints(g *gorm.DB, runID, key string, want points, order string) ([]mlflow.Metric, error) {
	sql := keep + "SELECT value, timestamp, step, is_nan FROM metrics WHERE run_id = ? AND key = ?"
	args := []any{runID, key}
	if want.from != nil {
		sql += " AND step BETWEEN ? AND ?"
		args = append(args, int64(*want.from), int64(*want.to))
	}
	if after := &want.after; !after.empty() {
		at, step, value, nan := after.whole(0), after.whole(1), after.number(2), after.whole(3) == 1
		if after.err != nil {
			return nil, after.err
		}
		sql += " AND (" + byTime + ") > (?, ?, ?, ?)"
		args = append(args, at, step, value, nan)
	}
	sql += " ORDER BY " + order
	if want.limit > 0 {
		sql += " LIMIT ?"
		args = append(args, want.limit+1)
	}
	rows, err := g.Raw(sql, args...).Rows()
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // Err below says the same
	var list []mlflow.Metric
	for rows.Next() {
		m := metricRow{Key: key}
		if err := rows.Scan(&m.Value, &m.Timestamp, &m.Step, &m.IsNan); err != nil {
			return nil, err
		}
		list = append(list, m.wire())
	}
	return list, rows.Err()
}

// wire gives a stored point in MLflow's form.
func (r metricRow) wire() mlflow.Metric {
	return mlflow.Metric{Key: r.Key, Value: number(r.Value, r.IsNan), Timestamp: mlflow.Int(r.Timestamp), Step: mlflow.Int(r.Step)}
}

// The bounds of histories of several runs at once.
const (
	bulkRuns     = 100
	bulkPoints   = 25_000 // of all runs together
	bulkInterval = 2500   // of each run
)

// historyBulkIn is what MLflow's pages ask for, run by run.
type historyBulkIn struct {
	RunID      []string    `json:"run_id"`
	MetricKey  string      `json:"metric_key"`
	MaxResults *mlflow.Int `json:"max_results"`
}

func (s *Server) historyBulk(ctx context.Context, in *historyBulkIn) (*mlflow.Metrics, error) {
	if err := checkBulk("run_id", in.RunID, in.MetricKey); err != nil {
		return nil, err
	}
	limit := bulkPoints
	if in.MaxResults != nil {
		limit = int(max(0, min(*in.MaxResults, bulkPoints)))
	}
	answer := &mlflow.Metrics{}
	slices.Sort(in.RunID)
	for _, id := range in.RunID {
		left := limit - len(answer.Metrics)
		if left <= 0 {
			break
		}
		list, err := readHistory(s.store.db.WithContext(ctx), id, in.MetricKey, points{limit: left})
		if err != nil {
			return nil, db.Fault("tracking.historyBulk", err)
		}
		answer.Metrics = append(answer.Metrics, ofRun(id, list[:min(left, len(list))])...)
	}
	return answer, nil
}

func checkBulk(field string, ids []string, key string) error {
	switch {
	case len(ids) == 0:
		return required(field)
	case len(ids) > bulkRuns:
		return mlflow.Invalid("The request cannot specify more than %d run_ids. Received %d run_ids.", bulkRuns, len(ids))
	case key == "":
		return required("metric_key")
	}
	return nil
}

func ofRun(id string, points []mlflow.Metric) []mlflow.Metric {
	for i := range points {
		points[i].RunID = id
	}
	return points
}

func (s *Server) historyInterval(ctx context.Context, in *mlflow.GetHistoryBulk) (*mlflow.Metrics, error) {
	if err := checkBulk("run_ids", in.RunIDs, in.MetricKey); err != nil {
		return nil, err
	}
	switch {
	case (in.StartStep == nil) != (in.EndStep == nil):
		return nil, mlflow.Invalid("If either start step or end step are specified, both must be specified.")
	case in.StartStep != nil && *in.StartStep > *in.EndStep:
		return nil, mlflow.Invalid("end_step must be greater than start_step. Found start_step=%d and end_step=%d.", *in.StartStep, *in.EndStep)
	}
	limit, err := pageSize(in.MaxResults, bulkInterval, bulkInterval)
	if err != nil {
		return nil, err
	}
	answer := &mlflow.Metrics{}
	for _, id := range in.RunIDs {
		list, err := readPoints(s.store.db.WithContext(ctx), id, in.MetricKey, points{from: in.StartStep, to: in.EndStep}, byStep)
		if err != nil {
			return nil, db.Fault("tracking.historyInterval", err)
		}
		answer.Metrics = append(answer.Metrics, ofRun(id, spread(list, limit))...)
	}
	return answer, nil
}

// spread keeps at most n points at even distances, the first and the last among
// them.
func spread(points []mlflow.Metric, n int) []mlflow.Metric {
	if len(points) <= n {
		return points
	}
	if n == 1 {
		return points[len(points)-1:]
	}
	kept := make([]mlflow.Metric, n)
	for i := range kept {
		kept[i] = points[i*(len(points)-1)/(n-1)]
	}
	return kept
}
