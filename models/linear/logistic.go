package linear

import (
	"context"
	"fmt"
	"math"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/optimize"

	"github.com/perennial-ml/perennial"
)

// LogisticSettings sets a logistic regression. A zero field means its default.
type LogisticSettings struct {
	C             float64 // inverse strength of the penalty; default 1
	Balanced      bool    // weight rows by rows/(classes·rows of the class); default: all 1
	MaxIterations int     // default 1000
	Tolerance     float64 // stop where no element of the objective's gradient is larger; default 1e-6
}

// Status is how an optimisation ended.
type Status string

// The ways to end.
const (
	Converged      Status = "converged"       // the gradient is below the tolerance
	IterationLimit Status = "iteration_limit" // stopped at MaxIterations
	Stalled        Status = "stalled"         // the line search found no lower point: usually the limit of float64
)

// Logistic is a fitted logistic regression. Only classes that the training rows
// held have coefficients; the others are predicted with probability 0.
type Logistic struct {
	Present    []int     `json:"present"`   // class indexes with coefficients, ascending
	Coef       []float64 `json:"coef"`      // one row of Features per coefficient vector
	Intercept  []float64 `json:"intercept"` // one per vector: len(Present), 1 for two classes (the second one's log-odds), 0 for one
	Status     Status    `json:"status"`
	Iterations int       `json:"iterations"`

	features int
}

// FitLogistic minimises, as scikit-learn's LogisticRegression(solver="lbfgs"),
//
//	1/S · Σᵢ sᵢ·(−log p(yᵢ|xᵢ)) + 1/(2·C·S) · ‖W‖²,   S = Σ sᵢ
//
// with softmax probabilities for three or more classes among the rows and one
// logistic vector for two; intercepts aren't penalised and sᵢ is the class
// weight. The optimiser is gonum's L-BFGS, from zero. A solution that is not
// converged is returned with its Status.
//
// It stops within one pass over 1,024 rows once ctx has ended and gives ctx's
// error; other errors are code invalid (targets out of range) and internal.
func FitLogistic(ctx context.Context, d Data, s LogisticSettings) (*Logistic, error) {
	const op = "linear.FitLogistic"
	if err := d.check(op); err != nil {
		return nil, err
	}
	p, err := newLogisticProblem(&d, s)
	if err != nil {
		return nil, perennial.Wrap(op, err)
	}
	m := &Logistic{Present: p.present, features: d.Cols, Status: Converged}
	if p.vectors == 0 {
		return m, nil
	}
	w, err := p.minimize(ctx, s, m)
	if err != nil {
		return nil, perennial.Wrap(op, err)
	}
	m.Coef, m.Intercept = w[:p.vectors*d.Cols], w[p.vectors*d.Cols:]
	if !finite(w...) {
		return nil, perennial.Errorf(perennial.CodeInvalid, op, "the coefficients grew beyond all bounds").WithHint("Scale the features, or lower c.")
	}
	return m, nil
}

// logisticProblem is the objective over one parameter vector: vectors × Cols
// coefficients, then vectors intercepts.
type logisticProblem struct {
	d       *Data
	present []int
	vectors int
	label   []int     // per row, index into present
	weight  []float64 // per row, divided by their sum
	penalty float64   // 1/(C·S)
	z       []float64
}

func newLogisticProblem(d *Data, s LogisticSettings) (*logisticProblem, error) {
	counts := make([]int, d.Classes)
	for i, y := range d.Y {
		// Written so that NaN fails too.
		if !(y >= 0 && y < float64(d.Classes)) || y != math.Trunc(y) {
			return nil, perennial.Errorf(perennial.CodeInvalid, "", "the target of row %d is no class index: %g of %d classes", i, y, d.Classes)
		}
		counts[int(y)]++
	}
	p := &logisticProblem{d: d, label: make([]int, d.Rows), weight: make([]float64, d.Rows)}
	slot := make([]int, d.Classes)
	for k, n := range counts {
		if n > 0 {
			slot[k] = len(p.present)
			p.present = append(p.present, k)
		}
	}
	if p.vectors = len(p.present); p.vectors <= 2 {
		p.vectors--
	}
	for i, y := range d.Y {
		p.label[i], p.weight[i] = slot[int(y)], 1
		if s.Balanced {
			p.weight[i] = float64(d.Rows) / (float64(len(p.present)) * float64(counts[int(y)]))
		}
	}
	sum := floats.Sum(p.weight)
	floats.Scale(1/sum, p.weight)
	c := s.C
	if c == 0 {
		c = 1
	}
	p.penalty = 1 / (c * sum)
	p.z = make([]float64, p.vectors)
	return p, nil
}

// minimize runs the optimiser and sets status and iterations.
func (p *logisticProblem) minimize(ctx context.Context, s LogisticSettings, m *Logistic) ([]float64, error) {
	settings := optimize.Settings{GradientThreshold: s.Tolerance, MajorIterations: s.MaxIterations, Converger: optimize.NeverTerminate{}}
	if settings.GradientThreshold == 0 {
		settings.GradientThreshold = 1e-6
	}
	if settings.MajorIterations == 0 {
		settings.MajorIterations = 1000
	}
	last := &evaluation{problem: p, grad: make([]float64, p.vectors*(p.d.Cols+1)), at: make([]float64, p.vectors*(p.d.Cols+1))}
	problem := optimize.Problem{
		Func: func(x []float64) float64 { return last.move(ctx, x).value },
		Grad: func(grad, x []float64) { copy(grad, last.move(ctx, x).grad) },
		Status: func() (optimize.Status, error) {
			if err := ctx.Err(); err != nil {
				return optimize.Failure, err
			}
			return optimize.NotTerminated, nil
		},
	}
	result, err := optimize.Minimize(problem, make([]float64, len(last.grad)), &settings, &optimize.LBFGS{})
	if ctxErr := ctx.Err(); ctxErr != nil {
		return nil, ctxErr
	}
	if result == nil {
		return nil, perennial.Errorf(perennial.CodeInternal, "", "the optimiser can't start").Because(err)
	}
	m.Iterations = result.MajorIterations
	switch {
	case err != nil:
		m.Status = Stalled
	case result.Status == optimize.GradientThreshold:
		m.Status = Converged
	case result.Status == optimize.IterationLimit:
		m.Status = IterationLimit
	default:
		m.Status = Stalled
	}
	return result.X, nil
}

