package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/dvc"
	"github.com/perennial-ml/perennial/internal/pipeline"
	"github.com/perennial-ml/perennial/internal/project"
)

// ownCSV writes a CSV file with 40 rows into a directory of its own.
func ownCSV(t *testing.T, name string) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("size;price;sold\n")
	for i := range 40 {
		b.WriteString([]string{"S", "M", "L"}[i%3] + ";" + []string{"1,5", "2,25"}[i%2] + ";" + []string{"yes", "no"}[i%4/2] + "\n")
	}
	file := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(file, []byte(b.String()), 0o600))
	return file
}

const nobody = "http://127.0.0.1:1"

func TestPipelineInitMakesAProject(t *testing.T) {
	t.Parallel()
	csv, dir := ownCSV(t, "Shoe Sales.csv"), filepath.Join(t.TempDir(), "shop")
	got := perennialCLI(t, "", "pipeline", "init", csv, "--target", "sold", "--project", dir, "--api", nobody)
	require.Equal(t, exitDone, got.code, got.err)
	require.Contains(t, got.out, "shoe-sales: classification of sold from 2 features, 40 rows.\n")
	require.Contains(t, got.out, "is a project now.\n")
	require.Contains(t, got.out, "perennial up --project "+dir)
	require.Contains(t, got.out, `-d '{"model":"shoe-sales","features":{"size":"S","price":1.5}}'`)
	require.True(t, project.Find(dir))
	spec, err := pipeline.Load(dir, "pipelines/shoe-sales.yaml")
	require.NoError(t, err)
	require.Equal(t, "data/raw/shoe-sales.csv", spec.Pipeline.Data.Path)
	require.Equal(t, perennial.CSVOptions{Delimiter: ";", Decimal: ",", NullValues: []string{""}}, spec.Pipeline.Data.CSV)
	repo, err := dvc.Open(dir)
	require.NoError(t, err)
	p, err := repo.Pointer(t.Context(), "data/raw/shoe-sales.csv")
	require.NoError(t, err)
	sum, _, err := dvc.HashFile(csv)
	require.NoError(t, err)
	require.Equal(t, sum, p.MD5, "byte for byte")
	stages, err := os.ReadFile(filepath.Join(dir, "dvc.yaml"))
	require.NoError(t, err)
	require.Contains(t, string(stages), "train-shoe-sales:")
}

func TestPipelineInitOverwritesNothing(t *testing.T) {
	t.Parallel()
	csv, dir := ownCSV(t, "shoes.csv"), t.TempDir()
	init := func(more ...string) result {
		return perennialCLI(t, "", append([]string{"pipeline", "init", csv, "--target", "sold", "--project", dir, "--api", nobody}, more...)...)
	}
	require.Equal(t, exitDone, init().code)
	require.Equal(t, exitDone, init().code, "the same again is fine")
	for _, file := range []string{"pipelines/shoes.yaml", "pipelines/shoes.schema.yaml", "data/raw/shoes.csv"} {
		mine := filepath.Join(dir, file)
		was, err := os.ReadFile(mine)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(mine, []byte("mine"), 0o600))
		got := init()
		require.Equal(t, exitFailed, got.code)
		require.Contains(t, got.err, file+" exists with other content")
		require.Contains(t, got.err, "--force")
		b, err := os.ReadFile(mine)
		require.NoError(t, err)
		require.Equal(t, "mine", string(b))
		require.Equal(t, exitDone, init("--force").code)
		b, err = os.ReadFile(mine)
		require.NoError(t, err)
		require.Equal(t, was, b)
	}
	require.Equal(t, exitDone, init("--name", "other").code)
}

func TestPipelineInitLeavesAFileOfTheProjectWhereItIs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, project.Init(dir, false))
	b, err := os.ReadFile(ownCSV(t, "x.csv"))
	require.NoError(t, err)
	for _, name := range []string{"data/mine.csv", "data/mine.txt"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), b, 0o600))
	}
	got := perennialCLI(t, "", "pipeline", "init", "data/mine.csv", "--target", "sold", "--project", dir, "--api", nobody, "--json")
	require.Equal(t, exitDone, got.code, got.err)
	var done initialised
	require.NoError(t, json.Unmarshal([]byte(got.out), &done))
	require.Equal(t, "data/mine.csv", done.Data)
	require.Empty(t, done.CopiedFrom)
	require.False(t, done.MadeProject)
	require.Equal(t, []string{"pipelines/mine.schema.yaml", "pipelines/mine.yaml", "dvc.yaml"}, done.Wrote)
	got = perennialCLI(t, "", "pipeline", "init", "data/mine.txt", "--target", "sold", "--name", "text", "--project", dir, "--api", nobody, "--json")
	require.Equal(t, exitDone, got.code, got.err)
	require.NoError(t, json.Unmarshal([]byte(got.out), &done))
	require.Equal(t, "data/raw/text.csv", done.Data, "a name that training doesn't read")
}

