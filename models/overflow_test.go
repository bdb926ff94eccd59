package models_test

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/models"
)

// twoNumbers is a regression of two features from 0 to 11, the second of which
// has most of its values at the upper end, and one null.
func twoNumbers(t *testing.T) *perennial.Table {
	t.Helper()
	const rows = 12
	out := &perennial.Table{Rows: rows, Schema: perennial.Schema{Columns: []perennial.Column{
		{Name: "a", Role: perennial.RoleFeature, Type: perennial.TypeNumeric},
		{Name: "b", Role: perennial.RoleFeature, Type: perennial.TypeNumeric, Nullable: true},
		{Name: "y", Role: perennial.RoleTarget, Type: perennial.TypeNumeric},
	}}, Columns: make([]perennial.Series, 3)}
	for i := range rows {
		b := 11 * math.Pow(float64(i*5%rows)/11, 0.25)
		out.Columns[0].Numbers = append(out.Columns[0].Numbers, float64(i))
		out.Columns[1].Numbers = append(out.Columns[1].Numbers, b)
		out.Columns[2].Numbers = append(out.Columns[2].Numbers, 1000*float64(i)+1000*b)
	}
	out.Columns[1].Numbers[1] = nan
	return out
}

func TestOverflowsNamesTheValuesThatAModelCantTake(t *testing.T) {
	t.Parallel()
	table := twoNumbers(t)
	plain := models.Spec{Task: perennial.Regression, Algorithm: "linear_regression"}
	power := plain
	power.Preprocess.Columns = []perennial.ColumnPrep{{Name: "b", Transform: "yeo_johnson"}}
	trees := models.Spec{Task: perennial.Regression, Algorithm: "gradient_boosting", Params: map[string]any{"trees": 3, "min_leaf": 1}}
	type named struct {
		feature int
		absurd  bool
	}
	for name, c := range map[string]struct {
		spec models.Spec
		row  []float64
		want []named // none: the answer is finite
	}{
		"one value":                       {plain, []float64{1e308, 3}, []named{{0, true}}},
		"the other":                       {plain, []float64{3, -1e308}, []named{{1, true}}},
		"both":                            {plain, []float64{1e308, 1e308}, []named{{0, true}, {1, true}}},
		"one beside an outlier":           {plain, []float64{1e308, 500}, []named{{0, true}}},
		"one beside a null":               {plain, []float64{1e308, nan}, []named{{0, true}}},
		"large, and taken":                {plain, []float64{1e12, 3}, nil},
		"only together":                   {plain, []float64{1.2e305, 1.2e305}, []named{{0, true}, {1, true}}},
		"a transform":                     {power, []float64{3, 1e308}, []named{{1, true}}},
		"trees take every number":         {trees, []float64{1e308, -1e308}, nil},
		"infinite (as no request can be)": {plain, []float64{math.Inf(1), 3}, []named{{0, true}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := fit(t, c.spec, table, all(table))
			s := m.NewScratch()
			value, _ := m.Predict(c.row, s)
			require.Equal(t, c.want != nil, math.IsNaN(value) || math.IsInf(value, 0), fmt.Sprint(value))
			var got []named
			for _, o := range m.Overflows(c.row, s) {
				got = append(got, named{o.Feature, o.Absurd})
				require.Equal(t, []float64{0, 11}, []float64{o.Low, o.High})
			}
			require.Equal(t, c.want, got)
		})
	}
}

func TestAModelThatFailsOnWhatItWasTrainedOnIsAtFault(t *testing.T) {
	t.Parallel()
	table := twoNumbers(t)
	m := fit(t, models.Spec{Task: perennial.Regression, Algorithm: "linear_regression"}, table, all(table))
	require.Empty(t, m.Overflows([]float64{3, 3}, m.NewScratch()), "nothing is outside of what it saw")
}

func TestAModelFromElsewhereIsAtFaultItself(t *testing.T) {
	t.Parallel()
	f := foreigners(t)["lightgbm regression"]
	b, err := os.ReadFile(filepath.Join("imported/testdata", f.File))
	require.NoError(t, err)
	large := regexp.MustCompile(`(?m)^leaf_value=.*$`).ReplaceAllFunc(b, func(line []byte) []byte {
		return regexp.MustCompile(`-?\d\S*`).ReplaceAll(line, []byte("1e308"))
	})
	m, _, err := models.Import(t.Context(), large, f.schema())
	require.NoError(t, err)
	row, s := []float64{-9, 3, 4}, m.NewScratch()
	value, _ := m.Predict(row, s)
	require.True(t, math.IsInf(value, 1))
	require.Empty(t, m.Overflows(row, s), "no value is too large to be compared")
}
