package tree_test

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial/models/tree"
	"github.com/perennial-ml/perennial/models/tree/boosting"
)

// waves makes a regression of the size of California Housing, and of no more
// distinct values than its thresholds.
func waves(rows int) tree.Table {
	rng := rand.New(rand.NewPCG(9, 9)) //nolint:gosec // the same numbers every time
	t := tree.Table{Rows: rows, Cols: 8}
	for range rows {
		y := rng.NormFloat64() / 2
		for c := range t.Cols {
			v := rng.NormFloat64()
			t.X = append(t.X, v)
			y += v * float64(c%3)
			if c > 0 && v > 0 {
				y -= t.X[len(t.X)-2]
			}
		}
		t.Y = append(t.Y, y)
	}
	return t
}

func boosted(tb testing.TB, rows, trees int) *tree.Ensemble {
	tb.Helper()
	t := waves(rows)
	r, err := boosting.Fit(tb.Context(), &t, boosting.Settings{Trees: trees, LearningRate: 0.05})
	require.NoError(tb, err)
	return r.Ensemble
}

func deep(tb testing.TB, rows, trees int) *tree.Ensemble {
	tb.Helper()
	e, err := tree.FitForest(tb.Context(), waves(rows), tree.ForestSettings{Trees: trees, Threads: 2})
	require.NoError(tb, err)
	return e.Ensemble
}

//nolint:paralleltest // allocations are counted in the whole process
func TestCompiledDoesNotAllocate(t *testing.T) {
	for name, e := range map[string]*tree.Ensemble{"tables": boosted(t, 500, 20), "packed": deep(t, 500, 20)} {
		c, x, out := tree.Compile(e), make([]float64, 8), make([]float64, 1)
		require.Zero(t, testing.AllocsPerRun(100, func() { c.Predict(x, out) }), name)
	}
}

// BenchmarkCompiled predicts by 1000 boosted trees of 31 leaves and by 100
// trees of full depth, fitted on 16,512 rows of 8 features.
func BenchmarkCompiled(b *testing.B) {
	ask := waves(2000)
	for name, e := range map[string]*tree.Ensemble{"boosted": boosted(b, 16512, 1000), "forest": deep(b, 16512, 100)} {
		c, out := tree.Compile(e), make([]float64, 1000)
		b.Run(name+"/1", func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				at := i % ask.Rows * 8
				c.Predict(ask.X[at:at+8], out[:1])
			}
		})
		b.Run(name+"/1000", func(b *testing.B) {
			for b.Loop() {
				c.PredictBatch(ask.X[:8000], out, 1000)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/row")
		})
		b.Run(name+"/compile", func(b *testing.B) {
			for b.Loop() {
				tree.Compile(e)
			}
			b.ReportMetric(float64(len(e.Nodes)), "nodes")
		})
	}
}
