package usage

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestCharging walks a meter through two steps with a clock of its own: the
// second one joins at 10 s, both end after 10 s more.
func TestCharging(t *testing.T) {
	t.Parallel()
	var cpu time.Duration
	var memory, highest int64 = 100, 500
	m := &meter{cpu: func() time.Duration { return cpu }, memory: func() int64 { return memory }, highest: func() int64 { return highest }}
	a := m.start()
	cpu, memory = 10*time.Second, 300
	b := m.start()
	cpu, memory, highest = 20*time.Second, 200, 600
	usedA := a.Stop()
	cpu = 23 * time.Second
	usedB := b.Stop()
	require.Equal(t, 15*time.Second, usedA.CPU)
	require.Equal(t, 8*time.Second, usedB.CPU)
	require.EqualValues(t, 600, usedA.PeakMemory, "the high-water mark rose")

	c := m.start()
	memory = 450
	require.EqualValues(t, 450, c.Stop().PeakMemory, "it didn't rise: what was seen counts")
}
