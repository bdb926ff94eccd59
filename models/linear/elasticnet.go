package linear

import (
	"context"
	"math"

	"github.com/perennial-ml/perennial"
)

// ElasticNetSettings sets an elastic net. A zero MaxIterations or Tolerance means
// its default.
type ElasticNetSettings struct {
	Alpha         float64 // strength of the penalty, at least 0
	L1Ratio       float64 // the L1 part of the penalty, 0 (ridge) to 1 (lasso)
	MaxIterations int     // sweeps over the coefficients; default 10,000
	Tolerance     float64 // stop where the duality gap is below it times Σ s·(y − ȳ)²; default 1e-6
}

// FitElasticNet minimises, as scikit-learn's ElasticNet and Lasso,
//
//	1/(2S) · Σᵢ sᵢ·(yᵢ − b − xᵢ·w)² + α·ρ·‖w‖₁ + α·(1−ρ)/2·‖w‖²,   S = Σ sᵢ
//
// with row weights sᵢ and ρ the L1 ratio, by cyclic coordinate descent on the
// covariances (Friedman, Hastie and Tibshirani, "Regularization Paths for
// Generalized Linear Models via Coordinate Descent", JSS 33, 2010, §2.2). It
// stops as scikit-learn does where the coefficients have settled and the duality
// gap (Kim et al., "An Interior-Point Method for Large-Scale ℓ1-Regularized Least
// Squares", 2007) is below the tolerance. Without an L1 part it is the closed
// form of FitLeastSquares. A solution that is not converged is returned with its
// Status.
//
// Cancellation and errors are those of FitLeastSquares, but with an L1 part it is
// too_large above 10,000 columns, however few the rows.
func FitElasticNet(ctx context.Context, d Data, s ElasticNetSettings) (*Regression, error) {
	const op = "linear.FitElasticNet"
	if err := d.check(op); err != nil {
		return nil, err
	}
	if s.Alpha == 0 || s.L1Ratio == 0 {
		total := 0.0
		for i := range d.Y {
			total += d.weight(i)
		}
		return FitLeastSquares(ctx, d, LeastSquaresSettings{Alpha: s.Alpha * total})
	}
	p, err := newMoments(ctx, &d)
	if err != nil {
		return nil, perennial.Wrap(op, err)
	}
	if s.MaxIterations == 0 {
		s.MaxIterations = 10_000
	}
	if s.Tolerance == 0 {
		s.Tolerance = 1e-6
	}
	e := &descent{
		moments: p, l1: s.Alpha * s.L1Ratio * p.total, l2: s.Alpha * (1 - s.L1Ratio) * p.total,
		w: make([]float64, d.Cols), grad: append([]float64(nil), p.rhs...),
	}
	status, err := e.run(ctx, s)
	if err != nil {
		return nil, perennial.Wrap(op, err)
	}
	m, err := p.regression(op, e.w)
	if err != nil {
		return nil, err
	}
	m.Status, m.Iterations, m.Loss = status, len(e.loss), e.loss
	return m, nil
}

// descent is a coordinate descent under way, on the objective times Σ s.
type descent struct {
	*moments
	l1, l2  float64
	w, grad []float64 // grad = Xᵀ(y − X·w)
	loss    []float64
}

func (e *descent) run(ctx context.Context, s ElasticNetSettings) (Status, error) {
	for range s.MaxIterations {
		step, size, err := e.sweep(ctx)
		if err != nil {
			return "", err
		}
		e.loss = append(e.loss, e.objective()/e.total)
		if size == 0 || step <= s.Tolerance*size {
			if err := e.refresh(ctx); err != nil {
				return "", err
			}
			if e.gap() <= s.Tolerance*e.y2 {
				return Converged, nil
			}
			if step == 0 {
				return Stalled, nil
			}
		}
	}
	return IterationLimit, nil
}

// sweep sets each coefficient to its best value in turn, and gives the greatest
// change and the greatest coefficient.
func (e *descent) sweep(ctx context.Context) (step, size float64, err error) {
	n := len(e.w)
	every := lookEvery(n)
	for j := range e.w {
		if j%every == 0 && ctx.Err() != nil {
			return 0, 0, ctx.Err()
		}
		square := e.gram[j*n+j]
		if square == 0 {
			continue
		}
		before := e.w[j]
		after := shrink(e.grad[j]+float64(square*before), e.l1) / (square + e.l2)
		if after != before {
			e.w[j] = after
			addScaled(e.grad, before-after, e.gram[j*n:(j+1)*n])
		}
		step, size = max(step, math.Abs(after-before)), max(size, math.Abs(after))
	}
	return step, size, ctx.Err()
}

// refresh computes the gradient anew, without the rounding of many changes.
func (e *descent) refresh(ctx context.Context) error {
	n := len(e.w)
	copy(e.grad, e.rhs)
	every := lookEvery(n)
	for j, w := range e.w {
		if j%every == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if w != 0 {
			addScaled(e.grad, -w, e.gram[j*n:(j+1)*n])
		}
	}
	return nil
}

// norms gives ‖y − Xw‖², y·(y − Xw), ‖w‖² and ‖w‖₁.
func (e *descent) norms() (rr, yr, ww, w1 float64) {
	wq := dot(e.w, e.rhs)
	wr := dot(e.w, e.grad)
	for _, w := range e.w {
		ww += float64(w * w)
		w1 += math.Abs(w)
	}
	// w·Xᵀ(y − Xw) = wr, so ‖y − Xw‖² = y·y − w·Xᵀy − wr.
	return max(0, e.y2-wq-wr), e.y2 - wq, ww, w1
}

func (e *descent) objective() float64 {
	rr, _, ww, w1 := e.norms()
	return 0.5*rr + float64(e.l1*w1) + float64(0.5*e.l2*ww)
}

// gap is the duality gap, on scikit-learn's dual point.
func (e *descent) gap() float64 {
	rr, yr, ww, w1 := e.norms()
	largest := 0.0
	for j, g := range e.grad {
		largest = max(largest, math.Abs(g-float64(e.l2*e.w[j])))
	}
	c, gap := 1.0, rr
	if largest > e.l1 {
		c = e.l1 / largest
		gap = 0.5 * rr * (1 + c*c)
	}
	return gap + float64(e.l1*w1) - float64(c*yr) + float64(0.5*e.l2*(1+c*c)*ww)
}

// shrink is the soft threshold: sign(v)·max(|v| − by, 0).
func shrink(v, by float64) float64 {
	switch {
	case v > by:
		return v - by
	case v < -by:
		return v + by
	default:
		return 0
	}
}
