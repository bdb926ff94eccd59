// Package worker registers Perennial's workflows and activities on Temporal's
// task queues and runs them. It is the one place that turns our errors into
// Temporal's. Start reading at New.
package worker

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/activities"
	"github.com/perennial-ml/perennial/workflows"
)

// Options say what a worker serves and how much it takes.
type Options struct {
	Client     client.Client
	Activities *activities.Activities
	TrainSlots int           // training activities at once; default 1
	StopGrace  time.Duration // how long Stop waits for running activities; default 10 s
	Registerer prometheus.Registerer
}

// Worker polls the default and the training queue.
type Worker struct {
	queues []worker.Worker
	failed chan error
}

// New makes a worker that serves both queues. It doesn't poll yet.
func New(o Options) *Worker {
	if o.TrainSlots == 0 {
		o.TrainSlots = 1
	}
	if o.StopGrace == 0 {
		o.StopGrace = 10 * time.Second
	}
	w := &Worker{failed: make(chan error, 2)}
	base := worker.Options{
		Interceptors:                     Interceptors(o.Registerer),
		WorkerStopTimeout:                o.StopGrace,
		MaxConcurrentWorkflowTaskPollers: 10,
		MaxConcurrentActivityTaskPollers: 10,
		MaxHeartbeatThrottleInterval:     time.Second,
		DefaultHeartbeatThrottleInterval: time.Second,
		OnFatalError:                     func(err error) { w.failed <- err },
	}
	steps := worker.New(o.Client, workflows.QueueDefault, base)
	Register(steps)
	steps.RegisterActivity(o.Activities)

	training := base
	training.DisableWorkflowWorker = true
	training.MaxConcurrentActivityExecutionSize = o.TrainSlots
	training.MaxConcurrentActivityTaskPollers = 2
	long := worker.New(o.Client, workflows.QueueTraining, training)
	long.RegisterActivity(o.Activities)
	w.queues = []worker.Worker{steps, long}
	return w
}

// Registry is what workflows are registered on: a worker or a replayer.
type Registry interface{ RegisterWorkflow(w any) }

// Register registers every workflow type under its name.
func Register(r Registry) {
	r.RegisterWorkflow(workflows.Train)
	r.RegisterWorkflow(workflows.Tune)
}

// Start begins to poll.
func (w *Worker) Start(context.Context) error {
	for _, q := range w.queues {
		if err := q.Start(); err != nil {
			return perennial.Errorf(perennial.CodeUnavailable, "worker.Start", "the worker can't poll Temporal").Because(err)
		}
	}
	return nil
}

// Stop stops polling and waits for running activities.
func (w *Worker) Stop(context.Context) error {
	for _, q := range w.queues {
		q.Stop()
	}
	return nil
}

// Failed tells of a fault from which the worker can't recover.
func (w *Worker) Failed() <-chan error { return w.failed }

// MapError turns an activity's error into Temporal's.
func MapError(err error) error { return mapError(err, false) }

// mapError is MapError; after the last try nothing is retryable.
func mapError(err error, last bool) error {
	if _, ok := errors.AsType[*temporal.ApplicationError](err); ok {
		return err
	}
	failure := perennial.FailureOf(err)
	message := failure.Message
	if failure.Code == perennial.CodeInternal {
		message = err.Error() // the history is for operators: they need the cause
	}
	return temporal.NewApplicationErrorWithOptions(message, string(failure.Code), temporal.ApplicationErrorOptions{
		NonRetryable: last || !activities.Retryable(failure.Code), Cause: errors.New(err.Error()), Details: []any{*failure},
	})
}
