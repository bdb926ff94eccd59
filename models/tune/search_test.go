package tune_test

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/models/tune"
)

func candidates() []perennial.Candidate {
	return []perennial.Candidate{
		{Algorithm: "logistic_regression", Params: map[string]any{"class_weight": "balanced"}, Search: []perennial.SearchParam{
			{Name: "c", Kind: perennial.SearchLog, Low: 0.01, High: 100},
		}},
		{Algorithm: "ridge"},
		{Algorithm: "random_forest", Params: map[string]any{"trees": 200.0, "max_depth": 7.0}, Search: []perennial.SearchParam{
			{Name: "max_depth", Kind: perennial.SearchInt, Low: 2, High: 12},
			{Name: "criterion", Kind: perennial.SearchChoice, Choices: []any{"gini", "entropy"}},
		}},
	}
}

func tuning(strategy string, trials int) perennial.Tuning {
	return perennial.Tuning{Strategy: strategy, Trials: trials, Folds: 5, Seed: 42}
}

// plan runs a search without results: what random and grid propose anyway.
func plan(t perennial.Tuning, cs []perennial.Candidate, b perennial.Budget) (trials []tune.Trial, folds int, err error) {
	s, err := tune.New(t, cs, b, false)
	if err != nil {
		return nil, 0, err
	}
	for n := 0; len(trials) < s.Trials(); n++ {
		round, _ := s.Round(n, nil)
		trials = append(trials, round.Trials...)
	}
	return trials, s.Folds(), nil
}

func TestFirstTrialsAreTheDefaults(t *testing.T) {
	t.Parallel()
	for _, strategy := range []string{"random", "grid", "tpe", "asha"} {
		trials, folds, err := plan(tuning(strategy, 20), candidates(), perennial.BudgetFull)
		require.NoError(t, err)
		require.Equal(t, 5, folds)
		require.Equal(t, []tune.Trial{
			{Index: 0, Candidate: 0, Params: map[string]any{"class_weight": "balanced"}},
			{Index: 1, Candidate: 1, Params: map[string]any{}},
			{Index: 2, Candidate: 2, Params: map[string]any{"trees": 200.0, "max_depth": 7.0}},
		}, trials[:3], strategy)
	}
}

func TestBootstrapTriesEachCandidateOnce(t *testing.T) {
	t.Parallel()
	for _, strategy := range []string{"grid", "random", "tpe", "asha"} {
		trials, folds, err := plan(tuning(strategy, 60), candidates(), perennial.BudgetBootstrap)
		require.NoError(t, err)
		require.Len(t, trials, 3)
		require.Equal(t, 3, folds)
	}
}

func TestRandomSharesTrialsFairly(t *testing.T) {
	t.Parallel()
	trials, _, err := plan(tuning("random", 20), candidates(), perennial.BudgetFull)
	require.NoError(t, err)
	require.Len(t, trials, 20)
	var of [3]int
	for i, trial := range trials {
		require.Equal(t, i, trial.Index)
		of[trial.Candidate]++
	}
	require.Equal(t, [3]int{10, 1, 9}, of, "what can't be searched is tried once")

	alone, _, err := plan(tuning("random", 20), candidates()[1:2], perennial.BudgetFull)
	require.NoError(t, err)
	require.Len(t, alone, 1)
}

func TestRandomProposalDependsOnSeedAndIndexAlone(t *testing.T) {
	t.Parallel()
	long, _, err := plan(tuning("random", 40), candidates(), perennial.BudgetFull)
	require.NoError(t, err)
	short, _, err := plan(tuning("random", 12), candidates(), perennial.BudgetFull)
	require.NoError(t, err)
	require.Equal(t, short, long[:12])
	other := tuning("random", 40)
	other.Seed++
	changed, _, err := plan(other, candidates(), perennial.BudgetFull)
	require.NoError(t, err)
	require.NotEqual(t, long[3:], changed[3:])
}

func TestPlanSurvivesJSON(t *testing.T) {
	t.Parallel()
	for _, strategy := range []string{"random", "grid", "tpe"} {
		trials, _, err := plan(tuning(strategy, 30), candidates(), perennial.BudgetFull)
		require.NoError(t, err)
		b, err := json.Marshal(trials)
		require.NoError(t, err)
		var back []tune.Trial
		require.NoError(t, json.Unmarshal(b, &back))
		require.Equal(t, trials, back)
	}
}

