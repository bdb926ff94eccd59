package processtest_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/client"
	"github.com/perennial-ml/perennial/internal/dvc/dvctest"
	"github.com/perennial-ml/perennial/internal/project"
)

func TestUpTrainsServesAndComesBack(t *testing.T) {
	t.Parallel()
	p := setup(t, demo(t))
	flower := p.served("iris", irisFeatures)
	require.Equal(t, "setosa", flower.Prediction)
	require.Equal(t, "1", flower.Version)
	house := p.served("california-housing", housingFeatures)
	require.InDelta(t, 4.1, house.Prediction, 1.5)
	p.eventually(time.Minute, "the invitation", func(context.Context) bool { return strings.Contains(p.out.String(), "curl -s") })

	for model, metric := range map[string]func(run client.RunView){
		"iris":               func(run client.RunView) { require.GreaterOrEqual(t, *run.Metrics["accuracy"], 0.93) },
		"california-housing": func(run client.RunView) { require.InDelta(t, 0.7456, *run.Metrics["rmse"], 0.01) },
	} {
		version, err := p.Version(t.Context(), model, "1")
		require.NoError(t, err)
		run, err := p.Run(t.Context(), version.RunID)
		require.NoError(t, err)
		metric(run)
	}
	requireLineage(t, p, flower)

	p.stop()
	p.start()
	again, err := p.predict("iris", irisFeatures)
	require.NoError(t, err, "it serves at once when it comes back")
	require.Equal(t, "1", again.Version)
	before, err := p.Prediction(t.Context(), flower.PredictionID)
	require.NoError(t, err, "what was answered before the restart is remembered")
	require.Equal(t, "setosa", before.Prediction)
	p.stop()
}

func requireLineage(t *testing.T, p *process, answer client.PredictResponse) {
	t.Helper()
	view, err := p.Prediction(t.Context(), answer.PredictionID)
	require.NoError(t, err, "readable right after the answer")
	l := view.Lineage
	require.NotNil(t, l)
	require.Len(t, l.Data.MD5, 32)
	require.Equal(t, l.Data.MD5, l.Data.BaseMD5)
	require.Equal(t, 150, l.Data.Rows)
	require.Equal(t, "data/raw/iris.csv", l.Data.Path)
	require.Equal(t, "train:iris", l.WorkflowID)
	for _, hash := range []string{l.ModelSHA256, l.SchemaSHA256, l.PipelineRevision, l.ParamsSHA256, l.Data.Sides, l.Data.Snapshot} {
		require.Len(t, hash, 64)
	}
	run, err := p.Run(t.Context(), l.RunID)
	require.NoError(t, err)
	require.Equal(t, l.Data.MD5, run.DataMD5)
	require.EqualValues(t, 1, l.Rollout.Epoch)
}

func TestOneByteChangesTheLineage(t *testing.T) {
	t.Parallel()
	dir := demo(t)
	p := setup(t, dir)
	p.served("california-housing", housingFeatures)
	file := filepath.Join(dir, "data", "raw", "california-housing.csv")
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	lines := strings.SplitAfter(string(b), "\n")
	row := []byte(lines[20_000])
	for i, c := range row { // one digit of one value
		if c >= '1' && c <= '8' {
			row[i]++
			break
		}
	}
	lines[20_000] = string(row)
	require.NoError(t, os.WriteFile(file, []byte(strings.Join(lines, "")), 0o600))
	view := p.train("california-housing", client.TrainRequest{Budget: perennial.BudgetBootstrap, Reason: "one byte"})
	require.Nil(t, view.Error)
	require.Equal(t, "2", view.Result.Version)
	first, err := p.Version(t.Context(), "california-housing", "1")
	require.NoError(t, err)
	second, err := p.Version(t.Context(), "california-housing", "2")
	require.NoError(t, err)
	require.NotEqual(t, first.Lineage.Data.MD5, second.Lineage.Data.MD5)
	require.Equal(t, second.Lineage.Data.MD5, second.Lineage.Data.BaseMD5, "no feedback is in it")
	require.NotEqual(t, first.Lineage.ModelSHA256, second.Lineage.ModelSHA256)
	require.Equal(t, first.Lineage.ParamsSHA256, second.Lineage.ParamsSHA256)
	require.Equal(t, "1", p.served("california-housing", housingFeatures).Version, "a later version takes over by a rollout, not by itself")
}

