package preprocess_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/models/preprocess"
)

// What auto makes of a column depends on what the algorithm takes.
func TestAutoSuitsTheAlgorithm(t *testing.T) {
	t.Parallel()
	features := []perennial.Column{
		{Name: "x", Role: perennial.RoleFeature, Type: perennial.TypeNumeric, Nullable: true},
		category("a", "b"),
		{Name: "member", Role: perennial.RoleFeature, Type: perennial.TypeBoolean, Nullable: true},
	}
	raw := []float64{1, 0, 1, nan, nan, nan, 3, 2, 1, 5, 1, 0}
	automatic := perennial.Preprocess{Numeric: perennial.NumericPrep{Impute: "auto", Scale: "auto"}, Categorical: perennial.CategoricalPrep{Impute: "auto", Encode: "auto"}}
	set := perennial.Preprocess{Numeric: perennial.NumericPrep{Impute: "mean", Scale: "min_max"}, Categorical: perennial.CategoricalPrep{Impute: "none", Encode: "ordinal"}}
	all := preprocess.Takes{Null: true, Categories: true, Unscaled: true}
	for _, c := range []struct {
		name       string
		prep       perennial.Preprocess
		takes      preprocess.Takes
		want       [4][]float64
		categories []int
	}{
		{"trees take all as it is", automatic, all, [4][]float64{{1, 0, 1}, {nan, nan, nan}, {3, 2, 1}, {5, 1, 0}}, []int{0, 3, 0}},
		{"silent is auto", perennial.Preprocess{}, all, [4][]float64{{1, 0, 1}, {nan, nan, nan}, {3, 2, 1}, {5, 1, 0}}, []int{0, 3, 0}},
		{"trees without null and categories", automatic, preprocess.Takes{Unscaled: true}, [4][]float64{{1, 1, 0, 0, 1}, {3, 1, 0, 0, 1}, {3, 0, 0, 1, 1}, {5, 0, 1, 0, 0}}, nil},
		{"null, but no categories", automatic, preprocess.Takes{Null: true, Unscaled: true}, [4][]float64{{1, 1, 0, 0, 1}, {nan, 1, 0, 0, nan}, {3, 0, 0, 1, 1}, {5, 0, 1, 0, 0}}, nil},
		{"what is set holds", set, all, [4][]float64{{0, 0, 1}, {0.5, 3, nan}, {0.5, 2, 1}, {1, 1, 0}}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			tr, _, err := preprocess.Fit(t.Context(), c.prep, c.takes, features, rowsOf(raw, 3))
			require.NoError(t, err)
			require.Equal(t, c.categories, tr.Categories())
			for r, want := range c.want {
				got := apply(tr, raw[3*r:3*r+3]...)
				require.Len(t, got, len(want))
				for i := range want {
					require.True(t, got[i] == want[i] || math.IsNaN(got[i]) && math.IsNaN(want[i]), "row %d: %v, not %v", r, got, want)
				}
			}
		})
	}
}

func TestAutoEncodesManyCategoriesByTheirTarget(t *testing.T) {
	t.Parallel()
	many := make([]string, 51)
	for i := range many {
		many[i] = string(rune('A' + i))
	}
	for _, c := range []struct {
		values, classes, width int
	}{{50, 0, 50}, {51, 0, 1}, {51, 3, 3}, {51, 51, 51}} {
		rows := rowsOf([]float64{0, 1, 2}, 1)
		rows.Classes = c.classes
		tr, _, err := preprocess.Fit(t.Context(), perennial.Preprocess{}, preprocess.Takes{}, []perennial.Column{category(many[:c.values]...)}, rows)
		require.NoError(t, err)
		require.Equal(t, c.width, tr.Width(), "%+v", c)
	}
}

// Model files from before there were other transforms than log1p say it by its
// floor alone.
func TestOlderStateReadsAsItWasWritten(t *testing.T) {
	t.Parallel()
	x := []perennial.Column{{Name: "x", Role: perennial.RoleFeature, Type: perennial.TypeNumeric}}
	tr, err := preprocess.Decode([]byte(`[{"name":"x","kind":"numeric","fill":2,"floor":0.5,"scale":[{"center":1,"divisor":2}]}]`), x)
	require.NoError(t, err)
	require.Equal(t, []float64{(math.Log1p(0.5) - 1) / 2}, apply(tr, -7))
	require.Equal(t, []float64{(math.Log1p(2) - 1) / 2}, apply(tr, nan))
}

