package boosting_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/perennial-ml/perennial/models/tree"
	"github.com/perennial-ml/perennial/models/tree/boosting"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var nan = math.NaN()

// mixed makes a table of numbers, missing values, few and many categories and a
// constant, whose target depends on them; classes 0 is regression.
func mixed(rows, classes int, seed uint64) *tree.Table {
	rng := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // the same numbers every time
	t := &tree.Table{Rows: rows, Cols: 10, Classes: classes, Categories: []int{0, 0, 0, 3, 40, 600, 0, 0, 0, 0}}
	for range rows {
		a, b, c := rng.NormFloat64(), rng.Float64()*100, float64(rng.IntN(5))
		few, many, rare := float64(rng.IntN(3)), float64(rng.IntN(40)), math.Floor(600*math.Pow(rng.Float64(), 3))
		y := a*a + b/50 + math.Sin(c) + few + math.Mod(many*7, 5)/2 + 0.3*rng.NormFloat64()
		if rng.IntN(4) == 0 {
			b, y = nan, y+1
		}
		if rng.IntN(9) == 0 {
			many, y = nan, y-1
		}
		if rare < 3 {
			y += rare
		}
		t.X = append(t.X, a, b, c, few, many, rare, 7, rng.NormFloat64(), -math.Abs(a), rng.Float64())
		if classes > 0 {
			y = float64(int(max(y+2, 0)) % classes)
		}
		t.Y = append(t.Y, y)
	}
	return t
}

func fit(tb testing.TB, t *tree.Table, s boosting.Settings) *boosting.Result {
	tb.Helper()
	r, err := boosting.Fit(tb.Context(), t, s)
	require.NoError(tb, err)
	return r
}

// loss is the mean weighted loss of an ensemble's own answers.
func loss(e *tree.Ensemble, t *tree.Table, l boosting.Loss) float64 {
	sum, weights, out := 0.0, 0.0, make([]float64, e.Outputs)
	for i, y := range t.Y {
		w := 1.0
		if t.Weights != nil {
			w = t.Weights[i]
		}
		weights += w
		e.Predict(t.X[i*t.Cols:(i+1)*t.Cols], out)
		switch {
		case t.Classes > 0:
			sum -= w * math.Log(out[int(y)])
		case l == boosting.Absolute:
			sum += w * math.Abs(y-out[0])
		default:
			sum += w * (y - out[0]) * (y - out[0])
		}
	}
	return sum / weights
}

func ramp(rows int) []float64 {
	w := make([]float64, rows)
	for i := range w {
		w[i] = float64(i%4) / 2
	}
	return w
}

// kinds are a table and settings for every path through a fit.
var kinds = map[string]struct {
	classes int
	weights bool
	s       boosting.Settings
}{
	"squared":                     {s: boosting.Settings{}},
	"squared, weights":            {weights: true},
	"squared, L1":                 {s: boosting.Settings{L1: 3, L2: 2}},
	"squared, samples":            {s: boosting.Settings{RowSample: 0.6, ColumnSample: 0.5}},
	"squared, few bins":           {s: boosting.Settings{MaxBins: 16, MaxDepth: 3}},
	"squared, no leaf too small":  {s: boosting.Settings{MinLeaf: 1, LearningRate: 1}},
	"absolute":                    {s: boosting.Settings{Loss: boosting.Absolute}},
	"absolute, weights, samples":  {weights: true, s: boosting.Settings{Loss: boosting.Absolute, RowSample: 0.5}},
	"two classes":                 {classes: 2},
	"two classes, weights, L1":    {classes: 2, weights: true, s: boosting.Settings{L1: 1}},
	"three classes":               {classes: 3},
	"three classes, samples":      {classes: 3, s: boosting.Settings{RowSample: 0.7, ColumnSample: 0.7, L2: 1}},
	"five classes, least gain":    {classes: 5, s: boosting.Settings{MinGain: 1}},
	"five classes, many leaves":   {classes: 5, s: boosting.Settings{Leaves: 300, MinLeaf: 2}},
	"squared, early stopping":     {s: boosting.Settings{EarlyStopping: 3, LearningRate: 0.5, Trees: 60, MinLeaf: 3}},
	"two classes, early stopping": {classes: 2, s: boosting.Settings{EarlyStopping: 3, LearningRate: 0.5, Trees: 60, ValidationShare: 0.3}},
}

