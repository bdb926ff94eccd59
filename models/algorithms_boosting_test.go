package models_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/models"
)

// Null and categories go to the trees as they are, a category never seen too.
func TestGradientBoostingTakesATableAsItIs(t *testing.T) {
	t.Parallel()
	table := churn(t)
	for name, params := range map[string]map[string]any{
		"plain":     {"min_leaf": 1, "trees": 9},
		"balanced":  {"min_leaf": 1, "class_weight": "balanced", "trees": 9},
		"stopping":  {"min_leaf": 1, "early_stopping": 2, "validation_share": 0.3, "trees": 1000},
		"explicit":  {"min_leaf": 1, "loss": "log_loss", "l1": 0.01, "row_sample": 0.9, "column_sample": 0.5, "trees": 9},
		"too small": {}, // no leaf can have 20 rows
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spec := models.Spec{Task: perennial.Classification, Algorithm: "gradient_boosting", Params: params}
			m := fit(t, spec, table, all(table))
			b, err := m.Encode()
			require.NoError(t, err)
			again, err := fit(t, spec, table, all(table)).Encode()
			require.NoError(t, err)
			require.Equal(t, b, again)
			decoded, err := models.Decode(b)
			require.NoError(t, err)
			want, err := m.PredictTable(table, all(table))
			require.NoError(t, err)
			got, err := decoded.PredictTable(table, all(table))
			require.NoError(t, err)
			require.Equal(t, want, got)
			switch name {
			case "stopping":
				require.Contains(t, []string{"early_stopped", "converged"}, m.Trace().Status)
				require.Len(t, m.Trace().Validation, m.Trace().Iterations)
			case "too small":
				require.Equal(t, "converged", m.Trace().Status)
				require.Empty(t, m.Trace().Loss)
			default:
				require.Equal(t, "completed", m.Trace().Status)
				require.Len(t, m.Trace().Loss, 9)
			}
		})
	}
	_, err := models.Fit(t.Context(), models.Spec{
		Task: perennial.Classification, Algorithm: "gradient_boosting", Schema: table.Schema, Params: map[string]any{"loss": "squared_error"},
	}, table, all(table))
	require.Equal(t, perennial.CodeInvalid, perennial.CodeOf(err))
}
