package processtest_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	temporalclient "go.temporal.io/sdk/client"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/client"
	"github.com/perennial-ml/perennial/workflows"
)

// rolloutCases plays the cases of Rollout of which a golden history is kept.
type rolloutCases struct {
	*process
	recorder
}

// TestRecordRolloutHistories plays every case of Rollout as TestRecordHistories
// does those of the others.
func TestRecordRolloutHistories(t *testing.T) {
	t.Parallel()
	p := setupWith(t, testModels, rollouts(t, 30, "1s"), "--no-bootstrap")
	p.train(housing, client.TrainRequest{Budget: perennial.BudgetBootstrap, Reason: "golden"})
	p.train(housing, client.TrainRequest{Reason: "golden"})
	p.rewrite(housing+".yaml", "{algorithm: ridge, search: {alpha: {log: [0.001, 100]}}}", "{algorithm: faulty, params: {after: 1500}}")
	p.stop()
	p.start()
	p.served(housing, housingFeatures)
	c := p.dial()
	r := rolloutCases{p, recorder{t: t, c: c}}
	requests := p.traffic()

	r.begin("1")
	r.ends("rollout-unchanged", perennial.OutcomeUnchanged)
	r.begin("2")
	r.ends("rollout-promoted", perennial.OutcomePromoted)

	view := p.retrain(client.RetrainRequest{Pipeline: housing, Reason: "golden"})
	require.Equal(t, "3", view.Result.Version)
	r.ends("rollout-rolled-back", perennial.OutcomeRolledBack)
	again := p.retrain(client.RetrainRequest{Pipeline: housing, Reason: "golden", Force: true})
	require.Equal(t, perennial.OutcomeTrained, again.Result.Outcome, "the same file again isn't rolled out")
	require.Contains(t, again.Result.Reason, "rolled back")
	r.record("retrain-refused", again.WorkflowID, again.WorkflowRunID)
	r.record("rollout-refused", workflows.RolloutID(housing), "")

	r.begin("1")
	r.ask(workflows.UpdatePause)
	r.ask(workflows.UpdateResume)
	r.ask(workflows.UpdateAbort)
	r.ends("rollout-aborted", perennial.OutcomeAborted)

	r.begin("1")
	p.loads()
	r.ask(workflows.UpdatePromote)
	r.ends("rollout-promoted-by-hand", perennial.OutcomePromoted)

	r.begin("2")
	_, err := p.StartRollout(t.Context(), housing, client.RolloutRequest{Version: "3", Reason: "golden", Force: true})
	require.NoError(t, err)
	r.ends("rollout-superseding", perennial.OutcomeRolledBack)

	r.begin("2")
	_, err = p.Rollback(t.Context(), housing, client.RollbackRequest{Reason: "golden"})
	require.NoError(t, err)
	r.ends("rollout-overtaken", perennial.OutcomeRolledBack)

	r.begin("2")
	require.NoError(t, c.CancelWorkflow(t.Context(), workflows.RolloutID(housing), ""))
	p.eventually(time.Minute, "it is cancelled", func(ctx context.Context) bool {
		v, err := p.Workflow(ctx, workflows.RolloutID(housing), "")
		return err == nil && v.State == perennial.WorkflowCancelled
	})
	r.record("rollout-cancelled", workflows.RolloutID(housing), "")

	r.continues()
	requests.stop()
	r.late()
	p.requireSound(4)
}

func (r rolloutCases) begin(version string) {
	r.process.t.Helper()
	_, err := r.StartRollout(r.process.t.Context(), housing, client.RolloutRequest{Version: version, Reason: "golden", Force: true})
	require.NoError(r.process.t, err)
}

func (r rolloutCases) ask(name string) {
	r.process.t.Helper()
	_, err := r.CommandRollout(r.process.t.Context(), housing, name, client.RolloutCommand{Reason: "golden"})
	require.NoError(r.process.t, err)
}

// ends waits for the end of the rollout and records it.
func (r rolloutCases) ends(name string, want perennial.Outcome) {
	r.process.t.Helper()
	r.rolloutEnded(want)
	r.record(name, workflows.RolloutID(housing), "")
}

// continues terminates a paused rollout and resumes it under a workflow that
// continues as new after each step.
func (r rolloutCases) continues() {
	t := r.process.t
	t.Helper()
	r.begin("2")
	r.ask(workflows.UpdatePause)
	require.NoError(t, r.c.TerminateWorkflow(t.Context(), workflows.RolloutID(housing), "", "golden"))
	run, err := r.c.ExecuteWorkflow(t.Context(), temporalclient.StartWorkflowOptions{ID: workflows.RolloutID(housing), TaskQueue: workflows.QueueDefault},
		workflows.Rollout, workflows.RolloutInput{Model: housing, Resume: true, MaxEvents: 10})
	require.NoError(t, err)
	first := run.GetRunID()
	r.eventually(time.Minute, "it is resumed", func(ctx context.Context) bool {
		_, err := r.CommandRollout(ctx, housing, workflows.UpdateResume, client.RolloutCommand{Reason: "golden"})
		return err == nil
	})
	r.eventually(time.Minute, "it continues as new", func(ctx context.Context) bool {
		d, err := r.c.DescribeWorkflow(ctx, workflows.RolloutID(housing), "")
		return err == nil && d.WorkflowExecution.RunID != first
	})
	r.record("rollout-continues-as-new", workflows.RolloutID(housing), first)
	r.ends("rollout-continued", perennial.OutcomePromoted)
}

// late plays a rollout without requests until its deadline.
func (r rolloutCases) late() {
	t := r.process.t
	t.Helper()
	r.rewrite(housing+".yaml", "deadline: 1h", "deadline: 2s")
	r.stop()
	r.start()
	r.served(housing, housingFeatures)
	r.begin("1")
	r.reaches(time.Minute, "the deadline holds it", func(row client.TrafficView) bool { return row.Paused })
	r.ask(workflows.UpdateAbort)
	r.ends("rollout-deadline", perennial.OutcomeAborted)
}
