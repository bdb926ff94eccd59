package worker_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/activities"
	"github.com/perennial-ml/perennial/internal/ledger"
)

// claims keeps the attempts of the test environment's workflow runs, which all
// have one id, apart.
type claims struct {
	*ledger.Store

	run string
}

func (c *claims) Attempt(ctx context.Context, _ string) (ledger.Attempt, bool, error) {
	return c.Store.Attempt(ctx, c.run)
}

func (c *claims) SaveAttempt(ctx context.Context, a ledger.Attempt) error {
	a.WorkflowRunID = c.run
	return c.Store.SaveAttempt(ctx, a)
}

func (c *claims) EndAttempt(ctx context.Context, _ string, outcome perennial.Outcome, version string, now int64) error {
	return c.Store.EndAttempt(ctx, c.run, outcome, version, now)
}

// claim asks whether a training of iris may begin, as the workflow run named.
func (w *world) claim(t *testing.T, run string, in activities.ClaimInput) activities.Claimed {
	t.Helper()
	w.act.Ledger = &claims{w.ledger, run}
	env := w.activities(t)
	value, err := env.ExecuteActivity(w.act.ResolvePipeline, activities.ResolveInput{Pipeline: "iris", Budget: perennial.BudgetFull})
	require.NoError(t, err)
	var resolved activities.Resolved
	require.NoError(t, value.Get(&resolved))
	in.Bundle = resolved.Bundle
	value, err = env.ExecuteActivity(w.act.ClaimAttempt, in)
	require.NoError(t, err)
	var claimed activities.Claimed
	require.NoError(t, value.Get(&claimed))
	return claimed
}

// ended writes down how an attempt ended.
func (w *world) ended(t *testing.T, run string, outcome perennial.Outcome, version string) {
	t.Helper()
	require.NoError(t, w.ledger.EndAttempt(t.Context(), run, outcome, version, w.act.Now().UnixMilli()))
}

func TestEqualInputsAreTrainedOnce(t *testing.T) {
	t.Parallel()
	w := setup(t)
	manual := activities.ClaimInput{Trigger: perennial.TriggerManual}
	dry := manual
	dry.DryRun = true
	require.Equal(t, activities.Claimed{Outcome: perennial.OutcomeWouldTrain, Reason: "nothing was trained before"}, w.claim(t, "r0", dry))
	require.Empty(t, w.claim(t, "r1", manual).Outcome)
	require.Empty(t, w.claim(t, "r1", manual).Outcome, "again: it may go on")
	require.Empty(t, w.claim(t, "r2", manual).Outcome, "the first has not ended")
	w.ended(t, "r1", "", "")
	require.Empty(t, w.claim(t, "r3", manual).Outcome, "the first failed")
	w.ended(t, "r3", perennial.OutcomeRejectedByGates, "")
	rejected := w.claim(t, "r4", manual)
	require.Equal(t, perennial.OutcomeUnchanged, rejected.Outcome)
	require.Contains(t, rejected.Reason, "rejected_by_gates")

	forced := manual
	forced.Force = true
	require.Empty(t, w.claim(t, "r5", forced).Outcome)
	w.ended(t, "r5", perennial.OutcomeTrained, "7")
	require.Equal(t, "7", w.claim(t, "r6", manual).Version)

	w.edit(t, "pipelines/iris.yaml", "trials: 9", "trials: 8")
	w.apply(t)
	changed := w.claim(t, "r7", dry)
	require.Equal(t, perennial.OutcomeWouldTrain, changed.Outcome)
	require.Contains(t, changed.Reason, "pipeline")
	w.edit(t, "pipelines/iris.yaml", "trials: 8", "trials: 9")
	w.apply(t)
	w.edit(t, "data/raw/iris.csv", "5.1,3.5", "5.2,3.5")
	require.Contains(t, w.claim(t, "r8", dry).Reason, "data")
}

func TestTheChampionsInputsAreNotTrainedAgain(t *testing.T) {
	t.Parallel()
	w := setup(t)
	first, err := w.train(t, "iris", perennial.BudgetFull)
	require.NoError(t, err)
	require.True(t, first.InService)
	manual := activities.ClaimInput{Trigger: perennial.TriggerManual}
	w.edit(t, "pipelines/iris.yaml", "trials: 9", "trials: 8")
	w.apply(t)
	require.Empty(t, w.claim(t, "r2", manual).Outcome)
	w.ended(t, "r2", perennial.OutcomeTrained, "2")
	w.edit(t, "pipelines/iris.yaml", "trials: 8", "trials: 9")
	w.apply(t)
	again := w.claim(t, "r3", manual)
	require.Equal(t, perennial.OutcomeUnchanged, again.Outcome, again.Reason)
	require.Equal(t, "1", again.Version, "it was two trainings ago, and it is in service")
}

func TestBrakesBindAutomaticTriggersAlone(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.edit(t, "pipelines/iris.yaml", "gates:\n", "retrain: {cooldown: 1h, max_per_day: 2, on: [drift]}\ngates:\n")
	w.apply(t)
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	w.act.Now = func() time.Time { return now }
	drift := activities.ClaimInput{Trigger: perennial.TriggerDrift, Force: true}
	manual := activities.ClaimInput{Trigger: perennial.TriggerManual, Force: true}
	require.Empty(t, w.claim(t, "r1", manual).Outcome)
	now = now.Add(30 * time.Minute)
	w.ended(t, "r1", perennial.OutcomeTrained, "1")
	now = now.Add(59 * time.Minute)
	cooling := w.claim(t, "r2", drift)
	require.Equal(t, perennial.OutcomeCoolingDown, cooling.Outcome, "59 minutes after the end")
	require.Contains(t, cooling.Reason, "2026-03-01T13:30:00Z")
	require.Empty(t, w.claim(t, "r3", manual).Outcome)
	for _, run := range []string{"r4", "r5"} {
		now = now.Add(time.Hour)
		require.Empty(t, w.claim(t, run, drift).Outcome)
	}
	now = now.Add(time.Hour)
	require.Equal(t, perennial.OutcomeOverBudget, w.claim(t, "r6", drift).Outcome)
	for _, trigger := range []perennial.Trigger{perennial.TriggerSchedule, perennial.TriggerOutside, perennial.TriggerBootstrap} {
		require.Empty(t, w.claim(t, "r7 "+string(trigger), activities.ClaimInput{Trigger: trigger, Force: true}).Outcome)
	}
	now = now.Add(22 * time.Hour)
	require.Empty(t, w.claim(t, "r8", drift).Outcome, "a day after the first of them")
}

func TestAPipelineThatOnlyLooks(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.edit(t, "pipelines/iris.yaml", "gates:\n", "retrain: {dry_run: true}\ngates:\n")
	w.apply(t)
	require.Equal(t, perennial.OutcomeWouldTrain, w.claim(t, "r1", activities.ClaimInput{Trigger: perennial.TriggerSchedule}).Outcome)
	require.Empty(t, w.claim(t, "r2", activities.ClaimInput{Trigger: perennial.TriggerManual}).Outcome)
}
