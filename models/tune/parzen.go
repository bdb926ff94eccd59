package tune

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/perennial-ml/perennial"
)

// scale is the line on which a range is modelled: its logarithm for log and
// int_log, and for whole numbers half a step beyond either end.
type scale struct {
	p         perennial.SearchParam
	low, high float64
	step      bool // the density of a point is the mass of x ± ½
}

func scaleOf(p perennial.SearchParam) scale {
	s := scale{p: p, low: p.Low, high: p.High}
	if isInt(p.Kind) {
		s.low, s.high = p.Low-0.5, p.High+0.5
	}
	if isLog(p.Kind) {
		s.low, s.high = math.Log(s.low), math.Log(s.high)
	}
	s.step = p.Kind == perennial.SearchInt
	return s
}

// inner puts values on the line, leaving out what isn't in the range.
func (s scale) inner(values []any) []float64 {
	var out []float64
	for _, v := range values {
		x, ok := v.(float64)
		if !ok || !(x >= s.p.Low && x <= s.p.High) {
			continue
		}
		if isLog(s.p.Kind) {
			x = math.Log(x)
		}
		out = append(out, x)
	}
	return out
}

// value takes a point off the line.
func (s scale) value(x float64) float64 {
	if isLog(s.p.Kind) {
		x = math.Exp(x)
	}
	if isInt(s.p.Kind) {
		x = math.Round(x)
	}
	return within(s.p, x)
}

// mixture is a Parzen estimator: a normal distribution around each point and a
// prior around the middle that covers the range, all cut off at its ends.
type mixture struct {
	scale

	mu, sigma, weight []float64
	inside            []float64 // each normal's mass within the range
}

// newMixture gives each point the greater distance to its neighbours as its
// standard deviation (the first and last point: to their one neighbour), the
// prior's mean being one of the neighbours. The deviation is at least
// (high−low)/min(100, 2+n), which Bergstra's code calls magic clip, and at most
// high−low.
func newMixture(s scale, points []float64) mixture {
	n, span := len(points), s.high-s.low
	m := mixture{scale: s, mu: append(slices.Clone(points), s.low+span/2), sigma: make([]float64, n+1), weight: weights(n)}
	order := make([]int, n+1)
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(m.mu[a], m.mu[b]) })
	at := func(k int) float64 { return m.mu[order[k]] }
	least := span / math.Min(100, float64(n+2))
	for k, i := range order {
		var wide float64
		if k > 0 {
			wide = at(k) - at(k-1)
		}
		if k < n {
			wide = math.Max(wide, at(k+1)-at(k))
		}
		m.sigma[i] = min(max(wide, least), span)
	}
	m.sigma[n] = span
	for i := range m.mu {
		m.inside = append(m.inside, normal((s.high-m.mu[i])/m.sigma[i])-normal((s.low-m.mu[i])/m.sigma[i]))
	}
	return m
}

func (m mixture) draw(r *rand.Rand) float64 {
	k := pickWeighted(r, m.weight)
	from := normal((m.low - m.mu[k]) / m.sigma[k])
	z := math.Sqrt2 * math.Erfinv(2*(from+float64(r.Float64()*m.inside[k]))-1)
	x := min(max(m.mu[k]+float64(z*m.sigma[k]), m.low), m.high)
	if m.step {
		x = within(m.p, math.Round(x))
	}
	return x
}

func (m mixture) logDensity(x float64) float64 {
	sum := 0.0
	for k := range m.mu {
		z := (x - m.mu[k]) / m.sigma[k]
		var d float64
		if m.step {
			half := 0.5 / m.sigma[k]
			d = normal(z+half) - normal(z-half)
		} else {
			d = math.Exp(-z*z/2) / (m.sigma[k] * math.Sqrt(2*math.Pi))
		}
		sum += float64(m.weight[k] * d / m.inside[k])
	}
	return math.Log(max(sum, math.SmallestNonzeroFloat64))
}

// choice is a Parzen estimator over choices: every point spreads 1/(n+1) over all
// of them besides its own.
type choice struct{ mass []float64 }

func newChoice(codes []float64, choices int) choice {
	w := weights(len(codes))
	out := choice{mass: make([]float64, choices)}
	spread := 1 / float64(len(codes)+1)
	total := 1 + float64(spread*float64(choices))
	for i, code := range codes {
		for c := range out.mass {
			out.mass[c] += float64(w[i] * spread / total)
		}
		out.mass[int(code)] += w[i] / total
	}
	for c := range out.mass {
		out.mass[c] += w[len(codes)] / float64(choices)
	}
	return out
}

func (c choice) draw(r *rand.Rand) float64    { return float64(pickWeighted(r, c.mass)) }
func (c choice) logDensity(x float64) float64 { return math.Log(c.mass[int(x)]) }

// weights gives each of n points and the prior, last, its share: equal shares
// up to 25 points; of more the latest 25 keep theirs and the older ones ramp up
// from 1/n.
func weights(n int) []float64 {
	out := make([]float64, n+1)
	sum := 1.0
	for i := range n {
		out[i] = 1
		if old := n - maxGood; i < old {
			out[i] = 1 / float64(n)
			if old > 1 {
				out[i] += float64((1 - 1/float64(n)) * float64(i) / float64(old-1))
			}
		}
		sum += out[i]
	}
	out[n] = 1
	for i := range out {
		out[i] /= sum
	}
	return out
}

func pickWeighted(r *rand.Rand, weight []float64) int {
	u := r.Float64()
	for k, w := range weight {
		if u -= w; u < 0 {
			return k
		}
	}
	return len(weight) - 1
}

// normal is the standard normal distribution function.
func normal(z float64) float64 { return math.Erfc(-z/math.Sqrt2) / 2 }
