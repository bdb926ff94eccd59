package activities

import (
	"bytes"
	"encoding/json"
	"math"
	"time"

	"github.com/perennial-ml/perennial"
)

// example writes one row of a table as the features of a predict request, in
// schema order; nulls are left out. A person copies it to try the model.
func example(t *perennial.Table, row int) ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, c := range t.Schema.Columns {
		if c.Role != perennial.RoleFeature {
			continue
		}
		v, ok := cell(&t.Columns[i], &c, row)
		if !ok {
			continue
		}
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		name, err := json.Marshal(c.Name)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(v)
		if err != nil {
			return nil, err
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// cell gives a value as a request would write it; ok is false for null.
func cell(s *perennial.Series, c *perennial.Column, row int) (v any, ok bool) {
	if s.Numbers == nil {
		text, ok := s.Text(row)
		return text, ok
	}
	n := s.Numbers[row]
	switch {
	case math.IsNaN(n):
		return nil, false
	case c.Type == perennial.TypeBoolean:
		return n != 0, true
	case c.Type == perennial.TypeDate:
		return time.Unix(int64(math.Round(n*86400)), 0).UTC().Format(c.DateLayout()), true
	default:
		return n, true
	}
}
