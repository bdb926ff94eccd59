package evaluate

import (
	"math"

	"github.com/perennial-ml/perennial/stats"
)

// The numbers of bootstrap resamples.
const (
	manyResamples = 1000
	fewResamples  = 200
	draws         = 20_000_000 // rows drawn for an interval
)

// Resamples is how many bootstrap resamples an interval over n rows is made of:
// 1000 up to 20,000 rows; above, where intervals are narrow anyway, as many as
// make 20 million rows, but 200 at least.
func Resamples(n int) int {
	return min(manyResamples, max(fewResamples, draws/max(n, 1)))
}

// Interval gives the 95 % percentile bootstrap interval of the metric (see
// stats.Bootstrap); ok is false where the metric can't be measured, on the
// rows or on at least half of the resamples.
func (m Metric) Interval(o Observed, seed int64) (interval [2]float64, ok bool) {
	if _, ok := m.Measure(o); !ok {
		return interval, false
	}
	interval = intervals(o, []Metric{m}, seed)[0]
	return interval, !math.IsNaN(interval[0])
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
	sa, sb := newSample(a), newSample(b)
	of, against := m.measured(sa), m.measured(sb)
	interval = stats.Bootstrap(n, Resamples(n), seed, 1, func(counts, out []float64) {
		sa.recount(counts)
		sb.recount(counts)
		out[0] = of() - against()
	})[0]
	return interval, !math.IsNaN(interval[0])
}

// intervals gives an interval for each metric, all on the same resamples; NaN
// where resamples can't tell. The metrics must fit.
func intervals(o Observed, metrics []Metric, seed int64) [][2]float64 {
	s := newSample(o)
	values := make([]func() float64, len(metrics))
	for i, m := range metrics {
		values[i] = m.measured(s)
	}
	n := len(o.Y)
	return stats.Bootstrap(n, Resamples(n), seed, len(metrics), func(counts, out []float64) {
		s.recount(counts)
		for i, v := range values {
			out[i] = v()
		}
	})
}
