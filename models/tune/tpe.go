package tune

import (
	"cmp"
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/perennial-ml/perennial"
)

// The tree-structured Parzen estimator (Bergstra, Bardenet, Bengio and Kégl,
// "Algorithms for Hyper-Parameter Optimization", NeurIPS 2011) models not the
// score but the parameters: l(x) of the best trials and g(x) of the others, and
// proposes the x that has the greatest l(x)/g(x) among some drawn from l. The
// settings are those that Optuna 4 has by default. Each parameter is modelled by
// itself; which candidate comes next is a choice modelled likewise, over all
// trials, and its parameters by the candidate's own trials. What failed counts
// among the others, so that it is avoided, and so does what was proposed in the
// same round and has no result yet (Ginsbourger's constant liar), so that a
// round's trials keep away from each other.
const (
	startup    = 10 // trials before the model says anything
	samples    = 24 // points drawn from l, the best of which is proposed
	maxGood    = 25 // trials that make l, at most
	redraws    = 16 // where a proposal is there already
	goodShares = 10 // one trial in so many is a good one
)

// propose gives trials from (inclusive) to (exclusive) after the results of all
// before from.
func (s *Search) propose(from, to int, results []Result) []Trial {
	first := firsts(s.candidates)
	open := searchable(s.candidates)
	known, tried := slices.Clone(results), s.newTaken()
	for _, r := range known {
		tried.add(r.Trial)
	}
	for i := from; i < to; i++ {
		t := Trial{Index: i}
		switch {
		case i < len(first):
			t = first[i]
		case i < startup:
			t.Candidate = open[(i-len(first))%len(open)]
			if !s.repeats {
				t.Candidate = s.turn(i, open, tried)
			}
			t.Params = s.draw(t, tried)
		case s.repeats:
			t = s.sample(i, open, known, tried)
		default:
			t = s.sample(i, tried.open(open), known, tried)
		}
		known = append(known, Result{Trial: t})
		tried.add(t)
	}
	out := make([]Trial, 0, to-from)
	for _, r := range known[len(results):] {
		out = append(out, r.Trial)
	}
	return out
}

// sample proposes trial i, of one of the candidates that are open, by the model.
// Where that knows nothing new it draws at random and, in the end, takes the next
// point that is left.
func (s *Search) sample(i int, open []int, known []Result, tried *taken) Trial {
	r := s.source(i)
	t := Trial{Index: i, Candidate: open[0]}
	var params map[string]any
	for try := range redraws {
		if len(open) > 1 {
			t.Candidate = s.choose(r, open, known)
		}
		if try < redraws/2 {
			params = s.suggestAll(r, t.Candidate, known)
		} else {
			params = drawAll(r, s.candidates[t.Candidate])
		}
		if !tried.has(t.Candidate, params) {
			break
		}
	}
	if !s.repeats && tried.has(t.Candidate, params) {
		params = tried.fresh(r, t.Candidate, func() map[string]any { return drawAll(r, s.candidates[t.Candidate]) })
	}
	t.Params = with(s.candidates[t.Candidate], params)
	return t
}

// suggestAll proposes a value of each range of a candidate.
func (s *Search) suggestAll(r *rand.Rand, candidate int, known []Result) map[string]any {
	good, bad := s.split(known, []int{candidate})
	out := make(map[string]any, len(s.candidates[candidate].Search))
	for _, p := range s.candidates[candidate].Search {
		out[p.Name] = suggest(r, p, column(good, p.Name), column(bad, p.Name))
	}
	return out
}

// choose picks the next candidate of those that have something to search.
func (s *Search) choose(r *rand.Rand, open []int, known []Result) int {
	good, bad := s.split(known, open)
	codes := func(list []Result) []float64 {
		out := make([]float64, len(list))
		for i, k := range list {
			out[i] = float64(slices.Index(open, k.Candidate))
		}
		return out
	}
	l, g := newChoice(codes(good), len(open)), newChoice(codes(bad), len(open))
	return open[int(argmax(r, l, g))]
}

// split parts the trials of some candidates into the best tenth, at most 25, and
// the others; both in trial order.
func (s *Search) split(known []Result, of []int) (good, bad []Result) {
	var list []Result
	scored := 0
	for _, k := range known {
		if slices.Contains(of, k.Candidate) {
			list = append(list, k)
			if k.Scores != nil || k.Failed {
				scored++
			}
		}
	}
	rank := slices.Clone(list)
	slices.SortStableFunc(rank, func(a, b Result) int { return cmp.Compare(s.loss(a, s.folds), s.loss(b, s.folds)) })
	most := min((scored+goodShares-1)/goodShares, maxGood)
	chosen := map[int]bool{}
	for _, k := range rank[:most] {
		if !math.IsInf(s.loss(k, s.folds), 1) {
			chosen[k.Index] = true
		}
	}
	for _, k := range list {
		if chosen[k.Index] {
			good = append(good, k)
		} else {
			bad = append(bad, k)
		}
	}
	return good, bad
}

// column gives a parameter's values; a trial that lacks it is left out.
func column(list []Result, name string) []any {
	var out []any
	for _, r := range list {
		if v, ok := r.Params[name]; ok {
			out = append(out, v)
		}
	}
	return out
}

// suggest proposes a value of one range from the values of the good and of the
// bad trials. Values that the range doesn't hold (a default outside it) are left
// out.
func suggest(r *rand.Rand, p perennial.SearchParam, good, bad []any) any {
	if p.Kind == perennial.SearchChoice {
		l, g := newChoice(indexes(p, good), len(p.Choices)), newChoice(indexes(p, bad), len(p.Choices))
		return p.Choices[int(argmax(r, l, g))]
	}
	if p.Low == p.High {
		return p.Low
	}
	s := scaleOf(p)
	return s.value(argmax(r, newMixture(s, s.inner(good)), newMixture(s, s.inner(bad))))
}

// estimator is a density that can be drawn from.
type estimator interface {
	draw(r *rand.Rand) float64
	logDensity(x float64) float64
}

// argmax draws points from l and gives the one where l/g is greatest, the first
// of them on a tie.
func argmax(r *rand.Rand, l, g estimator) float64 {
	var best float64
	top := math.Inf(-1)
	for i := range samples {
		x := l.draw(r)
		if ratio := l.logDensity(x) - g.logDensity(x); i == 0 || ratio > top {
			best, top = x, ratio
		}
	}
	return best
}

// indexes finds values among the choices.
func indexes(p perennial.SearchParam, values []any) []float64 {
	var out []float64
	for _, v := range values {
		if i := slices.IndexFunc(p.Choices, func(c any) bool { return equal(c, v) }); i >= 0 {
			out = append(out, float64(i))
		}
	}
	return out
}

// equal compares values as JSON writes them, in which form results come back.
func equal(a, b any) bool {
	x, err := json.Marshal(a)
	if err != nil {
		return false
	}
	y, err := json.Marshal(b)
	return err == nil && string(x) == string(y)
}
