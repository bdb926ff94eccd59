package tune_test

import (
	"math"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/perennial-ml/perennial/models/tune"
)

func TestFoldsPartitionTheRowsEvenly(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 120).Draw(t, "n")
		k := rapid.IntRange(2, 10).Draw(t, "k")
		seed := rapid.Int64().Draw(t, "seed")
		var y []float64
		if rapid.Bool().Draw(t, "classes") {
			for range n {
				y = append(y, float64(rapid.IntRange(0, 3).Draw(t, "y")))
			}
		}
		folds := tune.Folds(n, y, nil, k, seed)
		require.Len(t, folds, min(k, n))
		require.Equal(t, folds, tune.Folds(n, y, nil, k, seed))

		var all, sizes []int
		for _, f := range folds {
			require.True(t, slices.IsSorted(f))
			all = append(all, f...)
			sizes = append(sizes, len(f))
		}
		slices.Sort(all)
		for i, row := range all {
			require.Equal(t, i, row)
		}
		require.Len(t, all, n)
		slack := 1
		if y != nil {
			slack = 4 // one row for each class
		}
		require.LessOrEqual(t, slices.Max(sizes)-slices.Min(sizes), slack)
		for class := range 4 {
			if y == nil {
				break
			}
			var counts []int
			for _, f := range folds {
				c := 0
				for _, row := range f {
					if int(y[row]) == class {
						c++
					}
				}
				counts = append(counts, c)
			}
			require.LessOrEqual(t, slices.Max(counts)-slices.Min(counts), 1)
		}
	})
}

func TestFoldsKeepGroupsTogether(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 100).Draw(t, "n")
		groups, names := make([]string, n), map[string]bool{}
		y := make([]float64, n)
		for i := range n {
			groups[i] = strconv.Itoa(rapid.IntRange(0, 12).Draw(t, "group"))
			names[groups[i]] = true
			y[i] = float64(rapid.IntRange(0, 1).Draw(t, "y"))
		}
		folds := tune.Folds(n, y, groups, 4, 7)
		require.Len(t, folds, min(4, len(names)))
		of := map[string]int{}
		rows := 0
		for f, fold := range folds {
			require.NotEmpty(t, fold)
			rows += len(fold)
			for _, row := range fold {
				if g, ok := of[groups[row]]; ok {
					require.Equal(t, g, f)
				}
				of[groups[row]] = f
			}
		}
		require.Equal(t, n, rows)
	})
}

func TestFoldsDependOnTheSeed(t *testing.T) {
	t.Parallel()
	require.NotEqual(t, tune.Folds(50, nil, nil, 5, 1), tune.Folds(50, nil, nil, 5, 2))
	require.Nil(t, tune.Folds(0, nil, nil, 5, 1))
}

func TestBest(t *testing.T) {
	t.Parallel()
	nan, inf := math.NaN(), math.Inf(1)
	cases := map[string]struct {
		scores []float64
		higher bool
		want   int // −1: none
	}{
		"highest":                    {[]float64{1, 3, 2}, true, 1},
		"lowest":                     {[]float64{2, 3, 1}, false, 2},
		"tie":                        {[]float64{1, 3, 3}, true, 1},
		"NaN first":                  {[]float64{nan, -5, -7}, true, 1},
		"NaN never wins, lower":      {[]float64{nan, 5, nan}, false, 1},
		"infinity never wins":        {[]float64{inf, 5, 4}, true, 1},
		"minus infinity never wins":  {[]float64{math.Inf(-1), 5, 4}, false, 2},
		"nothing finite":             {[]float64{nan, inf, nan}, true, -1},
		"fewer scores than trials":   {[]float64{1}, true, -1},
		"first of all below nothing": {[]float64{-3, -2, -9}, true, 1},
	}
	trials := []tune.Trial{{Index: 0}, {Index: 1}, {Index: 2}}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			best, ok := tune.Best(trials, c.scores, c.higher)
			require.Equal(t, c.want >= 0, ok)
			if ok {
				require.Equal(t, c.want, best.Index)
			}
		})
	}
	best, ok := tune.Best([]tune.Trial{{Index: 4}, {Index: 2}}, []float64{1, 1}, true)
	require.True(t, ok)
	require.Equal(t, 2, best.Index, "the lowest index, not the first place")
}
