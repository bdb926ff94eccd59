// Package worker registers Perennial's workflows and activities on Temporal's
// task queues and runs them. It is the one place that turns our errors into
// Temporal's. Start reading at New.
package worker

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/activities"
	"github.com/perennial-ml/perennial/internal/mlflow"
	"github.com/perennial-ml/perennial/workflows"
)

// Options say what a worker serves and how much it takes.
type Options struct {
	Client     client.Client
	Activities *activities.Activities
	Prefix     string        // of the queues' names; default perennial
	Queues     []string      // kinds of queue to serve; default all
	Attributes Attributes    // nil: the server has every search attribute
	TrainSlots int           // training activities at once; default 1
	StopGrace  time.Duration // how long Stop waits for running activities; default 10 s
	Registerer prometheus.Registerer
}

// Worker polls the default queue, the training queue or both.
type Worker struct {
	client     client.Client
	attributes Attributes
	queues     []worker.Worker
	failed     chan error
	polling    atomic.Bool
}

// stickyWait is how long a workflow waits for the worker that has it in memory
// before any other may take it. It is what an abort of a rollout waits when that
// worker was killed.
const stickyWait = time.Second

// New makes a worker that doesn't poll yet.
func New(o Options) *Worker {
	if o.TrainSlots == 0 {
		o.TrainSlots = 1
	}
	if o.StopGrace == 0 {
		o.StopGrace = 10 * time.Second
	}
	if o.Prefix == "" {
		o.Prefix = "perennial"
	}
	if len(o.Queues) == 0 {
		o.Queues = []string{workflows.KindDefault, workflows.KindTraining}
	}
	w := &Worker{client: o.Client, attributes: o.Attributes, failed: make(chan error, 2)}
	base := worker.Options{
		Interceptors:                     Interceptors(o.Registerer, o.Attributes),
		WorkerStopTimeout:                o.StopGrace,
		MaxConcurrentWorkflowTaskPollers: 10,
		MaxConcurrentActivityTaskPollers: 10,
		StickyScheduleToStartTimeout:     stickyWait,
		MaxHeartbeatThrottleInterval:     time.Second,
		DefaultHeartbeatThrottleInterval: time.Second,
		OnFatalError:                     func(err error) { w.failed <- err },
	}
	for _, kind := range o.Queues {
		options := base
		if kind == workflows.KindTraining {
			options.DisableWorkflowWorker = true
			options.MaxConcurrentActivityExecutionSize = o.TrainSlots
			options.MaxConcurrentActivityTaskPollers = 2
		}
		queue := worker.New(o.Client, workflows.Queue(o.Prefix, kind), options)
		if kind == workflows.KindDefault {
			Register(queue)
		}
		queue.RegisterActivity(o.Activities)
		w.queues = append(w.queues, queue)
	}
	return w
}

// Registry is what workflows are registered on: a worker or a replayer.
type Registry interface{ RegisterWorkflow(w any) }

// Register registers every workflow type under its name.
func Register(r Registry) {
	r.RegisterWorkflow(workflows.Retrain)
	r.RegisterWorkflow(workflows.Train)
	r.RegisterWorkflow(workflows.Tune)
	r.RegisterWorkflow(workflows.Rollout)
	r.RegisterWorkflow(workflows.Reproduce)
}

// Start begins to poll. A server that doesn't answer is unavailable, and Start
// may be called again.
func (w *Worker) Start(ctx context.Context) error {
	const op = "worker.Start"
	if _, err := w.client.CheckHealth(ctx, &client.CheckHealthRequest{}); err != nil {
		return perennial.Errorf(perennial.CodeUnavailable, op, "the worker can't reach Temporal").Because(err)
	}
	if w.attributes != nil {
		w.attributes.Known(ctx) // decided before the first workflow asks
	}
	for _, q := range w.queues {
		if err := q.Start(); err != nil {
			return perennial.Errorf(perennial.CodeInternal, op, "the worker can't poll Temporal").Because(err)
		}
	}
	w.polling.Store(true)
	return nil
}

// askFor is how long Temporal has to say that it is there.
const askFor = time.Second

// Ready reports whether the worker polls a server that answers.
func (w *Worker) Ready(ctx context.Context) bool {
	if !w.polling.Load() {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	_, err := w.client.CheckHealth(ctx, &client.CheckHealthRequest{})
	return err == nil
}

// Stop stops polling and waits for running activities.
func (w *Worker) Stop(context.Context) error {
	if !w.polling.Swap(false) {
		return nil
	}
	var all sync.WaitGroup
	for _, q := range w.queues { // together: each may wait for its activities
		all.Go(q.Stop)
	}
	all.Wait()
	return nil
}

// Failed tells of a fault from which the worker can't recover.
func (w *Worker) Failed() <-chan error { return w.failed }

// MapError turns an activity's error into Temporal's.
func MapError(err error) error { return mapError(err, activity.Info{}) }

// mapError is MapError; after the last try nothing is retryable.
func mapError(err error, info activity.Info) error {
	_, ours := errors.AsType[*perennial.Error](err) // perhaps around what another workflow answered
	if _, theirs := errors.AsType[*temporal.ApplicationError](err); theirs && !ours {
		return err
	}
	failure := perennial.FailureOf(err)
	message := failure.Message
	if failure.Code == perennial.CodeInternal {
		message = err.Error() // the history is for operators: they need the cause
	}
	options := temporal.ApplicationErrorOptions{
		NonRetryable: lastTry(info) || !activities.Retryable(failure.Code), Cause: errors.New(err.Error()), Details: []any{*failure},
	}
	if errors.Is(err, mlflow.ErrAway) {
		options.NonRetryable, options.NextRetryDelay = false, awayDelay(info.Attempt)
	}
	return temporal.NewApplicationErrorWithOptions(message, string(failure.Code), options)
}
