package tune

import (
	"math"
	"math/rand/v2"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/stats"
)

// random lists the trials of a random search (Bergstra and Bengio, "Random
// Search for Hyper-Parameter Optimization", JMLR 2012).
func random(t perennial.Tuning, cs []perennial.Candidate) []Trial {
	out := firsts(cs)
	open := searchable(cs)
	if len(open) == 0 {
		return out
	}
	for i := len(out); i < t.Trials; i++ {
		candidate := open[(i-len(cs))%len(open)]
		out = append(out, Trial{Index: i, Candidate: candidate, Params: with(cs[candidate], draw(cs[candidate], t.Seed, i))})
	}
	return out
}

// draw proposes parameters as a pure function of the seed, the trial's index and
// the search space.
func draw(c perennial.Candidate, seed int64, index int) map[string]any {
	r := stats.NewRand(seed, uint64(index)) //nolint:gosec // an index is never negative
	out := make(map[string]any, len(c.Search))
	for _, p := range c.Search {
		out[p.Name] = drawOne(r, p)
	}
	return out
}

// drawOne draws from one range. An int_log is drawn from the half-open intervals
// around its whole numbers, [low−½, high+½) in the logarithm, and rounded, as
// Optuna does, so that the ends aren't short-changed.
func drawOne(r *rand.Rand, p perennial.SearchParam) any {
	switch p.Kind {
	case perennial.SearchChoice:
		return p.Choices[r.IntN(len(p.Choices))]
	case perennial.SearchInt:
		return p.Low + float64(r.Int64N(int64(p.High-p.Low)+1))
	case perennial.SearchIntLog:
		return math.Round(within(p, between(r, math.Log(p.Low-0.5), math.Log(p.High+0.5), math.Exp)))
	case perennial.SearchLog:
		return within(p, between(r, math.Log(p.Low), math.Log(p.High), math.Exp))
	case perennial.SearchFloat:
	}
	return within(p, between(r, p.Low, p.High, func(v float64) float64 { return v }))
}

func between(r *rand.Rand, low, high float64, scale func(float64) float64) float64 {
	return scale(low + float64(r.Float64()*(high-low)))
}

// within keeps a value inside its range, which rounding may have left.
func within(p perennial.SearchParam, v float64) float64 { return min(max(v, p.Low), p.High) }