// The scores that a fit keeps for its rows must be what its ensemble answers: so
// the thresholds, sets and directions that leave the fit are those of its bins.
func TestTheEnsembleAnswersWhatTheFitSaw(t *testing.T) {
	t.Parallel()
	for name, c := range kinds {
		if c.s.EarlyStopping > 0 {
			continue // whose loss is that of some rows
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			table, s := mixed(1500, c.classes, 5), c.s
			if c.weights {
				table.Weights = ramp(table.Rows)
			}
			s.Trees = 25
			r := fit(t, table, s)
			require.Len(t, r.Loss, 25)
			require.Len(t, r.Ensemble.Trees, 25*max(1, r.Ensemble.Scores))
			require.InEpsilon(t, loss(r.Ensemble, table, s.Loss), r.Loss[24], 1e-6)
			require.Less(t, r.Loss[24], 0.8*r.Loss[0])
		})
	}
}

func TestTrainingLossFalls(t *testing.T) {
	t.Parallel()
	for name, c := range kinds {
		if c.s.RowSample > 0 || c.s.LearningRate > 0.5 {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			table, s := mixed(800, c.classes, 6), c.s
			s.Trees = 40
			r := fit(t, table, s)
			for i := 1; i < len(r.Loss); i++ {
				require.LessOrEqual(t, r.Loss[i], r.Loss[i-1]*(1+1e-12), "iteration %d", i)
			}
		})
	}
}

func TestThreadsSlotsAndLanesChangeNothing(t *testing.T) {
	t.Parallel()
	for name, c := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			table, s := mixed(17000, c.classes, 7), c.s // enough rows for two threads to be used
			if c.weights {
				table.Weights = ramp(table.Rows)
			}
			s.Trees, s.Threads = 2, 1
			want := fit(t, table, s)
			s.Threads = 2
			require.Equal(t, want, fit(t, table, s))
			require.Equal(t, want, fit(t, table, boosting.WithSlots(s, 3)))
			require.Equal(t, want, fit(t, table, boosting.WithoutLanes(s)))
		})
	}
}

// A tree of two leaves on one yes-or-no feature holds Newton steps: for two
// penalties λ their values G/(H+λ) give G and H, which must be the loss's first
// and second differences.
func TestStepsAreTheLossesDerivatives(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		loss    boosting.Loss
		classes int
		factor  float64 // of the hessian
	}{
		"squared":       {boosting.Squared, 0, 1},
		"two classes":   {boosting.Log, 2, 1},
		"three classes": {boosting.Log, 3, 1.5},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			table := &tree.Table{Rows: 60, Cols: 1, Classes: c.classes, Weights: make([]float64, 60)}
			for i := range 60 {
				table.X = append(table.X, float64(i%2))
				table.Y = append(table.Y, float64((i*i+i%2)%7%3))
				if c.classes == 2 {
					table.Y[i] = min(table.Y[i], 1)
				}
				table.Weights[i] = 1 + float64(i%5)
			}
			step := func(l2 float64) (base float64, leaves [2]float64) {
				e := fit(t, table, boosting.Settings{Trees: 1, LearningRate: 1, MinLeaf: 1, L2: l2}).Ensemble
				root := e.Nodes[e.Trees[0].Root]
				return e.Base[0], [2]float64{e.Nodes[root.Child].Threshold, e.Nodes[root.Child+1].Threshold}
			}
			scores := fit(t, table, boosting.Settings{Trees: 1, MinLeaf: 1}).Ensemble.Base
			_, small := step(1)
			_, large := step(50)
			for side := range 2 {
				// The loss of the side's rows where the first score is moved by d.
				at := func(d float64) float64 {
					sum := 0.0
					for i, y := range table.Y {
						if i%2 != side {
							continue
						}
						f := append([]float64(nil), scores...)
						f[0] += d
						var l float64
						switch c.classes {
						case 0:
							l = (y - f[0]) * (y - f[0]) / 2
						case 2:
							l = math.Log(1+math.Exp(f[0])) - y*f[0]
						default:
							l = math.Log(math.Exp(f[0])+math.Exp(f[1])+math.Exp(f[2])) - f[int(y)]
						}
						sum += table.Weights[i] * l
					}
					return sum
				}
				// G/(H+1) = small, G/(H+50) = large.
				h := (50*large[side] - small[side]) / (small[side] - large[side])
				g := small[side] * (h + 1)
				const d = 1e-4
				require.InDelta(t, -(at(d)-at(-d))/(2*d), g, 1e-3*math.Abs(g)+1e-4)
				require.InEpsilon(t, c.factor*(at(d)-2*at(0)+at(-d))/(d*d), h, 1e-3)
			}
		})
	}
}

