package processtest_test

import (
	"context"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/client"
)

// nightly reports whether the long tests are asked for (make nightly).
func nightly() bool { return os.Getenv("PERENNIAL_TEST_NIGHTLY") != "" }

// within is how soon every replica must follow a change of traffic: a second,
// where these tests have the machine for themselves (make test-process). Beside
// the compiler and the tests of every other package, go test ./..., nothing is
// that punctual.
var within = func() time.Duration {
	if os.Getenv("PERENNIAL_TEST_BINARY") == "" {
		return 4 * time.Second
	}
	return time.Second
}()

// TestReplicasFollowTogether is done-when 5 of part 2: three API processes and
// two workers on one database. It measures time, so no test runs beside it.
func TestReplicasFollowTogether(t *testing.T) { //nolint:paralleltest // it measures time
	c := setupCluster(t)
	apis := []*process{c.api(), c.api()}
	c.worker()
	c.worker()
	c.apply(apis[0], "iris", halfway)
	require.Equal(t, perennial.OutcomeTrained, apis[0].train("iris", client.TrainRequest{Budget: perennial.BudgetBootstrap}).Result.Outcome)

	// The third has an artifact store of its own, with the first version alone.
	own := t.TempDir()
	require.NoError(t, os.CopyFS(own, os.DirFS(c.artifacts())))
	apis = append(apis, c.api("PERENNIAL_ARTIFACT_URL=file:"+own))
	require.Equal(t, perennial.OutcomeTrained, apis[1].train("iris", client.TrainRequest{Budget: perennial.BudgetFull}).Result.Outcome)
	loads := make([]*load, len(apis))
	for i, p := range apis {
		p.served("iris", irisFeatures)
		loads[i] = p.load()
	}

	requireHeld(t, c, apis, own)
	requirePunctual(t, apis, loads)
	for _, l := range loads {
		require.Empty(t, l.failed(), l.to)
	}

	c.canary(apis[1], "2", loads...)
	killed := time.Now()
	apis[2].kill()
	apis[0].eventually(time.Minute, "the others go on", func(context.Context) bool {
		last, _ := loads[1].last(perennial.VariantChallenger)
		return last.After(killed.Add(3 * time.Second))
	})
	_, err := apis[0].CommandRollout(t.Context(), "iris", "abort", client.RolloutCommand{Reason: "once more"})
	require.NoError(t, err)
	c.canary(apis[0], "2", loads[0], loads[1]) // nobody waits for the dead one
	for _, l := range loads[:2] {
		require.Empty(t, l.failed(), l.to)
		require.Greater(t, len(l.all()), 500)
	}
}

// requireHeld checks that a replica without the challenger's file holds the step
// and is named, and that the rollout goes on when it has it.
func requireHeld(t *testing.T, c *cluster, apis []*process, own string) {
	t.Helper()
	_, err := apis[0].StartRollout(t.Context(), "iris", client.RolloutRequest{Version: "2", Reason: "one replica lacks it"})
	require.NoError(t, err)
	name := replica(t, apis[2]) + " can't load it"
	apis[0].eventually(30*time.Second, name, func(ctx context.Context) bool {
		v, err := apis[0].Rollout(ctx, "iris")
		return err == nil && strings.Contains(v.Reason, name)
	})
	held := time.Now()
	apis[0].eventually(20*time.Second, "it is held for a while", func(ctx context.Context) bool {
		v, err := apis[1].Rollout(ctx, "iris")
		require.NoError(t, err)
		require.Zero(t, v.Weight, v.Reason)
		require.Equal(t, client.PhasePrepare, v.Phase)
		return time.Since(held) > 3*time.Second
	})
	require.NoError(t, os.RemoveAll(own))
	require.NoError(t, os.CopyFS(own, os.DirFS(c.artifacts())))
}

