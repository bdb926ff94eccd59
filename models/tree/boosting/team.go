package boosting

import (
	"sync"
	"sync/atomic"
)

// team runs pieces of work on a fixed number of goroutines, the caller's
// included. It changes who works, never what is computed: callers keep one
// result per piece, or sum integers.
type team struct {
	size int
	jobs chan func()
}

func newTeam(threads int) *team {
	t := &team{size: max(threads, 1), jobs: make(chan func())}
	for range t.size - 1 {
		go func() {
			for job := range t.jobs {
				job()
			}
		}()
	}
	return t
}

// close ends the goroutines. No run may be under way.
func (t *team) close() { close(t.jobs) }

// run calls f with 0…pieces−1, each once, and returns when all are done.
func (t *team) run(pieces int, f func(piece int)) {
	workers := min(t.size, pieces)
	if workers <= 1 {
		for i := range pieces {
			f(i)
		}
		return
	}
	var next atomic.Int64
	var wait sync.WaitGroup
	body := func() {
		for i := next.Add(1) - 1; i < int64(pieces); i = next.Add(1) - 1 {
			f(int(i))
		}
	}
	wait.Add(workers - 1)
	for range workers - 1 {
		t.jobs <- func() { defer wait.Done(); body() }
	}
	body()
	wait.Wait()
}

// workers says how many goroutines are worth waking for so many steps of a few
// nanoseconds: a hand-over costs some microseconds.
func (t *team) workers(steps int) int { return max(1, min(t.size, steps/16384)) }
