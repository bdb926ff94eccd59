package evaluate

import (
	"cmp"
	"math"

	"github.com/perennial-ml/perennial"
)

var regression = []perennial.Task{perennial.Regression}

// regressionMetrics are those of predicted numbers, in the target's unit where
// nothing else is said.
func regressionMetrics() []Metric {
	return []Metric{
		{
			Name: "rmse", Tasks: regression, Reported: true,
			Doc:    "√ of the mean squared error (root_mean_squared_error).",
			losses: squaredErrors, finish: math.Sqrt,
		},
		{
			Name: "mean_squared_error", Tasks: regression, Reported: true,
			Doc:    "Mean of (y − ŷ)², in the target's unit squared (mean_squared_error).",
			losses: squaredErrors,
		},
		{
			Name: "mean_absolute_error", Tasks: regression, Reported: true,
			Doc:    "Mean of |y − ŷ| (mean_absolute_error).",
			losses: absoluteErrors,
		},
		{
			Name: "median_absolute_error", Tasks: regression, Reported: true,
			Doc:   "Median of |y − ŷ|, of an even number of rows the mean of the middle two (median_absolute_error).",
			whole: medianAbsoluteError,
		},
		{
			Name: "max_error", Tasks: regression, Reported: true,
			Doc:   "Greatest |y − ŷ| (max_error). Its bootstrap interval can't exceed it.",
			whole: maxError,
		},
		{
			Name: "mean_absolute_percentage_error", Tasks: regression, Reported: true,
			Doc: "Mean of |y − ŷ| / max(|y|, ε), a share and not a percentage, with ε = 2^−52: huge where y is 0 " +
				"(mean_absolute_percentage_error).",
			losses: percentageErrors,
		},
		{
			Name: "r2", Tasks: regression, HigherIsBetter: true, Reported: true,
			Doc: "1 − Σ(y − ŷ)² / Σ(y − ȳ)²; for a constant truth 1 where every prediction is right and else 0; NaN below two rows " +
				"(r2_score).",
			whole: r2,
		},
		{
			Name: "explained_variance", Tasks: regression, HigherIsBetter: true, Reported: true,
			Doc: "1 − Var(y − ŷ) / Var(y): r2 without the part that a constant error has; for a constant truth 1 where the error is " +
				"constant and else 0 (explained_variance_score).",
			whole: explainedVariance,
		},
		{
			Name: "d2_absolute_error_score", Tasks: regression, HigherIsBetter: true,
			Doc: "1 − Σ|y − ŷ| / Σ|y − median(y)|: the share of the absolute error that is explained; NaN below two rows " +
				"(d2_absolute_error_score).",
			whole: d2AbsoluteError,
		},
		{
			Name: "mean_pinball_loss", Tasks: regression,
			Doc:    "Half the mean absolute error: the loss of the median (mean_pinball_loss, alpha = 0.5).",
			losses: absoluteErrors, finish: func(v float64) float64 { return v / 2 },
		},
	}
}

// positiveMetrics are those of numbers that can't be negative. They are NaN
// where scikit-learn refuses the numbers.
func positiveMetrics() []Metric {
	return []Metric{
		{
			Name: "mean_squared_log_error", Tasks: regression,
			Doc:    "Mean of (ln(1+y) − ln(1+ŷ))²; not measurable where a number is −1 or less (mean_squared_log_error).",
			losses: logErrors,
		},
		{
			Name: "root_mean_squared_log_error", Tasks: regression,
			Doc:    "√ of the mean squared log error (root_mean_squared_log_error).",
			losses: logErrors, finish: math.Sqrt,
		},
		{
			Name: "mean_poisson_deviance", Tasks: regression,
			Doc:    "Mean of 2(y·ln(y/ŷ) − y + ŷ); not measurable where y < 0 or ŷ ≤ 0 (mean_poisson_deviance).",
			losses: poissonDeviances,
		},
		{
			Name: "mean_gamma_deviance", Tasks: regression,
			Doc:    "Mean of 2(ln(ŷ/y) + y/ŷ − 1); not measurable where a number isn't positive (mean_gamma_deviance).",
			losses: gammaDeviances,
		},
	}
}