func TestKilledInMidTrainingItCompletesOnce(t *testing.T) {
	t.Parallel()
	dir := demo(t)
	file := filepath.Join(dir, "pipelines", "california-housing.yaml")
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	longer := strings.Replace(string(b), "trials: ", "trials: 16", 1)
	require.NotEqual(t, string(b), longer)
	require.NoError(t, os.WriteFile(file, []byte(longer), 0o600))
	p := setup(t, dir, "--no-bootstrap")
	started, err := p.Train(t.Context(), "california-housing", client.TrainRequest{Reason: "to be killed"})
	require.NoError(t, err)
	p.eventually(time.Minute, "the trials run", func(ctx context.Context) bool {
		v, err := p.Workflow(ctx, started.WorkflowID, "")
		return err == nil && v.Stage == perennial.StageTune && v.Progress != nil && v.Progress.Done > 2
	})
	p.kill()
	p.start()
	ctx, cancel := context.WithTimeout(t.Context(), slow*3*time.Minute)
	defer cancel()
	view, err := p.FollowWorkflow(ctx, started.WorkflowID, "", nil)
	require.NoError(t, err)
	require.Equal(t, started.WorkflowRunID, view.WorkflowRunID, "the same run of the workflow went on")
	require.Equal(t, perennial.WorkflowCompleted, view.State)
	require.Equal(t, perennial.OutcomeTrained, view.Result.Outcome)
	runs, err := p.Runs(ctx, "california-housing", client.Page{})
	require.NoError(t, err)
	require.Len(t, trainings(runs.Items), 1, "one run")
	versions, err := p.Versions(ctx, "california-housing")
	require.NoError(t, err)
	require.Len(t, versions.Items, 1, "one version")
	history, err := p.History(ctx, "california-housing", 10)
	require.NoError(t, err)
	require.Len(t, history.Items, 1, "one change of traffic")
	require.NotNil(t, p.served("california-housing", housingFeatures).Prediction)
}

func trainings(runs []client.RunView) []client.RunView {
	var out []client.RunView
	for _, r := range runs {
		if r.Kind == "train" {
			out = append(out, r)
		}
	}
	return out
}

func TestUpInAnEmptyDirectoryPlaysTheDemo(t *testing.T) {
	t.Parallel()
	p := setup(t, t.TempDir())
	require.Equal(t, "setosa", p.served("iris", irisFeatures).Prediction)
	require.DirExists(t, filepath.Join(p.home, "demo", "pipelines"))
}

func TestUpOnAProjectWithoutPipelines(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "project")
	require.NoError(t, project.Init(dir, false))
	p := setup(t, dir)
	p.eventually(time.Minute, "it says what to do", func(context.Context) bool {
		return strings.Contains(p.out.String(), "none yet: perennial pipeline init")
	})
	p.stop()
}

// What dvc.lock promises: trained again from the same bytes, models and reports
// come out the same.
func TestTrainingMakesWhatTheLockOfTheRepositorySays(t *testing.T) {
	t.Parallel()
	if runtime.GOARCH != "amd64" {
		t.Skip("the last digit of a sum depends on the processor's fused multiplication; dvc.lock was written on amd64")
	}
	want := dvctest.Stages(t, filepath.Join("..", ".."))
	names := []string{"iris"}
	if nightly() {
		names = append(names, "california-housing") // minutes of searching
	}
	p := setup(t, shipped(t), "--no-bootstrap")
	for _, name := range names {
		out, code := run(t, "train", name, "--wait", "--project", p.project, "--api", p.url)
		require.Zero(t, code, out)
	}
	came := dvctest.Stages(t, p.project)
	require.Len(t, came, len(names))
	require.Subset(t, want, came)
	p.stop()
}

