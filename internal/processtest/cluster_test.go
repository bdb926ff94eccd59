package processtest_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/client"
	"github.com/perennial-ml/perennial/internal/db/dbtest"
	"github.com/perennial-ml/perennial/internal/project"
)

// cluster is Perennial as a team runs it: processes of their own beside one
// database (Postgres where the store suites have one, else SQLite), one artifact
// store and a Temporal server, which is here that of an `up` without pipelines.
// No worker has a project: pipelines are applied, data is registered.
type cluster struct {
	t        *testing.T
	temporal *process
	project  string // of whoever applies pipelines
	home     string
	env      []string
}

// setupCluster starts the Temporal server. Settings are for every process.
func setupCluster(t *testing.T, settings ...string) *cluster {
	t.Helper()
	c := &cluster{t: t, project: demo(t), home: filepath.Join(t.TempDir(), "home")}
	empty := filepath.Join(t.TempDir(), "empty")
	require.NoError(t, project.Init(empty, false))
	c.temporal = prepare(t, empty, "--no-bootstrap")
	c.temporal.env = []string{"PERENNIAL_TASK_QUEUE_PREFIX=elsewhere"}
	c.temporal.start()
	c.env = append([]string{
		"PERENNIAL_HOME=" + c.home, "PERENNIAL_MIGRATE=auto", "PERENNIAL_TEMPORAL_ADDRESS=" + c.temporal.temporal,
		"PERENNIAL_DATA_URL=file:" + filepath.Join(c.project, "data", "remote"), "PERENNIAL_PROJECT=" + filepath.Join(t.TempDir(), "nothing"),
	}, settings...)
	if url := dbtest.Postgres(t); url != "" {
		c.env = append(c.env, "PERENNIAL_DATABASE_URL="+url, "PERENNIAL_PREDICTIONS_URL="+url)
	}
	return c
}

// artifacts is the directory of the artifact store.
func (c *cluster) artifacts() string { return filepath.Join(c.home, "artifacts") }

// api starts one more `perennial api`.
func (c *cluster) api(settings ...string) *process { return c.node("api", "--listen", settings) }

// worker starts one more `perennial worker`.
func (c *cluster) worker(settings ...string) *process {
	return c.node("worker", "--worker-listen", settings)
}

func (c *cluster) node(command, listen string, settings []string) *process {
	c.t.Helper()
	address := "127.0.0.1:" + itoa(freePorts(c.t, 1)[0])
	p := &process{t: c.t, program: binary, url: "http://" + address, args: []string{command, listen, address}, env: slices.Concat(c.env, settings), lean: true}
	p.Client = client.New(p.url, "")
	c.t.Cleanup(p.Close)
	p.start()
	return p
}

// replica is the name of an API process among the replicas.
func replica(t *testing.T, p *process) string {
	t.Helper()
	host, err := os.Hostname()
	require.NoError(t, err)
	return host + p.url[strings.LastIndex(p.url, ":"):]
}

// apply puts a sample pipeline in force, with more lines in its file, and
// registers its data, as somebody with a project does.
func (c *cluster) apply(api *process, pipeline, more string) {
	c.t.Helper()
	file := filepath.Join(c.project, "pipelines", pipeline+".yaml")
	b, err := os.ReadFile(file)
	require.NoError(c.t, err)
	require.NoError(c.t, os.WriteFile(file, append(b, more...), 0o600))
	for _, args := range [][]string{
		{"data", "pull", "--project", c.project},
		{"data", "add", "data/raw/" + pipeline + ".csv", "--project", c.project, "--api", api.url},
		{"pipeline", "apply", file, "--project", c.project, "--api", api.url},
	} {
		out, code := run(c.t, args...)
		require.Zero(c.t, code, "%s: %s", strings.Join(args, " "), out)
	}
}

// halfway is a rollout that stays where half of the units go to the challenger,
// however slowly a busy machine answers.
const halfway = "rollout: {steps: [50], min_requests: 1000000, deadline: 100h, guardrails: {latency_p99: {max_ratio: 1000, min_increase: 10s}}}\n"

// canary rolls a version out and waits until each load was answered by it.
func (c *cluster) canary(api *process, version string, loads ...*load) {
	c.t.Helper()
	began := time.Now()
	_, err := api.StartRollout(c.t.Context(), "iris", client.RolloutRequest{Version: version, Reason: "test"})
	require.NoError(c.t, err)
	c.attended(api, began, loads...)
}

// attended waits until each load was answered by a challenger since then.
func (c *cluster) attended(api *process, since time.Time, loads ...*load) {
	c.t.Helper()
	for _, l := range loads {
		api.eventually(90*time.Second, l.to+" sends requests to the challenger", func(context.Context) bool {
			last, ok := l.last(perennial.VariantChallenger)
			return ok && last.After(since)
		})
	}
}

// answer is one answered request of a load.
type answer struct {
	at      time.Time // by its id, to the millisecond: when the program answered, however late we read it
	id      string
	variant perennial.Variant
}

// load asks for predictions, one request at a time, until it is stopped.
type load struct {
	to      string
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu      sync.Mutex
	answers []answer
	faults  []error
}

// loadEvery is how often a load sends a request.
const loadEvery = 5 * time.Millisecond

// load asks this process for irises until the test ends or stop is called. Like a
// load balancer, it looks at /readyz every 100 ms, and sends nothing while the
// process isn't ready.
func (p *process) load() *load {
	ctx, cancel := context.WithCancel(context.WithoutCancel(p.t.Context()))
	l := &load{to: p.url, cancel: cancel}
	own := client.New(p.url, "")
	tick := time.NewTicker(loadEvery)
	p.t.Cleanup(func() { l.stop(); own.Close(); tick.Stop() })
	l.running.Go(func() {
		for looked, ready := (time.Time{}), false; ctx.Err() == nil; {
			if time.Since(looked) >= 100*time.Millisecond {
				_, err := own.Ready(ctx)
				looked, ready = time.Now(), err == nil
			}
			if ready {
				got, err := own.Predict(context.WithoutCancel(ctx), client.PredictRequest{Model: "iris", Features: []byte(irisFeatures)})
				l.note(got, err)
			}
			<-tick.C
		}
	})
	return l
}

func (l *load) note(got client.PredictResponse, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.faults = append(l.faults, err)
		return
	}
	at := uuid.MustParse(got.PredictionID).Time()
	l.answers = append(l.answers, answer{at: time.Unix(at.UnixTime()), id: got.PredictionID, variant: got.Variant})
}

func (l *load) stop() {
	l.cancel()
	l.running.Wait()
}

// all gives what was answered so far.
func (l *load) all() []answer {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clip(l.answers)
}

// failed gives the requests that failed so far.
func (l *load) failed() []error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clip(l.faults)
}

// last tells when a variant answered last.
func (l *load) last(v perennial.Variant) (at time.Time, ok bool) {
	for _, a := range slices.Backward(l.all()) {
		if a.variant == v {
			return a.at, true
		}
	}
	return time.Time{}, false
}

// first tells when a variant answered first from a moment on.
func (l *load) first(v perennial.Variant, from time.Time) (at time.Time, ok bool) {
	for _, a := range l.all() {
		if a.variant == v && a.at.After(from) {
			return a.at, true
		}
	}
	return time.Time{}, false
}
