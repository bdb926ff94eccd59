package processtest_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/client"
	"github.com/perennial-ml/perennial/internal/db"
	"github.com/perennial-ml/perennial/internal/mlflow"
	"github.com/perennial-ml/perennial/internal/tracking"
	"github.com/perennial-ml/perennial/workflows"
)

// killPoint is a moment at which the program is killed.
type killPoint struct {
	name    string
	reached func(ctx context.Context, p *process, retrain string) bool
}

// inStage is reached when a stage of a retraining has begun.
func inStage(name string) killPoint {
	return killPoint{name, func(ctx context.Context, p *process, retrain string) bool {
		v, err := p.Workflow(ctx, retrain, "")
		if err != nil {
			return false
		}
		for _, s := range v.Stages {
			if s.Name == name && s.State != perennial.StagePending {
				return true
			}
		}
		return v.State.Terminal()
	}}
}

// onTraffic is reached when the traffic row has come as far.
func onTraffic(name string, mode perennial.Mode, weight float64) killPoint {
	return killPoint{name, func(ctx context.Context, p *process, retrain string) bool {
		v, err := p.Workflow(ctx, retrain, "")
		if err != nil || v.State != perennial.WorkflowCompleted {
			return false
		}
		h, err := p.History(ctx, housing, 1)
		if err != nil {
			return false
		}
		row := h.Items[0]
		return row.Mode == mode && row.Weight >= weight || row.Mode == perennial.ModeServing || row.Mode == perennial.ModeWatch
	}}
}

// killPoints are those of a retraining and of the rollout that it leads to.
func killPoints() []killPoint {
	var points []killPoint
	for _, stage := range append(perennial.TrainStages(), perennial.StageOffer) {
		points = append(points, inStage(stage))
	}
	return append(points,
		onTraffic("prepare", perennial.ModeCanary, 0), onTraffic("canary at 5 %", perennial.ModeCanary, 0.05),
		onTraffic("canary at 25 %", perennial.ModeCanary, 0.25), onTraffic("canary at 50 %", perennial.ModeCanary, 0.5),
		onTraffic("watch", perennial.ModeWatch, 0))
}

// TestKilledAnywhereItGoesOn kills the program in the stages of Train and of
// Rollout, a little later with each seed, and expects that what it was doing is
// done once: one run, one version, each step of the rollout.
func TestKilledAnywhereItGoesOn(t *testing.T) {
	t.Parallel()
	if nightly() {
		for seed := range 3 {
			t.Run(fmt.Sprint("seed ", seed+1), func(t *testing.T) {
				t.Parallel()
				killedAt(t, seed+1, killPoints())
			})
		}
		return
	}
	killedAt(t, 1, []killPoint{inStage(perennial.StageTune), onTraffic("canary at 25 %", perennial.ModeCanary, 0.25), onTraffic("watch", perennial.ModeWatch, 0)})
}

