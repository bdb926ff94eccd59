package tune_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/models/tune"
)

// study runs a search to its end, as the workflow does: f gives the score of a
// trial on one fold, NaN where it fails. Within a round the results come in the
// order that shuffle makes of them.
func study(t require.TestingT, tuning perennial.Tuning, cs []perennial.Candidate, f func(tune.Trial, int) float64, shuffle func([]tune.Result), how ...tune.Option) []tune.Result {
	s, err := tune.New(tuning, cs, perennial.BudgetFull, false, how...)
	require.NoError(t, err)
	var all []tune.Result
	for n := 0; ; n++ {
		round, ok := s.Round(n, all)
		if !ok {
			return all
		}
		for _, trial := range round.Trials {
			i := slices.IndexFunc(all, func(r tune.Result) bool { return r.Index == trial.Index })
			if i < 0 {
				i, all = len(all), append(all, tune.Result{Trial: trial})
			}
			for k := len(all[i].Scores); k < round.Folds; k++ {
				score := f(trial, k)
				if all[i].Failed = math.IsNaN(score); all[i].Failed {
					break
				}
				all[i].Scores = append(all[i].Scores, score)
			}
		}
		if shuffle != nil {
			shuffle(all)
		}
	}
}

// best is the lowest score of a study whose folds all agree.
func best(results []tune.Result) float64 {
	low := math.Inf(1)
	for _, r := range results {
		if !r.Failed {
			low = min(low, r.Scores[0])
		}
	}
	return low
}

func number(t tune.Trial, name string, missing float64) float64 {
	if v, ok := t.Params[name].(float64); ok {
		return v
	}
	return missing
}

// branin has three minima of 0.397887 (Dixon and Szegő, 1978).
func branin(t tune.Trial, _ int) float64 {
	x, y := number(t, "x", 0), number(t, "y", 15)
	a := y - 5.1/(4*math.Pi*math.Pi)*x*x + 5/math.Pi*x - 6
	return a*a + 10*(1-1/(8*math.Pi))*math.Cos(x) + 10 - 0.397887
}

// boosting looks like the error of a boosted ensemble: an optimal learning rate
// and number of leaves, and one of three losses is right.
func boosting(t tune.Trial, _ int) float64 {
	rate, leaves := math.Log10(number(t, "rate", 1)), math.Log2(number(t, "leaves", 512))
	out := (rate+1.3)*(rate+1.3) + 0.1*(leaves-5)*(leaves-5)
	if t.Params["loss"] != "huber" {
		out += 0.3
	}
	return out
}

// family is a choice between candidates of which the third can be best.
func family(t tune.Trial, _ int) float64 {
	d := number(t, "x", 0) - 0.7
	return []float64{0.5, 0.8, 0.1}[t.Candidate] + d*d
}

func unit(name string) perennial.SearchParam {
	return perennial.SearchParam{Name: name, Kind: perennial.SearchFloat, Low: 0, High: 1}
}

func TestTPEFindsMoreThanRandom(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		f      func(tune.Trial, int) float64
		cs     []perennial.Candidate
		factor float64 // of random's median regret
	}{
		"branin": {branin, []perennial.Candidate{{Search: []perennial.SearchParam{
			{Name: "x", Kind: perennial.SearchFloat, Low: -5, High: 10}, {Name: "y", Kind: perennial.SearchFloat, Low: 0, High: 15},
		}}}, 0.8},
		"boosting": {boosting, []perennial.Candidate{{Search: []perennial.SearchParam{
			{Name: "rate", Kind: perennial.SearchLog, Low: 0.001, High: 1}, {Name: "leaves", Kind: perennial.SearchIntLog, Low: 2, High: 512},
			{Name: "loss", Kind: perennial.SearchChoice, Choices: []any{"squared", "absolute", "huber"}},
		}}}, 0.5},
		"family": {family, []perennial.Candidate{{Search: []perennial.SearchParam{unit("x")}}, {Search: []perennial.SearchParam{unit("x")}}, {Search: []perennial.SearchParam{unit("x")}}}, 0.5},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			median := func(strategy string) float64 {
				var regrets []float64
				for seed := range 41 {
					regrets = append(regrets, best(study(t, perennial.Tuning{Strategy: strategy, Trials: 50, Folds: 2, Seed: int64(seed)}, c.cs, c.f, nil)))
				}
				slices.Sort(regrets)
				return regrets[len(regrets)/2]
			}
			offset := 0.0
			if name == "family" {
				offset = 0.1
			}
			tpe, random := median("tpe")-offset, median("random")-offset
			t.Logf("median regret of 41 studies: tpe %.4g, random %.4g", tpe, random)
			require.Less(t, tpe, c.factor*random)
		})
	}
}

func TestTPEDependsOnSeedAndResultsAlone(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		tuning := tuning("tpe", rapid.IntRange(3, 40).Draw(t, "trials"))
		tuning.Seed = rapid.Int64().Draw(t, "seed")
		f := func(trial tune.Trial, _ int) float64 {
			if trial.Index%7 == 3 {
				return math.NaN()
			}
			return math.Abs(math.Log10(number(trial, "c", 1))) + number(trial, "max_depth", 3)
		}
		calm := study(t, tuning, candidates(), f, nil)
		shuffled := study(t, tuning, candidates(), f, func(all []tune.Result) { slices.Reverse(all) })
		slices.SortFunc(shuffled, func(a, b tune.Result) int { return a.Index - b.Index })
		require.Equal(t, calm, shuffled)
		require.Len(t, calm, tuning.Trials)
	})
}

