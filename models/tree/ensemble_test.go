package tree_test

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/models/tree"
)

var nan = math.NaN()

// shapes are the kinds of ensembles that the property tests draw.
var shapes = []struct {
	outputs, scores int
	combine         tree.Combine
}{{1, 1, tree.Mean}, {3, 3, tree.Mean}, {1, 1, tree.Sum}, {2, 2, tree.Sum}, {2, 1, tree.SumLogistic}, {3, 3, tree.SumSoftmax},
	{1, 1, tree.SumExp}, {2, 2, tree.SumLogistics},
	{1, 1, tree.Sum | tree.Single}, {2, 1, tree.SumLogistic | tree.Single}, {3, 3, tree.SumSoftmax | tree.Single}, {1, 1, tree.SumExp | tree.Single},
}

// numbers are the feature values and thresholds, few, so that they meet.
var numbers = []float64{math.Inf(-1), -2, -1, -0.5, math.Copysign(0, -1), 0, 1, 1.5, 2, 3, 63, 64, 65, 130, 1e300, math.Inf(1)}

func pick[T any](rng *rand.Rand, from []T) T { return from[rng.IntN(len(from))] }

// ensemble draws an ensemble of few features, with categories in the last ones
// and up to so many leaves per tree.
func ensemble(t *rapid.T, most int) *tree.Ensemble {
	s := rapid.SampledFrom(shapes).Draw(t, "shape")
	features, categorical := rapid.IntRange(1, 9).Draw(t, "features"), rapid.IntRange(0, 3).Draw(t, "categorical")
	trees, leaves := rapid.IntRange(1, 20).Draw(t, "trees"), rapid.IntRange(1, most).Draw(t, "leaves")
	rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0)) //nolint:gosec // the same numbers every time
	var base []float64
	if s.combine != tree.Mean && rng.IntN(2) == 0 {
		for range s.scores {
			base = append(base, rng.NormFloat64())
		}
	}
	b := tree.NewBuilder(features, s.outputs, s.scores, s.combine, base)
	for range trees {
		score, values := -1, s.scores
		if s.combine != tree.Mean && rng.IntN(2) == 0 {
			score, values = rng.IntN(s.scores), 1
		}
		open := []int32{b.Tree(score)}
		for range rng.IntN(leaves) {
			i := rng.IntN(len(open))
			split := tree.Split{Feature: rng.IntN(features), NaNRight: rng.IntN(2) == 0}
			if split.Feature >= features-categorical && rng.IntN(5) > 0 {
				split.Set = make([]uint64, rng.IntN(4))
				for w := range split.Set {
					split.Set[w] = pick(rng, []uint64{rng.Uint64(), 0, 1, 1 << 63, math.MaxUint64})
				}
			} else {
				split.Threshold = pick(rng, numbers)
			}
			left, right := b.Split(open[i], split)
			open = append(slices.Delete(open, i, i+1), left, right)
		}
		for _, at := range open {
			v := make([]float64, values)
			for k := range v {
				v[k] = pick(rng, []float64{-1, -0.25, 0, 0.1, 0.2, 7})
			}
			b.Leaf(at, v...)
		}
	}
	e, err := b.Ensemble()
	require.NoError(t, err)
	return e
}

// rows draws rows for an ensemble, missing values among them.
func rows(t *rapid.T, e *tree.Ensemble, n int) []float64 {
	return rapid.SliceOfN(rapid.OneOf(rapid.SampledFrom(append(numbers, nan, 31.5, 7)), rapid.Float64Range(-3, 140)), n*e.Features, n*e.Features).Draw(t, "rows")
}

