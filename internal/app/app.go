// Package app wires Perennial's parts together and runs them: started in order,
// stopped in reverse. It knows parts, not what they do; every decision belongs
// into the package that the part comes from. Start reading at Run, then at Up.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Part is something that runs for as long as the program does.
type Part interface {
	Name() string
	Start(ctx context.Context) error // returns when the part is ready
	Stop(ctx context.Context) error  // also called for a part whose Start failed
	Failed() <-chan error            // a fault from which the part can't recover; nil: never
}

// Run starts the parts in order, waits until ctx ends or a part fails, and stops
// what was started in reverse. Each stop may take grace.
func Run(ctx context.Context, log *slog.Logger, grace time.Duration, parts ...Part) (err error) {
	started := 0
	defer func() {
		for i := started - 1; i >= 0; i-- {
			err = errors.Join(err, stop(ctx, log, grace, parts[i]))
		}
	}()
	failures := make(chan error, len(parts))
	for _, p := range parts {
		started++
		began := time.Now()
		if err := p.Start(ctx); err != nil {
			if ctx.Err() != nil {
				return nil // asked to stop while starting: that is no failure
			}
			return err
		}
		log.Info("started", "part", p.Name(), "took", time.Since(began))
		watch(ctx, p, failures)
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-failures:
		return err
	}
}

// watch passes a part's failure on.
func watch(ctx context.Context, p Part, failures chan<- error) {
	failed := p.Failed()
	if failed == nil {
		return
	}
	go func() {
		select {
		case <-ctx.Done():
		case err := <-failed:
			failures <- fmt.Errorf("%s: %w", p.Name(), err)
		}
	}()
}

func stop(ctx context.Context, log *slog.Logger, grace time.Duration, p Part) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	began := time.Now()
	if err := p.Stop(ctx); err != nil {
		return fmt.Errorf("stop %s: %w", p.Name(), err)
	}
	log.Info("stopped", "part", p.Name(), "took", time.Since(began))
	return nil
}

// part makes a Part of functions. Any of them may be nil.
type part struct {
	name        string
	start, stop func(context.Context) error
	failed      <-chan error
}

func (p part) Name() string         { return p.name }
func (p part) Failed() <-chan error { return p.failed }

func (p part) Start(ctx context.Context) error {
	if p.start == nil {
		return nil
	}
	return p.start(ctx)
}

func (p part) Stop(ctx context.Context) error {
	if p.stop == nil {
		return nil
	}
	return p.stop(ctx)
}

// background makes a Part of a function that runs until its context ends.
func background(name string, run func(context.Context)) Part {
	var cancel context.CancelFunc
	done := make(chan struct{})
	return part{name: name, start: func(ctx context.Context) error {
		ctx, cancel = context.WithCancel(context.WithoutCancel(ctx)) //nolint:gosec // stop calls cancel
		go func() { defer close(done); run(ctx) }()
		return nil
	}, stop: func(context.Context) error {
		if cancel != nil {
			cancel()
			<-done
		}
		return nil
	}}
}
