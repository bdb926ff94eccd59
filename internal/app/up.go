package app

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"

	temporalclient "go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/config"
	"github.com/perennial-ml/perennial/internal/dvc"
	"github.com/perennial-ml/perennial/internal/pipeline"
	"github.com/perennial-ml/perennial/internal/project"
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
	if info, err := os.Stat(c.Project); err != nil || !info.IsDir() {
		return perennial.Errorf(perennial.CodeNotFound, "app.Up", "the project %s is no directory", c.Project).
			WithHint("Name a directory that exists with --project, or make one: perennial init %s", c.Project)
	}
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
	stores, err := openStores(ctx, c, c.Migrate != "check", log)
	if err != nil {
		return err
	}
	defer stores.close()
	gate, err := openGate(ctx, c, stores.access, log)
	if err != nil {
		return err
	}
	repo, specs, broken, err := openProject(c, o.Screen)
	if err != nil {
		return err
	}
	if err := restoreData(ctx, repo, specs, stores.traffic, o.Screen); err != nil {
		return err
	}
	if err := stores.apply(ctx, specs, broken, o.Screen); err != nil {
		return err
	}
	temporal := o.Temporal(filepath.Join(c.Home, "temporal.db"), log)
	lazy, err := temporalclient.NewLazyClient(temporalclient.Options{HostPort: temporal.Address(), Logger: sdklog.NewStructuredLogger(log)})
	if err != nil {
		return perennial.Wrap("app.Up", err)
	}
	defer lazy.Close()
	k, err := newKit(c, o.Build, log, stores, connection{Client: lazy, namespace: temporalclient.DefaultNamespace, uiURL: temporal.UIURL()}) //nolint:contextcheck // MLflow requests bring their own context
	if err != nil {
		return err
	}
	defer k.tracking.Close()
	k.gate = gate
	return Run(ctx, log, c.ShutdownGrace, upParts(o, k, repo, temporal)...)
}

// upParts are all parts, in the order in which they start.
func upParts(o UpOptions, k *kit, repo *dvc.Repo, temporal Temporal) []Part {
	c := o.Config
	parts := append([]Part{temporal}, k.working(k.worker(repo))...)
	return append(append(parts, k.serving(0)...),
		part{name: "addresses", start: func(context.Context) error {
			o.Screen.Sayf("API", "%s  (routes: /docs, metrics: /metrics%s)", k.gate.url, k.gate.note())
			o.Screen.Sayf("Temporal Web UI", "%s  (server: %s)", temporal.UIURL(), temporal.Address())
			if !k.tracking.Embedded() {
				o.Screen.Sayf("MLflow", "%s", k.tracking.URI())
			}
			o.Screen.Sayf("log", "%s  (Ctrl-C stops)", filepath.Join(c.Home, LogFile))
			return nil
		}},
		&bootstrap{api: k.gate.client(bootstrapName, perennial.AccessTrainer), train: o.Bootstrap, screen: o.Screen, log: k.log, curl: k.gate.curl()},
	)
}

// openProject opens the project, or the embedded demo where there is none, and
// reads the pipelines.
func openProject(c *config.Config, screen *Screen) (*dvc.Repo, []*pipeline.Spec, []pipeline.Broken, error) {
	if !project.Find(c.Project) {
		if part := project.Part(c.Project); part != "" {
			return nil, nil, nil, perennial.Errorf(perennial.CodePrecondition, "app.openProject", "%s has %s and is no project yet", c.Project, part).
				WithHint("perennial init %s makes it one and overwrites nothing. (The demo is played in a directory with neither pipelines/ nor .dvc/.)", c.Project)
		}
		demo := filepath.Join(c.Home, "demo")
		if err := project.Init(demo, true); err != nil {
			return nil, nil, nil, err
		}
		screen.Sayf("project", "%s has no pipelines/ and no .dvc/: playing the demo in %s", c.Project, demo)
		c.UseProject(demo)
	}
	if c.Pipelines == "" {
		c.Pipelines = filepath.Join(c.Project, "pipelines")
	}
	repo, err := dvc.Open(c.Project)
	if err != nil {
		return nil, nil, nil, err
	}
	specs, broken, err := pipeline.LoadDir(c.Project, c.Pipelines)
	return repo, specs, broken, err
}
