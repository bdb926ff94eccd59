package tree_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/models/tree"
	"github.com/perennial-ml/perennial/stats"
)

// mixed makes a table with missing values, categories and repeated numbers.
func mixed(rows, classes int) tree.Table {
	rng := rand.New(rand.NewPCG(5, uint64(rows))) //nolint:gosec // the same numbers every time
	t := tree.Table{Rows: rows, Cols: 5, Classes: classes, Categories: []int{0, 0, 70, 0, 3}}
	for range rows {
		x := []float64{rng.NormFloat64(), float64(rng.IntN(6)), float64(rng.IntN(70)), rng.Float64(), float64(rng.IntN(3))}
		y := x[0] + float64(int(x[2])%3) + x[1]*x[4]/4
		for c := range x {
			if rng.IntN(12) == 0 {
				x[c] = nan
			}
		}
		if classes > 0 {
			y = float64(min(max(int(y), 0), classes-1))
		}
		t.X, t.Y = append(t.X, x...), append(t.Y, y)
	}
	return t
}

func TestSingleTreesEqualScikitLearns(t *testing.T) {
	t.Parallel()
	var ref struct {
		X, Holes            []*float64
		Y, Classes, Weights []float64
		Rows, Cols          int
		Cases               []struct {
			Name     string
			Settings struct {
				Classes int
				tree.ForestSettings
			}
			Holes, Weighted bool
			Leaves          int
			Answer          []float64
		}
	}
	b, err := os.ReadFile("testdata/forest.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, &ref))
	numbers := func(in []*float64) []float64 {
		out := make([]float64, len(in))
		for i, v := range in {
			if out[i] = nan; v != nil {
				out[i] = *v
			}
		}
		return out
	}
	for _, c := range ref.Cases {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			x, y := numbers(ref.X), ref.Y
			if c.Holes {
				x = numbers(ref.Holes)
			}
			if c.Settings.Classes > 0 {
				y = ref.Classes
			}
			table := tree.Table{X: x[:ref.Rows*ref.Cols], Y: y[:ref.Rows], Rows: ref.Rows, Cols: ref.Cols, Classes: c.Settings.Classes}
			if c.Weighted {
				table.Weights = ref.Weights[:ref.Rows]
			}
			s := c.Settings.ForestSettings
			s.Trees, s.NoBootstrap, s.MaxFeatures = 1, true, 4
			e, err := tree.FitForest(t.Context(), table, s)
			require.NoError(t, err)
			require.Len(t, e.Nodes, 2*c.Leaves-1)
			rows := len(x)/ref.Cols - ref.Rows
			out := make([]float64, rows*e.Outputs)
			tree.Compile(e.Ensemble).PredictBatch(x[ref.Rows*ref.Cols:], out, rows)
			require.InDeltaSlice(t, c.Answer, out, 1e-9)
		})
	}
}

func TestForestIsTheSameForAnyNumberOfThreads(t *testing.T) {
	t.Parallel()
	for _, classes := range []int{0, 2, 4} {
		for name, s := range map[string]tree.ForestSettings{
			"default":      {Trees: 9},
			"extra":        {Trees: 9, Extra: true, NoBootstrap: true},
			"extra, drawn": {Trees: 9, Extra: true, MinLeaf: 2},
			"entropy":      {Trees: 9, Entropy: true, Balanced: true, MaxFeatures: 0.7},
			"shallow":      {Trees: 9, MaxDepth: 4, MinSplit: 9, MaxFeatures: 2},
		} {
			t.Run(fmt.Sprint(name, classes), func(t *testing.T) {
				t.Parallel()
				var want []byte
				var score float64
				for _, threads := range []int{1, 2, 5} {
					s.Threads, s.Seed = threads, 42
					e, err := tree.FitForest(t.Context(), mixed(300, classes), s)
					require.NoError(t, err)
					got, err := e.Encode()
					require.NoError(t, err)
					decoded, err := tree.Decode(got, e.Features, e.Outputs)
					require.NoError(t, err)
					require.Equal(t, e.Ensemble, decoded, "growing is in Ensemble's order")
					if want == nil {
						want, score = got, e.OutOfBag
					}
					require.Equal(t, want, got)
					require.Equal(t, bits([]float64{score}), bits([]float64{e.OutOfBag}))
				}
				s.Seed = 43
				e, err := tree.FitForest(t.Context(), mixed(300, classes), s)
				require.NoError(t, err)
				got, err := e.Encode()
				require.NoError(t, err)
				require.NotEqual(t, want, got)
			})
		}
	}
}

