// Package predlog keeps what was predicted: one row per answered or failed
// attempt, in the table predictions of a database of its own.
//
// Append puts a row into a bounded buffer in memory and never waits; a flusher
// writes the buffer in batches every 100 ms. While the database fails, rows are
// kept up to the bound and tried again, more and more slowly; beyond the bound
// they are dropped and counted. So a prediction never fails or stalls because of
// its log, and a killed process loses at most what it had not flushed yet.
// Writing a row twice is harmless: (id, attempt) is unique.
//
// Start reading at Log; insert.go writes, read.go reads.
package predlog

import (
	"context"
	"embed"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"gorm.io/gorm"

	"github.com/perennial-ml/perennial"
)

// Component names the prediction log's migrations.
const Component = "predictions"

// Migrations holds the prediction log's migrations, for db.Migrate.
//
//go:embed migrations/*.sql
var Migrations embed.FS

// Defaults of Options, and the bounds of a failing flush.
const (
	DefaultFlush       = 100 * time.Millisecond
	DefaultBufferBytes = 64 << 20
	maxBackoff         = 5 * time.Second
	flushTimeout       = 30 * time.Second
)

// Options configure a Log. The zero value works.
type Options struct {
	Flush       time.Duration         // time between two flushes; default DefaultFlush
	BufferBytes int64                 // memory for rows not yet written, about; default DefaultBufferBytes
	Logger      *slog.Logger          // default: nothing is logged
	Registerer  prometheus.Registerer // default: metrics aren't exported
}

// Log is a prediction log. All methods are safe for concurrent use.
type Log struct {
	db      *gorm.DB
	flush   time.Duration
	bound   int64
	logger  *slog.Logger
	metrics metrics

	mu     sync.Mutex
	rows   []row // not yet written, oldest first; an element never changes
	bytes  int64 // of rows, by row.size
	seq    int64 // of the last row
	closed bool

	flushing chan struct{} // holds one token while a flush runs
	cancel   context.CancelFunc
	done     chan struct{}
}

// row is a prediction with its place in this replica's log.
type row struct {
	perennial.Prediction
	seq int64
}

type metrics struct {
	written, dropped, failures prometheus.Counter
	duration                   prometheus.Histogram
}

// New makes a Log over a migrated database. Rows are accepted at once and
// written once Start was called.
func New(g *gorm.DB, o Options) *Log {
	l := &Log{
		db: g, flush: o.Flush, bound: o.BufferBytes, logger: o.Logger, flushing: make(chan struct{}, 1),
		// A sequence that starts at the process's birth in microseconds goes on above
		// the last one's, as long as a process logs less than a million rows a second.
		seq: time.Now().UnixMicro(),
	}
	if l.flush <= 0 {
		l.flush = DefaultFlush
	}
	if l.bound <= 0 {
		l.bound = DefaultBufferBytes
	}
	if l.logger == nil {
		l.logger = slog.New(slog.DiscardHandler)
	}
	f := promauto.With(o.Registerer)
	l.metrics = metrics{
		written: f.NewCounter(prometheus.CounterOpts{Name: "perennial_predlog_rows_written_total",
			Help: "Rows of the prediction log written to the database."}),
		dropped: f.NewCounter(prometheus.CounterOpts{Name: "perennial_predlog_rows_dropped_total",
			Help: "Rows of the prediction log lost because the buffer was full."}),
		failures: f.NewCounter(prometheus.CounterOpts{Name: "perennial_predlog_flush_failures_total",
			Help: "Flushes of the prediction log that failed and will be tried again."}),
		duration: f.NewHistogram(prometheus.HistogramOpts{Name: "perennial_predlog_flush_duration_seconds",
			Help: "Time to write one batch of the prediction log.", Buckets: prometheus.ExponentialBuckets(1e-3, 2, 14)}), // 1 ms to 8 s
	}
	f.NewGaugeFunc(prometheus.GaugeOpts{Name: "perennial_predlog_buffer_bytes",
		Help: "Memory held by rows of the prediction log that are not yet written."}, func() float64 {
		l.mu.Lock()
		defer l.mu.Unlock()
		return float64(l.bytes)
	})
	return l
}

