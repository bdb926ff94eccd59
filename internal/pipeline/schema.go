package pipeline

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/perennial-ml/perennial"
)

// DecodeSchema reads a schema file. Defaults are filled in: role feature,
// extra_columns ignore, log full; of categoricals unknown reject and, without
// values, max_values 200; of dates the format %Y-%m-%d; of ranges out_of_range
// reject. file names the file in faults; all of them come at once, code invalid
// (malformed where the file is no YAML).
func DecodeSchema(file string, b []byte) (*perennial.Schema, error) {
	s, d := decodeSchema(file, b)
	if err := failure("pipeline.DecodeSchema", d.faults); err != nil {
		return nil, err
	}
	return s, nil
}

// decodeSchema gives what could be read, also where there are faults; nil where
// nothing could.
func decodeSchema(file string, b []byte) (*perennial.Schema, *document) {
	d := parse(file, b)
	if d.root == nil {
		return nil, d
	}
	s := &perennial.Schema{Version: 1, ExtraColumns: perennial.ExtraIgnore}
	d.value(d.root, "", reflect.ValueOf(s).Elem())
	for i := range s.Columns {
		columnDefaults(&s.Columns[i])
	}
	validator{d}.schema(s)
	return s, d
}

func columnDefaults(c *perennial.Column) {
	if c.Role == "" {
		c.Role = perennial.RoleFeature
	}
	if c.Log == "" {
		c.Log = perennial.LogFull
	}
	if c.Role != perennial.RoleFeature && c.Role != perennial.RoleTarget {
		return
	}
	switch c.Type {
	case perennial.TypeCategorical:
		if c.Unknown == "" {
			c.Unknown = perennial.UnknownReject
		}
		if len(c.Values) == 0 && c.MaxValues == 0 {
			c.MaxValues = perennial.DefaultMaxValues
		}
	case perennial.TypeDate:
		if c.Format == "" {
			c.Format = perennial.DefaultDateFormat
		}
	case perennial.TypeNumeric, perennial.TypeInteger:
		if c.Range != nil && c.OutOfRange == "" {
			c.OutOfRange = perennial.RangeReject
		}
	case perennial.TypeBoolean:
	}
}

func (v validator) schema(s *perennial.Schema) {
	if s.Version != 1 {
		v.badf("/version", perennial.RuleRange, s.Version, nil, "version must be 1: this Perennial knows no other form of the file.")
	}
	v.choice("/extra_columns", string(s.ExtraColumns), string(perennial.ExtraIgnore), string(perennial.ExtraWarn), string(perennial.ExtraReject))
	roles := map[perennial.Role][]string{}
	for i := range s.Columns {
		c := &s.Columns[i]
		roles[c.Role] = append(roles[c.Role], c.Name)
		v.column(join("/columns", c.Name), c)
	}
	if n := len(s.Columns); n > 10000 {
		v.badf("/columns", RuleTooLarge, n, nil, "The schema has %d columns; at most 10000 are possible.", n)
	}
	for _, r := range []perennial.Role{perennial.RoleTarget, perennial.RoleID} {
		if names := roles[r]; len(names) > 1 {
			v.badf(join("/columns", names[1])+"/role", RuleDuplicate, string(r), nil, "%s can't be the %s: %s is it already.", shorten(names[1]), r, shorten(names[0]))
		}
	}
	if len(roles[perennial.RoleTarget]) == 0 {
		v.badf("/columns", perennial.RuleRequired, nil, nil, "No column has the role target: the schema must say what is predicted.")
	}
	if len(roles[perennial.RoleFeature]) == 0 {
		v.badf("/columns", perennial.RuleRequired, nil, nil, "No column is a feature.")
	}
}

