package imported_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/models/imported"
)

// reference by its name.
func named(t *testing.T, name string) *reference {
	t.Helper()
	all := references(t)
	i := slices.IndexFunc(all, func(r reference) bool { return r.Name == name })
	require.GreaterOrEqual(t, i, 0, name)
	return &all[i]
}

func TestTheSchemaMustFit(t *testing.T) {
	t.Parallel()
	drop := func(s *perennial.Schema, i int) { s.Columns = slices.Delete(s.Columns, i, i+1) }
	for name, c := range map[string]struct {
		model string
		edit  func(s *perennial.Schema)
		path  string
		says  string
	}{
		"a feature is missing": {"lightgbm regression", func(s *perennial.Schema) { drop(s, 1) }, "/columns/height_of_it", "The model's feature height_of_it is no feature of the schema."},
		"a feature too many": {"lightgbm regression", func(s *perennial.Schema) {
			s.Columns[3].Role = perennial.RoleFeature
			s.Columns = append(s.Columns, perennial.Column{Name: "z", Role: perennial.RoleTarget, Type: perennial.TypeNumeric})
		}, "/columns/y/role", "y is a feature of the schema, and the model doesn't know it."},
		"another name":           {"xgboost regression", func(s *perennial.Schema) { s.Columns[0].Name = "breadth" }, "/columns/width", "The model's feature width"},
		"a date":                 {"xgboost regression", func(s *perennial.Schema) { s.Columns[0].Type = perennial.TypeDate }, "/columns/width/type", "is a date"},
		"a category as a number": {"xgboost categories", func(s *perennial.Schema) { s.Columns[3].Type = perennial.TypeNumeric }, "/columns/colour/type", "is categorical"},
		"a number as a category": {"xgboost regression", func(s *perennial.Schema) { s.Columns[0].Type = perennial.TypeCategorical }, "/columns/width/type", "as a number"},
		"a value too many":       {"xgboost categories", func(s *perennial.Schema) { s.Columns[3].Values = append(s.Columns[3].Values, "pink") }, "/columns/colour/values", "knows 6 values"},
		"an unknown value":       {"lightgbm categories", func(s *perennial.Schema) { s.Columns[3].Values[2] = "pink" }, "/columns/colour/values", `doesn't know the value "pink"`},
		"values to list":         {"xgboost_1.7.6 categories", func(s *perennial.Schema) { s.Columns[3].Values = nil }, "/columns/colour/values", "list them under values"},
		"unused categories":      {"lightgbm unused_category", func(s *perennial.Schema) { s.Columns[5].Type, s.Columns[5].Values = perennial.TypeNumeric, nil }, "/columns", "trained on 3 categorical columns"},
		"no target":              {"lightgbm regression", func(s *perennial.Schema) { drop(s, 3) }, "/columns", "No column has the role target."},
		"a class for a number":   {"lightgbm regression", func(s *perennial.Schema) { s.Columns[3].Type = perennial.TypeBoolean }, "/columns/y/type", "predicts a number"},
		"a number for a class":   {"lightgbm multiclass", func(s *perennial.Schema) { s.Columns[3].Type, s.Columns[3].Values = perennial.TypeNumeric, nil }, "/columns/y/type", "predicts one of 3 classes"},
		"classes to name":        {"lightgbm multiclass", func(s *perennial.Schema) { s.Columns[3].Values = nil }, "/columns/y/values", "names of the model's 3 classes"},
		"two classes of three":   {"xgboost softprob", func(s *perennial.Schema) { s.Columns[3].Values = []string{"a", "b"} }, "/columns/y/values", "has 2 classes, and the model 3"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := named(t, c.model)
			s := r.schema()
			c.edit(s)
			_, err := r.model(t).Bind(s)
			message, hint, fields := perennial.Explain(err)
			require.Equal(t, perennial.CodeInvalid, perennial.CodeOf(err), message)
			require.NotEmpty(t, fields)
			require.Equal(t, c.path, fields[0].Path)
			require.Contains(t, fields[0].Message, c.says)
			require.Contains(t, hint, "width")
		})
	}
}