func TestPipelineInitAsksARunningPerennial(t *testing.T) {
	t.Parallel()
	f := newFake(t, map[string]any{"GET /readyz": map[string]any{"ready": true}})
	dir := t.TempDir()
	csv := ownCSV(t, "shoes.csv")
	got := perennialCLI(t, "", "pipeline", "init", csv, "--target", "sold", "--project", dir, "--api", f.url)
	require.Equal(t, exitDone, got.code, got.err)
	require.Contains(t, got.out, "runs on another project than this new one")
	require.Contains(t, got.out, "perennial up --project "+dir)
	got = perennialCLI(t, "", "pipeline", "init", csv, "--target", "sold", "--project", dir, "--api", f.url)
	require.Equal(t, exitDone, got.code, got.err)
	require.Contains(t, got.out, "perennial pipeline apply "+filepath.Join(dir, "pipelines/shoes.yaml")+" --project "+dir)
	require.NotContains(t, got.out, "perennial up")
}

func TestPipelineInitDryRun(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	got := perennialCLI(t, "", "pipeline", "init", ownCSV(t, "shoes.csv"), "--target", "sold", "--project", dir, "--dry-run")
	require.Equal(t, exitDone, got.code, got.err)
	require.Contains(t, got.out, "# pipelines/shoes.yaml\n")
	require.Contains(t, got.out, "# pipelines/shoes.schema.yaml\n")
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestPipelineInitRefuses(t *testing.T) {
	t.Parallel()
	csv, dir := ownCSV(t, "shoes.csv"), t.TempDir()
	require.NoError(t, project.Init(filepath.Join(dir, "whole"), false))
	for name, c := range map[string]struct {
		args []string
		code int
		text string
	}{
		"no target":        {[]string{csv}, exitUsage, "--target is missing"},
		"no such column":   {[]string{csv, "--target", "Sold"}, exitFailed, "Did you mean sold?"},
		"no such id":       {[]string{csv, "--target", "sold", "--id", "nr"}, exitFailed, `no column "nr" for --id`},
		"no such task":     {[]string{csv, "--target", "sold", "--task", "ranking"}, exitUsage, "--task is classification or regression"},
		"a bad name":       {[]string{csv, "--target", "sold", "--name", "My Shop"}, exitUsage, "--name takes small letters"},
		"time and group":   {[]string{csv, "--target", "sold", "--time", "a", "--group", "b"}, exitUsage, "choose one"},
		"no file":          {[]string{csv + "x", "--target", "sold"}, exitFailed, "isn't there"},
		"a directory":      {[]string{dir, "--target", "sold"}, exitFailed, "is no regular file"},
		"no such class":    {[]string{csv, "--target", "sold", "--positive", "maybe"}, exitFailed, "none of the values of sold: no, yes"},
		"in a project":     {[]string{csv, "--target", "sold", "--project", filepath.Join(dir, "whole", "data")}, exitFailed, "--project " + filepath.Join(dir, "whole")},
		"the root":         {[]string{csv, "--target", "sold", "--project", "/"}, exitFailed, "perennial init DIR"},
		"target as number": {[]string{csv, "--target", "sold", "--task", "regression"}, exitFailed, "can't be predicted as a number"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := append([]string{"pipeline", "init", "--api", nobody}, c.args...)
			if !strings.Contains(strings.Join(args, " "), "--project") {
				args = append(args, "--project", filepath.Join(dir, "new"))
			}
			got := perennialCLI(t, "", args...)
			require.Equal(t, c.code, got.code)
			require.Contains(t, got.err, c.text)
			require.NoDirExists(t, filepath.Join(dir, "new"))
		})
	}
}
