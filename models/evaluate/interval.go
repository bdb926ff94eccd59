package evaluate

import (
	"math"

	"github.com/perennial-ml/perennial/stats"
)

// The numbers of bootstrap resamples.
const (
	manyResamples = 1000
	fewResamples  = 200
	sortLimit     = 10000 // rows
)

// Resamples is how many bootstrap resamples an interval of the metric over n
// rows is made of: 1000, but 200 for the metrics that sort all rows again for
// each one (roc_auc, average_precision, median_absolute_error) above 10,000
// rows, where the interval is narrow anyway.
func (m Metric) Resamples(n int) int {
	if m.sorts && n > sortLimit {
		return fewResamples
	}
	return manyResamples
}

// Interval gives the 95 % percentile bootstrap interval of the metric (see
// stats.PairedBootstrap); ok is false where the metric can't be measured, on the
// rows or on at least half of the resamples.
func (m Metric) Interval(o Observed, seed int64) (interval [2]float64, ok bool) {
	if _, ok := m.Measure(o); !ok {
		return interval, false
	}
	n := len(o.Y)
	lo, hi := stats.PairedBootstrap(n, m.Resamples(n), seed, m.statistic(o))
	return [2]float64{lo, hi}, !math.IsNaN(lo)
}

// DifferenceInterval gives the 95 % paired percentile bootstrap interval of
// metric(a) − metric(b) in the metric's own sign, where a and b are two
// predictors' observations of the same rows in the same order. ok is false where
// their lengths differ, and where either can't be measured.
func (m Metric) DifferenceInterval(a, b Observed, seed int64) (interval [2]float64, ok bool) {
	n := len(a.Y)
	if _, ok := m.Measure(a); !ok || len(b.Y) != n {
		return interval, false
	}
	if _, ok := m.Measure(b); !ok {
		return interval, false
	}
	of, against := m.statistic(a), m.statistic(b)
	lo, hi := stats.PairedBootstrap(n, m.Resamples(n), seed, func(rows []int) float64 { return of(rows) - against(rows) })
	return [2]float64{lo, hi}, !math.IsNaN(lo)
}

// statistic gives the metric as a function of row indexes, NaN where they can't
// tell. The observations must fit. It keeps scratch space: one goroutine only.
func (m Metric) statistic(o Observed) func(rows []int) float64 {
	if m.losses != nil {
		losses := m.losses(o)
		return func(rows []int) float64 {
			var sum float64
			for _, r := range rows {
				sum += losses[r]
			}
			return m.fromMean(sum / float64(len(rows)))
		}
	}
	if !m.NeedsProba {
		o.Proba = nil
	}
	scratch := o.Take(make([]int, len(o.Y)))
	return func(rows []int) float64 {
		o.takeInto(&scratch, rows)
		return m.measure(scratch)
	}
}
