package evaluate

import (
	"math"

	"github.com/perennial-ml/perennial"
)

var classification = []perennial.Task{perennial.Classification}

// classificationMetrics are those of the predicted classes. For two classes
// precision, recall, f1 and jaccard are the positive class's; for more they are
// macro averages over the classes that occur in the truth or the predictions.
func classificationMetrics() []Metric {
	out := []Metric{
		{
			Name: "accuracy", Tasks: classification, HigherIsBetter: true, Reported: true,
			Doc:   "Share of rows with the right class (accuracy_score).",
			whole: ofConfusion(accuracy),
		},
		{
			Name: "balanced_accuracy", Tasks: classification, HigherIsBetter: true, Reported: true,
			Doc:   "Mean recall over the classes that occur in the truth (balanced_accuracy_score).",
			whole: ofConfusion(balancedAccuracy),
		},
	}
	for _, r := range rates {
		out = append(out, Metric{
			Name: r.name, Tasks: classification, HigherIsBetter: true, Reported: r.reported,
			Doc: r.doc + " Two classes: of the positive class; more: the macro average. Not measurable on two classes without a positive row.",
			whole: func(s *sample) func() float64 {
				return func() float64 {
					if s.Classes == 2 {
						return r.score(counts(s.confusion(), s.positive()))
					}
					return macro(s.confusion(), r.score)
				}
			},
			enough: positiveRow,
		})
	}
	return out
}

// rates are the metrics made of how often a class was rightly predicted, how
// often it is true and how often it was predicted.
var rates = []struct {
	name, doc string
	reported  bool
	score     func(tp, actual, predicted float64) float64
}{
	{"precision", "TP / (TP + FP), 0 where nothing was predicted (precision_score).", true, func(tp, _, predicted float64) float64 { return ratio(tp, predicted) }},
	{"recall", "TP / (TP + FN), 0 where nothing is there to be found (recall_score).", true, func(tp, actual, _ float64) float64 { return ratio(tp, actual) }},
	{"f1", "2 TP / (2 TP + FP + FN) (f1_score).", true, func(tp, actual, predicted float64) float64 { return ratio(2*tp, actual+predicted) }},
	{"jaccard", "TP / (TP + FP + FN) (jaccard_score).", false, func(tp, actual, predicted float64) float64 { return ratio(tp, actual+predicted-tp) }},
}

// averagedMetrics are the averages of rates over the classes, for two classes
// too.
func averagedMetrics() []Metric {
	averages := []struct {
		name, doc string
		of        func([][]float64, func(tp, actual, predicted float64) float64) float64
	}{
		{"macro", "the mean over the classes that occur in the truth or the predictions.", macro},
		{"weighted", "the mean over the classes weighted by their rows in the truth.", weighted},
		{"micro", "of TP, FP and FN summed over all classes.", micro},
	}
	var out []Metric
	for _, r := range rates {
		for _, a := range averages {
			out = append(out, Metric{
				Name: r.name + "_" + a.name, Tasks: classification, HigherIsBetter: true,
				Doc:   r.doc + " The average is " + a.doc,
				whole: ofConfusion(func(m [][]float64) float64 { return a.of(m, r.score) }),
			})
		}
	}
	return out
}

// agreementMetrics correct the agreement of truth and predictions for chance.
func agreementMetrics() []Metric {
	return []Metric{
		{
			Name: "matthews_corrcoef", Tasks: classification, HigherIsBetter: true, Reported: true,
			Doc: "Correlation of truth and predictions, −1 to 1, for any number of classes (matthews_corrcoef; Gorodkin, 2004). 0 where all " +
				"predictions are of one class; not measurable where all rows are.",
			whole: ofConfusion(matthews), enough: twoClasses,
		},
		{
			Name: "cohen_kappa", Tasks: classification, HigherIsBetter: true, Reported: true,
			Doc:   "(pₒ − pₑ)/(1 − pₑ): accuracy pₒ beyond what the same shares of classes reach by chance, pₑ (cohen_kappa_score; Cohen, 1960).",
			whole: ofConfusion(kappa), enough: twoClasses,
		},
	}
}

func ofConfusion(score func(m [][]float64) float64) func(*sample) func() float64 {
	return func(s *sample) func() float64 {
		return func() float64 { return score(s.confusion()) }
	}
}

func accuracy(m [][]float64) float64 {
	var right, rows float64
	for c := range m {
		tp, actual, _ := counts(m, c)
		right += tp
		rows += actual
	}
	return right / rows
}

// Confusion counts rows by true class (outer index) and predicted class (inner
// index). It is nil for regression and for observations that Validate refuses.
func Confusion(o Observed) [][]int {
	if o.Task != perennial.Classification || o.Validate() != nil {
		return nil
	}
	out := make([][]int, o.Classes)
	for c, row := range newSample(o).confusion() {
		out[c] = make([]int, len(row))
		for k, v := range row {
			out[c][k] = int(v)
		}
	}
	return out
}

// counts gives, for one class, how often it was rightly predicted, how often it
// is true and how often it was predicted.
func counts(m [][]float64, class int) (tp, actual, predicted float64) {
	for c := range m {
		actual += m[class][c]
		predicted += m[c][class]
	}
	return m[class][class], actual, predicted
}

func balancedAccuracy(m [][]float64) float64 {
	var sum, classes float64
	for c := range m {
		if tp, actual, _ := counts(m, c); actual > 0 {
			sum += tp / actual
			classes++
		}
	}
	return sum / classes
}

func macro(m [][]float64, score func(tp, actual, predicted float64) float64) float64 {
	var sum, classes float64
	for c := range m {
		if tp, actual, predicted := counts(m, c); actual+predicted > 0 {
			sum += score(tp, actual, predicted)
			classes++
		}
	}
	return sum / classes
}

func weighted(m [][]float64, score func(tp, actual, predicted float64) float64) float64 {
	var sum, rows float64
	for c := range m {
		tp, actual, predicted := counts(m, c)
		sum += float64(actual * score(tp, actual, predicted))
		rows += actual
	}
	return sum / rows
}

func micro(m [][]float64, score func(tp, actual, predicted float64) float64) float64 {
	var right, rows float64
	for c := range m {
		tp, actual, _ := counts(m, c)
		right += tp
		rows += actual
	}
	return score(right, rows, rows)
}

// matthews is cov(y, ŷ)/√(cov(y, y)·cov(ŷ, ŷ)) of the classes as vectors.
func matthews(m [][]float64) float64 {
	var right, n, both, truth, answers float64
	for c := range m {
		tp, actual, predicted := counts(m, c)
		right += tp
		n += actual
		both += float64(actual * predicted)
		truth += float64(actual * actual)
		answers += float64(predicted * predicted)
	}
	square := float64(n * n)
	spread := (square - truth) * (square - answers)
	if spread == 0 {
		return 0
	}
	return (float64(right*n) - both) / math.Sqrt(spread)
}

func kappa(m [][]float64) float64 {
	var right, n, both float64
	for c := range m {
		tp, actual, predicted := counts(m, c)
		right += tp
		n += actual
		both += float64(actual * predicted)
	}
	// As the weights 1 − 1[a = b] have it: observed over expected disagreement.
	return 1 - (n-right)/(n-both/n)
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
func positiveRow(s *sample) bool {
	return s.Classes != 2 || s.actual(s.positive()) > 0
}

// twoClasses is true where the truth holds two classes or more.
func twoClasses(s *sample) bool { return s.present() >= 2 }

func (s *sample) present() int {
	n := 0
	for c := range s.Classes {
		if s.actual(c) > 0 {
			n++
		}
	}
	return n
}
