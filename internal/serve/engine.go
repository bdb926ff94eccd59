package serve

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/perennial-ml/perennial"
)

// Defaults of Options, how long the traffic rows may take to read (leases are
// looked at in between), and the longest wait between two tries to load a version.
const (
	readTimeout         = 2 * time.Second
	DefaultPoll         = 250 * time.Millisecond
	DefaultMaxInstances = 10_000
	DefaultLease        = 15 * time.Minute
	maxRetry            = 30 * time.Second
)

// Traffic gives the traffic rows; TrafficStore is one.
type Traffic interface {
	List(ctx context.Context) ([]perennial.Traffic, error)
}

// Replicas takes what this process has loaded; TrafficStore does.
type Replicas interface {
	Report(ctx context.Context, replica string, loaded []Replica) error
	Forget(ctx context.Context, replica string) error
}

// Versions finds registered versions (internal/tracking); an unknown one is
// not_found.
type Versions interface {
	GetVersion(ctx context.Context, model, version string) (perennial.ModelVersion, error)
}

// Blobs gives a stored object by its key ("sha256:<hex>"), verified.
type Blobs interface {
	Get(ctx context.Context, key string) ([]byte, error)
}

// Log takes what was predicted. Append never blocks; false means that the row
// was dropped and counted.
type Log interface {
	Append(p perennial.Prediction) bool
}

// Options configure an Engine. Traffic, Versions, Blobs and Log are needed.
type Options struct {
	Traffic      Traffic
	Versions     Versions
	Blobs        Blobs
	Log          Log
	Decode       func(file []byte) (Model, error) // of a model file; default: package models
	Absent       func(model string) *Absence      // why nothing of a model is in service; nil: there is no such model
	Replica      string                           // the name of this process, in the log and among the replicas
	Replicas     Replicas                         // default: nobody is told what is loaded here
	Poll         time.Duration                    // default DefaultPoll
	Lease        time.Duration                    // how long a rollout may stay unattended; default DefaultLease
	MaxInstances int                              // rows of one request; default DefaultMaxInstances
	Logger       *slog.Logger                     // default: nothing is logged
	Registerer   prometheus.Registerer            // default: metrics aren't exported
}

// Engine answers prediction requests. All methods are safe for concurrent use.
type Engine struct {
	traffic      Traffic
	versions     Versions
	blobs        Blobs
	log          Log
	decode       func([]byte) (Model, error)
	absent       func(string) *Absence
	replica      string
	replicas     Replicas
	poll         time.Duration
	lease        time.Duration
	maxInstances int
	logger       *slog.Logger
	metrics      *metrics

	requests sync.Pool
	state    atomic.Pointer[snapshot]
	lastErr  atomic.Pointer[error] // of the last poll

	retries   map[string]retry // of the polling goroutine, as what follows
	leases    map[string]lease
	loads     map[string]*loading // by model
	following bool                // Start has read the rows once
	cancel    context.CancelFunc
	running   sync.WaitGroup
}

// New makes an Engine that serves nothing yet.
func New(o Options) *Engine {
	e := &Engine{
		traffic: o.Traffic, versions: o.Versions, blobs: o.Blobs, log: o.Log, decode: o.Decode, absent: o.Absent,
		replica: o.Replica, replicas: o.Replicas, poll: o.Poll, lease: o.Lease, maxInstances: o.MaxInstances, logger: o.Logger,
		metrics: newMetrics(o.Registerer), retries: map[string]retry{}, leases: map[string]lease{}, loads: map[string]*loading{},
	}
	if e.decode == nil {
		e.decode = decodeModel
	}
	if e.absent == nil {
		e.absent = func(string) *Absence { return nil }
	}
	if e.poll <= 0 {
		e.poll = DefaultPoll
	}
	if e.lease <= 0 {
		e.lease = DefaultLease
	}
	if e.maxInstances <= 0 {
		e.maxInstances = DefaultMaxInstances
	}
	if e.logger == nil {
		e.logger = slog.New(slog.DiscardHandler)
	}
	e.requests.New = func() any { return new(request) }
	e.state.Store(&snapshot{})
	return e
}

// Start reads the traffic rows and loads what they name, so that it serves when
// it returns, and follows them from then on. A database or version that fails
// is no error: it is logged, shown and tried again. ctx bounds the first read.
func (e *Engine) Start(ctx context.Context) error {
	e.follow(ctx)
	e.following = true
	var run context.Context
	run, e.cancel = context.WithCancel(context.WithoutCancel(ctx))
	e.every(run, e.poll, e.follow)
	if e.replicas != nil {
		e.tell(run)
		e.every(run, reportEvery, e.tell)
	}
	return nil
}

// every runs f once per interval until ctx ends.
func (e *Engine) every(ctx context.Context, interval time.Duration, f func(context.Context)) {
	e.running.Go(func() {
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				f(ctx)
			}
		}
	})
}

