// Package linear holds the linear models with scikit-learn's objectives: logistic
// regression (binary and multinomial) and least squares, each without penalty and
// with L1, L2 and elastic-net penalties.
//
// It works on plain dense rows (row-major, finite) and knows nothing of tables,
// schemas or files. A fit is bit-reproducible for equal inputs on one
// architecture, for any number of threads. Predictors are immutable, safe for
// concurrent use and don't allocate.
//
// Start reading at FitLogistic, FitLeastSquares and FitElasticNet; design.go has
// the passes over the rows that all of them are made of.
package linear

import (
	"bytes"
	"encoding/json"
	"math"

	"gonum.org/v1/gonum/floats"

	"github.com/perennial-ml/perennial"
)

// Data is what a model is fitted on: Rows × Cols finite values, row by row, and
// one target per row: a class index 0…Classes−1, or a number where Classes is 0.
type Data struct {
	X          []float64
	Y          []float64
	Rows, Cols int
	Classes    int
	Weights    []float64 // one per row, at least 0 and not all 0; nil: all 1
	Threads    int       // default 1; changes nothing but time
}

// Status is how an optimisation ended.
type Status string

// The ways to end.
const (
	Converged      Status = "converged"       // the stopping rule of the tolerance is met
	IterationLimit Status = "iteration_limit" // stopped at MaxIterations
	Stalled        Status = "stalled"         // no lower point was found: usually the limit of float64
)

// known reports whether it is one of the ways to end.
func (s Status) known() bool {
	switch s {
	case Converged, IterationLimit, Stalled:
		return true
	}
	return false
}

func (d *Data) row(i int) []float64 { return d.X[i*d.Cols : (i+1)*d.Cols] }

// check guards the arithmetic below against a caller's mistake.
func (d *Data) check(op string) error {
	if d.Rows < 1 || d.Cols < 0 || len(d.X) != d.Rows*d.Cols || len(d.Y) != d.Rows {
		return perennial.Errorf(perennial.CodeInternal, op, "%d values and %d targets for %d rows of %d columns", len(d.X), len(d.Y), d.Rows, d.Cols)
	}
	if d.Weights == nil {
		return nil
	}
	sum := 0.0
	for i, w := range d.Weights {
		if !(w >= 0) { // NaN fails too
			return perennial.Errorf(perennial.CodeInvalid, op, "the weight of row %d is %g; weights are at least 0", i, w)
		}
		sum += w
	}
	if len(d.Weights) != d.Rows || !(sum > 0) || !finite(sum) {
		return perennial.Errorf(perennial.CodeInvalid, op, "%d weights with the sum %g for %d rows", len(d.Weights), sum, d.Rows)
	}
	return nil
}

// weight is the weight of a row.
func (d *Data) weight(i int) float64 {
	if d.Weights == nil {
		return 1
	}
	return d.Weights[i]
}

// dot is Σ a·b in an order that depends on the length only.
func dot(a, b []float64) float64 { return floats.Dot(a, b) }

// addScaled adds alpha·s to dst.
func addScaled(dst []float64, alpha float64, s []float64) { floats.AddScaled(dst, alpha, s) }

// encode writes a fitted model as JSON: floats in their shortest text that reads
// back to the same bits.
func encode(op string, model any) ([]byte, error) {
	b, err := json.Marshal(model)
	if err != nil {
		return nil, perennial.Errorf(perennial.CodeInternal, op, "the coefficients can't be written").Because(err)
	}
	return b, nil
}

// decode reads what encode wrote; unknown fields are refused.
func decode(op string, b []byte, model any) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(model); err != nil {
		return perennial.Errorf(perennial.CodeMalformed, op, "the coefficients can't be read").Because(err)
	}
	return nil
}

func finite(xs ...float64) bool {
	for _, x := range xs {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return false
		}
	}
	return true
}
