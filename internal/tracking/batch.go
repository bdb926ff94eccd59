package tracking

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"strings"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/perennial-ml/perennial"
)

// insertRows bounds the rows of one statement: SQLite takes 32,766 values.
const insertRows = 500

type metricRow struct {
	RunID     string  `gorm:"primaryKey"`
	Key       string  `gorm:"primaryKey"`
	Value     float64 `gorm:"primaryKey"`
	Timestamp int64   `gorm:"primaryKey;autoIncrement:false"`
	Step      int64   `gorm:"primaryKey;autoIncrement:false"`
	IsNan     bool    `gorm:"primaryKey"`
}

func (metricRow) TableName() string { return "metrics" }

// latestMetricRow is a metricRow in the table of latest points.
type latestMetricRow metricRow

func (latestMetricRow) TableName() string { return "latest_metrics" }

type paramRow struct {
	RunID string `gorm:"primaryKey"`
	Key   string `gorm:"primaryKey"`
	Value string
}

func (paramRow) TableName() string { return "params" }

type tagRow struct {
	RunID string `gorm:"primaryKey"`
	Key   string `gorm:"primaryKey"`
	Value string
}

func (tagRow) TableName() string { return "tags" }

// LogBatch stores metrics, params and tags of a run: all of them or none.
//
// A param is write-once: the same value again is fine, another one is a conflict
// that names the key. A point of a metric (key, value, timestamp, step) is stored
// once, however often it comes. A tag takes the last value; the tag
// mlflow.runName renames the run. NaN is kept; infinities become the greatest
// finite number, and -0 becomes 0, as in MLflow's own store.
//
// Errors: not_found, precondition for a deleted run, conflict, invalid for a
// param that comes twice in one batch.
func (s *Store) LogBatch(ctx context.Context, runID string, metrics []perennial.Metric, params, tags []perennial.Tag) error {
	const op = "tracking.LogBatch"
	return s.write(ctx, op, func(tx *gorm.DB) error {
		if err := activeRun(tx, runID); err != nil {
			return err
		}
		if err := putParams(tx, runID, params); err != nil {
			return err
		}
		if err := putMetrics(tx, runID, metrics); err != nil {
			return err
		}
		if err := putTags(tx, runID, tags); err != nil {
			return err
		}
		if name := (&perennial.Run{Tags: lastOfEach(tags)}).Tag(perennial.TagRunName); name != "" {
			return tx.Model(&runRow{}).Where("run_id = ?", runID).Update("name", name).Error
		}
		return nil
	})
}

func putParams(tx *gorm.DB, runID string, params []perennial.Tag) error {
	if len(params) == 0 {
		return nil
	}
	rows := make([]paramRow, len(params))
	want := make(map[string]string, len(params))
	keys := make([]string, len(params))
	for i, p := range params {
		if _, twice := want[p.Key]; twice {
			return invalid("param %s comes twice in one batch", p.Key)
		}
		want[p.Key], keys[i] = p.Value, p.Key
		rows[i] = paramRow{RunID: runID, Key: p.Key, Value: p.Value}
	}
	done := tx.Clauses(clause.OnConflict{DoNothing: true}).CreateInBatches(rows, insertRows)
	if done.Error != nil || done.RowsAffected == int64(len(rows)) {
		return done.Error
	}
	var stored []paramRow
	if err := tx.Where("run_id = ? AND key IN ?", runID, keys).Order("key").Find(&stored).Error; err != nil {
		return err
	}
	var changed []string
	for _, p := range stored {
		if p.Value != want[p.Key] {
			changed = append(changed, fmt.Sprintf("%s is %q", p.Key, p.Value))
		}
	}
	if len(changed) > 0 {
		return perennial.Errorf(perennial.CodeConflict, "", "params of run %s can't change once they are set: %s", runID, strings.Join(changed, ", ")).
			WithHint("log the new value in a new run")
	}
	return nil
}

func putMetrics(tx *gorm.DB, runID string, metrics []perennial.Metric) error {
	if len(metrics) == 0 {
		return nil
	}
	rows := make([]metricRow, len(metrics))
	newest := map[string]int{} // key → index of its latest point in rows
	var order []string
	for i, m := range metrics {
		rows[i] = metricRow{RunID: runID, Key: m.Key, Timestamp: m.Timestamp, Step: m.Step}
		rows[i].Value, rows[i].IsNan = storable(m.Value)
		j, seen := newest[m.Key]
		if !seen {
			order = append(order, m.Key)
		}
		if !seen || rows[i].after(rows[j]) {
			newest[m.Key] = i
		}
	}
	if err := tx.Clauses(clause.OnConflict{DoNothing: true}).CreateInBatches(rows, insertRows).Error; err != nil {
		return err
	}
	latest := make([]latestMetricRow, len(order))
	for i, key := range order {
		latest[i] = latestMetricRow(rows[newest[key]])
	}
	return tx.Clauses(clause.OnConflict{
		Columns:   []clause.Column{{Name: "run_id"}, {Name: "key"}},
		DoUpdates: clause.AssignmentColumns([]string{"value", "timestamp", "step", "is_nan"}),
		Where: clause.Where{Exprs: []clause.Expression{gorm.Expr(
			"(excluded.step, excluded.timestamp, excluded.value) > (latest_metrics.step, latest_metrics.timestamp, latest_metrics.value)",
		)}},
	}).CreateInBatches(latest, insertRows).Error
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

func (r metricRow) metric() perennial.Metric {
	if r.IsNan {
		r.Value = math.NaN()
	}
	return perennial.Metric{Key: r.Key, Value: r.Value, Timestamp: r.Timestamp, Step: r.Step}
}

func putTags(tx *gorm.DB, runID string, tags []perennial.Tag) error {
	tags = lastOfEach(tags)
	if len(tags) == 0 {
		return nil
	}
	rows := make([]tagRow, len(tags))
	for i, t := range tags {
		rows[i] = tagRow{RunID: runID, Key: t.Key, Value: t.Value}
	}
	return tx.Clauses(clause.OnConflict{
		Columns:   []clause.Column{{Name: "run_id"}, {Name: "key"}},
		DoUpdates: clause.AssignmentColumns([]string{"value"}),
	}).CreateInBatches(rows, insertRows).Error
}

// lastOfEach keeps the last value of every key: one statement can't write a row
// twice.
func lastOfEach(tags []perennial.Tag) []perennial.Tag {
	at := make(map[string]int, len(tags))
	var kept []perennial.Tag
	for _, t := range tags {
		if i, seen := at[t.Key]; seen {
			kept[i] = t
			continue
		}
		at[t.Key] = len(kept)
		kept = append(kept, t)
	}
	return kept
}
