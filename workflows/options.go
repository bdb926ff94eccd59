package workflows

import (
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// retries is how every step is tried again. Faults that nobody but a person can
// mend are marked non-retryable where they happen (worker.mapError).
var retries = temporal.RetryPolicy{
	InitialInterval:    time.Second,
	BackoffCoefficient: 2,
	MaximumInterval:    30 * time.Second,
	MaximumAttempts:    5,
}

// patient is for steps that must outlive more: a long step, under which the
// program may be stopped or killed many times (package worker bounds the tries
// that end in an error to five), and the record of how a workflow ended. The
// bound is there for a step that takes the whole process down each time.
var patient = temporal.RetryPolicy{
	InitialInterval:    time.Second,
	BackoffCoefficient: 2,
	MaximumInterval:    30 * time.Second,
	MaximumAttempts:    20,
}

// sibling names a task queue beside the one that the workflow itself runs on,
// so that a workflow keeps to the workers of its own installation.
func sibling(ctx workflow.Context, kind string) string {
	prefix, ok := strings.CutSuffix(workflow.GetInfo(ctx).TaskQueueName, "-"+KindDefault)
	if !ok {
		prefix = "perennial"
	}
	return Queue(prefix, kind)
}

// quick is for steps that read or write a row.
func quick(ctx workflow.Context, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue: sibling(ctx, KindDefault), StartToCloseTimeout: 30 * time.Second, RetryPolicy: &retries, Summary: summary,
	})
}

// record is quick, for what must be written down in the end.
func record(ctx workflow.Context, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue: sibling(ctx, KindDefault), StartToCloseTimeout: 30 * time.Second, RetryPolicy: &patient, Summary: summary,
	})
}

// io is for steps that move data. They heartbeat each second.
func io(ctx workflow.Context, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue: sibling(ctx, KindTraining), StartToCloseTimeout: 10 * time.Minute, HeartbeatTimeout: 30 * time.Second,
		RetryPolicy: &patient, Summary: summary, WaitForCancellation: true,
	})
}

// fit is for steps that compute. They heartbeat each second, and a cancelled
// workflow waits until they have let go of the CPU.
func fit(ctx workflow.Context, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue: sibling(ctx, KindTraining), StartToCloseTimeout: 2 * time.Hour, HeartbeatTimeout: 10 * time.Second,
		RetryPolicy: &patient, Summary: summary, WaitForCancellation: true,
	})
}

// forever is for the steps of a rollout: what a database or a registry that is
// away keeps from being done is done when it is back.
var forever = temporal.RetryPolicy{
	InitialInterval:    time.Second,
	BackoffCoefficient: 2,
	MaximumInterval:    30 * time.Second,
}

// steady is for the changes that a rollout makes.
func steady(ctx workflow.Context, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue: sibling(ctx, KindDefault), StartToCloseTimeout: 30 * time.Second, RetryPolicy: &forever, Summary: summary,
	})
}

// offering is for handing a version to its rollout, which may have to wait for
// the end of another one. It heartbeats each second.
func offering(ctx workflow.Context, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue: sibling(ctx, KindDefault), StartToCloseTimeout: 5 * time.Minute, HeartbeatTimeout: 10 * time.Second, RetryPolicy: &patient, Summary: summary,
	})
}

// observing is for the long look at a rollout, which is given up without
// waiting for it: an abort must not.
func observing(ctx workflow.Context, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue: sibling(ctx, KindDefault), StartToCloseTimeout: 40 * time.Minute, HeartbeatTimeout: 15 * time.Second, RetryPolicy: &forever, Summary: summary,
	})
}
