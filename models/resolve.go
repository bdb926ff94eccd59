package models

import (
	"cmp"
	"math"
	"slices"
	"strconv"

	"github.com/perennial-ml/perennial"
)

// maxClasses bounds the classes of a target that doesn't list them.
const maxClasses = 1000

// resolve fills in what the schema leaves to the data. An open categorical
// feature learns its most frequent values among rows, at most MaxValues, ties by
// text, in the order of their text. A classification target without Values gets
// every value in the whole table, so that a class that is missing in a fold
// still counts: texts in their order, numbers ascending, false before true.
func resolve(schema *perennial.Schema, task perennial.Task, t *perennial.Table, rows []int) (*perennial.Schema, error) {
	out := *schema
	out.Columns = slices.Clone(schema.Columns)
	for i := range out.Columns {
		c := &out.Columns[i]
		s, err := series(t, c)
		if err != nil {
			return nil, err
		}
		switch {
		case c.Role == perennial.RoleFeature && c.Type == perennial.TypeCategorical && len(c.Values) == 0:
			c.Values = frequent(s, rows, c.MaxValues)
		case c.Role == perennial.RoleTarget && task == perennial.Classification:
			if len(c.Values) == 0 {
				c.Values = classValues(c.Type, s)
			}
			if len(c.Values) == 1 {
				return nil, perennial.Errorf(perennial.CodeInvalid, "", "every row has the class %s in the target %s: the data has a single class, and there is nothing to tell apart", strconv.Quote(c.Values[0]), c.Name).
					WithHint("Add rows of other classes.")
			}
			if n := len(c.Values); n < 2 || n > maxClasses {
				return nil, perennial.Errorf(perennial.CodeInvalid, "", "the number of classes in the target %s is %d; classification takes 2 to %d", c.Name, n, maxClasses)
			}
		}
	}
	target, ok := out.Target()
	switch {
	case !ok:
		return nil, perennial.Errorf(perennial.CodeInvalid, "", "the schema has no target column")
	case task == perennial.Regression && target.Type != perennial.TypeNumeric && target.Type != perennial.TypeInteger:
		return nil, perennial.Errorf(perennial.CodeInvalid, "", "regression needs a numeric target; %s is %s", target.Name, target.Type)
	}
	return &out, nil
}

// frequent gives the most frequent texts among rows.
func frequent(s *perennial.Series, rows []int, limit int) []string {
	if limit <= 0 {
		limit = perennial.DefaultMaxValues
	}
	counts := make([]int, len(s.Dict))
	for _, r := range rows {
		if c := s.Codes[r]; c >= 0 {
			counts[c]++
		}
	}
	var seen []int
	for code, n := range counts {
		if n > 0 {
			seen = append(seen, code)
		}
	}
	slices.SortFunc(seen, func(a, b int) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(s.Dict[a], s.Dict[b]))
	})
	values := make([]string, min(limit, len(seen)))
	for i := range values {
		values[i] = s.Dict[seen[i]]
	}
	slices.Sort(values)
	return values
}

// classValues gives every class in a target column.
func classValues(t perennial.ColumnType, s *perennial.Series) []string {
	switch t {
	case perennial.TypeCategorical:
		all := make([]int, len(s.Codes))
		for i := range all {
			all[i] = i
		}
		return frequent(s, all, len(s.Dict)+1)
	case perennial.TypeBoolean:
		return []string{"false", "true"}
	default:
		numbers := slices.DeleteFunc(slices.Clone(s.Numbers), math.IsNaN)
		slices.Sort(numbers)
		var values []string
		for _, v := range slices.Compact(numbers) {
			values = append(values, strconv.FormatFloat(v+0, 'g', -1, 64)) // +0: -0 and 0 are one class
		}
		return values
	}
}

// series finds a column's cells in a table by name and checks their kind.
func series(t *perennial.Table, c *perennial.Column) (*perennial.Series, error) {
	i := slices.IndexFunc(t.Schema.Columns, func(o perennial.Column) bool { return o.Name == c.Name })
	if i < 0 || i >= len(t.Columns) {
		if c.Role == perennial.RoleIgnore || c.Role == perennial.RoleID {
			return &perennial.Series{}, nil
		}
		return nil, perennial.Errorf(perennial.CodeInvalid, "", "the table has no column %s", c.Name)
	}
	s := &t.Columns[i]
	if c.Role != perennial.RoleFeature && c.Role != perennial.RoleTarget {
		return s, nil
	}
	cells := len(s.Numbers)
	if c.Type == perennial.TypeCategorical {
		cells = len(s.Codes)
	}
	if cells != t.Rows {
		return nil, perennial.Errorf(perennial.CodeInvalid, "", "the table's column %s has %d %s cells for %d rows", c.Name, cells, c.Type, t.Rows)
	}
	return s, nil
}
