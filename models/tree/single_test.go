package tree_test

import (
	"encoding/json"
	"math"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial/models/tree"
)

// constant answers with an ensemble of one leaf per score and no split.
func constant(t *testing.T, outputs int, c tree.Combine, base []float64, leaves ...float64) []float64 {
	t.Helper()
	b := tree.NewBuilder(1, outputs, len(base), c, base)
	for k, v := range leaves {
		b.Leaf(b.Tree(k%len(base)), v)
	}
	e, err := b.Ensemble()
	require.NoError(t, err)
	out := make([]float64, outputs)
	e.Predict([]float64{0}, out)
	return out
}

func TestExponentialInFloat32IsThatOfTheLibrary(t *testing.T) {
	t.Parallel()
	file, err := os.ReadFile("testdata/single.json")
	require.NoError(t, err)
	var want struct {
		Expf [][2]float64 `json:"expf"`
	}
	require.NoError(t, json.Unmarshal(file, &want))
	require.Greater(t, len(want.Expf), 100)
	for _, pair := range want.Expf {
		y := constant(t, 1, tree.SumExp|tree.Single, []float64{pair[0]})[0]
		if pair[1] == 1e300 {
			require.True(t, math.IsInf(y, 1), "%g", pair[0])
			continue
		}
		require.Equal(t, pair[1], y, "%g", pair[0])
	}
}

func TestLinks(t *testing.T) {
	t.Parallel()
	half, tenth := float64(float32(0.5)), float64(float32(0.1))
	single := func(v float64) float64 { return float64(float32(v)) }
	for name, c := range map[string]struct {
		want, got []float64
	}{
		"exponential":        {[]float64{math.Exp(0.6), math.Exp(-3)}, constant(t, 2, tree.SumExp, []float64{0.1, 0}, 0.5, -3)},
		"logistic of each":   {[]float64{1 / (1 + math.Exp(-0.6)), 1 / (1 + math.Exp(3))}, constant(t, 2, tree.SumLogistics, []float64{0.1, 0}, 0.5, -3)},
		"far below":          {[]float64{0}, constant(t, 1, tree.SumLogistics, []float64{-800})},
		"float32 sum":        {[]float64{single(single(half+tenth) + tenth)}, constant(t, 1, tree.Sum|tree.Single, []float64{half}, tenth, tenth)},
		"float32 order":      {[]float64{1}, constant(t, 1, tree.Sum|tree.Single, []float64{1}, 0x1p-25, 0x1p-25, 0x1p-25)},
		"float32 logistic":   {[]float64{single(1 - single(1/(1+math.Exp(-0.5)))), single(1 / (1 + math.Exp(-0.5)))}, constant(t, 2, tree.SumLogistic|tree.Single, []float64{0.5})},
		"float32 far below":  {[]float64{single(1 / float64(float32(math.Exp(float64(float32(88.7))))))}, constant(t, 1, tree.SumLogistics|tree.Single, []float64{-800})},
		"float32 softmax":    {[]float64{0.5, 0.5}, constant(t, 2, tree.SumSoftmax|tree.Single, []float64{1000, 1000})},
		"float32 of neither": {[]float64{0.25, 4}, constant(t, 2, tree.Sum|tree.Single, []float64{0.25, 4})},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.InDeltaSlice(t, c.want, c.got, 1e-15)
		})
	}
}
