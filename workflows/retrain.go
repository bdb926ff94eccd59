package workflows

import (
	"cmp"
	"encoding/json"
	"fmt"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/activities"
)

// Retrain trains a pipeline where there is a reason to, and hands on what comes
// out of it. Anyone may start it, with Temporal's own tools too, so it reads its
// input strictly by itself: Go's converter would ignore a key it doesn't know.
func Retrain(ctx workflow.Context, input json.RawMessage) (TrainResult, error) {
	in, fault := DecodeRetrain(input)
	r := &retrain{in: in, actor: memoText(ctx, "actor", "temporal"), progress: newProgress(in.Pipeline, "", perennial.RetrainStages())}
	r.progress.status.Actor = r.actor
	if err := workflow.SetQueryHandler(ctx, QueryStatus, r.progress.answer); err != nil {
		return TrainResult{}, err
	}
	if fault != nil {
		failure := perennial.FailureOf(fault)
		return TrainResult{}, r.finish(ctx, temporal.NewNonRetryableApplicationError(failure.Message, string(failure.Code), nil, *failure))
	}
	return r.result, r.finish(ctx, r.run(ctx))
}

// retrain is a running Retrain.
type retrain struct {
	in       RetrainInput
	actor    string
	progress *progress
	result   TrainResult
}

func (r *retrain) run(ctx workflow.Context) error {
	if err := r.introduce(ctx); err != nil {
		return err
	}
	if err := r.record(ctx, perennial.WorkflowRunning); err != nil {
		return err
	}
	if err := r.progress.stage(ctx, perennial.StageTrain, r.train); err != nil {
		return err
	}
	if r.result.Outcome != perennial.OutcomeTrained || r.result.InService {
		r.progress.skip(perennial.StageOffer)
		return nil
	}
	if workflow.GetVersion(ctx, changeOffer, workflow.DefaultVersion, 1) == workflow.DefaultVersion {
		return nil
	}
	return r.progress.stage(ctx, perennial.StageOffer, r.offer)
}

// changeOffer is the change by which Retrain offers what it trained.
const changeOffer = "retrain/2026-11-offer"

// introduce writes who and why where lists and the Web UI show it; what was
// started from outside comes without.
func (r *retrain) introduce(ctx workflow.Context) error {
	err := workflow.UpsertTypedSearchAttributes(ctx, AttrPipeline.ValueSet(r.in.Pipeline), AttrModel.ValueSet(r.in.Pipeline))
	if err != nil {
		return err
	}
	return workflow.UpsertMemo(ctx, map[string]any{
		"pipeline": r.in.Pipeline, "trigger": string(r.in.Trigger), "reason": r.in.Reason, "actor": r.actor,
		"key": cmp.Or(r.in.Key, workflow.GetInfo(ctx).WorkflowExecution.RunID),
	})
}

// train runs the pipeline's Train as a child. Its id is the lock: where one runs
// already, whoever started it, this one ends and names it.
func (r *retrain) train(ctx workflow.Context) (bool, error) {
	child := workflow.ExecuteChildWorkflow(workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID: TrainID(r.in.Pipeline), TaskQueue: sibling(ctx, KindDefault), WaitForCancellation: true,
		ParentClosePolicy:     enumspb.PARENT_CLOSE_POLICY_REQUEST_CANCEL,
		WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		TypedSearchAttributes: temporal.NewSearchAttributes(AttrPipeline.ValueSet(r.in.Pipeline), AttrModel.ValueSet(r.in.Pipeline)),
		Memo:                  map[string]any{"pipeline": r.in.Pipeline, "trigger": string(r.in.Trigger), "reason": r.in.Reason, "actor": r.actor},
		StaticSummary:         fmt.Sprintf("train %s (full): %s", r.in.Pipeline, r.in.Reason),
	}), Train, TrainInput{
		Pipeline: r.in.Pipeline, Budget: perennial.BudgetFull, Trigger: r.in.Trigger, Reason: r.in.Reason, Actor: r.actor,
		Force: r.in.Force, DryRun: r.in.DryRun,
	})
	var running workflow.Execution
	err := child.GetChildWorkflowExecution().Get(ctx, &running)
	if temporal.IsWorkflowExecutionAlreadyStartedError(err) {
		r.result = TrainResult{
			Outcome: perennial.OutcomeAlreadyRunning, WorkflowID: TrainID(r.in.Pipeline),
			Reason: fmt.Sprintf("%s is running already", TrainID(r.in.Pipeline)),
		}
		return false, nil
	}
	if err != nil {
		return false, err
	}
	r.progress.status.Train = running.RunID
	if err := child.Get(ctx, &r.result); err != nil {
		return false, err
	}
	r.result.WorkflowID, r.progress.status.RunID = running.ID, r.result.RunID
	return false, nil
}

// offer hands the version to its model's rollout. One that the rollout refuses,
// because it was rolled back before or an A/B test runs, stays registered: the
// training itself went well.
func (r *retrain) offer(ctx workflow.Context) (bool, error) {
	in := activities.Offer{Model: r.in.Pipeline, Version: r.result.Version, Decision: r.result.Decision, Reason: r.in.Reason, Actor: r.actor}
	var offered activities.Offered
	err := workflow.ExecuteActivity(offering(ctx, "version "+in.Version+" to "+RolloutID(in.Model)), act.OfferVersion, in).Get(ctx, &offered)
	if err != nil {
		failure := FailureOf(err)
		if failure.Code != perennial.CodePrecondition && failure.Code != perennial.CodeConflict {
			return false, err
		}
		r.result.Reason = fmt.Sprintf("version %s isn't rolled out: %s", in.Version, failure.Message)
		return false, nil
	}
	r.result.Outcome, r.result.Reason = offered.Outcome, offered.Reason
	return false, nil
}

// finish writes down how it ended and passes the error on.
func (r *retrain) finish(ctx workflow.Context, err error) error {
	return r.progress.end(ctx, err, succeeded(err, &r.result), r.record)
}

// record names no run: the tracked run is Train's to close.
func (r *retrain) record(ctx workflow.Context, state perennial.WorkflowState) error {
	return r.progress.keep(ctx, activities.Progress{
		Pipeline: r.in.Pipeline, State: state, Outcome: r.result.Outcome, StartedBy: r.actor, Reason: r.in.Reason,
	})
}

// memoText reads one text of the memo that the workflow was started with.
func memoText(ctx workflow.Context, key, otherwise string) string {
	payload, ok := workflow.GetInfo(ctx).Memo.GetFields()[key]
	if !ok {
		return otherwise
	}
	var s string
	if json.Unmarshal(payload.GetData(), &s) != nil || s == "" {
		return otherwise
	}
	return s
}