func TestForestPredictsNewRows(t *testing.T) {
	t.Parallel()
	for _, extra := range []bool{false, true} {
		for _, weighted := range []bool{false, true} {
			train, ask := mixed(1500, 0), mixed(700, 0)
			if weighted {
				train.Weights = slices.Repeat([]float64{0.5, 2, 0.1}, 500)
			}
			e, err := tree.FitForest(t.Context(), train, tree.ForestSettings{Trees: 40, Extra: extra, NoBootstrap: extra, MinLeaf: 2, Threads: 2})
			require.NoError(t, err)
			require.Less(t, squared(e.Ensemble, &ask)/variance(ask.Y), 0.45)
		}
		train, ask := mixed(1500, 3), mixed(700, 3)
		for _, s := range []tree.ForestSettings{{}, {Entropy: true, MinLeaf: 2}, {Balanced: true}} {
			s.Trees, s.Extra, s.Threads = 40, extra, 2
			e, err := tree.FitForest(t.Context(), train, s)
			require.NoError(t, err)
			require.Greater(t, accuracy(t, e.Ensemble, &ask), 0.6)
		}
	}
}

func accuracy(t *testing.T, e *tree.Ensemble, table *tree.Table) float64 {
	t.Helper()
	out, right := make([]float64, 3), 0
	for i := range table.Rows {
		e.Predict(table.X[i*table.Cols:(i+1)*table.Cols], out)
		require.InDelta(t, 1, out[0]+out[1]+out[2], 1e-9)
		if out[int(table.Y[i])] == max(out[0], out[1], out[2]) {
			right++
		}
	}
	return float64(right) / float64(table.Rows)
}

func squared(e *tree.Ensemble, t *tree.Table) float64 {
	out, sum := make([]float64, 1), 0.0
	for i := range t.Rows {
		e.Predict(t.X[i*t.Cols:(i+1)*t.Cols], out)
		sum += (out[0] - t.Y[i]) * (out[0] - t.Y[i])
	}
	return sum / float64(t.Rows)
}

func variance(y []float64) float64 {
	sum, squares := 0.0, 0.0
	for _, v := range y {
		sum, squares = sum+v, squares+v*v
	}
	n := float64(len(y))
	return squares/n - sum/n*sum/n
}

// drawn makes a small table of a given kind from rapid.
func drawn(t *rapid.T) tree.Table {
	table := tree.Table{Rows: rapid.IntRange(1, 30).Draw(t, "rows"), Cols: rapid.IntRange(1, 3).Draw(t, "cols"), Classes: rapid.SampledFrom([]int{0, 2, 3}).Draw(t, "classes")}
	table.Categories = rapid.SliceOfN(rapid.SampledFrom([]int{0, 0, 4, 66}), table.Cols, table.Cols).Draw(t, "categories")
	value := rapid.OneOf(rapid.SampledFrom([]float64{-1e308, -1, 0, 0.5, 2, 3, 1e308, nan}), rapid.Float64Range(-3, 3))
	for range table.Rows {
		for c := range table.Cols {
			v := value.Draw(t, "x")
			if n := table.Categories[c]; n > 0 && v == v {
				v = float64(rapid.IntRange(0, n-1).Draw(t, "code"))
			}
			table.X = append(table.X, v)
		}
		y := rapid.Float64Range(-5, 5).Draw(t, "y")
		if table.Classes > 0 {
			y = float64(rapid.IntRange(0, table.Classes-1).Draw(t, "class"))
		}
		table.Y = append(table.Y, y)
	}
	if rapid.Bool().Draw(t, "weighted") {
		table.Weights = rapid.SliceOfN(rapid.SampledFrom([]float64{0, 0.25, 1, 3}), table.Rows, table.Rows).Draw(t, "weights")
		table.Weights[0] = 1
	}
	return table
}

