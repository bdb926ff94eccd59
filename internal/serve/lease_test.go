package serve_test

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/serve"
)

func TestAnUnattendedRolloutFallsBackToTheChampion(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(w *world){
		"Temporal is down":     func(*world) {},
		"the database is down": func(w *world) { w.set(func() { w.down = errors.New("no route to host") }) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			row := canaryRow(10000, 2)
			w.put(row)
			follow(t, w, func(t *testing.T, e *serve.Engine, tick func(), logged *bytes.Buffer) {
				for range 20 { // renewed every minute
					<-time.After(time.Minute)
					row.LeaseSeq++
					w.put(row)
					tick()
					require.Equal(t, "6", version(t, e))
				}
				fail(w)
				<-time.After(serve.DefaultLease - 4*serve.DefaultPoll)
				synctest.Wait()
				require.Equal(t, "6", version(t, e))
				<-time.After(4 * serve.DefaultPoll)
				synctest.Wait()
				require.Equal(t, "5", version(t, e), "nothing reaches the challenger")
				last := w.log()[len(w.log())-1]
				require.Equal(t, perennial.VariantChampion, last.Variant)
				require.Equal(t, -1, last.Bucket, "it is no evidence")
				require.True(t, e.Models()[0].Unattended)
				require.Contains(t, logged.String(), "nobody attends")
				w.set(func() { w.down = nil })
				row.LeaseSeq++
				w.put(row)
				tick()
				require.Equal(t, "6", version(t, e), "somebody attends to it again")
				require.False(t, e.Models()[0].Unattended)
			})
		})
	}
}

func TestAServingModelNeedsNoLease(t *testing.T) {
	t.Parallel()
	w := newWorld()
	follow(t, w, func(t *testing.T, e *serve.Engine, _ func(), _ *bytes.Buffer) {
		<-time.After(48 * time.Hour)
		require.Equal(t, "5", version(t, e))
		require.False(t, e.Models()[0].Unattended)
	})
}

// reports keeps what an engine says of itself.
type reports struct {
	mu     sync.Mutex
	last   []serve.Replica
	gone   bool
	number int
}

func (r *reports) Report(_ context.Context, replica string, loaded []serve.Replica) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last, r.number = loaded, r.number+1
	if replica != "here" {
		return errors.New("wrong name")
	}
	return nil
}

func (r *reports) Forget(context.Context, string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gone = true
	return nil
}

func (r *reports) of(version string) []serve.Replica {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []serve.Replica
	for _, l := range r.last {
		if l.Model == "churn" && l.Version == version {
			out = append(out, l)
		}
	}
	return out
}

func TestTheEngineTellsWhatItHasLoaded(t *testing.T) {
	t.Parallel()
	w, r := newWorld(), &reports{}
	synctest.Test(t, func(t *testing.T) {
		o := w.options()
		o.Replicas = r
		e := serve.New(o)
		require.NoError(t, e.Start(t.Context()))
		require.Equal(t, []serve.Replica{{Model: "churn", Version: "5", State: serve.ReplicaLoaded, Epoch: 1}}, r.of("5"), "at once")
		w.put(canaryRow(0, 2))
		<-time.After(2 * time.Second)
		synctest.Wait()
		require.Equal(t, []serve.Replica{{Model: "churn", Version: "6", State: serve.ReplicaLoaded, Epoch: 2}}, r.of("6"))
		broken := canaryRow(0, 3)
		broken.Challenger = "7"
		w.put(broken)
		<-time.After(2 * time.Second)
		synctest.Wait()
		got := r.of("7")
		require.Len(t, got, 1)
		require.Equal(t, serve.ReplicaFailed, got[0].State)
		require.Contains(t, got[0].Error, "missing")
		require.Equal(t, int64(3), got[0].Epoch, "the row in force")
		require.Len(t, r.of("5"), 1)
		require.NoError(t, e.Stop(context.Background()))
		require.True(t, r.gone)
	})
}
