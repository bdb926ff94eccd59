package models

import (
	"fmt"
	"math"
	"strconv"

	"github.com/perennial-ml/perennial"
)

// cells reads one column of a table in a resolved schema's encoding.
type cells struct {
	numbers []float64
	codes   []int32
	encode  []float64 // by code of the table's own dictionary
}

func newCells(t *perennial.Table, c *perennial.Column) (cells, error) {
	s, err := series(t, c)
	if err != nil {
		return cells{}, err
	}
	if c.Type != perennial.TypeCategorical {
		return cells{numbers: s.Numbers}, nil
	}
	index := make(map[string]int, len(c.Values))
	for i, v := range c.Values {
		if _, ok := index[v]; !ok {
			index[v] = i
		}
	}
	encode := make([]float64, len(s.Dict))
	for code, text := range s.Dict {
		i, ok := index[text]
		if !ok {
			i = len(c.Values)
		}
		encode[code] = float64(i)
	}
	return cells{codes: s.Codes, encode: encode}, nil
}

func (c *cells) at(row int) float64 {
	if c.codes == nil {
		return c.numbers[row]
	}
	if code := c.codes[row]; code >= 0 {
		return c.encode[code]
	}
	return math.NaN()
}

// column gives the values of the given rows.
func (c *cells) column(rows []int, out []float64) {
	for i, r := range rows {
		out[i] = c.at(r)
	}
}

// reader encodes a table's rows as Predict takes them.
type reader []cells

func newReader(t *perennial.Table, features []perennial.Column) (reader, error) {
	r := make(reader, len(features))
	for i := range features {
		c, err := newCells(t, &features[i])
		if err != nil {
			return nil, err
		}
		r[i] = c
	}
	return r, nil
}

func (r reader) read(row int, out []float64) {
	for i := range r {
		out[i] = r[i].at(row)
	}
}

func checkRows(t *perennial.Table, rows []int) error {
	for _, r := range rows {
		if r < 0 || r >= t.Rows {
			return perennial.Errorf(perennial.CodeInternal, "", "row %d of a table of %d", r, t.Rows)
		}
	}
	return nil
}

// Targets gives the target of the given rows: the index of its class in the
// resolved target's Values for a target that has some, else the number. A null
// target and a class that isn't listed are errors of code invalid that name the
// row (0-based) and its value.
func Targets(t *perennial.Table, resolved *perennial.Schema, rows []int) ([]float64, error) {
	const op = "models.Targets"
	target, ok := resolved.Target()
	if !ok {
		return nil, perennial.Errorf(perennial.CodeInvalid, op, "the schema has no target column")
	}
	if err := checkRows(t, rows); err != nil {
		return nil, perennial.Wrap(op, err)
	}
	c, err := newCells(t, &target)
	if err != nil {
		return nil, perennial.Wrap(op, err)
	}
	var index map[float64]float64 // class of a number
	if target.Type != perennial.TypeCategorical && len(target.Values) > 0 {
		if index, err = numberClasses(&target); err != nil {
			return nil, perennial.Wrap(op, err)
		}
	}
	out := make([]float64, len(rows))
	for i, r := range rows {
		v := c.at(r)
		if math.IsNaN(v) {
			return nil, targetFault(op, r, &target, nil, perennial.RuleRequired, "is null")
		}
		known := target.Type != perennial.TypeCategorical || v < float64(len(target.Values))
		if index != nil {
			v, known = index[v]
		}
		if !known {
			return nil, targetFault(op, r, &target, c.text(t, &target, r), perennial.RuleCategory, "is not one of its classes")
		}
		out[i] = v
	}
	return out, nil
}

// text gives a cell as a fault shows it.
func (c *cells) text(t *perennial.Table, column *perennial.Column, row int) any {
	if c.codes == nil {
		return c.numbers[row]
	}
	s, err := series(t, column)
	if err != nil {
		return nil
	}
	text, _ := s.Text(row)
	return text
}

// numberClasses maps the numbers of a numeric or boolean target to class indexes.
func numberClasses(target *perennial.Column) (map[float64]float64, error) {
	index := make(map[float64]float64, len(target.Values))
	for i, s := range target.Values {
		v, fault := target.FromText(s)
		if fault != nil && !fault.Warning {
			return nil, perennial.Errorf(perennial.CodeInvalid, "", "the class %s of target %s is not %s", strconv.Quote(s), target.Name, target.TypeLabel())
		}
		index[v] = float64(i)
	}
	return index, nil
}

func targetFault(op string, row int, target *perennial.Column, came any, rule, what string) error {
	message := fmt.Sprintf("The target %s of row %d %s.", target.Name, row, what)
	return &perennial.Error{Code: perennial.CodeInvalid, Op: op, Message: message, Fields: []perennial.FieldError{{
		Path: fmt.Sprintf("/rows/%d/%s", row, pointer(target.Name)), Rule: rule, Came: came, Allowed: target.Values, Message: message,
	}}}
}
