package processtest_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/client"
	"github.com/perennial-ml/perennial/workflows"
)

// housing is the model that is rolled out in these tests.
const housing = "california-housing"

// rollouts makes a project whose rollouts take seconds: so many requests a step, and
// a watch that long.
func rollouts(t *testing.T, requests int, watch string) string {
	t.Helper()
	dir := demo(t)
	appendTo(t, dir, housing+".yaml", fmt.Sprintf("rollout: {steps: [5, 25, 50], min_requests: %d, deadline: 1h, watch: {for: %s, holdback: 5}}\n", requests, watch))
	return dir
}

// traffic asks for predictions, each of a unit of its own, until stop is called
// or the test ends.
type traffic struct {
	answered, failed atomic.Int64
	fault            atomic.Value // the last error
	stop             func()
}

func (p *process) traffic() *traffic {
	ctx, cancel := context.WithCancel(p.t.Context())
	tr := &traffic{}
	var wg sync.WaitGroup
	tr.stop = func() { cancel(); wg.Wait() }
	p.t.Cleanup(tr.stop)
	wg.Go(func() {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for n := 0; ; n++ {
			_, err := p.Predict(ctx, client.PredictRequest{Model: housing, UnitID: fmt.Sprint("unit-", n), Features: []byte(housingFeatures)})
			switch {
			case ctx.Err() != nil:
				return
			case err != nil:
				tr.failed.Add(1)
				tr.fault.Store(err.Error())
			default:
				tr.answered.Add(1)
			}
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	})
	return tr
}

// row gives the traffic row in force.
func (p *process) row() client.TrafficView {
	p.t.Helper()
	h, err := p.History(p.t.Context(), housing, 1)
	require.NoError(p.t, err)
	require.NotEmpty(p.t, h.Items)
	return h.Items[0]
}

// reaches waits until the traffic row is as it should be.
func (p *process) reaches(limit time.Duration, what string, is func(row client.TrafficView) bool) client.TrafficView {
	p.t.Helper()
	var row client.TrafficView
	p.eventually(limit, what, func(ctx context.Context) bool {
		h, err := p.History(ctx, housing, 1)
		if err != nil || len(h.Items) == 0 {
			return false
		}
		row = h.Items[0]
		return is(row)
	})
	return row
}

// serves waits until a version answers everything.
func (p *process) serves(limit time.Duration, version string) client.TrafficView {
	p.t.Helper()
	return p.reaches(limit, "version "+version+" answers everything", func(row client.TrafficView) bool {
		return row.Mode == perennial.ModeServing && row.Champion == version
	})
}

// requireSound checks what must hold of a model whatever happened to the
// program: one champion, which answers and has the alias; a history without a
// gap, in which each row may follow the one before and changes something; as
// many versions as trainings, each of a run of its own; nothing left open. It
// gives the history, oldest first.
func (p *process) requireSound(trainings int) []client.TrafficView {
	p.t.Helper()
	ctx := p.t.Context()
	h, err := p.History(ctx, housing, 1000)
	require.NoError(p.t, err)
	require.NotEmpty(p.t, h.Items)
	rows := make([]client.TrafficView, len(h.Items))
	for i, row := range h.Items {
		rows[len(rows)-1-i] = row
	}
	require.NoError(p.t, broken(rows))
	last := rows[len(rows)-1]

	model, err := p.Model(ctx, housing)
	require.NoError(p.t, err)
	require.Equal(p.t, last, model.Traffic, "the row in force is the last of the history")
	require.Equal(p.t, last.Champion, model.Aliases[perennial.AliasChampion], "the registry agrees who the champion is")
	if last.Mode == perennial.ModeServing {
		p.eventually(time.Minute, "the champion answers", func(context.Context) bool {
			answer, err := p.predict(housing, housingFeatures)
			return err == nil && answer.Version == last.Champion && answer.Variant == perennial.VariantChampion
		})
	}

	versions, err := p.Versions(ctx, housing)
	require.NoError(p.t, err)
	require.Len(p.t, versions.Items, trainings, "one version of each training")
	ofRun := map[string]string{}
	for _, v := range versions.Items {
		require.Empty(p.t, ofRun[v.RunID], "versions of one run")
		ofRun[v.RunID] = v.Version
	}
	runs, err := p.Runs(ctx, housing, client.Page{Limit: 1000})
	require.NoError(p.t, err)
	trained := map[string]bool{}
	for _, r := range runs.Items {
		require.Equal(p.t, perennial.RunFinished, r.Status, "%s of %s", r.RunID, r.WorkflowID)
		if r.Kind == "train" {
			require.False(p.t, trained[r.WorkflowRunID], "two runs of one workflow")
			trained[r.WorkflowRunID] = true
		}
	}
	require.Len(p.t, trained, trainings, "one run of each training")
	return rows
}

// broken says what is wrong with a traffic history, oldest first; nil for nothing.
func broken(rows []client.TrafficView) error {
	before := client.TrafficView{Mode: perennial.ModeNone}
	for i, row := range rows {
		switch {
		case row.Epoch != int64(i+1):
			return fmt.Errorf("epoch %d comes after %d", row.Epoch, i)
		case row.Champion == "":
			return fmt.Errorf("epoch %d has no champion", row.Epoch)
		case !perennial.MayFollow(before.Mode, row.Mode):
			return fmt.Errorf("epoch %d: %s can't follow %s", row.Epoch, row.Mode, before.Mode)
		case shares(before) == shares(row):
			return fmt.Errorf("epoch %d repeats a step", row.Epoch)
		case row.Mode == perennial.ModeCanary && before.Mode == perennial.ModeCanary && before.Challenger == row.Challenger && row.Weight < before.Weight:
			return fmt.Errorf("epoch %d goes a step back", row.Epoch)
		case row.Champion != before.Champion && before.Mode == perennial.ModeCanary && row.Mode == perennial.ModeWatch && row.Champion != before.Challenger:
			return fmt.Errorf("epoch %d makes %s the champion, which wasn't rolled out", row.Epoch, row.Champion)
		}
		before = row
	}
	return nil
}

// What the kill tests rest on must be able to fail.
func TestABrokenHistoryIsSeen(t *testing.T) {
	t.Parallel()
	sound := func() []client.TrafficView {
		return []client.TrafficView{
			{Epoch: 1, Mode: perennial.ModeServing, Champion: "1"},
			{Epoch: 2, Mode: perennial.ModeCanary, Champion: "1", Challenger: "2"},
			{Epoch: 3, Mode: perennial.ModeCanary, Champion: "1", Challenger: "2", Weight: 0.05},
			{Epoch: 4, Mode: perennial.ModeCanary, Champion: "1", Challenger: "2", Weight: 0.25},
			{Epoch: 5, Mode: perennial.ModeWatch, Champion: "2", Previous: "1", Weight: 0.95},
			{Epoch: 6, Mode: perennial.ModeServing, Champion: "2", Previous: "1"},
		}
	}
	require.NoError(t, broken(sound()))
	require.Equal(t, []float64{0, 0.05, 0.25, 0.95, 1}, weights(sound(), "2"))
	for name, spoil := range map[string]func(rows []client.TrafficView){
		"a gap":        func(rows []client.TrafficView) { rows[3].Epoch = 5 },
		"no champion":  func(rows []client.TrafficView) { rows[2].Champion = "" },
		"a step twice": func(rows []client.TrafficView) { rows[3].Weight = 0.05 },
		"a step back":  func(rows []client.TrafficView) { rows[3].Weight = 0.01 },
		"a leap": func(rows []client.TrafficView) {
			rows[1] = client.TrafficView{Epoch: 2, Mode: perennial.ModeWatch, Champion: "2"}
		},
		"another is champion": func(rows []client.TrafficView) { rows[4].Champion = "3" },
	} {
		rows := sound()
		spoil(rows)
		require.Error(t, broken(rows), name)
	}
}

// shares is what a row says about who answers.
func shares(row client.TrafficView) string {
	return fmt.Sprint(row.Mode, row.Champion, row.Previous, row.Challenger, row.Weight, row.Paused)
}

// weights lists the shares that a version had in its rollout, oldest first.
func weights(rows []client.TrafficView, version string) []float64 {
	var out []float64
	for _, row := range rows {
		switch {
		case row.Mode == perennial.ModeCanary && row.Challenger == version, row.Mode == perennial.ModeWatch && row.Champion == version:
			out = append(out, row.Weight)
		case row.Mode == perennial.ModeServing && row.Champion == version && len(out) > 0:
			return append(out, 1)
		}
	}
	return out
}

// TestRolloutOfAGoodAndOfAFaultyVersion plays done-when 3: under traffic a second
// version becomes the champion step by step, one that breaks is rolled back by
// itself, and each thing that an operator may ask for is what the history then
// says. No request fails meanwhile.
func TestRolloutOfAGoodAndOfAFaultyVersion(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	p := setupWith(t, testModels, rollouts(t, 30, "2s"), "--no-bootstrap")
	require.Equal(t, "1", p.train(housing, client.TrainRequest{Budget: perennial.BudgetBootstrap}).Result.Version)
	require.Equal(t, "2", p.train(housing, client.TrainRequest{Reason: "the full search"}).Result.Version)
	require.Equal(t, "1", p.row().Champion, "a training alone changes nothing that is served")
	p.rewrite(housing+".yaml", "{algorithm: ridge, search: {alpha: {log: [0.001, 100]}}}", "{algorithm: faulty, params: {after: 2500}}")
	p.stop()
	p.start()
	p.served(housing, housingFeatures)
	requests := p.traffic()

	out, err := p.StartRollout(ctx, housing, client.RolloutRequest{Version: "2", Reason: "good"})
	require.NoError(t, err)
	require.Equal(t, perennial.OutcomeOffered, out.Outcome)
	p.serves(2*time.Minute, "2")
	rows := p.requireSound(2)
	require.Equal(t, []float64{0, 0.05, 0.25, 0.5, 0.95, 1}, weights(rows, "2"))

	view := p.retrain(client.RetrainRequest{Pipeline: housing, Reason: "a model that breaks"})
	require.Equal(t, perennial.OutcomeOffered, view.Result.Outcome)
	require.Equal(t, "3", view.Result.Version)
	back := p.reaches(2*time.Minute, "the faulty version is rolled back", func(row client.TrafficView) bool {
		return row.Mode == perennial.ModeServing && row.Epoch > rows[len(rows)-1].Epoch
	})
	require.Equal(t, "2", back.Champion)
	require.Equal(t, "perennial", back.Actor)
	require.Contains(t, back.Reason, "requests failed")
	rolled, err := p.Rollout(ctx, housing)
	require.NoError(t, err)
	require.Equal(t, "rolled_back", rolled.Phase)
	decision, err := p.Decision(ctx, rolled.LastDecisionID)
	require.NoError(t, err)
	require.Equal(t, perennial.VerdictFail, decision.Verdict)
	p.rolloutEnded(perennial.OutcomeRolledBack) // the row was there before the workflow knew of it
	_, err = p.StartRollout(ctx, housing, client.RolloutRequest{Version: "3"})
	require.Equal(t, perennial.CodePrecondition, perennial.CodeOf(err), "what was rolled back isn't rolled out again")

	p.obeys()
	p.requireSound(3)
	requests.stop()
	require.Zero(t, requests.failed.Load(), "every request was answered: %v", requests.fault.Load())
	require.Positive(t, requests.answered.Load())
}

// loads waits until the version that is rolled out is loaded.
func (p *process) loads() {
	p.t.Helper()
	p.eventually(time.Minute, "the challenger is loaded", func(ctx context.Context) bool {
		v, err := p.Rollout(ctx, housing)
		return err == nil && len(v.Replicas) == 1 && v.Replicas[0].State == "loaded"
	})
}

// rolloutEnded waits until the rollout's workflow has ended with an outcome.
func (p *process) rolloutEnded(want perennial.Outcome) {
	p.t.Helper()
	p.eventually(4*time.Minute, "the rollout's workflow has ended "+string(want), func(ctx context.Context) bool {
		v, err := p.Workflow(ctx, workflows.RolloutID(housing), "")
		return err == nil && v.State == perennial.WorkflowCompleted && v.Result != nil && v.Result.Outcome == want
	})
}

// obeys asks for everything that an operator may ask for, of the rollout of
// version 1 over version 2.
func (p *process) obeys() {
	t, ctx := p.t, p.t.Context()
	ask := func(name, reason string) client.TrafficView {
		t.Helper()
		_, err := p.CommandRollout(ctx, housing, name, client.RolloutCommand{Reason: reason})
		require.NoError(t, err)
		row := p.row()
		require.Equal(t, reason, row.Reason)
		require.Equal(t, "api", row.Actor)
		return row
	}
	begin := func() {
		t.Helper()
		_, err := p.StartRollout(ctx, housing, client.RolloutRequest{Version: "1", Reason: "the old one"})
		require.NoError(t, err)
	}
	refused := func(want perennial.Code, name string) {
		t.Helper()
		before := p.row()
		_, err := p.CommandRollout(ctx, housing, name, client.RolloutCommand{})
		require.Equal(t, want, perennial.CodeOf(err), "%v", err)
		require.Equal(t, before, p.row())
	}
	refused(perennial.CodePrecondition, workflows.UpdateAbort)

	begin()
	require.True(t, ask(workflows.UpdatePause, "lunch").Paused)
	refused(perennial.CodeConflict, workflows.UpdatePause)
	held, err := p.Rollout(ctx, housing)
	require.NoError(t, err)
	require.Equal(t, client.PhaseHeld, held.Phase)
	_, err = p.CommandRollout(ctx, housing, workflows.UpdateResume, client.RolloutCommand{IfEpoch: 1})
	require.Equal(t, perennial.CodePrecondition, perennial.CodeOf(err))
	p.loads()

	_, err = p.Freeze(ctx, client.FreezeRequest{Model: housing, For: "1h", Reason: "release"})
	require.NoError(t, err)
	refused(perennial.CodePrecondition, workflows.UpdatePromote)
	frozen := p.retrain(client.RetrainRequest{Pipeline: housing, Force: true})
	require.Equal(t, perennial.CodePrecondition, frozen.Error.Code, "a freeze stops a retraining")
	require.False(t, ask(workflows.UpdateResume, "go on").Paused)
	row := ask(workflows.UpdateAbort, "no freeze forbids it")
	require.Equal(t, perennial.ModeServing, row.Mode)
	require.Equal(t, "2", row.Champion)
	_, err = p.Unfreeze(ctx, housing, "over")
	require.NoError(t, err)

	p.rolloutEnded(perennial.OutcomeAborted)
	begin()
	p.loads()
	_, err = p.CommandRollout(ctx, housing, workflows.UpdatePromote, client.RolloutCommand{Reason: "looks good"})
	require.NoError(t, err)
	row = p.reaches(time.Minute, "version 1 is the champion", func(row client.TrafficView) bool { return row.Champion == "1" })
	require.Contains(t, []perennial.Mode{perennial.ModeWatch, perennial.ModeServing}, row.Mode)
	_, err = p.Rollback(ctx, housing, client.RollbackRequest{Reason: "complaints", Freeze: "1h"})
	require.NoError(t, err)
	row = p.row()
	require.Equal(t, "complaints", row.Reason)
	require.Equal(t, perennial.ModeServing, row.Mode)
	require.Equal(t, "2", row.Champion)
	_, err = p.Unfreeze(ctx, housing, "over")
	require.NoError(t, err)
}
