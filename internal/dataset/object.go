package dataset

import (
	"math"
	"time"

	"github.com/perennial-ml/perennial"
)

// Object gives the features of a row as a request would send them: numbers,
// booleans, and texts for categories and dates; nil for null. Target, id and
// ignored columns are left out.
func Object(t *perennial.Table, row int) map[string]any {
	out := make(map[string]any, len(t.Columns))
	for i := range t.Schema.Columns {
		if c := &t.Schema.Columns[i]; c.Role == perennial.RoleFeature {
			out[c.Name] = value(c, &t.Columns[i], row)
		}
	}
	return out
}

func value(c *perennial.Column, s *perennial.Series, row int) any {
	if s.Numbers == nil {
		if text, ok := s.Text(row); ok {
			return text
		}
		return nil
	}
	v := s.Numbers[row]
	switch {
	case math.IsNaN(v):
		return nil
	case c.Type == perennial.TypeBoolean:
		return v != 0
	case c.Type == perennial.TypeDate:
		return time.Unix(int64(math.Round(v*86400)), 0).UTC().Format(c.DateLayout())
	}
	return v
}
