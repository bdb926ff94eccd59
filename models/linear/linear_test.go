package linear_test

import (
	"context"
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
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
		X [][]float64
		Y []float64
	}
	Logistic []logisticCase
	Ridge    []struct {
		Name          string
		Data          string
		Alpha         float64
		Coef, Predict []float64
		Intercept     float64
	}
}

type logisticCase struct {
	Name            string
	Data            string
	Rows, Present   []int
	Classes         int
	C               float64
	Balanced        bool
	Coef, Intercept []float64
	Proba           [][]float64
}

func load(t *testing.T) reference {
	t.Helper()
	b, err := os.ReadFile("testdata/reference.json")
	require.NoError(t, err)
	var r reference
	require.NoError(t, json.Unmarshal(b, &r))
	return r
}

// pick gives some rows of a reference table; nil is all.
func (r reference) pick(name string, rows []int, classes int) linear.Data {
	d := linear.Data{Classes: classes}
	all := r.Data[name]
	if rows == nil {
		for i := range all.X {
			rows = append(rows, i)
		}
	}
	for _, i := range rows {
		d.X, d.Y = append(d.X, all.X[i]...), append(d.Y, all.Y[i])
	}
	d.Rows, d.Cols = len(rows), len(all.X[0])
	return d
}

func TestLogisticMatchesScikitLearn(t *testing.T) {
	t.Parallel()
	r := load(t)
	for _, c := range r.Logistic {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			m, err := linear.FitLogistic(t.Context(), r.pick(c.Data, c.Rows, c.Classes), linear.LogisticSettings{C: c.C, Balanced: c.Balanced, Tolerance: 1e-9})
			require.NoError(t, err)
			require.Equal(t, linear.Converged, m.Status)
			require.Equal(t, c.Present, m.Present)
			require.InDeltaSlice(t, c.Coef, m.Coef, 1e-6)
			require.InDeltaSlice(t, c.Intercept, m.Intercept, 1e-5)
			out := make([]float64, c.Classes)
			for i, want := range c.Proba {
				m.Predict(r.Data[c.Data].X[10*i], out)
				for j, k := range c.Present {
					require.InDelta(t, want[j], out[k], 1e-6)
				}
				require.InDelta(t, 1, out[0]+out[1]+out[2], 1e-12)
			}
		})
	}
}

func TestLogisticDefaultsComeClose(t *testing.T) {
	t.Parallel()
	r := load(t)
	c := r.Logistic[0]
	m, err := linear.FitLogistic(t.Context(), r.pick(c.Data, c.Rows, c.Classes), linear.LogisticSettings{})
	require.NoError(t, err)
	require.Equal(t, linear.Converged, m.Status)
	require.Empty(t, m.Warning())
	require.InDeltaSlice(t, c.Coef, m.Coef, 1e-3)
}

func TestLogisticIsBitReproducible(t *testing.T) {
	t.Parallel()
	r := load(t)
	var first []byte
	for range 3 {
		m, err := linear.FitLogistic(t.Context(), r.pick("iris", nil, 3), linear.LogisticSettings{})
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
	m, err := linear.FitLogistic(t.Context(), r.pick("iris", nil, 3), linear.LogisticSettings{MaxIterations: 3})
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
		"logistic": func(ctx context.Context) error {
			_, err := linear.FitLogistic(ctx, d, linear.LogisticSettings{C: 1e9, Tolerance: 1e-300, MaxIterations: 1 << 30})
			return err
		},
		"ridge": func(ctx context.Context) error {
			_, err := linear.FitRidge(ctx, random(100, 9000), linear.RidgeSettings{Alpha: 1})
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

func TestRidgeMatchesScikitLearn(t *testing.T) {
	t.Parallel()
	r := load(t)
	for _, c := range r.Ridge {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			m, err := linear.FitRidge(t.Context(), r.pick(c.Data, nil, 0), linear.RidgeSettings{Alpha: c.Alpha})
			require.NoError(t, err)
			require.InDeltaSlice(t, c.Coef, m.Coef, 1e-9)
			require.InDelta(t, c.Intercept, m.Intercept, 1e-9)
			out := make([]float64, 1)
			for i, want := range c.Predict {
				m.Predict(r.Data[c.Data].X[i], out)
				require.InDelta(t, want, out[0], 1e-9)
			}
		})
	}
}

func TestRidgeRefusesSingularSystems(t *testing.T) {
	t.Parallel()
	x := []float64{1, 2, 2, 4, 3, 6, 5, 10}
	for name, d := range map[string]linear.Data{
		"dependent columns": {X: x, Y: []float64{1, 2, 3, 4}, Rows: 4, Cols: 2},
		"constant column":   {X: []float64{1, 1, 1, 1}, Y: []float64{1, 2, 3, 4}, Rows: 4, Cols: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := linear.FitRidge(t.Context(), d, linear.RidgeSettings{})
			var e *perennial.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, perennial.CodeInvalid, e.Code)
			_, hint, _ := perennial.Explain(err)
			require.Contains(t, hint, "alpha")
			_, err = linear.FitRidge(t.Context(), d, linear.RidgeSettings{Alpha: 0.1})
			require.NoError(t, err)
		})
	}
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
		m, err := linear.FitRidge(context.Background(), d, linear.RidgeSettings{Alpha: alpha})
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
	_, err = linear.DecodeRidge([]byte(`{"coef":[1],"intercept":0}`), 2)
	require.Equal(t, perennial.CodeMalformed, perennial.CodeOf(err))
}
