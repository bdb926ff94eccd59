package tune_test

import (
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/models/tune"
)

// Where every fold ranks the trials alike, halving picks what full evaluation
// picks, with far fewer fits.
func TestASHAPicksWhatFullEvaluationPicks(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 90).Draw(t, "trials")
		setting := perennial.Tuning{Strategy: "asha", Trials: n, Folds: rapid.IntRange(2, 12).Draw(t, "folds"), Seed: rapid.Int64().Draw(t, "seed")}
		cs := []perennial.Candidate{{Search: []perennial.SearchParam{unit("x")}}}
		fits := 0
		f := func(trial tune.Trial, fold int) float64 {
			fits++
			return number(trial, "x", 0.9) + float64(fold)
		}
		halved := study(t, setting, cs, f, nil)
		spent := fits
		setting.Strategy = "random"
		full := study(t, setting, cs, f, nil)
		want := slices.MinFunc(full, func(a, b tune.Result) int { return int(math.Copysign(1, a.Scores[0]-b.Scores[0])) })
		var complete []tune.Result
		for _, r := range halved {
			if len(r.Scores) == setting.Folds {
				complete = append(complete, r)
			}
		}
		require.True(t, slices.ContainsFunc(complete, func(r tune.Result) bool { return r.Index == want.Index }))
		if n >= 27 && setting.Folds == 5 {
			require.Less(t, spent, (fits-spent)/2)
		}
	})
}

func TestASHARungs(t *testing.T) {
	t.Parallel()
	for folds, want := range map[int]map[int]int{ // folds → trials by the number of folds they were scored on
		2: {1: 18, 2: 9}, 3: {1: 18, 3: 9}, 4: {1: 18, 4: 9}, 5: {1: 18, 3: 6, 5: 3}, 10: {1: 18, 3: 6, 10: 3}, 27: {1: 18, 3: 6, 9: 2, 27: 1},
	} {
		cs := []perennial.Candidate{{Search: []perennial.SearchParam{unit("x")}}}
		got := map[int]int{}
		for _, r := range study(t, perennial.Tuning{Strategy: "asha", Trials: 27, Folds: folds}, cs, func(t tune.Trial, _ int) float64 { return number(t, "x", 1) }, nil) {
			got[len(r.Scores)]++
		}
		require.Equal(t, want, got, "%d folds", folds)
	}
}

// What is scored further must not change who was promoted: the activity that
// runs a round may be repeated.
func TestASHARoundsStayTheSameWhileTheyRun(t *testing.T) {
	t.Parallel()
	s, err := tune.New(tuning("asha", 24), candidates(), perennial.BudgetFull, true)
	require.NoError(t, err)
	var all []tune.Result
	for n := range 3 {
		round, ok := s.Round(n, all)
		require.True(t, ok)
		for _, trial := range round.Trials {
			all = append(all, tune.Result{Trial: trial, Scores: []float64{float64(trial.Index * 7 % 24)}})
		}
	}
	before, ok := s.Round(3, all)
	require.True(t, ok)
	require.Len(t, before.Trials, 8)
	require.Equal(t, 3, before.Folds)
	for k, trial := range before.Trials {
		switch r := &all[trial.Index]; k {
		case 0:
			r.Failed = true
		default:
			r.Scores = append(r.Scores, -100, -100)
		}
	}
	again, _ := s.Round(3, all)
	require.Equal(t, before, again)
	next, ok := s.Round(4, all)
	require.True(t, ok)
	require.Len(t, next.Trials, 2)
	require.Equal(t, 5, next.Folds)
	require.NotContains(t, next.Trials, before.Trials[0], "it failed")
	_, ok = s.Round(5, all)
	require.False(t, ok)
}
