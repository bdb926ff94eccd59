package app

import (
	"context"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	temporalclient "go.temporal.io/sdk/client"

	"github.com/perennial-ml/perennial/activities"
	"github.com/perennial-ml/perennial/api"
	"github.com/perennial-ml/perennial/internal/client"
	"github.com/perennial-ml/perennial/internal/config"
	"github.com/perennial-ml/perennial/internal/control"
	"github.com/perennial-ml/perennial/internal/predlog"
	"github.com/perennial-ml/perennial/internal/serve"
	"github.com/perennial-ml/perennial/internal/telemetry"
	"github.com/perennial-ml/perennial/internal/tracking"
	"github.com/perennial-ml/perennial/worker"
	"github.com/perennial-ml/perennial/workflows"
)

// kit is what the parts of a process are made from: up has them all, api and
// worker have their own each.
type kit struct {
	config     *config.Config
	build      string
	log        *slog.Logger
	stores     *stores
	registry   *prometheus.Registry
	temporal   connection
	attributes *control.Attributes
	operator   *control.Control
	gate       gate
	serves     bool // this process answers requests

	tracking    *registry
	mlflow      *tracking.Server // what others reach of it on the API's address; nil beside a server of its own
	predictions *predlog.Log     // only a serving process starts it; others read
}

// connection is a Temporal server as the parts see it.
type connection struct {
	temporalclient.Client
	namespace string
	uiURL     string
}

func newKit(c *config.Config, build string, log *slog.Logger, s *stores, t connection) (_ *kit, err error) {
	k := &kit{config: c, build: build, log: log, stores: s, registry: telemetry.Registry(build), temporal: t}
	k.attributes = control.NewAttributes(t.Client, t.namespace, log)
	k.predictions = predlog.New(s.predictions, predlog.Options{Flush: c.LogFlush, BufferBytes: int64(c.LogBuffer), Logger: log, Registerer: k.registry})
	if k.tracking, err = openTracking(c, s); err != nil {
		return nil, err
	}
	if k.tracking.Embedded() {
		k.mlflow = tracking.NewServer(s.tracking, s.blobs, k.hooks(), nil)
	}
	k.operator = control.New(control.Options{
		Temporal: t.Client, Pipelines: s.pipelines, Ledger: s.ledger, Runs: k.tracking, Audit: s.access, Tokens: s.access, Orders: s.access, KeepAdmin: c.Auth == config.AuthTokens && c.AdminToken == "", Applied: s.pipelines, Datasets: s.datasets,
		Traffic: s.traffic, Registry: k.tracking, Blobs: s.blobs, Evidence: k.predictions, Imports: k.tracking, Sources: k.tracking, ForeignRegistry: !k.tracking.Embedded(), Files: s.blobs, Build: build,
		Rollouts: activities.Rollouts{Steps: &activities.Activities{Pipelines: s.pipelines, Blobs: s.blobs, Traffic: s.traffic, Tracker: k.tracking, Now: time.Now}}, KeepVersions: c.KeepVersions, UIURL: t.uiURL, Namespace: t.namespace,
		Queue: workflows.Queue(c.QueuePrefix, workflows.KindDefault), Attributes: k.attributes, Gone: s.gone, Broken: s.broken, Logger: log,
	})
	return k, nil
}

// hooks make the registry ask whoever serves its models.
func (k *kit) hooks() tracking.Hooks {
	return tracking.Hooks{
		MoveAlias: func(ctx context.Context, actor, model, alias, version string) error {
			return k.operator.AliasMoved(ctx, actor, model, alias, version)
		},
		Held: func(ctx context.Context, model, version string) error { return k.operator.Held(ctx, model, version) },
	}
}

// reconcileEvery is how soon a workflow that was ended from outside shows in our
// tables, where nobody asks for it before.
const reconcileEvery = time.Minute

// aliasesEvery is how soon an alias that was moved on an MLflow server of its own is
// seen.
const aliasesEvery = 2 * time.Second

// working makes the parts that do the steps of workflows, with data from where
// this process gets it, and keep our tables true to Temporal.
func (k *kit) working(steps *worker.Worker) []Part {
	parts := []Part{
		part{name: "worker", start: k.patiently(steps.Start), stop: steps.Stop, failed: steps.Failed()},
		background("reconcile", func(ctx context.Context) { k.operator.Follow(ctx, reconcileEvery) }),
	}
	if k.tracking.Embedded() {
		return parts
	}
	return append(parts, background("aliases", func(ctx context.Context) { k.operator.FollowAliases(ctx, aliasesEvery) }))
}

