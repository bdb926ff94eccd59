package perennial

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Schema is the one contract of training, serving, batch and drift: which
// columns a table has and which values each may hold. Columns keep the order of
// the file, which is the order of features everywhere.
type Schema struct {
	Version      int          `json:"version"`
	Columns      []Column     `json:"columns"`
	ExtraColumns ExtraColumns `json:"extra_columns"`
}

// Role says what a column is for.
type Role string

// The roles. A column without one is a feature.
const (
	RoleFeature Role = "feature"
	RoleID      Role = "id"     // never a feature, kept in outputs, the row key
	RoleTarget  Role = "target" // what is predicted
	RoleIgnore  Role = "ignore" // neither read nor required
)

// ColumnType is the type of a column's values.
type ColumnType string

// The column types.
const (
	TypeNumeric     ColumnType = "numeric"
	TypeInteger     ColumnType = "integer"
	TypeBoolean     ColumnType = "boolean"
	TypeCategorical ColumnType = "categorical"
	TypeDate        ColumnType = "date"
)

// OnUnknown says what happens to a category that the schema doesn't list.
type OnUnknown string

// The ways to treat an unknown category.
const (
	UnknownReject OnUnknown = "reject" // an error: the default
	UnknownWarn   OnUnknown = "warn"   // as other, with a warning
	UnknownOther  OnUnknown = "other"  // one category for all unknown values
)

// OutOfRange says what happens to a number outside its range.
type OutOfRange string

// The ways to treat a number outside its range.
const (
	RangeReject OutOfRange = "reject" // an error: the default
	RangeWarn   OutOfRange = "warn"   // used as it is, with a warning
)

// ExtraColumns says what happens to a field that the schema doesn't name.
type ExtraColumns string

// The ways to treat extra columns.
const (
	ExtraIgnore ExtraColumns = "ignore" // the default
	ExtraWarn   ExtraColumns = "warn"
	ExtraReject ExtraColumns = "reject"
)

// LogPolicy says how much of a value the prediction log keeps.
type LogPolicy string

// The log policies.
const (
	LogFull  LogPolicy = "full" // the default
	LogHash  LogPolicy = "hash"
	LogNever LogPolicy = "never"
)

// Column describes one column.
type Column struct {
	Name       string      `json:"name"`
	Role       Role        `json:"role"`
	Type       ColumnType  `json:"type,omitempty"`
	Format     string      `json:"format,omitempty"`       // of a date, see ValidDateFormat; default %Y-%m-%d
	Values     []string    `json:"values,omitempty"`       // of a categorical; empty: learned in training, at most MaxValues
	MaxValues  int         `json:"max_values,omitempty"`   // of a categorical without Values: the most frequent stay, the rest is "other"
	Unknown    OnUnknown   `json:"unknown,omitempty"`      // of a categorical
	Range      *[2]float64 `json:"range,omitempty"`        // inclusive; numeric and integer
	OutOfRange OutOfRange  `json:"out_of_range,omitempty"` // numeric and integer with a range
	Nullable   bool        `json:"nullable,omitempty"`
	Log        LogPolicy   `json:"log,omitempty"`
}

// Default limits and names.
const (
	DefaultDateFormat = "%Y-%m-%d"
	DefaultMaxValues  = 200
)

// Features gives the feature columns in schema order.
func (s *Schema) Features() []Column {
	var out []Column
	for _, c := range s.Columns {
		if c.Role == RoleFeature {
			out = append(out, c)
		}
	}
	return out
}

// Target gives the target column; ok is false for a schema without one.
func (s *Schema) Target() (c Column, ok bool) { return s.byRole(RoleTarget) }

// ID gives the id column; ok is false for a schema without one.
func (s *Schema) ID() (c Column, ok bool) { return s.byRole(RoleID) }

func (s *Schema) byRole(r Role) (Column, bool) {
	i := slices.IndexFunc(s.Columns, func(c Column) bool { return c.Role == r })
	if i < 0 {
		return Column{}, false
	}
	return s.Columns[i], true
}

// Column finds a column by name.
func (s *Schema) Column(name string) (Column, bool) {
	i := slices.IndexFunc(s.Columns, func(c Column) bool { return c.Name == name })
	if i < 0 {
		return Column{}, false
	}
	return s.Columns[i], true
}

// Fault is what is wrong with one value. A warning lets the value pass.
type Fault struct {
	Rule    string
	Message string
	Allowed []string
	Warning bool
}

// The rules a value can break, as they stand in FieldError.Rule.
const (
	RuleRequired = "required" // missing or null where neither may be
	RuleType     = "type"     // a value of another type
	RuleFinite   = "finite"   // NaN or infinite
	RuleRange    = "range"    // outside the column's range
	RuleCategory = "category" // not one of the column's values
	RuleDate     = "date"     // not in the column's format
	RuleExtra    = "extra"    // a field the schema doesn't name
)

// The encoding of one value, shared by training, serving and batch: numbers and
// integers as they are, booleans 0 and 1, dates in days since 1970-01-01 UTC,
// categories as their index in Values, unknown ones as len(Values), null as NaN.
var null = math.NaN()

// Null encodes a missing or null value.
func (c *Column) Null() (float64, *Fault) {
	if c.Nullable {
		return null, nil
	}
	return null, &Fault{Rule: RuleRequired, Message: fmt.Sprintf("%s is required and can't be null.", c.Name)}
}

