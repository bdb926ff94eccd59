package linear

import (
	"context"
	"fmt"
	"math"

	"gonum.org/v1/gonum/floats"

	"github.com/perennial-ml/perennial"
)

// Penalty is the kind of penalty of a logistic regression.
type Penalty string

// The penalties.
const (
	PenaltyL2         Penalty = "l2"
	PenaltyL1         Penalty = "l1"
	PenaltyElasticNet Penalty = "elastic_net"
	PenaltyNone       Penalty = "none"
)

// LogisticSettings sets a logistic regression. A zero field means its default.
type LogisticSettings struct {
	Penalty       Penalty // default l2
	C             float64 // inverse strength of the penalty; default 1
	L1Ratio       float64 // of elastic_net: its L1 part, 0 to 1
	Balanced      bool    // weight each class by 1/(classes · its share of the weights); default: all 1
	MaxIterations int     // default 1000
	Tolerance     float64 // stop where no element of the objective's gradient is larger; default 1e-6
}

// Logistic is a fitted logistic regression. Only classes that the training rows
// held have coefficients; the others are predicted with probability 0.
type Logistic struct {
	Present    []int     `json:"present"`   // class indexes with coefficients, ascending
	Coef       []float64 `json:"coef"`      // one row of Features per coefficient vector
	Intercept  []float64 `json:"intercept"` // one per vector: len(Present), 1 for two classes (the second one's log-odds), 0 for one
	Status     Status    `json:"status"`
	Iterations int       `json:"iterations"`
	Loss       []float64 `json:"-"` // the objective after each iteration; not in the file

	features int
}

// FitLogistic minimises, as scikit-learn's LogisticRegression,
//
//	1/S · Σᵢ sᵢ·(−log p(yᵢ|xᵢ)) + 1/(C·S) · (ρ·‖W‖₁ + (1−ρ)/2·‖W‖²),   S = Σ sᵢ
//
// with softmax probabilities for three or more classes among the rows and one
// logistic vector for two. Intercepts aren't penalised; sᵢ is the row's weight
// times its class's; ρ is 0 for l2, 1 for l1, and there is no second term for
// none. Where a constant added to every class's coefficients changes nothing, it
// is chosen so that they sum to 0.
//
// It works on centred, scaled columns (the objective stays the one above): up to
// some hundred parameters by a proximal Newton method with a line search, whose
// steps are solved by Cholesky factors, or by coordinate descent where there is
// an L1 part (Friedman, Hastie and Tibshirani, JSS 33, 2010, §3; Lee, Sun and
// Saunders, "Proximal Newton-Type Methods", 2014), their second derivatives
// estimated from a part of the rows from 131,072 rows on; beyond, by L-BFGS (Liu and
// Nocedal, 1989), with the orthants of Andrew and Gao ("Scalable Training of
// L1-Regularized Log-Linear Models", 2007) for an L1 part. A solution that is not
// converged is returned with its Status; the tolerance is on the gradient for
// scaled columns.
//
// It stops within a fraction of a second once ctx has ended and gives ctx's
// error; other errors are code invalid (targets out of range, bad weights) and
// internal.
func FitLogistic(ctx context.Context, d Data, s LogisticSettings) (*Logistic, error) {
	const op = "linear.FitLogistic"
	if err := d.check(op); err != nil {
		return nil, err
	}
	s = s.withDefaults()
	p, err := newLogisticProblem(ctx, &d, s)
	if err != nil {
		return nil, perennial.Wrap(op, err)
	}
	m := &Logistic{Present: p.present, features: d.Cols, Status: Converged}
	if p.vectors == 0 {
		return m, nil
	}
	v, err := p.minimize(ctx, s, m)
	if err != nil {
		return nil, perennial.Wrap(op, err)
	}
	m.Coef, m.Intercept = p.unscale(v)
	if !finite(m.Coef...) || !finite(m.Intercept...) {
		return nil, perennial.Errorf(perennial.CodeInvalid, op, "the coefficients grew beyond all bounds").WithHint("Scale the features, or lower c.")
	}
	return m, nil
}

func (s LogisticSettings) withDefaults() LogisticSettings {
	if s.C == 0 {
		s.C = 1
	}
	if s.MaxIterations == 0 {
		s.MaxIterations = 1000
	}
	if s.Tolerance == 0 {
		s.Tolerance = 1e-6
	}
	switch s.Penalty {
	case PenaltyL1:
		s.L1Ratio = 1
	case PenaltyElasticNet:
	case PenaltyL2, PenaltyNone, "":
		s.L1Ratio = 0
	}
	return s
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
	ok := vectors >= 0 && m.Status.known() && len(m.Intercept) == vectors && len(m.Coef) == vectors*features
	for i, k := range m.Present {
		ok = ok && k >= 0 && k < classes && (i == 0 || k > m.Present[i-1])
	}
	if !ok {
		return nil, perennial.Errorf(perennial.CodeMalformed, op, "the coefficients don't fit %d features and %d classes", features, classes)
	}
	return m, nil
}
