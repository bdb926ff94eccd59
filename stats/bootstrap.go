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

// Bootstrap gives the 95 % percentile bootstrap intervals of statistics of n
// rows, all on the same resamples: rows are drawn n at a time with replacement,
// resamples times, and an interval runs from the 2.5 % to the 97.5 % percentile
// of the statistic's values (Efron and Tibshirani, "An Introduction to the
// Bootstrap", 1993, §13.3; SciPy's scipy.stats.bootstrap with
// method="percentile").
//
// The statistic gets how often each row was drawn: counts has n entries whose sum
// is n. It writes its values to out, which has length statistics and holds NaN; it
// mustn't keep either slice. It is called from one goroutine. A comparison that
// computes both its sides on the same counts is paired: what is hard about a row
// cancels out.
//
// A resample on which a statistic isn't finite (recall without a positive row) is
// left out. Both ends are NaN where n or resamples is below 1, or where fewer than
// half of the resamples are left.
//
// The interval is exact in no finite sample. With few rows it is too narrow (by
// a factor of about √((n−1)/n) for a mean), and it can't know of values that
// weren't drawn.
func Bootstrap(n, resamples int, seed int64, statistics int, statistic func(counts, out []float64)) [][2]float64 {
	intervals := make([][2]float64, statistics)
	if n < 1 || resamples < 1 {
		for i := range intervals {
			intervals[i] = [2]float64{math.NaN(), math.NaN()}
		}
		return intervals
	}
	random := NewRand(seed, 0)
	counts, out := make([]float64, n), make([]float64, statistics)
	values := make([][]float64, statistics)
	for range resamples {
		clear(counts)
		for range n {
			counts[random.IntN(n)]++
		}
		for i := range out {
			out[i] = math.NaN()
		}
		statistic(counts, out)
		for i, v := range out {
			values[i] = append(values[i], v)
		}
	}
	for i := range intervals {
		intervals[i] = percentiles(values[i])
	}
	return intervals
}

// percentiles gives the interval that holds Level of the finite values, NaN
// where fewer than minShare of them are finite.
func percentiles(values []float64) [2]float64 {
	defined := slices.DeleteFunc(slices.Clone(values), func(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) })
	if float64(len(defined)) < minShare*float64(len(values)) {
		return [2]float64{math.NaN(), math.NaN()}
	}
	slices.Sort(defined)
	return [2]float64{Percentile(defined, (1-Level)/2), Percentile(defined, (1+Level)/2)}
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
