package tune

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/perennial-ml/perennial"
)

// taken is what a study has tried, so that nothing is tried twice: the same
// parameters give the same score. Trials are compared in what is searched; what
// one leaves out has its default.
type taken struct {
	candidates []perennial.Candidate
	defaults   []map[string]any // by candidate; nil: not known
	keys       []map[string]bool
	points     []int // different choices that a candidate has; math.MaxInt: a continuum
	inside     []int // how many of them were tried
}

func (s *Search) newTaken() *taken {
	k := &taken{candidates: s.candidates, defaults: s.defaults}
	for _, c := range s.candidates {
		k.keys, k.points, k.inside = append(k.keys, map[string]bool{}), append(k.points, points(c.Search)), append(k.inside, 0)
	}
	return k
}

// add says that a trial is there.
func (k *taken) add(t Trial) {
	values, inside := k.values(t.Candidate, t.Params)
	key := keyOf(values)
	if k.keys[t.Candidate][key] {
		return
	}
	k.keys[t.Candidate][key] = true
	if inside {
		k.inside[t.Candidate]++
	}
}

// has reports whether a candidate was tried with these parameters.
func (k *taken) has(candidate int, params map[string]any) bool {
	values, _ := k.values(candidate, params)
	return k.keys[candidate][keyOf(values)]
}

// full reports whether a candidate was tried with all it can be.
func (k *taken) full(candidate int) bool { return k.inside[candidate] >= k.points[candidate] }

// values lists what a trial has of each range, in their order, and whether all of
// it is within them: what a candidate is tried with first need not be.
func (k *taken) values(candidate int, params map[string]any) (values []any, inside bool) {
	inside = true
	for _, p := range k.candidates[candidate].Search {
		v, ok := params[p.Name]
		if !ok && k.defaults != nil {
			v = k.defaults[candidate][p.Name]
		}
		values, inside = append(values, v), inside && holds(p, v)
	}
	return values, inside
}

func keyOf(values []any) string {
	b, err := json.Marshal(values)
	if err != nil { // not from a pipeline file, which has only what JSON has
		return fmt.Sprint(values...)
	}
	return string(b)
}

// fresh draws parameters that weren't tried: a few times as given, then, where
// there is an end to what can be tried, the next one from a random place on. Only
// a continuum, or a candidate that is full, may repeat itself.
func (k *taken) fresh(r *rand.Rand, candidate int, draw func() map[string]any) map[string]any {
	var params map[string]any
	for range redraws {
		if params = draw(); !k.has(candidate, params) {
			return params
		}
	}
	n := k.points[candidate]
	if n == math.MaxInt || k.full(candidate) {
		return params
	}
	for at := r.IntN(n); k.has(candidate, params); at = (at + 1) % n {
		params = pointAt(k.candidates[candidate].Search, at)
	}
	return params
}

// open lists those of some candidates that aren't full; all where every one is.
func (k *taken) open(candidates []int) []int {
	out := slices.DeleteFunc(slices.Clone(candidates), k.full)
	if len(out) == 0 {
		return candidates
	}
	return out
}

// most is the number of trials of a study that tries nothing twice, after the
// first trial of each candidate.
func (k *taken) most(trials int) int {
	n := len(k.candidates)
	for _, c := range searchable(k.candidates) {
		if n += min(k.points[c]-k.inside[c], trials); n >= trials {
			return trials
		}
	}
	return n
}

// points counts the different choices that a search space has.
func points(search []perennial.SearchParam) int {
	n := 1
	for _, p := range search {
		each := choices(p)
		if each > math.MaxInt/n {
			return math.MaxInt
		}
		n *= each
	}
	return n
}

// choices counts the different values of a range. Unlike distinct it counts equal
// choices once.
func choices(p perennial.SearchParam) int {
	if p.Kind == perennial.SearchChoice {
		return len(unique(p.Choices))
	}
	return distinct(p)
}

// pointAt gives one of a finite space's points; the last range varies fastest.
func pointAt(search []perennial.SearchParam, at int) map[string]any {
	out := make(map[string]any, len(search))
	for _, p := range slices.Backward(search) {
		n := choices(p)
		if p.Kind == perennial.SearchChoice {
			out[p.Name] = unique(p.Choices)[at%n]
		} else {
			out[p.Name] = p.Low + float64(at%n)
		}
		at /= n
	}
	return out
}

// unique leaves out choices that stand there twice.
func unique(list []any) []any {
	var out []any
	for _, v := range list {
		if !slices.ContainsFunc(out, func(o any) bool { return equal(o, v) }) {
			out = append(out, v)
		}
	}
	return out
}

// holds reports whether a range has a value.
func holds(p perennial.SearchParam, v any) bool {
	if p.Kind == perennial.SearchChoice {
		return slices.ContainsFunc(p.Choices, func(c any) bool { return equal(c, v) })
	}
	x, ok := v.(float64)
	return ok && x >= p.Low && x <= p.High && (!isInt(p.Kind) || x == math.Trunc(x))
}
