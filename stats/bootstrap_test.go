package stats_test

import (
	"encoding/json"
	"math"
	"os"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/perennial-ml/perennial/stats"
)

type reference struct {
	Bootstrap []struct {
		Name      string
		Columns   [][]float64
		Low, High float64
	}
	Percentiles struct{ Sorted, Q, Want []float64 }
}

func load(t *testing.T) reference {
	t.Helper()
	b, err := os.ReadFile("testdata/reference.json")
	require.NoError(t, err)
	var r reference
	require.NoError(t, json.Unmarshal(b, &r))
	return r
}

func mean(n int, value func(i int) float64) float64 {
	var sum float64
	for i := range n {
		sum += value(i)
	}
	return sum / float64(n)
}

// overRows is stats.Bootstrap of one statistic that gets the drawn rows instead
// of their counts.
func overRows(n, resamples int, seed int64, statistic func(rows []int) float64) (lo, hi float64) {
	interval := stats.Bootstrap(n, resamples, seed, 1, func(counts, out []float64) {
		var rows []int
		for i, c := range counts {
			for range int(c) {
				rows = append(rows, i)
			}
		}
		out[0] = statistic(rows)
	})[0]
	return interval[0], interval[1]
}

var statistics = map[string]func(c [][]float64, rows []int) float64{
	"mean": func(c [][]float64, rows []int) float64 {
		return mean(len(rows), func(i int) float64 { return c[0][rows[i]] })
	},
	"standard deviation": func(c [][]float64, rows []int) float64 {
		m := mean(len(rows), func(i int) float64 { return c[0][rows[i]] })
		return math.Sqrt(mean(len(rows), func(i int) float64 { d := c[0][rows[i]] - m; return d * d }))
	},
	"difference of rmse": func(c [][]float64, rows []int) float64 {
		rmse := func(f []float64) float64 {
			return math.Sqrt(mean(len(rows), func(i int) float64 { d := c[0][rows[i]] - f[rows[i]]; return d * d }))
		}
		return rmse(c[1]) - rmse(c[2])
	},
	"difference of accuracy": func(c [][]float64, rows []int) float64 {
		return mean(len(rows), func(i int) float64 { return c[0][rows[i]] - c[1][rows[i]] })
	},
}

func TestBootstrapAgreesWithSciPy(t *testing.T) {
	t.Parallel()
	for _, c := range load(t).Bootstrap {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			lo, hi := overRows(len(c.Columns[0]), 20000, 3, func(rows []int) float64 {
				return statistics[c.Name](c.Columns, rows)
			})
			// 20,000 resamples leave each end a Monte Carlo error of about 0.5 % of the width.
			tolerance := 0.03 * (c.High - c.Low)
			require.InDelta(t, c.Low, lo, tolerance)
			require.InDelta(t, c.High, hi, tolerance)
		})
	}
}

func TestPercentileAgreesWithNumPy(t *testing.T) {
	t.Parallel()
	p := load(t).Percentiles
	for i, q := range p.Q {
		require.InDelta(t, p.Want[i], stats.Percentile(p.Sorted, q), 1e-15, "q %g", q)
	}
	require.True(t, math.IsNaN(stats.Percentile(nil, 0.5)))
	require.True(t, math.IsNaN(stats.Percentile([]float64{1}, 1.1)))
	require.InDelta(t, 4, stats.Percentile([]float64{4}, 0.3), 0)
}

func TestBootstrapIsTheSameFromEveryGoroutine(t *testing.T) {
	t.Parallel()
	run := func(seed int64) [2]float64 {
		lo, hi := overRows(50, 200, seed, func(rows []int) float64 {
			return mean(len(rows), func(i int) float64 { return float64(rows[i] * rows[i]) })
		})
		return [2]float64{lo, hi}
	}
	want := run(42)
	var wg sync.WaitGroup
	got := make([][2]float64, 4)
	for i := range got {
		wg.Go(func() { got[i] = run(42) })
	}
	wg.Wait()
	for _, g := range got {
		require.Equal(t, want, g)
	}
	require.NotEqual(t, want, run(43))
}

func TestBootstrapStreamIsPinned(t *testing.T) {
	t.Parallel()
	// Stored decisions quote intervals drawn from this stream: a change here
	// changes what a repeated training records.
	r := stats.NewRand(42, 0)
	require.Equal(t, []uint64{0x6351d79e72a9f127, 0x91eb2acddb448e57}, []uint64{r.Uint64(), r.Uint64()})
}

func TestBootstrapWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		n, resamples int
		statistic    func([]int) float64
	}{
		"no rows":                 {0, 100, func([]int) float64 { return 1 }},
		"no resamples":            {5, 0, func([]int) float64 { return 1 }},
		"statistic never defined": {5, 100, func([]int) float64 { return math.NaN() }},
		"statistic infinite":      {5, 100, func([]int) float64 { return math.Inf(1) }},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lo, hi := overRows(c.n, c.resamples, 1, c.statistic)
			require.True(t, math.IsNaN(lo) && math.IsNaN(hi))
		})
	}
}

func TestNeighbouringStreamsShareNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		seed, stream := rapid.Int64().Draw(t, "seed"), rapid.Uint64Max(1<<40).Draw(t, "stream")
		seen := map[uint64]bool{}
		for _, r := range []uint64{stream, stream + 1, stream + 2} {
			g := stats.NewRand(seed, r)
			for range 8 {
				v := g.Uint64()
				require.False(t, seen[v])
				seen[v] = true
			}
		}
	})
}

func BenchmarkBootstrapOfAMean(b *testing.B) {
	values := make([]float64, 4128)
	random := stats.NewRand(1, 0)
	for i := range values {
		values[i] = random.NormFloat64()
	}
	for b.Loop() {
		stats.Bootstrap(len(values), 1000, 42, 1, func(counts, out []float64) {
			var sum float64
			for i, c := range counts {
				sum += c * values[i]
			}
			out[0] = sum / float64(len(values))
		})
	}
}

func TestBootstrapOfSeveralStatistics(t *testing.T) {
	t.Parallel()
	values := []float64{3, 1, 4, 1, 5, 9, 2, 6}
	lo, hi := overRows(len(values), 300, 5, func(rows []int) float64 {
		sum := 0.0
		for _, r := range rows {
			sum += values[r]
		}
		return sum
	})
	got := stats.Bootstrap(len(values), 300, 5, 2, func(counts, out []float64) {
		sum, n := 0.0, 0.0
		for i, c := range counts {
			sum, n = sum+c*values[i], n+c
		}
		require.InDelta(t, 8, n, 0)
		out[0] = sum
		if counts[0] > 2 { // the second one is defined on few resamples
			out[1] = sum
		}
	})
	require.Equal(t, [2]float64{lo, hi}, got[0])
	require.True(t, math.IsNaN(got[1][0]))
	for _, interval := range stats.Bootstrap(0, 10, 1, 2, nil) {
		require.True(t, math.IsNaN(interval[1]))
	}
}
