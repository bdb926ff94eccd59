package linear_test

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/models/linear"
)

var penalties = []linear.Penalty{linear.PenaltyNone, linear.PenaltyL2, linear.PenaltyL1, linear.PenaltyElasticNet}

// stationary requires of a logistic regression that no coefficient can move a
// little and make the objective smaller (the Karush–Kuhn–Tucker conditions).
func stationary(t require.TestingT, d linear.Data, s linear.LogisticSettings, m *linear.Logistic, tolerance float64) {
	grad := make([]float64, len(m.Coef)+len(m.Intercept))
	out := make([]float64, d.Classes)
	vectors := len(m.Intercept)
	for i := range d.Rows {
		x := d.X[i*d.Cols : (i+1)*d.Cols]
		m.Predict(x, out)
		for k := range vectors {
			class := m.Present[len(m.Present)-vectors+k] // of two classes the second one's
			r := out[class]
			if int(d.Y[i]) == class {
				r--
			}
			for j, v := range x {
				grad[k*d.Cols+j] += r * v / float64(d.Rows)
			}
			grad[len(m.Coef)+k] += r / float64(d.Rows)
		}
	}
	strength, ratio := 1/(s.C*float64(d.Rows)), map[linear.Penalty]float64{linear.PenaltyL1: 1, linear.PenaltyElasticNet: s.L1Ratio}[s.Penalty]
	if s.Penalty == linear.PenaltyNone {
		strength = 0
	}
	for i, w := range m.Coef {
		g := grad[i] + strength*(1-ratio)*w
		if w == 0 {
			require.LessOrEqual(t, math.Abs(g), strength*ratio+tolerance)
		} else {
			require.InDelta(t, 0, g+math.Copysign(strength*ratio, w), tolerance)
		}
	}
	for _, g := range grad[len(m.Coef):] {
		require.InDelta(t, 0, g, tolerance)
	}
}

func TestLogisticIsStationary(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		classes, cols := rapid.IntRange(2, 4).Draw(t, "classes"), rapid.IntRange(1, 5).Draw(t, "cols")
		rows := rapid.IntRange(20, 60).Draw(t, "rows")
		number := rapid.Float64Range(-3, 3)
		d := linear.Data{X: rapid.SliceOfN(number, rows*cols, rows*cols).Draw(t, "x"), Rows: rows, Cols: cols, Classes: classes}
		for _, y := range rapid.SliceOfN(rapid.IntRange(0, classes-1), rows, rows).Draw(t, "y") {
			d.Y = append(d.Y, float64(y))
		}
		s := linear.LogisticSettings{
			Penalty: rapid.SampledFrom(penalties[1:]).Draw(t, "penalty"), C: rapid.Float64Range(0.01, 100).Draw(t, "c"),
			L1Ratio: rapid.Float64Range(0.05, 0.95).Draw(t, "l1_ratio"), Tolerance: 1e-10,
		}
		m, err := linear.FitLogistic(context.Background(), d, s)
		require.NoError(t, err)
		require.Equal(t, linear.Converged, m.Status)
		stationary(t, d, s, m, 1e-7)
		for i := 1; i < len(m.Loss); i++ {
			require.LessOrEqual(t, m.Loss[i], m.Loss[i-1]*(1+1e-12))
		}
	})
}

// More than 1,000 parameters: L-BFGS instead of Newton's method.
func TestWideLogisticIsStationary(t *testing.T) {
	t.Parallel()
	d := random(120, 600)
	for _, penalty := range penalties[1:] {
		t.Run(string(penalty), func(t *testing.T) {
			t.Parallel()
			s := linear.LogisticSettings{Penalty: penalty, C: 0.5, L1Ratio: 0.3, Tolerance: 1e-7}
			m, err := linear.FitLogistic(t.Context(), d, s)
			require.NoError(t, err)
			require.Equal(t, linear.Converged, m.Status)
			stationary(t, d, s, m, 2e-7)
		})
	}
}

