package tune

import (
	"cmp"
	"math"
	"slices"

	"github.com/perennial-ml/perennial"
)

// RoundSize is how many trials are proposed together, before any of them has a
// result.
const RoundSize = 8

const bootstrapFolds = 3

// Search proposes a study's trials. Candidates take part as follows, by
// strategy; the first trial of each uses its params and defaults, and one
// without a search space has that trial only. The trials that are left, up to
// Tuning.Trials in all, are shared by the others:
//   - random: in turn; trial i draws from each range on its own, uniformly, for
//     log and int_log uniformly in the logarithm, as a pure function of the seed,
//     i and the trials before it;
//   - grid: in turn; the product of evenly spaced points over each range (evenly
//     in the logarithm for log and int_log), as many as fit into the candidate's
//     share, and every choice. Points that are left over are not spent;
//   - tpe: the first ten trials as random does, then those that look best beside
//     the results so far (tpe.go);
//   - asha: as random does, but scored on few folds first; only the best third
//     goes on to more of them (halving.go).
//
// No two trials of a candidate are the same: what was tried is drawn anew, and a
// candidate whose choices are used up leaves its turns to the others. A study in
// which nothing is left to try has fewer trials than Tuning.Trials.
//
// The bootstrap budget is one trial per candidate and 3 folds; it doesn't search,
// so the strategy doesn't matter.
type Search struct {
	tuning     perennial.Tuning
	candidates []perennial.Candidate
	defaults   []map[string]any // of what is searched, by candidate; nil: not known
	repeats    bool             // proposes what was tried before
	higher     bool             // a higher score is better
	plan       []Trial          // where all trials are known beforehand
	trials     int
	folds      int
	rungs      []int // folds at each rung; the last is all of them
}

// Result is what became of a trial.
type Result struct {
	Trial
	Scores   []float64 // one per fold that was scored
	Failed   bool      // it could not be fitted
	Complete bool      // it was scored on all folds that the rows allow, however few
}

// Round is a number of trials that run together.
type Round struct {
	Trials []Trial
	Folds  int // on which each of them is to be scored, the first ones
}

// Option changes how a search proposes.
type Option func(*Search)

// WithDefaults says which values a candidate's first trial has of what is
// searched and isn't among its params, by candidate and parameter, so that they
// aren't tried twice.
func WithDefaults(values []map[string]any) Option { return func(s *Search) { s.defaults = values } }

// WithRepeats proposes as studies once did, which could try the same twice: so
// that theirs can be gone through again.
func WithRepeats() Option { return func(s *Search) { s.repeats = true } }

// New prepares a search. higherIsBetter is the direction of the metric that
// selects. Errors have code invalid and a Field for each fault: an unknown
// strategy, fewer trials than candidates, fewer than two folds, a broken range, a
// grid that doesn't fit.
func New(t perennial.Tuning, cs []perennial.Candidate, b perennial.Budget, higherIsBetter bool, how ...Option) (*Search, error) {
	if len(cs) == 0 {
		return nil, invalid(perennial.FieldError{Path: "/candidates", Rule: "required", Message: "There must be at least one candidate."})
	}
	s := &Search{tuning: t, candidates: cs, higher: higherIsBetter, folds: bootstrapFolds}
	for _, option := range how {
		option(s)
	}
	if b == perennial.BudgetBootstrap {
		s.plan, s.trials, s.rungs = firsts(cs), len(cs), []int{bootstrapFolds}
		return s, nil
	}
	if err := check(t, cs); err != nil {
		return nil, err
	}
	s.folds, s.rungs = t.Folds, []int{t.Folds}
	switch t.Strategy {
	case StrategyGrid:
		var err error
		if s.plan, err = s.grid(); err != nil {
			return nil, err
		}
	case StrategyTPE:
		s.trials = s.most()
		return s, nil
	case StrategyASHA:
		s.plan, s.rungs = s.random(), rungs(t.Folds)
	default:
		s.plan = s.random()
	}
	s.trials = len(s.plan)
	return s, nil
}

// most is the number of trials that the tpe strategy has to propose.
func (s *Search) most() int {
	switch {
	case len(searchable(s.candidates)) == 0:
		return len(s.candidates)
	case s.repeats:
		return s.tuning.Trials
	}
	tried := s.newTaken()
	for _, t := range firsts(s.candidates) {
		tried.add(t)
	}
	return tried.most(s.tuning.Trials)
}

// Trials is the number of trials of the whole study.
func (s *Search) Trials() int { return s.trials }

// Folds is the number of cross-validation folds.
func (s *Search) Folds() int { return s.folds }

// Round gives the n-th round, from 0; ok is false where the study is over. It
// reads the results of the rounds before it and no others, so that they must all
// be there, in any order. Asked for again, it is the same.
func (s *Search) Round(n int, results []Result) (round Round, ok bool) {
	results = slices.SortedFunc(slices.Values(results), func(a, b Result) int { return cmp.Compare(a.Index, b.Index) })
	from := n * RoundSize
	if from < s.trials {
		to := min(from+RoundSize, s.trials)
		round.Folds = s.rungs[0]
		if s.plan != nil {
			round.Trials = s.plan[from:to]
		} else {
			round.Trials = s.propose(from, to, slices.DeleteFunc(results, func(r Result) bool { return r.Index >= from }))
		}
		return round, true
	}
	n -= (s.trials + RoundSize - 1) / RoundSize
	return s.promoted(n, results)
}

// loss is a trial's mean score over the first folds, lower being better; +Inf
// where it lacks one of them or has a score that is no finite number.
func (s *Search) loss(r Result, folds int) float64 {
	if r.Complete {
		folds = min(folds, len(r.Scores))
	}
	if folds == 0 || len(r.Scores) < folds {
		return math.Inf(1)
	}
	mean := Mean(r.Scores[:folds])
	switch {
	case math.IsNaN(mean) || math.IsInf(mean, 0):
		return math.Inf(1)
	case s.higher:
		return -mean
	}
	return mean
}

// Mean is the mean of a trial's scores, summed in the order of the folds.
func Mean(scores []float64) float64 {
	sum := 0.0
	for _, v := range scores {
		sum += v
	}
	return sum / float64(len(scores))
}
