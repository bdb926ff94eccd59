package preprocess_test

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/models/preprocess"
)

var nan = math.NaN()

// reference is what testdata/reference.py writes.
type reference struct {
	Cases []struct {
		Name      string
		Type      perennial.ColumnType
		Values    []*float64
		Prep      perennial.ColumnPrep
		Want      [][]float64 // null, where we pass it on, reads as 0
		Tolerance float64
	}
	Targets []struct {
		Name              string
		Codes, Y          []float64
		Classes           int
		Smoothing         float64
		Seed              int64
		Serving, Training [][]float64
	}
}

func readReference(t *testing.T) reference {
	t.Helper()
	b, err := os.ReadFile("testdata/reference.json")
	require.NoError(t, err)
	var r reference
	require.NoError(t, json.Unmarshal(b, &r))
	require.NotEmpty(t, r.Cases)
	require.NotEmpty(t, r.Targets)
	return r
}

func TestMatchesScikitLearn(t *testing.T) {
	t.Parallel()
	for _, c := range readReference(t).Cases {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			feature := perennial.Column{Name: "x", Role: perennial.RoleFeature, Type: c.Type, Nullable: true}
			if c.Type == perennial.TypeCategorical {
				feature.Values = []string{"a", "b", "c"}
			}
			values := make([]float64, len(c.Values))
			for i, v := range c.Values {
				values[i] = nan
				if v != nil {
					values[i] = *v
				}
			}
			c.Prep.Name = "x"
			tr := fit(t, perennial.Preprocess{Columns: []perennial.ColumnPrep{c.Prep}}, []perennial.Column{feature}, values)
			out := make([]float64, tr.Width())
			for i, want := range c.Want {
				tr.Transform(values[i:i+1], out)
				require.Len(t, want, len(out))
				for j := range want {
					if math.IsNaN(values[i]) && c.Prep.Impute == "none" && c.Type == perennial.TypeNumeric {
						require.True(t, math.IsNaN(out[j]))
						continue
					}
					require.InDelta(t, want[j], out[j], c.Tolerance, "row %d", i)
				}
			}
		})
	}
}

func TestTargetEncodingMatchesScikitLearn(t *testing.T) {
	t.Parallel()
	for _, c := range readReference(t).Targets {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			p := perennial.Preprocess{Numeric: perennial.NumericPrep{Scale: "none"}, Categorical: perennial.CategoricalPrep{Encode: "target", Smoothing: c.Smoothing}}
			rows := rowsOf(c.Codes, 1)
			rows.Y, rows.Classes, rows.Seed = c.Y, c.Classes, c.Seed
			tr, x, err := preprocess.Fit(t.Context(), p, preprocess.Takes{}, []perennial.Column{category("a", "b", "c", "d")}, rows)
			require.NoError(t, err)
			for i, want := range c.Training {
				require.InDeltaSlice(t, want, x[i*tr.Width():(i+1)*tr.Width()], 1e-12, "training row %d", i)
			}
			for i, want := range c.Serving {
				require.InDeltaSlice(t, want, apply(tr, float64(i)), 1e-12, "category %d", i)
			}
		})
	}
}

// rowsOf reads training rows from a matrix.
func rowsOf(raw []float64, features int) preprocess.Rows {
	n := len(raw) / features
	rows := preprocess.Rows{N: n, Y: make([]float64, n), IDs: make([]int, n), Read: func(feature, from int, out []float64) {
		for i := range out {
			out[i] = raw[(from+i)*features+feature]
		}
	}}
	for i := range rows.IDs {
		rows.IDs[i] = i
	}
	return rows
}

func fit(t *testing.T, p perennial.Preprocess, features []perennial.Column, raw []float64) *preprocess.Transformer {
	t.Helper()
	tr, _, err := preprocess.Fit(t.Context(), p, preprocess.Takes{}, features, rowsOf(raw, len(features)))
	require.NoError(t, err)
	return tr
}

func category(values ...string) perennial.Column {
	return perennial.Column{Name: "plan", Role: perennial.RoleFeature, Type: perennial.TypeCategorical, Values: values, Nullable: true}
}

func apply(tr *preprocess.Transformer, raw ...float64) []float64 {
	out := make([]float64, tr.Width())
	tr.Transform(raw, out)
	return out
}

