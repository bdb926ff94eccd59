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

// twoClasses makes observations of the classes no and yes, yes with a probability.
func twoClasses(y, score []float64) evaluate.Observed {
	o := evaluate.Observed{Task: perennial.Classification, Y: y, Classes: 2, Positive: 1}
	for _, p := range score {
		o.Values = append(o.Values, math.Round(p))
		o.Proba = append(o.Proba, 1-p, p)
	}
	return o
}

func TestCurvesAgreeWithScikitLearn(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("testdata/curves.json")
	require.NoError(t, err)
	var ref struct {
		Versions map[string]string
		Cases    []struct {
			Name                 string
			Y, Score             []float64
			FPR, TPR, Thresholds []float64
			Precision, Recall    []float64
			PRThresholds         []float64 `json:"pr_thresholds"`
			AUC, AP              float64
			Predicted, Observed  []float64
		}
	}
	require.NoError(t, json.Unmarshal(b, &ref))
	require.NotEmpty(t, ref.Versions["scikit-learn"])
	require.NotEmpty(t, ref.Cases)
	for _, c := range ref.Cases {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			o, names := twoClasses(c.Y, c.Score), []string{"no", "yes"}
			roc, ok := evaluate.NewROC(o, names)
			require.True(t, ok)
			curve := roc.Curves[0]
			require.Equal(t, "yes", curve.Class)
			require.InDeltaSlice(t, c.FPR, curve.FPR, 1e-12)
			require.InDeltaSlice(t, c.TPR, curve.TPR, 1e-12)
			require.InDeltaSlice(t, c.Thresholds, curve.Thresholds, 0)
			require.InDelta(t, c.AUC, curve.AUC, 1e-12)

			pr, ok := evaluate.NewPrecisionRecall(o, names)
			require.True(t, ok)
			require.InDeltaSlice(t, c.Precision, pr.Curves[0].Precision, 1e-12)
			require.InDeltaSlice(t, c.Recall, pr.Curves[0].Recall, 1e-12)
			require.InDeltaSlice(t, c.PRThresholds, pr.Curves[0].Thresholds, 0)
			require.InDelta(t, c.AP, pr.Curves[0].AveragePrecision, 1e-12)

			calibration, ok := evaluate.NewCalibration(o, names)
			require.True(t, ok)
			bins, rows := calibration.Curves[0].Bins, 0
			require.Len(t, bins, len(c.Predicted))
			for i, bin := range bins {
				require.InDelta(t, c.Predicted[i], bin.Mean, 1e-12)
				require.InDelta(t, c.Observed[i], bin.Share, 1e-12)
				require.LessOrEqual(t, bin.Interval[0], bin.Share)
				require.GreaterOrEqual(t, bin.Interval[1], bin.Share)
				rows += bin.Rows
			}
			require.Equal(t, len(c.Y), rows)
		})
	}
}

func TestCurvesOfManyClassesShowTheFrequentOnes(t *testing.T) {
	t.Parallel()
	const classes = 30
	o := evaluate.Observed{Task: perennial.Classification, Classes: classes, Positive: -1}
	var names []string
	for c := range classes {
		names = append(names, string(rune('A'+c)))
		for range 3 + c%7 {
			o.Y, o.Values = append(o.Y, float64(c)), append(o.Values, float64((c+1)%classes))
			proba := make([]float64, classes)
			proba[c] = 1
			o.Proba = append(o.Proba, proba...)
		}
	}
	roc, ok := evaluate.NewROC(o, names)
	require.True(t, ok)
	require.Len(t, roc.Curves, 8)
	require.Equal(t, 22, roc.Omitted)
	require.Equal(t, 8, roc.Curves[0].Positives)
	matrix, ok := evaluate.NewConfusionMatrix(o, names)
	require.True(t, ok)
	require.Len(t, matrix.Classes, 20)
	require.Equal(t, 11, matrix.Folded)
	total := 0
	for _, row := range matrix.Counts {
		for _, n := range row {
			total += n
		}
	}
	require.Equal(t, len(o.Y), total)
}

func TestCurvesOfManyRowsAreThinned(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 5000).Draw(t, "rows")
		random := rapid.Uint64().Draw(t, "seed")
		y, score := make([]float64, n), make([]float64, n)
		for i := range y {
			random = random*6364136223846793005 + 1442695040888963407
			y[i], score[i] = float64(random>>40&1), float64(random>>41)/(1<<23)
		}
		roc, ok := evaluate.NewROC(twoClasses(y, score), []string{"no", "yes"})
		if !ok {
			return // one class only
		}
		c := roc.Curves[0]
		require.LessOrEqual(t, len(c.FPR), 1001)
		require.Len(t, c.Thresholds, len(c.FPR)-1)
		require.Equal(t, []float64{0, 1, 0, 1}, []float64{c.FPR[0], c.FPR[len(c.FPR)-1], c.TPR[0], c.TPR[len(c.TPR)-1]})
		require.IsNonDecreasing(t, c.FPR)
		require.IsNonDecreasing(t, c.TPR)
	})
}

func TestWhatCantBeDrawnIsLeftOut(t *testing.T) {
	t.Parallel()
	names := []string{"no", "yes"}
	oneClass := twoClasses([]float64{1, 1}, []float64{0.2, 0.9})
	_, ok := evaluate.NewROC(oneClass, names)
	require.False(t, ok)
	_, ok = evaluate.NewPrecisionRecall(oneClass, names)
	require.False(t, ok)
	_, ok = evaluate.NewCalibration(twoClasses([]float64{1, 0}, []float64{math.NaN(), 0.9}), names)
	require.False(t, ok)
	_, ok = evaluate.NewConfusionMatrix(evaluate.Observed{Task: perennial.Regression}, nil)
	require.False(t, ok)
	for _, v := range []float64{math.NaN(), math.Inf(1), 1e300} {
		o := evaluate.Observed{Task: perennial.Regression, Y: []float64{1, v}, Values: []float64{1, 2}}
		_, ok = evaluate.NewResiduals(o, "y", 1)
		require.False(t, ok, v)
		_, ok = evaluate.NewPredicted(o, "y", 1)
		require.False(t, ok, v)
	}
}

func TestResiduals(t *testing.T) {
	t.Parallel()
	o := evaluate.Observed{Task: perennial.Regression}
	for i := range 5000 {
		o.Values = append(o.Values, float64(i))
		o.Y = append(o.Y, float64(i+i%5-2)) // residuals −2 … 2, evenly
	}
	r, ok := evaluate.NewResiduals(o, "price", 7)
	require.True(t, ok)
	require.Equal(t, 2000, r.Shown)
	require.InDelta(t, 0, r.Mean, 1e-12)
	require.InDelta(t, math.Sqrt(2), r.Std, 1e-12)
	require.Equal(t, [5]float64{-2, -1, 0, 1, 2}, r.Quantiles)
	require.Len(t, r.Bands, 10)
	require.InDelta(t, 250, r.Bands[0].Predicted, 1)
	rows := 0
	for _, bar := range r.Histogram {
		rows += bar.Rows
	}
	require.Equal(t, 5000, rows)
	again, _ := evaluate.NewResiduals(o, "price", 7)
	require.Equal(t, r, again)
	other, _ := evaluate.NewResiduals(o, "price", 8)
	require.NotEqual(t, r.Points, other.Points)
}