func killedAt(t *testing.T, seed int, points []killPoint) {
	t.Helper()
	p := setup(t, rollouts(t, 20, "2s"), "--no-bootstrap")
	require.Equal(t, "1", p.train(housing, client.TrainRequest{Budget: perennial.BudgetBootstrap}).Result.Version)
	p.traffic()
	for i, point := range points {
		version := fmt.Sprint(i + 2)
		started, err := p.Retrain(t.Context(), client.RetrainRequest{Pipeline: housing, Reason: point.name, Force: true, IdempotencyKey: fmt.Sprint("k-", i)})
		require.NoError(t, err)
		p.eventually(4*time.Minute, "it reaches "+point.name, func(ctx context.Context) bool { return point.reached(ctx, p, started.WorkflowID) })
		<-time.After(time.Duration((seed*7919+i*1237)%400) * time.Millisecond)
		p.kill()
		began := time.Now()
		p.start()
		again, err := p.Retrain(t.Context(), client.RetrainRequest{Pipeline: housing, Reason: point.name, Force: true, IdempotencyKey: fmt.Sprint("k-", i)})
		require.NoError(t, err)
		require.Equal(t, started.WorkflowRunID, again.WorkflowRunID, "the request came before")
		var view client.WorkflowView
		p.eventually(4*time.Minute, "the retraining ends after a kill in "+point.name, func(ctx context.Context) bool {
			view, err = p.Workflow(ctx, started.WorkflowID, "")
			return err == nil && view.State.Terminal()
		})
		require.Equal(t, perennial.WorkflowCompleted, view.State, "%+v", view.Error)
		require.Equal(t, perennial.OutcomeOffered, view.Result.Outcome)
		require.Equal(t, version, view.Result.Version)
		p.serves(4*time.Minute, version)
		rows := p.requireSound(i + 2)
		require.Equal(t, []float64{0, 0.05, 0.25, 0.5, 0.95, 1}, weights(rows, version), "killed in %s", point.name)
		t.Logf("killed in %s, seed %d: all done %s after the kill", point.name, seed, time.Since(began).Round(time.Millisecond))
	}
}

// TestARolloutOutlivesItsWorkflow terminates the workflow in mid-canary, as
// temporal workflow terminate does, and then deletes Temporal's file in another
// canary, while the program is stopped.
func TestARolloutOutlivesItsWorkflow(t *testing.T) {
	t.Parallel()
	p := setup(t, rollouts(t, 60, "2s"), "--no-bootstrap")
	p.train(housing, client.TrainRequest{Budget: perennial.BudgetBootstrap})
	for range 2 {
		p.train(housing, client.TrainRequest{Reason: "another"})
	}
	requests := p.traffic()
	inCanary := func(version string) client.TrafficView {
		t.Helper()
		_, err := p.StartRollout(t.Context(), housing, client.RolloutRequest{Version: version})
		require.NoError(t, err)
		return p.reaches(4*time.Minute, "mid-canary", func(row client.TrafficView) bool { return row.Mode == perennial.ModeCanary && row.Weight >= 0.25 })
	}

	c := p.dial()
	before := inCanary("2")
	require.NoError(t, c.TerminateWorkflow(t.Context(), workflows.RolloutID(housing), "", "terminated by hand"))
	require.Equal(t, before.Challenger, p.row().Challenger, "nothing is lost with the workflow")
	p.serves(4*time.Minute, "2")
	require.Equal(t, []float64{0, 0.05, 0.25, 0.5, 0.95, 1}, weights(p.requireSound(3), "2"))
	require.Zero(t, requests.failed.Load(), "every request was answered: %v", requests.fault.Load())

	inCanary("3")
	p.stop()
	p.forgetTemporal()
	p.start()
	p.serves(4*time.Minute, "3")
	require.Equal(t, []float64{0, 0.05, 0.25, 0.5, 0.95, 1}, weights(p.requireSound(3), "3"))

	p.stop() // as if it had been killed between the row and the alias
	g, err := db.Open(t.Context(), db.Options{URL: "sqlite:" + filepath.Join(p.home, "perennial.db")})
	require.NoError(t, err)
	registry, err := mlflow.NewClient(mlflow.Options{URI: mlflow.EmbeddedURI, Transport: tracking.NewServer(tracking.NewStore(g), nil, tracking.Hooks{}, nil)})
	require.NoError(t, err)
	require.NoError(t, mlflow.NewTracker(registry, nil).SetAlias(t.Context(), housing, perennial.AliasChampion, "2"))
	require.NoError(t, db.Close(g))
	p.start()
	p.eventually(2*time.Minute, "the alias follows the row", func(ctx context.Context) bool {
		m, err := p.Model(ctx, housing)
		return err == nil && m.Aliases[perennial.AliasChampion] == "3"
	})
	p.requireSound(3)
}

