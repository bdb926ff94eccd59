package predlog_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/db/dbtest"
	"github.com/perennial-ml/perennial/internal/predlog"
)

func TestEvidence(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		log, _ := setup(t, open, predlog.Options{})
		n := 0
		add := func(times int, change func(i int, p *perennial.Prediction)) {
			for i := range times {
				p := row(n, 0)
				p.Epoch, p.Bucket = 7, 1
				change(i, &p)
				require.True(t, log.Append(p))
				n++
			}
		}
		add(1100, func(i int, p *perennial.Prediction) { p.LatencyNS = int64(i + 1) })
		add(40, func(i int, p *perennial.Prediction) {
			p.Variant = perennial.VariantChallenger
			if i < 3 {
				p.Status = "error"
			}
		})
		// None of these counts: another epoch, kind, model, a second attempt, nothing assigned.
		add(5, func(_ int, p *perennial.Prediction) { p.Epoch = 6 })
		add(5, func(_ int, p *perennial.Prediction) { p.Kind = perennial.KindConsole })
		add(5, func(_ int, p *perennial.Prediction) { p.Model = "churn" })
		add(5, func(_ int, p *perennial.Prediction) { p.Attempt = 1 })
		add(5, func(_ int, p *perennial.Prediction) { p.Bucket = -1 })
		require.NoError(t, log.Flush(t.Context()))
		got, err := log.Evidence(t.Context(), "iris", 7)
		require.NoError(t, err)
		require.Equal(t, map[perennial.Variant]predlog.Counts{
			perennial.VariantChampion:   {N: 1100, P99: 1089},
			perennial.VariantChallenger: {N: 40, Errors: 3},
		}, got)
		got, err = log.Evidence(t.Context(), "iris", 8)
		require.NoError(t, err)
		require.Empty(t, got)
	})
}
