package activities

import (
	"context"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/models"
)

// maxCurvePoints bounds the points of a loss curve on a run.
const maxCurvePoints = 1000

// logTrace puts on the run how an iterative fit ended and its loss curve: the
// metrics loss and validation_loss, whose step is the number of iterations done,
// and oob_score of a forest.
// Safe to repeat: points carry the run's own start as their time.
func (a *Activities) logTrace(ctx context.Context, runID string, t models.Trace) error {
	if t.Status == "" {
		return nil
	}
	run, err := a.Tracker.GetRun(ctx, runID)
	if err != nil {
		return err
	}
	metrics := append(curve("loss", t.Loss, run.StartedAt), curve("validation_loss", t.Validation, run.StartedAt)...)
	if t.OutOfBag != nil {
		metrics = append(metrics, perennial.Metric{Key: "oob_score", Value: *t.OutOfBag, Timestamp: run.StartedAt})
	}
	metrics = append(metrics, perennial.Metric{Key: "iterations", Value: float64(t.Iterations), Timestamp: run.StartedAt})
	return a.Tracker.LogBatch(ctx, runID, metrics, nil, []perennial.Tag{{Key: perennial.TagTermination, Value: t.Status}})
}

func curve(key string, values []float64, at int64) []perennial.Metric {
	out := make([]perennial.Metric, 0, min(len(values), maxCurvePoints))
	for _, i := range models.Thin(len(values), maxCurvePoints) {
		out = append(out, perennial.Metric{Key: key, Value: values[i], Timestamp: at, Step: int64(i) + 1})
	}
	return out
}
