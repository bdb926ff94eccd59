package models_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/models"
)

func TestLinearAlgorithmsTellHowTheyEndedAndComeBackFromTheirFiles(t *testing.T) {
	t.Parallel()
	iris := raw(t, "iris", perennial.Classification)
	table := regression(t)
	for _, c := range []struct {
		algorithm string
		params    map[string]any
		status    string
		warns     bool
	}{
		{algorithm: "logistic_regression", status: "converged"},
		{algorithm: "logistic_regression", params: map[string]any{"penalty": "l1"}, status: "converged"},
		{algorithm: "logistic_regression", params: map[string]any{"penalty": "elastic_net", "l1_ratio": 0.3}, status: "converged"},
		{algorithm: "logistic_regression", params: map[string]any{"penalty": "none", "max_iter": 2}, status: "iteration_limit", warns: true},
		{algorithm: "linear_regression"},
		{algorithm: "ridge"},
		{algorithm: "lasso", params: map[string]any{"alpha": 0.01}, status: "converged"},
		{algorithm: "lasso", params: map[string]any{"alpha": 1e-6, "tol": 1e-14, "max_iter": 1}, status: "iteration_limit", warns: true},
		{algorithm: "elastic_net", params: map[string]any{"alpha": 0.01}, status: "converged"},
		{algorithm: "elastic_net", params: map[string]any{"alpha": 0.01, "l1_ratio": 0.0}}, // ridge: a closed form
	} {
		t.Run(fmt.Sprint(c.algorithm, c.params), func(t *testing.T) {
			t.Parallel()
			spec, data := models.Spec{Task: perennial.Regression, Algorithm: c.algorithm, Params: c.params}, table
			if c.algorithm == "logistic_regression" {
				spec.Task, data = perennial.Classification, iris
			}
			m := fit(t, spec, data, all(data))
			trace := m.Trace()
			require.Equal(t, c.status, trace.Status)
			require.Len(t, trace.Loss, trace.Iterations)
			require.Equal(t, c.warns, m.Warning() != "", m.Warning())
			for i := 1; i < len(trace.Loss); i++ {
				require.LessOrEqual(t, trace.Loss[i], trace.Loss[i-1]*(1+1e-12), "iteration %d", i)
			}
			b, err := m.Encode()
			require.NoError(t, err)
			back, err := models.Decode(b)
			require.NoError(t, err)
			require.Equal(t, m.Warning(), back.Warning())
			require.Empty(t, back.Trace())
			want, err := m.PredictTable(data, all(data))
			require.NoError(t, err)
			got, err := back.PredictTable(data, all(data))
			require.NoError(t, err)
			require.Equal(t, want, got)
		})
	}
}
