package evaluate_test

import (
	"encoding/json"
	"math"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/models/evaluate"
)

type reference struct {
	Versions map[string]string
	Cases    []struct {
		Name             string
		Task             perennial.Task
		Classes          int
		Positive         int
		Y, Values, Proba []float64
		Metrics          map[string]*float64
	}
}

func TestMetricsAgreeWithScikitLearn(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("testdata/reference.json")
	require.NoError(t, err)
	var ref reference
	require.NoError(t, json.Unmarshal(b, &ref))
	require.NotEmpty(t, ref.Versions["scikit-learn"])
	compared := map[string]bool{}
	for _, c := range ref.Cases {
		o := evaluate.Observed{Task: c.Task, Y: c.Y, Values: c.Values, Proba: c.Proba, Classes: c.Classes, Positive: c.Positive}
		for name, want := range c.Metrics {
			compared[name] = true
			m, ok := evaluate.Lookup(name)
			require.True(t, ok, name)
			got := m.Score(o)
			if want == nil {
				require.True(t, math.IsNaN(got), "%s: %s is %g, want NaN", c.Name, name, got)
				continue
			}
			require.InDelta(t, *want, got, 1e-12*math.Max(1, math.Abs(*want)), "%s: %s", c.Name, name)
		}
	}
	for _, task := range []perennial.Task{perennial.Classification, perennial.Regression} {
		for _, m := range evaluate.Metrics(task) {
			require.True(t, compared[m.Name], "%s has no reference value", m.Name)
			require.NotEmpty(t, m.Doc, m.Name)
		}
	}
}

func TestLookupKnowsAliases(t *testing.T) {
	t.Parallel()
	for alias, name := range map[string]string{
		"root_mean_squared_error": "rmse", "mae": "mean_absolute_error", "mse": "mean_squared_error", "roc_auc": "roc_auc",
	} {
		m, ok := evaluate.Lookup(alias)
		require.True(t, ok, alias)
		require.Equal(t, name, m.Name)
	}
	_, ok := evaluate.Lookup("beauty")
	require.False(t, ok)
}

// binary gives observations of two classes with probabilities p of class 1.
func binary(y []float64, p []float64) evaluate.Observed {
	o := evaluate.Observed{Task: perennial.Classification, Y: y, Classes: 2, Positive: 1}
	for _, v := range p {
		o.Values = append(o.Values, math.Round(v))
		o.Proba = append(o.Proba, 1-v, v)
	}
	return o
}

func numbers(y, values []float64) evaluate.Observed {
	return evaluate.Observed{Task: perennial.Regression, Y: y, Values: values, Positive: -1}
}

func TestMeasureRefusesWhatRowsCannotTell(t *testing.T) {
	t.Parallel()
	allNegative := binary([]float64{0, 0, 0}, []float64{0.1, 0.2, 0.3})
	noProba := binary([]float64{0, 1}, []float64{0.1, 0.8})
	noProba.Proba = nil
	three := evaluate.Observed{Task: perennial.Classification, Y: []float64{0, 1}, Values: []float64{0, 1}, Proba: make([]float64, 6), Classes: 3}
	cases := map[string]struct {
		metric string
		o      evaluate.Observed
		want   bool
	}{
		"recall without a positive row":            {"recall", allNegative, false},
		"precision without a positive row":         {"precision", allNegative, false},
		"f1 without a positive row":                {"f1", allNegative, false},
		"average precision without a positive row": {"average_precision", allNegative, false},
		"roc auc of one class":                     {"roc_auc", allNegative, false},
		"accuracy of one class":                    {"accuracy", allNegative, true},
		"log loss of one class":                    {"log_loss", allNegative, true},
		"log loss without probabilities":           {"log_loss", noProba, false},
		"accuracy without probabilities":           {"accuracy", noProba, true},
		"average precision with an empty class":    {"average_precision", three, false},
		"roc auc with an empty class":              {"roc_auc", three, false},
		"rmse of classes":                          {"rmse", allNegative, false},
		"accuracy of numbers":                      {"accuracy", numbers([]float64{1}, []float64{1}), false},
		"r2 of one row":                            {"r2", numbers([]float64{1}, []float64{1}), false},
		"rmse of no rows":                          {"rmse", numbers(nil, nil), false},
		"rmse of a NaN prediction":                 {"rmse", numbers([]float64{1, 2}, []float64{1, math.NaN()}), false},
		"median error of a NaN prediction":         {"median_absolute_error", numbers([]float64{1, 2}, []float64{1, math.NaN()}), false},
		"rmse that overflows":                      {"rmse", numbers([]float64{1e200}, []float64{-1e200}), false},
		"roc auc with a NaN score":                 {"roc_auc", binary([]float64{0, 1, 1}, []float64{0.1, math.NaN(), 0.4}), false},
		"more predictions than rows":               {"rmse", numbers([]float64{1}, []float64{1, 2}), false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, found := evaluate.Lookup(c.metric)
			require.True(t, found)
			_, ok := m.Measure(c.o)
			require.Equal(t, c.want, ok)
		})
	}
}

