package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial/internal/client"
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
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, bytes.Replace(content, []byte("preprocess:\n"), []byte("preprocess:\n  columns: {sepal_width: {drop: true}}\n"), 1), 0o600))
	got = perennialCLI(t, "", "pipeline", "validate", file, "--project", dir)
	require.Contains(t, got.out, ", 3 features, ", "a dropped column is none: %s", got.err)

	require.NoError(t, os.WriteFile(file, []byte("name: Iris\ntask: guessing\ncolour: blue\n"), 0o600))
	got = perennialCLI(t, "", "pipeline", "validate", file, "--project", dir)
	require.Equal(t, exitFailed, got.code)
	require.Contains(t, got.err, "  pipelines/iris.yaml:1: ")
	require.Contains(t, got.err, "  pipelines/iris.yaml:2: ")
	require.Contains(t, got.err, "  pipelines/iris.yaml:3: ")

	got = perennialCLI(t, "", "data", "status", "--project", t.TempDir())
	require.Equal(t, exitFailed, got.code)
}

func TestDataLineageByPath(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "demo")
	require.Equal(t, exitDone, perennialCLI(t, "", "init", dir, "--demo").code)
	md5 := "013d0da08d6506664ce640459139176b" // that the demo's pointer names
	f := newFake(t, map[string]any{
		"GET /lineage/data/" + md5:          client.DataLineageView{MD5: md5, Paths: []string{"data/raw/iris.csv"}},
		"GET /datasets/data/raw/remote.csv": client.DatasetView{Path: "data/raw/remote.csv", MD5: md5},
	})
	for path, code := range map[string]int{"data/raw/iris.csv": exitDone, "data/raw/remote.csv": exitDone, "data/raw/nope.csv": exitFailed} {
		got := perennialCLI(t, "", "data", "lineage", path, "--project", dir, "--api", f.url)
		require.Equal(t, code, got.code, "%s: %s", path, got.err)
	}
	for arg, says := range map[string]string{
		"ffff": "perennial data status", "data/raw/nope.csv": "perennial data status", "dvc.yaml": "perennial data add dvc.yaml",
	} {
		got := perennialCLI(t, "", "data", "lineage", arg, "--project", dir, "--api", f.url)
		require.Contains(t, got.err, arg+" is neither an md5, of 32 digits 0-9 and a-f, nor data that the project or the API knows")
		require.Contains(t, got.err, says)
		if arg != "dvc.yaml" {
			require.NotContains(t, got.err, "data add", "there is nothing to add")
		}
	}
	got := perennialCLI(t, "", "data", "lineage", "data/raw/remote.csv", "--project", t.TempDir(), "--api", f.url)
	require.Equal(t, exitDone, got.code, "where there is no project the API is asked: %s", got.err)
}

// It isn't parallel: it goes from directory to directory.
func TestTheProjectIsFoundUpward(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "demo")
	require.Equal(t, exitDone, perennialCLI(t, "", "init", dir, "--demo").code)
	outside := t.TempDir()
	require.NoError(t, os.Symlink(dir, filepath.Join(outside, "link")))
	works := func(says string, args ...string) {
		t.Helper()
		got := perennialCLI(t, "", args...)
		require.Equal(t, exitDone, got.code, got.err)
		require.Regexp(t, says, got.out)
	}
	fails := func(says string, args ...string) {
		t.Helper()
		got := perennialCLI(t, "", args...)
		require.Equal(t, exitFailed, got.code, got.out)
		require.Contains(t, got.err, says)
	}

	t.Chdir(filepath.Join(dir, "data", "raw"))
	works(`^iris.csv\n$`, "data", "pull", "iris.csv")
	works(`(?m)^iris.csv +up_to_date`, "data", "status")
	works(`"path": "data/raw/iris.csv"`, "data", "status", "--json")
	works(`up to date`, "data", "pull", filepath.Join(dir, "data/raw/iris.csv"))
	works(`up to date`, "data", "pull", filepath.Join(outside, "link/data/raw/iris.csv.dvc"), "--project", dir)
	works(`up to date`, "data", "pull", "data/raw/iris.csv", "--project", "../..")
	works(`(?m)^data/raw/iris.csv +up_to_date`, "data", "status", "--project", dir)
	require.NoError(t, os.WriteFile("new.csv", []byte("a\n1\n"), 0o600))
	works(`(?m)^new.csv `, "data", "add", "--local", "../raw/new.csv")
	require.FileExists(t, "new.csv.dvc")
	works(`iris.yaml is valid`, "pipeline", "validate", "../../pipelines/iris.yaml")
	fails("../../../x.csv is outside of the project ", "data", "add", "--local", "../../../x.csv")
	fails(outside+" is outside of the project ", "data", "push", outside)
	fails("is no DVC project", "data", "status", "--project", ".")

	t.Chdir(dir)
	works(`(?m)^data/raw/iris.csv +up_to_date`, "data", "status")
	t.Chdir(outside)
	works(`up to date`, "data", "pull", "data/raw/iris.csv", "--project", "link")
	works(`(?m)^data/raw/iris.csv +up_to_date`, "data", "status", "--project", "link")
	fails("is no DVC project", "data", "status")
	t.Setenv("PERENNIAL_PROJECT", outside)
	t.Chdir(dir)
	fails("is no DVC project", "data", "status")
}
