package imported

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/models/tree"
)

// Bound is a model whose features are a schema's.
type Bound struct {
	Schema     perennial.Schema // with the values that the file knows filled in
	Trees      *tree.Ensemble   // over the schema's features, encoded as perennial.Column does
	ZeroIsNull []bool           // per feature of the schema: 0 counts as null (LightGBM's zero_as_missing)
}

// Bind fits a model to a schema, which must have the model's features, each
// feature's categories and, for classification, the classes as the target's
// values in the order 0, 1, 2 …. Features are found by name, whatever their
// order; those of a model without names by their place. What the file knows and
// the schema leaves open is taken from the file.
//
// The bound trees answer as the library does: LightGBM's in float64, in its order
// of summation; XGBoost's rounded to float32 wherever XGBoost rounds. A category
// that the schema doesn't list counts as missing, as pandas makes it.
//
// Faults are one error of code invalid with a field error for each; categorical
// splits that need too much memory are too_large.
func (m *Model) Bind(schema *perennial.Schema) (*Bound, error) {
	const op = "imported.Bind"
	b := &binder{m: m, schema: *schema}
	b.schema.Columns = slices.Clone(schema.Columns)
	b.match()
	b.target()
	if len(b.faults) > 0 {
		e := perennial.Errorf(perennial.CodeInvalid, op, "the schema doesn't fit the model: %s", b.faults[0].Message)
		e.Fields = b.faults
		return nil, e.WithHint("The model's features: %s.", strings.Join(m.describe(), ", "))
	}
	trees, err := b.build()
	if err != nil {
		return nil, perennial.Wrap(op, err)
	}
	return &Bound{Schema: b.schema, Trees: trees, ZeroIsNull: b.zero()}, nil
}

// describe names the features, the first of many.
func (m *Model) describe() []string {
	const most = 40
	var names []string
	for i, f := range m.Features {
		if i == most {
			return append(names, fmt.Sprintf("and %d more", len(m.Features)-most))
		}
		name := shorten(f.Name)
		if f.Categorical {
			name += " (categorical)"
		}
		names = append(names, name)
	}
	return names
}

// binder is one Bind.
type binder struct {
	m      *Model
	schema perennial.Schema
	faults []perennial.FieldError
	places []int   // feature of the model → feature of the schema
	column []int   // feature of the model → column of the schema
	codes  [][]int // feature of the model → model's code by the schema's; nil: codes are the numbers themselves
}

func (b *binder) faultf(column, key, rule string, came any, allowed []string, format string, args ...any) {
	path := "/columns/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(column)
	if key != "" {
		path += "/" + key
	}
	b.faults = append(b.faults, perennial.FieldError{Path: path, Rule: rule, Came: came, Allowed: allowed, Message: fmt.Sprintf(format, args...)})
}

// match finds each feature's column.
func (b *binder) match() {
	var columns []int // of features
	for i := range b.schema.Columns {
		if b.schema.Columns[i].Role == perennial.RoleFeature {
			columns = append(columns, i)
		}
	}
	b.places, b.column = make([]int, len(b.m.Features)), make([]int, len(b.m.Features))
	b.codes = make([][]int, len(b.m.Features))
	if !b.byName(columns) && len(columns) != len(b.m.Features) {
		b.faults = append(b.faults, perennial.FieldError{Path: "/columns", Rule: "count", Came: len(columns), Message: fmt.Sprintf(
			"The schema has %d features and the model %d; it has no names for them, so they are taken in their order.", len(columns), len(b.m.Features))})
	}
	if len(b.faults) > 0 {
		return
	}
	if !b.m.Named {
		for i := range b.places {
			b.places[i], b.column[i] = i, columns[i]
		}
	}
	b.pandas(columns)
	for i := range b.m.Features {
		b.feature(i)
	}
}

// byName finds the features of a model that has names for them; false for one
// that hasn't.
func (b *binder) byName(columns []int) bool {
	if !b.m.Named {
		return false
	}
	at := map[string]int{} // name → place
	for i, c := range columns {
		at[b.plain(b.schema.Columns[c].Name)] = i
	}
	taken := make([]bool, len(columns))
	for i, f := range b.m.Features {
		place, ok := at[b.plain(f.Name)]
		switch {
		case !ok:
			b.faultf(f.Name, "", perennial.RuleRequired, nil, nil, "The model's feature %s is no feature of the schema.", shorten(f.Name))
		case taken[place]:
			b.faultf(f.Name, "", "duplicate", nil, nil, "The model has the feature %s twice.", shorten(f.Name))
		default:
			taken[place], b.places[i], b.column[i] = true, place, columns[place]
		}
	}
	for i, c := range columns {
		if !taken[i] {
			b.faultf(b.schema.Columns[c].Name, "role", perennial.RuleExtra, string(perennial.RoleFeature), []string{string(perennial.RoleIgnore), string(perennial.RoleID)},
				"%s is a feature of the schema, and the model doesn't know it.", b.schema.Columns[c].Name)
		}
	}
	return true
}

