package plots_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/models/evaluate"
	"github.com/perennial-ml/perennial/models/evaluate/plots"
	"github.com/perennial-ml/perennial/stats"
)

var write = flag.String("write", "", "directory to write the pictures of the tests to, to look at them")

// classes makes a classification of n rows whose probabilities lean to the truth.
func classes(t *testing.T, n, k int) (evaluate.Observed, []string) {
	t.Helper()
	random := stats.NewRand(int64(k), 1)
	o := evaluate.Observed{Task: perennial.Classification, Classes: k, Positive: -1}
	names := make([]string, k)
	for c := range names {
		names[c] = fmt.Sprintf("class %d, with a name that is rather long", c)
	}
	for range n {
		y, best, sum := random.IntN(k), 0, 0.0
		proba := make([]float64, k)
		for c := range proba {
			proba[c] = random.ExpFloat64()
			if c == y {
				proba[c] *= float64(2 * k)
			}
			sum += proba[c]
		}
		for c := range proba {
			if proba[c] /= sum; proba[c] > proba[best] {
				best = c
			}
		}
		o.Y, o.Values, o.Proba = append(o.Y, float64(y)), append(o.Values, float64(best)), append(o.Proba, proba...)
	}
	return o, names
}

func numbers(n int) evaluate.Observed {
	random := stats.NewRand(2, 0)
	o := evaluate.Observed{Task: perennial.Regression}
	for range n {
		y := math.Exp(random.NormFloat64() / 2)
		o.Y, o.Values = append(o.Y, y), append(o.Values, y+random.NormFloat64()*y/3)
	}
	return o
}

type picture struct {
	test, name string
	numbers    any
}

// pictures is one of each, and some of a size that is awkward.
func pictures(t *testing.T) []picture {
	t.Helper()
	list := []picture{}
	add := func(test, name string, numbers any, ok bool) {
		require.True(t, ok, test)
		list = append(list, picture{test, name, numbers})
	}
	for _, c := range []struct {
		test    string
		rows, k int
	}{{"two", 800, 2}, {"three", 30, 3}, {"forty", 5000, 40}} {
		o, names := classes(t, c.rows, c.k)
		matrix, ok := evaluate.NewConfusionMatrix(o, names)
		add(c.test, plots.ConfusionMatrix, matrix, ok)
		roc, ok := evaluate.NewROC(o, names)
		add(c.test, plots.ROC, roc, ok)
		pr, ok := evaluate.NewPrecisionRecall(o, names)
		add(c.test, plots.PrecisionRecall, pr, ok)
		calibration, ok := evaluate.NewCalibration(o, names)
		add(c.test, plots.Calibration, calibration, ok)
		if c.k == 2 {
			for test, goal := range map[string]evaluate.ThresholdGoal{"f1": {Metric: "f1"}, "cost": {FalsePositive: 1, FalseNegative: 8}} {
				choice, err := evaluate.ChooseThreshold(o, goal)
				require.NoError(t, err)
				add(test, plots.Threshold, choice, true)
			}
		}
	}
	same := evaluate.Observed{Task: perennial.Regression, Y: []float64{3, 3}, Values: []float64{3, 3}}
	for test, o := range map[string]evaluate.Observed{"many": numbers(4128), "one": numbers(1), "same": same} {
		predicted, ok := evaluate.NewPredicted(o, "price", 1)
		add(test, plots.PredictedActual, predicted, ok)
		residuals, ok := evaluate.NewResiduals(o, "price", 1)
		add(test, plots.Residuals, residuals, ok)
	}
	importance := evaluate.Importance{Metric: "rmse", Rows: 500, Of: 4128, Repeats: 5, Left: []string{"x"}}
	for i := range 30 {
		importance.Features = append(importance.Features, evaluate.FeatureImportance{Name: fmt.Sprintf("column_%d", i), Mean: 0.5/float64(i+1) - 0.06, Std: 0.02})
	}
	add("30", plots.Importance, importance, true)
	add("0", plots.Importance, evaluate.Importance{Metric: "rmse", Features: []evaluate.FeatureImportance{{Name: "a"}}}, true)
	learning := evaluate.LearningCurve{Metric: "accuracy", HigherIsBetter: true, Folds: 3, Stopped: "stopped after 30 s"}
	for i := range 5 {
		share := float64(i+1) / 5
		learning.Points = append(learning.Points, evaluate.LearningPoint{
			Share: share, Rows: int(10000 * share), Folds: []float64{0.8 + share/10, 0.79 + share/10}, Fitted: []float64{0.97, 0.98},
		})
	}
	add("five", plots.LearningCurve, learning, true)
	candidates := evaluate.Candidates{Metric: "rmse", Candidates: []evaluate.Candidate{
		{Algorithm: "gradient_boosting", Selected: true, Mean: 0.45, Std: 0.01, Scores: []float64{0.44, 0.45, 0.46}, Wall: 3.2},
		{Algorithm: "random_forest", Mean: 0.5, Std: 0.01, Scores: []float64{0.49, 0.5, 0.51}, Wall: 5.1},
		{Algorithm: "ridge", Mean: 0.73, Std: 0.02, Scores: []float64{0.71, 0.73, 0.75}, Wall: 0.02},
	}}
	add("three", plots.Candidates, candidates, true)
	failed := append(slices.Clone(candidates.Candidates), evaluate.Candidate{Algorithm: "ridge", Failure: "it can't be fitted"})
	add("one that failed", plots.Candidates, evaluate.Candidates{Metric: "rmse", Candidates: failed}, true)
	candidates.Candidates = candidates.Candidates[:1]
	add("one", plots.Candidates, candidates, true)
	return list
}