func TestForestKeepsItsRules(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		table := drawn(t)
		s := tree.ForestSettings{
			Trees: 2, MinLeaf: rapid.IntRange(1, 4).Draw(t, "leaf"), MaxDepth: rapid.IntRange(0, 4).Draw(t, "depth"), MinSplit: rapid.IntRange(0, 6).Draw(t, "split"),
			Extra: rapid.Bool().Draw(t, "extra"), NoBootstrap: true, Entropy: rapid.Bool().Draw(t, "entropy"), Balanced: rapid.Bool().Draw(t, "balanced"), Seed: 7,
		}
		e, err := tree.FitForest(context.Background(), table, s)
		require.NoError(t, err)
		for k, root := range e.Trees {
			reached, depths := map[int32][]int{}, map[int32]int{}
			for i := range table.Rows {
				if table.Weights != nil && table.Weights[i] == 0 {
					continue
				}
				at, depth := root.Root, 0
				for reached[at] = append(reached[at], i); ; reached[at] = append(reached[at], i) {
					split, ok := e.Split(at)
					if !ok {
						break
					}
					at = e.Nodes[at].Child + right(split, table.X[i*table.Cols+split.Feature])
					depth++
				}
				depths[at] = depth
			}
			end := len(e.Nodes)
			if k+1 < len(e.Trees) {
				end = int(e.Trees[k+1].Root)
			}
			for at := root.Root; at < int32(end); at++ {
				rows := len(reached[at])
				if at == root.Root {
					continue
				}
				require.GreaterOrEqual(t, rows, s.MinLeaf, "every node has rows")
				if _, ok := e.Split(at); ok {
					require.GreaterOrEqual(t, rows, s.MinSplit)
				} else if s.MaxDepth > 0 {
					require.LessOrEqual(t, depths[at], s.MaxDepth)
				}
			}
			if s.MinLeaf == 1 && s.MaxDepth == 0 && s.MinSplit < 2 {
				memorised(t, e.Ensemble, &table)
			}
		}
	})
}

func right(s tree.Split, v float64) int32 {
	go0 := v <= s.Threshold
	switch {
	case math.IsNaN(v):
		go0 = !s.NaNRight
	case s.Set != nil:
		go0 = int(v)/64 < len(s.Set) && s.Set[int(v)/64]>>(int(v)%64)&1 == 1
	}
	if go0 {
		return 0
	}
	return 1
}

// memorised checks that rows which differ from all others get their own target.
func memorised(t *rapid.T, e *tree.Ensemble, table *tree.Table) {
	seen := map[string]int{}
	row := func(i int) []float64 { return table.X[i*table.Cols : (i+1)*table.Cols] }
	alike := func(i int) string {
		text := ""
		for _, v := range row(i) {
			text += fmt.Sprint(v+0, " ") // -0 is 0
		}
		return text
	}
	for i := range table.Rows {
		seen[alike(i)]++
	}
	out := make([]float64, e.Outputs)
	for i := range table.Rows {
		if seen[alike(i)] > 1 || (table.Weights != nil && table.Weights[i] == 0) {
			continue
		}
		e.Predict(row(i), out)
		if table.Classes == 0 {
			require.InDelta(t, table.Y[i], out[0], 1e-12)
		} else {
			require.InDelta(t, 1, out[int(table.Y[i])], 1e-12)
		}
	}
}

