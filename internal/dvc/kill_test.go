package dvc_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial/internal/dvc"
)

const killDir = "PERENNIAL_TEST_ADD_IN"

// A process that adds data is killed, at a later moment each time.
func TestAddMayBeKilled(t *testing.T) {
	t.Parallel()
	if dir := os.Getenv(killDir); dir != "" { // the process to be killed
		_, err := open(t, dir).AddAll(t.Context(), "big", "d")
		require.NoError(t, err)
		return
	}
	r, dir := emptyRepo(t)
	write(t, dir, "big", strings.Repeat("0123456789abcdef", 1<<20))
	for _, name := range []string{"d/1", "d/2", "d/3"} {
		write(t, dir, name, strings.Repeat(name, 1<<18))
	}
	for i := range 8 {
		c := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestAddMayBeKilled$")
		c.Env = append(os.Environ(), killDir+"="+dir)
		require.NoError(t, c.Start())
		time.AfterFunc(time.Duration(i*8)*time.Millisecond, func() { _ = c.Process.Kill() })
		_ = c.Wait() // killed, or done before
		v, err := r.Verify(t.Context(), false)
		require.NoError(t, err)
		require.Empty(t, v.Bad)
		for path, s := range states(t, open(t, dir)) { // a pointer that is there has its objects
			require.Equal(t, dvc.StateUpToDate, s, path)
		}
	}
	_, err := open(t, dir).AddAll(t.Context(), "big", "d")
	require.NoError(t, err)
	require.Equal(t, map[string]dvc.State{"big": dvc.StateUpToDate, "d": dvc.StateUpToDate}, states(t, open(t, dir)))
	sum, _, err := dvc.HashFile(filepath.Join(dir, "big"))
	require.NoError(t, err)
	require.FileExists(t, filepath.Join(dir, cacheObject(sum)))
}