// Append takes one row and never blocks. It keeps p's slices and map, which must
// not be changed afterwards. false: the buffer is full or the log was stopped,
// and the row is lost and counted.
func (l *Log) Append(p perennial.Prediction) bool {
	r := row{Prediction: p}
	size := r.size()
	l.mu.Lock()
	if l.closed || l.bytes+size > l.bound {
		l.mu.Unlock()
		l.metrics.dropped.Inc()
		return false
	}
	l.seq++
	r.seq = l.seq
	l.rows = append(l.rows, r)
	l.bytes += size
	l.mu.Unlock()
	return true
}

// size is about how many bytes of memory a row holds.
func (r *row) size() int64 {
	const fixed, perClass = 512, 64
	n := fixed + len(r.UnitID) + len(r.Key) + len(r.Features) + perClass*len(r.Probabilities)
	for _, name := range r.Redacted {
		n += len(name)
	}
	return int64(n)
}

// Start begins to write. Its context does not end the writing; Stop does.
func (l *Log) Start(ctx context.Context) error {
	var run context.Context
	run, l.cancel = context.WithCancel(context.WithoutCancel(ctx))
	l.done = make(chan struct{})
	go l.run(run)
	return nil
}

func (l *Log) run(ctx context.Context) {
	defer close(l.done)
	wait := l.flush
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		bounded, cancel := context.WithTimeout(ctx, flushTimeout)
		err := l.Flush(bounded)
		cancel()
		wait = l.next(ctx, wait, err)
	}
}

// next gives the time to the next flush, and logs the first failure of a series
// and its end.
func (l *Log) next(ctx context.Context, wait time.Duration, err error) time.Duration {
	failing := wait > l.flush
	switch {
	case ctx.Err() != nil:
		return wait
	case err != nil:
		l.metrics.failures.Inc()
		if !failing {
			l.logger.Error("the prediction log can't be written; its rows are kept in memory up to the bound", "error", err)
		}
		return min(2*wait, max(maxBackoff, 2*l.flush))
	case failing:
		l.logger.Info("the prediction log is written again")
	}
	return l.flush
}

// Flush writes every row that was accepted before the call. Rows that could not
// be written stay in the buffer.
func (l *Log) Flush(ctx context.Context) error {
	const op = "predlog.Flush"
	select {
	case l.flushing <- struct{}{}:
	case <-ctx.Done():
		return perennial.Errorf(perennial.CodeDeadline, op, "Another flush of the prediction log was still running.").Because(ctx.Err())
	}
	defer func() { <-l.flushing }()
	for left := l.buffered(); left > 0; {
		batch := l.oldest(min(left, batchRows))
		began := time.Now()
		if err := insert(ctx, l.db, batch); err != nil {
			return perennial.Wrap(op, err)
		}
		l.metrics.duration.Observe(time.Since(began).Seconds())
		l.metrics.written.Add(float64(len(batch)))
		l.forget(batch)
		left -= len(batch)
	}
	return nil
}

func (l *Log) buffered() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.rows)
}

// oldest gives the first n rows of the buffer, which keeps them: until they are
// in the database, Get finds them here.
func (l *Log) oldest(n int) []row {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.rows[:n:n]
}

// forget drops the oldest rows, which are written. The buffer's elements are
// never overwritten, so that a reader may look at them without the lock.
func (l *Log) forget(batch []row) {
	var size int64
	for i := range batch {
		size += batch[i].size()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.bytes -= size
	if l.rows = l.rows[len(batch):]; len(l.rows) == 0 {
		l.rows = nil
	}
}

// Stop refuses further rows and writes what is buffered, as far as ctx allows.
// An error names how many rows are lost.
func (l *Log) Stop(ctx context.Context) error {
	const op = "predlog.Stop"
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	if l.cancel != nil {
		l.cancel()
		select {
		case <-l.done:
		case <-ctx.Done():
		}
	}
	err := l.Flush(ctx)
	if lost := l.buffered(); lost > 0 {
		l.metrics.dropped.Add(float64(lost))
		return perennial.Errorf(perennial.CodeUnavailable, op, "%d rows of the prediction log could not be written and are lost.", lost).Because(err)
	}
	return perennial.Wrap(op, err)
}
