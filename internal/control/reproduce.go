package control

import (
	"context"
	"fmt"

	enumspb "go.temporal.io/api/enums/v1"
	temporalclient "go.temporal.io/sdk/client"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/client"
	"github.com/perennial-ml/perennial/workflows"
)

// Reproduce starts the reproduction of a run, or finds the one that is running.
// It answers not_found for an unknown run, precondition for one that is no
// training, and unavailable where Temporal doesn't answer.
func (c *Control) Reproduce(ctx context.Context, runID, reason string) (client.Started, error) {
	const op = "control.Reproduce"
	actor, err := authorise(ctx, op, perennial.AccessTrainer)
	if err != nil {
		return client.Started{}, err
	}
	run, err := c.o.Runs.GetRun(ctx, runID)
	if err != nil {
		return client.Started{}, perennial.Wrap(op, err)
	}
	name := run.Tag(perennial.TagPipeline)
	if run.Tag(perennial.TagKind) != "train" || name == "" {
		return client.Started{}, perennial.Errorf(perennial.CodePrecondition, op, "run %s is no training: only a training can be reproduced", runID).
			WithHint("perennial runs PIPELINE lists the trainings; a candidate is part of its parent run.")
	}
	id := workflows.ReproduceID(runID)
	started, err := c.start(ctx, temporalclient.StartWorkflowOptions{
		ID: id, WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		StaticSummary:         fmt.Sprintf("reproduce run %s of %s", runID, name),
		Memo:                  startMemo(name, perennial.TriggerManual, reason, actor.Name),
		TypedSearchAttributes: c.attributes(ctx, name),
	}, workflows.Reproduce, workflows.ReproduceInput{RunID: runID, Pipeline: name, Reason: reason, Actor: actor.Name})
	if err != nil || !started.Started {
		return started, perennial.Wrap(op, err)
	}
	return started, c.record(ctx, perennial.AuditEntry{
		Action: "run.reproduce", Target: runID, Reason: reason, WorkflowID: id,
		After: state(map[string]any{"workflow_run_id": started.WorkflowRunID, "pipeline": name}),
	})
}
