package worker_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
)

func TestTheBootstrapLearnsFromAPartOfManyRows(t *testing.T) {
	t.Parallel()
	w := setup(t)
	const rows = 26_000 // 20,800 of them to train on
	w.add(t, perennial.Regression, numberX+numberY, csv("x,y", rows, func(_ int, x float64) string { return fmt.Sprintf("%g,%g", x, 2*x+1) }), "")
	first, err := w.train(t, "own", perennial.BudgetBootstrap)
	require.NoError(t, err)
	require.Equal(t, "1", first.Version)
	run, err := w.tracking.GetRun(t.Context(), first.RunID)
	require.NoError(t, err)
	require.Equal(t, "20000 of 20800 training rows", run.Tag(perennial.TagSampled))
	again, err := w.train(t, "own", perennial.BudgetBootstrap)
	require.NoError(t, err)
	other, err := w.tracking.GetRun(t.Context(), again.RunID)
	require.NoError(t, err)
	require.Equal(t, run.Tag(perennial.TagModelSHA256), other.Tag(perennial.TagModelSHA256), "the same rows each time")

	full, err := w.train(t, "own", perennial.BudgetFull)
	require.NoError(t, err)
	all, err := w.tracking.GetRun(t.Context(), full.RunID)
	require.NoError(t, err)
	require.Empty(t, all.Tag(perennial.TagSampled))
}
