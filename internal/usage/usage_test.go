package usage_test

import (
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/perennial-ml/perennial/internal/usage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// burn keeps one processor busy for a while.
func burn(t *testing.T, enough time.Duration) {
	t.Helper()
	x := 1.0
	for began := time.Now(); time.Since(began) < enough; {
		for range 1000 {
			x *= 1.0000001
		}
	}
	require.Positive(t, x)
}

// TestSteps is one test, because all steps of a process share its meter.
func TestSteps(t *testing.T) {
	t.Parallel()
	step := usage.Start()
	block := make([]byte, 256<<20)
	for i := 0; i < len(block); i += 4096 {
		block[i] = 1
	}
	used := step.Stop()
	runtime.KeepAlive(block)
	require.Equal(t, used, step.Stop(), "stopped is stopped")
	require.Positive(t, used.Wall)
	require.Positive(t, used.CPU)
	require.GreaterOrEqual(t, used.PeakMemory, int64(256<<20))

	a := usage.Start()
	burn(t, 60*time.Millisecond)
	b := usage.Start()
	burn(t, 60*time.Millisecond)
	usedA, usedB := a.Stop(), b.Stop()
	require.Less(t, usedB.CPU, usedA.CPU, "the first one was there for longer")
	require.Greater(t, usedA.Wall, usedB.Wall)
	require.Positive(t, usedB.CPU)
	most := float64(runtime.NumCPU()) * usedA.Wall.Seconds()
	require.LessOrEqual(t, (usedA.CPU + usedB.CPU).Seconds(), most+0.02, "no second is counted twice")
}
