// Package preprocess turns encoded rows into the dense rows that algorithms
// take: imputation, clipping, power transforms, scaling, category encodings and
// date parts.
//
// A Transformer is fitted on training rows only, is part of the model file, and
// is the one piece of code that prepares a row for training, batch and serving,
// so all three agree to the last bit. It knows nothing of tables, files or
// requests: a row is one float64 per feature of the schema, in schema order,
// encoded as perennial.Column's From methods do (NaN is null, a category its
// index in Values, an unlisted one len(Values), a date days since 1970).
//
// What each kind of column becomes:
//
//   - numeric and integer: one output; impute, then clip, transform and scale.
//   - boolean: one output, 0 or 1.
//   - categorical, one_hot: one output per listed value, then one for unlisted
//     values and one for null, each only where the training rows held any;
//     otherwise such a row is all zero in this column.
//   - categorical, ordinal: one output, the index; unlisted is len(Values), null
//     len(Values)+1; not scaled.
//   - categorical, frequency: one output, the category's share of the training
//     rows, scaled as numeric columns are; 0 for what they didn't hold.
//   - categorical, target: one output, or one per class where there are three
//     and more, scaled as numeric columns are; see fitTarget.
//   - categorical, native: one output, the code, for algorithms that split
//     categories themselves; unlisted is len(Values), null NaN unless imputed.
//   - date: one output per part, scaled.
//   - any with an indicator: one more, last, 1 for null, only where the training
//     rows held any.
//   - any, dropped, in older files: no output. Today Ignore leaves such columns out.
//
// Training rows differ from all others in one way: target encoding gives them
// values that were learned without them (Fit says how). Start reading at Fit and
// Transformer.Transform; Check is the validation that pipeline files go through.
package preprocess

import (
	"math"
	"strconv"

	"github.com/perennial-ml/perennial"
)

// kind is how a column is turned into outputs. The values stand in model files.
type kind string

const (
	kindNumeric   kind = "numeric"
	kindBoolean   kind = "boolean"
	kindDate      kind = "date"
	kindOneHot    kind = "one_hot"
	kindOrdinal   kind = "ordinal"
	kindFrequency kind = "frequency"
	kindTarget    kind = "target"
	kindNative    kind = "native"
	kindDropped   kind = "dropped"
)

// column is the fitted preparation of one feature.
type column struct {
	Name      string      `json:"name"`
	Kind      kind        `json:"kind"`
	Fill      *float64    `json:"fill,omitempty"`      // replaces null; nil: null stays
	Missing   bool        `json:"missing,omitempty"`   // the last output says whether it was null
	Clip      *[2]float64 `json:"clip,omitempty"`      // bounds, taken before the transform
	Transform string      `json:"transform,omitempty"` // of a number; "" with a Floor, in older files, is log1p
	Floor     *float64    `json:"floor,omitempty"`     // of a transform with a bound: values below this, the smallest fitted one, count as it
	Lambda    *float64    `json:"lambda,omitempty"`    // of yeo_johnson and box_cox
	Parts     []string    `json:"parts,omitempty"`     // of a date
	Scale     []affine    `json:"scale,omitempty"`     // per output; empty: not scaled
	Values    int         `json:"values,omitempty"`    // listed categories
	Other     bool        `json:"other,omitempty"`     // one_hot: unlisted values have an output
	Null      bool        `json:"null,omitempty"`      // one_hot: null has an output
	Outputs   int         `json:"outputs,omitempty"`   // target: 1, or one per class
	Codes     []float64   `json:"codes,omitempty"`     // frequency, target: the outputs of each listed value, of unlisted ones and of null
}

// affine is (x − Center) / Divisor.
type affine struct {
	Center  float64 `json:"center"`
	Divisor float64 `json:"divisor"`
}

// Transformer is a fitted preparation. It is immutable and safe for concurrent
// use.
type Transformer struct {
	columns  []column
	features []perennial.Column
	width    int
}

// finish sets what follows from the columns and their features.
func (t *Transformer) finish(features []perennial.Column) {
	t.features = features
	for i := range t.columns {
		t.width += t.columns[i].width()
	}
}

// Width is the length of a prepared row.
func (t *Transformer) Width() int { return t.width }

// Names gives the outputs' names, one per element of a prepared row: "income",
// "income=<null>" for its indicator, "plan=pro", "plan=<other>", "plan=<null>",
// "signup_date.month", "city@2" for the third class of a target encoding. They
// are made anew with every call.
func (t *Transformer) Names() []string {
	names := make([]string, 0, t.width)
	for i := range t.columns {
		names = t.columns[i].names(names, t.features[i].Values)
	}
	return names
}

