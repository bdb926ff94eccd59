package models_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial/models"
)

func TestThinKeepsBothEnds(t *testing.T) {
	t.Parallel()
	require.Equal(t, []int{0, 1, 2}, models.Thin(3, 5))
	require.Equal(t, []int{0, 2, 4, 6, 9}, models.Thin(10, 5))
	require.Empty(t, models.Thin(0, 5))
	thin := models.Thin(100_000, 1000)
	require.Len(t, thin, 1000)
	require.Equal(t, 99_999, thin[999])
	for i := 1; i < len(thin); i++ {
		require.Greater(t, thin[i], thin[i-1])
	}
}
