// Package usage measures what a step of this process costs: seconds on the
// clock, seconds of processor, peak memory.
//
// The operating system keeps these books for whole processes, and a step shares
// its process: a fit runs on many goroutines, beside the garbage collector,
// requests and other fits. So a step's processor time is the process' own
// (getrusage, user and system) while the step runs, divided evenly among the
// steps that run at the same time. Steps alone in a process are charged for
// everything that happens there meanwhile, in `up` the idle Temporal server
// too; steps that run together never count a second twice. Peak memory is the
// resident memory of the process at its highest during the step, see Used.
//
// The package reads the clock and /proc and writes nothing. Start reading at
// Start.
package usage

import (
	"sync"
	"time"
)

// every is how often memory is looked at while a step runs.
const every = 20 * time.Millisecond

// Used is what a step cost.
type Used struct {
	Wall time.Duration // on the clock
	CPU  time.Duration // of processor, see the package
	// PeakMemory is in bytes: the most resident memory of the process that was
	// seen every 20 ms or, where the process has grown beyond all it ever had,
	// the kernel's own high-water mark (VmHWM). It holds what the process had
	// before the step. Without /proc it is what the Go runtime holds.
	PeakMemory int64
}

// Step is a step that is being measured.
type Step struct {
	m        *meter
	started  time.Time
	cpu      time.Duration
	peak     int64
	highest  int64 // VmHWM at the start
	finished bool
	used     Used
}

// Start begins to measure a step. Call Stop when it is over: until then the
// memory is looked at.
func Start() *Step { return process.start() }

// Stop ends the measurement; a second call gives the first one's result.
func (s *Step) Stop() Used { return s.m.stop(s) }

// Of measures a call.
func Of(f func() error) (Used, error) {
	s := Start()
	defer s.Stop() // where f panics
	err := f()
	return s.Stop(), err
}

// process is the one meter of this process.
var process = &meter{cpu: processCPU, memory: residentMemory, highest: highWater}

// meter divides the process' processor time among the steps that run.
type meter struct {
	cpu             func() time.Duration // of the process, so far
	memory, highest func() int64         // bytes

	mu     sync.Mutex
	active map[*Step]struct{}
	last   time.Duration // cpu, as far as it was charged
	done   chan struct{} // closed to end the looking
}

func (m *meter) start() *Step {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := &Step{m: m, started: time.Now(), highest: m.highest()}
	if len(m.active) == 0 {
		m.active, m.last, m.done = map[*Step]struct{}{}, m.cpu(), make(chan struct{})
		go m.look(m.done)
	} else {
		m.charge()
	}
	m.active[s] = struct{}{}
	s.peak = m.memory()
	return s
}

func (m *meter) stop(s *Step) Used {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s.finished {
		return s.used
	}
	m.charge()
	delete(m.active, s)
	if len(m.active) == 0 {
		close(m.done)
	}
	if now := m.highest(); now > s.highest {
		s.peak = max(s.peak, now)
	}
	s.finished, s.used = true, Used{Wall: time.Since(s.started), CPU: s.cpu, PeakMemory: s.peak}
	return s.used
}

// charge divides the time since the last charge among the running steps, and
// takes note of the memory.
func (m *meter) charge() {
	now, memory := m.cpu(), m.memory()
	share := (now - m.last) / time.Duration(len(m.active))
	m.last = now
	for s := range m.active {
		s.cpu += share
		s.peak = max(s.peak, memory)
	}
}

// look takes note of the memory until the last step is over.
func (m *meter) look(done <-chan struct{}) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case <-tick.C:
		}
		m.mu.Lock()
		if m.done == done && len(m.active) > 0 {
			m.charge()
		}
		m.mu.Unlock()
	}
}
