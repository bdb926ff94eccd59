package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestInitDataAndPipelineWorkOffline(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "demo")
	got := perennialCLI(t, "", "init", dir, "--demo")
	require.Equal(t, result{exitDone, dir + " is a project now. Next: perennial up --project " + dir + "\n", ""}, got)

	got = perennialCLI(t, "", "data", "status", "--project", dir)
	require.Equal(t, exitDone, got.code, got.err)
	require.Regexp(t, `data/raw/iris.csv +not_in_cache`, got.out)

	got = perennialCLI(t, "", "data", "pull", "data/raw/iris.csv", "--project", dir)
	require.Equal(t, result{exitDone, "data/raw/iris.csv\n", ""}, got)
	got = perennialCLI(t, "", "data", "pull", "data/raw/iris.csv", "--project", dir)
	require.Equal(t, "Everything is up to date.\n", got.out)
	got = perennialCLI(t, "", "data", "status", "--project", dir)
	require.Regexp(t, `data/raw/iris.csv +up_to_date`, got.out)

	file := filepath.Join(dir, "pipelines", "iris.yaml")
	got = perennialCLI(t, "", "pipeline", "validate", file, "--project", dir)
	require.Equal(t, exitDone, got.code, got.err)
	require.Contains(t, got.out, "iris.yaml is valid: pipeline iris, classification, 4 features, 2 candidates, revision ")

	require.NoError(t, os.WriteFile(file, []byte("name: Iris\ntask: guessing\ncolour: blue\n"), 0o600))
	got = perennialCLI(t, "", "pipeline", "validate", file, "--project", dir)
	require.Equal(t, exitFailed, got.code)
	require.Contains(t, got.err, "  pipelines/iris.yaml:1: ")
	require.Contains(t, got.err, "  pipelines/iris.yaml:2: ")
	require.Contains(t, got.err, "  pipelines/iris.yaml:3: ")

	got = perennialCLI(t, "", "data", "status", "--project", t.TempDir())
	require.Equal(t, exitFailed, got.code)
}
