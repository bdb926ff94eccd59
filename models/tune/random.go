package tune

import (
	"math"
	"math/rand/v2"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/stats"
)

// random lists the trials of a random search (Bergstra and Bengio, "Random
// Search for Hyper-Parameter Optimization", JMLR 2012).
func (s *Search) random() []Trial {
	out := firsts(s.candidates)
	open := searchable(s.candidates)
	if len(open) == 0 {
		return out
	}
	tried := s.newTaken()
	for _, t := range out {
		tried.add(t)
	}
	for i := len(out); i < s.tuning.Trials; i++ {
		t := Trial{Index: i, Candidate: open[(i-len(s.candidates))%len(open)]}
		if !s.repeats {
			left := tried.open(open)
			if tried.full(left[0]) {
				return out
			}
			t.Candidate = s.turn(i, open, tried)
		}
		t.Params = s.draw(t, tried)
		tried.add(t)
		out = append(out, t)
	}
	return out
}

// turn is the candidate whose turn it is at trial i: the next that isn't full.
func (s *Search) turn(i int, open []int, tried *taken) int {
	at := (i - len(s.candidates)) % len(open)
	for range open {
		if !tried.full(open[at]) {
			break
		}
		at = (at + 1) % len(open)
	}
	return open[at]
}

// draw proposes parameters for a trial as a function of the seed, its index, its
// candidate's search space and, unless repeats are wanted, what was tried.
func (s *Search) draw(t Trial, tried *taken) map[string]any {
	c, r := s.candidates[t.Candidate], s.source(t.Index)
	if s.repeats {
		return with(c, drawAll(r, c))
	}
	return with(c, tried.fresh(r, t.Candidate, func() map[string]any { return drawAll(r, c) }))
}

// source gives the random numbers of a trial.
func (s *Search) source(index int) *rand.Rand {
	return stats.NewRand(s.tuning.Seed, uint64(index)) //nolint:gosec // an index is never negative
}

// drawAll draws from each range of a candidate.
func drawAll(r *rand.Rand, c perennial.Candidate) map[string]any {
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