func TestWhatTheFileKnowsIsFilledIn(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"lightgbm categories", "xgboost categories"} {
		r := named(t, name)
		s := r.schema()
		s.Columns[3].Values, s.Columns[4].Values = nil, nil
		b, err := r.model(t).Bind(s)
		require.NoError(t, err)
		require.Equal(t, []string{"blue", "green", "red", "violet", "white", "yellow"}, b.Schema.Columns[3].Values)
		require.Equal(t, []string{"10", "20", "30"}, b.Schema.Columns[4].Values)
		require.Nil(t, s.Columns[3].Values, "the caller's schema stays as it is")
	}
	r := named(t, "lightgbm multiclass")
	s := r.schema()
	s.Columns[3].Type, s.Columns[3].Values = perennial.TypeInteger, nil
	b, err := r.model(t).Bind(s)
	require.NoError(t, err)
	require.Equal(t, []string{"0", "1", "2"}, b.Schema.Columns[3].Values)
}

// TestOrderOfColumnsAndValues answers the same whatever order the schema has
// them in.
func TestOrderOfColumnsAndValues(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"lightgbm categories", "xgboost categories"} {
		r := named(t, name)
		s, m := r.schema(), r.model(t)
		straight, err := m.Bind(s)
		require.NoError(t, err)
		turned := r.schema()
		slices.Reverse(turned.Columns)
		for i := range turned.Columns {
			turned.Columns[i].Values = slices.Clone(turned.Columns[i].Values)
			slices.Reverse(turned.Columns[i].Values)
		}
		reversed, err := m.Bind(turned)
		require.NoError(t, err)
		want, got := make([]float64, 1), make([]float64, 1)
		for _, cells := range r.Rows {
			straight.Trees.Predict(encode(t, straight.Schema.Features(), cells), want)
			slices.Reverse(cells)
			reversed.Trees.Predict(encode(t, reversed.Schema.Features(), cells), got)
			require.Equal(t, want, got)
		}
	}
}

// TestAnUnlistedCategoryIsMissing, as in pandas.
func TestAnUnlistedCategoryIsMissing(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"lightgbm categories", "xgboost categories", "xgboost_2.1.4 categories"} {
		r := named(t, name)
		b, err := r.model(t).Bind(r.schema())
		require.NoError(t, err)
		want, got := make([]float64, b.Trees.Outputs), make([]float64, b.Trees.Outputs)
		for _, cells := range r.Rows {
			row := encode(t, b.Schema.Features(), cells)
			row[3] = nan
			b.Trees.Predict(row, want)
			row[3] = float64(len(b.Schema.Columns[3].Values))
			b.Trees.Predict(row, got)
			require.Equal(t, want, got)
		}
	}
}

func TestModelsWithoutNamesGoByPlace(t *testing.T) {
	t.Parallel()
	m, err := imported.Parse([]byte(stump("0.5")))
	require.NoError(t, err)
	require.False(t, m.Named)
	s := one(perennial.Column{Type: perennial.TypeNumeric})
	_, err = m.Bind(s)
	require.NoError(t, err)
	s.Columns = append(s.Columns, perennial.Column{Name: "z", Role: perennial.RoleFeature, Type: perennial.TypeNumeric})
	_, err = m.Bind(s)
	require.ErrorContains(t, err, "2 features and the model 1")
}

// integers is a LightGBM file as one from a table without names, whose category
// codes are the numbers themselves.
func TestCodesThatAreNumbers(t *testing.T) {
	t.Parallel()
	text := strings.Replace(string(file(t, "lightgbm_categories.txt")), "pandas_categorical:[[", "pandas_categorical:null\n#[[", 1)
	m, err := imported.Parse([]byte(text))
	require.NoError(t, err)
	r := named(t, "lightgbm categories")
	s := r.schema()
	s.Columns[3].Type, s.Columns[3].Values = perennial.TypeInteger, nil
	s.Columns[4].Values = []string{"2", "0", "1"}
	b, err := m.Bind(s)
	require.NoError(t, err)
	want, err := r.model(t).Bind(r.schema())
	require.NoError(t, err)
	place := map[float64]float64{0: 1, 1: 2, 2: 0} // of a code among 2, 0, 1
	x, y := make([]float64, 1), make([]float64, 1)
	for _, cells := range r.Rows {
		row := encode(t, want.Schema.Features(), cells)
		want.Trees.Predict(row, x)
		row[4] = place[row[4]]
		b.Trees.Predict(row, y)
		require.Equal(t, x, y)
	}
	s.Columns[4].Values = []string{"small"}
	_, err = m.Bind(s)
	require.ErrorContains(t, err, `doesn't know the value "small"`)
	require.ErrorContains(t, err, "List those numbers as values")
}
