package predlog_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/db/dbtest"
	"github.com/perennial-ml/perennial/internal/predlog"
)

func TestCountVersions(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		log, _ := setup(t, open, predlog.Options{})
		for i, p := range []perennial.Prediction{
			{Model: "iris", Version: "1", Status: "ok"}, {Model: "iris", Version: "1", Status: "ok", Kind: perennial.KindShadow},
			{Model: "iris", Version: "1", Status: "error"}, {Model: "iris", Version: "2", Status: "ok"}, {Model: "churn", Version: "1", Status: "ok"},
		} {
			r := row(i, 0)
			r.Model, r.Version, r.Status, r.Kind = p.Model, p.Version, p.Status, p.Kind
			require.True(t, log.Append(r))
		}
		require.NoError(t, log.Flush(t.Context()))
		got, err := log.CountVersions(t.Context(), "iris")
		require.NoError(t, err)
		require.Equal(t, map[string]int64{"1": 2, "2": 1}, got)
		got, err = log.CountVersions(t.Context(), "no\x00body")
		require.NoError(t, err)
		require.Empty(t, got)
	})
}
