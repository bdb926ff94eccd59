package preprocess

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/perennial-ml/perennial"
)

// What each setting may be.
var (
	numericImputes     = []string{"auto", "mean", "median", "most_frequent", imputeConstant, none}
	categoricalImputes = []string{"auto", "most_frequent", imputeConstant, none}
	scaleChoices       = []string{"auto", "standard", "robust", "min_max", none}
	encodeChoices      = []string{"auto", string(kindOneHot), string(kindOrdinal), string(kindFrequency), string(kindTarget), string(kindNative)}
	transformChoices   = []string{none, transformLog1p, transformLog, transformSqrt, transformYeoJohnson, transformBoxCox}
	dateChoices        = []string{"year", "month", "day", "weekday", "hour", "days"}
)

// maxSmoothing bounds the smoothing of a target encoding, in rows.
const maxSmoothing = 1e9

// Check validates a pipeline's preprocessing against its schema and gives every
// fault at once, none where it is sound. Paths are JSON pointers from the
// pipeline file's root, as "/preprocess/columns/postcode/encode"; rules are
// choice, range, required, unknown, duplicate and applies.
func Check(p perennial.Preprocess, schema *perennial.Schema) []perennial.FieldError {
	c := &checker{}
	c.types(p)
	features := schema.Features()
	seen, kept := map[string]bool{}, 0
	for _, o := range p.Columns {
		path := "/preprocess/columns/" + pointer(o.Name)
		i := slices.IndexFunc(features, func(f perennial.Column) bool { return f.Name == o.Name })
		switch {
		case i < 0:
			c.add(path, "unknown", o.Name, nil, fmt.Sprintf("%s is not a feature of the schema.", o.Name))
		case seen[o.Name]:
			c.add(path, "duplicate", o.Name, nil, fmt.Sprintf("%s is prepared twice.", o.Name))
		default:
			c.column(path, o, &features[i])
		}
		seen[o.Name] = true
	}
	for i := range features {
		s := resolve(p, Takes{}, &features[i], 0)
		if s.drop {
			continue
		}
		kept++
		c.constant(p, &s, &features[i])
	}
	if kept == 0 && len(features) > 0 {
		c.add("/preprocess", "required", nil, nil, "Every feature is dropped: a model needs one at least.")
	}
	return c.faults
}

// Refuses gives a fault for each setting that makes of a column what an algorithm
// (by its name) doesn't take: nulls that nothing replaces, native categories.
func Refuses(p perennial.Preprocess, takes Takes, algorithm string, schema *perennial.Schema) []perennial.FieldError {
	c := &checker{}
	for _, f := range schema.Features() {
		s := resolve(p, takes, &f, 0)
		o := override(p, f.Name)
		native := s.encode == string(kindNative) && !s.drop
		if native && !takes.Categories {
			c.add(place(o.Encode != "", f, "encode"), "applies", s.encode, []string{"auto", string(kindOneHot), string(kindOrdinal), string(kindFrequency), string(kindTarget)},
				fmt.Sprintf("%s can't take categories as they are, and %s is encoded as native.", algorithm, f.Name))
		}
		if f.Nullable && !s.drop && !takes.Null && s.impute == none && (native || f.Type != perennial.TypeCategorical) {
			c.add(place(o.Impute != "", f, "impute"), "applies", none, slices.DeleteFunc(slices.Clone(imputes(f.Type)), func(s string) bool { return s == none }),
				fmt.Sprintf("%s can't take null, and %s may be null and isn't imputed.", algorithm, f.Name))
		}
	}
	return c.faults
}

// place is the path of a setting: the column's own, or its type's.
func place(own bool, f perennial.Column, setting string) string {
	if own {
		return "/preprocess/columns/" + pointer(f.Name) + "/" + setting
	}
	return "/preprocess/" + section(f.Type) + "/" + setting
}

// section is the part of preprocess that holds the settings of a type.
func section(t perennial.ColumnType) string {
	switch t {
	case perennial.TypeCategorical, perennial.TypeBoolean, perennial.TypeDate:
		return string(t)
	case perennial.TypeNumeric, perennial.TypeInteger:
	}
	return "numeric"
}

func imputes(t perennial.ColumnType) []string {
	if t == perennial.TypeCategorical || t == perennial.TypeBoolean {
		return categoricalImputes
	}
	return numericImputes
}

type checker struct{ faults []perennial.FieldError }

func (c *checker) add(path, rule string, came any, choices []string, message string) {
	if slices.ContainsFunc(c.faults, func(f perennial.FieldError) bool { return f.Path == path }) {
		return // one fault of a setting is enough, however many columns share it
	}
	c.faults = append(c.faults, perennial.FieldError{Path: path, Rule: rule, Came: came, Allowed: choices, Message: message})
}

func (c *checker) choice(path, v string, choices []string) {
	if v == "" || slices.Contains(choices, v) {
		return
	}
	name := path[strings.LastIndexByte(path, '/')+1:]
	if strings.Contains(path, "/parts/") {
		name = "A date part"
	}
	c.add(path, "choice", v, choices, fmt.Sprintf("%s can't be %q; it is one of %s.", name, v, strings.Join(choices, ", ")))
}

