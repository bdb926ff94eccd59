package models_test

import (
	"encoding/json"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/models"
)

func TestAlgorithms(t *testing.T) {
	t.Parallel()
	var names []string
	for _, a := range models.Algorithms() {
		names = append(names, a.Name)
		require.NotEmpty(t, a.Doc)
		require.Equal(t, a.Name != "malaschitz_forest", a.Reproducible)
		for _, p := range a.Params {
			require.NotEmpty(t, p.Doc)
			faults := models.CheckCandidate(a.Tasks[0], perennial.Candidate{Algorithm: a.Name, Params: map[string]any{p.Name: p.Default}})
			require.Empty(t, faults, "the default of %s.%s", a.Name, p.Name)
		}
	}
	require.Subset(t, names, []string{"elastic_net", "lasso", "linear_regression", "logistic_regression", "malaschitz_forest", "ridge"})
	require.True(t, slices.IsSorted(names))
}

func TestCheckCandidate(t *testing.T) {
	t.Parallel()
	const classification, regression = perennial.Classification, perennial.Regression
	params := func(algorithm string, p map[string]any) perennial.Candidate {
		return perennial.Candidate{Algorithm: algorithm, Params: p}
	}
	search := func(algorithm string, s ...perennial.SearchParam) perennial.Candidate {
		return perennial.Candidate{Algorithm: algorithm, Search: s}
	}
	const lr, forest = "logistic_regression", "malaschitz_forest"
	for _, c := range []struct {
		name      string
		task      perennial.Task
		candidate perennial.Candidate
		want      []string // path and rule
	}{
		{"sound", classification, perennial.Candidate{Algorithm: lr, Params: map[string]any{"class_weight": "balanced", "max_iter": 50.0}, Search: []perennial.SearchParam{{Name: "c", Kind: perennial.SearchLog, Low: 0.01, High: 100}}}, nil},
		{"numbers of any Go type", classification, params(forest, map[string]any{"trees": int64(5), "max_depth": uint64(5), "leaf_size": json.Number("3"), "max_features": int32(1)}), nil},
		{"unknown algorithm", classification, params("svm", nil), []string{"/algorithm unknown"}},
		{"other task", regression, params(lr, nil), []string{"/algorithm task"}},
		{"unknown parameter", regression, params("ridge", map[string]any{"lambda": 1, "a/b": 1}), []string{"/params/a~1b unknown", "/params/lambda unknown"}},
		{"wrong types", classification, params(lr, map[string]any{"c": "1", "class_weight": 1, "max_iter": 1.5, "tol": nil}), []string{"/params/c type", "/params/class_weight type", "/params/max_iter type", "/params/tol type"}},
		{"out of bounds", classification, params(lr, map[string]any{"c": 0, "class_weight": "heavy", "max_iter": 0, "tol": math.NaN()}), []string{"/params/c range", "/params/class_weight choice", "/params/max_iter range", "/params/tol range"}},
		{"unknown search", classification, search(lr, perennial.SearchParam{Name: "C", Kind: perennial.SearchLog, Low: 1, High: 2}), []string{"/search/C unknown"}},
		{"search twice", classification, search(lr, perennial.SearchParam{Name: "c", Kind: perennial.SearchFloat, Low: 1, High: 2}, perennial.SearchParam{Name: "c", Kind: perennial.SearchFloat, Low: 1, High: 2}), []string{"/search/c duplicate"}},
		{"search of the wrong kind", classification, search(forest, perennial.SearchParam{Name: "trees", Kind: perennial.SearchLog, Low: 1, High: 2}), []string{"/search/trees search"}},
		{"search upside down", classification, search(lr, perennial.SearchParam{Name: "c", Kind: perennial.SearchFloat, Low: 2, High: 1}), []string{"/search/c search"}},
		{"search log from 0", regression, search("ridge", perennial.SearchParam{Name: "alpha", Kind: perennial.SearchLog, Low: 0, High: 1}), []string{"/search/alpha search"}},
		{"search out of bounds", classification, search(forest, perennial.SearchParam{Name: "max_depth", Kind: perennial.SearchInt, Low: 1, High: 65}), []string{"/search/max_depth range"}},
		{"search of fractions", classification, search(forest, perennial.SearchParam{Name: "max_depth", Kind: perennial.SearchIntLog, Low: 1.5, High: 6}), []string{"/search/max_depth type"}},
		{"a loss of the other task", classification, perennial.Candidate{Algorithm: "gradient_boosting", Params: map[string]any{"loss": "squared_error"}}, []string{"/params/loss task"}},
		{"a criterion of the other task", classification, perennial.Candidate{Algorithm: "random_forest", Params: map[string]any{"criterion": "squared"}}, []string{"/params/criterion task"}},
		{"class weights of a regression", regression, params("extra_trees", map[string]any{"class_weight": "balanced"}), []string{"/params/class_weight task"}},
		{"class weights of a boosted regression", regression, params("gradient_boosting", map[string]any{"class_weight": "balanced"}), []string{"/params/class_weight task"}},
		{"a searched loss of the other task", classification, search("gradient_boosting", perennial.SearchParam{Name: "loss", Kind: perennial.SearchChoice, Choices: []any{"log_loss", "absolute_error"}}), []string{"/search/loss task"}},
		{"shares", classification, search("random_forest", perennial.SearchParam{Name: "max_features", Kind: perennial.SearchFloat, Low: 0.3, High: 1}), nil},
		{"numbers of features", classification, search("random_forest", perennial.SearchParam{Name: "max_features", Kind: perennial.SearchChoice, Choices: []any{2.0, 4.0}}), nil},
		{"a share and a number", classification, search("random_forest", perennial.SearchParam{Name: "max_features", Kind: perennial.SearchChoice, Choices: []any{0.3, 4.0}}), nil},
		{"from a share to a number", classification, search("random_forest", perennial.SearchParam{Name: "max_features", Kind: perennial.SearchFloat, Low: 1, High: 4}), []string{"/search/max_features search"}},
		{"1 beside numbers", regression, search("extra_trees", perennial.SearchParam{Name: "max_features", Kind: perennial.SearchChoice, Choices: []any{1.0, 2.0}}), []string{"/search/max_features search"}},
		{"search without choices", classification, search(lr, perennial.SearchParam{Name: "class_weight", Kind: perennial.SearchChoice}), []string{"/search/class_weight search"}},
		{"search with wrong choices", classification, search(lr, perennial.SearchParam{Name: "class_weight", Kind: perennial.SearchChoice, Choices: []any{"none", "x", 3}}), []string{"/search/class_weight/choice/1 choice", "/search/class_weight/choice/2 type"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			faults := models.CheckCandidate(c.task, c.candidate)
			var got []string
			for _, f := range faults {
				require.NotEmpty(t, f.Message)
				require.NotContains(t, f.Message, "a int")
				got = append(got, f.Path+" "+f.Rule)
			}
			require.Equal(t, c.want, got)
			_, err := json.Marshal(faults)
			require.NoError(t, err)
		})
	}
}
