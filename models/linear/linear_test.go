package linear_test

import (
	"context"
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/models/linear"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type reference struct {
	Data map[string]struct {
		X           [][]float64
		Y           []float64
		Mean, Scale []float64
	}
	Logistic   []logisticCase
	Regression []regressionCase
}

type logisticCase struct {
	Name            string
	Data            string
	Rows, Present   []int
	Scaled          bool
	Classes         int
	Penalty         linear.Penalty
	C, L1Ratio      float64
	Balanced        bool
	Weights         []float64
	Coef, Intercept []float64
	Proba           [][]float64
}

type regressionCase struct {
	Name, Kind, Data string
	Scaled           bool
	Alpha, L1Ratio   float64
	Weights          []float64
	Coef, Predict    []float64
	Intercept        float64
}

func load(t *testing.T) reference {
	t.Helper()
	return loadFrom(t, "reference")
}

func loadFrom(t *testing.T, name string) reference {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name + ".json")
	require.NoError(t, err)
	var r reference
	require.NoError(t, json.Unmarshal(b, &r))
	return r
}

// row gives a row of a reference table.
func (r reference) row(name string, i int, scaled bool) []float64 {
	d := r.Data[name]
	out := slices.Clone(d.X[i])
	for j := range out {
		if scaled {
			out[j] = (out[j] - d.Mean[j]) / d.Scale[j]
		}
	}
	return out
}

// pick gives some rows of a reference table; nil is all.
func (r reference) pick(name string, rows []int, scaled bool, classes int) linear.Data {
	d := linear.Data{Classes: classes, Threads: 2}
	all := r.Data[name]
	if rows == nil {
		for i := range all.X {
			rows = append(rows, i)
		}
	}
	for _, i := range rows {
		d.X, d.Y = append(d.X, r.row(name, i, scaled)...), append(d.Y, all.Y[i])
	}
	d.Rows, d.Cols = len(rows), len(all.X[0])
	return d
}

// near requires a relative agreement of 1e-6, and of 1e-9 of the greatest
// element for those that are tiny beside it.
func near(t require.TestingT, want, got []float64, what string) {
	require.Len(t, got, len(want), what)
	largest := 0.0
	for _, v := range want {
		largest = max(largest, math.Abs(v))
	}
	for i, v := range want {
		require.InDelta(t, v, got[i], 1e-6*math.Abs(v)+1e-9*largest, "%s %d", what, i)
	}
}

func TestLogisticMatchesScikitLearn(t *testing.T) {
	t.Parallel()
	r := load(t)
	require.GreaterOrEqual(t, len(r.Logistic), 20)
	for _, c := range r.Logistic {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			d := r.pick(c.Data, c.Rows, c.Scaled, c.Classes)
			d.Weights = c.Weights
			m, err := linear.FitLogistic(t.Context(), d, linear.LogisticSettings{Penalty: c.Penalty, C: c.C, L1Ratio: c.L1Ratio, Balanced: c.Balanced, Tolerance: 1e-11})
			require.NoError(t, err)
			require.Equal(t, linear.Converged, m.Status)
			require.Equal(t, c.Present, m.Present)
			require.Len(t, m.Loss, m.Iterations)
			near(t, c.Coef, m.Coef, "coefficient")
			near(t, c.Intercept, m.Intercept, "intercept")
			out := make([]float64, c.Classes)
			for i, want := range c.Proba {
				m.Predict(r.row(c.Data, 10*i, c.Scaled), out)
				for j, k := range c.Present {
					require.InEpsilon(t, want[j], out[k], 1e-6)
				}
				require.InDelta(t, 1, sum(out), 1e-12)
			}
		})
	}
}

func sum(v []float64) float64 {
	total := 0.0
	for _, x := range v {
		total += x
	}
	return total
}

func TestRegressionMatchesScikitLearn(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"reference", "wide"} {
		r := loadFrom(t, name)
		require.GreaterOrEqual(t, len(r.Regression), 36)
		matchRegressions(t, r)
	}
}

func matchRegressions(t *testing.T, r reference) {
	t.Helper()
	for _, c := range r.Regression {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			d := r.pick(c.Data, nil, c.Scaled, 0)
			d.Weights = c.Weights
			m, err := fitRegression(t.Context(), c, d)
			require.NoError(t, err)
			require.Empty(t, m.Warning())
			near(t, c.Coef, m.Coef, "coefficient")
			near(t, []float64{c.Intercept}, []float64{m.Intercept}, "intercept")
			out := make([]float64, 1)
			for i, want := range c.Predict {
				m.Predict(r.row(c.Data, 10*i, c.Scaled), out)
				require.InEpsilon(t, want, out[0], 1e-6)
			}
		})
	}
}