func TestMalformedObservationsAreErrorsNotPanics(t *testing.T) {
	t.Parallel()
	good := binary([]float64{0, 1}, []float64{0.2, 0.7})
	require.NoError(t, good.Validate())
	cases := map[string]func(*evaluate.Observed){
		"unknown task":       func(o *evaluate.Observed) { o.Task = "ranking" },
		"one class":          func(o *evaluate.Observed) { o.Classes = 1 },
		"short proba":        func(o *evaluate.Observed) { o.Proba = o.Proba[:3] },
		"short values":       func(o *evaluate.Observed) { o.Values = o.Values[:1] },
		"class out of range": func(o *evaluate.Observed) { o.Y = []float64{0, 2} },
		"negative class":     func(o *evaluate.Observed) { o.Values = []float64{-1, 0} },
		"half a class":       func(o *evaluate.Observed) { o.Values = []float64{0.5, 0} },
		"class NaN":          func(o *evaluate.Observed) { o.Y = []float64{math.NaN(), 0} },
	}
	for name, spoil := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := good
			spoil(&o)
			require.Equal(t, perennial.CodeInvalid, perennial.CodeOf(o.Validate()))
			require.Empty(t, evaluate.All(o))
			require.Nil(t, evaluate.Confusion(o))
			for _, m := range evaluate.Metrics(perennial.Classification) {
				require.True(t, math.IsNaN(m.Score(o)), m.Name)
			}
		})
	}
}

func TestBestPossiblePredictionsAreBest(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 40).Draw(t, "n")
		y, p := make([]float64, n), make([]float64, n)
		for i := range y {
			y[i] = float64(rapid.IntRange(0, 1).Draw(t, "y"))
			p[i] = rapid.Float64Range(0, 1).Draw(t, "p")
		}
		perfect, other := binary(y, y), binary(y, p)
		for _, m := range evaluate.Metrics(perennial.Classification) {
			best, ok := m.Measure(perfect)
			if !ok {
				continue
			}
			v, ok := m.Measure(other)
			require.True(t, ok, m.Name)
			if m.HigherIsBetter {
				require.LessOrEqual(t, v, best, m.Name)
			} else {
				require.GreaterOrEqual(t, v, best, m.Name)
			}
		}
	})
}

func TestRowOrderChangesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 30).Draw(t, "n")
		k := rapid.IntRange(2, 4).Draw(t, "classes")
		o := evaluate.Observed{Task: perennial.Classification, Classes: k, Positive: -1}
		rows := make([]int, n)
		for i := range n {
			rows[i] = i
			o.Y = append(o.Y, float64(rapid.IntRange(0, k-1).Draw(t, "y")))
			o.Values = append(o.Values, float64(rapid.IntRange(0, k-1).Draw(t, "value")))
			for range k {
				o.Proba = append(o.Proba, rapid.Float64Range(0, 1).Draw(t, "p"))
			}
		}
		shuffled := o.Take(rapid.Permutation(rows).Draw(t, "order"))
		for _, m := range evaluate.Metrics(perennial.Classification) {
			a, okA := m.Measure(o)
			b, okB := m.Measure(shuffled)
			require.Equal(t, okA, okB, m.Name)
			if okA {
				require.InDelta(t, a, b, 1e-9, m.Name)
			}
		}
	})
}
