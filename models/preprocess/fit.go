package preprocess

import (
	"context"
	"math"
	"slices"

	"github.com/perennial-ml/perennial"
)

// Rows are the training rows, read column by column: nothing holds all of their
// encoded values at once.
type Rows struct {
	N int
	// Read gives the encoded values of a feature (its index) in the rows from one
	// on, as many as out has room for.
	Read func(feature, from int, out []float64)
	// What target encoding needs: the target of each row (the class's index, where
	// Classes is above 0), its number in the table and the seed of the folds.
	Y       []float64
	Classes int
	IDs     []int
	Seed    int64
}

// Fit learns the preparation of features, those that Ignore left, from the given
// rows, and from nothing else, and prepares these rows: N × Width values, row by row.
// Categorical features have their Values filled in. It fails with code invalid
// on what Check finds, on values that a transform can't take and on statistics
// that overflow, and stops between columns once ctx has ended.
//
// The prepared rows are those of Transform, bit for bit, except in the outputs of
// target encodings, which are learned for each row without it (see fitTarget).
//
// Statistics over the non-null values, as scikit-learn computes them: the
// median of an even count is the mean of the middle two; most_frequent is the
// smallest of equally frequent values; quantiles interpolate linearly; standard
// scaling uses the population standard deviation of the imputed, clipped and
// transformed values, and a constant column is only centred. A column without
// any value imputes 0.
func Fit(ctx context.Context, p perennial.Preprocess, takes Takes, features []perennial.Column, rows Rows) (*Transformer, []float64, error) {
	const op = "preprocess.Fit"
	if faults := Check(p, &perennial.Schema{Columns: features}); len(faults) > 0 {
		return nil, nil, &perennial.Error{Code: perennial.CodeInvalid, Op: op, Message: faults[0].Message, Fields: faults}
	}
	t := &Transformer{columns: make([]column, len(features))}
	f := fitter{rows: &rows, values: make([]float64, rows.N), tables: make([][][]float64, len(features))}
	for i := range features {
		if err := ctx.Err(); err != nil {
			return nil, nil, perennial.Wrap(op, err)
		}
		s := resolve(p, takes, &features[i], rows.Classes)
		rows.Read(i, 0, f.values)
		if err := f.column(ctx, &t.columns[i], &features[i], &s, i); err != nil {
			return nil, nil, perennial.Wrap(op, err)
		}
	}
	t.finish(features)
	x, err := f.prepare(ctx, t)
	return t, x, perennial.Wrap(op, err)
}

// fitter holds what the columns of one Fit share.
type fitter struct {
	rows   *Rows
	values []float64     // of the column at hand; NaN is null
	sorted []float64     // room for its values that aren't null
	tables [][][]float64 // per feature: a target encoding's tables, one per fold
}

// column learns one column from f.values.
func (f *fitter) column(ctx context.Context, c *column, feature *perennial.Column, s *settings, index int) error {
	c.Name = feature.Name
	c.Missing = s.indicator && slices.ContainsFunc(f.values, math.IsNaN)
	switch feature.Type {
	case perennial.TypeCategorical:
		if err := c.fitCategory(s, feature, f.values); err != nil {
			return err
		}
		if c.Kind == kindTarget {
			tables, err := c.fitTarget(s, f.rows, f.values)
			if err != nil {
				return err
			}
			f.tables[index] = tables
		}
	case perennial.TypeBoolean:
		c.Kind = kindBoolean
	case perennial.TypeDate:
		c.Kind, c.Parts = kindDate, s.parts
	case perennial.TypeNumeric, perennial.TypeInteger:
		c.Kind = kindNumeric
	}
	if feature.Type != perennial.TypeCategorical {
		if err := f.number(ctx, c, feature, s); err != nil {
			return err
		}
	}
	if s.scale == none {
		return nil
	}
	return c.fitScale(s.scale, f.outputs(c, index))
}

// number learns how the values of a column other than a category are imputed,
// clipped and transformed.
func (f *fitter) number(ctx context.Context, c *column, feature *perennial.Column, s *settings) error {
	var known []float64
	transforms := s.transform != "" && s.transform != none
	if s.clip != nil || transforms || (s.impute != none && s.impute != imputeConstant) {
		known = f.known()
	}
	switch s.impute {
	case none:
	case imputeConstant:
		fill, err := constant(feature, s.value)
		if err != nil {
			return err
		}
		c.Fill = &fill
	default:
		fill := statistic(s.impute, known)
		c.Fill = &fill
	}
	if s.clip != nil && len(known) > 0 {
		c.Clip = &[2]float64{quantile(known, s.clip[0]), quantile(known, s.clip[1])}
	}
	if (c.Fill != nil && bad(*c.Fill)) || (c.Clip != nil && (bad(c.Clip[0]) || bad(c.Clip[1]))) {
		return tooLarge(c.Name)
	}
	if !transforms {
		return nil
	}
	smallest := 1.0 // of a column without values: every transform takes it
	switch {
	case c.Clip != nil:
		smallest = c.Clip[0]
	case len(known) > 0:
		smallest = known[0]
	}
	return c.fitTransform(ctx, s.transform, known, smallest)
}

// known gives the values that aren't null, sorted.
func (f *fitter) known() []float64 {
	f.sorted = f.sorted[:0]
	for _, v := range f.values {
		if !math.IsNaN(v) {
			f.sorted = append(f.sorted, v)
		}
	}
	slices.Sort(f.sorted)
	return f.sorted
}

// outputs gives the training rows' outputs of a column before they are scaled.
func (f *fitter) outputs(c *column, index int) [][]float64 {
	out, all := make([]float64, c.encoded()), make([][]float64, c.encoded())
	for j := range all {
		all[j] = make([]float64, len(f.values))
	}
	for r, v := range f.values {
		c.expand(v, f.codes(c, index, r), out)
		for j, x := range out {
			all[j][r] = x
		}
	}
	return all
}

// codes gives the table by which a training row's category is encoded.
func (f *fitter) codes(c *column, index, row int) []float64 {
	if c.Kind == kindTarget {
		return f.tables[index][fold(f.rows.Seed, f.rows.IDs[row])]
	}
	return c.Codes
}

// prepare makes the training rows, a block at a time, so that a block's part of
// the result stays in the cache while its columns are read.
func (f *fitter) prepare(ctx context.Context, t *Transformer) ([]float64, error) {
	const block = 2048
	x := make([]float64, f.rows.N*t.width)
	for from := 0; from < f.rows.N; from += block {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		values, at := f.values[:min(block, f.rows.N-from)], 0
		for i := range t.columns {
			c := &t.columns[i]
			end := at + c.width()
			if end == at {
				continue
			}
			f.rows.Read(i, from, values)
			for r, v := range values {
				row := (from + r) * t.width
				c.prepare(v, f.codes(c, i, from+r), x[row+at:row+end])
			}
			at = end
		}
	}
	return x, nil
}
