package stats

import (
	"math"
	"slices"
)

// Level is the confidence level of every interval of this package.
const Level = 0.95

// minShare is the share of resamples on which a statistic must be defined for
// an interval to be given.
const minShare = 0.5

// PairedBootstrap gives the 95 % percentile bootstrap interval of a statistic of
// n rows: rows are drawn n at a time with replacement, resamples times, and the
// interval runs from the 2.5 % to the 97.5 % percentile of the statistic's
// values (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, §13.3;
// SciPy's scipy.stats.bootstrap with method="percentile").
//
// The statistic gets row indexes, 0 to n−1, in a slice that is used again for
// the next resample. It is called from one goroutine. Paired means that it
// computes both sides of a comparison on the same rows, so that what is hard
// about a row cancels out: metric(a, rows) − metric(b, rows).
//
// A resample on which the statistic isn't finite (recall without a positive row)
// is left out. Both ends are NaN where n or resamples is below 1, or where fewer
// than half of the resamples are left.
//
// The interval is exact in no finite sample. With few rows it is too narrow (by
// a factor of about √((n−1)/n) for a mean), and it can't know of values that
// weren't drawn.
func PairedBootstrap(n, resamples int, seed int64, statistic func(rows []int) float64) (lo, hi float64) {
	if n < 1 || resamples < 1 {
		return math.NaN(), math.NaN()
	}
	random := NewRand(seed, 0)
	rows := make([]int, n)
	values := make([]float64, 0, resamples)
	for range resamples {
		for i := range rows {
			rows[i] = random.IntN(n)
		}
		if v := statistic(rows); !math.IsNaN(v) && !math.IsInf(v, 0) {
			values = append(values, v)
		}
	}
	if float64(len(values)) < minShare*float64(resamples) {
		return math.NaN(), math.NaN()
	}
	slices.Sort(values)
	return Percentile(values, (1-Level)/2), Percentile(values, (1+Level)/2)
}

// Percentile gives the q-quantile, 0 ≤ q ≤ 1, of values in ascending order by
// linear interpolation between the two nearest: position q(n−1), type 7 of
// Hyndman and Fan (1996), which is NumPy's default. It is NaN without values and
// for a q outside 0 to 1.
func Percentile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 || !(q >= 0 && q <= 1) {
		return math.NaN()
	}
	position := q * float64(len(sorted)-1)
	below := int(position)
	if below+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[below] + float64((position-float64(below))*(sorted[below+1]-sorted[below]))
}
