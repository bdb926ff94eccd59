package preprocess_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/models/preprocess"
)

// mixed is a schema with a feature of each type.
func mixed() []perennial.Column {
	return []perennial.Column{
		{Name: "x", Role: perennial.RoleFeature, Type: perennial.TypeNumeric, Nullable: true},
		category("a", "b"),
		{Name: "since", Role: perennial.RoleFeature, Type: perennial.TypeDate, Nullable: true},
		{Name: "member", Role: perennial.RoleFeature, Type: perennial.TypeBoolean, Nullable: true},
	}
}

// anyPreparation draws settings that hold for mixed, but for those of target
// encoding.
func anyPreparation(t *rapid.T) perennial.Preprocess {
	word := func(name string, words ...string) string { return rapid.SampledFrom(words).Draw(t, name) }
	flag := func(name string) bool { return rapid.Bool().Draw(t, name) }
	p := perennial.Preprocess{
		Numeric: perennial.NumericPrep{
			Impute: word("numeric", "", "auto", "mean", "median", "most_frequent", "none", "constant"), Indicator: flag("numeric indicator"),
			Transform: word("transform", "", "none", "log1p", "log", "sqrt", "yeo_johnson", "box_cox"), Scale: word("scale", "", "auto", "standard", "robust", "min_max", "none"),
		},
		Categorical: perennial.CategoricalPrep{
			Impute: word("categorical", "", "auto", "most_frequent", "none"), Indicator: flag("categorical indicator"),
			Encode: word("encode", "", "auto", "one_hot", "ordinal", "frequency", "native"),
		},
		Boolean: perennial.BooleanPrep{Impute: word("boolean", "", "auto", "most_frequent", "none")},
		Date:    perennial.DatePrep{Impute: word("date", "", "auto", "mean", "none"), Parts: []string{"year", "weekday", "days"}, Scale: word("date scale", "", "robust", "none")},
	}
	if p.Numeric.Impute == "constant" {
		p.Numeric.Value = new(3.5)
	}
	if flag("clip") {
		p.Numeric.Clip = &[2]float64{0.1, 0.9}
	}
	if flag("override") {
		p.Columns = []perennial.ColumnPrep{{Name: "plan", Encode: "frequency", Scale: "standard", Indicator: new(true)}}
	}
	return p
}

// anyRows draws rows of mixed, all numbers above 0.
func anyRows(t *rapid.T) []float64 {
	var raw []float64
	for range rapid.IntRange(1, 20).Draw(t, "rows") {
		row := []float64{
			rapid.Float64Range(1e-6, 1e6).Draw(t, "x"), float64(rapid.IntRange(0, 2).Draw(t, "plan")),
			rapid.Float64Range(0, 30000).Draw(t, "since"), float64(rapid.IntRange(0, 1).Draw(t, "member")),
		}
		if rapid.Bool().Draw(t, "null") {
			row[rapid.IntRange(0, 3).Draw(t, "where")] = nan
		}
		raw = append(raw, row...)
	}
	return raw
}

// The rows that come out of Fit, those of Transform and those of a decoded
// Transformer are the same bits, whatever is set.
func TestTrainingAndServingAgreeToTheBit(t *testing.T) {
	t.Parallel()
	features := mixed()
	rapid.Check(t, func(rt *rapid.T) {
		p, raw := anyPreparation(rt), anyRows(rt)
		takes := preprocess.Takes{Null: rapid.Bool().Draw(rt, "null"), Categories: rapid.Bool().Draw(rt, "categories"), Unscaled: rapid.Bool().Draw(rt, "unscaled")}
		tr, x, err := preprocess.Fit(t.Context(), p, takes, features, rowsOf(raw, len(features)))
		require.NoError(t, err)
		b, err := tr.Encode()
		require.NoError(t, err)
		again, err := preprocess.Decode(b, features)
		require.NoError(t, err)
		c, err := again.Encode()
		require.NoError(t, err)
		require.Equal(t, b, c)
		require.Equal(t, tr.Names(), again.Names())
		require.Len(t, tr.Names(), tr.Width())
		require.Equal(t, tr.Categories(), again.Categories())
		require.Len(t, x, len(raw)/len(features)*tr.Width())
		for i := range len(raw) / len(features) {
			row, want := raw[i*len(features):(i+1)*len(features)], x[i*tr.Width():(i+1)*tr.Width()]
			equalBits(t, want, apply(tr, row...))
			equalBits(t, want, apply(again, row...))
		}
		_, err = preprocess.Decode(b, features[:2])
		require.Equal(t, perennial.CodeMalformed, perennial.CodeOf(err))
	})
}

