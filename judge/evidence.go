package judge

import (
	"math"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/models/evaluate"
	"github.com/perennial-ml/perennial/stats"
)

// What a gate may compare with, as it stands in Gate.Versus.
const (
	VersusBaseline = "baseline"
	VersusChampion = "champion"
)

// GateEvidence is everything a decision about gates rests on, in plain numbers.
type GateEvidence struct {
	N            int           `json:"n"`                  // evaluated rows
	Champion     string        `json:"champion,omitempty"` // the version compared with; "" where none is in service
	Level        float64       `json:"level"`              // of the intervals: 0.95
	Seed         int64         `json:"seed"`               // of the intervals
	Measurements []Measurement `json:"measurements"`
}

// Measurement is one metric on one set of rows. Candidate and Reference are nil
// where they couldn't be measured there, Interval where resamples can't tell.
type Measurement struct {
	Metric         string      `json:"metric"`
	HigherIsBetter bool        `json:"higher_is_better"`
	Versus         string      `json:"vs,omitempty"`          // whose value Reference is; "" for none
	Slice          string      `json:"slice,omitempty"`       // column; "" for all rows
	SliceValue     string      `json:"slice_value,omitempty"` // the value these rows share; "" is null
	N              int         `json:"n"`                     // rows
	Candidate      *float64    `json:"candidate"`
	Reference      *float64    `json:"reference,omitempty"`
	Interval       *[2]float64 `json:"interval,omitempty"` // 95 %, of Candidate − Reference, or of Candidate without one
	Resamples      int         `json:"resamples,omitempty"`
}

// Comparison is what gates are measured on.
type Comparison struct {
	Candidate evaluate.Observed
	Baseline  evaluate.Observed // the same rows as Candidate
	Champion  *Champion         // nil: none in service
	Slices    []evaluate.SliceColumn
	Seed      int64 // of the bootstrap
}

// Champion is the version in service, scored again on this run's rows.
type Champion struct {
	Version  string
	Rows     []int             // the rows of Candidate that neither model was trained on
	Observed evaluate.Observed // those rows in that order, classes numbered as Candidate's
}

// MeasureGates measures what the policy asks for, each metric, reference and
// slice once. It is deterministic for a seed; see evaluate.Resamples for the
// number of resamples. What can't be measured (an unknown metric or column,
// recall without a positive row) is evidence, not an error; observations with a
// fault or of different lengths are errors of code invalid.
func MeasureGates(policy []perennial.Gate, c Comparison) (GateEvidence, error) {
	if err := c.validate(); err != nil {
		return GateEvidence{}, perennial.Wrap("judge.MeasureGates", err)
	}
	ev := GateEvidence{N: len(c.Candidate.Y), Level: stats.Level, Seed: c.Seed, Measurements: []Measurement{}}
	if c.Champion != nil {
		ev.Champion = c.Champion.Version
	}
	type question struct{ metric, versus, slice string }
	asked := map[question]bool{}
	for _, gate := range policy {
		m, known := evaluate.Lookup(gate.Metric)
		q := question{m.Name, gate.Versus, gate.Slice}
		if !known || asked[q] || (gate.Versus == VersusChampion && c.Champion == nil) {
			continue
		}
		asked[q] = true
		ev.Measurements = append(ev.Measurements, c.measure(m, gate.Versus, gate.Slice)...)
	}
	return ev, nil
}

func (c Comparison) validate() error {
	const op = "judge.Comparison"
	n := len(c.Candidate.Y)
	if err := c.Candidate.Validate(); err != nil {
		return err
	}
	if err := c.Baseline.Validate(); err != nil {
		return err
	}
	if len(c.Baseline.Y) != n {
		return perennial.Errorf(perennial.CodeInvalid, op, "the baseline answered %d rows, the candidate %d", len(c.Baseline.Y), n)
	}
	for _, s := range c.Slices {
		if len(s.Values) != n {
			return perennial.Errorf(perennial.CodeInvalid, op, "slice column %s has %d values for %d rows", s.Name, len(s.Values), n)
		}
	}
	if c.Champion == nil {
		return nil
	}
	if c.Champion.Version == "" {
		return perennial.Errorf(perennial.CodeInvalid, op, "the champion has no version")
	}
	if len(c.Champion.Observed.Y) != len(c.Champion.Rows) {
		return perennial.Errorf(perennial.CodeInvalid, op, "the champion answered %d rows, not %d", len(c.Champion.Observed.Y), len(c.Champion.Rows))
	}
	for _, r := range c.Champion.Rows {
		if r < 0 || r >= n {
			return perennial.Errorf(perennial.CodeInvalid, op, "the champion's row %d is none of the candidate's %d", r, n)
		}
	}
	return c.Champion.Observed.Validate()
}

// measure answers one question: for all rows one measurement, for a slice one
// for each of its values, none where the column is unknown.
func (c Comparison) measure(m evaluate.Metric, versus, slice string) []Measurement {
	candidate, reference := c.Candidate, (*evaluate.Observed)(nil)
	rows := func(i int) int { return i }
	switch versus {
	case VersusBaseline:
		reference = &c.Baseline
	case VersusChampion:
		candidate, reference = c.Candidate.Take(c.Champion.Rows), &c.Champion.Observed
		rows = func(i int) int { return c.Champion.Rows[i] }
	}
	template := Measurement{Metric: m.Name, HigherIsBetter: m.HigherIsBetter, Versus: versus, Slice: slice}
	if slice == "" {
		return []Measurement{measureRows(template, m, candidate, reference, c.Seed)}
	}
	var out []Measurement
	for _, column := range c.Slices {
		if column.Name != slice {
			continue
		}
		values := make([]string, len(candidate.Y))
		for i := range values {
			values[i] = column.Values[rows(i)]
		}
		for _, part := range (evaluate.SliceColumn{Values: values}).Parts() {
			template.SliceValue = part.Value
			var other *evaluate.Observed
			if reference != nil {
				taken := reference.Take(part.Rows)
				other = &taken
			}
			out = append(out, measureRows(template, m, candidate.Take(part.Rows), other, c.Seed))
		}
	}
	return out
}

func measureRows(out Measurement, m evaluate.Metric, candidate evaluate.Observed, reference *evaluate.Observed, seed int64) Measurement {
	out.N = len(candidate.Y)
	out.Candidate = measured(m, candidate)
	var interval [2]float64
	var ok bool
	if reference == nil {
		interval, ok = m.Interval(candidate, seed)
	} else {
		out.Reference = measured(m, *reference)
		interval, ok = m.DifferenceInterval(candidate, *reference, seed)
	}
	if ok {
		out.Interval, out.Resamples = &interval, evaluate.Resamples(out.N)
	}
	return out
}

func measured(m evaluate.Metric, o evaluate.Observed) *float64 {
	if v, ok := m.Measure(o); ok {
		return &v
	}
	return nil
}

// finite leaves out numbers that JSON can't hold, which are no measurements.
func (e GateEvidence) finite() GateEvidence {
	clean := make([]Measurement, len(e.Measurements))
	for i, m := range e.Measurements {
		m.Candidate, m.Reference = finiteOrNil(m.Candidate), finiteOrNil(m.Reference)
		if m.Interval != nil && (!isFinite(m.Interval[0]) || !isFinite(m.Interval[1])) {
			m.Interval = nil
		}
		clean[i] = m
	}
	e.Measurements = clean
	return e
}

func finiteOrNil(v *float64) *float64 {
	if v == nil || !isFinite(*v) {
		return nil
	}
	return v
}

func isFinite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