func TestRefusesNamesTheSettingThatAnAlgorithmCannotTake(t *testing.T) {
	t.Parallel()
	schema := &perennial.Schema{Columns: mixed()}
	p := perennial.Preprocess{
		Numeric: perennial.NumericPrep{Impute: "none"}, Categorical: perennial.CategoricalPrep{Encode: "native", Impute: "none"},
		Boolean: perennial.BooleanPrep{Impute: "none", Drop: true}, Columns: []perennial.ColumnPrep{{Name: "since", Impute: "none"}},
	}
	for _, c := range []struct {
		takes preprocess.Takes
		want  []string
	}{
		{preprocess.Takes{Null: true, Categories: true}, nil},
		{preprocess.Takes{Null: true}, []string{"/preprocess/categorical/encode"}},
		{preprocess.Takes{Categories: true}, []string{"/preprocess/numeric/impute", "/preprocess/categorical/impute", "/preprocess/columns/since/impute"}},
		{preprocess.Takes{}, []string{"/preprocess/numeric/impute", "/preprocess/categorical/encode", "/preprocess/categorical/impute", "/preprocess/columns/since/impute"}},
	} {
		var got []string
		for _, f := range preprocess.Refuses(p, c.takes, "ridge", schema) {
			require.Contains(t, f.Message, "ridge can't take")
			got = append(got, f.Path)
		}
		require.Equal(t, c.want, got, "%+v", c.takes)
		require.Empty(t, preprocess.Refuses(perennial.Preprocess{}, c.takes, "ridge", schema), "auto suits every algorithm")
	}
}

func TestAConstantMustBeAValueThatTheSchemaLists(t *testing.T) {
	t.Parallel()
	plan, city := category("basic", "plus"), category()
	plan.Name, city.Name, city.MaxValues = "plan", "city", 200
	schema := &perennial.Schema{Columns: []perennial.Column{plan, city}}
	own := func(column string, value any) perennial.Preprocess {
		return perennial.Preprocess{Columns: []perennial.ColumnPrep{{Name: column, Impute: "constant", Value: value}}}
	}
	for name, c := range map[string]struct {
		p    perennial.Preprocess
		want string
	}{
		"listed":     {own("plan", "plus"), ""},
		"not listed": {own("plan", "gold"), `/preprocess/columns/plan/value: The value that replaces null in plan must be one of those that the schema lists, basic, plus; not "gold".`},
		"learned":    {own("city", "elsewhere"), ""},
		"of a type":  {perennial.Preprocess{Categorical: perennial.CategoricalPrep{Impute: "constant", Value: "gold"}}, `/preprocess/categorical/value: The value that replaces null in plan must be one of those that the schema lists, basic, plus; not "gold".`},
		"dropped":    {perennial.Preprocess{Categorical: perennial.CategoricalPrep{Impute: "constant", Value: "gold"}, Columns: []perennial.ColumnPrep{{Name: "plan", Drop: new(true)}}}, ""},
		"no text":    {own("plan", 3.0), "/preprocess/columns/plan/value: The value that replaces null in plan must be a text."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := ""
			for _, f := range preprocess.Check(c.p, schema) {
				got += f.Path + ": " + f.Message
			}
			require.Equal(t, c.want, got)
		})
	}
}

func TestADatePartSaysWhichThereAre(t *testing.T) {
	t.Parallel()
	since := perennial.Column{Name: "since", Role: perennial.RoleFeature, Type: perennial.TypeDate}
	for path, p := range map[string]perennial.Preprocess{
		"/preprocess/date/parts/1":          {Date: perennial.DatePrep{Parts: []string{"month", "moon"}}},
		"/preprocess/columns/since/parts/1": {Columns: []perennial.ColumnPrep{{Name: "since", Parts: []string{"month", "moon"}}}},
	} {
		faults := preprocess.Check(p, &perennial.Schema{Columns: []perennial.Column{since}})
		require.Len(t, faults, 1)
		require.Equal(t, path, faults[0].Path)
		require.Equal(t, `A date part can't be "moon"; it is one of year, month, day, weekday, hour, days.`, faults[0].Message)
	}
}
