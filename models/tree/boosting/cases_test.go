package boosting_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial/models/tree"
	"github.com/perennial-ml/perennial/models/tree/boosting"
)

func one(x, y []float64) *tree.Table {
	return &tree.Table{X: x, Y: y, Rows: len(y), Cols: len(x) / len(y)}
}

func answer(r *boosting.Result, x ...float64) float64 {
	out := make([]float64, r.Ensemble.Outputs)
	r.Ensemble.Predict(x, out)
	return out[len(out)-1]
}

var exactly = boosting.Settings{Trees: 1, LearningRate: 1, MinLeaf: 1}

func TestMissingValuesGoWhereTheyBelong(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		missing, low, high float64
	}{
		"with the low":  {1, 1, 5},
		"with the high": {5, 1, 5},
		"on their own":  {9, 2, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			table := one([]float64{nan, 1, 2, 3, 4, nan, 1, 2, 3, 4}, []float64{c.missing, c.low, c.low, c.high, c.high, c.missing, c.low, c.low, c.high, c.high})
			r := fit(t, table, exactly)
			require.InDelta(t, c.missing, answer(r, nan), 1e-6)
			require.InDelta(t, c.low, answer(r, 2), 1e-6)
			require.InDelta(t, c.high, answer(r, 2.6), 1e-6)
			require.InDelta(t, c.low, answer(r, -1e300), 1e-6)
			require.InDelta(t, c.high, answer(r, 1e300), 1e-6)
		})
	}
	t.Run("never seen: with the more rows", func(t *testing.T) {
		t.Parallel()
		r := fit(t, one([]float64{1, 2, 3, 4, 5}, []float64{0, 0, 7, 7, 7}), exactly)
		require.InDelta(t, 7, answer(r, nan), 1e-6)
		r = fit(t, one([]float64{1, 2, 3, 4, 5}, []float64{0, 0, 0, 7, 7}), exactly)
		require.InDelta(t, 0, answer(r, nan), 1e-6)
	})
}

func TestCategories(t *testing.T) {
	t.Parallel()
	table := func(categories, rows int, y func(code int) float64) *tree.Table {
		t := &tree.Table{Rows: rows, Cols: 1, Categories: []int{categories}}
		for i := range rows {
			code := i % categories
			if code == 0 {
				t.X = append(t.X, nan)
			} else {
				t.X = append(t.X, float64(code-1)) // the last code is never seen
			}
			t.Y = append(t.Y, y(code))
		}
		return t
	}
	odd := func(code int) float64 { return float64(code % 2) }
	few := fit(t, table(4, 40, odd), exactly)
	for code, want := range []float64{1, 0, 1} {
		require.InDelta(t, want, answer(few, float64(code)), 1e-6)
	}
	require.InDelta(t, 0, answer(few, nan), 1e-6)

	many := fit(t, table(100, 20000, odd), boosting.Settings{Trees: 60, LearningRate: 0.5})
	for code := range 99 {
		require.InDelta(t, float64((code+1)%2), answer(many, float64(code)), 0.02, "code %d", code)
	}
	require.InDelta(t, 0, answer(many, nan), 0.02)
	for _, unknown := range []float64{99, 5000} {
		require.InDelta(t, 0.5, answer(many, unknown), 0.6)
	}

	// Of 1000 categories 745 share a bin; the others are still told apart.
	t.Run("more categories than bins", func(t *testing.T) {
		t.Parallel()
		wide := &tree.Table{Rows: 30000, Cols: 1, Categories: []int{1000}}
		for i := range wide.Rows {
			code := i % 1000
			if i >= 10000 {
				code = i % 200
			}
			wide.X, wide.Y = append(wide.X, float64(code)), append(wide.Y, float64(code%2))
		}
		r := fit(t, wide, boosting.Settings{Trees: 60, LearningRate: 0.5})
		for code := range 200 {
			require.InDelta(t, float64(code%2), answer(r, float64(code)), 0.05)
		}
		require.InDelta(t, 0.5, answer(r, 998), 0.2)
		require.Equal(t, answer(r, 998), answer(r, 997))
	})
}

func TestSmallTables(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		table *tree.Table
		want  float64 // for row 0
	}{
		"two rows":          {one([]float64{1, 2}, []float64{3, 5}), 3},
		"one row":           {one([]float64{1}, []float64{3}), 3},
		"constant target":   {one([]float64{1, 2, 3, 4}, []float64{0.1, 0.1, 0.1, 0.1}), 0.1},
		"constant feature":  {one([]float64{1, 1, 1, 1}, []float64{1, 2, 3, 4}), 2.5},
		"nothing but null":  {one([]float64{nan, nan}, []float64{1, 2}), 1.5},
		"huge targets":      {one([]float64{1, 2, 3, 4}, []float64{1e150, -1e150, 1e150, 1e150}), 1e150},
		"tiny targets":      {one([]float64{1, 2, 3, 4}, []float64{1e-150, -1e-150, 1e-150, 1e-150}), 1e-150},
		"neighbours":        {one([]float64{1, math.Nextafter(1, 2), 1, math.Nextafter(1, 2)}, []float64{1, 2, 1, 2}), 1},
		"extreme features":  {one([]float64{-math.MaxFloat64, math.MaxFloat64, -math.MaxFloat64, math.MaxFloat64}, []float64{1, 2, 1, 2}), 1},
		"zeros of any sign": {one([]float64{0, math.Copysign(0, -1), 1, 1}, []float64{1, 3, 5, 5}), 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := fit(t, c.table, boosting.Settings{Trees: 3, LearningRate: 1, MinLeaf: 1})
			require.InEpsilon(t, c.want, answer(r, c.table.X[:c.table.Cols]...), 1e-6)
		})
	}
	t.Run("a class without rows", func(t *testing.T) {
		t.Parallel()
		table := one([]float64{1, 2, 3, 4}, []float64{0, 0, 2, 2})
		table.Classes = 3
		out := make([]float64, 3)
		fit(t, table, boosting.Settings{Trees: 50, MinLeaf: 1}).Ensemble.Predict([]float64{4}, out)
		require.Greater(t, out[2], 0.99)
		require.Less(t, out[1], 1e-4)
	})
	t.Run("a single class of two", func(t *testing.T) {
		t.Parallel()
		table := one([]float64{1, 2, 3, 4}, []float64{1, 1, 1, 1})
		table.Classes = 2
		require.Greater(t, answer(fit(t, table, boosting.Settings{MinLeaf: 1}), 1), 0.999)
	})
}

// A target with far outliers has too little room in one word.
func TestHeavyTails(t *testing.T) {
	t.Parallel()
	table := mixed(3000, 0, 8)
	table.Y[17] = 1e12
	r := fit(t, table, boosting.Settings{Loss: boosting.Squared, MinLeaf: 1, LearningRate: 1, Trees: 40})
	require.Less(t, loss(r.Ensemble, table, boosting.Squared), 1.0)
}
