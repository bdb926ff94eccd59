package judge_test

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/judge"
	"github.com/perennial-ml/perennial/models/evaluate"
	"github.com/perennial-ml/perennial/stats"
)

// compare gives a regression candidate with a small error, a champion whose
// error is championNoise on the even rows, and a slice column.
func compare(n int, championNoise float64) judge.Comparison {
	random := stats.NewRand(3, 1)
	y, good := make([]float64, n), make([]float64, n)
	var rows []int
	var champion, truth []float64
	region := make([]string, n)
	for i := range n {
		y[i] = random.NormFloat64()
		good[i] = y[i] + 0.5*random.NormFloat64()
		region[i] = []string{"north", "south"}[i%2]
		if noise := random.NormFloat64(); i%2 == 0 {
			rows, truth, champion = append(rows, i), append(truth, y[i]), append(champion, y[i]+championNoise*noise)
		}
	}
	base, _ := evaluate.Baseline(perennial.Regression, y, 0, n)
	observed := func(y, values []float64) evaluate.Observed {
		return evaluate.Observed{Task: perennial.Regression, Y: y, Values: values, Positive: -1}
	}
	return judge.Comparison{
		Candidate: observed(y, good), Baseline: observed(y, base), Seed: 42,
		Champion: &judge.Champion{Version: "5", Rows: rows, Observed: observed(truth, champion)},
		Slices:   []evaluate.SliceColumn{{Name: "region", Values: region}},
	}
}

var housing = []perennial.Gate{
	{Metric: "rmse", Versus: "baseline", MinGain: new(0.2)},
	{Metric: "root_mean_squared_error", Versus: "champion", MaxRegression: &perennial.Limit{Value: 0.02, Relative: true}},
	{Metric: "r2", Min: new(0.5), Slice: "region"},
	{Metric: "rmse", Versus: "champion", MaxRegression: &perennial.Limit{Value: 0.1}, Slice: "region"},
	{Metric: "rmse", Versus: "baseline", MinGain: new(0.1)},
}

func TestMeasureAndDecide(t *testing.T) {
	t.Parallel()
	c := compare(600, 0.8)
	ev, err := judge.MeasureGates(housing, c)
	require.NoError(t, err)
	require.Equal(t, "5", ev.Champion)
	require.Len(t, ev.Measurements, 5, "each question is asked once: two of all rows, two slices, one slice among the champion's rows")
	require.Equal(t, 300, ev.Measurements[1].N, "only rows that neither model was trained on")
	require.Equal(t, []string{"north"}, []string{ev.Measurements[4].SliceValue})
	rmse, _ := evaluate.Lookup("rmse")
	require.InDelta(t, rmse.Score(c.Champion.Observed), *ev.Measurements[1].Reference, 1e-12)

	d := judge.Gates(housing, ev)
	require.Equal(t, perennial.VerdictPass, d.Verdict, d.Reason)
	again, err := judge.Recompute(d)
	require.NoError(t, err)
	require.Equal(t, d, again)

	same, err := judge.MeasureGates(housing, c)
	require.NoError(t, err)
	require.Equal(t, ev, same)
}

func TestAWorseCandidateFails(t *testing.T) {
	t.Parallel()
	ev, err := judge.MeasureGates(housing, compare(600, 0.1))
	require.NoError(t, err)
	d := judge.Gates(housing, ev)
	require.Equal(t, perennial.VerdictFail, d.Verdict)
	require.False(t, d.Passed)
	require.Equal(t, perennial.VerdictFail, d.Checks[1].Verdict)
	require.Negative(t, d.Checks[1].Interval[1], "the whole interval is worse")
}

func TestFewRowsAreInconclusive(t *testing.T) {
	t.Parallel()
	policy := housing[1:2]
	ev, err := judge.MeasureGates(policy, compare(30, 0.65))
	require.NoError(t, err)
	d := judge.Gates(policy, ev)
	require.Equal(t, perennial.VerdictInconclusive, d.Verdict, d.Reason)
	require.True(t, d.Passed)
	require.Contains(t, d.Reason, "too little evidence")
}

func TestWhatIsMissingIsEvidence(t *testing.T) {
	t.Parallel()
	c := compare(20, 0.5)
	c.Champion.Rows, c.Champion.Observed.Y, c.Champion.Observed.Values = nil, nil, nil
	policy := []perennial.Gate{housing[1], {Metric: "beauty", Min: new(1.0)}, {Metric: "accuracy", Min: new(1.0)}, {Metric: "rmse", Max: new(9.0), Slice: "planet"}}
	ev, err := judge.MeasureGates(policy, c)
	require.NoError(t, err)
	for _, check := range judge.Gates(policy, ev).Checks {
		require.Equal(t, perennial.VerdictError, check.Verdict, check.Name)
	}
	c.Champion = nil
	ev, err = judge.MeasureGates(policy, c)
	require.NoError(t, err)
	require.Equal(t, perennial.VerdictPass, judge.Gates(policy, ev).Checks[0].Verdict)

	c.Candidate.Values[0] = math.NaN()
	ev, err = judge.MeasureGates(housing, c)
	require.NoError(t, err)
	_, err = json.Marshal(ev)
	require.NoError(t, err)
	require.Equal(t, perennial.VerdictError, judge.Gates(housing[:1], ev).Verdict)
}

func TestMeasureRefusesWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	cases := map[string]func(*judge.Comparison){
		"short candidate":      func(c *judge.Comparison) { c.Candidate.Values = nil },
		"short baseline":       func(c *judge.Comparison) { c.Baseline = c.Baseline.Take([]int{0}) },
		"baseline of no task":  func(c *judge.Comparison) { c.Baseline.Task = "" },
		"short slices":         func(c *judge.Comparison) { c.Slices[0].Values = nil },
		"nameless champion":    func(c *judge.Comparison) { c.Champion.Version = "" },
		"champion's other row": func(c *judge.Comparison) { c.Champion.Rows[0] = 20 },
		"champion's rows":      func(c *judge.Comparison) { c.Champion.Rows = c.Champion.Rows[1:] },
		"champion's values":    func(c *judge.Comparison) { c.Champion.Observed.Values = nil },
	}
	for name, spoil := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := compare(20, 0.5)
			spoil(&c)
			_, err := judge.MeasureGates(housing, c)
			require.Equal(t, perennial.CodeInvalid, perennial.CodeOf(err))
		})
	}
}

func BenchmarkMeasureGates(b *testing.B) {
	c := compare(4128, 0.6)
	for b.Loop() {
		_, _ = judge.MeasureGates(housing, c)
	}
}
