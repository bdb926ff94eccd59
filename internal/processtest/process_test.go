package processtest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	temporalclient "go.temporal.io/sdk/client"

	"github.com/perennial-ml/perennial/internal/client"
	"github.com/perennial-ml/perennial/internal/project"
)

// built are the directories of the binaries that were built here.
var built sync.Map

// binary is the program under test.
var binary = program("PERENNIAL_TEST_BINARY", "")

// testModels is the program with models that break in service.
var testModels = program("PERENNIAL_TEST_MODELS_BINARY", "testmodels")

// program gives a binary, built once with the tags where CI doesn't hand it over.
func program(variable, tags string) func() (string, error) {
	return sync.OnceValues(func() (string, error) {
		if b := os.Getenv(variable); b != "" {
			return filepath.Abs(b)
		}
		return build(tags)
	})
}

func build(tags string) (string, error) {
	dir, err := os.MkdirTemp("", "perennial-binary")
	if err != nil {
		return "", err
	}
	built.Store(dir, true)
	file := filepath.Join(dir, "perennial")
	build := exec.Command("go", "build", "-tags", tags, "-o", file, "../../cmd/perennial")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return file, nil
}

func TestMain(m *testing.M) {
	code := m.Run()
	built.Range(func(dir, _ any) bool { return os.RemoveAll(fmt.Sprint(dir)) == nil })
	os.Exit(code)
}

// process is the running program: `perennial up`, or a part of a cluster.
type process struct {
	*client.Client
	t        *testing.T
	program  func() (string, error)
	cmd      *exec.Cmd
	out      *output
	exited   chan error
	project  string
	home     string
	url      string
	temporal string // address of the embedded server
	args     []string
	env      []string
	lean     bool // the binary without Temporal's server, where there is one
}

// output collects what a process prints.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// demo makes a project of its own for a test: the samples, california-housing
// with a quick search.
func demo(t *testing.T) string {
	t.Helper()
	dir := shipped(t)
	file := filepath.Join(dir, "pipelines", "california-housing.yaml")
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	search := regexp.MustCompile(`(?s)candidates:.*select:`)
	require.Regexp(t, search, string(b))
	require.NoError(t, os.WriteFile(file, search.ReplaceAll(b, []byte(quick)), 0o600))
	return dir
}

// quick is a search that takes a second instead of minutes.
const quick = `candidates:
  - {algorithm: ridge, search: {alpha: {log: [0.001, 100]}}}
tuning: {strategy: random, trials: 8, folds: 5, seed: 42}
select:`

// shipped makes the demo project as it is.
func shipped(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "project")
	require.NoError(t, project.Init(dir, true))
	return dir
}

// setup starts the program on a project and stops it when the test ends.
func setup(t *testing.T, dir string, args ...string) *process {
	t.Helper()
	return setupWith(t, binary, dir, args...)
}

// setupWith does so with another build of it.
func setupWith(t *testing.T, program func() (string, error), dir string, args ...string) *process {
	t.Helper()
	p := prepare(t, dir, args...)
	p.program = program
	p.start()
	return p
}

// prepare is setup but for the start.
func prepare(t *testing.T, dir string, args ...string) *process {
	t.Helper()
	ports := freePorts(t, 3)
	p := &process{
		t: t, program: binary, project: dir, home: filepath.Join(t.TempDir(), "home"),
		url: fmt.Sprintf("http://127.0.0.1:%d", ports[0]), temporal: fmt.Sprintf("127.0.0.1:%d", ports[1]),
	}
	p.args = append([]string{
		"up", "--project", dir, "--home", p.home, "--listen", strings.TrimPrefix(p.url, "http://"),
		"--temporal-port", fmt.Sprint(ports[1]), "--ui-port", fmt.Sprint(ports[2]),
	}, args...)
	p.Client = client.New(p.url, "")
	t.Cleanup(p.Close)
	return p
}

// patient lets a request take longer than the five seconds by default: on a busy
// machine, Temporal can lose a first task and try it again ten seconds later.
var patient = []string{"PERENNIAL_REQUEST_TIMEOUT=1m"}

// start runs the program and waits until it answers.
func (p *process) start() {
	p.t.Helper()
	file, err := p.program()
	require.NoError(p.t, err)
	if lean := os.Getenv("PERENNIAL_TEST_LEAN_BINARY"); p.lean && lean != "" {
		file = lean
	}
	p.out, p.exited = &output{}, make(chan error, 1)
	p.cmd = exec.Command(file, p.args...)
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr, p.cmd.Env = p.t.TempDir(), p.out, p.out, slices.Concat(os.Environ(), patient, p.env)
	require.NoError(p.t, p.cmd.Start())
	cmd, exited := p.cmd, p.exited
	go func() { exited <- cmd.Wait() }()
	p.t.Cleanup(func() { _ = cmd.Process.Kill() })
	p.eventually(2*time.Minute, "the API answers", func(ctx context.Context) bool {
		_, err := p.Ready(ctx)
		return err == nil
	})
}