func fitRegression(ctx context.Context, c regressionCase, d linear.Data) (*linear.Regression, error) {
	switch c.Kind {
	case "linear_regression":
		return linear.FitLeastSquares(ctx, d, linear.LeastSquaresSettings{Cutoff: 1e-6})
	case "ridge":
		return linear.FitLeastSquares(ctx, d, linear.LeastSquaresSettings{Alpha: c.Alpha})
	case "lasso":
		return linear.FitElasticNet(ctx, d, linear.ElasticNetSettings{Alpha: c.Alpha, L1Ratio: 1, Tolerance: 1e-13, MaxIterations: 1 << 20})
	default:
		return linear.FitElasticNet(ctx, d, linear.ElasticNetSettings{Alpha: c.Alpha, L1Ratio: c.L1Ratio, Tolerance: 1e-13, MaxIterations: 1 << 20})
	}
}

func TestLogisticIsBitReproducible(t *testing.T) {
	t.Parallel()
	r := load(t)
	var first []byte
	for range 3 {
		m, err := linear.FitLogistic(t.Context(), r.pick("iris", nil, false, 3), linear.LogisticSettings{})
		require.NoError(t, err)
		b, err := m.Encode()
		require.NoError(t, err)
		if first == nil {
			first = b
		}
		require.Equal(t, first, b)
	}
}

func TestLogisticWithOneClass(t *testing.T) {
	t.Parallel()
	m, err := linear.FitLogistic(t.Context(), linear.Data{X: []float64{1, 2}, Y: []float64{1, 1}, Rows: 2, Cols: 1, Classes: 3}, linear.LogisticSettings{})
	require.NoError(t, err)
	out := make([]float64, 3)
	m.Predict([]float64{5}, out)
	require.Equal(t, []float64{0, 1, 0}, out)
}

func TestLogisticSaysWhereItStopped(t *testing.T) {
	t.Parallel()
	r := load(t)
	m, err := linear.FitLogistic(t.Context(), r.pick("iris", nil, false, 3), linear.LogisticSettings{MaxIterations: 3})
	require.NoError(t, err)
	require.Equal(t, linear.IterationLimit, m.Status)
	require.Equal(t, 3, m.Iterations)
	require.Contains(t, m.Warning(), "iteration_limit after 3 iterations")
}

func TestLogisticRefusesTargetsOutOfRange(t *testing.T) {
	t.Parallel()
	for name, y := range map[string]float64{"negative": -1, "too large": 3, "fraction": 0.5, "NaN": math.NaN()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := linear.FitLogistic(t.Context(), linear.Data{X: []float64{1}, Y: []float64{y}, Rows: 1, Cols: 1, Classes: 3}, linear.LogisticSettings{})
			require.Equal(t, perennial.CodeInvalid, perennial.CodeOf(err))
		})
	}
}

func TestFitsStopWhenCancelled(t *testing.T) {
	t.Parallel()
	d := random(200_000, 60)
	fits := map[string]func(ctx context.Context) error{
		"logistic, Newton": func(ctx context.Context) error {
			_, err := linear.FitLogistic(ctx, d, linear.LogisticSettings{C: 1e9, Tolerance: 1e-300, MaxIterations: 1 << 30})
			return err
		},
		"logistic, L-BFGS": func(ctx context.Context) error {
			_, err := linear.FitLogistic(ctx, random(2000, 1500), linear.LogisticSettings{Penalty: linear.PenaltyL1, C: 1e9, Tolerance: 1e-300, MaxIterations: 1 << 30})
			return err
		},
		"least squares, many columns": func(ctx context.Context) error {
			_, err := linear.FitLeastSquares(ctx, random(2500, 2500), linear.LeastSquaresSettings{Alpha: 1})
			return err
		},
		"least squares, more columns than rows": func(ctx context.Context) error {
			_, err := linear.FitLeastSquares(ctx, random(1500, 5000), linear.LeastSquaresSettings{Alpha: 1})
			return err
		},
		"least squares, more columns than rows, singular": func(ctx context.Context) error {
			d := random(900, 1200)
			copy(d.X[:d.Cols], d.X[d.Cols:2*d.Cols])
			_, err := linear.FitLeastSquares(ctx, d, linear.LeastSquaresSettings{})
			return err
		},
		"least squares, singular": func(ctx context.Context) error {
			_, err := linear.FitLeastSquares(ctx, random(1200, 1200), linear.LeastSquaresSettings{})
			return err
		},
		"lasso": func(ctx context.Context) error {
			_, err := linear.FitElasticNet(ctx, random(900, 300), linear.ElasticNetSettings{Alpha: 1e-9, L1Ratio: 1, Tolerance: 1e-300, MaxIterations: 1 << 40})
			return err
		},
		"lasso, more columns than rows": func(ctx context.Context) error {
			_, err := linear.FitElasticNet(ctx, random(300, 900), linear.ElasticNetSettings{Alpha: 1e-9, L1Ratio: 1, Tolerance: 1e-300, MaxIterations: 1 << 40})
			return err
		},
	}
	for name, fit := range fits {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			start := time.Now()
			err := fit(ctx)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.Less(t, time.Since(start), 10*time.Second, "on an idle machine it is well below 2 s")
		})
	}
}

