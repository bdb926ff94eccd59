package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/client"
	"github.com/perennial-ml/perennial/internal/dvc"
	"github.com/perennial-ml/perennial/internal/dvc/dvctest"
	"github.com/perennial-ml/perennial/internal/pipeline"
	"github.com/perennial-ml/perennial/internal/project"
)

// training is a fake that trains iris: each look at the workflow gives the next
// state, the last one again and again.
func training(t *testing.T, states ...client.WorkflowView) *fake {
	t.Helper()
	n := 0
	return newFake(t, map[string]any{
		"POST /pipelines/iris/train": client.TrainResponse{WorkflowID: "train:iris", WorkflowRunID: "wr2", Started: true, StatusURL: "/workflows/train:iris"},
		"GET /workflows/train:iris": func([]byte) any {
			v := states[min(n, len(states)-1)]
			n++
			return v
		},
	})
}

func TestTrainWithoutWaiting(t *testing.T) {
	t.Parallel()
	f := training(t)
	got := perennialCLI(t, "", "train", "iris", "--reason", "look", "--api", f.url)
	require.Equal(t, exitDone, got.code, got.err)
	require.Contains(t, got.out, "perennial workflow show train:iris")
	require.Equal(t, []string{`POST /pipelines/iris/train {"budget":"full","reason":"look"}`}, f.requests())
}

func TestTrainPutsAPipelineInForceThatIsNot(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, project.Init(dir, true))
	for name, c := range map[string]struct {
		known bool
		args  []string
		asked []string // methods
	}{
		"unknown":        {false, nil, []string{"POST", "PUT", "POST"}},
		"known":          {true, nil, []string{"POST"}},
		"known, --apply": {true, []string{"--apply"}, []string{"PUT", "POST"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := training(t)
			start, known := f.answers["POST /pipelines/iris/train"], c.known
			f.answers["PUT /pipelines/iris"] = func([]byte) any {
				known = true
				return client.ApplyResponse{Pipeline: "iris", Revision: "dd44dd44dd44", Changed: true}
			}
			f.answers["POST /pipelines/iris/train"] = func([]byte) any {
				if !known {
					return perennial.Errorf(perennial.CodeNotFound, "", "There is no pipeline iris.")
				}
				return start
			}
			got := perennialCLI(t, "", append([]string{"train", "iris", "--project", dir, "--api", f.url}, c.args...)...)
			require.Equal(t, exitDone, got.code, got.err)
			var methods []string
			for _, r := range f.requests() {
				method, _, _ := strings.Cut(r, " ")
				methods = append(methods, method)
			}
			require.Equal(t, c.asked, methods)
		})
	}
	f := newFake(t, nil)
	got := perennialCLI(t, "", "train", "churn", "--project", dir, "--api", f.url)
	require.Equal(t, exitFailed, got.code)
	require.Len(t, f.requests(), 1, "the project has no such file")
}

func TestTrainWaitsAndTellsEachStage(t *testing.T) {
	t.Parallel()
	first := irisWorkflow(perennial.WorkflowRunning)
	first.Stage, first.Progress = perennial.StageValidate, nil
	f := training(t, first, first, irisWorkflow(perennial.WorkflowRunning), irisWorkflow(perennial.WorkflowCompleted))
	got := perennialCLI(t, "", "train", "iris", "--wait", "--project", t.TempDir(), "--api", f.url)
	require.Equal(t, exitDone, got.code, got.err)
	require.Equal(t, "train:iris: validate\ntrain:iris: tune 4/9 trials, best log_loss 0.11\n", got.err)
	require.Equal(t, "pipeline:  iris\nversion:   2\nrun:       run2\ndecision:  d1\ntook:      4.2s\n", got.out)
}

func TestTrainTellsOnceWhatItWaitsFor(t *testing.T) {
	t.Parallel()
	waiting := irisWorkflow(perennial.WorkflowRunning)
	waiting.Stage, waiting.Progress = perennial.StageResolve, nil
	tried := waiting
	waiting.Retrying = &client.Retrying{WorkflowError: client.WorkflowError{
		Code: perennial.CodeUnavailable, Message: "the MLflow server http://127.0.0.1:5000 doesn't answer", Hint: "Is it running?",
	}}
	f := training(t, waiting, tried, waiting, irisWorkflow(perennial.WorkflowCompleted))
	got := perennialCLI(t, "", "train", "iris", "--wait", "--project", t.TempDir(), "--api", f.url)
	require.Equal(t, exitDone, got.code, got.err)
	require.Equal(t, "train:iris: resolve\ntrain:iris: resolve waits: the MLflow server http://127.0.0.1:5000 doesn't answer. Is it running?\n", got.err)
}

