package processtest_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/client"
	"github.com/perennial-ml/perennial/internal/project"
	"github.com/perennial-ml/perennial/stats"
)

// rare is a pipeline with a rare positive class. Of the same name's seed the
// training rows are the same; the holdout's labels are turned round on request.
func rare(t *testing.T, dir, name string, turned bool) {
	t.Helper()
	const rows, every = 600, 4 // each fourth row is the holdout's
	random := stats.NewRand(11, 0)
	var data, split strings.Builder
	data.WriteString("a,b,late\n")
	split.WriteString("row\n")
	for i := range rows {
		a, b := random.NormFloat64(), random.NormFloat64()
		late := a+b+random.NormFloat64() > 2.2
		if i%every == 0 {
			fmt.Fprintf(&split, "%d\n", i)
			late = late != turned
		}
		fmt.Fprintf(&data, "%.6f,%.6f,%s\n", a, b, map[bool]string{true: "yes", false: "no"}[late])
	}
	for path, text := range map[string]string{
		"data/" + name + ".csv":              data.String(),
		"pipelines/" + name + ".split.csv":   split.String(),
		"pipelines/" + name + ".schema.yaml": "version: 1\ncolumns:\n  a: {type: numeric}\n  b: {type: numeric}\n  late: {role: target, type: categorical, values: [\"no\", \"yes\"]}\n",
		"pipelines/" + name + ".yaml": strings.ReplaceAll(`version: 1
name: NAME
task: classification
data: {path: data/NAME.csv, target: late, positive: "yes"}
schema: pipelines/NAME.schema.yaml
split: {by: given, file: pipelines/NAME.split.csv}
candidates: [{algorithm: logistic_regression, search: {c: {log: [0.01, 10]}}}]
tuning: {strategy: random, trials: 3, folds: 4, seed: 1}
select: {metric: average_precision}
threshold: {cost: {false_positive: 1, false_negative: 6}}
`, "NAME", name),
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, path), []byte(text), 0o600))
	}
}

// TestTheThresholdIsChosenOutOfTheFolds trains the same rows twice: another
// holdout makes another score, not another threshold, and the threshold is the
// one that predictions are made with and that a reproduction finds again.
func TestTheThresholdIsChosenOutOfTheFolds(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "project")
	require.NoError(t, project.Init(dir, false))
	rare(t, dir, "one", false)
	rare(t, dir, "two", true)
	p := setup(t, dir, "--no-bootstrap")
	var runs [2]client.RunView
	for i, name := range []string{"one", "two"} {
		view := p.train(name, client.TrainRequest{Reason: "test"})
		require.Equal(t, perennial.WorkflowCompleted, view.State, "%+v", view.Error)
		var err error
		runs[i], err = p.Run(t.Context(), view.Result.RunID)
		require.NoError(t, err)
	}
	one, two := runs[0].Metrics, runs[1].Metrics
	require.NotNil(t, one["threshold"])
	threshold := *one["threshold"]
	require.Equal(t, threshold, *two["threshold"])
	require.NotEqual(t, *one["log_loss"], *two["log_loss"])
	require.Less(t, threshold, 0.5, "a miss costs six times an alarm")
	require.Less(t, *one["threshold_cost"], *one["threshold_cost_at_half"])
	require.Equal(t, "converged", runs[0].Tags[perennial.TagTermination])
	require.NotNil(t, one["loss"])

	p.served("one", `{"a":0,"b":0}`)
	classes := map[any]int{}
	for i := range 40 {
		answer, err := p.predict("one", fmt.Sprintf(`{"a":%g,"b":0.5}`, float64(i)/10-2))
		require.NoError(t, err)
		want := map[bool]string{true: "yes", false: "no"}[answer.Probabilities["yes"] >= threshold]
		require.Equal(t, want, answer.Prediction)
		classes[answer.Prediction]++
	}
	require.Len(t, classes, 2)
	out, code := run(t, "--api", p.url, "reproduce", runs[0].RunID)
	require.Equal(t, 0, code, out)
	require.Contains(t, out, "same")
}
