package dataset

import (
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/perennial-ml/perennial"
)

// columnDecoder fills one series of the table.
type columnDecoder struct {
	column *perennial.Column
	index  int // in the schema
	field  int // in the file
	coded  bool
	series perennial.Series
	codes  map[string]int32           // of a coded column: text → index into series.Dict
	faults map[int32]*perennial.Fault // of a coded column: what is wrong with a text, found once
}

func newColumnDecoder(c *perennial.Column, index, field int) columnDecoder {
	d := columnDecoder{column: c, index: index, field: field, coded: c.Role == perennial.RoleID || c.Type == perennial.TypeCategorical}
	if d.coded {
		d.codes, d.faults = map[string]int32{}, map[int32]*perennial.Fault{}
	}
	return d
}

func (c *columnDecoder) grow(rows int) {
	if c.coded {
		c.series.Codes = make([]int32, 0, rows)
	} else {
		c.series.Numbers = make([]float64, 0, rows)
	}
}

// decode reads one cell, without the spaces around it. keep is false once the file has a fault: the cell is
// still checked, but no longer stored.
func (c *columnDecoder) decode(s string, nulls map[string]bool, form *Numbers, keep bool) *perennial.Fault {
	if nulls[s] {
		return c.null(keep)
	}
	if c.coded {
		return c.code(s, keep)
	}
	if number := c.column.Type == perennial.TypeNumeric || c.column.Type == perennial.TypeInteger; number && !form.plain() {
		plain, ok := form.Plain(s)
		if !ok {
			return &perennial.Fault{Rule: perennial.RuleType, Message: fmt.Sprintf("%s must be a number %s.", c.column.Name, form)}
		}
		s = plain
	}
	v, fault := c.column.FromText(s)
	if keep && (fault == nil || fault.Warning) {
		c.series.Numbers = append(c.series.Numbers, v)
	}
	return fault
}

// null stores a null, or says that there may be none.
func (c *columnDecoder) null(keep bool) *perennial.Fault {
	column := *c.column
	column.Nullable = column.Nullable && column.Role == perennial.RoleFeature
	_, fault := column.Null()
	switch {
	case fault != nil || !keep:
	case c.coded:
		c.series.Codes = append(c.series.Codes, -1)
	default:
		c.series.Numbers = append(c.series.Numbers, math.NaN())
	}
	return fault
}

// code stores a text by its index; each text is checked once.
func (c *columnDecoder) code(s string, keep bool) *perennial.Fault {
	code, ok := c.codes[s]
	if !ok {
		code = int32(len(c.series.Dict)) //nolint:gosec // fewer texts than bytes in MaxBytes
		s = strings.Clone(s)             // the reader's record would be kept alive otherwise
		c.codes[s] = code
		c.series.Dict = append(c.series.Dict, s)
		if f := c.check(s); f != nil {
			c.faults[code] = f
		}
	}
	fault := c.faults[code]
	if keep && (fault == nil || fault.Warning) {
		c.series.Codes = append(c.series.Codes, code)
	}
	return fault
}

// check says what is wrong with the text of a category or an id.
func (c *columnDecoder) check(s string) *perennial.Fault {
	if !utf8.ValidString(s) {
		return &perennial.Fault{Rule: RuleSyntax, Message: c.column.Name + " isn't UTF-8."}
	}
	if c.column.Role == perennial.RoleID {
		if s == "" {
			return &perennial.Fault{Rule: perennial.RuleRequired, Message: c.column.Name + " is the row's id and can't be empty."}
		}
		return nil
	}
	if len(c.column.Values) == 0 {
		return nil
	}
	_, fault := c.column.FromText(s)
	if fault != nil && c.column.Role == perennial.RoleTarget {
		return &perennial.Fault{Rule: fault.Rule, Allowed: fault.Allowed, Message: fmt.Sprintf("%s has the class %q, which the schema doesn't list: it knows %s.", c.column.Name, shorten(s), someOf(c.column.Values))}
	}
	return fault
}

// someOf lists the first of some values.
func someOf(values []string) string {
	const most = 10
	if len(values) > most {
		return strings.Join(values[:most], ", ") + fmt.Sprintf(" and %d more", len(values)-most)
	}
	return strings.Join(values, ", ")
}