func TestForestOfHardData(t *testing.T) {
	t.Parallel()
	for name, table := range map[string]tree.Table{
		"one row":             {X: []float64{1}, Y: []float64{2}, Rows: 1, Cols: 1},
		"two rows":            {X: []float64{1, 2}, Y: []float64{2, 3}, Rows: 2, Cols: 1},
		"constant column":     {X: []float64{1, 1, 1}, Y: []float64{2, 3, 4}, Rows: 3, Cols: 1},
		"one class of two":    {X: []float64{1, 2, 3}, Y: []float64{1, 1, 1}, Rows: 3, Cols: 1, Classes: 2},
		"nothing but missing": {X: []float64{nan, nan, nan}, Y: []float64{2, 3, 4}, Rows: 3, Cols: 1},
		"huge targets":        {X: []float64{1, 2, 3}, Y: []float64{-2e307, 2e307, 0}, Rows: 3, Cols: 1},
		"tiny differences":    {X: []float64{1, math.Nextafter(1, 2), 1}, Y: []float64{5e-324, 0, 5e-324}, Rows: 3, Cols: 1},
	} {
		for _, extra := range []bool{false, true} {
			t.Run(fmt.Sprint(name, extra), func(t *testing.T) {
				t.Parallel()
				e, err := tree.FitForest(t.Context(), table, tree.ForestSettings{Trees: 5, Extra: extra})
				require.NoError(t, err)
				b, err := e.Encode()
				require.NoError(t, err)
				_, err = tree.Decode(b, e.Features, e.Outputs)
				require.NoError(t, err)
			})
		}
	}
	for _, table := range []tree.Table{
		{X: []float64{math.Inf(1)}, Y: []float64{1}, Rows: 1, Cols: 1}, {X: []float64{1, 2, 3}, Y: []float64{-8e307, 8e307, 0}, Rows: 3, Cols: 1},
	} {
		_, err := tree.FitForest(t.Context(), table, tree.ForestSettings{})
		require.Equal(t, perennial.CodeInvalid, perennial.CodeOf(err))
	}
}

func TestForestStopsWhenCancelled(t *testing.T) {
	t.Parallel()
	table := mixed(60_000, 0)
	for _, extra := range []bool{false, true} {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		start := time.Now()
		_, err := tree.FitForest(ctx, table, tree.ForestSettings{Trees: 10000, MinLeaf: 5, Extra: extra, Threads: 2})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Less(t, time.Since(start), 10*time.Second, "on an idle machine it is well below 2 s")
	}
}

// Out-of-bag scores estimate what new rows get, so they come close to it and
// stay far from the score on the rows themselves.
func TestOutOfBagScore(t *testing.T) {
	t.Parallel()
	train, ask := mixed(2000, 0), mixed(1500, 0)
	f, err := tree.FitForest(t.Context(), train, tree.ForestSettings{Trees: 60, Threads: 2})
	require.NoError(t, err)
	require.InDelta(t, 1-squared(f.Ensemble, &ask)/variance(ask.Y), f.OutOfBag, 0.04)
	require.Greater(t, 1-squared(f.Ensemble, &train)/variance(train.Y), f.OutOfBag+0.1)

	train, ask = mixed(2000, 3), mixed(1500, 3)
	f, err = tree.FitForest(t.Context(), train, tree.ForestSettings{Trees: 60, Threads: 2})
	require.NoError(t, err)
	require.InDelta(t, accuracy(t, f.Ensemble, &ask), f.OutOfBag, 0.04)
	f, err = tree.FitForest(t.Context(), train, tree.ForestSettings{Trees: 3, NoBootstrap: true})
	require.NoError(t, err)
	require.True(t, math.IsNaN(f.OutOfBag))
}

func TestMinLeafOfLargeData(t *testing.T) {
	t.Parallel()
	for rows, want := range map[int]int{1000: 1, 66_000: 1, 70_000: 2, 1_000_000: 16} {
		require.Equal(t, want, tree.MinLeafOf(rows, 100))
	}
}

// 1 is all features, as the end of a range of shares is; a share tries at least one.
func TestMaxFeaturesUpToOneIsAShare(t *testing.T) {
	t.Parallel()
	d := tree.Table{Rows: 200, Cols: 4}
	r := stats.NewRand(1, 0)
	for range d.Rows {
		x := []float64{r.Float64(), r.Float64(), r.Float64(), r.Float64()}
		d.X, d.Y = append(d.X, x...), append(d.Y, x[0]+float64(x[1]*x[2]))
	}
	file := func(features float64) string {
		f, err := tree.FitForest(t.Context(), d, tree.ForestSettings{Trees: 3, MaxFeatures: features, Seed: 1})
		require.NoError(t, err)
		b, err := f.Encode()
		require.NoError(t, err)
		return string(b)
	}
	require.Equal(t, file(4), file(1))
	require.Equal(t, file(2), file(0.5))
	require.Equal(t, file(0.25), file(0.001))
	require.NotEqual(t, file(4), file(0.001))
}
