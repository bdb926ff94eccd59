package evaluate

import (
	"math"
	"slices"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/stats"
)

var regression = []perennial.Task{perennial.Regression}

// regressionMetrics are those of predicted numbers, in the target's unit where
// nothing else is said.
func regressionMetrics() []Metric {
	return []Metric{
		{
			Name: "rmse", Tasks: regression,
			Doc:    "√ of the mean squared error (root_mean_squared_error).",
			losses: squaredErrors, finish: math.Sqrt,
		},
		{
			Name: "mean_squared_error", Tasks: regression,
			Doc:    "Mean of (y − ŷ)², in the target's unit squared (mean_squared_error).",
			losses: squaredErrors,
		},
		{
			Name: "mean_absolute_error", Tasks: regression,
			Doc:    "Mean of |y − ŷ| (mean_absolute_error).",
			losses: absoluteErrors,
		},
		{
			Name: "median_absolute_error", Tasks: regression, sorts: true,
			Doc:   "Median of |y − ŷ|, of an even number of rows the mean of the middle two (median_absolute_error).",
			whole: medianAbsoluteError,
		},
		{
			Name: "mean_absolute_percentage_error", Tasks: regression,
			Doc: "Mean of |y − ŷ| / max(|y|, ε), a share and not a percentage, with ε = 2^−52: huge where y is 0 " +
				"(mean_absolute_percentage_error).",
			losses: percentageErrors,
		},
		{
			Name: "r2", Tasks: regression, HigherIsBetter: true,
			Doc: "1 − Σ(y − ŷ)² / Σ(y − ȳ)²; for a constant truth 1 where every prediction is right and else 0; NaN below two rows " +
				"(r2_score).",
			whole: r2,
		},
	}
}

func squaredErrors(o Observed) []float64 {
	out := make([]float64, len(o.Y))
	for i, y := range o.Y {
		d := y - o.Values[i]
		out[i] = d * d
	}
	return out
}

func absoluteErrors(o Observed) []float64 {
	out := make([]float64, len(o.Y))
	for i, y := range o.Y {
		out[i] = math.Abs(y - o.Values[i])
	}
	return out
}

func percentageErrors(o Observed) []float64 {
	out := absoluteErrors(o)
	for i, y := range o.Y {
		out[i] /= max(math.Abs(y), epsilon)
	}
	return out
}

func medianAbsoluteError(o Observed) float64 {
	errors := absoluteErrors(o)
	slices.Sort(errors)
	if math.IsNaN(errors[0]) { // Sort puts NaN first
		return math.NaN()
	}
	return stats.Percentile(errors, 0.5)
}

func r2(o Observed) float64 {
	if len(o.Y) < 2 {
		return math.NaN()
	}
	center := mean(o.Y)
	var residual, total float64
	for i, y := range o.Y {
		d, e := y-o.Values[i], y-center
		residual += float64(d * d)
		total += float64(e * e)
	}
	switch {
	case math.IsNaN(residual):
		return math.NaN()
	case total != 0:
		return 1 - residual/total
	case residual == 0:
		return 1
	default:
		return 0
	}
}
