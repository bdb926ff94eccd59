package worker_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/activities"
	"github.com/perennial-ml/perennial/internal/blob"
	"github.com/perennial-ml/perennial/internal/mlflow"
	"github.com/perennial-ml/perennial/internal/tracking"
)

// numbered makes the workflow run ids of the test environment, which are all
// the same one, distinct.
type numbered struct {
	activities.Tracker
	run int
}

func (n numbered) CreateRun(ctx context.Context, spec mlflow.RunSpec) (perennial.Run, error) {
	spec.Op = fmt.Sprint(spec.Op, " ", n.run)
	return n.Tracker.CreateRun(ctx, spec)
}

// tracker gives a tracker on the embedded server over a database.
func tracker(t *testing.T, g *gorm.DB, blobs *blob.Store) *mlflow.Tracker {
	t.Helper()
	c, err := mlflow.NewClient(mlflow.Options{URI: mlflow.EmbeddedURI, Transport: tracking.NewServer(tracking.NewStore(g), blobs, tracking.Hooks{}, nil)})
	require.NoError(t, err)
	return mlflow.NewTracker(c, blobs)
}