// plain is a name as LightGBM keeps it, with underscores for white space.
func (b *binder) plain(name string) string {
	if b.m.Format != LightGBM {
		return name
	}
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(" \t\n\r\v\f", r) {
			return '_'
		}
		return r
	}, name)
}

// pandas gives the categories of a LightGBM file to the columns that the schema
// says are categorical, where the file doesn't say which they are: a column that
// no split uses has no list of codes.
func (b *binder) pandas(columns []int) {
	if b.m.pandas == nil {
		return
	}
	var at []int
	for i, c := range b.column {
		if b.schema.Columns[c].Type == perennial.TypeCategorical {
			at = append(at, i)
		}
	}
	if len(at) != len(b.m.pandas) {
		b.faults = append(b.faults, perennial.FieldError{Path: "/columns", Rule: "count", Came: len(at), Message: fmt.Sprintf(
			"The model was trained on %d categorical columns; of the schema's %d features %d are categorical.", len(b.m.pandas), len(columns), len(at))})
		return
	}
	for k, i := range at {
		b.m.Features[i].Categorical, b.m.Features[i].Categories = true, b.m.pandas[k]
	}
}

// feature checks a column's type and maps its categories.
func (b *binder) feature(i int) {
	f, c := &b.m.Features[i], &b.schema.Columns[b.column[i]]
	switch {
	case c.Type == perennial.TypeDate:
		b.faultf(c.Name, "type", perennial.RuleType, string(c.Type), []string{string(perennial.TypeNumeric), string(perennial.TypeInteger)},
			"%s is a date, and models of other libraries take numbers: name the numbers that it was trained on.", c.Name)
	case c.Type != perennial.TypeCategorical && f.Categories != nil:
		b.faultf(c.Name, "type", perennial.RuleType, string(c.Type), []string{string(perennial.TypeCategorical)}, "The model's feature %s is categorical.", c.Name)
	case c.Type == perennial.TypeNumeric && f.Categorical:
		b.faultf(c.Name, "type", perennial.RuleType, string(c.Type), []string{string(perennial.TypeCategorical), string(perennial.TypeInteger)}, "The model's feature %s is categorical.", c.Name)
	case c.Type == perennial.TypeCategorical && !f.Categorical:
		b.faultf(c.Name, "type", perennial.RuleType, string(c.Type), []string{string(perennial.TypeNumeric), string(perennial.TypeInteger), string(perennial.TypeBoolean)},
			"The model takes %s as a number, not as a category.", c.Name)
	case c.Type == perennial.TypeCategorical:
		b.categories(i, f, c)
	}
}

// categories maps the schema's codes of a categorical column to the model's.
func (b *binder) categories(i int, f *Feature, c *perennial.Column) {
	switch {
	case f.Categories != nil && len(c.Values) == 0:
		c.Values, c.MaxValues = slices.Clone(f.Categories), 0
	case f.Categories != nil && len(c.Values) != len(f.Categories):
		b.faultf(c.Name, "values", perennial.RuleCategory, len(c.Values), allowed(f.Categories), "The model knows %d values of %s: leave values out to take them.", len(f.Categories), c.Name)
		return
	case len(c.Values) == 0:
		b.faultf(c.Name, "values", perennial.RuleRequired, nil, nil, "The file doesn't tell the categories of %s: list them under values%s.", c.Name, b.order())
		return
	}
	codes := make([]int, len(c.Values))
	for k, value := range c.Values {
		switch {
		case f.Categories != nil:
			codes[k] = slices.IndexFunc(f.Categories, func(known string) bool { return sameCategory(known, value) })
		case b.m.Format == LightGBM:
			n, err := strconv.Atoi(value)
			if codes[k] = n; err != nil {
				b.faultf(c.Name, "values", perennial.RuleCategory, value, nil, "The model doesn't know the value %q of %s: it was trained on the numbers of the values, 0, 1, 2 and so on, which the file has no names for. List those numbers as values, or give the column the type integer, and send them.", shorten(value), c.Name)
				return
			}
		default:
			codes[k] = k
		}
		if codes[k] < 0 {
			b.faultf(c.Name, "values", perennial.RuleCategory, value, allowed(f.Categories), "The model doesn't know the value %q of %s.", shorten(value), c.Name)
			return
		}
	}
	b.codes[i] = codes
}

// order says what the order of values means where the file doesn't tell them.
func (b *binder) order() string {
	if b.m.Format == LightGBM {
		return ", as the whole numbers that the model was trained on"
	}
	return ", in the order of their codes"
}