// dial connects Temporal's own client to the embedded server.
func (p *process) dial() temporalclient.Client {
	p.t.Helper()
	c, err := temporalclient.Dial(temporalclient.Options{
		HostPort: p.temporal, ConnectionOptions: temporalclient.ConnectionOptions{GetSystemInfoTimeout: slow * time.Minute},
	})
	require.NoError(p.t, err)
	p.t.Cleanup(c.Close)
	return c
}

// stop ends the program as Ctrl-C does and expects it to end cleanly.
func (p *process) stop() {
	p.t.Helper()
	p.end(syscall.SIGINT)
}

// terminate ends the program as an orchestrator does.
func (p *process) terminate() {
	p.t.Helper()
	p.end(syscall.SIGTERM)
}

func (p *process) end(s os.Signal) {
	p.t.Helper()
	require.NoError(p.t, p.cmd.Process.Signal(s))
	select {
	case err := <-p.exited:
		require.NoError(p.t, err, p.out.String())
	case <-time.After(30 * time.Second):
		require.Fail(p.t, "it didn't stop", p.out.String())
	}
}

// kill ends the program without a warning.
func (p *process) kill() {
	p.t.Helper()
	require.NoError(p.t, p.cmd.Process.Kill())
	<-p.exited
}

// slow is how much slower than ours a machine may be: limits are that much longer.
const slow = 5

// eventually polls until f holds.
func (p *process) eventually(limit time.Duration, what string, f func(ctx context.Context) bool) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), slow*limit)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if f(ctx) {
			return
		}
		select {
		case err := <-p.exited:
			require.Fail(p.t, "it ended before "+what, "%v\n%s", err, p.out.String())
		case <-ctx.Done():
			require.Fail(p.t, "never: "+what, p.out.String())
		case <-tick.C:
		}
	}
}

// predict asks for one answer with the given features.
func (p *process) predict(model, features string) (client.PredictResponse, error) {
	return p.Predict(p.t.Context(), client.PredictRequest{Model: model, Features: []byte(features)})
}

// The requests of the issue and of the README.
const (
	irisFeatures    = `{"sepal_length":5.1,"sepal_width":3.5,"petal_length":1.4,"petal_width":0.2}`
	housingFeatures = `{"MedInc":8.3252,"HouseAge":41,"AveRooms":6.984,"AveBedrms":1.0238,"Population":322,"AveOccup":2.5556,"Latitude":37.88,"Longitude":-122.23}`
)

// served waits until a model answers.
func (p *process) served(model, features string) client.PredictResponse {
	p.t.Helper()
	var answer client.PredictResponse
	p.eventually(3*time.Minute, model+" answers", func(context.Context) bool {
		var err error
		answer, err = p.predict(model, features)
		return err == nil
	})
	return answer
}

// train trains a pipeline and waits for the end. A training that still runs, as
// the bootstrap's does for a moment after its model answers, is waited for first.
func (p *process) train(pipeline string, req client.TrainRequest) client.WorkflowView {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), slow*3*time.Minute)
	defer cancel()
	for {
		started, err := p.Train(ctx, pipeline, req)
		require.NoError(p.t, err)
		view, err := p.FollowWorkflow(ctx, started.WorkflowID, started.WorkflowRunID, nil)
		require.NoError(p.t, err)
		if started.Started {
			return view
		}
	}
}

// retrain starts a retraining and waits for its end.
func (p *process) retrain(req client.RetrainRequest) client.WorkflowView {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), slow*3*time.Minute)
	defer cancel()
	started, err := p.Retrain(ctx, req)
	require.NoError(p.t, err)
	view, err := p.FollowWorkflow(ctx, started.WorkflowID, started.WorkflowRunID, nil)
	require.NoError(p.t, err)
	return view
}

// run runs the program to its end and gives its output and exit code.
func run(t *testing.T, args ...string) (output string, code int) {
	t.Helper()
	file, err := binary()
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), slow*3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, file, args...)
	cmd.Dir = t.TempDir()
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// lastPort is the last port given out. All are below those that the system gives
// to outgoing connections and to whoever listens on any port, the embedded
// servers of the other tests among them: what is free now stays free until the
// program listens there.
var lastPort = func() *atomic.Int32 {
	var p atomic.Int32
	p.Store(20000 + rand.Int32N(8000)) //nolint:gosec // no secret
	return &p
}()

// freePorts gives ports that nobody listens on, and each only once.
func freePorts(t *testing.T, n int) []int {
	t.Helper()
	var ports []int
	for len(ports) < n {
		port := int(lastPort.Add(1))
		require.Less(t, port, 32000, "no free port")
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", itoa(port)))
		if err != nil {
			continue // in use
		}
		require.NoError(t, l.Close())
		ports = append(ports, port)
	}
	return ports
}

func itoa(n int) string { return fmt.Sprint(n) }
