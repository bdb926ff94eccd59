package app

import (
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
	temporalclient "go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/activities"
	"github.com/perennial-ml/perennial/api"
	"github.com/perennial-ml/perennial/internal/client"
	"github.com/perennial-ml/perennial/internal/config"
	"github.com/perennial-ml/perennial/internal/control"
	"github.com/perennial-ml/perennial/internal/dvc"
	"github.com/perennial-ml/perennial/internal/pipeline"
	"github.com/perennial-ml/perennial/internal/predlog"
	"github.com/perennial-ml/perennial/internal/project"
	"github.com/perennial-ml/perennial/internal/serve"
	"github.com/perennial-ml/perennial/internal/telemetry"
	"github.com/perennial-ml/perennial/worker"
)

// Temporal is the embedded server, which only cmd/perennial links.
type Temporal interface {
	Part
	Address() string
	UIURL() string
}

// UpOptions are what `perennial up` runs with.
type UpOptions struct {
	Config    *config.Config
	Build     string
	Temporal  func(file string, log *slog.Logger) Temporal
	Bootstrap bool    // train what has no version yet
	Screen    *Screen // what the person at the terminal sees
}

// Up runs everything in this process until ctx ends.
func Up(ctx context.Context, o UpOptions) error {
	c := o.Config
	log, closeLog, err := openHome(c)
	if err != nil {
		return err
	}
	defer closeLog()
	unlock, err := lockHome(c.Home)
	if err != nil {
		return err
	}
	defer unlock()
	repo, specs, err := openProject(ctx, c, o.Screen)
	if err != nil {
		return err
	}
	stores, err := openStores(ctx, c, log)
	if err != nil {
		return err
	}
	defer stores.close()
	if err := applyPipelines(ctx, stores.pipelines, specs); err != nil {
		return err
	}
	temporal := o.Temporal(filepath.Join(c.Home, "temporal.db"), log)
	connection, err := temporalclient.NewLazyClient(temporalclient.Options{HostPort: temporal.Address(), Logger: sdklog.NewStructuredLogger(log)})
	if err != nil {
		return perennial.Wrap("app.Up", err)
	}
	defer connection.Close()
	parts := assemble(o, assembly{log: log, stores: stores, repo: repo, temporal: temporal, connection: connection})
	return Run(ctx, log, c.ShutdownGrace, parts...)
}

// assembly is what the parts are put together from.
type assembly struct {
	log        *slog.Logger
	stores     *stores
	repo       *dvc.Repo
	temporal   Temporal
	connection temporalclient.Client
}

// assemble makes the parts, in the order in which they start.
func assemble(o UpOptions, a assembly) []Part {
	c, s, registry := o.Config, a.stores, telemetry.Registry(o.Build)
	predictions := predlog.New(s.predictions, predlog.Options{Flush: c.LogFlush, BufferBytes: int64(c.LogBuffer), Logger: a.log, Registerer: registry})
	engine := serve.New(serve.Options{
		Traffic: s.traffic, Versions: s.tracking, Blobs: s.blobs, Log: predictions, Replica: replica(c.Listen), Replicas: s.traffic, Lease: c.TrafficLease, MaxInstances: c.MaxInstances,
		Pending: s.known, Logger: a.log, Registerer: registry,
	})
	steps := worker.New(worker.Options{
		Client: a.connection, TrainSlots: c.TrainSlots, StopGrace: c.ShutdownGrace / 2, Registerer: registry,
		Activities: &activities.Activities{
			Pipelines: s.pipelines, Data: a.repo, Blobs: s.blobs, Tracker: s.tracking, Ledger: s.ledger, Traffic: s.traffic,
			Now: time.Now, Build: o.Build, Threads: c.TrainThreads, Project: c.Project,
		},
	})
	operator := control.New(control.Options{
		Temporal: a.connection, Pipelines: s.pipelines, Ledger: s.ledger, Runs: s.tracking, Audit: s.access, UIURL: a.temporal.UIURL(),
		Namespace: temporalclient.DefaultNamespace, Logger: a.log,
	})
	server := api.New(api.Options{
		Predictor: engine, Predictions: predictions, Registry: s.tracking, Blobs: s.blobs, Pipelines: s.pipelines, Traffic: s.traffic,
		Decisions: s.ledger,
		Control:   operator,
		Degraded:  degraded(a.connection, engine), Listen: c.Listen, Hosts: c.Hosts, MaxBody: c.MaxBody, MaxInFlight: c.MaxInFlight,
		RequestTimeout: c.RequestTimeout, UIURL: a.temporal.UIURL(), Build: o.Build, Logger: a.log, Metrics: registry,
	})
	first := &bootstrap{api: client.New("http://"+c.Listen, ""), train: o.Bootstrap, screen: o.Screen, log: a.log, url: "http://" + c.Listen}
	return []Part{
		part{name: "prediction log", start: predictions.Start, stop: predictions.Stop},
		a.temporal,
		part{name: "worker", start: steps.Start, stop: steps.Stop, failed: steps.Failed()},
		background("reconcile", func(ctx context.Context) { operator.Follow(ctx, reconcileEvery) }),
		part{name: "serving", start: engine.Start, stop: engine.Stop},
		part{name: "api", start: server.Start, stop: server.Stop, failed: server.Failed()},
		part{name: "addresses", start: func(context.Context) error {
			o.Screen.Sayf("API", "http://%s  (routes: /docs, metrics: /metrics)", c.Listen)
			o.Screen.Sayf("Temporal Web UI", "%s  (server: %s)", a.temporal.UIURL(), a.temporal.Address())
			o.Screen.Sayf("log", "%s  (Ctrl-C stops)", filepath.Join(c.Home, LogFile))
			return nil
		}},
		first,
	}
}