func TestCompiledGivesTheBitsOfTheReference(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		e := ensemble(t, 120)
		c := tree.Compile(e)
		n := rapid.IntRange(0, 11).Draw(t, "n")
		x := rows(t, e, n)
		batch := make([]float64, n*e.Outputs)
		c.PredictBatch(x, batch, n)
		for i := range n {
			want, got := make([]float64, e.Outputs), make([]float64, e.Outputs)
			e.Predict(x[i*e.Features:(i+1)*e.Features], want)
			c.Predict(x[i*e.Features:(i+1)*e.Features], got)
			require.Equal(t, bits(want), bits(got))
			require.Equal(t, bits(want), bits(batch[i*e.Outputs:(i+1)*e.Outputs]))
		}
	})
}

func bits(values []float64) []uint64 {
	out := make([]uint64, len(values))
	for i, v := range values {
		out[i] = math.Float64bits(v)
	}
	return out
}

func TestEncodedIsLossless(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		e := ensemble(t, 12)
		b, err := e.Encode()
		require.NoError(t, err)
		decoded, err := tree.Decode(b, e.Features, e.Outputs)
		require.NoError(t, err)
		require.Equal(t, e, decoded)
		again, err := decoded.Encode()
		require.NoError(t, err)
		require.Equal(t, b, again)
		cut := rapid.IntRange(0, len(b)-1).Draw(t, "cut")
		_, err = tree.Decode(b[:cut], e.Features, e.Outputs)
		require.Equal(t, perennial.CodeMalformed, perennial.CodeOf(err))
		_, err = tree.Decode(b, e.Features+1, e.Outputs)
		require.Equal(t, perennial.CodeMalformed, perennial.CodeOf(err))
		_, err = tree.Decode(append(b, 0), e.Features, e.Outputs)
		require.Equal(t, perennial.CodeMalformed, perennial.CodeOf(err))
	})
}

// one builds a single regression tree of one split.
func one(s tree.Split) *tree.Builder {
	b := tree.NewBuilder(2, 1, 1, tree.Sum, []float64{10})
	left, right := b.Split(b.Tree(0), s)
	b.Leaf(left, 1)
	b.Leaf(right, 2)
	return b
}

func TestWhereASplitSendsARow(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		split       tree.Split
		left, right []float64
	}{
		"numeric":            {tree.Split{Threshold: 1.5}, []float64{1.5, -3, math.Inf(-1), nan}, []float64{math.Nextafter(1.5, 2), math.Inf(1)}},
		"numeric, NaN right": {tree.Split{Threshold: 0, NaNRight: true}, []float64{0, math.Copysign(0, -1), -3}, []float64{5e-324, nan}},
		"below infinity":     {tree.Split{Threshold: math.Inf(1), NaNRight: true}, []float64{math.Inf(1), 0}, []float64{nan}},
		"categories":         {tree.Split{Set: []uint64{1 << 3, 2}}, []float64{3, 65, nan, 3.9}, []float64{0, 2, 4, 64, 128, 1e300, -1, math.Inf(1), math.Inf(-1)}},
		"categories, code 0": {tree.Split{Set: []uint64{1}, NaNRight: true}, []float64{0, -0.5, 0.5}, []float64{1, -1, nan}},
		"no category":        {tree.Split{Set: []uint64{}}, []float64{nan}, []float64{0, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, err := one(c.split).Ensemble()
			require.NoError(t, err)
			out := make([]float64, 1)
			for want, values := range map[float64][]float64{11: c.left, 12: c.right} {
				for _, v := range values {
					e.Predict([]float64{v, nan}, out)
					require.Equal(t, want, out[0], "%g", v)
				}
			}
			s, ok := e.Split(0)
			require.True(t, ok)
			require.Equal(t, c.split, s)
			_, ok = e.Split(1)
			require.False(t, ok)
		})
	}
}

