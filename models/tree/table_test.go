package tree_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/models/tree"
)

func TestTableCheck(t *testing.T) {
	t.Parallel()
	good := func() tree.Table {
		return tree.Table{X: []float64{1, 0, math.NaN(), 2, 3, math.NaN()}, Y: []float64{0, 1, 1}, Rows: 3, Cols: 2, Classes: 2, Categories: []int{0, 3}, Weights: []float64{0, 1, 2}}
	}
	table := good()
	require.NoError(t, table.Check())
	for name, c := range map[string]struct {
		change func(*tree.Table)
		code   perennial.Code
	}{
		"no rows":            {func(t *tree.Table) { *t = tree.Table{Cols: 1} }, perennial.CodeInternal},
		"values missing":     {func(t *tree.Table) { t.X = t.X[1:] }, perennial.CodeInternal},
		"targets missing":    {func(t *tree.Table) { t.Y = t.Y[1:] }, perennial.CodeInternal},
		"kinds missing":      {func(t *tree.Table) { t.Categories = t.Categories[1:] }, perennial.CodeInternal},
		"weights missing":    {func(t *tree.Table) { t.Weights = t.Weights[1:] }, perennial.CodeInternal},
		"one class":          {func(t *tree.Table) { t.Classes = 1 }, perennial.CodeInternal},
		"a class too many":   {func(t *tree.Table) { t.Y[0] = 2 }, perennial.CodeInvalid},
		"half a class":       {func(t *tree.Table) { t.Y[0] = 0.5 }, perennial.CodeInvalid},
		"a target of NaN":    {func(t *tree.Table) { t.Y[0], t.Classes = math.NaN(), 0 }, perennial.CodeInvalid},
		"an infinite target": {func(t *tree.Table) { t.Y[0], t.Classes = math.Inf(1), 0 }, perennial.CodeInvalid},
		"an infinite value":  {func(t *tree.Table) { t.X[0] = math.Inf(-1) }, perennial.CodeInvalid},
		"a code too large":   {func(t *tree.Table) { t.X[1] = 3 }, perennial.CodeInvalid},
		"a negative code":    {func(t *tree.Table) { t.X[1] = -1 }, perennial.CodeInvalid},
		"half a code":        {func(t *tree.Table) { t.X[1] = 0.5 }, perennial.CodeInvalid},
		"a negative weight":  {func(t *tree.Table) { t.Weights[1] = -1 }, perennial.CodeInvalid},
		"a weight of NaN":    {func(t *tree.Table) { t.Weights[1] = math.NaN() }, perennial.CodeInvalid},
		"an infinite weight": {func(t *tree.Table) { t.Weights[1] = math.Inf(1) }, perennial.CodeInvalid},
		"nothing has weight": {func(t *tree.Table) { clear(t.Weights) }, perennial.CodeInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			table := good()
			c.change(&table)
			require.Equal(t, c.code, perennial.CodeOf(table.Check()))
		})
	}
}
