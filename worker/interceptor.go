package worker

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/perennial-ml/perennial"
)

// Interceptors are what every worker of ours runs with, and every replay:
// activities' errors become Temporal's, each step is measured, and search attributes are set where the server has them. A nil
// registerer exports nothing; nil attributes are all there.
func Interceptors(r prometheus.Registerer, a Attributes) []interceptor.WorkerInterceptor {
	return []interceptor.WorkerInterceptor{&steps{metrics: newMetrics(r), attributes: a}}
}

type metrics struct {
	seconds *prometheus.HistogramVec
	running *prometheus.GaugeVec
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "perennial_worker_step_duration_seconds", Help: "Duration of the steps (activities) of workflows, by outcome.",
			Buckets: prometheus.ExponentialBuckets(0.01, 4, 9), // 10 ms to 11 min
		}, []string{"step", "outcome"}),
		running: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "perennial_worker_running_steps", Help: "Steps (activities) of workflows that run now.",
		}, []string{"step"}),
	}
	if r != nil {
		r.MustRegister(m.seconds, m.running)
	}
	return m
}

// steps wraps every activity. What an activity returns as our error leaves as
// Temporal's: its code is the type, what may be shown is in the details, and
// what only a person can mend isn't tried again.
type steps struct {
	interceptor.WorkerInterceptorBase

	metrics    *metrics
	attributes Attributes
}

// InterceptWorkflow wraps a workflow.
func (s *steps) InterceptWorkflow(_ workflow.Context, next interceptor.WorkflowInboundInterceptor) interceptor.WorkflowInboundInterceptor {
	return &attributed{WorkflowInboundInterceptorBase: interceptor.WorkflowInboundInterceptorBase{Next: next}, attributes: s.attributes}
}

// InterceptActivity wraps an activity.
func (s *steps) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	return &step{ActivityInboundInterceptorBase: interceptor.ActivityInboundInterceptorBase{Next: next}, metrics: s.metrics}
}

type step struct {
	interceptor.ActivityInboundInterceptorBase

	metrics *metrics
}

// ExecuteActivity runs an activity, measures it and maps its error.
func (s *step) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	name := activity.GetInfo(ctx).ActivityType.Name
	s.metrics.running.WithLabelValues(name).Inc()
	defer s.metrics.running.WithLabelValues(name).Dec()
	began := time.Now()
	out, err := s.Next.ExecuteActivity(ctx, in)
	outcome := "completed"
	switch {
	case err == nil:
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		outcome = "cancelled"
	case stopped(ctx, err):
		outcome, err = "stopped", temporal.NewApplicationErrorWithOptions("the worker was stopped; the step runs again", string(perennial.CodeUnavailable),
			temporal.ApplicationErrorOptions{NextRetryDelay: restartDelay})
	default:
		outcome, err = "failed", mapError(err, activity.GetInfo(ctx))
	}
	s.metrics.seconds.WithLabelValues(name, outcome).Observe(time.Since(began).Seconds())
	return out, err
}

// maxTries bounds how often a long step that gives errors is tried. It is counted
// here because its retry policy also counts the times the process was killed
// under the step, which is no fault of the step's.
const maxTries = 5

func lastTry(info activity.Info) bool { return info.HeartbeatTimeout > 0 && info.Attempt >= maxTries }

// awayDelays are the pauses before the next tries of a step for which the MLflow
// server is away: a step of five tries outlives six minutes without it, and a long
// step, whose tries aren't counted here then, more than 20.
var awayDelays = []time.Duration{3 * time.Second, 15 * time.Second, time.Minute, 5 * time.Minute}

func awayDelay(attempt int32) time.Duration {
	if n := int(attempt) - 1; n < len(awayDelays) {
		return awayDelays[max(n, 0)]
	}
	return time.Minute
}

// restartDelay is long enough for a worker that stops to be gone before the
// step is handed out again.
const restartDelay = time.Second

// stopped reports whether a step ended because its worker stops.
func stopped(ctx context.Context, err error) bool {
	select {
	case <-activity.GetWorkerStopChannel(ctx):
		return errors.Is(err, context.Canceled)
	default:
		return false
	}
}