func (c *column) names(names, values []string) []string {
	switch {
	case c.Kind == kindDropped:
		return names
	case c.Kind == kindOneHot:
		for _, v := range values {
			names = append(names, c.Name+"="+v)
		}
		if c.Other {
			names = append(names, c.Name+"=<other>")
		}
		if c.Null {
			names = append(names, c.Name+"=<null>")
		}
	case c.Kind == kindDate:
		for _, p := range c.Parts {
			names = append(names, c.Name+"."+p)
		}
	case c.Outputs > 1:
		for k := range c.Outputs {
			names = append(names, c.Name+"@"+strconv.Itoa(k))
		}
	default:
		names = append(names, c.Name)
	}
	if c.Missing {
		names = append(names, c.Name+"=<null>")
	}
	return names
}

// PassesNull names the columns whose nulls come out as NaN: nullable numeric,
// boolean, date and native columns with impute none.
func (t *Transformer) PassesNull() []string {
	var names []string
	for i := range t.columns {
		if c := &t.columns[i]; c.Fill == nil && t.features[i].Nullable && passesNull(c.Kind) {
			names = append(names, c.Name)
		}
	}
	return names
}

// passesNull reports whether the null of a kind of column is NaN where nothing
// replaces it.
func passesNull(k kind) bool {
	return k == kindNumeric || k == kindBoolean || k == kindDate || k == kindNative
}

// Categories says of each output whether it holds a number (0) or category codes
// 0…n−1 (n), the last one that of unlisted values; nil where all are numbers.
func (t *Transformer) Categories() []int {
	var out []int
	at := 0
	for i := range t.columns {
		c := &t.columns[i]
		if c.Kind == kindNative {
			if out == nil {
				out = make([]int, t.width)
			}
			out[at] = c.Values + 1
		}
		at += c.width()
	}
	return out
}

// Transform prepares one row. raw has one value per feature, out has Width
// values and is overwritten. It does not allocate.
func (t *Transformer) Transform(raw, out []float64) {
	at := 0
	for i := range t.columns {
		c := &t.columns[i]
		end := at + c.width()
		c.prepare(raw[i], c.Codes, out[at:end])
		at = end
	}
}

// width is the number of outputs, the indicator included.
func (c *column) width() int {
	n := c.encoded()
	if c.Missing {
		n++
	}
	return n
}

// encoded is the number of outputs without the indicator.
func (c *column) encoded() int {
	switch c.Kind {
	case kindDropped:
		return 0
	case kindOneHot:
		n := c.Values
		if c.Other {
			n++
		}
		if c.Null {
			n++
		}
		return n
	case kindDate:
		return len(c.Parts)
	case kindTarget:
		return c.Outputs
	default:
		return 1
	}
}

// prepare writes all outputs of a value; codes are c.Codes, but for training
// rows of a target encoding.
func (c *column) prepare(v float64, codes, out []float64) {
	if c.Missing {
		last := len(out) - 1
		out[last] = 0
		if math.IsNaN(v) {
			out[last] = 1
		}
		out = out[:last]
	}
	c.expand(v, codes, out)
	for j, s := range c.Scale {
		out[j] = (out[j] - s.Center) / s.Divisor
	}
}

// expand writes a value's outputs before scaling, without the indicator.
func (c *column) expand(v float64, codes, out []float64) {
	if math.IsNaN(v) && c.Fill != nil {
		v = *c.Fill
	}
	switch c.Kind {
	case kindDropped:
	case kindNumeric:
		out[0] = c.shape(v)
	case kindOneHot:
		clear(out)
		if i := c.slot(v); i >= 0 {
			out[i] = 1
		}
	case kindOrdinal:
		out[0] = float64(c.code(v))
	case kindFrequency:
		out[0] = codes[c.code(v)]
	case kindTarget:
		copy(out, codes[c.code(v)*c.Outputs:])
	case kindNative:
		out[0] = v
		if !math.IsNaN(v) {
			out[0] = float64(c.code(v))
		}
	case kindDate:
		dateParts(v, c.Parts, out)
	case kindBoolean:
		out[0] = v
	}
}

// shape clips and transforms a number, where the column asks for it.
func (c *column) shape(v float64) float64 {
	if b := c.Clip; b != nil {
		if v < b[0] {
			v = b[0]
		} else if v > b[1] {
			v = b[1]
		}
	}
	if c.Floor != nil && v < *c.Floor {
		v = *c.Floor
	}
	if c.Transform != "" {
		v = transform(c.Transform, v, c.Lambda)
	}
	return v
}

// code gives a category's index, Values for an unlisted one and Values+1 for
// null.
func (c *column) code(v float64) int {
	switch {
	case math.IsNaN(v):
		return c.Values + 1
	case v >= 0 && v < float64(c.Values):
		return int(v)
	default:
		return c.Values
	}
}

// slot gives the output that a category sets, -1 for none.
func (c *column) slot(v float64) int {
	code := c.code(v)
	switch {
	case code < c.Values:
		return code
	case code == c.Values && c.Other:
		return c.Values
	case code == c.Values+1 && c.Null:
		return c.encoded() - 1
	default:
		return -1
	}
}
