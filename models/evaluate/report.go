package evaluate

import (
	"math"
	"slices"
	"strings"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/stats"
)

// Report is what a model reached on the rows it was evaluated on. Every number
// in it is finite: a metric that can't be measured on the rows is left out.
type Report struct {
	Task      perennial.Task `json:"task"`
	N         int            `json:"n"`                 // rows
	Classes   []string       `json:"classes,omitempty"` // class names by index
	Level     float64        `json:"level"`             // of the intervals: 0.95
	Seed      int64          `json:"seed"`              // of the intervals
	Metrics   []Score        `json:"metrics"`           // in the order of Metrics(Task)
	Baseline  []Value        `json:"baseline"`          // of the majority class or the mean
	Slices    []Slice        `json:"slices,omitempty"`
	Confusion [][]int        `json:"confusion,omitempty"` // rows by true class, then predicted class
}

// Score is a metric with its interval.
type Score struct {
	Name           string      `json:"name"`
	Value          float64     `json:"value"`
	Interval       *[2]float64 `json:"interval,omitempty"` // percentile bootstrap; nil where resamples can't tell
	Resamples      int         `json:"resamples"`
	HigherIsBetter bool        `json:"higher_is_better"`
}

// Slice holds the metrics of the rows that share one value of a column.
type Slice struct {
	Column  string  `json:"column"`
	Value   string  `json:"value"` // "" is null
	N       int     `json:"n"`
	Metrics []Value `json:"metrics"`
}

// SliceColumn gives each evaluated row its value in one column, "" for null.
type SliceColumn struct {
	Name   string
	Values []string // one per row of Observed
}

// ReportInput is what a report is made of.
type ReportInput struct {
	Observed   Observed
	Baseline   Observed // the same rows, answered by Baseline
	ClassNames []string // by class index; nil for regression
	Slices     []SliceColumn
	Metrics    []string // to be reported beside those that every report has
	Seed       int64    // of the bootstrap
}

// NewReport scores a model and its baseline. It is deterministic for a seed.
// Observations with a fault, a
// baseline of other length and slice columns of other length are errors of code
// invalid, and so is an evaluation without rows.
func NewReport(in ReportInput) (*Report, error) {
	const op = "evaluate.NewReport"
	o := in.Observed
	n := len(o.Y)
	if n == 0 {
		return nil, perennial.Errorf(perennial.CodeInvalid, op, "there are no rows to evaluate on").
			WithHint("Enlarge the split's test share.")
	}
	for _, side := range []Observed{o, in.Baseline} {
		if err := side.Validate(); err != nil {
			return nil, perennial.Wrap(op, err)
		}
	}
	if len(in.Baseline.Y) != n {
		return nil, perennial.Errorf(perennial.CodeInvalid, op, "the baseline answered %d rows, the model %d", len(in.Baseline.Y), n)
	}
	r := &Report{
		Task: o.Task, N: n, Classes: in.ClassNames, Level: stats.Level, Seed: in.Seed,
		Metrics: scores(o, in.Metrics, in.Seed), Baseline: All(in.Baseline, in.Metrics...), Confusion: Confusion(o),
	}
	for _, column := range in.Slices {
		if len(column.Values) != n {
			return nil, perennial.Errorf(perennial.CodeInvalid, op, "slice column %s has %d values for %d rows", column.Name, len(column.Values), n)
		}
		for _, part := range column.Parts() {
			r.Slices = append(r.Slices, Slice{Column: column.Name, Value: part.Value, N: len(part.Rows), Metrics: All(o.Take(part.Rows), in.Metrics...)})
		}
	}
	return r, nil
}

// Metric gives the report's value of a metric by name or alias; ok is false
// where it couldn't be measured.
func (r *Report) Metric(name string) (v float64, ok bool) {
	m, ok := Lookup(name)
	if !ok {
		return 0, false
	}
	i := slices.IndexFunc(r.Metrics, func(s Score) bool { return s.Name == m.Name })
	if i < 0 {
		return 0, false
	}
	return r.Metrics[i].Value, true
}

// Part is the rows that share one value of a slice column.
type Part struct {
	Value string
	Rows  []int
}

// Parts groups the rows by value, values in ascending order of their bytes.
func (c SliceColumn) Parts() []Part {
	byValue := map[string][]int{}
	for row, v := range c.Values {
		byValue[v] = append(byValue[v], row)
	}
	out := make([]Part, 0, len(byValue))
	for v, rows := range byValue {
		out = append(out, Part{Value: v, Rows: rows})
	}
	slices.SortFunc(out, func(a, b Part) int { return strings.Compare(a.Value, b.Value) })
	return out
}

func scores(o Observed, named []string, seed int64) []Score {
	out, measured := []Score{}, []Metric{}
	for _, m := range reported(o.Task, named) {
		if v, ok := m.Measure(o); ok {
			measured = append(measured, m)
			out = append(out, Score{Name: m.Name, Value: v, Resamples: Resamples(len(o.Y)), HigherIsBetter: m.HigherIsBetter})
		}
	}
	for i, interval := range intervals(o, measured, seed) {
		if !math.IsNaN(interval[0]) {
			out[i].Interval = &interval
		}
	}
	return out
}
