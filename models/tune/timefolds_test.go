package tune_test

import (
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/perennial-ml/perennial/models/tune"
)

func TestTimeFoldsTrainBeforeTheyTest(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n, k := rapid.IntRange(1, 60).Draw(t, "n"), rapid.IntRange(2, 8).Draw(t, "k")
		when, times := make([]float64, n), map[float64]bool{}
		for i := range when {
			when[i] = float64(rapid.IntRange(0, 20).Draw(t, "when"))
			times[when[i]] = true
		}
		var groups []string
		if rapid.Bool().Draw(t, "grouped") {
			for range n {
				groups = append(groups, strconv.Itoa(rapid.IntRange(0, 15).Draw(t, "group")))
			}
		}
		train, test := tune.TimeFolds(n, when, groups, k)
		require.Len(t, test, len(train))
		require.LessOrEqual(t, len(train), k)
		if groups == nil {
			if len(times) >= 3 {
				require.NotEmpty(t, train)
			}
			require.LessOrEqual(t, len(train), max(len(times)-1, 0))
		}
		seen := 0
		for i := range train {
			require.NotEmpty(t, test[i])
			require.True(t, slices.IsSorted(train[i]) && slices.IsSorted(test[i]))
			if i > 0 {
				require.Len(t, train[i], len(train[i-1])+len(test[i-1]), "the next fold trains on all before it")
			}
			seen += len(test[i])
			late := func(r int) float64 { // as late as the group's latest row
				out := when[r]
				for o := range n {
					if groups != nil && groups[o] == groups[r] {
						out = max(out, when[o])
					}
				}
				return out
			}
			for _, a := range train[i] {
				for _, b := range test[i] {
					require.Less(t, late(a), late(b))
					require.True(t, groups == nil || groups[a] != groups[b])
				}
			}
		}
		if len(train) > 0 {
			require.Equal(t, n, len(train[0])+seen, "no row is lost")
		}
	})
}

// Without equal times the folds are those of scikit-learn's TimeSeriesSplit,
// whose first part takes what doesn't divide.
func TestTimeFoldsAreOfEqualSize(t *testing.T) {
	t.Parallel()
	when := make([]float64, 60)
	for i := range when {
		when[i] = float64(-i)
	}
	train, test := tune.TimeFolds(60, when, nil, 5)
	require.Len(t, test, 5)
	for i := range test {
		require.Len(t, test[i], 10)
		require.Len(t, train[i], 10*(i+1))
		require.Equal(t, 60-10*(i+2), test[i][0], "the latest rows come first in this table")
	}
}
