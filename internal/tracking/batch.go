package tracking

import (
	"cmp"
	"errors"
	"math"
	"strings"

	"gorm.io/gorm"

	"github.com/perennial-ml/perennial/internal/mlflow"
)

// metricRow is a point as metrics and latest_metrics have it.
type metricRow struct {
	RunID     string
	Key       string
	Value     float64
	Timestamp int64
	Step      int64
	IsNan     bool
}

type tagRow struct {
	RunID string `gorm:"primaryKey"`
	Key   string `gorm:"primaryKey"`
	Value string
}

func (tagRow) TableName() string { return "tags" }

// writeMetrics stores points of a run and keeps the latest of each key.
func writeMetrics(tx *gorm.DB, run *runRow, points []mlflow.Metric) error {
	if len(points) == 0 {
		return nil
	}
	rows := make([][]any, len(points))
	newest := make(map[string]metricRow)
	var order []string
	for i, p := range points {
		m := metricRow{RunID: run.RunID, Key: p.Key, Timestamp: int64(p.Timestamp), Step: int64(p.Step)}
		m.Value, m.IsNan = storable(float64(p.Value))
		rows[i] = []any{m.RunID, m.Key, m.Value, m.Timestamp, m.Step, m.IsNan}
		last, seen := newest[m.Key]
		if !seen {
			order = append(order, m.Key)
		}
		if !seen || m.after(last) {
			newest[m.Key] = m
		}
	}
	if _, err := insert(tx, "INSERT INTO metrics (run_id, key, value, timestamp, step, is_nan) VALUES ", " ON CONFLICT DO NOTHING", rows); err != nil {
		return err
	}
	if err := writeModelMetrics(tx, run.RunID, points); err != nil {
		return err
	}
	latest := make([][]any, len(order))
	for i, key := range order {
		m := newest[key]
		latest[i] = []any{m.RunID, m.Key, m.Value, m.Timestamp, m.Step, m.IsNan, run.ExperimentID}
	}
	_, err := insert(tx, "INSERT INTO latest_metrics (run_id, key, value, timestamp, step, is_nan, experiment_id) VALUES ",
		` ON CONFLICT (run_id, key) DO UPDATE SET value = excluded.value, timestamp = excluded.timestamp, step = excluded.step, is_nan = excluded.is_nan
WHERE (excluded.step, excluded.timestamp, excluded.value) > (latest_metrics.step, latest_metrics.timestamp, latest_metrics.value)`, latest)
	return err
}

// writeModelMetrics stores the points that were measured on a logged model with it.
func writeModelMetrics(tx *gorm.DB, runID string, points []mlflow.Metric) error {
	var rows [][]any
	for _, p := range points {
		if p.ModelID == "" {
			continue
		}
		value, isNaN := storable(float64(p.Value))
		rows = append(rows, []any{p.ModelID, p.Key, int64(p.Timestamp), int64(p.Step), runID, value, isNaN, p.DatasetName, p.DatasetDigest})
	}
	if len(rows) == 0 {
		return nil
	}
	_, err := insert(tx, "INSERT INTO logged_model_metrics (model_id, key, timestamp, step, run_id, value, is_nan, dataset_name, dataset_digest) VALUES ", " ON CONFLICT DO NOTHING", rows)
	if errors.Is(err, gorm.ErrForeignKeyViolated) {
		return mlflow.Missing("One of the metrics names a logged model that doesn't exist.")
	}
	return err
}

// insertSizes are the numbers of rows that one statement inserts: few different
// ones, so that they stay prepared.
var insertSizes = []int{100, 10, 1}

// insert inserts rows of equally many values and gives how many were stored.
func insert(tx *gorm.DB, head, tail string, rows [][]any) (stored int, err error) {
	for _, size := range insertSizes {
		if len(rows) < size {
			continue
		}
		row := "(" + strings.Repeat("?, ", len(rows[0])-1) + "?)"
		sql := keep + head + strings.Repeat(row+", ", size-1) + row + tail
		for len(rows) >= size {
			args := make([]any, 0, size*len(rows[0]))
			for _, r := range rows[:size] {
				args = append(args, r...)
			}
			done := tx.Exec(sql, args...)
			if done.Error != nil {
				return stored, done.Error
			}
			stored += int(done.RowsAffected)
			rows = rows[size:]
		}
	}
	return stored, nil
}

// storable gives the value that a row can hold, and whether it stands for NaN.
func storable(v float64) (value float64, isNaN bool) {
	switch {
	case math.IsNaN(v):
		return 0, true
	case v == 0:
		return 0, false // -0 too
	}
	return max(-math.MaxFloat64, min(math.MaxFloat64, v)), false
}

// after orders the points of one metric by (step, timestamp, value).
func (r metricRow) after(other metricRow) bool {
	return cmp.Or(cmp.Compare(r.Step, other.Step), cmp.Compare(r.Timestamp, other.Timestamp), cmp.Compare(r.Value, other.Value)) > 0
}

// number is the way back of storable.
func number(value float64, isNaN bool) mlflow.Number {
	if isNaN {
		return mlflow.Number(math.NaN())
	}
	return mlflow.Number(value)
}
