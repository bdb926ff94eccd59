package preprocess

import (
	"bytes"
	"encoding/json"
	"slices"

	"github.com/perennial-ml/perennial"
)

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
		c := &t.columns[i]
		if c.Floor != nil && c.Transform == "" { // as files were before there were other transforms
			c.Transform = "log1p"
		}
		if !c.fits(&features[i]) {
			return nil, perennial.Errorf(perennial.CodeMalformed, op, "the preparation of column %s doesn't fit the schema", features[i].Name)
		}
	}
	t.finish(features)
	return t, nil
}

// fits reports whether stored state belongs to the feature and is whole. Numbers
// are finite, since JSON holds no others.
func (c *column) fits(f *perennial.Column) bool {
	if c.Name != f.Name || c.Outputs < 0 || c.Outputs > len(c.Codes) {
		return false
	}
	if len(c.Scale) != 0 && len(c.Scale) != c.encoded() {
		return false
	}
	if slices.ContainsFunc(c.Parts, func(p string) bool { return !slices.Contains(dateChoices, p) }) {
		return false
	}
	if slices.ContainsFunc(c.Scale, func(s affine) bool { return s.Divisor == 0 }) {
		return false
	}
	category := f.Type == perennial.TypeCategorical && c.Values == len(f.Values)
	switch c.Kind {
	case kindNumeric:
		return c.fitsTransform() && (f.Type == perennial.TypeNumeric || f.Type == perennial.TypeInteger)
	case kindBoolean:
		return f.Type == perennial.TypeBoolean
	case kindOneHot, kindOrdinal, kindNative:
		return category
	case kindFrequency:
		return category && len(c.Codes) == c.Values+2
	case kindTarget:
		return category && c.Outputs > 0 && len(c.Codes)%c.Outputs == 0 && len(c.Codes)/c.Outputs == c.Values+2
	case kindDate:
		return f.Type == perennial.TypeDate && len(c.Parts) > 0
	case kindDropped:
		return !c.Missing
	default:
		return false
	}
}

// fitsTransform reports whether a transform has what it needs and can't meet a
// value outside its domain.
func (c *column) fitsTransform() bool {
	switch c.Transform {
	case "":
		return c.Floor == nil && c.Lambda == nil
	case transformYeoJohnson:
		return c.Lambda != nil && c.Floor == nil
	case transformBoxCox:
		return c.Lambda != nil && c.Floor != nil && inDomain(c.Transform, *c.Floor)
	default:
		return slices.Contains(transformChoices, c.Transform) && c.Transform != none && c.Lambda == nil && c.Floor != nil && inDomain(c.Transform, *c.Floor)
	}
}
