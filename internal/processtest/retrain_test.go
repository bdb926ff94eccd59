package processtest_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	temporalclient "go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/client"
	"github.com/perennial-ml/perennial/workflows"
)

func TestARetrainRequestWithAKeyIsOneWorkflow(t *testing.T) {
	t.Parallel()
	p := setup(t, demo(t), "--no-bootstrap")
	ctx := t.Context()
	req := client.RetrainRequest{Pipeline: "iris", Reason: "new prices", IdempotencyKey: "prices-2026-11"}
	var wg sync.WaitGroup
	answers := make([]client.TrainResponse, 10)
	errs := make([]error, len(answers))
	for i := range answers {
		wg.Go(func() { answers[i], errs[i] = p.Retrain(ctx, req) })
	}
	wg.Wait()
	started := 0
	for i, a := range answers {
		require.NoError(t, errs[i])
		require.Equal(t, "retrain:iris:prices-2026-11", a.WorkflowID)
		require.Equal(t, answers[0].WorkflowRunID, a.WorkflowRunID)
		if a.Started {
			started++
		}
	}
	require.Equal(t, 1, started)
	view, err := p.FollowWorkflow(ctx, answers[0].WorkflowID, "", nil)
	require.NoError(t, err)
	require.Equal(t, perennial.OutcomeTrained, view.Result.Outcome)
	require.Len(t, view.Stages, len(perennial.TrainStages())+1)

	for name, other := range map[string]client.RetrainRequest{
		"another reason":   {Pipeline: "iris", Reason: "old prices", IdempotencyKey: req.IdempotencyKey},
		"another pipeline": {Pipeline: "california-housing", Reason: req.Reason, IdempotencyKey: req.IdempotencyKey},
		"forced":           {Pipeline: "iris", Reason: req.Reason, IdempotencyKey: req.IdempotencyKey, Force: true},
	} {
		_, err := p.Retrain(ctx, other)
		require.Equal(t, perennial.CodeConflict, perennial.CodeOf(err), name)
	}

	p.stop()
	p.forgetTemporal()
	p.start()
	again, err := p.Retrain(ctx, req)
	require.NoError(t, err)
	require.False(t, again.Started, "the key is remembered in our own table")
	after, err := p.Workflow(ctx, again.WorkflowID, again.WorkflowRunID)
	require.NoError(t, err)
	require.Equal(t, view.Result, after.Result, "and so is what came of it")
	require.Equal(t, view.Stages, after.Stages)

	unchanged := p.retrain(client.RetrainRequest{Pipeline: "iris"})
	require.Equal(t, perennial.OutcomeUnchanged, unchanged.Result.Outcome)
	dry := p.retrain(client.RetrainRequest{Pipeline: "iris", DryRun: true, Force: true})
	require.Equal(t, perennial.OutcomeWouldTrain, dry.Result.Outcome)
	require.Contains(t, dry.Result.Reason, "forced")
}

// TestFiftyRetrainsAtOnceAreOneTraining asks from everywhere at once: 50 calls of
// the API, a schedule, and one start with Temporal's own client.
func TestFiftyRetrainsAtOnceAreOneTraining(t *testing.T) {
	t.Parallel()
	p := setup(t, demo(t), "--no-bootstrap")
	ctx, cancel := context.WithTimeout(t.Context(), slow*3*time.Minute)
	defer cancel()
	c := p.dial()
	ids := make([]string, 52)
	errs := make([]error, len(ids))
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			started, err := p.Retrain(ctx, client.RetrainRequest{Pipeline: "california-housing"})
			ids[i], errs[i] = started.WorkflowID, err
		})
	}
	wg.Go(func() {
		ids[50] = "nightly"
		errs[50] = insist(ctx, func() error {
			_, err := c.ExecuteWorkflow(ctx, temporalclient.StartWorkflowOptions{ID: ids[50], TaskQueue: workflows.QueueDefault}, workflows.TypeRetrain,
				map[string]any{"pipeline": "california-housing"})
			return err
		})
	})
	wg.Go(func() { ids[51], errs[51] = scheduled(ctx, c, "california-housing") })
	wg.Wait()
	outcomes := map[perennial.Outcome]int{}
	for i, id := range ids {
		require.NoError(t, errs[i])
		view, err := p.FollowWorkflow(ctx, id, "", nil)
		require.NoError(t, err)
		require.NotNil(t, view.Result, "%+v", view.Error)
		require.Equal(t, "train:california-housing", view.Result.WorkflowID)
		outcomes[view.Result.Outcome]++
	}
	require.Equal(t, 1, outcomes[perennial.OutcomeTrained], outcomes)
	require.Equal(t, 51, outcomes[perennial.OutcomeAlreadyRunning]+outcomes[perennial.OutcomeUnchanged], outcomes)
	runs, err := p.Runs(ctx, "california-housing", client.Page{})
	require.NoError(t, err)
	require.Len(t, runs.Items, 1)
	closed := &workflowservice.CountWorkflowExecutionsRequest{Query: "WorkflowType='Train' AND ExecutionStatus='" + enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED.String() + "'"}
	p.eventually(time.Minute, "Temporal, which counts a moment later, counts no other training", func(ctx context.Context) bool {
		counted, err := c.CountWorkflow(ctx, closed)
		return err == nil && counted.GetCount() == int64(1+outcomes[perennial.OutcomeUnchanged])
	})
}

// scheduled creates a schedule as one would with Temporal's command line,
// triggers it and gives the id of the workflow that it started.
func scheduled(ctx context.Context, c temporalclient.Client, pipeline string) (id string, err error) {
	s := c.ScheduleClient().GetHandle(ctx, "nightly-"+pipeline)
	err = insist(ctx, func() error {
		_, err := c.ScheduleClient().Create(ctx, temporalclient.ScheduleOptions{
			ID: s.GetID(), Spec: temporalclient.ScheduleSpec{CronExpressions: []string{"0 3 * * *"}}, TriggerImmediately: true,
			Action: &temporalclient.ScheduleWorkflowAction{
				ID: "retrain:" + pipeline + ":nightly", Workflow: workflows.TypeRetrain, TaskQueue: workflows.QueueDefault,
				Args: []any{map[string]any{"pipeline": pipeline, "reason": "nightly"}},
			},
		})
		if errors.Is(err, temporal.ErrScheduleAlreadyRunning) {
			return nil // an answer was lost
		}
		return err
	})
	if err != nil {
		return "", err
	}
	return id, insist(ctx, func() error {
		d, err := s.Describe(ctx)
		if err != nil {
			return err
		}
		if len(d.Info.RecentActions) == 0 {
			return errors.New("it hasn't started anything yet")
		}
		id = d.Info.RecentActions[0].StartWorkflowResult.WorkflowID
		return nil
	})
}

// insist tries until it succeeds: a Temporal with fifty retrainings to start at once
// gives up what takes it more than ten seconds.
func insist(ctx context.Context, try func() error) error {
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(20 * time.Millisecond):
		}
	}
}
