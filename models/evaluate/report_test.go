package evaluate_test

import (
	"encoding/json"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/models/evaluate"
	"github.com/perennial-ml/perennial/stats"
)

func TestBaselinePredictsWithoutLooking(t *testing.T) {
	t.Parallel()
	values, proba := evaluate.Baseline(perennial.Classification, []float64{2, 1, 1, 2, 0}, 3, 2)
	require.Equal(t, []float64{1, 1}, values, "of two equally frequent classes the lower index")
	require.Equal(t, []float64{0.2, 0.4, 0.4, 0.2, 0.4, 0.4}, proba)
	values, proba = evaluate.Baseline(perennial.Regression, []float64{1, 2, 6}, 0, 3)
	require.Equal(t, []float64{3, 3, 3}, values)
	require.Nil(t, proba)
	values, _ = evaluate.Baseline(perennial.Classification, nil, 2, 1)
	require.True(t, math.IsNaN(values[0]))
}

// churn is an input with two classes, a slice column and a baseline.
func churn(n int) evaluate.ReportInput {
	random := stats.NewRand(5, 0)
	y, p, plan := make([]float64, n), make([]float64, n), make([]string, n)
	for i := range y {
		y[i] = float64(random.IntN(2))
		p[i] = math.Min(1, math.Max(0, 0.5*y[i]+random.Float64()*0.8-0.15))
		plan[i] = []string{"pro", "basic", ""}[random.IntN(3)]
	}
	base := evaluate.Observed{Task: perennial.Classification, Y: y, Classes: 2, Positive: 1}
	base.Values, base.Proba = evaluate.Baseline(perennial.Classification, y, 2, n)
	return evaluate.ReportInput{
		Observed: binary(y, p), Baseline: base, ClassNames: []string{"no", "yes"},
		Slices: []evaluate.SliceColumn{{Name: "plan", Values: plan}}, Seed: 42,
	}
}

func TestReport(t *testing.T) {
	t.Parallel()
	in := churn(200)
	r, err := evaluate.NewReport(in)
	require.NoError(t, err)
	require.Equal(t, 200, r.N)
	require.Len(t, r.Metrics, 11)
	for _, s := range r.Metrics {
		require.NotNil(t, s.Interval, s.Name)
		require.LessOrEqual(t, s.Interval[0], s.Value, s.Name)
		require.GreaterOrEqual(t, s.Interval[1], s.Value, s.Name)
	}
	accuracy, ok := r.Metric("accuracy")
	require.True(t, ok)
	require.InDelta(t, float64(r.Confusion[0][0]+r.Confusion[1][1])/200, accuracy, 1e-12)
	_, ok = r.Metric("rmse")
	require.False(t, ok)

	require.Equal(t, []string{"", "basic", "pro"}, []string{r.Slices[0].Value, r.Slices[1].Value, r.Slices[2].Value})
	require.Equal(t, 200, r.Slices[0].N+r.Slices[1].N+r.Slices[2].N)

	first, err := json.Marshal(r)
	require.NoError(t, err)
	again, err := evaluate.NewReport(in)
	require.NoError(t, err)
	second, err := json.Marshal(again)
	require.NoError(t, err)
	require.Equal(t, string(first), string(second))
	var back evaluate.Report
	require.NoError(t, json.Unmarshal(first, &back))
	require.Equal(t, *r, back)
}

func TestReportOfRegressionHasNoConfusion(t *testing.T) {
	t.Parallel()
	y := []float64{1, 2, 3, 4}
	base := numbers(y, nil)
	base.Values, _ = evaluate.Baseline(perennial.Regression, y, 0, 4)
	r, err := evaluate.NewReport(evaluate.ReportInput{Observed: numbers(y, []float64{1, 2, 3, 5}), Baseline: base})
	require.NoError(t, err)
	require.Nil(t, r.Confusion)
	rmse, ok := r.Metric("root_mean_squared_error")
	require.True(t, ok)
	require.InDelta(t, 0.5, rmse, 1e-15)
	require.Contains(t, r.Baseline, evaluate.Value{Name: "mean_absolute_error", Value: 1})
}

func TestReportRefusesWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	cases := map[string]func(*evaluate.ReportInput){
		"no rows":             func(in *evaluate.ReportInput) { in.Observed = binary(nil, nil) },
		"bad class":           func(in *evaluate.ReportInput) { in.Observed.Y[0] = 9 },
		"short baseline":      func(in *evaluate.ReportInput) { in.Baseline = in.Baseline.Take([]int{0}) },
		"short slices":        func(in *evaluate.ReportInput) { in.Slices[0].Values = nil },
		"baseline of no task": func(in *evaluate.ReportInput) { in.Baseline.Task = "" },
	}
	for name, spoil := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := churn(20)
			spoil(&in)
			_, err := evaluate.NewReport(in)
			require.Equal(t, perennial.CodeInvalid, perennial.CodeOf(err))
		})
	}
}