// TestALockedDatabaseIsWaitedFor holds the database for half a minute in
// mid-canary: no request fails, and the rollout goes on afterwards.
func TestALockedDatabaseIsWaitedFor(t *testing.T) {
	t.Parallel()
	if !nightly() {
		t.Skip("it takes a minute: make nightly")
	}
	p := setup(t, rollouts(t, 60, "2s"), "--no-bootstrap")
	p.train(housing, client.TrainRequest{Budget: perennial.BudgetBootstrap})
	p.train(housing, client.TrainRequest{Reason: "another"})
	requests := p.traffic()
	_, err := p.StartRollout(t.Context(), housing, client.RolloutRequest{Version: "2"})
	require.NoError(t, err)
	p.reaches(4*time.Minute, "mid-canary", func(row client.TrafficView) bool { return row.Weight >= 0.05 })

	store, err := db.Open(t.Context(), db.Options{URL: "sqlite:" + filepath.Join(p.home, "perennial.db")})
	require.NoError(t, err)
	lock := store.Begin() // immediate: nobody else writes
	require.NoError(t, lock.Error)
	answered := requests.answered.Load()
	<-time.After(30 * time.Second)
	require.NoError(t, lock.Rollback().Error)
	require.Greater(t, requests.answered.Load(), answered+100, "it serves while the database is locked")
	p.serves(4*time.Minute, "2")
	require.Equal(t, []float64{0, 0.05, 0.25, 0.5, 0.95, 1}, weights(p.requireSound(2), "2"))
	require.Zero(t, requests.failed.Load(), "every request was answered: %v", requests.fault.Load())
}

// TestKilledWhileCommanded kills the program a moment after an operator asked for
// something: it is done, or it is not, and the next thing asked for is.
func TestKilledWhileCommanded(t *testing.T) {
	t.Parallel()
	if !nightly() {
		t.Skip("it takes minutes: make nightly")
	}
	p := setup(t, rollouts(t, 1_000_000, "1h"), "--no-bootstrap")
	p.train(housing, client.TrainRequest{Budget: perennial.BudgetBootstrap})
	p.train(housing, client.TrainRequest{Reason: "another"})
	rollback := func(ctx context.Context) error {
		_, err := p.Rollback(ctx, housing, client.RollbackRequest{To: "1", Reason: "complaints"})
		return err
	}
	commands := map[string]func(ctx context.Context) error{"rollback": rollback}
	for _, name := range []string{workflows.UpdatePause, workflows.UpdatePromote, workflows.UpdateAbort} {
		commands[name] = func(ctx context.Context) error {
			_, err := p.CommandRollout(ctx, housing, name, client.RolloutCommand{Reason: name})
			return err
		}
	}
	for name, command := range commands {
		for _, later := range []time.Duration{0, 10 * time.Millisecond, 30 * time.Millisecond, 100 * time.Millisecond} {
			_, err := p.StartRollout(t.Context(), housing, client.RolloutRequest{Version: "2", Reason: "before " + name, Force: true})
			require.NoError(t, err)
			p.reaches(time.Minute, "the canary", func(row client.TrafficView) bool { return row.Weight > 0 })
			asked := make(chan error, 1)
			go func() { asked <- command(t.Context()) }()
			<-time.After(later)
			p.kill()
			answer := <-asked
			p.start()
			row := p.row()
			t.Logf("killed %s after %s: answered %v, then %s of %s", later, name, answer, row.Mode, row.Champion)
			if row.Mode != perennial.ModeServing || row.Champion != "1" {
				require.NoError(t, rollback(t.Context()))
			}
			p.serves(time.Minute, "1")
			p.eventually(2*time.Minute, "the rollout has ended and the alias follows", func(ctx context.Context) bool {
				v, err := p.Workflow(ctx, workflows.RolloutID(housing), "")
				m, modelErr := p.Model(ctx, housing)
				return err == nil && modelErr == nil && v.State.Terminal() && m.Aliases[perennial.AliasChampion] == "1"
			})
			p.requireSound(2)
		}
	}
}
