package preprocess

import (
	"context"
	"math"

	"github.com/perennial-ml/perennial"
)

// The transforms, as pipeline and model files name them.
const (
	none                = "none"
	transformLog1p      = "log1p"
	transformLog        = "log"
	transformSqrt       = "sqrt"
	transformYeoJohnson = "yeo_johnson"
	transformBoxCox     = "box_cox"
)

// transform applies a transform to a value of its domain:
//
//	log1p        ln(1+x)
//	log          ln x
//	sqrt         √x
//	box_cox      (x^λ − 1)/λ, ln x for λ = 0 (Box and Cox, "An Analysis of
//	             Transformations", 1964)
//	yeo_johnson  for x ≥ 0 ((x+1)^λ − 1)/λ, ln(x+1) for λ = 0; for x < 0
//	             −((1−x)^(2−λ) − 1)/(2−λ), −ln(1−x) for λ = 2 (Yeo and Johnson,
//	             "A New Family of Power Transformations …", 2000)
//
// NaN stays NaN.
func transform(name string, x float64, lambda *float64) float64 {
	switch name {
	case transformLog1p:
		return math.Log1p(x)
	case transformLog:
		return math.Log(x)
	case transformSqrt:
		return math.Sqrt(x)
	case transformBoxCox:
		return power(math.Log(x), *lambda)
	case transformYeoJohnson:
		if x < 0 {
			return -power(math.Log1p(-x), 2-*lambda)
		}
		return power(math.Log1p(x), *lambda)
	default:
		return x
	}
}

// power is (e^(λl) − 1)/λ, and l for λ = 0.
func power(l, lambda float64) float64 {
	if lambda == 0 {
		return l
	}
	return math.Expm1(lambda*l) / lambda
}

// inDomain reports whether a transform takes x, and with it all that is above.
func inDomain(name string, x float64) bool {
	switch name {
	case transformLog1p:
		return x > -1
	case transformLog, transformBoxCox:
		return x > 0
	case transformSqrt:
		return x >= 0
	default:
		return true
	}
}

// domains says in words what a transform takes.
var domains = map[string]string{
	transformLog1p: "only values above -1", transformLog: "only values above 0", transformBoxCox: "only values above 0", transformSqrt: "no values below 0",
}

// fitTransform learns a transform from a column's values as they are clipped;
// smallest is the least of them.
func (c *column) fitTransform(ctx context.Context, how string, known []float64, smallest float64) error {
	if how == "" || how == none {
		return nil
	}
	if !inDomain(how, smallest) {
		return perennial.Errorf(perennial.CodeInvalid, "", "%s has the value %g, and %s takes %s", c.Name, smallest, how, domains[how]).
			WithHint("Take another transform (yeo_johnson takes every number), or clip the column.")
	}
	if how == transformYeoJohnson || how == transformBoxCox {
		lambda, err := c.fitLambda(ctx, how, known)
		if err != nil {
			return err
		}
		c.Lambda = &lambda
	}
	if how != transformYeoJohnson {
		c.Floor = &smallest
	}
	c.Transform = how
	return nil
}

// The search for λ begins within ±firstLambda and widens while the best one lies
// near an end: small numbers and short left tails have a λ of hundreds.
const firstLambda, maxLambda = 10, 1e5

// fitLambda gives the λ that makes the values most like draws from a normal
// distribution: the one of largest profile log-likelihood
//
//	−n/2·ln var(y) + (λ−1)·Σ s·l
//
// where y are the transformed values, s the sign of x, and l is ln x for box_cox
// and ln(1+|x|) for yeo_johnson. Both are strictly convex in λ once negated
// (Kouider and Chen, "Concavity of Box-Cox log-likelihood function", 1995;
// Marchand et al., "SecureFedYJ", 2022), so that a bounded search finds the one
// optimum. A constant column has λ = 1, which leaves it as it is.
func (c *column) fitLambda(ctx context.Context, how string, known []float64) (float64, error) {
	logs, sum := make([]float64, len(known)), 0.0
	for i, x := range known {
		if b := c.Clip; b != nil {
			x = min(max(x, b[0]), b[1])
		}
		if how == transformBoxCox {
			logs[i] = math.Log(x)
		} else {
			logs[i] = math.Copysign(math.Log1p(math.Abs(x)), x)
		}
		sum += logs[i]
	}
	if len(logs) == 0 || logs[0] == logs[len(logs)-1] { // they are sorted, as the values are
		return 1, nil
	}
	n := float64(len(logs))
	for end := float64(firstLambda); ; end *= 10 {
		lambda, err := minimize(ctx, -end, end, func(lambda float64) float64 {
			return n/2*logVariance(logs, lambda, how == transformBoxCox) - (lambda-1)*sum
		})
		if err != nil || math.Abs(lambda) < 0.9*end || end >= maxLambda {
			return lambda, err
		}
	}
}