func TestPicturesAreThePictureOfTheirNumbers(t *testing.T) {
	t.Parallel()
	drawn := map[string]bool{}
	for _, p := range pictures(t) {
		drawn[p.name] = true
		t.Run(p.name+" "+p.test, func(t *testing.T) {
			t.Parallel()
			b, err := json.Marshal(p.numbers)
			require.NoError(t, err)
			first, err := plots.Draw(p.name, b)
			require.NoError(t, err)
			second, err := plots.Draw(p.name, b)
			require.NoError(t, err)
			require.Equal(t, first, second, "equal numbers, equal bytes")
			img, err := png.Decode(bytes.NewReader(first))
			require.NoError(t, err)
			require.Equal(t, plots.Width, img.Bounds().Dx())
			require.LessOrEqual(t, img.Bounds().Dy(), plots.Height)
			require.Less(t, len(first), 200<<10)
			if *write != "" {
				require.NoError(t, os.WriteFile(filepath.Join(*write, p.name+"_"+p.test+".png"), first, 0o644))
			}
		})
	}
	for _, title := range plots.Titles() {
		require.True(t, drawn[title.Name], "%s isn't tested", title.Name)
	}
}

func TestWhatIsNoPicture(t *testing.T) {
	t.Parallel()
	_, err := plots.Draw("nope", []byte("{}"))
	require.Equal(t, perennial.CodeNotFound, perennial.CodeOf(err))
	_, err = plots.Draw(plots.Candidates, []byte(`{"metric":"rmse","candidates":[{"algorithm":"ridge","failure":"it can't be fitted"}]}`))
	require.Equal(t, perennial.CodeInvalid, perennial.CodeOf(err), "nothing to draw")
	for _, title := range plots.Titles() {
		_, err = plots.Draw(title.Name, []byte("{}"))
		require.Equal(t, perennial.CodeInvalid, perennial.CodeOf(err), title.Name)
		_, err = plots.Draw(title.Name, []byte("[1"))
		require.Equal(t, perennial.CodeMalformed, perennial.CodeOf(err), title.Name)
	}
}

// FuzzDraw feeds numbers that somebody may have tampered with: an error, never a
// panic.
func FuzzDraw(f *testing.F) {
	f.Add("roc", `{"rows":2,"curves":[{"class":"a","fpr":[0,1],"tpr":[0,1]}]}`)
	f.Add("confusion_matrix", `{"classes":["a","b"],"counts":[[1,2],[3]]}`)
	f.Add("threshold", `{"curve":[{"threshold":-1e308,"value":1e308}],"value":-1e308}`)
	f.Add("residuals", `{"points":[[1,1e308],[-1e308,2]],"histogram":[{"rows":-5}]}`)
	f.Add("learning_curve", `{"points":[{"rows":-3,"scores":[1e308,-1e308]}]}`)
	f.Add("candidates", `{"candidates":[{"algorithm":"\u0000","mean":1e300,"wall_seconds":-1}]}`)
	f.Fuzz(func(t *testing.T, name, numbers string) {
		if len(numbers) > 2000 {
			return
		}
		picture, err := plots.Draw(name, []byte(numbers))
		require.Equal(t, err == nil, len(picture) > 0)
	})
}

func TestBytesOfAPicture(t *testing.T) {
	t.Parallel()
	if runtime.GOARCH != "amd64" {
		t.Skip("the golden pixels are those of amd64: other processors round otherwise")
	}
	b, err := plots.Draw(plots.ROC, []byte(`{"rows":4,"curves":[{"class":"yes","positives":2,"auc":0.75,"fpr":[0,0,0.5,1],"tpr":[0,0.5,1,1]}]}`))
	require.NoError(t, err)
	img, err := png.Decode(bytes.NewReader(b))
	require.NoError(t, err)
	// The pixels, not the file: how it is compressed may change with Go.
	h := sha256.New()
	for y := range img.Bounds().Dy() {
		for x := range img.Bounds().Dx() {
			fmt.Fprintln(h, img.At(x, y))
		}
	}
	golden, err := os.ReadFile("testdata/roc.sha256")
	require.NoError(t, err)
	require.Equal(t, string(bytes.TrimSpace(golden)), hex.EncodeToString(h.Sum(nil)), "look at the pictures (-write DIR), then keep the new hash")
}
