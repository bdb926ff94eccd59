package preprocess

import (
	"math"
	"slices"

	"github.com/perennial-ml/perennial"
)

// DefaultSmoothing is the weight of the overall mean in a target encoding, in
// rows.
const DefaultSmoothing = 20

const imputeConstant = "constant"

// Takes says what the algorithm takes that rows are prepared for. It decides what
// auto means, which is the default of impute, encode and scale.
type Takes struct {
	Null       bool // NaN for null: auto imputes nothing
	Categories bool // category codes: auto encodes as native
	Unscaled   bool // only the order of values matters: auto scales nothing
}

// settings is the preparation of one column with every default filled in.
type settings struct {
	drop, indicator                  bool
	impute, scale, encode, transform string
	value                            any // of impute constant
	clip                             *[2]float64
	parts                            []string
	smoothing                        float64
}

// maxOneHot is how many listed values auto encodes as one_hot. Beyond it the
// prepared rows would be mostly zeros: a million rows with a category of 200
// values take 1.6 GB.
const maxOneHot = 50

// resolve merges defaults, the type's settings and the column's own. Where the
// algorithm takes less than it could, auto is: numbers and dates median and
// standard, booleans most_frequent, categories most_frequent and one_hot, or, with
// more than 50 listed values and at most 50 classes, target. Dates give month and
// weekday.
func resolve(p perennial.Preprocess, takes Takes, f *perennial.Column, classes int) settings {
	o := override(p, f.Name)
	s := byType(p, f.Type)
	if o.Drop != nil {
		s.drop = *o.Drop
	}
	if o.Indicator != nil {
		s.indicator = *o.Indicator
	}
	if o.Value != nil {
		s.value = o.Value
	}
	if o.Clip != nil {
		s.clip = o.Clip
	}
	if len(o.Parts) > 0 {
		s.parts = o.Parts
	}
	if o.Smoothing != nil {
		s.smoothing = *o.Smoothing
	}
	s.impute, s.scale, s.transform = first(o.Impute, s.impute), first(o.Scale, s.scale), first(o.Transform, s.transform)
	s.encode = first(o.Encode, s.encode)
	s.settle(takes, f, classes)
	return s
}

// Ignore gives the features of a schema that the preparation drops the role
// ignore, so that nobody has to send them, and the preparation without them.
func Ignore(p perennial.Preprocess, schema *perennial.Schema) perennial.Preprocess {
	dropped := map[string]bool{}
	for i := range schema.Columns {
		if c := &schema.Columns[i]; c.Role == perennial.RoleFeature && resolve(p, Takes{}, c, 0).drop {
			c.Role, dropped[c.Name] = perennial.RoleIgnore, true
		}
	}
	if len(dropped) > 0 {
		p.Columns = slices.DeleteFunc(slices.Clone(p.Columns), func(c perennial.ColumnPrep) bool { return dropped[c.Name] })
	}
	return p
}

// settle replaces auto, and what isn't set.
func (s *settings) settle(takes Takes, f *perennial.Column, classes int) {
	t := f.Type
	fill, scale, encode := "most_frequent", "standard", string(kindOneHot)
	if takes.Unscaled {
		scale = none
	}
	switch {
	case takes.Categories:
		encode = string(kindNative)
	case len(f.Values) > maxOneHot && classes <= maxOneHot:
		encode = string(kindTarget)
	}
	switch t {
	case perennial.TypeCategorical:
		s.encode = automatic(s.encode, encode)
		if s.encode != string(kindFrequency) && s.encode != string(kindTarget) {
			s.scale, scale = none, none
		}
	case perennial.TypeBoolean:
		scale = none
	case perennial.TypeNumeric, perennial.TypeInteger, perennial.TypeDate:
		fill = "median"
	}
	if takes.Null && (t != perennial.TypeCategorical || s.encode == string(kindNative)) {
		fill = none
	}
	s.impute, s.scale = automatic(s.impute, fill), automatic(s.scale, scale)
}

// byType gives what is set for all columns of a type.
func byType(p perennial.Preprocess, t perennial.ColumnType) settings {
	switch t {
	case perennial.TypeCategorical:
		c := p.Categorical
		s := settings{drop: c.Drop, indicator: c.Indicator, impute: c.Impute, encode: c.Encode, smoothing: c.Smoothing, scale: p.Numeric.Scale}
		if c.Value != "" {
			s.value = c.Value
		}
		return s
	case perennial.TypeBoolean:
		b := p.Boolean
		s := settings{drop: b.Drop, indicator: b.Indicator, impute: b.Impute}
		if b.Value != nil {
			s.value = *b.Value
		}
		return s
	case perennial.TypeDate:
		d := p.Date
		s := settings{drop: d.Drop, indicator: d.Indicator, impute: d.Impute, scale: first(d.Scale, p.Numeric.Scale), parts: d.Parts}
		if len(s.parts) == 0 {
			s.parts = []string{"month", "weekday"}
		}
		if d.Value != "" {
			s.value = d.Value
		}
		return s
	default:
		n := p.Numeric
		s := settings{drop: n.Drop, indicator: n.Indicator, impute: n.Impute, clip: n.Clip, transform: n.Transform, scale: n.Scale}
		if n.Value != nil {
			s.value = *n.Value
		}
		return s
	}
}

func override(p perennial.Preprocess, name string) perennial.ColumnPrep {
	if i := slices.IndexFunc(p.Columns, func(c perennial.ColumnPrep) bool { return c.Name == name }); i >= 0 {
		return p.Columns[i]
	}
	return perennial.ColumnPrep{}
}

// automatic replaces auto, and what isn't set.
func automatic(set, auto string) string {
	if set == "" || set == "auto" {
		return auto
	}
	return set
}

func first(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

// constant encodes the value of impute constant for a column, as its cells are
// encoded; ranges don't hold for it. The error's message says what is wrong.
func constant(f *perennial.Column, value any) (float64, error) {
	fault := func(want string) (float64, error) {
		return 0, perennial.Errorf(perennial.CodeInvalid, "", "The value that replaces null in %s must be %s.", f.Name, want)
	}
	switch f.Type {
	case perennial.TypeNumeric, perennial.TypeInteger:
		v, ok := value.(float64)
		if !ok || bad(v) || (f.Type == perennial.TypeInteger && v != math.Trunc(v)) {
			return fault(f.TypeLabel())
		}
		return v, nil
	case perennial.TypeBoolean:
		v, ok := value.(bool)
		if !ok {
			return fault(f.TypeLabel())
		}
		if v {
			return 1, nil
		}
		return 0, nil
	case perennial.TypeDate:
		text, ok := value.(string)
		if !ok {
			return fault(f.TypeLabel())
		}
		v, problem := f.FromString(text)
		if problem != nil {
			return fault(f.TypeLabel())
		}
		return v, nil
	case perennial.TypeCategorical:
		text, ok := value.(string)
		if !ok {
			return fault("a text")
		}
		if i := slices.Index(f.Values, text); i >= 0 {
			return float64(i), nil
		}
		return float64(len(f.Values)), nil // counts as an unlisted value
	}
	return fault("of its type")
}
