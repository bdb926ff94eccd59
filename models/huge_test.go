package models_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/models"
)

// A fit on targets near the largest float64 ends in a model whose answers are
// finite, or in an error that says so: never in one of code internal, which would
// be tried again.
func TestTargetsTooLargeToAddUpAreTheDatasFault(t *testing.T) {
	t.Parallel()
	targets := map[string]func(i int) float64{
		"constant":     func(int) float64 { return 1.7e308 },
		"rising":       func(i int) float64 { return float64(i) * 1e306 },
		"both signs":   func(i int) float64 { return 1.7e308 * float64(1-i%2*2) },
		"one far off":  func(i int) float64 { return 1.7e308 * float64(i/99) },
		"their square": func(i int) float64 { return float64(i) * 1e200 },
	}
	for _, a := range models.Algorithms() {
		if a.Tasks[len(a.Tasks)-1] != perennial.Regression {
			continue
		}
		for name, target := range targets {
			for _, loss := range []string{"", "absolute_error"} {
				if loss != "" && a.Name != "gradient_boosting" {
					continue
				}
				t.Run(fmt.Sprint(a.Name, loss, ", ", name), func(t *testing.T) {
					t.Parallel()
					spec := models.Spec{Task: perennial.Regression, Algorithm: a.Name}
					if loss != "" {
						spec.Params = map[string]any{"loss": loss, "min_leaf": 1}
					}
					table := line(target)
					spec.Schema = table.Schema
					m, err := models.Fit(t.Context(), spec, table, all(table))
					if err != nil {
						require.Equal(t, perennial.CodeInvalid, perennial.CodeOf(err), "%v", err)
						return
					}
					b, err := m.Encode()
					require.NoError(t, err)
					m, err = models.Decode(b)
					require.NoError(t, err)
					p, err := m.PredictTable(table, all(table))
					require.NoError(t, err)
					for _, v := range p.Values {
						require.False(t, math.IsInf(v, 0) || math.IsNaN(v))
					}
				})
			}
		}
	}
}

// line is a table of 100 rows with one feature, 0 to 99.
func line(target func(i int) float64) *perennial.Table {
	t := &perennial.Table{Rows: 100, Columns: make([]perennial.Series, 2), Schema: perennial.Schema{Columns: []perennial.Column{
		{Name: "x", Role: perennial.RoleFeature, Type: perennial.TypeNumeric}, {Name: "y", Role: perennial.RoleTarget, Type: perennial.TypeNumeric},
	}}}
	for i := range t.Rows {
		t.Columns[0].Numbers = append(t.Columns[0].Numbers, float64(i))
		t.Columns[1].Numbers = append(t.Columns[1].Numbers, target(i))
	}
	return t
}
