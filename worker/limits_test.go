package worker_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/workflows"
)

// add makes a pipeline of its own data the project's, with ridge or
// logistic_regression as its candidate.
func (w *world) add(t *testing.T, task perennial.Task, schema, data, more string) {
	t.Helper()
	algorithm := "ridge"
	if task == perennial.Classification {
		algorithm = "logistic_regression"
	}
	for name, text := range map[string]string{
		"data/raw/own.csv":          data,
		"pipelines/own.schema.yaml": "version: 1\ncolumns:\n" + schema,
		"pipelines/own.yaml": fmt.Sprintf("version: 1\nname: own\ntask: %s\ndata: {path: data/raw/own.csv, target: y}\nschema: pipelines/own.schema.yaml\n"+
			"candidates: [{algorithm: %s}]\ntuning: {trials: 1, folds: 3}\n%s", task, algorithm, more),
	} {
		require.NoError(t, os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o600))
	}
	w.apply(t)
}

const (
	numberX = "  x: {type: numeric, nullable: true}\n"
	wordC   = "  c: {type: categorical, nullable: true, unknown: other, max_values: 4}\n"
	numberY = "  y: {role: target, type: numeric}\n"
	classY  = "  y: {role: target, type: categorical}\n"
)

// csv writes rows of x and what follows it.
func csv(header string, rows int, line func(i int, x float64) string) string {
	rng := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // a test
	var b strings.Builder
	b.WriteString(header + "\n")
	for i := range rows {
		b.WriteString(line(i, rng.NormFloat64()) + "\n")
	}
	return b.String()
}

func TestDataAtItsLimitsTrainsOrSaysWhyNot(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name         string
		task         perennial.Task
		schema, data string
		want         string // of the failure; "": it trains
	}{
		{"missing values", perennial.Regression, numberX + wordC + "  none: {type: numeric, nullable: true}\n" + numberY, csv("x,c,none,y", 90, func(i int, x float64) string {
			cells := []string{fmt.Sprint(x), fmt.Sprint("k", i%3)}
			cells[i%2] = ""
			return strings.Join(cells, ",") + ",," + fmt.Sprint(2*x+1)
		}), ""},
		{"categories of one row each", perennial.Regression, numberX + wordC + numberY, csv("x,c,y", 60, func(i int, x float64) string { return fmt.Sprintf("%g,only%d,%g", x, i, x) }), ""},
		{"constant columns", perennial.Classification, numberX + wordC + "  same: {type: integer}\n" + classY, csv("x,c,same,y", 60, func(_ int, x float64) string { return fmt.Sprintf("%g,all,7,%v", x, x > 0) }), ""},
		{"a single class", perennial.Classification, numberX + classY, csv("x,y", 40, func(_ int, x float64) string { return fmt.Sprintf("%g,yes", x) }), "the data has a single class"},
		{"a single class of two that are listed", perennial.Classification, numberX + strings.Replace(classY, "categorical", "categorical, values: [no, yes]", 1), csv("x,y", 40, func(_ int, x float64) string { return fmt.Sprintf("%g,yes", x) }), "the data has a single class"},
		{"rows all alike", perennial.Regression, numberX + numberY, "x,y\n" + strings.Repeat("1,2\n", 30), "all 30 rows are alike"},
		{"two rows", perennial.Regression, numberX + numberY, "x,y\n1,2\n3,4\n", "the 2 rows are too few"},
		{"nearly all held out", perennial.Regression, numberX + numberY, csv("x,y", 60, func(_ int, x float64) string { return fmt.Sprintf("%g,%g", x, x) }), "split.test: 0.999 leaves 1 of the 60 rows for training"},
		{"folds without a class", perennial.Classification, numberX + strings.Replace(classY, "categorical", "categorical, values: [bad, good]", 1), csv("x,y", 60, func(i int, x float64) string { return fmt.Sprintf("%g,%s", x, []string{"good", "bad"}[i/58]) }),
			`rows: none of them is of the class "bad", which has too few rows`},
		{"outside of a transform", perennial.Regression, numberX + numberY, csv("x,y", 60, func(_ int, x float64) string { return fmt.Sprintf("%g,%g", x, x) }), "trial 1 (ridge): x has the value"},
		{"one row", perennial.Regression, numberX + numberY, "x,y\n1,2\n", "both parts need at least one"},
		{"one time", perennial.Regression, numberX + "  day: {type: date}\n" + numberY, csv("x,day,y", 20, func(_ int, x float64) string { return fmt.Sprintf("%g,2026-01-01,%g", x, x) }), "two different times"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w, more := setup(t), ""
			switch {
			case strings.Contains(c.schema, "day"):
				more = "split: {by: time, column: day}\n"
			case c.name == "nearly all held out":
				more = "split: {by: random, test: 0.999}\n"
			case c.name == "outside of a transform":
				more = "preprocess: {numeric: {transform: log}}\n"
			case c.name == "folds without a class":
				more = "select: {metric: roc_auc}\n"
			}
			w.add(t, c.task, c.schema, c.data, more)
			result, err := w.train(t, "own", perennial.BudgetFull)
			if c.want != "" {
				f := workflows.FailureOf(err)
				require.Equal(t, perennial.CodeInvalid, f.Code)
				require.Contains(t, f.Message, c.want)
				return
			}
			require.NoError(t, err)
			require.True(t, result.InService)
		})
	}
}

func TestEverySplitTrains(t *testing.T) {
	t.Parallel()
	const schema = numberX + "  shop: {type: categorical, unknown: other}\n  day: {type: date}\n" + classY
	data := csv("x,shop,day,y", 200, func(i int, x float64) string {
		return fmt.Sprintf("%g,s%d,2026-%02d-%02d,%v", x, i%25, 1+i%10, 1+i%7, x > 0 != (i%9 == 0))
	})
	for by, split := range map[string]string{
		"random": "{by: random}", "stratified": "{by: stratified}", "group": "{by: group, column: shop}", "time": "{by: time, column: day}",
	} {
		t.Run(by, func(t *testing.T) {
			t.Parallel()
			w := setup(t)
			w.add(t, perennial.Classification, schema, data, "split: "+split+"\n")
			result, err := w.train(t, "own", perennial.BudgetFull)
			require.NoError(t, err)
			trials, err := w.ledger.Trials(t.Context(), result.RunID)
			require.NoError(t, err)
			require.Len(t, trials[0].Scores, 3)
			run, err := w.tracking.GetRun(t.Context(), result.RunID)
			require.NoError(t, err)
			require.Empty(t, run.Tag("perennial.leak_warnings"))
			rows, _ := run.Metric("evaluated_rows")
			require.InDelta(t, 40, rows, 8)
		})
	}
}

func TestSignsOfALeakAreOnTheRun(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.add(t, perennial.Regression, "  id: {role: id}\n"+numberX+"  invoice: {type: numeric}\n"+numberY, csv("id,x,invoice,y", 120, func(i int, x float64) string {
		y := float64(i/2) * 1.5 // two rows each, equal but for the id
		return fmt.Sprintf("%d,%d,%g,%g", i, i/2%7, 2*y, y+x/1e6)
	}), "split: {by: random}\n")
	result, err := w.train(t, "own", perennial.BudgetFull)
	require.NoError(t, err, "a warning stops nothing")
	run, err := w.tracking.GetRun(t.Context(), result.RunID)
	require.NoError(t, err)
	told := run.Tag("perennial.leak_warnings")
	require.Contains(t, told, "held-out rows have the same features as a training row")
	require.Contains(t, told, "The feature invoice alone explains the target")
	require.NotContains(t, told, "The feature x ")
}