func TestCombine(t *testing.T) {
	t.Parallel()
	build := func(outputs, scores int, c tree.Combine, base []float64, trees ...[]float64) []float64 {
		b := tree.NewBuilder(1, outputs, scores, c, base)
		for i, values := range trees {
			score := -1
			if len(values) < scores {
				score = i % scores
			}
			b.Leaf(b.Tree(score), values...)
		}
		e, err := b.Ensemble()
		require.NoError(t, err)
		out := make([]float64, outputs)
		e.Predict([]float64{0}, out)
		return out
	}
	require.Equal(t, []float64{2, 3}, build(2, 2, tree.Mean, nil, []float64{1, 2}, []float64{3, 4}))
	require.Equal(t, []float64{0.5, 7}, build(2, 2, tree.Sum, []float64{0.25, 3}, []float64{0.25}, []float64{4}))
	require.InDeltaSlice(t, []float64{1 / (1 + math.Exp(1.5)), 1 / (1 + math.Exp(-1.5))}, build(2, 1, tree.SumLogistic, []float64{0.5}, []float64{1}), 1e-15)
	require.InDeltaSlice(t, []float64{1, math.Exp(-750)}, build(2, 1, tree.SumLogistic, nil, []float64{-750}), 0)
	z := 1 + math.E + math.E*math.E
	require.InDeltaSlice(t, []float64{1 / z, math.E / z, math.E * math.E / z}, build(3, 3, tree.SumSoftmax, []float64{1000, 1000, 1000}, []float64{0, 1, 2}), 1e-15)
	require.Equal(t, []float64{4}, build(1, 1, tree.Sum, []float64{4}), "no tree")
}

func TestBuilderTellsFaults(t *testing.T) {
	t.Parallel()
	sum := func(f func(b *tree.Builder, root int32)) *tree.Builder {
		b := tree.NewBuilder(2, 2, 2, tree.Sum, nil)
		f(b, b.Tree(-1))
		return b
	}
	for name, b := range map[string]*tree.Builder{
		"open node":              sum(func(b *tree.Builder, root int32) { b.Split(root, tree.Split{}) }),
		"open root":              sum(func(*tree.Builder, int32) {}),
		"leaf of one value":      sum(func(b *tree.Builder, root int32) { b.Leaf(root, 1) }),
		"leaf twice":             sum(func(b *tree.Builder, root int32) { b.Leaf(root, 1, 2); b.Leaf(root, 1, 2) }),
		"node outside":           sum(func(b *tree.Builder, _ int32) { b.Leaf(7, 1, 2) }),
		"feature outside":        sum(func(b *tree.Builder, root int32) { b.Split(root, tree.Split{Feature: 2}) }),
		"threshold NaN":          sum(func(b *tree.Builder, root int32) { b.Split(root, tree.Split{Threshold: nan}) }),
		"value NaN":              sum(func(b *tree.Builder, root int32) { b.Leaf(root, 1, nan) }),
		"score outside":          sum(func(b *tree.Builder, root int32) { b.Leaf(root, 1, 2); b.Leaf(b.Tree(2), 1) }),
		"no tree to average":     tree.NewBuilder(1, 1, 1, tree.Mean, nil),
		"base of another length": tree.NewBuilder(1, 1, 1, tree.Sum, []float64{1, 2}),
		"base of a mean":         tree.NewBuilder(1, 1, 1, tree.Mean, []float64{1}),
		"scores and outputs":     tree.NewBuilder(1, 2, 1, tree.SumSoftmax, nil),
		"no features":            tree.NewBuilder(0, 1, 1, tree.Sum, nil),
		"no scores":              tree.NewBuilder(1, -1, -1, tree.Sum, nil),
		"no such combination":    tree.NewBuilder(1, 1, 1, 9, nil),
		"a float32 mean":         tree.NewBuilder(1, 1, 1, tree.Mean|tree.Single, nil),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := b.Ensemble()
			require.Equal(t, perennial.CodeInternal, perennial.CodeOf(err))
		})
	}
}