func TestRandomLogIsUniformInTheLogarithm(t *testing.T) {
	t.Parallel()
	cs := []perennial.Candidate{{Algorithm: "a", Search: []perennial.SearchParam{
		{Name: "log", Kind: perennial.SearchLog, Low: 0.01, High: 100},
		{Name: "int_log", Kind: perennial.SearchIntLog, Low: 1, High: 1000},
		{Name: "int", Kind: perennial.SearchInt, Low: -1, High: 1},
	}}}
	const n = 4000
	trials, _, err := plan(tuning("random", n), cs, perennial.BudgetFull)
	require.NoError(t, err)
	var decades [4]float64
	var belowRoot float64
	ints := map[float64]float64{}
	for _, trial := range trials[1:] {
		decades[int(math.Floor(math.Log10(trial.Params["log"].(float64))))+2]++
		if trial.Params["int_log"].(float64) < 22 { // √(0.5 · 1000.5) = 22.4
			belowRoot++
		}
		ints[trial.Params["int"].(float64)]++
	}
	for _, d := range decades {
		require.InDelta(t, 0.25, d/n, 0.03)
	}
	require.InDelta(t, 0.5, belowRoot/n, 0.03)
	require.Len(t, ints, 3)
	for _, c := range ints {
		require.InDelta(t, 1.0/3, c/n, 0.03)
	}
}

func TestGrid(t *testing.T) {
	t.Parallel()
	c := func(search ...perennial.SearchParam) []perennial.Candidate {
		return []perennial.Candidate{{Algorithm: "a", Search: search}}
	}
	cases := map[string]struct {
		trials int
		cs     []perennial.Candidate
		want   []map[string]any // after the first trial
	}{
		"log, ends included": {4, c(perennial.SearchParam{Name: "x", Kind: perennial.SearchLog, Low: 0.01, High: 1}),
			[]map[string]any{{"x": 0.01}, {"x": 0.1}, {"x": 1.0}}},
		"one point is the middle": {2, c(perennial.SearchParam{Name: "x", Kind: perennial.SearchFloat, Low: 0, High: 1}),
			[]map[string]any{{"x": 0.5}}},
		"whole numbers are not repeated": {60, c(perennial.SearchParam{Name: "x", Kind: perennial.SearchInt, Low: 2, High: 4}),
			[]map[string]any{{"x": 2.0}, {"x": 3.0}, {"x": 4.0}}},
		"whole numbers in the logarithm": {6, c(perennial.SearchParam{Name: "x", Kind: perennial.SearchIntLog, Low: 1, High: 4}),
			[]map[string]any{{"x": 1.0}, {"x": 2.0}, {"x": 3.0}, {"x": 4.0}}},
		"choices are all there": {7, c(
			perennial.SearchParam{Name: "x", Kind: perennial.SearchChoice, Choices: []any{"a", "b"}},
			perennial.SearchParam{Name: "y", Kind: perennial.SearchFloat, Low: 0, High: 1}),
			[]map[string]any{{"x": "a", "y": 0.0}, {"x": "a", "y": 0.5}, {"x": "a", "y": 1.0}, {"x": "b", "y": 0.0}, {"x": "b", "y": 0.5}, {"x": "b", "y": 1.0}}},
		"a range of one value": {9, c(perennial.SearchParam{Name: "x", Kind: perennial.SearchFloat, Low: 3, High: 3}),
			[]map[string]any{{"x": 3.0}}},
		"nothing left to search": {1, c(perennial.SearchParam{Name: "x", Kind: perennial.SearchFloat, Low: 0, High: 1}), nil},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			trials, _, err := plan(tuning("grid", tc.trials), tc.cs, perennial.BudgetFull)
			require.NoError(t, err)
			var got []map[string]any
			for _, trial := range trials[1:] {
				got = append(got, trial.Params)
			}
			require.Equal(t, tc.want, got)
		})
	}
}