// FromNumber encodes a number.
func (c *Column) FromNumber(v float64) (float64, *Fault) {
	switch c.Type {
	case TypeNumeric, TypeInteger:
	default:
		return null, c.typeFault("a number")
	}
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return null, &Fault{Rule: RuleFinite, Message: fmt.Sprintf("%s must be a finite number.", c.Name)}
	}
	if c.Type == TypeInteger && v != math.Trunc(v) {
		return null, &Fault{Rule: RuleType, Message: fmt.Sprintf("%s must be a whole number.", c.Name)}
	}
	if r := c.Range; r != nil && (v < r[0] || v > r[1]) {
		f := &Fault{Rule: RuleRange, Warning: c.OutOfRange == RangeWarn, Message: fmt.Sprintf("%s is outside %g to %g.", c.Name, r[0], r[1])}
		return v, f
	}
	return v, nil
}

// FromBool encodes a boolean.
func (c *Column) FromBool(v bool) (float64, *Fault) {
	switch {
	case c.Type != TypeBoolean:
		return null, c.typeFault("a boolean")
	case v:
		return 1, nil
	default:
		return 0, nil
	}
}

// FromString encodes a string, as JSON brings it: a category or a date.
func (c *Column) FromString(v string) (float64, *Fault) {
	switch c.Type {
	case TypeCategorical:
		if i := slices.Index(c.Values, v); i >= 0 {
			return float64(i), nil
		}
		f := &Fault{Rule: RuleCategory, Allowed: c.Values, Warning: c.Unknown == UnknownWarn,
			Message: fmt.Sprintf("%s is not one of the %d known values.", c.Name, len(c.Values))}
		if c.Unknown == UnknownOther {
			f = nil
		}
		return float64(len(c.Values)), f
	case TypeDate:
		t, err := time.Parse(c.DateLayout(), v)
		if err != nil {
			return null, &Fault{Rule: RuleDate, Message: fmt.Sprintf("%s must be a date like %s.", c.Name, c.exampleDate())}
		}
		return float64(t.Unix()) / 86400, nil
	default:
		return null, c.typeFault("a string")
	}
}

// FromText encodes a value from a text file, where everything is a string.
func (c *Column) FromText(s string) (float64, *Fault) {
	switch c.Type {
	case TypeNumeric, TypeInteger:
		v, err := strconv.ParseFloat(s, 64)
		if err != nil && !math.IsInf(v, 0) {
			return null, &Fault{Rule: RuleType, Message: fmt.Sprintf("%s must be a number.", c.Name)}
		}
		return c.FromNumber(v)
	case TypeBoolean:
		v, ok := ParseBool(s)
		if !ok {
			return null, &Fault{Rule: RuleType, Message: fmt.Sprintf("%s must be true or false.", c.Name), Allowed: []string{"true", "false", "1", "0", "yes", "no"}}
		}
		return c.FromBool(v)
	default:
		return c.FromString(s)
	}
}

// ParseBool reads a boolean of a text file: true, t, yes, y and 1, or false, f, no,
// n and 0, in small or capital letters.
func ParseBool(s string) (v, ok bool) {
	switch strings.ToLower(s) {
	case "true", "t", "yes", "y", "1":
		return true, true
	case "false", "f", "no", "n", "0":
		return false, true
	}
	return false, false
}

// TypeLabel names the JSON type that a request must use for the column.
func (c *Column) TypeLabel() string {
	switch c.Type {
	case TypeNumeric:
		return "a number"
	case TypeInteger:
		return "a whole number"
	case TypeBoolean:
		return "true or false"
	case TypeDate:
		return "a date string like " + c.exampleDate()
	default:
		return "a string"
	}
}

func (c *Column) typeFault(came string) *Fault {
	return &Fault{Rule: RuleType, Message: fmt.Sprintf("%s must be %s, not %s.", c.Name, c.TypeLabel(), came)}
}

// exampleDate shows how the column's dates are written.
func (c *Column) exampleDate() string {
	return fmt.Sprintf("%s (%s)", time.Date(2025, 12, 31, 23, 59, 0, 0, time.UTC).Format(c.DateLayout()), c.dateFormat())
}

func (c *Column) dateFormat() string {
	if c.Format == "" {
		return DefaultDateFormat
	}
	return c.Format
}

var dateDirectives = strings.NewReplacer("%Y", "2006", "%y", "06", "%m", "01", "%-m", "1", "%b", "Jan", "%B", "January", "%d", "02", "%-d", "2",
	"%H", "15", "%I", "03", "%-I", "3", "%p", "PM", "%M", "04", "%S", "05", "%z", "Z07:00", "%%", "%")

// DateLayout gives a date column's format in the form of package time.
func (c *Column) DateLayout() string { return dateDirectives.Replace(c.dateFormat()) }

// ValidDateFormat reports whether a strftime format has a year and uses only
// these directives, with Python's meaning:
//
//	%Y %y      year of four or two digits (69 to 99 are 1969 to 1999)
//	%m %-m     month of two digits, of one or two
//	%b %B      English month name, short or long
//	%d %-d     day of two digits, of one or two
//	%H %I %-I  hour of 24, of 12 with two digits, of 12 with one or two
//	%p         AM or PM
//	%M %S      minute, second; a fraction of a second may follow
//	%z         Z or an offset like +01:00
//	%%         a percent sign
//
// Besides them it may hold punctuation, spaces, T and Z: other letters and
// digits could mean something to Go's parser.
func ValidDateFormat(format string) bool {
	year := false
	for rest := format; rest != ""; {
		if len(rest) >= 2 && rest[0] == '%' && strings.IndexByte("YymbBdHIpMSz%", rest[1]) >= 0 {
			year = year || rest[1] == 'Y' || rest[1] == 'y'
			rest = rest[2:]
			continue
		}
		if len(rest) >= 3 && rest[:2] == "%-" && strings.IndexByte("mdI", rest[2]) >= 0 {
			rest = rest[3:]
			continue
		}
		if c := rest[0]; c == '%' || c != 'T' && c != 'Z' && (c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9') {
			return false
		}
		rest = rest[1:]
	}
	return year
}