func TestUpSaysWhatIsWrongInOneLine(t *testing.T) {
	t.Parallel()
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = busy.Close() })
	_, port, err := net.SplitHostPort(busy.Addr().String())
	require.NoError(t, err)
	ports := freePorts(t, 2)
	free := []string{"--temporal-port", itoa(ports[0]), "--ui-port", itoa(ports[1])}

	// One broken file keeps up from nothing (TestUpServesBesideABrokenPipelineFile);
	// where all are broken and nothing is in force yet, there is nothing to run for.
	broken := demo(t)
	require.NoError(t, os.WriteFile(filepath.Join(broken, "pipelines", "iris.yaml"), []byte("version: 1\nname: iris\ntaks: classification\n"), 0o600))
	require.NoError(t, os.Remove(filepath.Join(broken, "pipelines", "california-housing.yaml")))
	corrupt := demo(t)
	objects, err := filepath.Glob(filepath.Join(corrupt, "data", "remote", "files", "md5", "*", "*"))
	require.NoError(t, err)
	require.NotEmpty(t, objects)
	for _, o := range objects {
		require.NoError(t, os.Chmod(o, 0o600))
		require.NoError(t, os.WriteFile(o, []byte("rubbish"), 0o600))
	}
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	half := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(half, "pipelines"), 0o700))

	for name, c := range map[string]struct {
		args []string
		code int
		says []string
	}{
		"API port in use":       {append([]string{"--project", demo(t), "--listen", "127.0.0.1:" + port}, free...), 1, []string{port, "in use"}},
		"Temporal port in use":  {[]string{"--project", demo(t), "--listen", "127.0.0.1:0", "--temporal-port", port}, 1, []string{port, "Temporal"}},
		"unusable home":         {append([]string{"--project", demo(t), "--home", filepath.Join(file, "x")}, free...), 1, []string{file, "--home"}},
		"no such project":       {append([]string{"--project", filepath.Join(file, "x"), "--listen", "127.0.0.1:0"}, free...), 1, []string{file, "--project"}},
		"only broken pipelines": {append([]string{"--project", broken, "--listen", "127.0.0.1:0"}, free...), 1, []string{"iris.yaml:3", "taks", "task"}},
		"half a project":        {append([]string{"--project", half, "--listen", "127.0.0.1:0"}, free...), 1, []string{half + " has pipelines/ but no .dvc/config and is no project yet", "perennial init " + half}},
		"corrupt data":          {append([]string{"--project", corrupt, "--listen", "127.0.0.1:0"}, free...), 1, []string{"data/remote"}},
		"open address":          {[]string{"--listen", "0.0.0.0:8080"}, 2, []string{"0.0.0.0:8080", "authentication"}},
		"unknown flag":          {[]string{"--lisen", "x"}, 2, []string{"lisen"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := append([]string{"up"}, c.args...)
			if !strings.Contains(strings.Join(args, " "), "--home") {
				args = append(args, "--home", filepath.Join(t.TempDir(), "home"))
			}
			out, code := run(t, args...)
			require.Equal(t, c.code, code, out)
			for _, s := range c.says {
				require.Contains(t, out, s)
			}
			require.NotContains(t, out, "goroutine ")
		})
	}
}

func TestUpServesWithoutTheDataThatItWasTrainedOn(t *testing.T) {
	t.Parallel()
	dir := demo(t)
	p := setup(t, dir)
	p.served("iris", irisFeatures)
	p.served("california-housing", housingFeatures)
	p.stop()
	for _, d := range []string{"data/raw/iris.csv", "data/remote", ".dvc/cache"} {
		require.NoError(t, os.RemoveAll(filepath.Join(dir, filepath.FromSlash(d))))
	}
	p.start()
	p.served("iris", irisFeatures)
	require.Contains(t, p.out.String(), "data/raw/iris.csv")
	view := p.train("iris", client.TrainRequest{Budget: perennial.BudgetBootstrap, Reason: "without data"})
	require.NotNil(t, view.Error)
	require.Equal(t, perennial.CodeNotFound, view.Error.Code)
	p.stop()
}

func TestTwoUpsOnOneHome(t *testing.T) {
	t.Parallel()
	p := setup(t, demo(t), "--no-bootstrap")
	ports := freePorts(t, 3)
	out, code := run(t, "up", "--project", p.project, "--home", p.home, "--listen", "127.0.0.1:"+itoa(ports[0]), "--temporal-port", itoa(ports[1]), "--ui-port", itoa(ports[2]))
	require.Equal(t, 1, code)
	require.Contains(t, out, "another perennial is running on "+p.home)
}
