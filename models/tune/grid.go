package tune

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"

	"github.com/perennial-ml/perennial"
)

// grid lists the trials of a grid search: the candidates' first trials, then one
// point of each candidate's grid in turn until all are used up.
func (s *Search) grid() ([]Trial, error) {
	t, cs := s.tuning, s.candidates
	open := searchable(cs)
	left := t.Trials - len(cs)
	points := make([][]map[string]any, len(cs))
	var faults []perennial.FieldError
	for turn, candidate := range open {
		share := left / len(open)
		if turn < left%len(open) {
			share++
		}
		if share == 0 {
			continue
		}
		counts, needed := spread(cs[candidate].Search, share)
		if needed > share {
			faults = append(faults, perennial.FieldError{Path: fmt.Sprintf("/candidates/%d/search", candidate), Rule: "grid", Message: fmt.Sprintf(
				"The grid of %s has at least %d points, but its share of %d trials leaves room for %d: raise trials or use the random strategy.",
				cs[candidate].Algorithm, needed, t.Trials, share)})
			continue
		}
		points[candidate] = product(cs[candidate].Search, counts)
	}
	if faults != nil {
		return nil, invalid(faults...)
	}
	out := firsts(cs)
	if !s.repeats {
		tried := s.newTaken()
		for i, first := range out {
			tried.add(first)
			points[i] = slices.DeleteFunc(points[i], func(p map[string]any) bool { return tried.has(i, p) })
		}
	}
	for round := 0; ; round++ {
		before := len(out)
		for _, candidate := range open {
			if round < len(points[candidate]) {
				out = append(out, Trial{Index: len(out), Candidate: candidate, Params: with(cs[candidate], points[candidate][round])})
			}
		}
		if len(out) == before {
			return out, nil
		}
	}
}

// spread decides how many points each range gets so that their product is at
// most share: every choice, and for the others one more point at a time to the
// range that has the fewest (the first of them on a tie) while that fits. needed
// is the size of the smallest grid there is.
func spread(search []perennial.SearchParam, share int) (counts []int, needed int) {
	counts = make([]int, len(search))
	needed = 1
	for i, p := range search {
		counts[i] = 1
		if p.Kind == perennial.SearchChoice {
			counts[i] = len(p.Choices)
		}
		needed *= counts[i]
		if needed > share {
			return nil, needed
		}
	}
	for total := needed; ; {
		best := -1
		for i, p := range search {
			if counts[i] < distinct(p) && total/counts[i]*(counts[i]+1) <= share && (best < 0 || counts[i] < counts[best]) {
				best = i
			}
		}
		if best < 0 {
			return counts, needed
		}
		total = total / counts[best] * (counts[best] + 1)
		counts[best]++
	}
}

// distinct is the number of different values a range has.
func distinct(p perennial.SearchParam) int {
	switch {
	case p.Kind == perennial.SearchChoice:
		return len(p.Choices)
	case p.Low == p.High:
		return 1
	case isInt(p.Kind):
		return int(p.High-p.Low) + 1
	default:
		return math.MaxInt
	}
}

// product lists every combination; the last range varies fastest.
func product(search []perennial.SearchParam, counts []int) []map[string]any {
	out := []map[string]any{{}}
	for i, p := range search {
		var next []map[string]any
		for _, combination := range out {
			for _, v := range values(p, counts[i]) {
				c := map[string]any{p.Name: v}
				maps.Copy(c, combination)
				next = append(next, c)
			}
		}
		out = next
	}
	return out
}

// values gives n points of a range, evenly spaced from its low to its high end
// (in the logarithm for log and int_log), or its middle for n = 1. Whole numbers
// that round to the same value are given once.
func values(p perennial.SearchParam, n int) []any {
	if p.Kind == perennial.SearchChoice {
		return p.Choices
	}
	numbers := make([]float64, n)
	for i := range numbers {
		at := 0.5
		if n > 1 {
			at = float64(i) / float64(n-1)
		}
		numbers[i] = point(p, at)
	}
	out := make([]any, 0, n)
	for _, v := range slices.Compact(numbers) {
		out = append(out, v)
	}
	return out
}

// point is the place a share at of the way from the low to the high end.
func point(p perennial.SearchParam, at float64) float64 {
	var v float64
	switch {
	case at == 0:
		return p.Low
	case at == 1:
		return p.High
	case isLog(p.Kind):
		v = math.Exp(math.Log(p.Low) + float64(at*(math.Log(p.High)-math.Log(p.Low))))
	default:
		v = p.Low + float64(at*(p.High-p.Low))
	}
	if isInt(p.Kind) {
		return within(p, math.Round(v))
	}
	return within(p, tidy(v))
}

// tidy rounds to 12 digits, so that a grid reads 0.1 and not 0.09999999999999998.
func tidy(v float64) float64 {
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 12, 64), 64)
	if err != nil {
		return v
	}
	return rounded
}