// form1 is a model's trees as version 1 wrote them: one root, then nodes and
// values.
func form1(root int32, nodes []tree.Node, values ...float64) []byte {
	var b []byte
	for _, n := range []int{1, 2, 1, 1, len(nodes), len(values)} {
		b = binary.LittleEndian.AppendUint32(b, uint32(n))
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(root))
	for _, n := range nodes {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(n.Threshold))
		b = binary.LittleEndian.AppendUint32(b, uint32(n.Feature))
		b = binary.LittleEndian.AppendUint32(b, uint32(n.Child))
	}
	for _, v := range values {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
	}
	return b
}

func TestVersion1IsRead(t *testing.T) {
	t.Parallel()
	left, right := tree.Node{Feature: -1}, tree.Node{Feature: -1, Child: 1}
	e, err := tree.Decode(form1(0, []tree.Node{{Threshold: 1, Feature: 1, Child: 1}, left, right}, 3, 4), 2, 1)
	require.NoError(t, err)
	out := make([]float64, 1)
	for x, want := range map[float64]float64{0: 3, 1: 3, 1.5: 4} {
		e.Predict([]float64{9, x}, out)
		require.Equal(t, want, out[0])
	}
	for name, b := range map[string][]byte{
		"child before its parent": form1(0, []tree.Node{{Child: 0}, left, right}, 3, 4),
		"child outside":           form1(0, []tree.Node{{Child: 2}, left, right}, 3, 4),
		"child far outside":       form1(0, []tree.Node{{Child: math.MaxInt32}, left, right}, 3, 4),
		"two parents":             form1(0, []tree.Node{{Child: 1}, {Child: 2}, {Child: 3}, {Child: 4}, left, right}, 3, 4),
		"feature outside":         form1(0, []tree.Node{{Feature: 2, Child: 1}, left, right}, 3, 4),
		"feature below -1":        form1(0, []tree.Node{{Feature: -2, Child: 1}, left, right}, 3, 4),
		"leaf outside":            form1(0, []tree.Node{{Feature: -1, Child: 2}}, 3, 4),
		"leaf negative":           form1(0, []tree.Node{{Feature: -1, Child: -1}}, 3, 4),
		"root outside":            form1(3, []tree.Node{left}, 3),
		"value not finite":        form1(0, []tree.Node{left}, math.Inf(1)),
		"threshold NaN":           form1(0, []tree.Node{{Threshold: nan, Child: 1}, left, right}, 3, 4),
		"cut":                     form1(0, []tree.Node{left}, 3)[:30],
		"nothing":                 nil,
		"version 3":               {3, 0, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := tree.Decode(b, 2, 1)
			require.Equal(t, perennial.CodeMalformed, perennial.CodeOf(err))
		})
	}
}

func FuzzDecode(f *testing.F) {
	e, err := one(tree.Split{Feature: 1, Threshold: 3, NaNRight: true}).Ensemble()
	require.NoError(f, err)
	b, err := e.Encode()
	require.NoError(f, err)
	f.Add(b)
	e, err = one(tree.Split{Set: []uint64{3, 9}}).Ensemble()
	require.NoError(f, err)
	b, err = e.Encode()
	require.NoError(f, err)
	f.Add(b)
	f.Add(form1(0, []tree.Node{{Threshold: 1, Feature: 1, Child: 1}, {Feature: -1}, {Feature: -1, Child: 1}}, 3, 4))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := tree.Decode(b, 2, 1)
		if err != nil {
			return
		}
		require.LessOrEqual(t, len(e.Nodes)+len(e.Values)+len(e.Sets)+len(e.Trees), 2*len(b))
		c, want, got := tree.Compile(e), make([]float64, 1), make([]float64, 1)
		for _, x := range [][]float64{{1, 2}, {70, nan}, {nan, math.Inf(1)}} {
			e.Predict(x, want)
			c.Predict(x, got)
			require.Equal(t, bits(want), bits(got))
		}
		again, err := e.Encode()
		require.NoError(t, err)
		decoded, err := tree.Decode(again, 2, 1)
		require.NoError(t, err)
		require.Equal(t, e, decoded)
	})
}