func TestTrainThatFails(t *testing.T) {
	t.Parallel()
	rejected := irisWorkflow(perennial.WorkflowCompleted)
	rejected.Result.Outcome = perennial.OutcomeRejectedByGates
	for name, tc := range map[string]struct {
		last client.WorkflowView
		text string
	}{
		"bad data":  {irisWorkflow(perennial.WorkflowFailed), "perennial: train:iris: 2 rows are wrong\n  data/raw/iris.csv:7: sepal_length is outside 0 to 10.\nMend the file.\n"},
		"cancelled": {irisWorkflow(perennial.WorkflowCancelled), "perennial: train:iris is cancelled\nLook at it with: perennial workflow show train:iris\n"},
		"rejected":  {rejected, "perennial: iris was trained, and its gates rejected it (rejected_by_gates)\nSee why with: perennial decision show d1\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := training(t, tc.last)
			got := perennialCLI(t, "", "train", "iris", "--wait", "--project", t.TempDir(), "--api", f.url)
			require.Equal(t, result{exitFailed, "", tc.text}, got)
		})
	}
}

func TestInterruptDetachesAndNeverCancels(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	f := newFake(t, map[string]any{
		"POST /pipelines/iris/train": client.TrainResponse{WorkflowID: "train:iris", WorkflowRunID: "wr2"},
		"GET /workflows/train:iris": func([]byte) any {
			cancel()
			return irisWorkflow(perennial.WorkflowRunning)
		},
	})
	got := runWith(ctx, "", "train", "iris", "--wait", "--api", f.url)
	require.Equal(t, exitFailed, got.code)
	require.Contains(t, got.err, "iris is training already; this joins it.")
	require.Contains(t, got.err, "Detached: train:iris goes on. Follow it with: perennial workflow show train:iris\nCancel it with: perennial workflow cancel train:iris\n")
	for _, asked := range f.requests() {
		require.NotContains(t, asked, "cancel")
	}
}

// demo makes the demo project with its data and a fake that has trained it.
func demo(t *testing.T) (dir string, f *fake) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "demo")
	require.NoError(t, project.Init(dir, true))
	repo, err := dvc.Open(dir)
	require.NoError(t, err)
	_, err = repo.Pull(t.Context(), "data/raw/iris.csv")
	require.NoError(t, err)
	spec, err := pipeline.Load(dir, "pipelines/iris.yaml")
	require.NoError(t, err)
	sum, _, err := dvc.HashFile(filepath.Join(dir, "data/raw/iris.csv"))
	require.NoError(t, err)
	f = training(t, irisWorkflow(perennial.WorkflowCompleted))
	r := irisRun()
	r.Pipeline, r.DataMD5, r.Inputs = "iris", sum, nil
	r.Params["pipeline_revision"] = spec.Revision
	f.answers["GET /runs/run2"] = r
	f.answers["GET /runs/run2/artifacts/model/model.perennial"] = []byte("a model")
	f.answers["GET /runs/run2/artifacts/report.json"] = []byte(`{"n":30}`)
	f.answers["GET /runs/run2/artifacts/predictions.csv"] = []byte("actual,predicted\n")
	return dir, f
}

func TestTrainKeepsItsResultsInTheProject(t *testing.T) {
	t.Parallel()
	dir, f := demo(t)
	got := perennialCLI(t, "", "train", "iris", "--wait", "--project", dir, "--api", f.url)
	require.Equal(t, exitDone, got.code, got.err)
	require.Contains(t, got.out, "wrote:     models/trained/iris.model\nwrote:     reports/iris.json\nwrote:     reports/iris.csv\nwrote:     dvc.lock\n")
	for file, content := range map[string]string{"models/trained/iris.model": "a model", "reports/iris.json": `{"n":30}`, "reports/iris.csv": "actual,predicted\n"} {
		b, err := os.ReadFile(filepath.Join(dir, file))
		require.NoError(t, err)
		require.Equal(t, content, string(b))
	}
	repo, err := dvc.Open(dir)
	require.NoError(t, err)
	stages := dvctest.Stages(t, dir)
	require.Len(t, stages, 1)
	require.Equal(t, "train-iris", stages[0].Name)
	require.Equal(t, "perennial stage train iris", stages[0].Cmd)
	require.Len(t, stages[0].Params, 1)
	require.Equal(t, "pipelines/iris.yaml", stages[0].Params[0].Path)
	require.Equal(t, "classification", stages[0].Params[0].Values["task"])
	paths := func(entries []dvc.Entry) (list []string) {
		for _, e := range entries {
			sum, size, err := dvc.HashFile(filepath.Join(dir, e.Path))
			require.NoError(t, err)
			require.Equal(t, dvc.Entry{Path: e.Path, MD5: sum, Size: size}, e)
			list = append(list, e.Path)
		}
		return list
	}
	require.Equal(t, []string{"data/raw/iris.csv", "pipelines/iris.schema.yaml", "pipelines/iris.split.csv"}, paths(stages[0].Deps))
	require.Equal(t, []string{"models/trained/iris.model", "reports/iris.csv", "reports/iris.json"}, paths(stages[0].Outs))
	for _, out := range stages[0].Outs {
		_, err := repo.Open(t.Context(), out.MD5, "")
		require.Equal(t, out.Path == "models/trained/iris.model", err == nil, "only what dvc caches is in the cache: %s", out.Path)
	}
}

