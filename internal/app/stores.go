package app

import (
	"context"
	"io/fs"
	"log/slog"

	"gorm.io/gorm"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/access"
	"github.com/perennial-ml/perennial/internal/blob"
	"github.com/perennial-ml/perennial/internal/client"
	"github.com/perennial-ml/perennial/internal/config"
	"github.com/perennial-ml/perennial/internal/datastore"
	"github.com/perennial-ml/perennial/internal/db"
	"github.com/perennial-ml/perennial/internal/ledger"
	"github.com/perennial-ml/perennial/internal/pipeline"
	"github.com/perennial-ml/perennial/internal/predlog"
	"github.com/perennial-ml/perennial/internal/serve"
	"github.com/perennial-ml/perennial/internal/startgc"
	"github.com/perennial-ml/perennial/internal/tracking"
)

// stores are the databases and what is kept in them.
type stores struct {
	state       *gorm.DB
	predictions *gorm.DB
	tracking    *tracking.Store
	ledger      *ledger.Store
	access      *access.Store
	traffic     *serve.TrafficStore
	pipelines   *pipeline.Store
	datasets    *datastore.Store
	blobs       *blob.Store
	gone        []string               // pipelines in force whose files are gone
	broken      []client.PipelineFault // pipeline files that can't be put in force
}

// openStores opens both databases and the artifacts. Tables of an older form are
// brought to the newest where migrate says so, else they are a precondition error.
func openStores(ctx context.Context, c *config.Config, migrate bool, log *slog.Logger) (_ *stores, err error) {
	startgc.Steady() // whoever opens them stays, or trains
	s := &stores{}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.blobs, err = blob.OpenWith(c.ArtifactURL, blob.S3Options{Endpoint: c.S3Endpoint}); err != nil {
		return nil, err
	}
	if err := s.blobs.Sweep(); err != nil {
		log.Warn("what killed processes left among the artifacts stays there", "error", err)
	}
	if s.state, err = db.Open(ctx, db.Options{URL: c.DatabaseURL, MaxConns: c.DatabaseMaxConns, Logger: log}); err != nil {
		return nil, err
	}
	if s.predictions, err = db.Open(ctx, db.Options{URL: c.PredictionsURL, MaxConns: c.DatabaseMaxConns, Logger: log}); err != nil {
		return nil, err
	}
	for _, m := range []struct {
		on        *gorm.DB
		component string
		files     fs.FS
	}{
		{s.state, tracking.Component, tracking.Migrations},
		{s.state, ledger.Component, ledger.Migrations},
		{s.state, access.Component, access.Migrations},
		{s.state, pipeline.Component, pipeline.Migrations},
		{s.state, serve.Component, serve.Migrations},
		{s.state, datastore.Component, datastore.Migrations},
		{s.predictions, predlog.Component, predlog.Migrations},
	} {
		if migrate {
			err = db.Migrate(ctx, m.on, m.component, m.files)
		} else {
			err = checkMigrated(ctx, m.on, m.component, m.files)
		}
		if err != nil {
			return nil, err
		}
	}
	s.tracking, s.ledger = tracking.NewStore(s.state), ledger.NewStore(s.state)
	s.access = access.NewStore(s.state)
	s.datasets = datastore.NewStore(s.state)
	s.traffic, s.pipelines = serve.NewTrafficStore(s.state), pipeline.NewStore(s.state)
	return s, nil
}

// checkMigrated refuses tables of an older form.
func checkMigrated(ctx context.Context, g *gorm.DB, component string, files fs.FS) error {
	pending, err := db.Pending(ctx, g, component, files)
	if err == nil && len(pending) > 0 {
		err = perennial.Errorf(perennial.CodePrecondition, "app.openStores", "the database lacks %d migrations of %s", len(pending), component).
			WithHint("Start one process with PERENNIAL_MIGRATE=auto while the others are stopped.")
	}
	return err
}

func (s *stores) close() {
	for _, g := range []*gorm.DB{s.state, s.predictions} {
		if g != nil {
			_ = db.Close(g) // every write has been answered: there is nothing left to lose
		}
	}
}
