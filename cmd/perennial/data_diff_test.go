package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// What a file was comes from the remote that its pointer names.
func TestDataDiffAsksTheFilesOwnRemote(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put := func(name, text string) {
		t.Helper()
		file := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o750))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	}
	done := func(args ...string) string {
		t.Helper()
		got := perennialCLI(t, "", append(args, "--project", dir)...)
		require.Equal(t, exitDone, got.code, got.err)
		return got.out
	}
	put(".dvc/config", "[core]\n    remote = a\n['remote \"a\"']\n    url = ../a\n['remote \"b\"']\n    url = ../b\n")
	put("x.csv", "id,v\n1,2\n")
	done("data", "add", "--local", "x.csv")
	pointer, err := os.ReadFile(filepath.Join(dir, "x.csv.dvc"))
	require.NoError(t, err)
	put("x.csv.dvc", string(pointer)+"  remote: b\n")
	done("data", "push")
	for _, args := range [][]string{{"init", "-q"}, {"add", "x.csv.dvc"}, {"-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-qm", "one"}} {
		out, err := exec.CommandContext(t.Context(), "git", append([]string{"-C", dir}, args...)...).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	require.NoError(t, os.RemoveAll(filepath.Join(dir, ".dvc/cache")))
	put("x.csv", "id,v\n1,3\n")
	require.Contains(t, done("data", "diff", "--key", "id"), "1 rows, were 1: 0 added, 0 removed, 1 changed")
}