// worker makes the part that does the steps of workflows, with data from where
// this process gets it.
func (k *kit) worker(data activities.Data) *worker.Worker {
	c := k.config
	return worker.New(worker.Options{
		Client: k.temporal.Client, TrainSlots: c.TrainSlots, StopGrace: c.ShutdownGrace / 2, Registerer: k.registry,
		Prefix: c.QueuePrefix, Queues: c.Queues, Attributes: k.attributes, Activities: k.activities(data),
	})
}

// activities makes the steps of workflows.
func (k *kit) activities(data activities.Data) *activities.Activities {
	c, s := k.config, k.stores
	return &activities.Activities{
		Pipelines: s.pipelines, Data: data, Blobs: s.blobs, Tracker: k.tracking, Ledger: s.ledger, Traffic: s.traffic,
		Starter: k.operator, Workflows: k.operator, Evidence: k.predictions, Orders: s.access, Guarded: k.guarded, Lease: c.TrafficLease, Now: time.Now, Build: k.build, Threads: c.TrainThreads, Project: c.Project,
	}
}

// guarded reports whether requests need a token here. A worker has no API that
// would know: it goes by its own setting, and by the tokens there are.
func (k *kit) guarded(ctx context.Context) (bool, error) {
	if k.config.Auth == config.AuthTokens || k.serves {
		return k.config.Auth == config.AuthTokens, nil
	}
	return k.stores.access.HasTokens(ctx, time.Now().UnixMilli())
}

// serving makes the parts that answer requests: the prediction log, the engine
// and the API. drain is how long a stopping API still takes requests.
func (k *kit) serving(drain time.Duration) []Part {
	c, s := k.config, k.stores
	k.serves = true
	engine := serve.New(serve.Options{
		Traffic: s.traffic, Versions: served{k.tracking}, Blobs: s.blobs, Log: k.predictions, Replica: replica(c.Listen), Replicas: s.traffic, Lease: c.TrafficLease, MaxInstances: c.MaxInstances,
		Absent: k.absent, Logger: k.log, Registerer: k.registry,
	})
	options := api.Options{
		Predictor: engine, Predictions: k.predictions, Registry: k.tracking, Blobs: s.blobs, Pipelines: s.pipelines, Traffic: s.traffic,
		Lineage: k.tracking, Decisions: s.ledger, Trials: s.ledger, Datasets: s.datasets,
		Control: k.operator, Rollouts: k.operator, Audit: s.access,
		Degraded: degraded(k.temporal, k.tracking, engine), Listen: c.Listen, Hosts: c.Hosts, MaxBody: c.MaxBody, MaxInFlight: c.MaxInFlight,
		RequestTimeout: c.RequestTimeout, Drain: drain, UIURL: k.temporal.uiURL, Namespace: k.temporal.namespace, Build: k.build, Logger: k.log,
		Metrics: k.registry, TLS: k.gate.tls,
	}
	if k.gate.guard != nil {
		options.Access = k.gate.guard
	}
	parts := []Part{
		part{name: "prediction log", start: k.predictions.Start, stop: k.predictions.Stop},
		part{name: "serving", start: engine.Start, stop: engine.Stop},
	}
	if c.MetricsListen != "" {
		parts = append(parts, telemetry.NewServer(telemetry.ServerOptions{Name: "metrics", Listen: c.MetricsListen, Setting: config.Env + "METRICS_LISTEN", Registry: k.registry}))
	}
	if k.gate.guard != nil {
		parts = append(parts, part{name: "access", start: k.gate.guard.Start, stop: k.gate.guard.Stop})
	}
	server := api.New(options)
	if k.mlflow != nil {
		server.Mount(k.mlflow)
	}
	return append(parts, server)
}

// degraded tells which dependencies are down while predictions go on.
func degraded(temporal connection, runs *registry, engine *serve.Engine) func(context.Context) []client.Degraded {
	return func(ctx context.Context) []client.Degraded {
		out := []client.Degraded{}
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if _, err := temporal.CheckHealth(ctx, &temporalclient.CheckHealthRequest{}); err != nil {
			out = append(out, client.Degraded{Part: "temporal", Message: "Temporal doesn't answer: nothing can be trained; predictions go on."})
		}
		if err := runs.Ping(ctx); err != nil && !runs.Embedded() {
			out = append(out, client.Degraded{Part: "mlflow", Message: "The MLflow server " + runs.URI() + " doesn't answer: trainings wait for it; predictions go on."})
		}
		if err := engine.Err(); err != nil {
			out = append(out, client.Degraded{Part: "database", Message: "The traffic rows can't be read: predictions go on with the last good state."})
		}
		return out
	}
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
