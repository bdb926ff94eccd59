package app

import (
	"context"
	"slices"
	"sync"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/config"
	"github.com/perennial-ml/perennial/internal/mlflow"
	"github.com/perennial-ml/perennial/internal/serve"
	"github.com/perennial-ml/perennial/internal/tracking"
)

// registry is the tracker, with the versions that passed through it remembered in
// our own database: what is known of one is known also while the server is away.
type registry struct {
	*mlflow.Tracker

	known *serve.VersionStore
	kept  sync.Map // model/version → the hash of the model file that is kept
}

// openTracking gives the tracker on the server that the settings name, else on the
// one in this process: there its own calls pass by the hooks, which are for what
// others ask.
func openTracking(c *config.Config, s *stores) (*registry, error) {
	m := c.MLflow
	o := mlflow.Options{URI: m.URI, Username: m.Username, Password: m.Password, Token: m.Token, CAFile: m.CAFile, Insecure: m.Insecure}
	if m.URI == "" {
		o = mlflow.Options{URI: mlflow.EmbeddedURI, Transport: tracking.NewServer(s.tracking, s.blobs, tracking.Hooks{}, nil)}
	}
	server, err := mlflow.NewClient(o)
	if err != nil {
		return nil, err
	}
	return &registry{Tracker: mlflow.NewTracker(server, s.blobs), known: serve.NewVersionStore(s.state)}, nil
}

// GetVersion asks the server and, where it is away, gives what is known.
func (r *registry) GetVersion(ctx context.Context, model, version string) (perennial.ModelVersion, error) {
	v, err := r.Tracker.GetVersion(ctx, model, version)
	if err == nil {
		one := []perennial.ModelVersion{v}
		if err := r.known.Settle(ctx, one); err != nil {
			return v, err
		}
		return one[0], r.keep(ctx, one[0])
	}
	if away(err) {
		if known, knownErr := r.known.GetVersion(ctx, model, version); knownErr == nil {
			return known, nil
		}
	}
	return v, err
}

// CreateVersion registers a version and remembers it.
func (r *registry) CreateVersion(ctx context.Context, v perennial.ModelVersion, op string) (perennial.ModelVersion, error) {
	made, err := r.Tracker.CreateVersion(ctx, v, op)
	if err != nil {
		return made, err
	}
	return made, r.keep(ctx, made)
}

// Versions lists a model's versions.
func (r *registry) Versions(ctx context.Context, model string) ([]perennial.ModelVersion, error) {
	versions, err := r.Tracker.Versions(ctx, model)
	if err == nil {
		err = r.known.Settle(ctx, versions)
	}
	return versions, err
}

// VersionsOfRuns lists the versions that runs made.
func (r *registry) VersionsOfRuns(ctx context.Context, runIDs []string) ([]perennial.ModelVersion, error) {
	versions, err := r.Tracker.VersionsOfRuns(ctx, runIDs)
	if err == nil {
		err = r.known.Settle(ctx, versions)
	}
	return versions, err
}

func (r *registry) keep(ctx context.Context, v perennial.ModelVersion) error {
	key := v.Model + "/" + v.Version
	if sum, ok := r.kept.Load(key); ok && sum == v.Lineage.ModelSHA256 {
		return nil
	}
	if err := r.known.Keep(ctx, v); err != nil {
		return err
	}
	r.kept.Store(key, v.Lineage.ModelSHA256)
	return nil
}

// served finds versions for serving: what is known first, since a version's model
// file never changes, so that serving asks the server for new versions only.
type served struct{ *registry }

// GetVersion gives what is known, else asks the server.
func (s served) GetVersion(ctx context.Context, model, version string) (perennial.ModelVersion, error) {
	if v, err := s.known.GetVersion(ctx, model, version); perennial.CodeOf(err) != perennial.CodeNotFound {
		return v, err
	}
	return s.registry.GetVersion(ctx, model, version)
}

func away(err error) bool {
	return slices.Contains([]perennial.Code{perennial.CodeUnavailable, perennial.CodeDeadline, perennial.CodeRateLimited, perennial.CodeInternal}, perennial.CodeOf(err))
}
