package evaluate_test

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/models/evaluate"
)

// shuffling is a table of three columns of which the model reads the first one, twice as
// much as the third.
func shuffling(t *testing.T, rows int) evaluate.Shuffling {
	t.Helper()
	value := func(feature, row int) float64 { return math.Sin(float64(row*(feature+3) + feature)) }
	rmse, ok := evaluate.Lookup("rmse")
	require.True(t, ok)
	return evaluate.Shuffling{
		Metric: rmse, Features: []string{"a", "unused", "c"}, Rows: rows, Seed: 42,
		Observe: func(rows []int, feature int, order []int) (evaluate.Observed, error) {
			o := evaluate.Observed{Task: perennial.Regression}
			for i, row := range rows {
				at := func(f int) float64 {
					if f == feature {
						return value(f, order[i])
					}
					return value(f, row)
				}
				o.Y = append(o.Y, 2*value(0, row)+value(2, row))
				o.Values = append(o.Values, 2*at(0)+at(2))
			}
			return o, nil
		},
	}
}

func TestPermutationImportance(t *testing.T) {
	t.Parallel()
	in := shuffling(t, 3000)
	got, ok, err := evaluate.Permutation(t.Context(), in)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, 3000, got.Rows)
	require.Zero(t, got.Score)
	require.Equal(t, []string{"a", "c", "unused"}, []string{got.Features[0].Name, got.Features[1].Name, got.Features[2].Name})
	// Shuffled, a column with variance s² misses by s·√2 on average: 2 and 1 here.
	require.InDelta(t, 2, got.Features[0].Mean, 0.1)
	require.InDelta(t, 1, got.Features[1].Mean, 0.05)
	require.Equal(t, []float64{0, 0, 0, 0, 0}, got.Features[2].Drops)
	require.Positive(t, got.Features[0].Std)

	again, _, err := evaluate.Permutation(t.Context(), in)
	require.NoError(t, err)
	require.Equal(t, got, again)
}

func TestPermutationImportanceIsBounded(t *testing.T) {
	t.Parallel()
	in := shuffling(t, 3000)
	in.Budget = 3000
	got, ok, err := evaluate.Permutation(t.Context(), in)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, 200, got.Rows, "3000 predictions for 3 columns in 5 repeats")
	require.Equal(t, 3000, got.Of)

	in.Budget, in.Time = 1, time.Nanosecond
	got, ok, err = evaluate.Permutation(t.Context(), in)
	require.NoError(t, err)
	require.False(t, ok)
	require.Equal(t, 100, got.Rows)
	require.Equal(t, in.Features, got.Left)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	in.Time = 0
	_, _, err = evaluate.Permutation(ctx, in)
	require.ErrorIs(t, err, context.Canceled)

	fault := errors.New("no")
	in.Observe = func([]int, int, []int) (evaluate.Observed, error) { return evaluate.Observed{}, fault }
	_, _, err = evaluate.Permutation(t.Context(), in)
	require.ErrorIs(t, err, fault)
}

// Every number is finite, or it couldn't be kept.
func TestImportanceOfLargeNumbers(t *testing.T) {
	t.Parallel()
	in := shuffling(t, 300)
	small, _, err := evaluate.Permutation(t.Context(), in)
	require.NoError(t, err)
	in.Metric, _ = evaluate.Lookup("mae")
	observe := in.Observe
	in.Observe = func(rows []int, feature int, order []int) (evaluate.Observed, error) {
		o, err := observe(rows, feature, order)
		for i := range o.Y {
			o.Y[i], o.Values[i] = 1e250*o.Y[i], 1e250*o.Values[i]
		}
		return o, err
	}
	got, ok, err := evaluate.Permutation(t.Context(), in)
	require.NoError(t, err)
	require.True(t, ok)
	require.Len(t, got.Features, len(small.Features))
	_, err = json.Marshal(got)
	require.NoError(t, err)
	require.Positive(t, got.Features[0].Std)
}
