package tree

import (
	"math"
	"slices"

	"github.com/perennial-ml/perennial"
)

// Table is what forests and boosting are fitted on: Rows × Cols values, row by
// row, and one target per row. A fit only reads it.
type Table struct {
	X          []float64 // Rows × Cols, row-major; NaN is missing, infinities are refused
	Y          []float64 // a class index 0…Classes−1, or with Classes 0 a finite number
	Rows, Cols int
	Classes    int       // 0: regression
	Categories []int     // per column: 0 numeric, n > 0 codes 0…n−1; nil: all columns are numeric
	Weights    []float64 // per row, finite, at least 0 and not all 0; nil: every row counts 1
}

// Check reports what in a table can't be fitted. Sizes that contradict each
// other are a programming fault and have code internal; values that an
// algorithm can't take have code invalid and name the row.
func (t *Table) Check() error {
	const op = "tree.Table"
	if t.Rows < 1 || t.Cols < 1 || len(t.X) != t.Rows*t.Cols || len(t.Y) != t.Rows {
		return perennial.Errorf(perennial.CodeInternal, op, "%d values and %d targets for %d rows of %d columns", len(t.X), len(t.Y), t.Rows, t.Cols)
	}
	if (t.Categories != nil && len(t.Categories) != t.Cols) || (t.Weights != nil && len(t.Weights) != t.Rows) || t.Classes < 0 || t.Classes == 1 {
		return perennial.Errorf(perennial.CodeInternal, op, "%d kinds of columns, %d weights and %d classes for %d rows of %d columns", len(t.Categories), len(t.Weights), t.Classes, t.Rows, t.Cols)
	}
	if err := t.checkTargets(op); err != nil {
		return err
	}
	for i, v := range t.X {
		if math.IsInf(v, 0) {
			return perennial.Errorf(perennial.CodeInvalid, op, "column %d of row %d is infinite", i%t.Cols, i/t.Cols)
		}
	}
	for c, n := range t.Categories {
		if n == 0 {
			continue
		}
		for i := range t.Rows {
			v := t.X[i*t.Cols+c]
			if v < 0 || v >= float64(n) || (v == v && v != math.Trunc(v)) { // NaN passes
				return perennial.Errorf(perennial.CodeInvalid, op, "column %d of row %d is no code of %d: %g", c, i, n, v)
			}
		}
	}
	return nil
}

func (t *Table) checkTargets(op string) error {
	for i, y := range t.Y {
		switch {
		case math.IsNaN(y), math.IsInf(y, 0):
			return perennial.Errorf(perennial.CodeInvalid, op, "the target of row %d is not finite: %g", i, y)
		case t.Classes > 0 && (y < 0 || y >= float64(t.Classes) || y != math.Trunc(y)):
			return perennial.Errorf(perennial.CodeInvalid, op, "the target of row %d is no class index: %g of %d classes", i, y, t.Classes)
		}
	}
	if t.Weights == nil {
		return nil
	}
	some := false
	for i, w := range t.Weights {
		if !(w >= 0) || math.IsInf(w, 0) { // NaN fails too
			return perennial.Errorf(perennial.CodeInvalid, op, "the weight of row %d is %g", i, w)
		}
		some = some || w > 0
	}
	if !some {
		return perennial.Errorf(perennial.CodeInvalid, op, "every weight is 0")
	}
	return nil
}

// CheckSums refuses, with code invalid, numbers to predict of which so many, or the
// differences of all rows, could add up to more than a float64 holds.
func (t *Table) CheckSums(summed int) error {
	if t.Classes > 0 {
		return nil
	}
	heaviest := 1.0
	if t.Weights != nil {
		heaviest = max(heaviest, slices.Max(t.Weights))
	}
	largest := max(math.Abs(slices.Min(t.Y)), math.Abs(slices.Max(t.Y)))
	if sum := largest * heaviest * float64(max(summed, 2*t.Rows)); math.IsInf(sum, 0) {
		return perennial.Errorf(perennial.CodeInvalid, "tree.Table", "the targets are too large to add up: one is as large as %.3g", largest).
			WithHint("Scale the target, or look for rows that are far off.")
	}
	return nil
}
