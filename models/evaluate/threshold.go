package evaluate

import (
	"math"

	"github.com/perennial-ml/perennial"
)

// ThresholdGoal says what a threshold is chosen for: a metric of predicted
// classes to maximise or, without one, the cost of the errors to minimise.
type ThresholdGoal struct {
	Metric        string  // "": cost
	FalsePositive float64 // cost of a negative row that is called positive
	FalseNegative float64 // cost of a positive row that is called negative
}

// ThresholdChoice is a threshold with what it was chosen from.
type ThresholdChoice struct {
	Metric    string           `json:"metric"`        // or "cost": the mean cost of a row
	Threshold float64          `json:"threshold"`     // above 0, at most 1
	Value     float64          `json:"value"`         // at that threshold
	AtHalf    *float64         `json:"value_at_half"` // at 0.5, what the choice saves or gains over; null where it can't be measured
	Rows      int              `json:"rows"`
	Positives int              `json:"positives"`
	Curve     []ThresholdPoint `json:"curve"` // ascending, at most 1000 points
}

// ThresholdPoint is what a threshold would give.
type ThresholdPoint struct {
	Threshold float64 `json:"threshold"`
	Value     float64 `json:"value"`
}

// ChooseThreshold finds the threshold that serves the goal best on observations
// of two classes with probabilities, where a row is called positive if its
// probability is at least the threshold. They should be of rows that the model
// wasn't fitted on: out of folds, never the holdout.
//
// The candidates lie halfway between two neighbouring probabilities (and between
// 0, 1 and the outermost), so that each way to part the rows is tried once. Of
// equally good ones the nearest to 0.5 is taken, and of two as near the lower.
//
// Errors have code invalid: observations without two classes or probabilities, a
// metric that is unknown or doesn't score classes, and rows of which no threshold
// can be measured, as f1 without a positive row.
func ChooseThreshold(o Observed, goal ThresholdGoal) (*ThresholdChoice, error) {
	const op = "evaluate.ChooseThreshold"
	if err := o.Validate(); err != nil {
		return nil, perennial.Wrap(op, err)
	}
	if o.Task != perennial.Classification || o.Classes != 2 || o.Proba == nil {
		return nil, perennial.Errorf(perennial.CodeInvalid, op, "a threshold is for two classes with probabilities")
	}
	s := newSample(o)
	value, sign, err := goal.value(s)
	if err != nil {
		return nil, perennial.Wrap(op, err)
	}
	out := &ThresholdChoice{Metric: goal.name(), Rows: len(o.Y), Positives: int(s.actual(s.positive()))}
	best := math.Inf(-1)
	ok := s.partitions(func(threshold float64, table [][]float64) {
		s.table = table
		v := value()
		if math.IsNaN(v) {
			return
		}
		out.Curve = append(out.Curve, ThresholdPoint{threshold, v})
		// Thresholds fall, so that of two as near to 0.5 the later one is the lower.
		if sign*v > best || (sign*v == best && math.Abs(threshold-0.5) <= math.Abs(out.Threshold-0.5)) {
			best, out.Threshold, out.Value = sign*v, threshold, v
		}
	})
	if !ok || len(out.Curve) == 0 {
		return nil, perennial.Errorf(perennial.CodeInvalid, op, "no threshold can be chosen for %s: it can't be measured on the %d rows out of the folds, %d of them positive", out.Metric, out.Rows, out.Positives)
	}
	s.table = s.split(0.5)
	if v := value(); !math.IsNaN(v) {
		out.AtHalf = &v
	}
	out.Curve = ascending(out.Curve)
	return out, nil
}

func (g ThresholdGoal) name() string {
	if m, ok := Lookup(g.Metric); ok {
		return m.Name
	}
	return "cost"
}

// value gives the goal's value for the sample's confusion, and 1 where more is
// better, −1 where less is.
func (g ThresholdGoal) value(s *sample) (value func() float64, sign float64, err error) {
	if g.Metric == "" {
		p := s.positive()
		return func() float64 {
			t := s.confusion()
			return (float64(g.FalsePositive*t[1-p][p]) + float64(g.FalseNegative*t[p][1-p])) / s.n
		}, -1, nil
	}
	m, ok := Lookup(g.Metric)
	if !ok || m.NeedsProba || !m.Fits(s.Observed) {
		return nil, 0, perennial.Errorf(perennial.CodeInvalid, "", "%q doesn't score the classes of two, so that no threshold can maximise it", g.Metric)
	}
	if !m.HigherIsBetter {
		return m.measured(s), -1, nil
	}
	return m.measured(s), 1, nil
}

// partitions calls f with each threshold, highest first, and the confusion that
// it gives, from nobody positive to everybody. It reports false where a
// probability is NaN.
func (s *sample) partitions(f func(threshold float64, table [][]float64)) bool {
	p := s.positive()
	table := [][]float64{{0, 0}, {0, 0}}
	for c := range table {
		table[c][1-p] = s.actual(c)
	}
	rows := s.order(p)
	above, i := 1.0, 0
	step := func(below float64) {
		// A threshold must part what is above from what is below, and be no 0.
		if t := below + (above-below)/2; t > below && t > 0 {
			f(t, table)
		}
	}
	ok := s.ties(p, -1, func(positives, negatives float64) {
		score := rows[i].score
		i += int(positives + negatives)
		if i > int(positives+negatives) || score < 1 {
			step(score)
		}
		table[p][p] += positives
		table[p][1-p] -= positives
		table[1-p][p] += negatives
		table[1-p][1-p] -= negatives
		above = score
	})
	if ok && above > 0 {
		step(0)
	}
	return ok
}

// split is the confusion that a threshold gives.
func (s *sample) split(threshold float64) [][]float64 {
	p := s.positive()
	table := [][]float64{{0, 0}, {0, 0}}
	for i, y := range s.Y {
		called := 1 - p
		if s.proba(i, p) >= threshold {
			called = p
		}
		table[int(y)][called]++
	}
	return table
}

// ascending turns a falling curve round and thins it.
func ascending(curve []ThresholdPoint) []ThresholdPoint {
	out := make([]ThresholdPoint, len(curve))
	for i, p := range curve {
		out[len(curve)-1-i] = p
	}
	out, _ = thin(out)
	return out
}
