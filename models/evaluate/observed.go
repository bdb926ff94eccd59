package evaluate

import (
	"math"

	"github.com/perennial-ml/perennial"
)

// Observed is what was predicted for some rows and what was true.
type Observed struct {
	Task     perennial.Task
	Y        []float64 // the truth of each row: a class index, 0 to Classes−1, or a number
	Values   []float64 // the prediction of each row, as Y
	Proba    []float64 // rows × Classes, row-major; nil for regression and where there are none
	Classes  int       // number of classes; 0 for regression
	Positive int       // class index of the positive class of two; −1: none named, and then it is class 1, as in scikit-learn
}

// Validate reports the first fault of the observations: lengths that disagree,
// fewer than two classes, a class index outside 0 to Classes−1, or an unknown
// task. The error has code invalid. Numbers are not checked: a NaN prediction
// makes a metric undefined, not the observations.
func (o Observed) Validate() error {
	const op = "evaluate.Validate"
	n := len(o.Y)
	if len(o.Values) != n {
		return perennial.Errorf(perennial.CodeInvalid, op, "%d predictions for %d rows", len(o.Values), n)
	}
	switch o.Task {
	case perennial.Regression:
		return nil
	case perennial.Classification:
	default:
		return perennial.Errorf(perennial.CodeInvalid, op, "unknown task %q", o.Task)
	}
	if o.Classes < 2 {
		return perennial.Errorf(perennial.CodeInvalid, op, "%d classes: classification needs at least two", o.Classes)
	}
	if o.Proba != nil && len(o.Proba) != n*o.Classes {
		return perennial.Errorf(perennial.CodeInvalid, op, "%d probabilities for %d rows of %d classes", len(o.Proba), n, o.Classes)
	}
	for i := range n {
		if !o.isClass(o.Y[i]) || !o.isClass(o.Values[i]) {
			return perennial.Errorf(perennial.CodeInvalid, op, "row %d: truth %g and prediction %g must be class indexes from 0 to %d",
				i, o.Y[i], o.Values[i], o.Classes-1)
		}
	}
	return nil
}

// Take gives the observations of some rows, in their order; a row may come more
// than once. It panics on a row that doesn't exist.
func (o Observed) Take(rows []int) Observed {
	out := o
	out.Y, out.Values, out.Proba = make([]float64, len(rows)), make([]float64, len(rows)), nil
	if o.Proba != nil {
		out.Proba = make([]float64, len(rows)*o.Classes)
	}
	k := o.Classes
	for i, r := range rows {
		out.Y[i], out.Values[i] = o.Y[r], o.Values[r]
		if o.Proba != nil {
			copy(out.Proba[i*k:(i+1)*k], o.Proba[r*k:(r+1)*k])
		}
	}
	return out
}

func (o Observed) isClass(v float64) bool {
	return v >= 0 && v < float64(o.Classes) && v == math.Trunc(v)
}

// positive is the positive class of two.
func (o Observed) positive() int {
	if o.Positive == 0 {
		return 0
	}
	return 1
}

// proba is the probability of one class in one row.
func (o Observed) proba(row, class int) float64 { return o.Proba[row*o.Classes+class] }