func TestEveryPlanKeepsItsPromises(t *testing.T) {
	t.Parallel()
	kinds := []perennial.SearchKind{perennial.SearchFloat, perennial.SearchLog, perennial.SearchInt, perennial.SearchIntLog}
	rapid.Check(t, func(t *rapid.T) {
		var cs []perennial.Candidate
		for range rapid.IntRange(1, 4).Draw(t, "candidates") {
			var c perennial.Candidate
			for i := range rapid.IntRange(0, 3).Draw(t, "ranges") {
				low := float64(rapid.IntRange(1, 50).Draw(t, "low"))
				c.Search = append(c.Search, perennial.SearchParam{Name: string(rune('a' + i)), Kind: rapid.SampledFrom(kinds).Draw(t, "kind"),
					Low: low, High: low + float64(rapid.IntRange(0, 50).Draw(t, "width"))})
			}
			cs = append(cs, c)
		}
		n := len(cs) + rapid.IntRange(0, 60).Draw(t, "trials")
		for _, strategy := range []string{"grid", "random", "tpe", "asha"} {
			trials, _, err := plan(tuning(strategy, n), cs, perennial.BudgetFull)
			require.NoError(t, err)
			require.LessOrEqual(t, len(trials), n)
			for i, trial := range trials {
				require.Equal(t, i, trial.Index)
				if i < len(cs) {
					require.Equal(t, i, trial.Candidate)
					continue
				}
				for _, p := range cs[trial.Candidate].Search {
					v := trial.Params[p.Name].(float64)
					require.True(t, v >= p.Low && v <= p.High, "%s %s %g", strategy, p.Kind, v)
					if p.Kind == perennial.SearchInt || p.Kind == perennial.SearchIntLog {
						require.InDelta(t, math.Trunc(v), v, 0)
					}
				}
			}
		}
	})
}

func TestPlanRefuses(t *testing.T) {
	t.Parallel()
	search := func(p perennial.SearchParam) []perennial.Candidate {
		return []perennial.Candidate{{Algorithm: "a", Search: []perennial.SearchParam{p}}}
	}
	cases := map[string]struct {
		tuning  perennial.Tuning
		cs      []perennial.Candidate
		path    string
		message string
	}{
		"unknown strategy":     {tuning("magic", 60), candidates(), "/tuning/strategy", "grid, random, tpe and asha"},
		"no candidate":         {tuning("random", 60), nil, "/candidates", "at least one"},
		"too few trials":       {tuning("random", 2), candidates(), "/tuning/trials", "too few for 3"},
		"one fold":             {perennial.Tuning{Strategy: "grid", Trials: 9, Folds: 1}, candidates()[:2], "/tuning/folds", "2 folds"},
		"log from 0":           {tuning("random", 9), search(perennial.SearchParam{Name: "x", Kind: perennial.SearchLog, High: 1}), "/candidates/0/search/x", "above 0"},
		"range upside down":    {tuning("random", 9), search(perennial.SearchParam{Name: "x", Kind: perennial.SearchInt, Low: 2, High: 1}), "/candidates/0/search/x", "starts at 2"},
		"half a whole number":  {tuning("random", 9), search(perennial.SearchParam{Name: "x", Kind: perennial.SearchInt, Low: 0.5, High: 1}), "/candidates/0/search/x", "whole"},
		"huge whole number":    {tuning("random", 9), search(perennial.SearchParam{Name: "x", Kind: perennial.SearchInt, High: 1e19}), "/candidates/0/search/x", "2^53"},
		"NaN":                  {tuning("random", 9), search(perennial.SearchParam{Name: "x", Kind: perennial.SearchFloat, Low: math.NaN()}), "/candidates/0/search/x", "finite"},
		"no choices":           {tuning("random", 9), search(perennial.SearchParam{Name: "x", Kind: perennial.SearchChoice}), "/candidates/0/search/x", "at least one"},
		"unknown kind":         {tuning("random", 9), search(perennial.SearchParam{Name: "x", Kind: "normal"}), "/candidates/0/search/x", "normal"},
		"grid that is too big": {tuning("grid", 3), search(perennial.SearchParam{Name: "x", Kind: perennial.SearchChoice, Choices: []any{1, 2, 3}}), "/candidates/0/search", "at least 3 points"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, _, err := plan(c.tuning, c.cs, perennial.BudgetFull)
			require.Equal(t, perennial.CodeInvalid, perennial.CodeOf(err))
			message, hint, fields := perennial.Explain(err)
			require.Contains(t, message, c.message)
			require.NotEmpty(t, hint)
			require.Equal(t, c.path, fields[0].Path)
		})
	}
}

func TestPlanListsEveryFault(t *testing.T) {
	t.Parallel()
	_, _, err := plan(perennial.Tuning{Strategy: "magic"}, candidates(), perennial.BudgetFull)
	_, _, fields := perennial.Explain(err)
	require.Len(t, fields, 3)
	require.Equal(t, []string{"grid", "random", "tpe", "asha"}, fields[0].Allowed)
}
