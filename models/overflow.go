package models

import (
	"math"
	"slices"
)

// Overflow is a feature whose value in a row is too large for the model's
// arithmetic.
type Overflow struct {
	Feature   int     // index in Schema().Features()
	Low, High float64 // smallest and largest value among the training rows; both 0 where none had one
	Absurd    bool    // more than absurdly times as large as any of them
}

// absurdly is from how many times the largest training value on a value is one
// that no model has to take. Training values below 1 count as 1.
const absurdly = 1e6

// Overflows says which values of a row keep its answer from being finite: those
// outside of what training saw without which it is. None means that the answer is
// finite, or that the model is at fault: its answer isn't finite on values like
// those it was trained on either. A model from elsewhere is always at fault: it
// only compares values, and nobody knows what it was trained on.
//
// Each value that does it alone is named, or all of those outside where only
// several together do. It allocates and predicts several times: it is for rows
// that failed.
func (m *Model) Overflows(row []float64, s *Scratch) []Overflow {
	if m.profile.Rows == 0 {
		return nil
	}
	inside := slices.Clone(row)
	var outside []int
	for i := range m.features {
		p := &m.profile.Features[i]
		if p.Categories != nil || !(row[i] < p.Min || row[i] > p.Max) { // null is neither
			continue
		}
		inside[i] = min(max(row[i], p.Min), p.Max)
		outside = append(outside, i)
	}
	if len(outside) == 0 || m.finite(row, s) || !m.finite(inside, s) {
		return nil
	}
	var alone []int
	for _, i := range outside {
		within := inside[i]
		inside[i] = row[i]
		if !m.finite(inside, s) {
			alone = append(alone, i)
		}
		inside[i] = within
	}
	if len(alone) == 0 {
		alone = outside
	}
	out := make([]Overflow, len(alone))
	for k, i := range alone {
		p := &m.profile.Features[i]
		out[k] = Overflow{Feature: i, Low: p.Min, High: p.Max, Absurd: math.Abs(row[i]) > absurdly*max(math.Abs(p.Min), math.Abs(p.Max), 1)}
	}
	return out
}

// finite reports whether a row has a finite answer.
func (m *Model) finite(row []float64, s *Scratch) bool {
	value, proba := m.Predict(row, s)
	return !slices.ContainsFunc(append([]float64{value}, proba...), func(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) })
}