func equalBits(t *testing.T, want, got []float64) {
	t.Helper()
	require.Len(t, got, len(want))
	for i := range want {
		if math.Float64bits(want[i]) != math.Float64bits(got[i]) && !(math.IsNaN(want[i]) && math.IsNaN(got[i])) {
			require.Failf(t, "other bits", "output %d is %v, not %v", i, got[i], want[i])
		}
	}
}

// A training row's target doesn't reach its own encoding: changed, it changes
// the encodings of other rows only.
func TestATargetIsNotInItsOwnEncoding(t *testing.T) {
	t.Parallel()
	features := []perennial.Column{category("a", "b", "c")}
	p := perennial.Preprocess{Numeric: perennial.NumericPrep{Scale: "none"}, Categorical: perennial.CategoricalPrep{Encode: "target", Smoothing: 2}}
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(8, 40).Draw(rt, "rows")
		raw := make([]float64, n)
		for i := range raw {
			raw[i] = float64(rapid.IntRange(0, 3).Draw(rt, "code"))
		}
		rows := rowsOf(raw, 1)
		for i := range rows.Y {
			rows.Y[i] = rapid.Float64Range(-10, 10).Draw(rt, "y")
		}
		_, before, err := preprocess.Fit(t.Context(), p, preprocess.Takes{}, features, rows)
		require.NoError(t, err)
		changed := rapid.IntRange(0, n-1).Draw(rt, "changed")
		rows.Y[changed] += 1000
		_, after, err := preprocess.Fit(t.Context(), p, preprocess.Takes{}, features, rows)
		require.NoError(t, err)
		require.Equal(t, before[changed], after[changed])
		require.NotEqual(t, before, after)
	})
}

func FuzzDecode(f *testing.F) {
	features := mixed()
	raw := []float64{1, 0, 19000, 1, nan, 2, nan, nan, 3, 1, 20000, 0}
	for _, p := range []perennial.Preprocess{
		{},
		{Numeric: perennial.NumericPrep{Transform: "box_cox", Indicator: true}, Categorical: perennial.CategoricalPrep{Encode: "frequency"}},
		{Numeric: perennial.NumericPrep{Transform: "yeo_johnson"}, Categorical: perennial.CategoricalPrep{Encode: "target"}},
		{Numeric: perennial.NumericPrep{Transform: "log1p"}, Categorical: perennial.CategoricalPrep{Encode: "native", Impute: "none"}},
	} {
		rows := rowsOf(raw, len(features))
		rows.Classes = 3
		tr, _, err := preprocess.Fit(f.Context(), p, preprocess.Takes{}, features, rows)
		require.NoError(f, err)
		b, err := tr.Encode()
		require.NoError(f, err)
		f.Add(b)
	}
	f.Add([]byte(`[{"name":"x","kind":"numeric","floor":0.5},{"name":"plan","kind":"ordinal","values":2},{"name":"since","kind":"dropped"},{"name":"member","kind":"boolean"}]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		tr, err := preprocess.Decode(b, features)
		if err != nil {
			require.Equal(t, perennial.CodeMalformed, perennial.CodeOf(err))
			return
		}
		require.LessOrEqual(t, tr.Width(), 8+len(b))
		require.Len(t, tr.Names(), tr.Width())
		for i := range 3 {
			apply(tr, raw[4*i:4*i+4]...)
		}
		apply(tr, -1e300, 1e18, 1e300, 7)
	})
}
