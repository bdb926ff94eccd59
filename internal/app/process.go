package app

import (
	"context"
	"io"
	"log/slog"
	"time"

	temporalclient "go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	sdklog "go.temporal.io/sdk/log"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/activities"
	"github.com/perennial-ml/perennial/internal/access"
	"github.com/perennial-ml/perennial/internal/blob"
	"github.com/perennial-ml/perennial/internal/config"
	"github.com/perennial-ml/perennial/internal/datastore"
	"github.com/perennial-ml/perennial/internal/dvc"
	"github.com/perennial-ml/perennial/internal/project"
	"github.com/perennial-ml/perennial/internal/telemetry"
)

// ProcessOptions are what `perennial api` and `perennial worker` run with.
type ProcessOptions struct {
	Config *config.Config
	Build  string
	Log    io.Writer
}

// API answers requests until ctx ends. It needs no Temporal server to start, and
// goes on answering predictions while there is none.
func API(ctx context.Context, o ProcessOptions) error {
	return process(ctx, o, func(k *kit) (_ []Part, err error) {
		if k.gate, err = openGate(ctx, o.Config, k.stores.access, k.log); err != nil {
			return nil, err
		}
		return k.serving(o.Config.ShutdownGrace / 4), nil
	})
}

// Worker does the steps of workflows until ctx ends. Without a Temporal server
// it waits for one, and says so on /readyz.
func Worker(ctx context.Context, o ProcessOptions) error {
	return process(ctx, o, func(k *kit) ([]Part, error) {
		data, err := k.data()
		if err != nil {
			return nil, err
		}
		steps := k.worker(data)
		health := telemetry.NewServer(telemetry.ServerOptions{
			Name: "health", Listen: o.Config.WorkerListen, Setting: config.Env + "WORKER_LISTEN", Registry: k.registry, Health: true, Ready: steps.Ready,
		})
		return append([]Part{health}, k.working(steps)...), nil
	})
}

// process opens what both have in common, and runs the parts.
func process(ctx context.Context, o ProcessOptions, parts func(*kit) ([]Part, error)) error {
	c := o.Config
	log := telemetry.Logger(telemetry.Hide(o.Log, access.TokenPrefix, c.AdminToken), c.LogFormat, c.LogLevel)
	unlock, err := shareHome(c)
	if err != nil {
		return err
	}
	defer unlock()
	stores, err := openStores(ctx, c, c.Migrate == "auto", log)
	if err != nil {
		return err
	}
	defer stores.close()
	temporal, err := connect(c, log)
	if err != nil {
		return err
	}
	defer temporal.Close()
	k, err := newKit(c, o.Build, log, stores, temporal) //nolint:contextcheck // MLflow requests bring their own context
	if err != nil {
		return err
	}
	defer k.tracking.Close()
	list, err := parts(k)
	if err != nil {
		return err
	}
	return Run(ctx, log, c.ShutdownGrace, list...)
}

// connect gives a client of the configured Temporal server, which is dialled
// when it is first needed. Namespace, TLS and keys are Temporal's own settings.
func connect(c *config.Config, log *slog.Logger) (connection, error) {
	const op = "app.connect"
	options, err := envconfig.LoadDefaultClientOptions()
	if err != nil {
		return connection{}, perennial.Errorf(perennial.CodeInvalid, op, "Temporal's own settings (TEMPORAL_*) are wrong: %v", err).Because(err)
	}
	if c.TemporalAddress != "" {
		options.HostPort = c.TemporalAddress
	}
	if options.Namespace == "" {
		options.Namespace = temporalclient.DefaultNamespace
	}
	options.Logger = sdklog.NewStructuredLogger(log)
	lazy, err := temporalclient.NewLazyClient(options)
	if err != nil {
		return connection{}, perennial.Errorf(perennial.CodeInvalid, op, "the Temporal server can't be addressed: %v", err).
			WithHint("Check PERENNIAL_TEMPORAL_ADDRESS and TEMPORAL_*.").Because(err)
	}
	return connection{Client: lazy, namespace: options.Namespace, uiURL: c.TemporalUIURL}, nil
}

// data gives where a worker reads data: the project it stands in, else the
// registered versions.
func (k *kit) data() (activities.Data, error) {
	c := k.config
	if project.Find(c.Project) {
		return dvc.Open(c.Project)
	}
	stores := []datastore.Blobs{k.stores.blobs}
	if c.DataURL != "" {
		remote, err := blob.OpenWith(c.DataURL, blob.S3Options{Endpoint: c.S3Endpoint})
		if err != nil {
			return nil, err
		}
		stores = append(stores, remote)
	}
	return datastore.NewReader(k.stores.datasets, stores...), nil
}

// patiently repeats a start until it succeeds or ctx ends.
func (k *kit) patiently(start func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for said := false; ; {
			err := start(ctx)
			if perennial.CodeOf(err) != perennial.CodeUnavailable {
				return err
			}
			if !said {
				k.log.Warn("Temporal doesn't answer: waiting for it", "error", err)
				said = true
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-tick.C:
			}
		}
	}
}
