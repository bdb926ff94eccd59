package activities

import (
	"context"
	"fmt"

	"go.temporal.io/sdk/activity"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/mlflow"
)

// RegisterInput names what becomes a version.
type RegisterInput struct {
	Bundle   string `json:"bundle"`
	Snapshot string `json:"snapshot"`
	RunID    string `json:"run_id"`
	Model    string `json:"model"` // key of the model file
	Decision string `json:"decision_id"`
}

// RegisterVersion gives the model file a version number in the registry, with
// the lineage that every prediction will lead back to. Safe to repeat: the
// run's id is the op under which the version is found again.
func (a *Activities) RegisterVersion(ctx context.Context, in RegisterInput) (version string, err error) {
	const op = "RegisterVersion"
	bundle, err := getJSON[Bundle](ctx, a.Blobs, in.Bundle)
	if err != nil {
		return "", perennial.Wrap(op, err)
	}
	snapshot, err := a.snapshot(ctx, in.Snapshot)
	if err != nil {
		return "", perennial.Wrap(op, err)
	}
	run, err := a.Tracker.GetRun(ctx, in.RunID)
	if err != nil {
		return "", perennial.Wrap(op, err)
	}
	name := bundle.Spec.Pipeline.Name
	if _, err := a.Tracker.EnsureModel(ctx, name); err != nil {
		return "", perennial.Wrap(op, err)
	}
	data := snapshot.Data
	data.Snapshot = hexOf(in.Snapshot)
	exec := activity.GetInfo(ctx).WorkflowExecution
	v, err := a.Tracker.CreateVersion(ctx, perennial.ModelVersion{
		Model: name, RunID: in.RunID, Source: run.ArtifactURI + "/" + mlflow.LoggedName,
		Tags: []perennial.Tag{{Key: perennial.TagDecision, Value: in.Decision}},
		Lineage: perennial.Lineage{
			RunID: in.RunID, WorkflowID: exec.ID, WorkflowRunID: exec.RunID,
			ModelSHA256: hexOf(in.Model), Algorithm: run.Tag(perennial.TagAlgorithm), Data: data, SchemaSHA256: bundle.schemaSHA256(),
			PipelineRevision: bundle.Spec.Revision, ParamsSHA256: bundle.paramsSHA256(), Seed: bundle.Spec.Pipeline.Tuning.Seed,
			ProjectCommit: run.Tag(perennial.TagCommit), ProjectDirty: run.Tag("perennial.project_dirty") == "true", Build: run.Tag("perennial.build"),
		},
	}, in.RunID)
	if err != nil {
		return "", perennial.Wrap(op, err)
	}
	return v.Version, nil
}

// ServeInput names a version that may go into service.
type ServeInput struct {
	Model    string `json:"model"`
	Version  string `json:"version"`
	Decision string `json:"decision_id"`
	Reason   string `json:"reason"`
	Actor    string `json:"actor"`
}

// SetTraffic puts a model's first version into service: none → serving. Where
// something is in service already it changes nothing and answers false; a
// later version takes over by a rollout. Safe to repeat: the write is a
// compare-and-swap and carries the workflow's run id as its op id.
func (a *Activities) SetTraffic(ctx context.Context, in ServeInput) (inService bool, err error) {
	const op = "SetTraffic"
	opID := activity.GetInfo(ctx).WorkflowExecution.RunID + ":serve"
	row, err := a.Traffic.Get(ctx, in.Model)
	if err != nil {
		return false, perennial.Wrap(op, err)
	}
	if row.Mode != perennial.ModeNone && row.OpID != opID {
		return false, nil
	}
	epoch := row.Epoch
	if row.OpID != opID {
		_, err = a.Traffic.Set(ctx, perennial.Traffic{
			Model: in.Model, Mode: perennial.ModeServing, Champion: in.Version, OpID: opID, DecisionID: in.Decision,
			Reason: in.Reason, Actor: in.Actor, ChangedAt: a.nowMillis(),
		}, epoch)
		if code := perennial.CodeOf(err); code == perennial.CodePrecondition || code == perennial.CodeConflict {
			return false, nil // someone else put a version into service in between
		}
		if err != nil {
			return false, perennial.Wrap(op, err)
		}
	}
	if err := a.project(ctx, in.Model); err != nil {
		return false, perennial.Wrap(op, err)
	}
	return true, nil
}

// format writes a parameter's value as people write it.
func format(v any) string { return fmt.Sprint(v) }
