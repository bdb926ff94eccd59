package serve

import (
	"context"
	"time"

	"github.com/perennial-ml/perennial"
)

// loading is a version on its way from the artifact store.
type loading struct {
	name string
	done chan struct{} // closed when version or err is there
	v    *version
	err  error
}

// patience is how long the following of traffic waits for a version before it
// goes on without.
const patience = 100 * time.Millisecond

// errLoading says that a version isn't there yet; nothing is wrong with it.
var errLoading = perennial.Errorf(perennial.CodeUnavailable, "serve.load", "It is still being loaded.")

// fetch loads a version beside the following of traffic, so that a slow artifact
// store or a large model holds up no change of traffic, of its own model or of
// others. It gives errLoading where that takes its time, and the result when it
// is asked again. Before traffic is followed it waits.
func (e *Engine) fetch(ctx context.Context, model, name string) (*version, error) {
	l := e.loads[model]
	wait := time.Duration(0)
	if l == nil || l.name != name {
		l = &loading{name: name, done: make(chan struct{})}
		e.loads[model] = l
		e.running.Go(func() {
			defer close(l.done)
			l.v, l.err = e.load(ctx, model, name)
		})
		wait = patience
	}
	var enough <-chan time.Time // never
	if e.following {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		enough = timer.C
	}
	select {
	case <-l.done:
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-enough:
		select {
		case <-l.done:
		default:
			return nil, errLoading
		}
	}
	delete(e.loads, model)
	return l.v, l.err
}