func random(rows, cols int) linear.Data {
	rng := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same numbers every time
	d := linear.Data{X: make([]float64, rows*cols), Y: make([]float64, rows), Rows: rows, Cols: cols, Classes: 4}
	for i := range d.X {
		d.X[i] = rng.NormFloat64()
	}
	for i := range d.Y {
		d.Y[i] = float64(rng.IntN(4))
	}
	return d
}

// At the solution the gradient of the objective is zero:
// Xᵀ(y − ŷ) = αw on centred data, and the residuals sum to zero.
func TestRidgeSolvesItsEquations(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		cols := rapid.IntRange(1, 6).Draw(t, "cols")
		rows := rapid.IntRange(cols+2, 40).Draw(t, "rows")
		alpha := rapid.Float64Range(0.01, 100).Draw(t, "alpha")
		number := rapid.Float64Range(-50, 50)
		d := linear.Data{X: rapid.SliceOfN(number, rows*cols, rows*cols).Draw(t, "x"), Y: rapid.SliceOfN(number, rows, rows).Draw(t, "y"), Rows: rows, Cols: cols}
		m, err := linear.FitLeastSquares(context.Background(), d, linear.LeastSquaresSettings{Alpha: alpha})
		require.NoError(t, err)
		sum, grad, out := 0.0, make([]float64, cols), make([]float64, 1)
		for i := range rows {
			x := d.X[i*cols : (i+1)*cols]
			m.Predict(x, out)
			sum += d.Y[i] - out[0]
			for j, v := range x {
				grad[j] += v * (d.Y[i] - out[0])
			}
		}
		require.InDelta(t, 0, sum, 1e-6)
		for j := range grad {
			require.InDelta(t, alpha*m.Coef[j], grad[j], 1e-4)
		}
	})
}

func TestDecodeRefusesWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"empty":           ``,
		"unknown field":   `{"present":[0,1],"coef":[1,2],"intercept":[1],"status":"converged","iterations":1,"more":1}`,
		"class too large": `{"present":[0,3],"coef":[1,2],"intercept":[1],"status":"converged","iterations":1}`,
		"class twice":     `{"present":[1,1],"coef":[1,2],"intercept":[1],"status":"converged","iterations":1}`,
		"no class":        `{"present":[],"coef":[],"intercept":[],"status":"converged","iterations":1}`,
		"unknown status":  `{"present":[0,1],"coef":[1,2],"intercept":[1],"status":"fine","iterations":1}`,
		"too few":         `{"present":[0,1],"coef":[1],"intercept":[1],"status":"converged","iterations":1}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := linear.DecodeLogistic([]byte(text), 2, 3)
			require.Equal(t, perennial.CodeMalformed, perennial.CodeOf(err))
		})
	}
	_, err := linear.DecodeLogistic([]byte(`{"present":[0,2],"coef":[1,2],"intercept":[1],"status":"converged","iterations":1}`), 2, 3)
	require.NoError(t, err)
	_, err = linear.DecodeRegression([]byte(`{"coef":[1],"intercept":0,"status":"fine"}`), 1)
	require.Equal(t, perennial.CodeMalformed, perennial.CodeOf(err))
	_, err = linear.DecodeRegression([]byte(`{"coef":[1],"intercept":0}`), 2)
	require.Equal(t, perennial.CodeMalformed, perennial.CodeOf(err))
}