// reconcileEvery is how soon a workflow that was ended from outside shows in our
// tables, where nobody asks for it before.
const reconcileEvery = time.Minute

// degraded tells which dependencies are down while predictions go on.
func degraded(connection temporalclient.Client, engine *serve.Engine) func(context.Context) []client.Degraded {
	return func(ctx context.Context) []client.Degraded {
		out := []client.Degraded{}
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if _, err := connection.CheckHealth(ctx, &temporalclient.CheckHealthRequest{}); err != nil {
			out = append(out, client.Degraded{Part: "temporal", Message: "Temporal doesn't answer: nothing can be trained; predictions go on."})
		}
		if err := engine.Err(); err != nil {
			out = append(out, client.Degraded{Part: "database", Message: "The traffic rows can't be read: predictions go on with the last good state."})
		}
		return out
	}
}

// openHome makes the state directory and the log file in it.
func openHome(c *config.Config) (*slog.Logger, func(), error) {
	const op = "app.openHome"
	if err := os.MkdirAll(c.Home, 0o700); err != nil {
		return nil, nil, homeFault(op, c.Home, err)
	}
	f, err := os.OpenFile(filepath.Join(c.Home, LogFile), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, nil, homeFault(op, c.Home, err)
	}
	return telemetry.Logger(f, c.LogFormat, c.LogLevel), func() { _ = f.Close() }, nil
}

// LogFile is the log's name within the home directory.
const LogFile = "perennial.log"

func homeFault(op, home string, err error) error {
	return perennial.Errorf(perennial.CodeUnavailable, op, "the state directory %s can't be written", home).
		WithHint("Mend its permissions or free disk space, or choose another with --home.").Because(err)
}

// lockHome makes sure that one process uses the home directory.
func lockHome(home string) (unlock func(), err error) {
	const op = "app.lockHome"
	lock := flock.New(filepath.Join(home, "lock"))
	ok, err := lock.TryLock()
	if err != nil {
		return nil, homeFault(op, home, err)
	}
	if !ok {
		return nil, perennial.Errorf(perennial.CodeConflict, op, "another perennial is running on %s", home).
			WithHint("Use that one, stop it, or choose another state directory with --home.")
	}
	return func() { _ = lock.Unlock() }, nil
}

// openProject opens the project, or the embedded demo where there is none,
// restores missing data and reads the pipelines.
func openProject(ctx context.Context, c *config.Config, screen *Screen) (*dvc.Repo, []*pipeline.Spec, error) {
	if !project.Find(c.Project) {
		demo := filepath.Join(c.Home, "demo")
		if err := project.Init(demo, true); err != nil {
			return nil, nil, err
		}
		screen.Sayf("project", "%s has no pipelines/: playing the demo in %s", c.Project, demo)
		c.UseProject(demo)
	}
	if c.Pipelines == "" {
		c.Pipelines = filepath.Join(c.Project, "pipelines")
	}
	repo, err := dvc.Open(c.Project)
	if err != nil {
		return nil, nil, err
	}
	specs, err := pipeline.LoadDir(c.Project, c.Pipelines)
	if err != nil {
		return nil, nil, err
	}
	var paths []string
	for _, spec := range specs {
		paths = append(paths, spec.Pipeline.Data.Path)
	}
	pulled, err := repo.Restore(ctx, paths...)
	if err != nil {
		return nil, nil, err
	}
	if len(pulled) > 0 {
		screen.Sayf("data", "restored %s", strings.Join(pulled, ", "))
	}
	return repo, specs, nil
}

func applyPipelines(ctx context.Context, store *pipeline.Store, specs []*pipeline.Spec) error {
	for _, spec := range specs {
		if _, err := store.Apply(ctx, spec, time.Now().UnixMilli()); err != nil {
			return err
		}
	}
	return nil
}

// replica names this process, in the prediction log and among the replicas. The
// name outlives a restart: it is the host's with the port of the API.
func replica(listen string) string {
	host, err := os.Hostname()
	if err != nil {
		host = "local"
	}
	_, port, _ := net.SplitHostPort(listen)
	return net.JoinHostPort(host, port)
}
