package linear

import (
	"context"
	"math"

	"gonum.org/v1/gonum/mat"

	"github.com/perennial-ml/perennial"
)

// RidgeSettings sets a ridge regression.
type RidgeSettings struct {
	Alpha float64 // strength of the penalty, at least 0; 0 is ordinary least squares
}

// Ridge is a fitted ridge regression: prediction = Intercept + Coef·x.
type Ridge struct {
	Coef      []float64 `json:"coef"`
	Intercept float64   `json:"intercept"`
}

// maxCondition is the condition number above which a solution has no correct
// digits left worth having.
const maxCondition = 1e13

// FitRidge solves, as scikit-learn's Ridge,
//
//	min ‖y − b − X·w‖² + α·‖w‖²
//
// in closed form: the Cholesky factors of XᵀX + αI on centred data; the
// intercept b = ȳ − x̄·w isn't penalised. The system is scaled to a unit
// diagonal first, so that columns of very different sizes don't look singular.
//
// It stops within a fraction of a second once ctx has ended and gives ctx's
// error; a singular system (α too small for columns that depend on each other)
// is an error of code invalid.
func FitRidge(ctx context.Context, d Data, s RidgeSettings) (*Ridge, error) {
	const op = "linear.FitRidge"
	if err := d.check(op); err != nil {
		return nil, err
	}
	mean, yMean := means(&d)
	gram, rhs, err := normalEquations(ctx, &d, mean, yMean, s.Alpha)
	if err != nil {
		return nil, perennial.Wrap(op, err)
	}
	w, err := solve(ctx, gram, rhs)
	if err != nil {
		return nil, perennial.Wrap(op, err)
	}
	m := &Ridge{Coef: w, Intercept: yMean - dot(mean, w)}
	if !finite(m.Intercept) || !finite(w...) {
		return nil, perennial.Wrap(op, errSingular())
	}
	return m, nil
}

func errSingular() error {
	return perennial.Errorf(perennial.CodeInvalid, "", "the columns depend on each other, so the least-squares problem has no single solution").
		WithHint("Set alpha above 0.")
}

func means(d *Data) (x []float64, y float64) {
	x = make([]float64, d.Cols)
	for i := range d.Rows {
		addScaled(x, 1, d.row(i))
		y += d.Y[i]
	}
	for j := range x {
		x[j] /= float64(d.Rows)
	}
	return x, y / float64(d.Rows)
}

// normalEquations gives the lower triangle of XᵀX + αI and Xᵀy on centred data,
// row-major.
func normalEquations(ctx context.Context, d *Data, mean []float64, yMean, alpha float64) (gram, rhs []float64, err error) {
	n := d.Cols
	gram, rhs = make([]float64, n*n), make([]float64, n)
	row := make([]float64, n)
	every := 1 + 1<<22/(n*n+1) // rows between two looks at the context
	for i := range d.Rows {
		if i%every == 0 && ctx.Err() != nil {
			return nil, nil, ctx.Err()
		}
		for j, v := range d.row(i) {
			row[j] = v - mean[j]
		}
		for j, v := range row {
			addScaled(gram[j*n:j*n+j+1], v, row[:j+1])
		}
		addScaled(rhs, d.Y[i]-yMean, row)
	}
	for j := range n {
		gram[j*n+j] += alpha
	}
	return gram, rhs, nil
}

// solve gives gram⁻¹·rhs; gram is overwritten by the Cholesky factor of the
// scaled system.
func solve(ctx context.Context, gram, rhs []float64) ([]float64, error) {
	n := len(rhs)
	if n == 0 {
		return nil, nil
	}
	scale := make([]float64, n)
	for j := range scale {
		v := gram[j*n+j]
		if !(v > 0) { // NaN fails too
			return nil, errSingular()
		}
		scale[j] = 1 / math.Sqrt(v)
	}
	for i := range n {
		for j := range i + 1 {
			gram[i*n+j] *= scale[i] * scale[j]
		}
	}
	if err := factorize(ctx, gram, n); err != nil {
		return nil, err
	}
	var chol mat.Cholesky
	chol.SetFromU(mat.NewTriDense(n, mat.Lower, gram).TTri())
	if c := chol.Cond(); !(c <= maxCondition) {
		return nil, errSingular()
	}
	b := mat.NewVecDense(n, nil)
	for j, v := range rhs {
		b.SetVec(j, v*scale[j])
	}
	if err := chol.SolveVecTo(b, b); err != nil {
		return nil, errSingular()
	}
	w := make([]float64, n)
	for j := range w {
		w[j] = b.AtVec(j) * scale[j]
	}
	return w, nil
}

// factorize replaces the lower triangle of a by its Cholesky factor, row by row
// (Cholesky–Banachiewicz). It is our own because mat.Cholesky.Factorize can't be
// interrupted, and takes minutes at 10,000 columns.
func factorize(ctx context.Context, a []float64, n int) error {
	for i := range n {
		if err := ctx.Err(); err != nil {
			return err
		}
		row := a[i*n : i*n+i+1]
		for j := range i {
			row[j] = (row[j] - dot(row[:j], a[j*n:j*n+j])) / a[j*n+j]
		}
		v := row[i] - dot(row[:i], row[:i])
		if !(v > 0) {
			return errSingular()
		}
		row[i] = math.Sqrt(v)
	}
	return nil
}

// Predict writes the prediction for one row to out[0].
func (m *Ridge) Predict(x, out []float64) { out[0] = m.Intercept + dot(m.Coef, x) }

// Encode writes the model for the model file.
func (m *Ridge) Encode() ([]byte, error) { return encode("linear.Ridge", m) }

// DecodeRidge reads what Encode wrote; a model that doesn't fit the number of
// features is an error of code malformed.
func DecodeRidge(b []byte, features int) (*Ridge, error) {
	const op = "linear.DecodeRidge"
	m := &Ridge{}
	if err := decode(op, b, m); err != nil {
		return nil, err
	}
	if len(m.Coef) != features {
		return nil, perennial.Errorf(perennial.CodeMalformed, op, "%d coefficients for %d features", len(m.Coef), features)
	}
	return m, nil
}