func TestDifferenceIntervalOfOneModelIsZero(t *testing.T) {
	t.Parallel()
	o := churn(60).Observed
	for _, m := range fitting(o) {
		interval, ok := m.DifferenceInterval(o, o, 1)
		require.True(t, ok, m.Name)
		require.Equal(t, [2]float64{}, interval, m.Name)
		_, ok = m.DifferenceInterval(o, o.Take([]int{0, 1}), 1)
		require.False(t, ok, "other rows are no pair")
	}
}

// fitting gives the metrics that can be asked of observations.
func fitting(o evaluate.Observed) []evaluate.Metric {
	return slices.DeleteFunc(evaluate.Metrics(o.Task), func(m evaluate.Metric) bool { return !m.Fits(o) })
}

// three gives answers on three classes, with ties.
func three(n int) evaluate.Observed {
	random := stats.NewRand(6, 0)
	o := evaluate.Observed{Task: perennial.Classification, Classes: 3, Positive: -1}
	for range n {
		y, p := random.IntN(3), []float64{1, 1, 1}
		p[y] += float64(random.IntN(3))
		p[random.IntN(3)] += float64(random.IntN(3))
		total, best := p[0]+p[1]+p[2], 0
		for k := range p {
			if p[k] > p[best] {
				best = k
			}
			o.Proba = append(o.Proba, p[k]/total)
		}
		o.Y, o.Values = append(o.Y, float64(y)), append(o.Values, float64(best))
	}
	return o
}

func TestFastPathDrawsTheSameIntervalAsScoring(t *testing.T) {
	t.Parallel()
	random := stats.NewRand(7, 0)
	truth, answers := make([]float64, 41), make([]float64, 41)
	for i := range truth {
		truth[i], answers[i] = math.Round(random.ExpFloat64()*4)/2+0.5, math.Round(random.ExpFloat64()*4)/2+0.5
	}
	for name, o := range map[string]evaluate.Observed{"two classes": churn(50).Observed, "three classes": three(50), "numbers": numbers(truth, answers)} {
		n := len(o.Y)
		for _, m := range fitting(o) {
			want := stats.Bootstrap(n, evaluate.Resamples(n), 9, 1, func(counts, out []float64) {
				var rows []int
				for i, c := range counts {
					for range int(c) {
						rows = append(rows, i)
					}
				}
				out[0], _ = m.Measure(o.Take(rows))
			})[0]
			got, ok := m.Interval(o, 9)
			require.True(t, ok)
			require.InDelta(t, want[0], got[0], 1e-12, "%s: %s", name, m.Name)
			require.InDelta(t, want[1], got[1], 1e-12, "%s: %s", name, m.Name)
		}
	}
}

func TestResamples(t *testing.T) {
	t.Parallel()
	require.Equal(t, 1000, evaluate.Resamples(20_000))
	require.Equal(t, 500, evaluate.Resamples(40_000))
	require.Equal(t, 200, evaluate.Resamples(1_000_000))
}

func TestReportHasWhatThePipelineNames(t *testing.T) {
	t.Parallel()
	in := churn(100)
	in.Metrics = []string{"f1_macro", "jaccard_score", "rmse", "beauty"}
	r, err := evaluate.NewReport(in)
	require.NoError(t, err)
	var names []string
	for _, s := range r.Metrics {
		names = append(names, s.Name)
	}
	require.Subset(t, names, []string{"accuracy", "f1_macro", "jaccard"})
	require.NotContains(t, names, "f1_micro")
	require.NotContains(t, names, "rmse")
	for _, s := range r.Slices {
		require.Condition(t, func() bool {
			return slices.ContainsFunc(s.Metrics, func(v evaluate.Value) bool { return v.Name == "f1_macro" })
		})
	}
}

func BenchmarkDifferenceInterval(b *testing.B) {
	const n = 4128
	in := churn(n)
	random := stats.NewRand(1, 0)
	y, f, g := make([]float64, n), make([]float64, n), make([]float64, n)
	for i := range y {
		y[i] = random.NormFloat64()
		f[i], g[i] = y[i]+random.NormFloat64(), y[i]+random.NormFloat64()
	}
	for _, name := range []string{"rmse", "r2", "median_absolute_error", "log_loss", "f1", "roc_auc", "average_precision"} {
		m, _ := evaluate.Lookup(name)
		a, c := in.Observed, in.Baseline
		if !m.Fits(a) {
			a, c = numbers(y, f), numbers(y, g)
		}
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				m.DifferenceInterval(a, c, 42)
			}
		})
	}
	b.Run("report", func(b *testing.B) {
		for b.Loop() {
			_, _ = evaluate.NewReport(in)
		}
	})
}