// sameCategory compares a category with its text: pandas writes 1.0 and True
// where others write 1 and true.
func sameCategory(known, value string) bool {
	if known == value {
		return true
	}
	x, errX := strconv.ParseFloat(known, 64)
	y, errY := strconv.ParseFloat(value, 64)
	if errX == nil && errY == nil {
		return x == y
	}
	return (known == "true" || known == "false") && strings.EqualFold(known, value)
}

// allowed lists values in a fault, the first of many.
func allowed(values []string) []string { return values[:min(len(values), 50)] }

// target checks the target, and fills in the classes where the schema needn't
// name them.
func (b *binder) target() {
	i := slices.IndexFunc(b.schema.Columns, func(c perennial.Column) bool { return c.Role == perennial.RoleTarget })
	if i < 0 {
		b.faults = append(b.faults, perennial.FieldError{Path: "/columns", Rule: perennial.RuleRequired, Message: "No column has the role target."})
		return
	}
	c := &b.schema.Columns[i]
	if b.m.Task == perennial.Regression {
		if c.Type != perennial.TypeNumeric && c.Type != perennial.TypeInteger {
			b.faultf(c.Name, "type", perennial.RuleType, string(c.Type), []string{string(perennial.TypeNumeric)}, "The model predicts a number (%s), and the target %s is %s.", b.m.Objective, c.Name, c.Type)
		}
		return
	}
	switch {
	case c.Type == perennial.TypeNumeric:
		b.faultf(c.Name, "type", perennial.RuleType, string(c.Type), []string{string(perennial.TypeCategorical), string(perennial.TypeInteger), string(perennial.TypeBoolean)},
			"The model predicts one of %d classes (%s), and the target %s is %s.", b.m.Classes, b.m.Objective, c.Name, c.Type)
		return
	case len(c.Values) > 0:
	case c.Type == perennial.TypeBoolean:
		c.Values = []string{"false", "true"}
	case c.Type == perennial.TypeInteger:
		for k := range b.m.Classes {
			c.Values = append(c.Values, strconv.Itoa(k))
		}
	default:
		b.faultf(c.Name, "values", perennial.RuleRequired, nil, nil, "The target %s needs values: the names of the model's %d classes, class 0 first (scikit-learn sorts them).", c.Name, b.m.Classes)
		return
	}
	if len(c.Values) != b.m.Classes {
		b.faultf(c.Name, "values", "count", len(c.Values), nil, "The target %s has %d classes, and the model %d (%s).", c.Name, len(c.Values), b.m.Classes, b.m.Objective)
	}
}

// zero tells by feature of the schema whether 0 is null.
func (b *binder) zero() []bool {
	out := make([]bool, len(b.places))
	for i, place := range b.places {
		out[place] = b.m.zero[i]
	}
	return out
}

// build makes the ensemble over the schema's features.
func (b *binder) build() (*tree.Ensemble, error) {
	budget := spareWords * 8
	out := tree.NewBuilder(len(b.places), b.m.shape.outputs, len(b.m.shape.base), b.m.shape.combine, b.m.shape.base)
	for i := range b.m.trees {
		t := &b.m.trees[i]
		at := []int32{out.Tree(t.score)}
		for from := []int{0}; len(from) > 0; {
			n, here := &t.nodes[from[len(from)-1]], at[len(at)-1]
			from, at = from[:len(from)-1], at[:len(at)-1]
			if n.leaf {
				out.Leaf(here, n.value)
				continue
			}
			set, err := b.set(n, &budget)
			if err != nil {
				return nil, err
			}
			left, right := out.Split(here, tree.Split{Feature: b.places[n.feature], Threshold: n.threshold, NaNRight: n.nanRight, Set: set})
			from, at = append(from, n.right, n.left), append(at, right, left)
		}
	}
	return out.Ensemble()
}

// set gives a split's categories in the schema's codes; nil for a numeric one.
// The code after the last listed value stands for every other one.
func (b *binder) set(n *rawNode, budget *int) ([]uint64, error) {
	codes := b.codes[n.feature]
	switch {
	case n.codes == nil && codes != nil:
		return nil, malformedf("it splits the categorical feature %s by a threshold", shorten(b.m.Features[n.feature].Name))
	case codes == nil:
		return n.codes, nil
	}
	set := make([]uint64, len(codes)/64+1)
	if *budget -= len(set); *budget < 0 {
		return nil, tooManyCategories()
	}
	for k, code := range codes {
		if code/64 < len(n.codes) && n.codes[code/64]>>(code%64)&1 != 0 {
			set[k/64] |= 1 << (k % 64)
		}
	}
	if !n.nanRight {
		set[len(codes)/64] |= 1 << (len(codes) % 64)
	}
	return set, nil
}
