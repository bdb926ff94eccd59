package activities

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"

	"go.temporal.io/sdk/activity"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/ledger"
	"github.com/perennial-ml/perennial/internal/mlflow"
)

// StartRunInput opens the tracked run of a training.
type StartRunInput struct {
	Resolved Resolved          `json:"resolved"`
	Trigger  perennial.Trigger `json:"trigger"`
	Reason   string            `json:"reason"`
	Actor    string            `json:"actor"`
}

// StartRun creates the run that carries everything the training will log. Safe
// to repeat: the workflow's run id is the op under which the tracker finds the
// run again.
func (a *Activities) StartRun(ctx context.Context, in StartRunInput) (runID string, err error) {
	const op = "StartRun"
	bundle, err := getJSON[Bundle](ctx, a.Blobs, in.Resolved.Bundle)
	if err != nil {
		return "", perennial.Wrap(op, err)
	}
	name := bundle.Spec.Pipeline.Name
	experiment, err := a.Tracker.EnsureExperiment(ctx, name)
	if err != nil {
		return "", perennial.Wrap(op, err)
	}
	exec, now := execution(ctx), a.Now()
	run, err := a.Tracker.CreateRun(ctx, mlflow.RunSpec{
		ExperimentID: experiment.ID,
		Name:         mlflow.RunName("train", name, now),
		User:         in.Actor,
		StartedAt:    now.UnixMilli(),
		Op:           exec.RunID,
		Tags: []perennial.Tag{
			{Key: perennial.TagKind, Value: perennial.KindTrain},
			{Key: perennial.TagPipeline, Value: name},
			{Key: perennial.TagWorkflow, Value: exec.ID},
			{Key: perennial.TagWorkflowRun, Value: exec.RunID},
			{Key: perennial.TagDataMD5, Value: bundle.Data.MD5},
			{Key: perennial.TagSource, Value: "perennial train " + name},
			{Key: perennial.TagCommit, Value: in.Resolved.Commit},
			{Key: "perennial.project_dirty", Value: strconv.FormatBool(in.Resolved.Dirty)},
			{Key: perennial.TagBundle, Value: in.Resolved.Bundle},
			{Key: "perennial.trigger", Value: string(in.Trigger)},
			{Key: "perennial.reason", Value: in.Reason},
			{Key: "perennial.build", Value: a.Build},
		},
	})
	if err != nil {
		return "", perennial.Wrap(op, err)
	}
	p := bundle.Spec.Pipeline
	err = a.Tracker.LogBatch(ctx, run.ID, nil, []perennial.Tag{
		{Key: "task", Value: string(p.Task)},
		{Key: "target", Value: p.Data.Target},
		{Key: "select", Value: p.Select.Metric},
		{Key: "budget", Value: string(bundle.Budget)},
		{Key: "split", Value: string(p.Split.By)},
		{Key: "seed", Value: strconv.FormatInt(p.Tuning.Seed, 10)},
		{Key: "pipeline_revision", Value: bundle.Spec.Revision},
		{Key: "params_sha256", Value: bundle.paramsSHA256()},
		{Key: "schema_sha256", Value: bundle.schemaSHA256()},
	}, nil)
	return run.ID, perennial.Wrap(op, err)
}

// Progress is what a workflow tells of itself when it ends, kept for the time
// after Temporal has forgotten it.
type Progress struct {
	Pipeline  string                  `json:"pipeline"`
	RunID     string                  `json:"run_id"` // "" where it failed before there was one
	State     perennial.WorkflowState `json:"state"`
	Outcome   perennial.Outcome       `json:"outcome,omitempty"`
	Version   string                  `json:"version,omitempty"`
	Decision  string                  `json:"decision_id,omitempty"`
	InService bool                    `json:"in_service,omitempty"`
	StartedBy string                  `json:"started_by"`
	Reason    string                  `json:"reason"`
	StartedAt int64                   `json:"started_at"` // ms
	Status    json.RawMessage         `json:"status"`     // the answer of the status query
}

// RecordWorkflow writes the workflow's row in the ledger and, where it has
// ended, draws its run's pictures, writes its card and closes it. Safe to repeat: the row is written whole under the
// workflow's ids, and a closed run stays closed.
func (a *Activities) RecordWorkflow(ctx context.Context, p Progress) error {
	const op = "RecordWorkflow"
	info := activity.GetInfo(ctx)
	ended := int64(0)
	if p.State.Terminal() {
		ended = a.nowMillis()
	}
	if p.RunID != "" && p.State.Terminal() {
		if err := a.closeRun(ctx, p, ended); err != nil {
			return perennial.Wrap(op, err)
		}
	}
	if p.State.Terminal() {
		outcome := p.Outcome
		if p.State != perennial.WorkflowCompleted {
			outcome = "" // whatever the gates said
		}
		if err := a.Ledger.EndAttempt(ctx, info.WorkflowExecution.RunID, outcome, p.Version, ended); err != nil {
			return perennial.Wrap(op, err)
		}
	}
	return perennial.Wrap(op, a.Ledger.SaveWorkflow(ctx, ledger.Workflow{
		ID: info.WorkflowExecution.ID, RunID: info.WorkflowExecution.RunID, Type: info.WorkflowType.Name, Pipeline: p.Pipeline,
		State: p.State, StartedBy: p.StartedBy, Reason: p.Reason, StartedAt: p.StartedAt, EndedAt: ended, Status: p.Status,
	}))
}

func (a *Activities) closeRun(ctx context.Context, p Progress, ended int64) error {
	if err := a.logTotals(ctx, p.RunID, ended); err != nil {
		return err
	}
	if err := a.logCard(ctx, p, ended); err != nil {
		return err
	}
	tags := []perennial.Tag{
		{Key: perennial.TagOutcome, Value: string(p.Outcome)}, {Key: perennial.TagVersion, Value: p.Version}, {Key: perennial.TagDecision, Value: p.Decision},
	}
	tags = slices.DeleteFunc(tags, func(t perennial.Tag) bool { return t.Value == "" })
	if len(tags) > 0 {
		if err := a.Tracker.LogBatch(ctx, p.RunID, nil, nil, tags); err != nil {
			return err
		}
	}
	return a.Tracker.UpdateRun(ctx, p.RunID, p.State.RunStatus(), ended)
}
