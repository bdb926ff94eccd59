package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial/internal/project"
)

func TestDataPushAndPullByName(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "demo")
	require.NoError(t, project.Init(dir, true))
	config := filepath.Join(dir, ".dvc", "config")
	b, err := os.ReadFile(config)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(config, append(b, "['remote \"backup\"']\n    url = ../backup\n"...), 0o600))
	data := func(args ...string) result {
		return perennialCLI(t, "", append(append([]string{"data"}, args...), "--project", dir)...)
	}
	got := data("pull", "data/raw/iris.csv")
	require.Equal(t, exitDone, got.code, got.err)
	require.Equal(t, "data/raw/iris.csv\n", got.out)
	got = data("pull", "--json", "data/raw/iris.csv")
	require.Equal(t, exitDone, got.code, got.err)
	var pulled struct{ Pulled []string }
	require.NoError(t, json.Unmarshal([]byte(got.out), &pulled))
	require.NotNil(t, pulled.Pulled)
	require.Empty(t, pulled.Pulled)

	got = data("push", "-r", "backup", "-j", "2", "data/raw/iris.csv")
	require.Equal(t, exitDone, got.code, got.err)
	require.FileExists(t, filepath.Join(dir, "backup/files/md5/01/3d0da08d6506664ce640459139176b"))
	require.NoError(t, os.RemoveAll(filepath.Join(dir, ".dvc/cache")))
	require.NoError(t, os.RemoveAll(filepath.Join(dir, "data/remote")))
	require.NoError(t, os.Remove(filepath.Join(dir, "data/raw/iris.csv")))
	got = data("pull", "--remote", "backup")
	require.Equal(t, exitFailed, got.code)
	require.Equal(t, "data/raw/iris.csv\n", got.out, "what could be had came")
	require.Contains(t, got.err, `missing from the remote "backup" (backup)`)

	got = data("verify")
	require.Equal(t, exitFailed, got.code)
	require.Regexp(t, `(?m)^[0-9a-f]{32} +- +data/raw/california-housing.csv +missing: `, got.out)
	require.Contains(t, got.err, "damaged objects: 0; missing: 1")
	require.Contains(t, got.err, "Run perennial data push on a machine that has it")
	got = data("status", "--remote", "--json")
	require.Contains(t, got.out, `"remote": "missing"`)

	got = data("push", "-r", "none")
	require.Equal(t, exitFailed, got.code)
	require.Contains(t, got.err, "There are: backup, local.")
	require.Equal(t, exitUsage, data("pull", "--jobs", "-1").code)
}
