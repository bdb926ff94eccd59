package stats_test

import (
	"math/bits"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial/stats"
)

// The values are those of the script models/preprocess/testdata/reference.py,
// which deals rows to folds by the same hash.
func TestHashNeverChanges(t *testing.T) {
	t.Parallel()
	got := ""
	for i := range uint64(20) {
		got += string('0' + rune(stats.Hash(42, i)%5))
	}
	require.Equal(t, "32231310413401412113", got)
}

func TestHashSpreadsNeighbours(t *testing.T) {
	t.Parallel()
	different := 0
	for i := range uint64(1000) {
		different += bits.OnesCount64(stats.Hash(1, i) ^ stats.Hash(1, i+1))
		different += bits.OnesCount64(stats.Hash(int64(i), 7) ^ stats.Hash(int64(i)+1, 7))
	}
	require.InDelta(t, 32, float64(different)/2000, 0.5)
}
