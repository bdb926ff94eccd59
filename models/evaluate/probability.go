package evaluate

import "math"

// probabilityMetrics are those of the predicted probabilities, row by row.
func probabilityMetrics() []Metric {
	return []Metric{
		{
			Name: "log_loss", Tasks: classification, NeedsProba: true, Reported: true,
			Doc: "Mean of −ln p(true class), natural logarithm, p clipped to [ε, 1−ε] with ε = 2^−52, the machine precision, " +
				"and not normalised (log_loss).",
			losses: logLosses,
		},
		{
			Name: "brier_score_loss", Tasks: classification, NeedsProba: true, Reported: true,
			Doc: "Two classes: mean of (p(positive) − y)², 0 to 1. More: mean over rows of Σ (p(c) − 1[c is true])², 0 to 2 " +
				"(brier_score_loss with scale_by_half=\"auto\").",
			losses: brierLosses,
		},
		{
			Name: "top_k_accuracy", Tasks: classification, HigherIsBetter: true, NeedsProba: true, MinClasses: 3, Reported: true,
			Doc: "Share of rows whose true class is among the two most probable (top_k_accuracy_score, k = 2); of equally probable " +
				"classes the one with the higher index goes first, as in scikit-learn.",
			losses: topTwo,
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

func topTwo(o Observed) []float64 {
	out := make([]float64, len(o.Y))
	for i, y := range o.Y {
		class := int(y)
		p := o.proba(i, class)
		before := 0
		for c := range o.Classes {
			switch q := o.proba(i, c); {
			case math.IsNaN(q):
				before = o.Classes
				out[i] = math.NaN()
			case q > p || (q == p && c > class):
				before++
			}
		}
		if before < 2 {
			out[i] = 1
		}
	}
	return out
}