// Stop ends the following of traffic rows. What is loaded goes on answering.
func (e *Engine) Stop(ctx context.Context) error {
	if e.cancel == nil {
		return nil
	}
	e.cancel()
	stopped := make(chan struct{})
	go func() {
		e.running.Wait()
		close(stopped)
	}()
	select {
	case <-stopped:
		if e.replicas != nil {
			_ = e.replicas.Forget(ctx, e.replica) // otherwise it ages
		}
		return nil
	case <-ctx.Done():
		return perennial.Errorf(perennial.CodeDeadline, "serve.Stop", "The engine was still loading a version.").Because(ctx.Err())
	}
}

// Err tells why the traffic rows couldn't be read the last time, nil where they
// could.
func (e *Engine) Err() error {
	if err := e.lastErr.Load(); err != nil {
		return *err
	}
	return nil
}

// follow reads the traffic rows once and puts what changed in force.
func (e *Engine) follow(ctx context.Context) {
	defer e.checkLeases()
	reading, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	rows, err := e.traffic.List(reading)
	if ctx.Err() != nil {
		return // stopping
	}
	if err != nil {
		if e.lastErr.Swap(&err) == nil {
			e.logger.Error("the traffic rows can't be read; serving goes on with the last good state", "error", err)
		}
		return
	}
	if e.lastErr.Swap(nil) != nil {
		e.logger.Info("the traffic rows can be read again")
	}
	for _, row := range rows {
		e.followRow(ctx, row)
	}
	if s := e.state.Load(); !s.synced {
		e.put(&snapshot{models: s.models, synced: true})
	}
}

// followRow puts a row in force unless it already is, or failed a moment ago.
func (e *Engine) followRow(ctx context.Context, row perennial.Traffic) {
	e.renewed(row)
	old := e.state.Load().models[row.Model]
	known := old != nil && sameRow(old.wanted, row)
	if known && (old.err == nil || time.Now().Before(e.retries[row.Model].at)) {
		return
	}
	next := e.serve(ctx, row, old)
	if ctx.Err() != nil {
		return
	}
	e.report(row, old, next, known)
	e.publish(next)
}

// report logs what changed, once per change, and plans the next try.
func (e *Engine) report(row perennial.Traffic, old, next *served, known bool) {
	if next.err == nil {
		delete(e.retries, row.Model)
		e.logger.Info("traffic", "model", row.Model, "mode", row.Mode, "champion", row.Champion, "challenger", row.Challenger, "epoch", row.Epoch)
		return
	}
	wait := time.Duration(0)
	if known {
		wait = e.retries[row.Model].wait
	}
	if errors.Is(next.err, errLoading) {
		e.retries[row.Model] = retry{wait: wait}
		return
	}
	e.metrics.loadFailures.WithLabelValues(row.Model).Inc()
	wait = min(max(2*wait, e.poll), maxRetry)
	e.retries[row.Model] = retry{at: time.Now().Add(wait), wait: wait}
	if !known || old.err == nil || old.err.Error() != next.err.Error() {
		e.logger.Error("a version can't be loaded; serving goes on with the last good state", "model", row.Model, "epoch", row.Epoch, "error", next.err)
	}
}

// publish replaces one model in the state.
func (e *Engine) publish(next *served) {
	s := e.state.Load()
	models := maps.Clone(s.models)
	if models == nil {
		models = map[string]*served{}
	}
	old := models[next.wanted.Model]
	models[next.wanted.Model] = next
	e.put(&snapshot{models: models, synced: s.synced})
	e.metrics.published(old, next)
}

// serve loads what a row names and doesn't run yet. Where that fails, the row's
// champion answers alone, and where it is the champion that fails, the old one:
// nobody is sent to a version that the row may have been written to stop.
func (e *Engine) serve(ctx context.Context, row perennial.Traffic, old *served) *served {
	next := &served{row: row, wanted: row}
	for _, role := range []struct {
		place   **seat
		version string
		variant perennial.Variant
	}{
		{&next.champion, row.Champion, perennial.VariantChampion},
		{&next.challenger, row.Challenger, perennial.VariantChallenger},
		{&next.previous, row.Previous, perennial.VariantPrevious},
	} {
		if role.version == "" {
			continue
		}
		if *role.place, next.err = e.seat(ctx, row.Model, role.version, role.variant, old); next.err != nil {
			next.failed = role.version
			break
		}
	}
	if next.champion == nil && next.err != nil && old != nil && old.champion != nil {
		kept := *old
		kept.wanted, kept.err, kept.failed = row, next.err, next.failed
		return &kept
	}
	return next
}

// seat gives a version in a role, taken over from the old state where it runs
// there already.
func (e *Engine) seat(ctx context.Context, model, name string, variant perennial.Variant, old *served) (*seat, error) {
	if old != nil {
		for _, s := range old.seats() {
			switch {
			case s.version.name != name:
			case s.variant == variant:
				return s, nil
			default:
				return e.newSeat(model, s.version, variant), nil
			}
		}
	}
	v, err := e.fetch(ctx, model, name)
	if err != nil {
		return nil, err
	}
	return e.newSeat(model, v, variant), nil
}
