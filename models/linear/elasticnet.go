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
// with row weights sᵢ and ρ the L1 ratio, by cyclic coordinate descent (Friedman,
// Hastie and Tibshirani, "Regularization Paths for Generalized Linear Models via
// Coordinate Descent", JSS 33, 2010): on the covariances (§2.2), and on the
// residuals (§2.1) where there are more columns than rows. It stops as
// scikit-learn does where the coefficients have settled and the duality gap (Kim
// et al., "An Interior-Point Method for Large-Scale ℓ1-Regularized Least Squares",
// 2007) is below the tolerance. Without an L1 part it is the closed form of
// FitLeastSquares. A solution that is not converged is returned with its Status.
//
// Cancellation, errors and memory are those of FitLeastSquares; more columns than
// rows need a second copy of the rows and no square matrix.
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
	if s.MaxIterations == 0 {
		s.MaxIterations = 10_000
	}
	if s.Tolerance == 0 {
		s.Tolerance = 1e-6
	}
	c, p, err := newProblem(ctx, &d)
	if err != nil {
		return nil, perennial.Wrap(op, err)
	}
	e := &descent{problem: p, l1: s.Alpha * s.L1Ratio * c.total, l2: s.Alpha * (1 - s.L1Ratio) * c.total, w: make([]float64, d.Cols)}
	status, err := e.run(ctx, s, c.total)
	if err != nil {
		return nil, perennial.Wrap(op, err)
	}
	m, err := c.regression(op, e.w)
	if err != nil {
		return nil, err
	}
	m.Status, m.Iterations, m.Loss = status, len(e.loss), e.loss
	return m, nil
}

// problem answers what a descent asks of centred columns xⱼ and the target y, all
// times √s, at coefficients w that change one by one.
type problem interface {
	square(j int) float64                           // xⱼ·xⱼ
	gradient(j int) float64                         // xⱼ·(y − X·w)
	change(j int, by float64)                       // of wⱼ, which becomes smaller by so much
	refresh(ctx context.Context, w []float64) error // computes all for w anew, without the rounding of many changes
	residual(w []float64) (rr, yr float64)          // ‖y − Xw‖², y·(y − Xw)
	targets() float64                               // ‖y‖²
}

// newProblem chooses the form that needs less.
func newProblem(ctx context.Context, d *Data) (*centred, problem, error) {
	if d.Cols > d.Rows {
		p, err := newResiduals(ctx, d)
		if err != nil {
			return nil, nil, err
		}
		return p.centred, p, nil
	}
	m, err := newMoments(ctx, d)
	if err != nil {
		return nil, nil, err
	}
	return m.centred, &covariances{moments: m, grad: append([]float64(nil), m.rhs...)}, nil
}

// descent is a coordinate descent under way, on the objective times Σ s.
type descent struct {
	problem
	l1, l2 float64
	w      []float64
	loss   []float64
}

func (e *descent) run(ctx context.Context, s ElasticNetSettings, total float64) (Status, error) {
	for range s.MaxIterations {
		step, size, err := e.sweep(ctx)
		if err != nil {
			return "", err
		}
		e.loss = append(e.loss, e.objective()/total)
		if size == 0 || step <= s.Tolerance*size {
			if err := e.refresh(ctx, e.w); err != nil {
				return "", err
			}
			if e.gap() <= s.Tolerance*e.targets() {
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
	every := lookEvery(len(e.w))
	for j, before := range e.w {
		if j%every == 0 && ctx.Err() != nil {
			return 0, 0, ctx.Err()
		}
		square := e.square(j)
		if square == 0 {
			continue
		}
		after := shrink(e.gradient(j)+float64(square*before), e.l1) / (square + e.l2)
		if after != before {
			e.w[j] = after
			e.change(j, before-after)
		}
		step, size = max(step, math.Abs(after-before)), max(size, math.Abs(after))
	}
	return step, size, ctx.Err()
}

// penalty gives ‖w‖² and ‖w‖₁.
func (e *descent) penalty() (ww, w1 float64) {
	for _, w := range e.w {
		ww += float64(w * w)
		w1 += math.Abs(w)
	}
	return ww, w1
}

func (e *descent) objective() float64 {
	rr, _ := e.residual(e.w)
	ww, w1 := e.penalty()
	return 0.5*rr + float64(e.l1*w1) + float64(0.5*e.l2*ww)
}

// gap is the duality gap, on scikit-learn's dual point.
func (e *descent) gap() float64 {
	rr, yr := e.residual(e.w)
	ww, w1 := e.penalty()
	largest := 0.0
	for j, w := range e.w {
		largest = max(largest, math.Abs(e.gradient(j)-float64(e.l2*w)))
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
