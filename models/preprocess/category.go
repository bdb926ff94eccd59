package preprocess

import (
	"math"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/stats"
)

// fitCategory learns a categorical column from its codes; null is NaN.
func (c *column) fitCategory(s *settings, f *perennial.Column, values []float64) error {
	c.Values, c.Kind = len(f.Values), kind(s.encode)
	counts := make([]int, c.Values+2)
	for _, v := range values {
		counts[c.code(v)]++
	}
	switch best := mostCounted(counts[:c.Values]); {
	case s.impute == imputeConstant:
		fill, err := constant(f, s.value)
		if err != nil {
			return err
		}
		c.Fill = &fill
	case s.impute == "most_frequent" && best >= 0:
		fill := float64(best)
		c.Fill = &fill
	}
	if c.Fill != nil { // from here on as Transform sees them
		counts[c.code(*c.Fill)] += counts[c.Values+1]
		counts[c.Values+1] = 0
	}
	switch c.Kind {
	case kindOneHot:
		c.Other, c.Null = counts[c.Values] > 0, s.impute == none && counts[c.Values+1] > 0
	case kindFrequency:
		c.Codes = make([]float64, len(counts))
		for i, n := range counts {
			c.Codes[i] = float64(n) / float64(len(values))
		}
	default:
	}
	return nil
}

// mostCounted gives the first of the most frequent listed values, -1 where none
// was seen.
func mostCounted(counts []int) int {
	best := -1
	for i, n := range counts {
		if n > 0 && (best < 0 || n > counts[best]) {
			best = i
		}
	}
	return best
}

// encodingFolds is the number of parts in which the training rows of a target
// encoding are left out; scikit-learn's default.
const encodingFolds = 5

// maxEncoding bounds a target encoding's table: categories × outputs.
const maxEncoding = 1 << 20

// fold gives the part in which a training row is left out: a hash of its number
// in the table, so that it depends neither on the other rows nor on their order.
func fold(seed int64, id int) int {
	return int(stats.Hash(seed, uint64(id)) % encodingFolds) //nolint:gosec // below 5; the bits of the id
}

// fitTarget learns a target encoding and gives the tables of the training rows,
// one per fold. A category becomes the mean of the target over its n rows, drawn
// towards the mean over all rows as if that were m = smoothing rows more:
//
//	(Σ y + m·mean) / (n + m)
//
// which is Micci-Barreca's blend λ·mean(category) + (1−λ)·mean with λ = n/(n+m)
// ("A Preprocessing Scheme for High-Cardinality Categorical Attributes in
// Classification and Prediction Problems", 2001, equations 3 and 7). Without any
// row it is the overall mean. For two classes y is 1 for the second one; for more
// there is one output per class. Each training row is encoded from the rows of
// the other folds, so that its own target isn't among its features; every later
// row from all of them.
func (c *column) fitTarget(s *settings, rows *Rows, values []float64) ([][]float64, error) {
	c.Outputs = 1
	if rows.Classes > 2 {
		c.Outputs = rows.Classes
	}
	cells := (c.Values + 2) * c.Outputs
	if cells > maxEncoding {
		return nil, perennial.Errorf(perennial.CodeInvalid, "", "the target encoding of %s would be a table of %d numbers; %d is the most", c.Name, cells, maxEncoding).
			WithHint("Take fewer categories (max_values in the schema), or encode: frequency.")
	}
	sums, counts := make([][]float64, encodingFolds), make([][]float64, encodingFolds)
	for k := range sums {
		sums[k], counts[k] = make([]float64, cells), make([]float64, c.Values+2)
	}
	for r, v := range values {
		if math.IsNaN(v) && c.Fill != nil {
			v = *c.Fill
		}
		k, code := fold(rows.Seed, rows.IDs[r]), c.code(v)
		counts[k][code]++
		switch {
		case c.Outputs > 1:
			sums[k][code*c.Outputs+int(rows.Y[r])]++
		default:
			sums[k][code] += rows.Y[r]
		}
	}
	c.Codes = c.blend(sums, counts, -1, s.smoothing)
	tables := make([][]float64, encodingFolds)
	for k := range tables {
		tables[k] = c.blend(sums, counts, k, s.smoothing)
	}
	return tables, nil
}

// blend makes the table of all folds but one; without any row in them, of all.
func (c *column) blend(sums, counts [][]float64, without int, smoothing float64) []float64 {
	out, n := make([]float64, len(sums[0])), make([]float64, len(counts[0]))
	mean, total := make([]float64, c.Outputs), 0.0
	for k := range sums {
		if k == without {
			continue
		}
		for i, s := range sums[k] {
			out[i] += s
			mean[i%c.Outputs] += s
		}
		for i, rows := range counts[k] {
			n[i] += rows
			total += rows
		}
	}
	if total == 0 && without >= 0 {
		return c.blend(sums, counts, -1, smoothing)
	}
	for j := range mean {
		mean[j] /= max(total, 1)
	}
	for i := range out {
		rows, overall := n[i/c.Outputs], mean[i%c.Outputs]
		if rows == 0 {
			out[i] = overall
			continue
		}
		out[i] = (out[i] + float64(smoothing*overall)) / (rows + smoothing)
	}
	return out
}
