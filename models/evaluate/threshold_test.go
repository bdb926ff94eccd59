package evaluate_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/models/evaluate"
)

func TestChooseThreshold(t *testing.T) {
	t.Parallel()
	y := []float64{0, 0, 1, 0, 1, 1}
	p := []float64{0.1, 0.2, 0.3, 0.4, 0.6, 0.9}
	for name, c := range map[string]struct {
		goal       evaluate.ThresholdGoal
		at, value  float64
		atHalf     float64
		name       string
		candidates int
	}{
		"f1":                     {evaluate.ThresholdGoal{Metric: "f1_score"}, 0.25, 6.0 / 7, 0.8, "f1", 7},
		"accuracy, nearest half": {evaluate.ThresholdGoal{Metric: "accuracy"}, 0.5, 5.0 / 6, 5.0 / 6, "accuracy", 7},
		"equal costs":            {evaluate.ThresholdGoal{FalsePositive: 1, FalseNegative: 1}, 0.5, 1.0 / 6, 1.0 / 6, "cost", 7},
		"a miss costs 8":         {evaluate.ThresholdGoal{FalsePositive: 1, FalseNegative: 8}, 0.25, 1.0 / 6, 8.0 / 6, "cost", 7},
		"only alarms cost":       {evaluate.ThresholdGoal{FalsePositive: 2}, 0.5, 0, 0, "cost", 7},
		"only misses cost":       {evaluate.ThresholdGoal{FalseNegative: 2}, 0.25, 0, 2.0 / 6, "cost", 7},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := evaluate.ChooseThreshold(binary(y, p), c.goal)
			require.NoError(t, err)
			require.InDelta(t, c.at, got.Threshold, 1e-15)
			require.InDelta(t, c.value, got.Value, 1e-15)
			require.InDelta(t, c.atHalf, *got.AtHalf, 1e-15)
			require.Equal(t, c.name, got.Metric)
			require.Equal(t, 6, got.Rows)
			require.Equal(t, 3, got.Positives)
			require.Len(t, got.Curve, c.candidates)
			require.InDelta(t, 0.05, got.Curve[0].Threshold, 1e-15)
			require.InDelta(t, 0.95, got.Curve[6].Threshold, 1e-15)
		})
	}
}

// With the positive class first the same rows get the same threshold.
func TestChooseThresholdOfTheFirstClass(t *testing.T) {
	t.Parallel()
	o := evaluate.Observed{Task: perennial.Classification, Y: []float64{1, 1, 0, 1, 0, 0}, Values: make([]float64, 6), Classes: 2, Positive: 0}
	for _, p := range []float64{0.1, 0.2, 0.3, 0.4, 0.6, 0.9} {
		o.Proba = append(o.Proba, p, 1-p)
	}
	got, err := evaluate.ChooseThreshold(o, evaluate.ThresholdGoal{Metric: "f1"})
	require.NoError(t, err)
	require.InDelta(t, 0.25, got.Threshold, 1e-15)
}

// The chosen threshold is as good as every other one, tried the slow way.
func TestChosenThresholdIsBest(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 30).Draw(t, "n")
		y, p := make([]float64, n), make([]float64, n)
		for i := range y {
			y[i] = float64(rapid.IntRange(0, 1).Draw(t, "y"))
			p[i] = float64(rapid.IntRange(0, 8).Draw(t, "p")) / 8
		}
		name := rapid.SampledFrom([]string{"f1", "accuracy", "balanced_accuracy", "matthews_corrcoef", "f1_macro"}).Draw(t, "metric")
		m, _ := evaluate.Lookup(name)
		at := func(threshold float64) (float64, bool) {
			o := binary(y, p)
			for i := range p {
				o.Values[i] = 0
				if p[i] >= threshold {
					o.Values[i] = 1
				}
			}
			return m.Measure(o)
		}
		got, err := evaluate.ChooseThreshold(binary(y, p), evaluate.ThresholdGoal{Metric: name})
		if err != nil {
			_, ok := at(0.5)
			require.False(t, ok)
			return
		}
		v, ok := at(got.Threshold)
		require.True(t, ok)
		require.InDelta(t, v, got.Value, 1e-12)
		for i := 1; i <= 16; i++ {
			if other, ok := at(float64(i) / 16); ok {
				require.LessOrEqual(t, other, got.Value+1e-12)
			}
		}
		require.Greater(t, got.Threshold, 0.0)
		require.LessOrEqual(t, got.Threshold, 1.0)
	})
}

func TestChooseThresholdRefusesWhatCannotTell(t *testing.T) {
	t.Parallel()
	good := binary([]float64{0, 1}, []float64{0.2, 0.7})
	noProba := good
	noProba.Proba = nil
	for name, c := range map[string]struct {
		o    evaluate.Observed
		goal evaluate.ThresholdGoal
	}{
		"f1 without a positive row": {binary([]float64{0, 0}, []float64{0.2, 0.7}), evaluate.ThresholdGoal{Metric: "f1"}},
		"NaN":                       {binary([]float64{0, 1}, []float64{math.NaN(), 0.7}), evaluate.ThresholdGoal{Metric: "f1"}},
		"no probabilities":          {noProba, evaluate.ThresholdGoal{Metric: "f1"}},
		"three classes":             {three(9), evaluate.ThresholdGoal{Metric: "accuracy"}},
		"numbers":                   {numbers([]float64{1}, []float64{1}), evaluate.ThresholdGoal{Metric: "rmse"}},
		"metric of probabilities":   {good, evaluate.ThresholdGoal{Metric: "log_loss"}},
		"unknown metric":            {good, evaluate.ThresholdGoal{Metric: "beauty"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if name == "NaN" {
				c.o.Values = []float64{0, 1}
			}
			_, err := evaluate.ChooseThreshold(c.o, c.goal)
			require.Equal(t, perennial.CodeInvalid, perennial.CodeOf(err))
		})
	}
}
