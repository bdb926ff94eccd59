package evaluate

import (
	"cmp"
	"math"
	"slices"
)

// rankingMetrics are those of the order of the predicted probabilities.
func rankingMetrics() []Metric {
	return []Metric{
		{
			Name: "roc_auc", Tasks: classification, HigherIsBetter: true, NeedsProba: true, sorts: true,
			Doc: "Area under the ROC curve: the chance that a random positive row is ranked above a random negative one, ties half " +
				"(roc_auc_score; Hanley and McNeil, 1982). More than two classes: one versus rest, macro average. NaN where a class has no row, " +
				"or all of them.",
			whole: rocAUC,
		},
		{
			Name: "average_precision", Tasks: classification, HigherIsBetter: true, NeedsProba: true, Binary: true, sorts: true,
			Doc: "Σ (R(t) − R(t−1)) P(t) over the distinct scores t in descending order, without interpolation (average_precision_score). " +
				"0, and not measurable, without a positive row.",
			whole:  func(o Observed) float64 { return averagePrecision(ranked(o, o.positive())) },
			enough: positiveRow,
		},
	}
}

// rank is one row in the order of its score.
type rank struct {
	score    float64
	positive bool
}

// ranked gives the rows by falling score of one class.
func ranked(o Observed, class int) []rank {
	out := make([]rank, len(o.Y))
	for i, y := range o.Y {
		out[i] = rank{score: o.proba(i, class), positive: int(y) == class}
	}
	slices.SortFunc(out, func(a, b rank) int { return cmp.Compare(b.score, a.score) })
	return out
}

// ties calls f once for each distinct score, highest first, with the numbers of
// positive and negative rows that have it. It reports false where a score is NaN.
func ties(rows []rank, f func(positives, negatives float64)) bool {
	for i := 0; i < len(rows); {
		score := rows[i].score
		if math.IsNaN(score) {
			return false
		}
		var positives, negatives float64
		for ; i < len(rows) && rows[i].score == score; i++ {
			if rows[i].positive {
				positives++
			} else {
				negatives++
			}
		}
		f(positives, negatives)
	}
	return true
}

func rocAUC(o Observed) float64 {
	if o.Classes == 2 {
		return binaryAUC(ranked(o, o.positive()))
	}
	var sum float64
	for c := range o.Classes {
		sum += binaryAUC(ranked(o, c))
	}
	return sum / float64(o.Classes)
}

// binaryAUC counts, for each negative row, the positive rows above it, ties half.
func binaryAUC(rows []rank) float64 {
	var above, wins, negatives float64
	ok := ties(rows, func(p, n float64) {
		wins += n * (above + p/2)
		above += p
		negatives += n
	})
	if !ok || above == 0 || negatives == 0 {
		return math.NaN()
	}
	return wins / (above * negatives)
}

func averagePrecision(rows []rank) float64 {
	var tp, seen, sum float64
	ok := ties(rows, func(p, n float64) {
		tp += p
		seen += p + n
		sum += float64(p * (tp / seen))
	})
	if !ok {
		return math.NaN()
	}
	return ratio(sum, tp)
}
