// Package preprocess turns encoded rows into the dense rows that algorithms
// take: imputation, clipping, log1p, scaling, category encoding and date parts.
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
//   - numeric and integer: one output; impute, then clip, then log1p, then scale.
//   - boolean: one output, 0 or 1.
//   - categorical, one_hot: one output per listed value, then one for unlisted
//     values and one for null, each only where the training rows held any;
//     otherwise such a row is all zero in this column.
//   - categorical, ordinal: one output, the index; unlisted is len(Values), null
//     len(Values)+1; not scaled.
//   - categorical, native: one output, the code, for algorithms that split
//     categories themselves; unlisted is len(Values), null NaN unless imputed.
//   - date: one output per part, scaled as numeric columns are.
//
// Start reading at Fit and Transformer.Transform; Check is the validation that
// pipeline files go through.
package preprocess

import (
	"bytes"
	"encoding/json"
	"math"
	"time"

	"github.com/perennial-ml/perennial"
)

// kind is how a column is turned into outputs. The values stand in model files.
type kind string

const (
	kindNumeric kind = "numeric"
	kindBoolean kind = "boolean"
	kindOneHot  kind = "one_hot"
	kindOrdinal kind = "ordinal"
	kindDate    kind = "date"
	kindNative  kind = "native"
)

// column is the fitted preparation of one feature.
type column struct {
	Name   string      `json:"name"`
	Kind   kind        `json:"kind"`
	Fill   *float64    `json:"fill,omitempty"`   // replaces null; nil: null stays
	Clip   *[2]float64 `json:"clip,omitempty"`   // bounds, taken before log1p
	Floor  *float64    `json:"floor,omitempty"`  // log1p: values below this, the smallest fitted one, count as it; nil: no log1p
	Parts  []string    `json:"parts,omitempty"`  // of a date
	Scale  []affine    `json:"scale,omitempty"`  // per output; empty: not scaled
	Values int         `json:"values,omitempty"` // listed categories
	Other  bool        `json:"other,omitempty"`  // one_hot: unlisted values have an output
	Null   bool        `json:"null,omitempty"`   // one_hot: null has an output
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

// Width is the length of a prepared row.
func (t *Transformer) Width() int { return t.width }

// Names gives the outputs' names, one per element of a prepared row: "income",
// "plan=pro", "plan=<other>", "plan=<null>", "signup_date.month". They are made
// anew with every call.
func (t *Transformer) Names() []string {
	names := make([]string, 0, t.width)
	for i := range t.columns {
		c := &t.columns[i]
		switch c.Kind {
		case kindOneHot:
			for _, v := range t.features[i].Values {
				names = append(names, c.Name+"="+v)
			}
			if c.Other {
				names = append(names, c.Name+"=<other>")
			}
			if c.Null {
				names = append(names, c.Name+"=<null>")
			}
		case kindDate:
			for _, p := range c.Parts {
				names = append(names, c.Name+"."+p)
			}
		default:
			names = append(names, c.Name)
		}
	}
	return names
}

// PassesNull names the columns whose nulls come out as NaN: nullable numeric,
// boolean, date and native columns with impute none.
func (t *Transformer) PassesNull() []string {
	var names []string
	for i := range t.columns {
		switch c := &t.columns[i]; c.Kind {
		case kindOneHot, kindOrdinal:
		default:
			if c.Fill == nil && t.features[i].Nullable {
				names = append(names, c.Name)
			}
		}
	}
	return names
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
		part := out[at:end]
		c.expand(raw[i], part)
		for j, s := range c.Scale {
			part[j] = (part[j] - s.Center) / s.Divisor
		}
		at = end
	}
}

func (c *column) width() int {
	switch c.Kind {
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
	default:
		return 1
	}
}

