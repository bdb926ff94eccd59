package activities

import (
	"context"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/workflow"
)

type outsideKey struct{}

// Outside gives a context in which the steps of a training run without Temporal,
// under a name that stands for workflow and run. Who runs them so repeats
// nothing, and has stores of its own: see internal/offline.
func Outside(ctx context.Context, name string) context.Context {
	return context.WithValue(ctx, outsideKey{}, name)
}

// execution says which workflow a step belongs to.
func execution(ctx context.Context) workflow.Execution {
	if name, ok := ctx.Value(outsideKey{}).(string); ok && !activity.IsActivity(ctx) {
		return workflow.Execution{ID: name, RunID: name}
	}
	return activity.GetInfo(ctx).WorkflowExecution
}

// attempt says which try of a step this is, from 1.
func attempt(ctx context.Context) int32 {
	if !activity.IsActivity(ctx) {
		return 1
	}
	return activity.GetInfo(ctx).Attempt
}

// asked says when a step was asked for, the same in every try (ms).
func (a *Activities) asked(ctx context.Context) int64 {
	if !activity.IsActivity(ctx) {
		return a.nowMillis()
	}
	return activity.GetInfo(ctx).ScheduledTime.UnixMilli()
}

// Outputs are the files of a training that a project keeps.
type Outputs struct {
	Model       []byte
	Report      []byte // JSON
	Predictions []byte // CSV
}

// ReadOutputs gives the files of a training by the keys of its model file and
// its evaluation.
func ReadOutputs(ctx context.Context, blobs Blobs, model, evaluated string) (out Outputs, err error) {
	found, err := getJSON[evaluation](ctx, blobs, evaluated)
	if err != nil {
		return out, err
	}
	if out.Model, err = blobs.Get(ctx, model); err != nil {
		return out, err
	}
	out.Predictions = []byte(found.Predictions)
	out.Report, err = found.reportFile()
	return out, err
}