func TestNothingIsTriedTwice(t *testing.T) {
	t.Parallel()
	depth := perennial.SearchParam{Name: "depth", Kind: perennial.SearchInt, Low: 1, High: 8}
	kind := perennial.SearchParam{Name: "kind", Kind: perennial.SearchChoice, Choices: []any{"a", "b", true, 2.0, "a"}}
	score := func(t tune.Trial, _ int) float64 { return number(t, "depth", 9) }
	for name, c := range map[string]struct {
		cs       []perennial.Candidate
		defaults []map[string]any
		trials   int // of at most 60
	}{
		"a part":              {[]perennial.Candidate{{Search: []perennial.SearchParam{depth, kind, {Name: "x", Kind: perennial.SearchIntLog, Low: 1, High: 4}}}}, nil, 60},
		"all":                 {[]perennial.Candidate{{Search: []perennial.SearchParam{depth, kind}}}, nil, 1 + 32},
		"with known defaults": {[]perennial.Candidate{{Search: []perennial.SearchParam{depth, kind}}}, []map[string]any{{"depth": 3.0, "kind": "b"}}, 32},
		"defaults beyond":     {[]perennial.Candidate{{Search: []perennial.SearchParam{depth, kind}}}, []map[string]any{{"depth": 0.0, "kind": "b"}}, 1 + 32},
		"the params are there": {[]perennial.Candidate{{Params: map[string]any{"depth": 2.0}, Search: []perennial.SearchParam{depth, kind}}},
			[]map[string]any{{"depth": 0.0, "kind": "b"}}, 32},
		"one of two":  {[]perennial.Candidate{{Search: []perennial.SearchParam{kind}}, {Search: []perennial.SearchParam{unit("x")}}}, nil, 60},
		"both of two": {[]perennial.Candidate{{Search: []perennial.SearchParam{kind}}, {Search: []perennial.SearchParam{depth}}, {}}, nil, 3 + 4 + 8},
		"a point":     {[]perennial.Candidate{{Search: []perennial.SearchParam{{Name: "x", Kind: perennial.SearchFloat, Low: 2, High: 2}}}}, nil, 2},
	} {
		for _, strategy := range []string{"tpe", "random", "asha"} {
			t.Run(name+", "+strategy, func(t *testing.T) {
				t.Parallel()
				results := study(t, tuning(strategy, 60), c.cs, score, nil, tune.WithDefaults(c.defaults))
				require.Len(t, results, c.trials)
				seen := map[string]bool{}
				for i, r := range results {
					require.Equal(t, i, r.Index)
					key := fmt.Sprint(r.Candidate)
					for _, p := range c.cs[r.Candidate].Search {
						v, ok := r.Params[p.Name]
						if !ok && c.defaults != nil {
							v = c.defaults[r.Candidate][p.Name]
						}
						key += fmt.Sprintf(" %v", v)
					}
					require.False(t, seen[key], "%s twice", key)
					seen[key] = true
				}
			})
		}
	}
	grid := study(t, tuning("grid", 60), []perennial.Candidate{{Search: []perennial.SearchParam{depth}}}, score, nil, tune.WithDefaults([]map[string]any{{"depth": 3.0}}))
	require.Len(t, grid, 8)
}

// Where nothing repeats itself, studies are what they were before: what was
// searched then is gone through again as it was.
func TestOlderStudiesAreProposedAgain(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		strategy := rapid.SampledFrom([]string{"tpe", "random", "asha"}).Draw(t, "strategy")
		tuning := tuning(strategy, rapid.IntRange(2, 40).Draw(t, "trials"))
		tuning.Seed = rapid.Int64().Draw(t, "seed")
		cs := []perennial.Candidate{{Search: []perennial.SearchParam{unit("x")}}, {Search: []perennial.SearchParam{unit("x"), {Name: "n", Kind: perennial.SearchInt, Low: 1, High: 3}}}}
		f := func(t tune.Trial, _ int) float64 { return math.Abs(number(t, "x", 1) - 0.3) }
		require.Equal(t, study(t, tuning, cs, f, nil, tune.WithRepeats()), study(t, tuning, cs, f, nil))
	})
	kind := []perennial.Candidate{{Search: []perennial.SearchParam{{Name: "kind", Kind: perennial.SearchChoice, Choices: []any{"a", "b"}}}}}
	require.Len(t, study(t, tuning("tpe", 20), kind, family, nil, tune.WithRepeats()), 20)
	require.Len(t, study(t, tuning("random", 20), kind, family, nil, tune.WithRepeats()), 20)
}

func TestTPELeavesAFailingRegion(t *testing.T) {
	t.Parallel()
	cs := []perennial.Candidate{{Search: []perennial.SearchParam{unit("x")}}}
	failed := 0
	for _, r := range study(t, tuning("tpe", 64), cs, func(t tune.Trial, _ int) float64 {
		if number(t, "x", 1) < 0.5 {
			return math.NaN()
		}
		return math.Abs(number(t, "x", 1) - 0.8)
	}, nil)[16:] {
		if r.Failed {
			failed++
		}
	}
	require.Less(t, failed, 16, "of 48; half of what is drawn at random fails")
}

func TestTPEWithNothingToSearchTriesEachCandidateOnce(t *testing.T) {
	t.Parallel()
	require.Len(t, study(t, tuning("tpe", 20), candidates()[1:2], branin, nil), 1)
}
