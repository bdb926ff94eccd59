package evaluate

import (
	"math"
	"slices"

	"github.com/perennial-ml/perennial"
)

var classification = []perennial.Task{perennial.Classification}

// classificationMetrics are those of the predicted classes. For two classes
// precision, recall and f1 are the positive class's; for more they are macro
// averages over the classes that occur in the truth or the predictions.
func classificationMetrics() []Metric {
	return []Metric{
		{
			Name: "accuracy", Tasks: classification, HigherIsBetter: true,
			Doc:    "Share of rows with the right class (accuracy_score).",
			losses: hits,
		},
		{
			Name: "balanced_accuracy", Tasks: classification, HigherIsBetter: true,
			Doc:   "Mean recall over the classes that occur in the truth (balanced_accuracy_score).",
			whole: balancedAccuracy,
		},
		{
			Name: "precision", Tasks: classification, HigherIsBetter: true,
			Doc: "TP / (TP + FP), 0 where nothing was predicted (precision_score). " + averageDoc,
			whole: perClass(func(tp, _, predicted float64) float64 {
				return ratio(tp, predicted)
			}),
			enough: positiveRow,
		},
		{
			Name: "recall", Tasks: classification, HigherIsBetter: true,
			Doc: "TP / (TP + FN), 0 where nothing is there to be found (recall_score). " + averageDoc,
			whole: perClass(func(tp, actual, _ float64) float64 {
				return ratio(tp, actual)
			}),
			enough: positiveRow,
		},
		{
			Name: "f1", Tasks: classification, HigherIsBetter: true,
			Doc: "2 TP / (2 TP + FP + FN) (f1_score). " + averageDoc,
			whole: perClass(func(tp, actual, predicted float64) float64 {
				return ratio(2*tp, actual+predicted)
			}),
			enough: positiveRow,
		},
	}
}

const averageDoc = "Two classes: of the positive class; more: the macro average. Not measurable on two classes without a positive row."

func hits(o Observed) []float64 {
	out := make([]float64, len(o.Y))
	for i, y := range o.Y {
		if y == o.Values[i] {
			out[i] = 1
		}
	}
	return out
}

// Confusion counts rows by true class (outer index) and predicted class (inner
// index). It is nil for regression and for observations that Validate refuses.
func Confusion(o Observed) [][]int {
	if o.Task != perennial.Classification || o.Validate() != nil {
		return nil
	}
	return confusion(o)
}

func confusion(o Observed) [][]int {
	flat := make([]int, o.Classes*o.Classes)
	out := make([][]int, o.Classes)
	for c := range out {
		out[c] = flat[c*o.Classes : (c+1)*o.Classes]
	}
	for i, y := range o.Y {
		out[int(y)][int(o.Values[i])]++
	}
	return out
}

// counts gives, for one class, how often it was rightly predicted, how often it
// is true and how often it was predicted.
func counts(m [][]int, class int) (tp, actual, predicted float64) {
	for c := range m {
		actual += float64(m[class][c])
		predicted += float64(m[c][class])
	}
	return float64(m[class][class]), actual, predicted
}

func balancedAccuracy(o Observed) float64 {
	m := confusion(o)
	var sum, classes float64
	for c := range m {
		if tp, actual, _ := counts(m, c); actual > 0 {
			sum += tp / actual
			classes++
		}
	}
	return sum / classes
}

func perClass(score func(tp, actual, predicted float64) float64) func(Observed) float64 {
	return func(o Observed) float64 {
		m := confusion(o)
		if o.Classes == 2 {
			return score(counts(m, o.positive()))
		}
		var sum, classes float64
		for c := range m {
			if tp, actual, predicted := counts(m, c); actual+predicted > 0 {
				sum += score(tp, actual, predicted)
				classes++
			}
		}
		return sum / classes
	}
}

// ratio is a/b, and 0 for 0/0 as scikit-learn's zero_division="warn" has it.
func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// positiveRow is true where a row of the positive class is there, and always for
// more than two classes.
func positiveRow(o Observed) bool {
	return o.Classes != 2 || slices.Contains(o.Y, float64(o.positive()))
}

// probabilityMetrics are those of the predicted probabilities, row by row.
func probabilityMetrics() []Metric {
	return []Metric{
		{
			Name: "log_loss", Tasks: classification, NeedsProba: true,
			Doc: "Mean of −ln p(true class), natural logarithm, p clipped to [ε, 1−ε] with ε = 2^−52, the machine precision, " +
				"and not normalised (log_loss).",
			losses: logLosses,
		},
		{
			Name: "brier_score_loss", Tasks: classification, NeedsProba: true,
			Doc: "Two classes: mean of (p(positive) − y)², 0 to 1. More: mean over rows of Σ (p(c) − 1[c is true])², 0 to 2 " +
				"(brier_score_loss with scale_by_half=\"auto\").",
			losses: brierLosses,
		},
	}
}

// epsilon is NumPy's finfo(float64).eps.
const epsilon = 0x1p-52

func logLosses(o Observed) []float64 {
	out := make([]float64, len(o.Y))
	for i, y := range o.Y {
		out[i] = -math.Log(min(max(o.proba(i, int(y)), epsilon), 1-epsilon))
	}
	return out
}

func brierLosses(o Observed) []float64 {
	out := make([]float64, len(o.Y))
	for i, y := range o.Y {
		var sum float64
		for c := range o.Classes {
			d := o.proba(i, c)
			if c == int(y) {
				d--
			}
			sum += float64(d * d)
		}
		if o.Classes == 2 {
			sum /= 2
		}
		out[i] = sum
	}
	return out
}
