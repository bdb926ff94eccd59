package worker_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/mlflow"
	"github.com/perennial-ml/perennial/worker"
)

func TestAStepWaitsForAnMLflowServerThatIsAway(t *testing.T) {
	t.Parallel()
	fault := perennial.Wrap("StartRun", perennial.Errorf(perennial.CodeUnavailable, "", "it doesn't answer").Because(mlflow.ErrAway))
	var e *temporal.ApplicationError
	require.ErrorAs(t, worker.MapError(fault), &e)
	require.False(t, e.NonRetryable())
	require.Equal(t, 3*time.Second, e.NextRetryDelay())
	require.ErrorAs(t, worker.MapError(perennial.Errorf(perennial.CodeUnavailable, "", "the database").Because(errors.New("closed"))), &e)
	require.Zero(t, e.NextRetryDelay())
}