// Large tables have their curvature estimated from each so many batches of rows.
// The last column is not constant in a batch that is left out, and in no other:
// the estimate knows nothing of it.
func TestLargeLogisticIsStationary(t *testing.T) {
	t.Parallel()
	const cols = 4
	for penalty, rows := range map[linear.Penalty]int{linear.PenaltyL1: 140_000, linear.PenaltyL2: 200_000} { // of two batches one, and of three
		t.Run(string(penalty), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(4, uint64(rows))) //nolint:gosec // the same numbers every time
			d := linear.Data{Rows: rows, Cols: cols, Classes: 3, Threads: 2}
			for i := range rows {
				x := []float64{r.NormFloat64(), 5 + 0.1*r.NormFloat64(), float64(i) / float64(rows), 0}
				if i >= 256 && i < 512 {
					x[3] = float64(i % 2)
				}
				d.X = append(d.X, x...)
				d.Y = append(d.Y, min(2, math.Floor(math.Abs(x[0]+2*x[2]+3*x[3]+r.NormFloat64()))))
			}
			s := linear.LogisticSettings{Penalty: penalty, C: 0.01, Tolerance: 1e-10}
			m, err := linear.FitLogistic(t.Context(), d, s)
			require.NoError(t, err)
			require.Equal(t, linear.Converged, m.Status)
			require.Less(t, m.Iterations, 12)
			stationary(t, d, s, m, 1e-9)
			d.Threads = 3
			again, err := linear.FitLogistic(t.Context(), d, s)
			require.NoError(t, err)
			require.Equal(t, m.Coef, again.Coef)
		})
	}
}

func TestThreadsChangeNothing(t *testing.T) {
	t.Parallel()
	d := random(10_000, 7)
	fits := map[string]func(d linear.Data) (interface{ Encode() ([]byte, error) }, error){
		"least squares": func(d linear.Data) (interface{ Encode() ([]byte, error) }, error) {
			return linear.FitLeastSquares(context.Background(), d, linear.LeastSquaresSettings{})
		},
		"lasso": func(d linear.Data) (interface{ Encode() ([]byte, error) }, error) {
			return linear.FitElasticNet(context.Background(), d, linear.ElasticNetSettings{Alpha: 1e-3, L1Ratio: 1})
		},
	}
	for _, penalty := range penalties {
		fits["logistic "+string(penalty)] = func(d linear.Data) (interface{ Encode() ([]byte, error) }, error) {
			return linear.FitLogistic(context.Background(), d, linear.LogisticSettings{Penalty: penalty, L1Ratio: 0.5})
		}
	}
	for name, fit := range fits {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var first []byte
			for _, threads := range []int{0, 1, 2, 5} {
				d := d
				d.Threads = threads
				m, err := fit(d)
				require.NoError(t, err)
				b, err := m.Encode()
				require.NoError(t, err)
				if first == nil {
					first = b
				}
				require.Equal(t, string(first), string(b))
			}
		})
	}
}

// One-hot columns depend on each other: of all solutions the one of least norm is
// given, whose coefficients of each encoded column sum to 0, and which predicts
// what the solution without one column of each does.
func TestOneHotColumnsHaveTheLeastNorm(t *testing.T) {
	t.Parallel()
	const rows, groups, values = 2000, 3, 12
	rng := rand.New(rand.NewPCG(3, 4)) //nolint:gosec // the same numbers every time
	full := linear.Data{Rows: rows, Cols: groups * values}
	part := linear.Data{Rows: rows, Cols: groups * (values - 1)}
	for range rows {
		x := make([]float64, full.Cols)
		var short []float64
		for g := range groups {
			x[g*values+rng.IntN(values)] = 1
			short = append(short, x[g*values+1:(g+1)*values]...)
		}
		y := rng.NormFloat64()
		full.X, full.Y, part.X, part.Y = append(full.X, x...), append(full.Y, y), append(part.X, short...), append(part.Y, y)
	}
	m, err := linear.FitLeastSquares(t.Context(), full, linear.LeastSquaresSettings{Cutoff: 1e-6})
	require.NoError(t, err)
	slow, err := linear.FitLeastSquares(t.Context(), full, linear.LeastSquaresSettings{}) // by singular values
	require.NoError(t, err)
	require.InDeltaSlice(t, slow.Coef, m.Coef, 1e-10)
	other, err := linear.FitLeastSquares(t.Context(), part, linear.LeastSquaresSettings{Cutoff: 1e-6})
	require.NoError(t, err)
	a, b := make([]float64, 1), make([]float64, 1)
	for i := range 50 {
		m.Predict(full.X[i*full.Cols:(i+1)*full.Cols], a)
		other.Predict(part.X[i*part.Cols:(i+1)*part.Cols], b)
		require.InDelta(t, b[0], a[0], 1e-10)
	}
	for g := range groups {
		require.InDelta(t, 0, sum(m.Coef[g*values:(g+1)*values]), 1e-10)
	}
}

// Separable classes have no finite solution without a penalty: the fit ends all
// the same, and with the right answers.
func TestSeparableWithoutPenaltyEnds(t *testing.T) {
	t.Parallel()
	d := linear.Data{X: []float64{1, 2, 3, 4}, Y: []float64{0, 0, 1, 1}, Rows: 4, Cols: 1, Classes: 2}
	m, err := linear.FitLogistic(t.Context(), d, linear.LogisticSettings{Penalty: linear.PenaltyNone})
	require.NoError(t, err)
	out := make([]float64, 2)
	for i, x := range d.X {
		m.Predict([]float64{x}, out)
		require.Greater(t, out[int(d.Y[i])], 0.99)
	}
}

