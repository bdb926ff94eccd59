package evaluate

import "math"

// rankingMetrics are those of the order of the predicted probabilities.
func rankingMetrics() []Metric {
	const auc = "Area under the ROC curve: the chance that a random positive row is ranked above a random negative one, ties half " +
		"(roc_auc_score; Hanley and McNeil, 1982)."
	out := []Metric{
		{
			Name: "roc_auc", Tasks: classification, HigherIsBetter: true, NeedsProba: true, Reported: true,
			Doc:   auc + " More than two classes: one versus rest, macro average. NaN where a class has no row, or all of them.",
			whole: oneVersusRest(false),
		},
		{
			Name: "average_precision", Tasks: classification, HigherIsBetter: true, NeedsProba: true, NeedsPositive: true, Reported: true,
			Doc: "Σ (R(t) − R(t−1)) P(t) over the distinct scores t in descending order, without interpolation (average_precision_score). " +
				"More than two classes: one versus rest, macro average. 0, and not measurable, for a class without a row.",
			whole: precisionAverage,
			enough: func(s *sample) bool {
				return positiveRow(s) && (s.Classes == 2 || s.present() == s.Classes)
			},
		},
	}
	for _, m := range []struct {
		name, doc string
		whole     func(*sample) func() float64
	}{
		{"roc_auc_ovr", "the mean over the classes, each against the rest.", oneVersusRest(false)},
		{"roc_auc_ovr_weighted", "the mean over the classes, each against the rest, weighted by their rows.", oneVersusRest(true)},
		{"roc_auc_ovo", "the mean over the pairs of classes that have rows (Hand and Till, 2001).", oneVersusOne(false)},
		{"roc_auc_ovo_weighted", "the mean over the pairs of classes that have rows, weighted by their rows.", oneVersusOne(true)},
	} {
		out = append(out, Metric{
			Name: m.name, Tasks: classification, HigherIsBetter: true, NeedsProba: true,
			Doc: auc + " More than two classes: " + m.doc, whole: m.whole,
		})
	}
	return out
}

// ties calls f once for each distinct probability of a class, highest first,
// with the counts of positive rows (those of that class) and of negative ones
// that have it. With against ≥ 0 only rows of that class are negative. It
// reports false where a probability is NaN.
func (s *sample) ties(class, against int, f func(positives, negatives float64)) bool {
	rows := s.order(class)
	for i := 0; i < len(rows); {
		score := rows[i].score
		if math.IsNaN(score) {
			return false
		}
		var positives, negatives float64
		for ; i < len(rows) && rows[i].score == score; i++ {
			switch r := &rows[i]; {
			case int(r.class) == class:
				positives += s.counts[r.row]
			case against < 0 || int(r.class) == against:
				negatives += s.counts[r.row]
			}
		}
		f(positives, negatives)
	}
	return true
}

// auc counts, for each negative row, the positive rows above it, ties half.
func (s *sample) auc(class, against int) float64 {
	var above, wins, negatives float64
	ok := s.ties(class, against, func(p, n float64) {
		wins += float64(n * (above + p/2))
		above += p
		negatives += n
	})
	if !ok || above == 0 || negatives == 0 {
		return math.NaN()
	}
	return wins / (above * negatives)
}

func oneVersusRest(weighted bool) func(*sample) func() float64 {
	return func(s *sample) func() float64 {
		return func() float64 {
			if s.Classes == 2 {
				return s.auc(s.positive(), -1)
			}
			var sum, weights float64
			for c := range s.Classes {
				w := 1.0
				if weighted {
					w = s.actual(c)
				}
				sum += float64(w * s.auc(c, -1))
				weights += w
			}
			return sum / weights
		}
	}
}

func oneVersusOne(weighted bool) func(*sample) func() float64 {
	return func(s *sample) func() float64 {
		return func() float64 {
			if s.Classes == 2 {
				return s.auc(s.positive(), -1)
			}
			var sum, weights float64
			for b := range s.Classes {
				for a := range b {
					rows := s.actual(a) + s.actual(b)
					if s.actual(a) == 0 || s.actual(b) == 0 {
						continue
					}
					w := 1.0
					if weighted {
						w = rows
					}
					sum += float64(w * (s.auc(a, b) + s.auc(b, a)) / 2)
					weights += w
				}
			}
			return sum / weights
		}
	}
}

func precisionAverage(s *sample) func() float64 {
	return func() float64 {
		if s.Classes == 2 {
			return s.averagePrecision(s.positive())
		}
		var sum float64
		for c := range s.Classes {
			sum += s.averagePrecision(c)
		}
		return sum / float64(s.Classes)
	}
}

func (s *sample) averagePrecision(class int) float64 {
	var tp, seen, sum float64
	ok := s.ties(class, -1, func(p, n float64) {
		if p+n == 0 {
			return
		}
		tp += p
		seen += p + n
		sum += float64(p * (tp / seen))
	})
	if !ok {
		return math.NaN()
	}
	return ratio(sum, tp)
}