// types checks the settings of each type.
func (c *checker) types(p perennial.Preprocess) {
	c.choice("/preprocess/numeric/impute", p.Numeric.Impute, numericImputes)
	c.choice("/preprocess/numeric/transform", p.Numeric.Transform, transformChoices)
	c.choice("/preprocess/numeric/scale", p.Numeric.Scale, scaleChoices)
	c.clip("/preprocess/numeric/clip", p.Numeric.Clip)
	c.choice("/preprocess/categorical/impute", p.Categorical.Impute, categoricalImputes)
	c.choice("/preprocess/categorical/encode", p.Categorical.Encode, encodeChoices)
	c.smoothing("/preprocess/categorical/smoothing", p.Categorical.Smoothing)
	c.choice("/preprocess/boolean/impute", p.Boolean.Impute, categoricalImputes)
	c.choice("/preprocess/date/impute", p.Date.Impute, numericImputes)
	c.choice("/preprocess/date/scale", p.Date.Scale, scaleChoices)
	c.parts("/preprocess/date/parts", p.Date.Parts)
	values := []struct {
		section, impute string
		set             bool
	}{
		{"numeric", p.Numeric.Impute, p.Numeric.Value != nil}, {"categorical", p.Categorical.Impute, p.Categorical.Value != ""},
		{"boolean", p.Boolean.Impute, p.Boolean.Value != nil}, {"date", p.Date.Impute, p.Date.Value != ""},
	}
	for _, v := range values {
		at := "/preprocess/" + v.section + "/value"
		switch {
		case v.impute == imputeConstant && !v.set:
			c.add(at, "required", nil, nil, fmt.Sprintf("%s.impute is constant, and its value is missing.", v.section))
		case v.impute != imputeConstant && v.set:
			c.add(at, "applies", nil, nil, fmt.Sprintf("%s.value goes with impute: constant.", v.section))
		}
	}
}

func (c *checker) parts(path string, parts []string) {
	for i, p := range parts {
		c.choice(fmt.Sprintf("%s/%d", path, i), p, dateChoices)
		if slices.Contains(parts[:i], p) {
			c.add(fmt.Sprintf("%s/%d", path, i), "duplicate", p, nil, fmt.Sprintf("The part %s is listed twice.", p))
		}
	}
}

func (c *checker) clip(path string, clip *[2]float64) {
	if clip == nil {
		return
	}
	// Written so that NaN fails too.
	if lo, hi := clip[0], clip[1]; !(lo >= 0 && lo < hi && hi <= 1) {
		c.add(path, "range", clip[:], nil, "clip takes two quantiles, 0 to 1, the lower one first.")
	}
}

func (c *checker) smoothing(path string, v float64) {
	if !(v >= 0 && v <= maxSmoothing) {
		var came any
		if !math.IsNaN(v) && !math.IsInf(v, 0) { // JSON holds no others
			came = v
		}
		c.add(path, "range", came, nil, fmt.Sprintf("smoothing is a number of rows, 0 to %g.", float64(maxSmoothing)))
	}
}

// column checks the settings of one column against what its type can use.
func (c *checker) column(path string, o perennial.ColumnPrep, f *perennial.Column) {
	number := f.Type == perennial.TypeNumeric || f.Type == perennial.TypeInteger
	date, category := f.Type == perennial.TypeDate, f.Type == perennial.TypeCategorical
	only := func(name string, set, applies bool, to string) bool {
		if set && !applies {
			c.add(path+"/"+name, "applies", nil, nil, fmt.Sprintf("%s applies to %s columns; %s is %s.", name, to, o.Name, f.Type))
		}
		return set && applies
	}
	c.choice(path+"/impute", o.Impute, imputes(f.Type))
	encoded := category && (o.Encode == string(kindFrequency) || o.Encode == string(kindTarget))
	if only("scale", o.Scale != "", number || date || encoded, "numeric, integer and date columns, and to frequency and target encoded") {
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
	if only("smoothing", o.Smoothing != nil, category, "categorical") {
		c.smoothing(path+"/smoothing", *o.Smoothing)
	}
	if only("clip", o.Clip != nil, number, "numeric and integer") {
		c.clip(path+"/clip", o.Clip)
	}
}

// constant checks the value that replaces null in one column.
func (c *checker) constant(p perennial.Preprocess, s *settings, f *perennial.Column) {
	o := override(p, f.Name)
	at := "/preprocess/columns/" + pointer(f.Name) + "/value"
	switch {
	case s.impute != imputeConstant:
		if o.Value != nil {
			c.add(at, "applies", nil, nil, fmt.Sprintf("value goes with impute: constant; %s has impute: %s.", f.Name, s.impute))
		}
		return
	case s.value == nil:
		if o.Impute == imputeConstant {
			c.add(at, "required", nil, nil, fmt.Sprintf("impute is constant, and the value for %s is missing.", f.Name))
		}
		return
	case o.Value == nil:
		at = "/preprocess/" + section(f.Type) + "/value"
	}
	if _, err := constant(f, s.value); err != nil {
		message, _, _ := perennial.Explain(err)
		c.add(at, perennial.RuleType, nil, nil, message)
		return
	}
	listed := f.Type == perennial.TypeCategorical && f.MaxValues == 0 && len(f.Values) > 0 // else its values are learned
	if text, _ := s.value.(string); listed && !slices.Contains(f.Values, text) {
		c.add(at, perennial.RuleCategory, text, f.Values, fmt.Sprintf("The value that replaces null in %s must be one of those that the schema lists, %s; not %q.", f.Name, someOf(f.Values), text))
	}
}

// someOf lists the first of some values.
func someOf(values []string) string {
	const most = 10
	if len(values) > most {
		return strings.Join(values[:most], ", ") + fmt.Sprintf(" and %d more", len(values)-most)
	}
	return strings.Join(values, ", ")
}

// pointer escapes a name for a JSON pointer (RFC 6901).
func pointer(name string) string { return strings.NewReplacer("~", "~0", "/", "~1").Replace(name) }
