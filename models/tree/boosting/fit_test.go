package boosting_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/models/tree"
	"github.com/perennial-ml/perennial/models/tree/boosting"
)

func TestFitRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*tree.Table, *boosting.Settings)
		code   perennial.Code
	}{
		"a target of NaN":     {func(t *tree.Table, _ *boosting.Settings) { t.Y[0] = nan }, perennial.CodeInvalid},
		"an unknown loss":     {func(_ *tree.Table, s *boosting.Settings) { s.Loss = "huber" }, perennial.CodeInvalid},
		"classes for numbers": {func(_ *tree.Table, s *boosting.Settings) { s.Loss = boosting.Log }, perennial.CodeInvalid},
		"numbers for classes": {func(t *tree.Table, s *boosting.Settings) { *t, s.Loss = *mixed(50, 2, 1), boosting.Squared }, perennial.CodeInvalid},
		"trees below 0":       {func(_ *tree.Table, s *boosting.Settings) { s.Trees = -1 }, perennial.CodeInvalid},
		"a single leaf":       {func(_ *tree.Table, s *boosting.Settings) { s.Leaves = 1 }, perennial.CodeInvalid},
		"a rate above 1":      {func(_ *tree.Table, s *boosting.Settings) { s.LearningRate = 1.5 }, perennial.CodeInvalid},
		"a rate of NaN":       {func(_ *tree.Table, s *boosting.Settings) { s.LearningRate = nan }, perennial.CodeInvalid},
		"bins beyond a byte":  {func(_ *tree.Table, s *boosting.Settings) { s.MaxBins = 256 }, perennial.CodeInvalid},
		"a negative penalty":  {func(_ *tree.Table, s *boosting.Settings) { s.L2 = -1 }, perennial.CodeInvalid},
		"nobody left to stop by": {func(t *tree.Table, s *boosting.Settings) {
			*t, s.EarlyStopping = *one([]float64{1, 2}, []float64{1, 2}), 1
		}, perennial.CodeInvalid},
		"all rows for the stopping": {func(_ *tree.Table, s *boosting.Settings) { s.ValidationShare = 1 }, perennial.CodeInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			table, s := mixed(50, 0, 1), boosting.Settings{}
			c.change(table, &s)
			_, err := boosting.Fit(t.Context(), table, s)
			require.Equal(t, c.code, perennial.CodeOf(err))
		})
	}
}

func TestFitStopsWhenCancelled(t *testing.T) {
	t.Parallel()
	table := mixed(30000, 3, 2)
	for _, after := range []time.Duration{0, 10 * time.Millisecond, 200 * time.Millisecond} {
		ctx, cancel := context.WithTimeout(t.Context(), after)
		defer cancel()
		start := time.Now()
		_, err := boosting.Fit(ctx, table, boosting.Settings{Trees: 100000, Leaves: 500, Threads: 2})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Less(t, time.Since(start), 10*time.Second, "on an idle machine it is well below 1 s")
	}
}

func BenchmarkFit(b *testing.B) {
	for _, rows := range []int{1000, 20000, 200000} {
		for _, classes := range []int{0, 2, 3} {
			for _, threads := range []int{1, 2} {
				b.Run(fmt.Sprintf("rows=%d/classes=%d/threads=%d", rows, classes, threads), func(b *testing.B) {
					table := mixed(rows, classes, 1)
					for b.Loop() {
						fit(b, table, boosting.Settings{Trees: 20, Threads: threads})
					}
					b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*rows*20), "ns/row/iteration")
				})
			}
		}
	}
}
