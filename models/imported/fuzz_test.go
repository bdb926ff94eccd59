package imported_test

import (
	"math"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/models/imported"
)

var nan = math.NaN()

// FuzzParse: no file makes it panic, run for ever or take more memory than a
// multiple of its size; what is parsed can be bound and answers.
func FuzzParse(f *testing.F) {
	for _, name := range []string{
		"lightgbm_categories.txt", "lightgbm_zero_as_missing.txt", "lightgbm_multiclass.txt", "lightgbm_unused_category.txt",
		"xgboost_categories.json", "xgboost_dart.json", "xgboost_stopped.json", "xgboost_regression_ubjson.ubj", "xgboost_1.7.6_categories.json",
	} {
		f.Add(file(f, name))
	}
	f.Add([]byte(stump("0.5")))
	f.Add([]byte("{U\x01a[$i#L\x00\x00\x00\x00\x00\x00\x00\x01\x01}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		m, err := imported.Parse(b)
		runtime.ReadMemStats(&after)
		const spare, times = 64 << 20, 2000
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(spare+times*len(b)))
		if err != nil {
			require.NotEqual(t, perennial.CodeInternal, perennial.CodeOf(err), "%v", err)
			return
		}
		bound, err := m.Bind(fitting(m))
		if err != nil {
			require.NotEqual(t, perennial.CodeInternal, perennial.CodeOf(err), "%v", err)
			return
		}
		x, out := make([]float64, bound.Trees.Features), make([]float64, bound.Trees.Outputs)
		bound.Trees.Predict(x, out)
		for i := range x {
			x[i] = nan
		}
		bound.Trees.Predict(x, out)
	})
}

// fitting is a schema for whatever features a model has.
func fitting(m *imported.Model) *perennial.Schema {
	s := &perennial.Schema{}
	for _, f := range m.Features {
		c := perennial.Column{Name: f.Name, Role: perennial.RoleFeature, Type: perennial.TypeNumeric}
		if f.Categorical {
			c.Type = perennial.TypeInteger
		}
		if f.Categories != nil {
			c.Type = perennial.TypeCategorical
		}
		s.Columns = append(s.Columns, c)
	}
	target := perennial.Column{Name: "\x00target", Role: perennial.RoleTarget, Type: perennial.TypeInteger}
	s.Columns = append(s.Columns, target)
	return s
}
