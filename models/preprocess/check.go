package preprocess

import (
	"fmt"
	"slices"
	"strings"

	"github.com/perennial-ml/perennial"
)

// What each setting may be.
var (
	numericImputes     = []string{"auto", "mean", "median", "most_frequent", "none"}
	categoricalImputes = []string{"auto", "most_frequent", "none"}
	scaleChoices       = []string{"auto", "standard", "min_max", "none"}
	encodeChoices      = []string{"auto", "one_hot", "ordinal", "native"}
	transformChoices   = []string{"log1p"}
	dateChoices        = []string{"year", "month", "day", "weekday", "hour", "days"}
)

func allowed(choices []string, v string) bool { return slices.Contains(choices, v) }

// settings is the preparation of one column with every default filled in.
type settings struct {
	impute, scale, encode, transform string
	clip                             *[2]float64
	parts                            []string
}

// Takes says what the algorithm takes that rows are prepared for. It decides what
// auto means, which is the default of impute, encode and scale.
type Takes struct {
	Null       bool // NaN for null: auto imputes nothing
	Categories bool // category codes: auto encodes as native
	Unscaled   bool // only the order of values matters: auto scales nothing
}

// resolve merges defaults, the type's settings and the column's own. Where the
// algorithm takes less than it could, auto is: numbers and dates median and
// standard, categories most_frequent and one_hot, booleans most_frequent. Dates
// give month and weekday.
func resolve(p perennial.Preprocess, takes Takes, f *perennial.Column) settings {
	var o perennial.ColumnPrep
	if i := slices.IndexFunc(p.Columns, func(c perennial.ColumnPrep) bool { return c.Name == f.Name }); i >= 0 {
		o = p.Columns[i]
	}
	s := settings{transform: o.Transform, clip: o.Clip}
	fill, scale, encode := "most_frequent", "standard", "one_hot"
	if takes.Unscaled {
		scale = "none"
	}
	if takes.Categories {
		encode = "native"
	}
	switch f.Type {
	case perennial.TypeNumeric, perennial.TypeInteger:
		fill = "median"
		s.impute = first(o.Impute, p.Numeric.Impute)
		s.scale = first(o.Scale, p.Numeric.Scale)
	case perennial.TypeDate:
		fill = "median"
		s.impute = o.Impute
		s.scale = first(o.Scale, p.Numeric.Scale)
		s.parts = o.Parts
		if len(s.parts) == 0 {
			s.parts = p.Date.Parts
		}
		if len(s.parts) == 0 {
			s.parts = []string{"month", "weekday"}
		}
	case perennial.TypeCategorical:
		s.impute = first(o.Impute, p.Categorical.Impute)
		s.encode = automatic(first(o.Encode, p.Categorical.Encode), encode)
	case perennial.TypeBoolean:
		s.impute, scale = o.Impute, "none"
	}
	if takes.Null && (s.encode == "" || s.encode == "native") {
		fill = "none"
	}
	s.impute, s.scale = automatic(s.impute, fill), automatic(s.scale, scale)
	return s
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

// Check validates a pipeline's preprocessing against its schema and gives every
// fault at once, none where it is sound. Paths are JSON pointers from the
// pipeline file's root, as "/preprocess/columns/postcode/encode"; rules are
// choice, range, unknown, duplicate and applies.
func Check(p perennial.Preprocess, schema *perennial.Schema) []perennial.FieldError {
	c := &checker{}
	c.choice("/preprocess/numeric/impute", p.Numeric.Impute, numericImputes)
	c.choice("/preprocess/numeric/scale", p.Numeric.Scale, scaleChoices)
	c.choice("/preprocess/categorical/impute", p.Categorical.Impute, categoricalImputes)
	c.choice("/preprocess/categorical/encode", p.Categorical.Encode, encodeChoices)
	c.parts("/preprocess/date/parts", p.Date.Parts)
	features := schema.Features()
	seen := map[string]bool{}
	for _, o := range p.Columns {
		path := "/preprocess/columns/" + pointer(o.Name)
		i := slices.IndexFunc(features, func(f perennial.Column) bool { return f.Name == o.Name })
		switch {
		case i < 0:
			c.add(path, "unknown", o.Name, nil, fmt.Sprintf("%s is not a feature of the schema.", o.Name))
		case seen[o.Name]:
			c.add(path, "duplicate", o.Name, nil, fmt.Sprintf("%s is prepared twice.", o.Name))
		default:
			c.column(path, o, features[i].Type)
		}
		seen[o.Name] = true
	}
	return c.faults
}

type checker struct{ faults []perennial.FieldError }

func (c *checker) add(path, rule string, came any, choices []string, message string) {
	c.faults = append(c.faults, perennial.FieldError{Path: path, Rule: rule, Came: came, Allowed: choices, Message: message})
}

func (c *checker) choice(path, v string, choices []string) {
	if v == "" || allowed(choices, v) {
		return
	}
	name := path[strings.LastIndexByte(path, '/')+1:]
	c.add(path, "choice", v, choices, fmt.Sprintf("%s can't be %q; it is one of %s.", name, v, strings.Join(choices, ", ")))
}

func (c *checker) parts(path string, parts []string) {
	for i, p := range parts {
		c.choice(fmt.Sprintf("%s/%d", path, i), p, dateChoices)
		if slices.Contains(parts[:i], p) {
			c.add(fmt.Sprintf("%s/%d", path, i), "duplicate", p, nil, fmt.Sprintf("The part %s is listed twice.", p))
		}
	}
}

// column checks the settings of one column against what its type can use.
func (c *checker) column(path string, o perennial.ColumnPrep, t perennial.ColumnType) {
	number := t == perennial.TypeNumeric || t == perennial.TypeInteger
	date, category := t == perennial.TypeDate, t == perennial.TypeCategorical
	only := func(name string, set, applies bool, to string) bool {
		if set && !applies {
			c.add(path+"/"+name, "applies", nil, nil, fmt.Sprintf("%s applies to %s columns; %s is %s.", name, to, o.Name, t))
		}
		return set && applies
	}
	if number || date {
		c.choice(path+"/impute", o.Impute, numericImputes)
	} else {
		c.choice(path+"/impute", o.Impute, categoricalImputes)
	}
	if only("scale", o.Scale != "", number || date, "numeric, integer and date") {
		c.choice(path+"/scale", o.Scale, scaleChoices)
	}
	if only("encode", o.Encode != "", category, "categorical") {
		c.choice(path+"/encode", o.Encode, encodeChoices)
	}
	if only("transform", o.Transform != "", number, "numeric and integer") {
		c.choice(path+"/transform", o.Transform, transformChoices)
	}
	if only("parts", len(o.Parts) > 0, date, "date") {
		c.parts(path+"/parts", o.Parts)
	}
	if o.Smoothing != 0 {
		c.add(path+"/smoothing", "applies", o.Smoothing, nil, "smoothing belongs to target encoding, which this version doesn't have.")
	}
	if only("clip", o.Clip != nil, number, "numeric and integer") {
		// Written so that NaN fails too.
		if lo, hi := o.Clip[0], o.Clip[1]; !(lo >= 0 && lo < hi && hi <= 1) {
			c.add(path+"/clip", "range", o.Clip[:], nil, "clip takes two quantiles, 0 to 1, the lower one first.")
		}
	}
}

// pointer escapes a name for a JSON pointer (RFC 6901).
func pointer(name string) string { return strings.NewReplacer("~", "~0", "/", "~1").Replace(name) }