func TestTrainLocksAnItemOfAForeach(t *testing.T) {
	t.Parallel()
	dir, f := demo(t)
	stages := "stages:\n  train:\n    foreach: [other, iris]\n    do: {cmd: 'train ${item}', deps: ['data/raw/${item}.csv'], outs: ['models/trained/${item}.model']}\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "dvc.yaml"), []byte(stages), 0o600))
	got := perennialCLI(t, "", "train", "iris", "--wait", "--project", dir, "--api", f.url)
	require.Equal(t, exitDone, got.code, got.err)
	locked := dvctest.Stages(t, dir)
	require.Len(t, locked, 1)
	require.Equal(t, "train@iris", locked[0].Name)
	require.Equal(t, "train iris", locked[0].Cmd)
	require.Equal(t, "data/raw/iris.csv", locked[0].Deps[0].Path)
	require.Equal(t, "models/trained/iris.model", locked[0].Outs[0].Path)
}

func TestTrainRefusesResultsOfSomethingElse(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ file, text string }{
		"other data":     {"data/raw/iris.csv", "data/raw/iris.csv isn't the data that was trained on"},
		"other pipeline": {"pipelines/iris.yaml", "pipelines/iris.yaml isn't the pipeline that was trained"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, f := demo(t)
			file := filepath.Join(dir, tc.file)
			b, err := os.ReadFile(file)
			require.NoError(t, err)
			if name == "other data" {
				b[len(b)-20]++
			} else {
				b = append(b, "owner: {team: others}\n"...)
			}
			require.NoError(t, os.Remove(file))
			require.NoError(t, os.WriteFile(file, b, 0o600))
			got := perennialCLI(t, "", "train", "iris", "--wait", "--project", dir, "--api", f.url)
			require.Equal(t, exitFailed, got.code)
			require.Contains(t, got.err, tc.text)
			require.NoFileExists(t, filepath.Join(dir, "reports/iris.json"))
		})
	}
}

func TestTrainLeavesTheLockToDVC(t *testing.T) {
	dir, f := demo(t)
	t.Setenv("DVC_STAGE", "train-iris")
	got := perennialCLI(t, "", "train", "iris", "--wait", "--project", dir, "--api", f.url)
	require.Equal(t, exitDone, got.code, got.err)
	require.FileExists(t, filepath.Join(dir, "models/trained/iris.model"))
	require.NoFileExists(t, filepath.Join(dir, "dvc.lock"))
}

func TestStagesThatCanNotBeLocked(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ yaml, text string }{
		"none":      {"stages: {}\n", "no stage of dvc.yaml makes models/trained/iris.model"},
		"params":    {"stages: {t: {cmd: x, params: [a], outs: [models/trained/iris.model]}}\n", "params.yaml, a file of parameters, doesn't exist"},
		"wdir":      {"stages: {t: {cmd: x, wdir: sub, outs: [models/trained/iris.model]}}\n", "Run: dvc commit t"},
		"variables": {"vars: [{d: data}]\nstages: {t: {cmd: x, deps: ['${d}/x'], outs: [models/trained/iris.model]}}\n", "Run: dvc commit t"},
		"no YAML":   {"stages: [\n", "dvc.yaml can't be read"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, f := demo(t)
			require.NoError(t, os.WriteFile(filepath.Join(dir, "dvc.yaml"), []byte(tc.yaml), 0o600))
			got := perennialCLI(t, "", "train", "iris", "--wait", "--project", dir, "--api", f.url)
			require.Contains(t, got.err, tc.text)
			require.NoFileExists(t, filepath.Join(dir, "dvc.lock"))
		})
	}
}
