package preprocess

import (
	"context"
	"math"
	"slices"

	"github.com/perennial-ml/perennial"
)

// Fit learns the preparation of the schema's features from the given rows, and
// from nothing else. raw holds rows × len(features) encoded values, row by row;
// categorical features have their Values filled in. It fails with code invalid
// on what Check finds, on values that log1p can't take and on statistics that
// overflow, and stops between columns once ctx has ended.
//
// Statistics over the non-null values, as scikit-learn computes them: the
// median of an even count is the mean of the middle two; most_frequent is the
// smallest of equally frequent values; quantiles interpolate linearly; standard
// scaling uses the population standard deviation of the imputed, clipped and
// transformed values, and a constant column is only centred. A column without
// any value imputes 0.
func Fit(ctx context.Context, p perennial.Preprocess, takes Takes, features []perennial.Column, raw []float64, rows int) (*Transformer, error) {
	const op = "preprocess.Fit"
	if faults := Check(p, &perennial.Schema{Columns: features}); len(faults) > 0 {
		return nil, &perennial.Error{Code: perennial.CodeInvalid, Op: op, Message: faults[0].Message, Fields: faults}
	}
	if len(raw) != rows*len(features) {
		return nil, perennial.Errorf(perennial.CodeInternal, op, "%d values for %d rows of %d features", len(raw), rows, len(features))
	}
	t := &Transformer{columns: make([]column, len(features))}
	values := make([]float64, rows)
	for i := range features {
		if err := ctx.Err(); err != nil {
			return nil, perennial.Wrap(op, err)
		}
		for r := range values {
			values[r] = raw[r*len(features)+i]
		}
		c, err := fitColumn(&features[i], resolve(p, takes, &features[i]), values)
		if err != nil {
			return nil, perennial.Wrap(op, err)
		}
		t.columns[i] = c
	}
	t.finish(features)
	return t, nil
}

// fitColumn learns one column; values may hold NaN and isn't changed.
func fitColumn(f *perennial.Column, s settings, values []float64) (column, error) {
	c := column{Name: f.Name, Parts: s.parts}
	known := slices.DeleteFunc(slices.Clone(values), math.IsNaN)
	slices.Sort(known)
	switch f.Type {
	case perennial.TypeCategorical:
		c.fitCategory(s, len(f.Values), known, len(values)-len(known))
		return c, nil
	case perennial.TypeBoolean:
		c.Kind = kindBoolean
	case perennial.TypeDate:
		c.Kind = kindDate
	default:
		c.Kind = kindNumeric
	}
	if s.impute != "none" {
		fill := statistic(s.impute, known)
		c.Fill = &fill
	}
	if s.clip != nil && len(known) > 0 {
		c.Clip = &[2]float64{quantile(known, s.clip[0]), quantile(known, s.clip[1])}
	}
	if s.transform == "log1p" {
		floor := 0.0
		if len(known) > 0 {
			floor = known[0]
		}
		if c.Clip != nil {
			floor = c.Clip[0]
		}
		if floor <= -1 {
			return c, perennial.Errorf(perennial.CodeInvalid, "", "%s has the value %g, and log1p takes only values above -1", f.Name, floor).
				WithHint("Drop the transform, or clip the column.")
		}
		c.Floor = &floor
	}
	if (c.Fill != nil && bad(*c.Fill)) || (c.Clip != nil && (bad(c.Clip[0]) || bad(c.Clip[1]))) {
		return c, tooLarge(f.Name)
	}
	if err := c.fitScale(s.scale, values); err != nil {
		return c, err
	}
	return c, nil
}

func tooLarge(name string) error {
	return perennial.Errorf(perennial.CodeInvalid, "", "the values of %s are too large for its statistics", name)
}

// fitCategory learns a categorical column; known is sorted.
func (c *column) fitCategory(s settings, values int, known []float64, nulls int) {
	c.Values = values
	listed := known
	if i := slices.IndexFunc(known, func(v float64) bool { return v >= float64(values) }); i >= 0 {
		listed = known[:i]
	}
	if s.impute == "most_frequent" && len(listed) > 0 {
		fill := mostFrequent(listed)
		c.Fill = &fill
	}
	c.Kind = kind(s.encode)
	if c.Kind == kindOneHot {
		c.Other = len(listed) < len(known)
		c.Null = s.impute == "none" && nulls > 0
	}
}

// fitScale learns centre and divisor of each output from the column's values as
// Transform will see them, nulls left out.
func (c *column) fitScale(how string, values []float64) error {
	if how == "" || how == "none" {
		return nil
	}
	width := c.width()
	out := make([]float64, width)
	columns := make([][]float64, width)
	for _, v := range values {
		c.expand(v, out)
		for j, x := range out {
			if !math.IsNaN(x) {
				columns[j] = append(columns[j], x)
			}
		}
	}
	c.Scale = make([]affine, width)
	for j, xs := range columns {
		s := standard(xs)
		if how == "min_max" {
			s = minMax(xs)
		}
		if bad(s.Center) || bad(s.Divisor) {
			return tooLarge(c.Name)
		}
		c.Scale[j] = s
	}
	return nil
}

func bad(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) }

// standard gives mean and population standard deviation, with scikit-learn's
// test for a constant column (StandardScaler, _is_constant_feature).
func standard(xs []float64) affine {
	n := float64(len(xs))
	if n == 0 {
		return affine{Divisor: 1}
	}
	mean := average(xs)
	variance := 0.0
	for _, x := range xs {
		variance += (x - mean) * (x - mean)
	}
	variance /= n
	const eps = 0x1p-52
	if limit := n*eps*variance + (n*mean*eps)*(n*mean*eps); variance <= limit {
		return affine{Center: mean, Divisor: 1}
	}
	return affine{Center: mean, Divisor: math.Sqrt(variance)}
}

func minMax(xs []float64) affine {
	if len(xs) == 0 {
		return affine{Divisor: 1}
	}
	lo, hi := slices.Min(xs), slices.Max(xs)
	if hi == lo {
		return affine{Center: lo, Divisor: 1}
	}
	return affine{Center: lo, Divisor: hi - lo}
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
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}