func TestBadWeightsAreRefused(t *testing.T) {
	t.Parallel()
	for name, w := range map[string][]float64{"negative": {1, -1}, "NaN": {1, math.NaN()}, "all zero": {0, 0}, "too few": {1}, "infinite": {1, math.Inf(1)}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := linear.Data{X: []float64{1, 2}, Y: []float64{0, 1}, Rows: 2, Cols: 1, Classes: 2, Weights: w}
			_, err := linear.FitLogistic(t.Context(), d, linear.LogisticSettings{})
			require.Equal(t, perennial.CodeInvalid, perennial.CodeOf(err))
			_, err = linear.FitLeastSquares(t.Context(), d, linear.LeastSquaresSettings{})
			require.Equal(t, perennial.CodeInvalid, perennial.CodeOf(err))
			_, err = linear.FitElasticNet(t.Context(), d, linear.ElasticNetSettings{Alpha: 1})
			require.Equal(t, perennial.CodeInvalid, perennial.CodeOf(err))
		})
	}
}

func TestSmallestProblems(t *testing.T) {
	t.Parallel()
	none := linear.Data{Y: []float64{3, 5}, Rows: 2}
	m, err := linear.FitLeastSquares(t.Context(), none, linear.LeastSquaresSettings{})
	require.NoError(t, err)
	require.InDelta(t, 4, m.Intercept, 1e-15)
	one := linear.Data{X: []float64{7}, Y: []float64{3}, Rows: 1, Cols: 1}
	for _, s := range []linear.ElasticNetSettings{{}, {Alpha: 1}, {Alpha: 1, L1Ratio: 1}} {
		m, err = linear.FitElasticNet(t.Context(), one, s)
		require.NoError(t, err)
		require.Equal(t, []float64{0}, m.Coef)
		require.InDelta(t, 3, m.Intercept, 1e-15)
	}
	_, err = linear.FitLeastSquares(t.Context(), linear.Data{X: make([]float64, 20_000), Y: []float64{1}, Rows: 1, Cols: 20_000}, linear.LeastSquaresSettings{})
	require.NoError(t, err, "as many unknowns as rows are enough")
	_, err = linear.FitElasticNet(t.Context(), linear.Data{X: make([]float64, 20_000), Y: []float64{1}, Rows: 1, Cols: 20_000}, linear.ElasticNetSettings{Alpha: 1, L1Ratio: 1})
	require.NoError(t, err, "so is a second copy of the rows")
	huge := linear.Data{X: []float64{1e200, -1e200}, Y: []float64{0, 1}, Rows: 2, Cols: 1}
	_, err = linear.FitLeastSquares(t.Context(), huge, linear.LeastSquaresSettings{})
	require.Equal(t, perennial.CodeInvalid, perennial.CodeOf(err))
}

func FuzzDecodeLogistic(f *testing.F) {
	f.Add([]byte(`{"present":[0,2],"coef":[1,2],"intercept":[1],"status":"converged","iterations":1}`), 2, 3)
	f.Add([]byte(`{"present":[0,1,2],"coef":[1,2,3],"intercept":[1,2,3],"status":"stalled","iterations":1}`), 1, 3)
	f.Add([]byte(`{"present":[1],"coef":null,"intercept":null,"status":"converged","iterations":0}`), 4, 2)
	f.Fuzz(func(t *testing.T, b []byte, features, classes int) {
		features, classes = features&63, 2+classes&15
		m, err := linear.DecodeLogistic(b, features, classes)
		if err != nil {
			require.Equal(t, perennial.CodeMalformed, perennial.CodeOf(err))
			return
		}
		m.Predict(make([]float64, features), make([]float64, classes))
		_, err = m.Encode()
		require.NoError(t, err)
	})
}

func FuzzDecodeRegression(f *testing.F) {
	f.Add([]byte(`{"coef":[1,2.5],"intercept":1e300}`), 2)
	f.Add([]byte(`{"coef":[],"intercept":0,"status":"converged","iterations":9}`), 0)
	f.Fuzz(func(t *testing.T, b []byte, features int) {
		features &= 63
		m, err := linear.DecodeRegression(b, features)
		if err != nil {
			require.Equal(t, perennial.CodeMalformed, perennial.CodeOf(err))
			return
		}
		m.Predict(make([]float64, features), make([]float64, 1))
	})
}