// evaluation keeps objective and gradient of the last point, since the optimiser
// asks for them apart and one pass over the data gives both.
type evaluation struct {
	problem *logisticProblem
	at      []float64
	value   float64
	grad    []float64
	done    bool
}

func (e *evaluation) move(ctx context.Context, x []float64) *evaluation {
	if !e.done || !floats.Equal(x, e.at) {
		copy(e.at, x)
		e.value = e.problem.evaluate(ctx, x, e.grad)
		e.done = true
	}
	return e
}

// evaluate gives the objective at w and its gradient; NaN once the context has
// ended, which ends the optimisation.
func (p *logisticProblem) evaluate(ctx context.Context, w, grad []float64) float64 {
	cols := p.d.Cols
	split := p.vectors * cols
	clear(grad)
	loss := 0.0
	for i := range p.d.Rows {
		if i&1023 == 1023 && ctx.Err() != nil {
			return math.NaN()
		}
		x := p.d.row(i)
		for k := range p.z {
			p.z[k] = dot(w[k*cols:(k+1)*cols], x) + w[split+k]
		}
		loss += p.weight[i] * residuals(p.z, p.label[i])
		for k, r := range p.z {
			r *= p.weight[i]
			addScaled(grad[k*cols:(k+1)*cols], r, x)
			grad[split+k] += r
		}
	}
	addScaled(grad[:split], p.penalty, w[:split])
	return loss + 0.5*p.penalty*dot(w[:split], w[:split])
}

// residuals turns the linear predictors of a row into p − 1{label} and gives the
// row's −log p(label).
func residuals(z []float64, label int) float64 {
	if len(z) == 1 {
		margin := z[0]
		if label == 0 {
			margin = -margin
		}
		z[0] = sigmoid(z[0]) - float64(label)
		return log1pExp(-margin)
	}
	at := z[label]
	top := floats.Max(z)
	sum := softmax(z)
	z[label]--
	return math.Log(sum) + top - at
}

// sigmoid is 1/(1+e⁻ᶻ) without overflow.
func sigmoid(z float64) float64 {
	if z >= 0 {
		return 1 / (1 + math.Exp(-z))
	}
	e := math.Exp(z)
	return e / (1 + e)
}

// log1pExp is log(1+eᶻ) without overflow.
func log1pExp(z float64) float64 {
	if z > 0 {
		return z + math.Log1p(math.Exp(-z))
	}
	return math.Log1p(math.Exp(z))
}

// softmax replaces z by its softmax and gives Σ exp(z − max z).
func softmax(z []float64) float64 {
	top := floats.Max(z)
	sum := 0.0
	for k, v := range z {
		z[k] = math.Exp(v - top)
		sum += z[k]
	}
	for k := range z {
		z[k] /= sum
	}
	return sum
}

// Predict writes the probability of every class for one row.
func (m *Logistic) Predict(x, out []float64) {
	clear(out)
	n := m.features
	switch len(m.Present) {
	case 1:
		out[m.Present[0]] = 1
	case 2:
		p := sigmoid(dot(m.Coef, x) + m.Intercept[0])
		out[m.Present[0]], out[m.Present[1]] = 1-p, p
	default:
		// The present classes' predictors fill the front of out, then move to
		// their places from the back: a place is never before its source.
		for k, b := range m.Intercept {
			out[k] = dot(m.Coef[k*n:(k+1)*n], x) + b
		}
		softmax(out[:len(m.Present)])
		for k := len(m.Present) - 1; k >= 0; k-- {
			p := out[k]
			out[k] = 0
			out[m.Present[k]] = p
		}
	}
}

// Encode writes the model for the model file.
func (m *Logistic) Encode() ([]byte, error) { return encode("linear.Logistic", m) }

// Warning says in a sentence what a user should know of the fit; "" for nothing.
func (m *Logistic) Warning() string {
	if m.Status == Converged {
		return ""
	}
	return fmt.Sprintf("logistic_regression ended as %s after %d iterations; scaling the features or a larger max_iter helps.", m.Status, m.Iterations)
}

// DecodeLogistic reads what Encode wrote; a model that doesn't fit the numbers
// of features and classes is an error of code malformed.
func DecodeLogistic(b []byte, features, classes int) (*Logistic, error) {
	const op = "linear.DecodeLogistic"
	m := &Logistic{features: features}
	if err := decode(op, b, m); err != nil {
		return nil, err
	}
	vectors := len(m.Present)
	if vectors <= 2 {
		vectors--
	}
	ok := vectors >= 0 && len(m.Intercept) == vectors && len(m.Coef) == vectors*features
	for i, k := range m.Present {
		ok = ok && k >= 0 && k < classes && (i == 0 || k > m.Present[i-1])
	}
	if !ok {
		return nil, perennial.Errorf(perennial.CodeMalformed, op, "the coefficients don't fit %d features and %d classes", features, classes)
	}
	return m, nil
}