// requirePunctual takes the rollout that has begun from the challenger's share to
// an abort, asked of one replica after the other, and requires both to be in force
// everywhere in time. A machine that stops for a second is forgiven, not a program
// that does: what came too late is tried twice more.
func requirePunctual(t *testing.T, apis []*process, loads []*load) {
	t.Helper()
	cycles, tries := len(apis), 3
	if nightly() {
		cycles, tries = 30, 1
	}
	var raised, aborted []time.Duration
	for i, try := 0, 1; i < cycles; {
		up, down := raise(t, apis[0], loads), abort(t, apis[i%len(apis)], loads)
		t.Logf("the challenger's first answer came %v after its share was raised, its last %v after an abort", up, down)
		if max(up, down) >= within && try < tries {
			try++
		} else {
			i, try, raised, aborted = i+1, 1, append(raised, up), append(aborted, down)
		}
		if i < cycles {
			_, err := apis[0].StartRollout(t.Context(), "iris", client.RolloutRequest{Version: "2", Reason: "again"})
			require.NoError(t, err)
		}
	}
	for what, took := range map[string][]time.Duration{"a raised share": raised, "an abort": aborted} {
		slices.Sort(took)
		t.Logf("%s at %d replicas, %d times: median %v, greatest %v", what, len(apis), cycles, took[len(took)/2], took[len(took)-1])
		require.Less(t, took[(99*len(took)-1)/100], within, what)
	}
}

// raise gives how long after the challenger's share was raised the last replica
// answered with it first.
func raise(t *testing.T, api *process, loads []*load) (took time.Duration) {
	t.Helper()
	var raised time.Time
	api.eventually(time.Minute, "the challenger's share", func(ctx context.Context) bool {
		history, err := api.History(ctx, "iris", 1)
		require.NoError(t, err)
		raised = *history.Items[0].ChangedAt
		return history.Items[0].Weight > 0
	})
	for _, l := range loads {
		api.eventually(time.Minute, "an answer of the challenger from "+l.to, func(context.Context) bool {
			first, ok := l.first(perennial.VariantChallenger, raised)
			took = max(took, first.Sub(raised))
			return ok
		})
	}
	return took
}

// abort gives how long after an abort was asked for the challenger's last answer
// came.
func abort(t *testing.T, api *process, loads []*load) (took time.Duration) {
	t.Helper()
	asked := time.Now()
	_, err := api.CommandRollout(t.Context(), "iris", "abort", client.RolloutCommand{Reason: "measured"})
	require.NoError(t, err)
	done := time.Now()
	for _, l := range loads {
		api.eventually(time.Minute, l.to+" has been quiet for a second", func(context.Context) bool {
			at, _ := l.last(perennial.VariantChallenger)
			return time.Since(at) > time.Second && time.Since(done) > time.Second
		})
		at, _ := l.last(perennial.VariantChallenger)
		took = max(took, at.Sub(asked))
	}
	return took
}

// TestTemporalGoneForLongerThanTheLease is done-when 6 of part 2.
func TestTemporalGoneForLongerThanTheLease(t *testing.T) {
	t.Parallel()
	const lease = 5 * time.Second
	c := setupCluster(t, "PERENNIAL_TRAFFIC_LEASE="+lease.String())
	apis := []*process{c.api(), c.api()}
	worker := c.worker()
	c.apply(apis[0], "iris", halfway)
	for _, budget := range []perennial.Budget{perennial.BudgetBootstrap, perennial.BudgetFull} {
		require.Equal(t, perennial.OutcomeTrained, apis[0].train("iris", client.TrainRequest{Budget: budget}).Result.Outcome)
	}
	loads := make([]*load, len(apis))
	for i, p := range apis {
		p.served("iris", irisFeatures)
		loads[i] = p.load()
	}
	c.canary(apis[0], "2", loads...)
	before, err := apis[0].Rollout(t.Context(), "iris")
	require.NoError(t, err)
	steady := time.Now()
	apis[0].eventually(time.Minute, "the lease is renewed", func(context.Context) bool { return time.Since(steady) > lease+2*time.Second })
	c.attended(apis[0], time.Now(), loads...)

	c.temporal.kill()
	gone := time.Now()
	over := gone.Add(lease + 2*within) // beside other tests
	apis[0].eventually(time.Minute, "twice the lease is over", func(context.Context) bool { return time.Since(gone) > 2*(lease+within) })
	for _, l := range loads {
		last, _ := l.last(perennial.VariantChallenger)
		t.Logf("%s: the challenger's last answer %v after Temporal was gone, with a lease of %v", l.to, last.Sub(gone), lease)
		require.True(t, last.Before(over), "%s: the challenger answered %v after Temporal was gone", l.to, last.Sub(gone))
		champion, _ := l.last(perennial.VariantChampion)
		require.Less(t, time.Since(champion), 5*time.Second, "the champion answers")
	}
	ready, err := apis[0].Ready(t.Context())
	require.NoError(t, err)
	require.Equal(t, "temporal", ready.Degraded[0].Part)
	_, err = worker.Ready(t.Context())
	require.Error(t, err, "a worker has nothing to poll")

	c.temporal.start()
	back := time.Now()
	c.attended(apis[0], back, loads...)
	t.Logf("the challenger answers again %v after Temporal was back", time.Since(back))
	after, err := apis[0].Rollout(t.Context(), "iris")
	require.NoError(t, err)
	require.Equal(t, before.Epoch, after.Epoch, "the same step of the same rollout")
	worker.eventually(time.Minute, "the worker is ready again", func(ctx context.Context) bool {
		_, err := worker.Ready(ctx)
		return err == nil
	})
	apis[0].eventually(time.Minute, "the abort is taken", func(ctx context.Context) bool {
		_, err = apis[0].CommandRollout(ctx, "iris", "abort", client.RolloutCommand{Reason: "enough"})
		return perennial.CodeOf(err) != perennial.CodeUnavailable // Temporal has only just come back
	})
	taken := err
	after, err = apis[0].Rollout(t.Context(), "iris")
	require.NoError(t, err)
	require.Equal(t, "1", after.Champion, "%v", taken)
	require.Equal(t, "aborted", after.Phase, "%v", taken)
	for _, l := range loads {
		require.Empty(t, l.failed(), l.to)
	}
}