// perRow gives a loss for each row.
func perRow(loss func(y, f float64) float64) func(Observed) []float64 {
	return func(o Observed) []float64 {
		out := make([]float64, len(o.Y))
		for i, y := range o.Y {
			out[i] = loss(y, o.Values[i])
		}
		return out
	}
}

var (
	squaredErrors    = perRow(func(y, f float64) float64 { return (y - f) * (y - f) })
	absoluteErrors   = perRow(func(y, f float64) float64 { return math.Abs(y - f) })
	percentageErrors = perRow(func(y, f float64) float64 { return math.Abs(y-f) / max(math.Abs(y), epsilon) })
	logErrors        = perRow(func(y, f float64) float64 {
		if !(y > -1 && f > -1) {
			return math.NaN()
		}
		d := math.Log1p(y) - math.Log1p(f)
		return d * d
	})
	poissonDeviances = perRow(func(y, f float64) float64 {
		switch {
		case !(y >= 0 && f > 0):
			return math.NaN()
		case y == 0:
			return 2 * f
		}
		return 2 * (float64(y*math.Log(y/f)) - y + f)
	})
	gammaDeviances = perRow(func(y, f float64) float64 {
		if !(y > 0 && f > 0) {
			return math.NaN()
		}
		return 2 * (math.Log(f/y) + y/f - 1)
	})
)

// orderOf gives the ascending order of values; NaN comes first.
func orderOf(values []float64) []int32 {
	return ordered(len(values), func(a, b int32) int { return cmp.Compare(values[a], values[b]) })
}

func medianAbsoluteError(s *sample) func() float64 {
	errors := absoluteErrors(s.Observed)
	order := orderOf(errors)
	return func() float64 {
		for _, r := range order {
			if !math.IsNaN(errors[r]) {
				break
			}
			if s.counts[r] > 0 {
				return math.NaN()
			}
		}
		return s.median(errors, order)
	}
}

func maxError(s *sample) func() float64 {
	errors := absoluteErrors(s.Observed)
	return func() float64 {
		greatest := 0.0
		for i, e := range errors {
			if s.counts[i] > 0 && !(e <= greatest) { // NaN too
				greatest = e
			}
			if math.IsNaN(greatest) {
				break
			}
		}
		return greatest
	}
}

// explained is 1 − residual/total, with scikit-learn's answers where total is 0.
func explained(residual, total float64) float64 {
	switch {
	case math.IsNaN(residual):
		return math.NaN()
	case residual == 0:
		return 1
	case total == 0:
		return 0
	default:
		return 1 - residual/total
	}
}

// spread is Σ (v − mean(v))².
func (s *sample) spread(values []float64) float64 {
	center := s.mean(values)
	var sum float64
	for i, v := range values {
		d := v - center
		sum += float64(s.counts[i] * float64(d*d))
	}
	return sum
}

func r2(s *sample) func() float64 {
	errors := squaredErrors(s.Observed)
	return func() float64 {
		if s.n < 2 {
			return math.NaN()
		}
		return explained(s.sum(errors), s.spread(s.Y))
	}
}

func explainedVariance(s *sample) func() float64 {
	errors := perRow(func(y, f float64) float64 { return y - f })(s.Observed)
	return func() float64 { return explained(s.spread(errors), s.spread(s.Y)) }
}

func d2AbsoluteError(s *sample) func() float64 {
	errors, order := absoluteErrors(s.Observed), orderOf(s.Y)
	return func() float64 {
		if s.n < 2 {
			return math.NaN()
		}
		center := s.median(s.Y, order)
		var total float64
		for i, y := range s.Y {
			total += float64(s.counts[i] * math.Abs(y-center))
		}
		return explained(s.sum(errors), total)
	}
}