// column checks one column by its role and type.
func (v validator) column(at string, c *perennial.Column) {
	v.choice(at+"/role", string(c.Role), string(perennial.RoleFeature), string(perennial.RoleID), string(perennial.RoleTarget), string(perennial.RoleIgnore))
	v.choice(at+"/log", string(c.Log), string(perennial.LogFull), string(perennial.LogHash), string(perennial.LogNever))
	if strings.ContainsAny(c.Name, "\x00\n\r") || len(c.Name) > 200 {
		v.badf(at, RuleName, nil, nil, "A column's name must be one line of at most 200 bytes.")
	}
	typed := c.Role == perennial.RoleFeature || c.Role == perennial.RoleTarget
	switch {
	case c.Role == perennial.RoleID && c.Type != "":
		v.badf(at+"/type", RuleApplies, string(c.Type), nil, "An id has no type: it is kept as its text.")
	case typed && c.Type == "":
		v.badf(at+"/type", perennial.RuleRequired, nil, types(), "%s has no type; it is one of %s.", label(at), strings.Join(types(), ", "))
	case c.Type != "":
		v.choice(at+"/type", string(c.Type), types()...)
	}
	if c.Nullable && (c.Role == perennial.RoleTarget || c.Role == perennial.RoleID) {
		v.badf(at+"/nullable", RuleApplies, true, nil, "The %s can't be null.", c.Role)
	}
	if c.Role == perennial.RoleIgnore || typed && !slices.Contains(types(), string(c.Type)) {
		return
	}
	v.applies(at, "format", c.Format != "", c.Type, perennial.TypeDate)
	v.applies(at, "values", len(c.Values) > 0, c.Type, perennial.TypeCategorical)
	v.applies(at, "max_values", c.MaxValues != 0, c.Type, perennial.TypeCategorical)
	v.applies(at, "unknown", c.Unknown != "", c.Type, perennial.TypeCategorical)
	v.applies(at, "range", c.Range != nil, c.Type, perennial.TypeNumeric, perennial.TypeInteger)
	v.applies(at, "out_of_range", c.OutOfRange != "", c.Type, perennial.TypeNumeric, perennial.TypeInteger)
	v.values(at, c)
	if c.Type == perennial.TypeDate && !perennial.ValidDateFormat(c.Format) {
		v.badf(at+"/format", RuleChoice, c.Format, []string{"%Y", "%y", "%m", "%-m", "%b", "%B", "%d", "%-d", "%H", "%I", "%-I", "%p", "%M", "%S", "%z"},
			"%s.format must have %%Y or %%y, and may have %%m, %%-m, %%b, %%B, %%d, %%-d, %%H, %%I, %%p, %%M, %%S and %%z between punctuation, not be %q.", label(at), shorten(c.Format))
	}
	if c.OutOfRange != "" {
		v.choice(at+"/out_of_range", string(c.OutOfRange), string(perennial.RangeReject), string(perennial.RangeWarn))
		if c.Range == nil {
			v.badf(at+"/out_of_range", RuleApplies, string(c.OutOfRange), nil, "%s.out_of_range needs a range.", label(at))
		}
	}
	if c.Range != nil && !(c.Range[0] <= c.Range[1]) {
		v.badf(at+"/range", perennial.RuleRange, c.Range[:], nil, "%s.range must have the lower end first.", label(at))
	}
}

// values checks what concerns categories.
func (v validator) values(at string, c *perennial.Column) {
	if c.Type != perennial.TypeCategorical {
		return
	}
	v.unique(at+"/values", c.Values)
	v.choice(at+"/unknown", string(c.Unknown), string(perennial.UnknownReject), string(perennial.UnknownWarn), string(perennial.UnknownOther))
	switch {
	case len(c.Values) > 0 && c.MaxValues != 0:
		v.badf(at+"/max_values", RuleApplies, c.MaxValues, nil, "%s.max_values is for values that are learned; here they are listed.", label(at))
	case len(c.Values) == 0:
		between(v, at+"/max_values", c.MaxValues, 1, 100000)
	}
	if c.Role == perennial.RoleTarget {
		if len(c.Values) == 1 {
			v.badf(at+"/values", perennial.RuleRange, nil, nil, "%s needs two values at least: with one there is nothing to predict.", label(at))
		}
		if c.Unknown != perennial.UnknownReject {
			v.badf(at+"/unknown", RuleApplies, string(c.Unknown), nil, "A target's unknown values are always rejected.")
		}
	}
}

// applies refuses a key that means nothing for a column of this type.
func (v validator) applies(at, key string, set bool, is perennial.ColumnType, to ...perennial.ColumnType) {
	if set && !slices.Contains(to, is) {
		kind := string(is)
		if is == "" {
			kind = "an id"
		}
		v.badf(at+"/"+key, RuleApplies, nil, nil, "%s.%s is for %s columns; this one is %s.", label(at), key, either(to), kind)
	}
}

// either lists types in a sentence.
func either(types []perennial.ColumnType) string {
	return strings.ReplaceAll(strings.Trim(fmt.Sprint(types), "[]"), " ", " or ")
}

func types() []string {
	return []string{string(perennial.TypeNumeric), string(perennial.TypeInteger), string(perennial.TypeBoolean), string(perennial.TypeCategorical), string(perennial.TypeDate)}
}
