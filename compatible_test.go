package perennial_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
)

func TestRefuses(t *testing.T) {
	t.Parallel()
	base := func() *perennial.Schema {
		return &perennial.Schema{Columns: []perennial.Column{
			{Name: "age", Role: perennial.RoleFeature, Type: perennial.TypeInteger, Range: &[2]float64{0, 100}},
			{Name: "plan", Role: perennial.RoleFeature, Type: perennial.TypeCategorical, Values: []string{"a", "b"}},
			{Name: "since", Role: perennial.RoleFeature, Type: perennial.TypeDate},
			{Name: "note", Role: perennial.RoleFeature, Type: perennial.TypeNumeric, Nullable: true},
			{Name: "y", Role: perennial.RoleTarget, Type: perennial.TypeNumeric},
		}}
	}
	column := func(s *perennial.Schema, i int) *perennial.Column { return &s.Columns[i] }
	for name, test := range map[string]struct {
		change func(s *perennial.Schema)
		path   string
		rule   string
	}{
		"the same":       {func(*perennial.Schema) {}, "", ""},
		"wider range":    {func(s *perennial.Schema) { column(s, 0).Range = &[2]float64{-1, 101} }, "", ""},
		"narrower range": {func(s *perennial.Schema) { column(s, 0).Range = &[2]float64{0, 99} }, "/features/age", "range"},
		"narrower, a warning": {func(s *perennial.Schema) {
			s.Columns[0].Range, s.Columns[0].OutOfRange = &[2]float64{0, 9}, perennial.RangeWarn
		}, "", ""},
		"integer to numeric":     {func(s *perennial.Schema) { column(s, 0).Type = perennial.TypeNumeric }, "", ""},
		"numeric to integer":     {func(s *perennial.Schema) { column(s, 3).Type = perennial.TypeInteger }, "/features/note", "type"},
		"one more value":         {func(s *perennial.Schema) { column(s, 1).Values = []string{"c", "b", "a"} }, "", ""},
		"one value less":         {func(s *perennial.Schema) { column(s, 1).Values = []string{"a"} }, "/features/plan", "category"},
		"less, but others":       {func(s *perennial.Schema) { s.Columns[1].Values, s.Columns[1].Unknown = nil, perennial.UnknownOther }, "", ""},
		"another date format":    {func(s *perennial.Schema) { column(s, 2).Format = "%d.%m.%Y" }, "/features/since", "date"},
		"not null any more":      {func(s *perennial.Schema) { column(s, 3).Nullable = false }, "/features/note", "required"},
		"a new required column":  {func(s *perennial.Schema) { column(s, 4).Role = perennial.RoleFeature }, "/features/y", "required"},
		"a column less":          {func(s *perennial.Schema) { s.Columns = s.Columns[1:] }, "", ""},
		"no extra columns":       {func(s *perennial.Schema) { s.ExtraColumns = perennial.ExtraReject }, "/features", "extra"},
		"less, no extra columns": {func(s *perennial.Schema) { s.Columns, s.ExtraColumns = s.Columns[1:], perennial.ExtraReject }, "/features/age", "extra"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			next := base()
			test.change(next)
			got := next.Refuses(base())
			if test.path == "" {
				require.Empty(t, got)
				return
			}
			require.NotEmpty(t, got)
			require.Equal(t, test.path, got[0].Path)
			require.Equal(t, test.rule, got[0].Rule)
			require.NotEmpty(t, got[0].Message)
		})
	}
}
