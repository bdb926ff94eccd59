package tree_test

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	randomforest "github.com/malaschitz/randomForest"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/models/tree"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// blobs makes classes that a forest can mostly tell apart.
func blobs(rows, cols, classes int) tree.Data {
	rng := rand.New(rand.NewPCG(3, 4)) //nolint:gosec // the same numbers every time
	d := tree.Data{X: make([]float64, rows*cols), Y: make([]float64, rows), Rows: rows, Cols: cols, Classes: classes}
	for i := range rows {
		d.Y[i] = float64(rng.IntN(classes))
		for j := range cols {
			d.X[i*cols+j] = rng.NormFloat64() + d.Y[i]*float64(j%3)
		}
	}
	return d
}

func TestVotesEqualTheLibrarys(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name                         string
		rows, cols, classes          int
		depth, leaf, features, trees int
	}{
		{"defaults", 400, 5, 3, 0, 0, 0, 30},
		{"deep, single rows", 300, 4, 4, 40, 1, 4, 15},
		{"one level", 100, 3, 2, 1, 0, 0, 5},
		{"constant features, so leaves without rows", 100, 1, 2, 12, 1, 1, 20},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := blobs(c.rows, c.cols, c.classes)
			if c.cols == 1 {
				for i := range d.X {
					d.X[i] = 1
				}
			}
			forest := randomforest.Forest{MaxDepth: c.depth, LeafSize: c.leaf, MFeatures: c.features}
			for i := range d.Rows {
				forest.Data.X = append(forest.Data.X, d.X[i*d.Cols:(i+1)*d.Cols])
				forest.Data.Class = append(forest.Data.Class, int(d.Y[i]))
			}
			forest.Train(c.trees)
			e, err := tree.Flatten(forest.Trees, d.Cols, d.Classes)
			require.NoError(t, err)
			b, err := e.Encode()
			require.NoError(t, err)
			decoded, err := tree.Decode(b, d.Cols, d.Classes)
			require.NoError(t, err)
			require.Equal(t, e, decoded)
			out := make([]float64, d.Classes)
			for i := range d.Rows {
				x := append([]float64(nil), forest.Data.X[i]...)
				x[0] -= float64(i % 3) // also rows that no tree has seen
				decoded.Predict(x, out)
				require.Equal(t, forest.Vote(x), out)
			}
		})
	}
}

func TestForestLearns(t *testing.T) {
	t.Parallel()
	d := blobs(500, 6, 3)
	e, err := tree.FitMalaschitz(t.Context(), d, tree.MalaschitzSettings{Trees: 25, Threads: 3})
	require.NoError(t, err)
	require.Len(t, e.Trees, 25)
	right, out := 0, make([]float64, 3)
	for i := range d.Rows {
		e.Predict(d.X[i*d.Cols:(i+1)*d.Cols], out)
		if y := int(d.Y[i]); out[y] >= max(out[0], out[1], out[2]) {
			right++
		}
	}
	require.Greater(t, right, 425)
}

func TestClassesMissingInAFold(t *testing.T) {
	t.Parallel()
	d := blobs(60, 3, 3)
	d.Classes = 6 // 3, 4 and 5 have no rows, and neither has 1 below
	for i := range d.Y {
		if d.Y[i] == 1 {
			d.Y[i] = 2
		}
	}
	e, err := tree.FitMalaschitz(t.Context(), d, tree.MalaschitzSettings{Trees: 4, MaxFeatures: 99, LeafSize: 1})
	require.NoError(t, err)
	out := make([]float64, 6)
	e.Predict(d.X[:3], out)
	require.InDelta(t, 1, out[0]+out[2], 1e-12)
	require.Equal(t, []float64{0, 0, 0, 0}, []float64{out[1], out[3], out[4], out[5]})
}

func TestFitRefuses(t *testing.T) {
	t.Parallel()
	good := blobs(10, 2, 2)
	for name, c := range map[string]struct {
		change func(d *tree.Data, s *tree.MalaschitzSettings)
		code   perennial.Code
	}{
		"a class out of range":  {func(d *tree.Data, _ *tree.MalaschitzSettings) { d.Y = append([]float64{2}, d.Y[1:]...) }, perennial.CodeInvalid},
		"a class of NaN":        {func(d *tree.Data, _ *tree.MalaschitzSettings) { d.Y = append([]float64{math.NaN()}, d.Y[1:]...) }, perennial.CodeInvalid},
		"no columns":            {func(d *tree.Data, _ *tree.MalaschitzSettings) { d.X, d.Cols = nil, 0 }, perennial.CodeInternal},
		"too much for one tree": {func(d *tree.Data, s *tree.MalaschitzSettings) { *d = blobs(200_001, 1, 2) }, perennial.CodeTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, s := good, tree.MalaschitzSettings{}
			c.change(&d, &s)
			_, err := tree.FitMalaschitz(t.Context(), d, s)
			require.Equal(t, c.code, perennial.CodeOf(err))
		})
	}
}

func TestFitStopsWhenCancelled(t *testing.T) {
	t.Parallel()
	d := blobs(2000, 8, 3)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := tree.FitMalaschitz(ctx, d, tree.MalaschitzSettings{Trees: 10000, Threads: 2})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Less(t, time.Since(start), 10*time.Second, "on an idle machine it is well below 2 s")
}
