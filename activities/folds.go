package activities

import (
	"math"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/models/tune"
)

// dealFolds deals the training rows to k folds, or fewer where there is less to deal:
// for each, the rows fitted on and the rows scored. The rows of a unit (equal keys,
// a group) share a fold. Classes keep their shares; a split by time trains on what
// came before the rows it scores. Fewer than two folds, for a split by time fewer
// than one, are an error of code invalid.
func (m *material) dealFolds(k int) (fit, score [][]int, err error) {
	p := m.bundle.Spec.Pipeline
	units := pick(m.units, m.train)
	if p.Split.By == perennial.SplitTime {
		when, err := m.when(p.Split.Column)
		if err != nil {
			return nil, nil, err
		}
		fit, score = tune.TimeFolds(len(m.train), when, units, k)
		if len(fit) == 0 {
			return nil, nil, perennial.Errorf(perennial.CodeInvalid, "folds", "cross-validation in the order of time needs training rows of two different times at least, and the %d training rows have one %s", len(m.train), p.Split.Column).
				WithHint("More data is needed, or another split.")
		}
		for i := range fit {
			fit[i], score[i] = pick(m.train, fit[i]), pick(m.train, score[i])
		}
		return fit, score, nil
	}
	var classes []float64
	if p.Task == perennial.Classification {
		classes = m.labels(m.train)
	}
	dealt := tune.Folds(len(m.train), classes, units, k, p.Tuning.Seed)
	if groups := distinct(units); len(dealt) < 2 && p.Split.By == perennial.SplitGroup && groups < 2 {
		return nil, nil, perennial.Errorf(perennial.CodeInvalid, "folds", "the %d training rows are in one group by %s, and a group stays together: cross-validation needs two groups at least for training, besides those that are held out", len(m.train), p.Split.Column).
			WithHint("Take a column that tells more groups apart (split.column), or another split.")
	}
	if s := p.Split; len(dealt) < 2 && s.By != perennial.SplitGiven && s.Test > 0.5 {
		return nil, nil, perennial.Errorf(perennial.CodeInvalid, "folds", "split.test: %g leaves %d of the %d rows for training, and cross-validation needs two different training rows or groups at least", s.Test, len(m.train), m.table.Rows).
			WithHint("Hold less out: split.test is usually 0.2.")
	}
	if len(dealt) < 2 {
		return nil, nil, perennial.Errorf(perennial.CodeInvalid, "folds", "the %d rows are too few: %d of them are for training, the others are held out, and cross-validation needs two different training rows or groups at least", m.table.Rows, len(m.train)).
			WithHint("Add rows: a model is worth something from some hundred rows on.")
	}
	for _, test := range dealt {
		in := make([]bool, len(m.train))
		for _, i := range test {
			in[i] = true
		}
		rest := make([]int, 0, len(m.train)-len(test))
		for i, row := range m.train {
			if !in[i] {
				rest = append(rest, row)
			}
		}
		fit, score = append(fit, rest), append(score, pick(m.train, test))
	}
	return fit, score, nil
}

func distinct(units []string) int {
	seen := map[string]bool{}
	for _, u := range units {
		seen[u] = true
	}
	return len(seen)
}

// when gives the time of each training row.
func (m *material) when(column string) ([]float64, error) {
	for i, c := range m.table.Schema.Columns {
		if s := &m.table.Columns[i]; c.Name == column && s.Numbers != nil {
			out := pick(s.Numbers, m.train)
			for k, v := range out {
				if math.IsNaN(v) {
					return nil, perennial.Errorf(perennial.CodeInvalid, "folds", "row %d has no %s, by which the split orders the rows", m.train[k], column)
				}
			}
			return out, nil
		}
	}
	return nil, perennial.Errorf(perennial.CodeInvalid, "folds", "the split by time needs the column %q, which the data doesn't have", column)
}