// With squared error and a learning rate of 1, a leaf answers the weighted mean of
// its rows; so many rows that records are gathered before they are summed.
func TestLeavesHoldMeans(t *testing.T) {
	t.Parallel()
	for _, weights := range []bool{false, true} {
		table := mixed(23000, 0, 12)
		if weights {
			table.Weights = ramp(table.Rows)
		}
		e := fit(t, table, boosting.Settings{Trees: 1, LearningRate: 1, Leaves: 200, Threads: 2}).Ensemble
		sums, weight, out := map[float64]float64{}, map[float64]float64{}, make([]float64, 1)
		for i, y := range table.Y {
			w := 1.0
			if weights {
				w = table.Weights[i]
			}
			e.Predict(table.X[i*table.Cols:(i+1)*table.Cols], out)
			sums[out[0]] += w * y
			weight[out[0]] += w
		}
		require.Len(t, sums, 200)
		for answer, sum := range sums {
			require.InDelta(t, sum/weight[answer], answer, 1e-6)
		}
	}
}

func TestWeightsAreRepetitions(t *testing.T) {
	t.Parallel()
	for _, s := range []boosting.Settings{{}, {Loss: boosting.Absolute}, {Loss: boosting.Log}} {
		classes := 0
		if s.Loss == boosting.Log {
			classes = 2
		}
		weighted := mixed(200, classes, 9) // few enough for bins to be the values
		repeated := &tree.Table{Cols: weighted.Cols, Classes: classes, Categories: weighted.Categories}
		for i, y := range weighted.Y {
			w := 1 + i%3
			weighted.Weights = append(weighted.Weights, float64(w))
			for range w {
				repeated.X = append(repeated.X, weighted.X[i*weighted.Cols:(i+1)*weighted.Cols]...)
				repeated.Y = append(repeated.Y, y)
				repeated.Rows++
			}
		}
		weighted.Categories, repeated.Categories = nil, nil // which are bounded in rows
		s.Trees, s.MinLeaf = 10, 1
		a, b := fit(t, weighted, s), fit(t, repeated, s)
		require.InDeltaSlice(t, a.Loss, b.Loss, 1e-6)
	}
}

func TestSamplesAreDrawnBySeed(t *testing.T) {
	t.Parallel()
	table := mixed(600, 0, 10)
	s := boosting.Settings{Trees: 5, RowSample: 0.5, ColumnSample: 0.5, Seed: 3}
	first := fit(t, table, s)
	require.Equal(t, first, fit(t, table, s))
	s.Seed = 4
	require.NotEqual(t, first, fit(t, table, s))
	// More iterations go on as fewer did.
	s.Trees = 3
	require.Equal(t, fit(t, table, s).Ensemble.Nodes, fit(t, table, boosting.Settings{Trees: 5, RowSample: 0.5, ColumnSample: 0.5, Seed: 4}).Ensemble.Nodes[:len(fit(t, table, s).Ensemble.Nodes)])
}

func TestEarlyStoppingKeepsTheBest(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same numbers every time
	table := &tree.Table{Rows: 500, Cols: 3}
	for range table.Rows {
		x := rng.NormFloat64()
		table.X = append(table.X, x, rng.NormFloat64(), rng.NormFloat64())
		table.Y = append(table.Y, x+rng.NormFloat64())
	}
	r := fit(t, table, boosting.Settings{Trees: 1000, EarlyStopping: 5, ValidationShare: 0.25})
	require.True(t, r.Stopped)
	require.Len(t, r.Validation, len(r.Loss))
	require.Len(t, r.Validation, r.Iterations+5)
	require.Len(t, r.Ensemble.Trees, r.Iterations)
	for _, v := range r.Validation {
		require.GreaterOrEqual(t, v, r.Validation[r.Iterations-1])
	}
	off := fit(t, table, boosting.Settings{Trees: 20})
	require.False(t, off.Stopped)
	require.Nil(t, off.Validation)
	require.Equal(t, 20, off.Iterations)
}

func TestNothingLeftToSplitConverges(t *testing.T) {
	t.Parallel()
	r := fit(t, one([]float64{1, 2, 3, 4}, []float64{1, 2, 3, 4}), boosting.Settings{Trees: 100, LearningRate: 1, MinLeaf: 1})
	require.True(t, r.Converged)
	require.Equal(t, 1, r.Iterations)
	require.InDelta(t, 0, r.Loss[0], 1e-12)
}
