package linear

import (
	"context"
	"math"
	"slices"

	"gonum.org/v1/gonum/floats"
)

// newtonWork bounds rows × parameters² up to which a step of Newton's method is
// worth its price.
const newtonWork = 4e9

// newtonParameters bounds the parameters themselves: their matrix is factored
// in each step.
const newtonParameters = 1000

// point is where the optimisation stands.
type point struct {
	v, grad []float64 // parameters, gradient of the smooth part
	value   float64   // of the whole objective
}

func (p *logisticProblem) at(ctx context.Context, v []float64) (*point, error) {
	value, grad, err := p.evaluate(ctx, v)
	if err != nil {
		return nil, err
	}
	return &point{v: v, grad: grad, value: value + p.penalty(v)}, nil
}

// minimize runs the optimisation from 0 and sets status, iterations and loss.
func (p *logisticProblem) minimize(ctx context.Context, s LogisticSettings, m *Logistic) ([]float64, error) {
	n := len(p.l1)
	var step stepper = &quasiNewton{p: p}
	if n <= newtonParameters && float64(p.g.d.Rows)*float64(n)*float64(n) <= newtonWork {
		step = newNewton(p)
		p.proba = make([]float64, p.g.d.Rows*p.vectors)
	}
	at, err := p.at(ctx, make([]float64, n))
	if err != nil {
		return nil, err
	}
	for {
		slope := p.steepest(at.v, at.grad)
		if floats.Norm(slope, math.Inf(1)) <= s.Tolerance {
			m.Status = Converged
			return at.v, nil
		}
		if m.Iterations == s.MaxIterations {
			m.Status = IterationLimit
			return at.v, nil
		}
		next, err := step.next(ctx, at, slope)
		if err != nil {
			return nil, err
		}
		if next == nil {
			m.Status = Stalled
			return at.v, nil
		}
		at = next
		m.Iterations++
		m.Loss = append(m.Loss, at.value)
	}
}

// stepper goes one step from a point whose steepest subgradient is slope; it
// gives nil where it finds no better one.
type stepper interface {
	next(ctx context.Context, at *point, slope []float64) (*point, error)
}

// newton steps to the minimum of the objective's second-order model. Of large
// tables its second derivatives are estimated from a part of the rows (Byrd, Chin,
// Neveitt and Nocedal, "On the Use of Stochastic Hessian Information in
// Optimization Methods for Machine Learning", SIAM J. Optim. 21, 2011): a step is
// a little worse then, and takes a fraction of the time. The gradient is that of
// all rows, and with it the solution. Where a step brings less than it should,
// the next ones look at more rows.
type newton struct {
	p      *logisticProblem
	stride int // one batch in so many
}

// What the second derivatives are estimated from: so many rows, and so many for
// each parameter.
const (
	curvatureRows    = 1 << 16
	rowsPerParameter = 100
)

func newNewton(p *logisticProblem) *newton {
	rows := max(curvatureRows, rowsPerParameter*len(p.l1))
	return &newton{p: p, stride: max(1, p.g.d.Rows/rows)}
}

func (s *newton) next(ctx context.Context, at *point, slope []float64) (*point, error) {
	for {
		next, err := s.step(ctx, at, slope)
		if err != nil || s.stride == 1 {
			return next, err
		}
		const enough, more = 0.3, 4 // of the slope is left; times the rows
		if next != nil && floats.Norm(s.p.steepest(next.v, next.grad), math.Inf(1)) <= enough*floats.Norm(slope, math.Inf(1)) {
			return next, nil
		}
		s.stride = max(1, s.stride/more)
		if next != nil {
			return next, nil
		}
	}
}

func (s *newton) step(ctx context.Context, at *point, slope []float64) (*point, error) {
	h, err := s.p.hessian(ctx, s.stride)
	if err != nil {
		return nil, err
	}
	var direction []float64
	if floats.Max(s.p.l1) > 0 {
		direction, err = s.descend(ctx, at, slope, h)
	} else {
		direction, err = solveDamped(ctx, h, at.grad)
	}
	if err != nil {
		return nil, err
	}
	moved := slices.Clone(at.v)
	floats.Add(moved, direction)
	predicted := dot(at.grad, direction) + s.p.penalty(moved) - s.p.penalty(at.v)
	return s.p.search(ctx, at, slope, predicted, func(t float64) []float64 {
		v := slices.Clone(at.v)
		addScaled(v, t, direction)
		return v
	})
}

// search halves the step until the objective falls as it should. Where the fall
// is too small to be seen in float64, a step that lowers the subgradient is
// taken.
func (p *logisticProblem) search(ctx context.Context, at *point, slope []float64, predicted float64, move func(t float64) []float64) (*point, error) {
	const halvings, share, visible = 40, 1e-4, 1e-12
	for t, i := 1.0, 0; i < halvings; t, i = t/2, i+1 {
		next, err := p.at(ctx, move(t))
		if err != nil {
			return nil, err
		}
		if next.value <= at.value+share*t*predicted && predicted < 0 {
			return next, nil
		}
		if math.Abs(t*predicted) <= visible*math.Abs(at.value) {
			if floats.Norm(p.steepest(next.v, next.grad), math.Inf(1)) < floats.Norm(slope, math.Inf(1)) {
				return next, nil
			}
			return nil, ctx.Err()
		}
	}
	return nil, ctx.Err()
}

// solveDamped gives −(H + a little)⁻¹·g: directions that change nothing, as a
// constant column's, would make H singular.
func solveDamped(ctx context.Context, h, grad []float64) ([]float64, error) {
	n := len(grad)
	for j := range n {
		if h[j*n+j] <= 0 {
			h[j*n+j] = 1
		}
	}
	for jitter := 1e-12; jitter < 1; jitter *= 100 {
		c, ok, err := newCholesky(ctx, slices.Clone(h), n, jitter)
		if err != nil {
			return nil, err
		}
		if ok {
			out := make([]float64, n)
			addScaled(out, -1, grad)
			c.solve(out)
			return out, nil
		}
	}
	out := make([]float64, n)
	addScaled(out, -1, grad)
	return out, nil
}

// descend minimises the second-order model with its L1 part by cyclic coordinate
// descent; it is exact enough that the steps converge faster than linearly.
func (s *newton) descend(ctx context.Context, at *point, slope, h []float64) ([]float64, error) {
	const sweeps = 10_000
	n := len(at.v)
	size := floats.Norm(slope, math.Inf(1))
	enough := max(min(0.01*size, size*size), 1e-15)
	d, grad := make([]float64, n), slices.Clone(at.grad) // grad: of the model at v + d
	for range sweeps {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		worst := 0.0
		for j, g := range grad {
			a := h[j*n+j]
			if a <= 0 {
				continue
			}
			from := at.v[j] + d[j]
			to := shrink(from-g/a, s.p.l1[j]/a)
			if step := to - from; step != 0 {
				d[j] += step
				addScaled(grad, step, h[j*n:(j+1)*n])
				worst = max(worst, a*math.Abs(step))
			}
		}
		if worst <= enough {
			break
		}
	}
	return d, nil
}
