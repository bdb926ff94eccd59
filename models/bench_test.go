package models_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/models"
)

//nolint:paralleltest // allocations are counted in the whole process
func TestPredictDoesNotAllocate(t *testing.T) {
	table := churn(t)
	for _, name := range []string{"logistic_regression", "malaschitz_forest", "random_forest", "extra_trees"} {
		m := fit(t, models.Spec{Task: perennial.Classification, Algorithm: name}, table, all(table))
		s, row := m.NewScratch(), []float64{0, 2, nan, 19000, 1}
		require.Zero(t, testing.AllocsPerRun(100, func() { m.Predict(row, s) }), name)
	}
}

func BenchmarkPredict(b *testing.B)      { bench(b, 1) }
func BenchmarkPredictTable(b *testing.B) { bench(b, 1000) }

func bench(b *testing.B, rows int) {
	table := raw(b, "iris", perennial.Classification)
	picked := make([]int, rows)
	for i := range picked {
		picked[i] = i % table.Rows
	}
	for _, name := range []string{"logistic_regression", "malaschitz_forest", "random_forest", "gradient_boosting"} {
		m := fit(b, models.Spec{Task: perennial.Classification, Algorithm: name}, table, all(table))
		b.Run(fmt.Sprintf("%s/%d", name, rows), func(b *testing.B) {
			s, row := m.NewScratch(), []float64{5.1, 3.5, 1.4, 0.2}
			b.ReportAllocs()
			start := time.Now()
			for b.Loop() {
				if rows == 1 {
					m.Predict(row, s)
				} else if _, err := m.PredictTable(table, picked); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(time.Since(start).Nanoseconds())/float64(b.N)/float64(rows), "ns/row")
		})
	}
}