func TestCategories(t *testing.T) {
	t.Parallel()
	own := perennial.Preprocess{Categorical: perennial.CategoricalPrep{Impute: "none"}}
	ordinal := perennial.Preprocess{Categorical: perennial.CategoricalPrep{Impute: "none", Encode: "ordinal"}}
	type row struct {
		in   float64
		want []float64
	}
	for _, c := range []struct {
		name  string
		prep  perennial.Preprocess
		train []float64
		names []string
		rows  []row
	}{
		{"seen others and nulls have columns of their own", own, []float64{0, 1, 2, nan}, []string{"plan=a", "plan=b", "plan=<other>", "plan=<null>"},
			[]row{{0, []float64{1, 0, 0, 0}}, {2, []float64{0, 0, 1, 0}}, {nan, []float64{0, 0, 0, 1}}, {99, []float64{0, 0, 1, 0}}, {-1, []float64{0, 0, 1, 0}}}},
		{"unseen others and nulls are all zero", own, []float64{0, 1}, []string{"plan=a", "plan=b"},
			[]row{{1, []float64{0, 1}}, {2, []float64{0, 0}}, {nan, []float64{0, 0}}}},
		{"null becomes the most frequent", perennial.Preprocess{}, []float64{0, 1, 1, nan}, []string{"plan=a", "plan=b"},
			[]row{{nan, []float64{0, 1}}}},
		{"null without any value is all zero", perennial.Preprocess{}, []float64{nan, nan}, []string{"plan=a", "plan=b"},
			[]row{{nan, []float64{0, 0}}, {0, []float64{1, 0}}}},
		{"others are never the most frequent", perennial.Preprocess{}, []float64{2, 2, 2, 0, nan}, []string{"plan=a", "plan=b", "plan=<other>"},
			[]row{{nan, []float64{1, 0, 0}}}},
		{"ordinal", ordinal, []float64{0, 1, 2, nan}, []string{"plan"},
			[]row{{1, []float64{1}}, {2, []float64{2}}, {nan, []float64{3}}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			tr := fit(t, c.prep, []perennial.Column{category("a", "b")}, c.train)
			require.Equal(t, c.names, tr.Names())
			for _, r := range c.rows {
				require.Equal(t, r.want, apply(tr, r.in), "of %g", r.in)
			}
		})
	}
}

func TestNumbersAtTheEdge(t *testing.T) {
	t.Parallel()
	x := []perennial.Column{{Name: "x", Role: perennial.RoleFeature, Type: perennial.TypeNumeric, Nullable: true}}
	raw := perennial.NumericPrep{Scale: "none"}
	t.Run("without any value null is 0", func(t *testing.T) {
		t.Parallel()
		require.Equal(t, []float64{0}, apply(fit(t, perennial.Preprocess{}, x, []float64{nan, nan}), nan))
	})
	t.Run("impute none passes null on and says so", func(t *testing.T) {
		t.Parallel()
		tr := fit(t, perennial.Preprocess{Numeric: perennial.NumericPrep{Impute: "none"}}, x, []float64{1, nan, 3})
		require.Equal(t, []string{"x"}, tr.PassesNull())
		require.True(t, math.IsNaN(apply(tr, nan)[0]))
		require.Equal(t, []float64{-1}, apply(tr, 1))
	})
	t.Run("log1p takes what is below the data as its smallest value", func(t *testing.T) {
		t.Parallel()
		tr := fit(t, perennial.Preprocess{Numeric: raw, Columns: []perennial.ColumnPrep{{Name: "x", Transform: "log1p"}}}, x, []float64{0.5, 3})
		require.Equal(t, []float64{math.Log1p(0.5)}, apply(tr, -7))
	})
	t.Run("log1p of -1 is refused", func(t *testing.T) {
		t.Parallel()
		_, _, err := preprocess.Fit(t.Context(), perennial.Preprocess{Columns: []perennial.ColumnPrep{{Name: "x", Transform: "log1p"}}}, preprocess.Takes{}, x, rowsOf([]float64{-1, 3}, 1))
		require.Equal(t, perennial.CodeInvalid, perennial.CodeOf(err))
	})
	t.Run("statistics that overflow are refused", func(t *testing.T) {
		t.Parallel()
		for _, p := range []perennial.NumericPrep{{Impute: "mean", Scale: "none"}, {}, {Scale: "min_max"}} {
			_, _, err := preprocess.Fit(t.Context(), perennial.Preprocess{Numeric: p}, preprocess.Takes{}, x, rowsOf([]float64{1.5e308, -1.5e308, 1.5e308, 1.5e308}, 1))
			require.Equal(t, perennial.CodeInvalid, perennial.CodeOf(err), "%+v", p)
		}
	})
	t.Run("a cancelled fit stops", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, _, err := preprocess.Fit(ctx, perennial.Preprocess{}, preprocess.Takes{}, x, rowsOf([]float64{1}, 1))
		require.ErrorIs(t, err, context.Canceled)
	})
}