// expand writes a value's outputs before scaling.
func (c *column) expand(v float64, out []float64) {
	if math.IsNaN(v) && c.Fill != nil {
		v = *c.Fill
	}
	switch c.Kind {
	case kindNumeric:
		out[0] = c.shape(v)
	case kindOneHot:
		clear(out)
		if i := c.slot(v); i >= 0 {
			out[i] = 1
		}
	case kindOrdinal:
		out[0] = float64(c.code(v))
	case kindNative:
		out[0] = v
		if !math.IsNaN(v) {
			out[0] = float64(c.code(v))
		}
	case kindDate:
		dateParts(v, c.Parts, out)
	default:
		out[0] = v
	}
}

// shape clips a number and takes its log1p, where the column asks for it.
func (c *column) shape(v float64) float64 {
	if b := c.Clip; b != nil {
		if v < b[0] {
			v = b[0]
		} else if v > b[1] {
			v = b[1]
		}
	}
	if c.Floor != nil {
		if v < *c.Floor {
			v = *c.Floor
		}
		v = math.Log1p(v)
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
		return c.width() - 1
	default:
		return -1
	}
}

const secondsPerDay = 86400

// dateParts writes the parts of a date given in days since 1970-01-01 UTC:
// weekday is 0 for Monday, month 1 to 12, days the number itself. The parts of
// null are NaN.
func dateParts(days float64, parts []string, out []float64) {
	t := time.Unix(int64(math.Round(days*secondsPerDay)), 0).UTC()
	for i, p := range parts {
		switch {
		case math.IsNaN(days):
			out[i] = days
		case p == "year":
			out[i] = float64(t.Year())
		case p == "month":
			out[i] = float64(t.Month())
		case p == "day":
			out[i] = float64(t.Day())
		case p == "weekday":
			out[i] = float64((int(t.Weekday()) + 6) % 7)
		case p == "hour":
			out[i] = float64(t.Hour())
		default:
			out[i] = days
		}
	}
}

// finish sets what follows from the columns and their features.
func (t *Transformer) finish(features []perennial.Column) {
	t.features = features
	for i := range t.columns {
		t.width += t.columns[i].width()
	}
}

// Encode gives the fitted state as JSON: floats in their shortest text that
// reads back to the same bits, equal states in equal bytes.
func (t *Transformer) Encode() ([]byte, error) {
	b, err := json.Marshal(t.columns)
	if err != nil {
		return nil, perennial.Errorf(perennial.CodeInternal, "preprocess.Encode", "the preparation can't be written").Because(err)
	}
	return b, nil
}

// Decode reads what Encode wrote, for the same features. State that doesn't fit
// them is an error of code malformed; the memory used is bounded by len(b) and
// the features.
func Decode(b []byte, features []perennial.Column) (*Transformer, error) {
	const op = "preprocess.Decode"
	t := &Transformer{}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&t.columns); err != nil {
		return nil, perennial.Errorf(perennial.CodeMalformed, op, "the preparation can't be read").Because(err)
	}
	if len(t.columns) != len(features) {
		return nil, perennial.Errorf(perennial.CodeMalformed, op, "the preparation has %d columns, the schema %d features", len(t.columns), len(features))
	}
	for i := range t.columns {
		if !t.columns[i].fits(&features[i]) {
			return nil, perennial.Errorf(perennial.CodeMalformed, op, "the preparation of column %s doesn't fit the schema", features[i].Name)
		}
	}
	t.finish(features)
	return t, nil
}

// fits reports whether stored state belongs to the feature and is whole.
func (c *column) fits(f *perennial.Column) bool {
	if c.Name != f.Name || (len(c.Scale) != 0 && len(c.Scale) != c.width()) {
		return false
	}
	for _, p := range c.Parts {
		if !allowed(dateChoices, p) {
			return false
		}
	}
	for _, s := range c.Scale {
		if s.Divisor == 0 {
			return false
		}
	}
	switch c.Kind {
	case kindNumeric:
		return f.Type == perennial.TypeNumeric || f.Type == perennial.TypeInteger
	case kindBoolean:
		return f.Type == perennial.TypeBoolean
	case kindOneHot, kindOrdinal, kindNative:
		return f.Type == perennial.TypeCategorical && c.Values == len(f.Values)
	case kindDate:
		return f.Type == perennial.TypeDate && len(c.Parts) > 0
	default:
		return false
	}
}
