package main

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/client"
	"github.com/perennial-ml/perennial/internal/dvc"
	"github.com/perennial-ml/perennial/internal/dvc/dvctest"
	"github.com/perennial-ml/perennial/internal/project"
)

// What dvc repro runs gives, without a server, the files that dvc.lock promises,
// which a training on a server wrote too.
func TestStageTrainsWithoutAServer(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "demo")
	require.NoError(t, project.Init(dir, true))
	got := perennialCLI(t, "", "stage", "train", "iris", "--project", dir)
	require.Equal(t, exitDone, got.code, got.err)
	require.Contains(t, got.err, "tune 9 of 9\nfit\nevaluate\ngate\n")
	require.Contains(t, got.out, "wrote:     models/trained/iris.model\nwrote:     reports/iris.json\nwrote:     reports/iris.csv\n")
	require.NoFileExists(t, filepath.Join(dir, "dvc.lock"), "dvc writes it")
	require.NoDirExists(t, filepath.Join(dir, ".perennial"))
	if runtime.GOARCH != "amd64" {
		return // the last digit of a sum depends on the processor's fused multiplication
	}
	for _, stage := range dvctest.Stages(t, "../..") {
		for _, out := range stage.Outs {
			if stage.Name == "train-iris" {
				sum, _, err := dvc.HashFile(filepath.Join(dir, out.Path))
				require.NoError(t, err)
				require.Equal(t, out.MD5, sum, out.Path)
			}
		}
	}
}

func TestStageSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "demo")
	require.NoError(t, project.Init(dir, true))
	file := filepath.Join(dir, "pipelines", "iris.yaml")
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, append(b, "  - {metric: accuracy, min: 1.1}\n"...), 0o600))
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"another stage":    {[]string{"stage", "fit", "iris"}, exitUsage, "there is no stage fit: there is train"},
		"no name":          {[]string{"stage", "train", "../iris"}, exitUsage, "no name of a pipeline"},
		"no such pipeline": {[]string{"stage", "train", "absent", "--project", dir}, exitFailed, "absent.yaml"},
		"no project":       {[]string{"stage", "train", "iris", "--project", t.TempDir()}, exitFailed, "iris.yaml"},
		"gates":            {[]string{"stage", "train", "iris", "--project", dir}, exitFailed, "its gates rejected it"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := perennialCLI(t, "", c.args...)
			require.Equal(t, c.code, got.code, got.err)
			require.Contains(t, got.err, c.says)
			require.NoFileExists(t, filepath.Join(dir, "models/trained/iris.model"))
		})
	}
}

func TestDataLockPutsARunIntoTheProject(t *testing.T) {
	t.Parallel()
	dir, f := demo(t)
	got := perennialCLI(t, "", "data", "lock", "run2", "--project", dir, "--api", f.url)
	require.Equal(t, exitDone, got.code, got.err)
	require.Contains(t, got.out, "wrote:     dvc.lock\n")
	require.FileExists(t, filepath.Join(dir, "models/trained/iris.model"))
	require.FileExists(t, filepath.Join(dir, "dvc.lock"))
}

func TestDataLockRefusesOtherRuns(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*client.RunView)
		says   string
	}{
		"a candidate": {func(r *client.RunView) { r.Kind = "candidate" }, "it is no training"},
		"rejected":    {func(r *client.RunView) { r.Outcome = string(perennial.OutcomeRejectedByGates) }, "no accepted model"},
		"bootstrap":   {func(r *client.RunView) { r.Params["budget"] = "bootstrap" }, "bootstrap budget"},
		"elsewhere":   {func(r *client.RunView) { r.Pipeline = "other" }, "pipelines/other.yaml"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, f := demo(t)
			r, ok := f.answers["GET /runs/run2"].(client.RunView)
			require.True(t, ok)
			c.change(&r)
			f.answers["GET /runs/run2"] = r
			got := perennialCLI(t, "", "data", "lock", "run2", "--project", dir, "--api", f.url)
			require.Equal(t, exitFailed, got.code)
			require.Contains(t, got.err, c.says)
			require.NoFileExists(t, filepath.Join(dir, "dvc.lock"))
		})
	}
}