func TestBooleansAndDates(t *testing.T) {
	t.Parallel()
	features := []perennial.Column{
		{Name: "member", Role: perennial.RoleFeature, Type: perennial.TypeBoolean, Nullable: true},
		{Name: "since", Role: perennial.RoleFeature, Type: perennial.TypeDate, Nullable: true},
	}
	p := perennial.Preprocess{Numeric: perennial.NumericPrep{Scale: "none"}, Date: perennial.DatePrep{Parts: []string{"year", "weekday", "hour"}}}
	tr := fit(t, p, features, []float64{1, 0, 1, 0.5, 0, 20000})
	require.Equal(t, []string{"member", "since.year", "since.weekday", "since.hour"}, tr.Names())
	require.Equal(t, []float64{0, 1970, 3, 0}, apply(tr, 0, 0))
	require.Equal(t, []float64{1, 1970, 3, 12}, apply(tr, nan, nan), "the most frequent, and the median moment")
}

func TestCheck(t *testing.T) {
	t.Parallel()
	schema := &perennial.Schema{Columns: []perennial.Column{
		{Name: "plan", Role: perennial.RoleFeature, Type: perennial.TypeCategorical},
		{Name: "income", Role: perennial.RoleFeature, Type: perennial.TypeNumeric},
		{Name: "since", Role: perennial.RoleFeature, Type: perennial.TypeDate},
		{Name: "member", Role: perennial.RoleFeature, Type: perennial.TypeBoolean},
		{Name: "price", Role: perennial.RoleTarget, Type: perennial.TypeNumeric},
	}}
	column := func(c perennial.ColumnPrep) perennial.Preprocess {
		return perennial.Preprocess{Columns: []perennial.ColumnPrep{c}}
	}
	for _, c := range []struct {
		name string
		prep perennial.Preprocess
		want []string // path and rule
	}{
		{"sound", perennial.Preprocess{
			Numeric:     perennial.NumericPrep{Impute: "median", Scale: "standard"},
			Categorical: perennial.CategoricalPrep{Impute: "most_frequent", Encode: "one_hot"},
			Date:        perennial.DatePrep{Parts: []string{"month", "weekday"}},
			Columns:     []perennial.ColumnPrep{{Name: "income", Transform: "log1p", Clip: &[2]float64{0.001, 0.999}}},
		}, nil},
		{"every setting", perennial.Preprocess{
			Numeric:     perennial.NumericPrep{Impute: "constant", Value: new(-1.0), Indicator: true, Clip: &[2]float64{0, 0.9}, Transform: "yeo_johnson", Scale: "robust"},
			Categorical: perennial.CategoricalPrep{Impute: "constant", Value: "missing", Encode: "target", Smoothing: 20},
			Boolean:     perennial.BooleanPrep{Impute: "constant", Value: new(false)},
			Date:        perennial.DatePrep{Impute: "constant", Value: "2020-02-02", Parts: []string{"days"}, Scale: "min_max"},
			Columns:     []perennial.ColumnPrep{{Name: "plan", Encode: "target", Smoothing: new(5.0), Scale: "none", Indicator: new(true)}, {Name: "since", Drop: new(true)}, {Name: "income", Value: 7.0}},
		}, nil},
		{"by type", perennial.Preprocess{
			Numeric: perennial.NumericPrep{Impute: "knn", Scale: "robst", Transform: "exp", Clip: &[2]float64{1, 0}}, Boolean: perennial.BooleanPrep{Impute: "mean"},
			Categorical: perennial.CategoricalPrep{Impute: "mean", Encode: "hash", Smoothing: -1}, Date: perennial.DatePrep{Impute: "mode", Scale: "log", Parts: []string{"week"}},
		}, []string{
			"/preprocess/numeric/impute choice", "/preprocess/numeric/transform choice", "/preprocess/numeric/scale choice", "/preprocess/numeric/clip range",
			"/preprocess/categorical/impute choice", "/preprocess/categorical/encode choice", "/preprocess/categorical/smoothing range", "/preprocess/boolean/impute choice",
			"/preprocess/date/impute choice", "/preprocess/date/scale choice", "/preprocess/date/parts/0 choice",
		}},
		{"constants without a value", perennial.Preprocess{
			Numeric: perennial.NumericPrep{Impute: "constant"}, Categorical: perennial.CategoricalPrep{Impute: "constant"}, Boolean: perennial.BooleanPrep{Impute: "constant"},
			Date: perennial.DatePrep{Impute: "constant"}, Columns: []perennial.ColumnPrep{{Name: "income", Impute: "constant"}},
		}, []string{
			"/preprocess/numeric/value required", "/preprocess/categorical/value required", "/preprocess/boolean/value required", "/preprocess/date/value required",
			"/preprocess/columns/income/value required",
		}},
		{"values without constant", perennial.Preprocess{
			Numeric: perennial.NumericPrep{Value: new(1.0)}, Date: perennial.DatePrep{Impute: "mean", Value: "2020-01-01"}, Columns: []perennial.ColumnPrep{{Name: "plan", Value: "a"}},
		}, []string{"/preprocess/numeric/value applies", "/preprocess/date/value applies", "/preprocess/columns/plan/value applies"}},
		{"values of another type", perennial.Preprocess{
			Date: perennial.DatePrep{Impute: "constant", Value: "yesterday"}, Columns: []perennial.ColumnPrep{
				{Name: "income", Impute: "constant", Value: "1"}, {Name: "plan", Impute: "constant", Value: 1.0}, {Name: "member", Impute: "constant", Value: "yes"},
			},
		}, []string{
			"/preprocess/columns/plan/value type", "/preprocess/columns/income/value type", "/preprocess/date/value type", "/preprocess/columns/member/value type",
		}},
		{"nothing is left", perennial.Preprocess{
			Numeric: perennial.NumericPrep{Drop: true}, Categorical: perennial.CategoricalPrep{Drop: true}, Boolean: perennial.BooleanPrep{Drop: true}, Date: perennial.DatePrep{Drop: true},
		}, []string{"/preprocess required"}},
		{"one is kept", perennial.Preprocess{
			Numeric: perennial.NumericPrep{Drop: true}, Categorical: perennial.CategoricalPrep{Drop: true}, Boolean: perennial.BooleanPrep{Drop: true}, Date: perennial.DatePrep{Drop: true},
			Columns: []perennial.ColumnPrep{{Name: "since", Drop: new(false)}},
		}, nil},
		{"no such feature", column(perennial.ColumnPrep{Name: "price"}), []string{"/preprocess/columns/price unknown"}},
		{"twice", perennial.Preprocess{Columns: []perennial.ColumnPrep{{Name: "income"}, {Name: "income"}}}, []string{"/preprocess/columns/income duplicate"}},
		{"a number's settings on a category", column(perennial.ColumnPrep{Name: "plan", Scale: "standard", Transform: "log1p", Clip: &[2]float64{0, 1}, Parts: []string{"day"}, Impute: "mean"}), // one_hot isn't scaled
			[]string{"/preprocess/columns/plan/impute choice", "/preprocess/columns/plan/scale applies", "/preprocess/columns/plan/transform applies", "/preprocess/columns/plan/parts applies", "/preprocess/columns/plan/clip applies"}},
		{"a category's settings on a number", column(perennial.ColumnPrep{Name: "income", Encode: "one_hot", Smoothing: new(1.0)}), []string{"/preprocess/columns/income/encode applies", "/preprocess/columns/income/smoothing applies"}},
		{"clip upside down", column(perennial.ColumnPrep{Name: "income", Clip: &[2]float64{0.9, 0.1}}), []string{"/preprocess/columns/income/clip range"}},
		{"clip NaN", column(perennial.ColumnPrep{Name: "income", Clip: &[2]float64{nan, 1}}), []string{"/preprocess/columns/income/clip range"}},
		{"a part twice", column(perennial.ColumnPrep{Name: "since", Parts: []string{"day", "day"}}), []string{"/preprocess/columns/since/parts/1 duplicate"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, f := range preprocess.Check(c.prep, schema) {
				require.NotEmpty(t, f.Message)
				got = append(got, f.Path+" "+f.Rule)
			}
			require.Equal(t, c.want, got)
		})
	}
}

//nolint:paralleltest // allocations are counted in the whole process
func TestTransformDoesNotAllocate(t *testing.T) {
	features := []perennial.Column{category("a", "b"), {Name: "since", Role: perennial.RoleFeature, Type: perennial.TypeDate}}
	tr := fit(t, perennial.Preprocess{}, features, []float64{0, 10, 1, 20})
	out, row := make([]float64, tr.Width()), []float64{0, 15.5}
	require.Zero(t, testing.AllocsPerRun(100, func() { tr.Transform(row, out) }))
}

// Files from before Ignore have an entry for each feature that was dropped.
func TestADroppedColumnOfAnOlderFileHasNoOutput(t *testing.T) {
	t.Parallel()
	tr, err := preprocess.Decode([]byte(`[{"name":"x","kind":"numeric"},{"name":"plan","kind":"ordinal","values":2},{"name":"since","kind":"dropped"},{"name":"member","kind":"boolean"}]`), mixed())
	require.NoError(t, err)
	require.Equal(t, []string{"x", "plan", "member"}, tr.Names())
	require.Equal(t, []float64{2.5, 1, 1}, apply(tr, 2.5, 1, 9, 1))
}
