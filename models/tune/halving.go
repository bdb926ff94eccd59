package tune

import (
	"cmp"
	"math"
	"slices"
)

// eta is the share of a rung's trials that goes on to the next: one in eta.
const eta = 3

// rungs are the numbers of folds at which trials are compared: 1, 3, 9, … and all
// of them; one that leaves less than half as much again to do is left out.
//
// Successive halving (Jamieson and Talwalkar, "Non-stochastic Best Arm
// Identification and Hyperparameter Optimization", AISTATS 2016) gives each
// trial a little of a resource, and more to those alone that do best with it;
// the rungs and eta are ASHA's (Li et al., "A System for Massively Parallel
// Hyperparameter Tuning", MLSys 2020), but a rung waits for all its trials, so
// that workers' speed decides nothing. The resource is folds: scores on the same
// folds are paired and unbiased, and a model is never fitted on fewer rows than
// the winner's will be. A trial that goes on keeps the folds it has.
func rungs(folds int) []int {
	var out []int
	for r := 1; float64(r)*1.5 <= float64(folds); r *= eta {
		out = append(out, r)
	}
	return append(out, folds)
}

// promoted gives the n-th round after all trials were proposed: those that go
// on to more folds, rung by rung, eight at a time.
func (s *Search) promoted(n int, results []Result) (Round, bool) {
	list := results
	for k := 1; k < len(s.rungs); k++ {
		list = s.best(list, s.rungs[k-1])
		rounds := (len(list) + RoundSize - 1) / RoundSize
		if n < rounds {
			round := Round{Folds: s.rungs[k]}
			for _, r := range list[n*RoundSize : min((n+1)*RoundSize, len(list))] {
				round.Trials = append(round.Trials, r.Trial)
			}
			return round, true
		}
		n -= rounds
	}
	return Round{}, false
}

// best gives the best one in eta of a rung's trials, at least one, in trial
// order; a tie goes to the lower index. What failed never goes on.
func (s *Search) best(list []Result, folds int) []Result {
	keep := max(1, len(list)/eta)
	ranked := slices.DeleteFunc(slices.Clone(list), func(r Result) bool { return math.IsInf(s.loss(r, folds), 1) })
	slices.SortStableFunc(ranked, func(a, b Result) int { return cmp.Compare(s.loss(a, folds), s.loss(b, folds)) })
	ranked = ranked[:min(keep, len(ranked))]
	slices.SortFunc(ranked, func(a, b Result) int { return cmp.Compare(a.Index, b.Index) })
	return ranked
}