// TestStoppedUnderLoadNothingIsLost ends an API process and a worker as an
// orchestrator does, with SIGTERM.
func TestStoppedUnderLoadNothingIsLost(t *testing.T) {
	t.Parallel()
	c := setupCluster(t)
	first, second := c.api(), c.api()
	workers := []*process{c.worker(), c.worker()}
	c.apply(first, "iris", "")
	longer := &process{t: t, project: c.project}
	longer.rewrite("california-housing.yaml", "trials: ", "trials: 16")
	c.apply(first, "california-housing", "")
	require.Equal(t, perennial.OutcomeTrained, first.train("iris", client.TrainRequest{Budget: perennial.BudgetBootstrap}).Result.Outcome)
	first.served("iris", irisFeatures)
	second.served("iris", irisFeatures)
	l, other := first.load(), second.load()
	started, err := second.Train(t.Context(), "california-housing", client.TrainRequest{Reason: "to be handed on"})
	require.NoError(t, err)
	busy := -1
	second.eventually(time.Minute, "the trials run", func(ctx context.Context) bool {
		v, err := second.Workflow(ctx, started.WorkflowID, "")
		require.NoError(t, err)
		busy = slices.IndexFunc(workers, func(w *process) bool {
			return strings.Contains(w.metrics(), `perennial_worker_running_steps{step="RunTrials"} 1`)
		})
		return v.Progress != nil && v.Progress.Done > 0 && len(l.all()) > 50 && busy >= 0
	})
	workers[busy].terminate()
	first.terminate()
	l.stop()
	require.Empty(t, l.failed())
	require.Greater(t, len(l.all()), 50)
	for _, a := range l.all() {
		_, err := second.Prediction(t.Context(), a.id)
		require.NoError(t, err, "answered and logged")
	}
	ctx, cancel := context.WithTimeout(t.Context(), slow*3*time.Minute)
	defer cancel()
	view, err := second.FollowWorkflow(ctx, started.WorkflowID, started.WorkflowRunID, nil)
	require.NoError(t, err)
	require.NotNil(t, view.Result, "%+v", view.Error)
	require.Equal(t, perennial.OutcomeTrained, view.Result.Outcome)
	versions, err := second.Versions(ctx, "california-housing")
	require.NoError(t, err)
	require.Len(t, versions.Items, 1)
	runs, err := second.Runs(ctx, "california-housing", client.Page{})
	require.NoError(t, err)
	require.Len(t, trainings(runs.Items), 1)
	require.Empty(t, other.failed())
	workers[1-busy].terminate()
}

// metrics gives what a process exports.
func (p *process) metrics() string {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, p.url+"/metrics", nil)
	require.NoError(p.t, err)
	resp, err := (&http.Client{Timeout: 10 * time.Second}).Do(req)
	require.NoError(p.t, err)
	defer func() { require.NoError(p.t, resp.Body.Close()) }()
	b, err := io.ReadAll(resp.Body)
	require.NoError(p.t, err)
	require.Equal(p.t, http.StatusOK, resp.StatusCode)
	return string(b)
}
