package processtest_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/client"
)

// mlflowPython names a Python with MLflow; make interop-mlflow-server makes one.
func mlflowPython(t *testing.T) string {
	t.Helper()
	python := os.Getenv("PERENNIAL_TEST_MLFLOW_PYTHON")
	if python == "" {
		t.Skip("PERENNIAL_TEST_MLFLOW_PYTHON names no Python with MLflow")
	}
	return python
}

// realMLflow is a real MLflow server in a directory of its own.
type realMLflow struct {
	t      *testing.T
	python string
	dir    string
	port   int
	cmd    *exec.Cmd
	out    *output
}

func newRealMLflow(t *testing.T) *realMLflow {
	t.Helper()
	s := &realMLflow{t: t, python: mlflowPython(t), dir: t.TempDir(), port: freePorts(t, 1)[0]}
	s.start()
	return s
}

func (s *realMLflow) uri() string { return fmt.Sprintf("http://127.0.0.1:%d", s.port) }

func (s *realMLflow) start() {
	s.t.Helper()
	s.out = &output{}
	s.cmd = exec.Command(s.python, "-m", "mlflow", "server", "--workers", "1", "--host", "127.0.0.1", "--port", fmt.Sprint(s.port),
		"--backend-store-uri", "sqlite:///"+filepath.Join(s.dir, "mlflow.db"), "--artifacts-destination", filepath.Join(s.dir, "artifacts"))
	s.cmd.Dir, s.cmd.Stdout, s.cmd.Stderr = s.dir, s.out, s.out
	s.cmd.Env = append(os.Environ(), "MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false", "MLFLOW_DISABLE_TELEMETRY=true")
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(s.t, s.cmd.Start())
	s.t.Cleanup(s.stop)
	require.Eventually(s.t, func() bool {
		resp, err := (&http.Client{Timeout: time.Second}).Get(s.uri() + "/health")
		return err == nil && resp.Body.Close() == nil && resp.StatusCode == http.StatusOK
	}, 2*time.Minute, 100*time.Millisecond, "the MLflow server answers")
}

// stop ends the server and its worker.
func (s *realMLflow) stop() {
	if s.cmd == nil {
		return
	}
	_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL) // it may have ended by itself
	_ = s.cmd.Wait()
	s.cmd = nil
}

// look lets MLflow's own client look at what a training left on a server.
func look(t *testing.T, python, uri, model, version string) {
	t.Helper()
	cmd := exec.Command(python, filepath.Join("testdata", "mlflow_look.py"), uri, model, version)
	cmd.Env = append(os.Environ(), "MLFLOW_DISABLE_TELEMETRY=true", "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR=false")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	require.Contains(t, string(out), "all as it should be")
}

func TestMLflowsClientSeesATrainingOnTheEmbeddedServer(t *testing.T) {
	t.Parallel()
	python := mlflowPython(t)
	p := setup(t, demo(t), "--no-bootstrap")
	view := p.train("iris", client.TrainRequest{Reason: "test"})
	require.Equal(t, perennial.WorkflowCompleted, view.State, "%+v", view.Error)
	look(t, python, p.url, "iris", view.Result.Version)
}

// With a real MLflow server everything works the same; while it is away predictions
// go on, and a training goes on when it is back.
func TestARealMLflowServerKeepsRunsAndVersions(t *testing.T) {
	t.Parallel()
	server := newRealMLflow(t)
	p := setup(t, demo(t), "--no-bootstrap", "--tracking-uri", server.uri())
	view := p.train("iris", client.TrainRequest{Reason: "test"})
	require.Equal(t, perennial.WorkflowCompleted, view.State, "%+v", view.Error)
	p.served("iris", irisFeatures)
	look(t, server.python, server.uri(), "iris", view.Result.Version)

	run, err := p.Run(t.Context(), view.Result.RunID)
	require.NoError(t, err)
	require.Len(t, run.Candidates, 2)
	require.NotEmpty(t, run.Trials)
	require.Equal(t, "data/raw/iris.csv", run.Inputs[0].Data.Path)
	files := map[string]bool{}
	for _, f := range run.Artifacts {
		files[f.Path] = true
	}
	for _, name := range []string{"card.md", "evaluation/confusion_matrix.png", "model/model.perennial", "report.json"} {
		require.True(t, files[name], name)
		content, err := p.Artifact(t.Context(), run.RunID, name)
		require.NoError(t, err)
		require.NotEmpty(t, content)
	}

	server.stop()
	answer, err := p.predict("iris", irisFeatures)
	require.NoError(t, err)
	require.Equal(t, "setosa", answer.Prediction)
	p.stop()
	p.start()
	p.served("iris", irisFeatures) // it begins without the server, too
	ready, err := p.Ready(t.Context())
	require.NoError(t, err)
	require.Equal(t, "mlflow", ready.Degraded[0].Part)
	_, err = p.Run(t.Context(), run.RunID)
	require.Equal(t, perennial.CodeUnavailable, perennial.CodeOf(err))
	require.ErrorContains(t, err, server.uri())
	started, err := p.Train(t.Context(), "iris", client.TrainRequest{Reason: "while it is away"})
	require.NoError(t, err)
	server.start()
	ctx, cancel := context.WithTimeout(t.Context(), slow*3*time.Minute)
	defer cancel()
	view, err = p.FollowWorkflow(ctx, started.WorkflowID, started.WorkflowRunID, func(client.WorkflowView) {})
	require.NoError(t, err)
	require.Equal(t, perennial.WorkflowCompleted, view.State, "%+v", view.Error)
	require.Equal(t, "2", view.Result.Version)
}