// logVariance is the logarithm of the population variance of the transformed
// values, of which it takes the logarithms, signed for yeo_johnson. It scales
// them by the largest power, so that nothing overflows or vanishes.
func logVariance(logs []float64, lambda float64, boxCox bool) float64 {
	first, last := logs[0], logs[len(logs)-1] // the ends of sorted values
	exponents := max(lambda*first, lambda*last)
	if !boxCox && first < 0 {
		exponents = max((lambda-2)*first, lambda*last, 0)
	}
	const tame = 30 // e^30 squared and summed is far from any limit
	scaled := math.Abs(exponents) > tame
	if scaled && (lambda == 0 || lambda == 2) {
		lambda += 1e-9 // the limits don't scale
	}
	value := func(l float64) float64 {
		switch {
		case scaled && (boxCox || l >= 0):
			return math.Exp(lambda*l-exponents) / lambda
		case scaled:
			return math.Exp(-exponents)/lambda - (math.Exp((lambda-2)*l-exponents)-math.Exp(-exponents))/(2-lambda)
		case boxCox || l >= 0:
			return power(l, lambda)
		default:
			return -power(-l, 2-lambda)
		}
	}
	mean := 0.0
	for _, l := range logs {
		mean += value(l)
	}
	mean /= float64(len(logs))
	variance := 0.0
	for _, l := range logs {
		d := value(l) - mean
		variance += float64(d * d)
	}
	out := math.Log(variance / float64(len(logs)))
	if scaled {
		out += 2 * exponents
	}
	return out
}

// minimize finds the minimum of a function with one, to about eight digits:
// golden sections with parabolic steps (Brent, "Algorithms for Minimization
// without Derivatives", 1973, chapter 5). It looks at ctx before each step.
func minimize(ctx context.Context, low, high float64, f func(float64) float64) (float64, error) {
	golden := (3 - math.Sqrt(5)) / 2
	const tolerance, steps = 1e-9, 100
	x := low + golden*(high-low)
	w, v, step, last := x, x, 0.0, 0.0
	fx := f(x)
	fw, fv := fx, fx
	for range steps {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		middle, tol := (low+high)/2, tolerance*math.Abs(x)+tolerance
		if math.Abs(x-middle) <= 2*tol-(high-low)/2 {
			break
		}
		r, q := (x-w)*(fx-fv), (x-v)*(fx-fw)
		p := (x-v)*q - (x-w)*r
		if q = 2 * (q - r); q > 0 {
			p = -p
		}
		q = math.Abs(q)
		before := last
		last = step
		if math.Abs(p) < math.Abs(q*before/2) && p > q*(low-x) && p < q*(high-x) {
			step = p / q // a parabola through the three best points
		} else {
			last = high - x
			if x >= middle {
				last = low - x
			}
			step = golden * last
		}
		if math.Abs(step) < tol {
			step = math.Copysign(tol, step)
		}
		u := x + step
		fu := f(u)
		if fu <= fx {
			if u >= x {
				low = x
			} else {
				high = x
			}
			v, fv, w, fw, x, fx = w, fw, x, fx, u, fu
			continue
		}
		if u < x {
			low = u
		} else {
			high = u
		}
		switch {
		case fu <= fw || w == x:
			v, fv, w, fw = w, fw, u, fu
		case fu <= fv || v == x || v == w:
			v, fv = u, fu
		}
	}
	return x, nil
}
