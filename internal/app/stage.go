package app

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/config"
	"github.com/perennial-ml/perennial/internal/dvc"
	"github.com/perennial-ml/perennial/internal/offline"
	"github.com/perennial-ml/perennial/internal/pipeline"
	"github.com/perennial-ml/perennial/internal/telemetry"
)

// StageOptions are what `perennial stage` runs with.
type StageOptions struct {
	Config   *config.Config
	Build    string
	Pipeline string
	Progress offline.Progress
}

// Stage trains a pipeline of the project in this process and gives what came
// out, whatever its gates say. It reads the project and keeps everything else in
// a directory that is gone afterwards: no server, no database of yours, and
// nothing is registered.
func Stage(ctx context.Context, o StageOptions) (out offline.Result, err error) {
	const op = "app.Stage"
	home, err := os.MkdirTemp("", "perennial-stage-*")
	if err != nil {
		return out, perennial.Errorf(perennial.CodeUnavailable, op, "can't make a directory for the work").
			WithHint("Is there room in %s?", os.TempDir()).Because(err)
	}
	defer func() { _ = os.RemoveAll(home) }()
	c := *o.Config
	c.Home, c.ArtifactURL = home, "file:"+filepath.Join(home, "artifacts")
	c.DatabaseURL, c.PredictionsURL = "sqlite:"+filepath.Join(home, "perennial.db"), "sqlite:"+filepath.Join(home, "predictions.db")
	c.MLflow.URI = ""
	log := telemetry.Logger(io.Discard, c.LogFormat, c.LogLevel)
	stores, err := openStores(ctx, &c, true, log)
	if err != nil {
		return out, perennial.Wrap(op, err)
	}
	defer stores.close()
	spec, err := pipeline.Load(c.Project, filepath.Join("pipelines", o.Pipeline+".yaml"))
	if err != nil {
		return out, perennial.Wrap(op, err)
	}
	if spec.Pipeline.Name != o.Pipeline {
		return out, perennial.Errorf(perennial.CodeInvalid, op, "pipelines/%s.yaml has the name %s", o.Pipeline, spec.Pipeline.Name)
	}
	if _, err := stores.pipelines.Apply(ctx, spec, time.Now().UnixMilli()); err != nil {
		return out, perennial.Wrap(op, err)
	}
	repo, err := dvc.Open(c.Project)
	if err != nil {
		return out, perennial.Wrap(op, err)
	}
	k, err := newKit(&c, o.Build, log, stores, connection{}) //nolint:contextcheck // what the kit makes has contexts of its own
	if err != nil {
		return out, perennial.Wrap(op, err)
	}
	defer k.tracking.Close()
	return offline.Train(ctx, k.activities(repo), o.Pipeline, o.Progress)
}
