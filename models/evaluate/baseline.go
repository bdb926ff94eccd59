package evaluate

import (
	"math"

	"github.com/perennial-ml/perennial"
)

// Baseline predicts n rows without looking at them, as scikit-learn's
// DummyClassifier(strategy="prior") and DummyRegressor(strategy="mean"): the
// most frequent class of the training targets (the lowest index on a tie) with
// the class shares as probabilities, or their mean.
//
// yTrain holds class indexes or numbers, as Observed.Y; values has n entries,
// proba n × classes, nil for regression. Without training targets values are
// NaN, and so not a valid Observed of a classification.
func Baseline(task perennial.Task, yTrain []float64, classes, n int) (values, proba []float64) {
	values = make([]float64, n)
	if task != perennial.Classification {
		fill(values, mean(yTrain))
		return values, nil
	}
	shares := make([]float64, classes)
	var total float64
	for _, y := range yTrain {
		if y >= 0 && y < float64(classes) {
			shares[int(y)]++
			total++
		}
	}
	best := 0
	for c := range shares {
		if shares[c] > shares[best] {
			best = c
		}
	}
	if total == 0 {
		fill(values, math.NaN())
	} else {
		fill(values, float64(best))
	}
	proba = make([]float64, n*classes)
	for i := range proba {
		proba[i] = shares[i%classes] / total
	}
	return values, proba
}

func fill(v []float64, x float64) {
	for i := range v {
		v[i] = x
	}
}
