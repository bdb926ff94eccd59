package preprocess

import (
	"math"
	"slices"

	"github.com/perennial-ml/perennial"
)

// fitScale learns centre and divisor of each output from the values that
// Transform will make of the column, nulls left out: outputs holds one slice per
// output, which may be reordered.
func (c *column) fitScale(how string, outputs [][]float64) error {
	if how == "" || how == none {
		return nil
	}
	c.Scale = make([]affine, len(outputs))
	for j, xs := range outputs {
		xs = slices.DeleteFunc(xs, math.IsNaN)
		s := affine{Divisor: 1}
		if len(xs) > 0 {
			switch how {
			case "min_max":
				s = minMax(xs)
			case "robust":
				s = robust(xs)
			default:
				s = standard(xs)
			}
		}
		if bad(s.Center) || bad(s.Divisor) {
			return tooLarge(c.Name)
		}
		c.Scale[j] = s
	}
	return nil
}

func bad(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) }

func tooLarge(name string) error {
	return perennial.Errorf(perennial.CodeInvalid, "", "the values of %s are too large for its statistics", name)
}

// standard gives mean and population standard deviation, with scikit-learn's
// test for a constant column (StandardScaler, _is_constant_feature).
func standard(xs []float64) affine {
	n := float64(len(xs))
	mean := average(xs)
	variance := 0.0
	for _, x := range xs {
		variance += float64((x - mean) * (x - mean))
	}
	variance /= n
	const eps = 0x1p-52
	if limit := n*eps*variance + (n*mean*eps)*(n*mean*eps); variance <= limit {
		return affine{Center: mean, Divisor: 1}
	}
	return affine{Center: mean, Divisor: math.Sqrt(variance)}
}

func minMax(xs []float64) affine {
	lo, hi := slices.Min(xs), slices.Max(xs)
	if hi == lo {
		return affine{Center: lo, Divisor: 1}
	}
	return affine{Center: lo, Divisor: hi - lo}
}

// robust gives the median and the range between the quartiles, 1 where that is
// nothing (scikit-learn's RobustScaler). It sorts xs.
func robust(xs []float64) affine {
	slices.Sort(xs)
	s := affine{Center: quantile(xs, 0.5), Divisor: quantile(xs, 0.75) - quantile(xs, 0.25)}
	const eps = 0x1p-52
	if math.Abs(s.Divisor) < 10*eps {
		s.Divisor = 1
	}
	return s
}

// statistic gives what replaces null, from sorted values; 0 without any.
func statistic(how string, sorted []float64) float64 {
	switch {
	case len(sorted) == 0:
		return 0
	case how == "mean":
		return average(sorted)
	case how == "most_frequent":
		return mostFrequent(sorted)
	default:
		return quantile(sorted, 0.5)
	}
}

func average(xs []float64) float64 {
	sum := 0.0
	for _, x := range xs {
		sum += x
	}
	return sum / float64(len(xs))
}

// mostFrequent gives the smallest of the most frequent of sorted values.
func mostFrequent(sorted []float64) float64 {
	best, most, start := sorted[0], 0, 0
	for i := range sorted {
		if sorted[i] != sorted[start] {
			start = i
		}
		if n := i - start + 1; n > most {
			best, most = sorted[i], n
		}
	}
	return best
}

// quantile interpolates linearly between sorted values (NumPy's default,
// Hyndman and Fan's type 7).
func quantile(sorted []float64, q float64) float64 {
	at := q * float64(len(sorted)-1)
	i := int(at)
	if i+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[i] + float64((at-float64(i))*(sorted[i+1]-sorted[i]))
}
