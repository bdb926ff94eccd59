package activities

import (
	"context"
	"errors"
	"time"

	"go.temporal.io/sdk/activity"
)

// ErrStopping is the cause that ends a step's context when its worker is told
// to stop. Whoever polls next runs the step again.
var ErrStopping = errors.New("the worker is stopping")

// heartbeat tells the server once a second that the step lives, which is also
// how a cancellation reaches the returned context. That context ends too, with
// cause ErrStopping, when the worker is told to stop, so that a long step lets
// go at once instead of holding up the end of the program. Call stop when done.
func heartbeat(step context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(step)
	if !activity.IsActivity(step) {
		return ctx, func() { cancel(nil) } // there is nobody to tell
	}
	stopping := activity.GetWorkerStopChannel(step)
	go func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-stopping:
				cancel(ErrStopping)
				return
			case <-tick.C:
				activity.RecordHeartbeat(step) // one that is on its way when the step is done may arrive
			}
		}
	}()
	return ctx, func() { cancel(nil) }
}
