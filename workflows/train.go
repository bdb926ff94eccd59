package workflows

import (
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/activities"
)

// The search attributes by which workflows are found.
var (
	AttrPipeline = temporal.NewSearchAttributeKeyKeyword("PerennialPipeline")
	AttrModel    = temporal.NewSearchAttributeKeyKeyword("PerennialModel")
	AttrVersion  = temporal.NewSearchAttributeKeyKeyword("PerennialVersion")
	AttrDataHash = temporal.NewSearchAttributeKeyKeyword("PerennialDataHash")
	AttrPhase    = temporal.NewSearchAttributeKeyKeyword("PerennialPhase")
	AttrDecision = temporal.NewSearchAttributeKeyKeyword("PerennialDecision")
)

// act names the activities for workflow.ExecuteActivity; its fields are never
// used here.
var act *activities.Activities

// Train turns a pipeline and the present content of its data into a registered
// version: resolve, validate, preprocess, tune, fit, evaluate, gate, register,
// and into service where nothing is.
func Train(ctx workflow.Context, in TrainInput) (TrainResult, error) {
	t := &train{in: in, progress: newProgress(in.Pipeline, in.Actor, perennial.TrainStages())}
	if err := workflow.SetQueryHandler(ctx, QueryStatus, t.progress.answer); err != nil {
		return TrainResult{}, err
	}
	err := t.run(ctx)
	return t.result, t.finish(ctx, err)
}

// train is a running training: what each stage found, for the next ones.
type train struct {
	in       TrainInput
	progress *progress
	resolved activities.Resolved
	study    activities.StudyInput
	trial    int    // the selected one
	model    string // key of the model file
	report   string // key of the evaluation
	result   TrainResult
}

func (t *train) run(ctx workflow.Context) error {
	for _, stage := range []struct {
		name string
		run  func(workflow.Context) (reused bool, err error)
	}{
		{perennial.StageResolve, t.resolve},
		{perennial.StageValidate, t.validate},
		{perennial.StagePreprocess, t.split},
		{perennial.StageTune, t.tune},
		{perennial.StageFit, t.fit},
		{perennial.StageEvaluate, t.evaluate},
		{perennial.StageGate, t.gate},
		{perennial.StageRegister, t.register},
		{perennial.StageServe, t.serve},
	} {
		if t.result.Outcome == perennial.OutcomeRejectedByGates || t.result.Outcome.Ended() {
			t.progress.skip(stage.name)
			continue
		}
		if err := t.progress.stage(ctx, stage.name, stage.run); err != nil {
			return err
		}
	}
	return nil
}

func (t *train) resolve(ctx workflow.Context) (bool, error) {
	attributes := []temporal.SearchAttributeUpdate{AttrPipeline.ValueSet(t.in.Pipeline), AttrModel.ValueSet(t.in.Pipeline)}
	in := activities.ResolveInput{Pipeline: t.in.Pipeline, Budget: t.in.Budget}
	if err := workflow.ExecuteActivity(io(ctx, "pipeline, schema and data into one bundle"), act.ResolvePipeline, in).Get(ctx, &t.resolved); err != nil {
		return false, err
	}
	attributes = append(attributes, AttrDataHash.ValueSet(t.resolved.DataMD5))
	if err := workflow.UpsertTypedSearchAttributes(ctx, attributes...); err != nil {
		return false, err
	}
	t.study.Bundle = t.resolved.Bundle
	if err := t.claim(ctx); err != nil || t.result.Outcome != "" {
		return false, err
	}
	start := activities.StartRunInput{Resolved: t.resolved, Trigger: t.in.Trigger, Reason: t.in.Reason, Actor: t.in.Actor}
	if err := workflow.ExecuteActivity(quick(ctx, "open the run"), act.StartRun, start).Get(ctx, &t.study.RunID); err != nil {
		return false, err
	}
	t.result.RunID, t.progress.status.RunID = t.study.RunID, t.study.RunID
	return false, t.record(ctx, perennial.WorkflowRunning)
}

// claim asks whether there is a reason to train and no brake holds, and writes
// the attempt down. Trainings from before there were brakes go on without.
func (t *train) claim(ctx workflow.Context) error {
	if workflow.GetVersion(ctx, "train/2026-11-claim", workflow.DefaultVersion, 1) == workflow.DefaultVersion {
		return nil
	}
	in := activities.ClaimInput{Bundle: t.resolved.Bundle, Trigger: t.in.Trigger, Force: t.in.Force, DryRun: t.in.DryRun}
	var claimed activities.Claimed
	if err := workflow.ExecuteActivity(io(ctx, "may it begin?"), act.ClaimAttempt, in).Get(ctx, &claimed); err != nil {
		return err
	}
	if t.result.Outcome = claimed.Outcome; claimed.Outcome != "" {
		t.result.Reason, t.result.Version = claimed.Reason, claimed.Version
	}
	return nil
}

func (t *train) validate(ctx workflow.Context) (bool, error) {
	in := activities.ValidateInput{Bundle: t.study.Bundle, RunID: t.study.RunID}
	return false, workflow.ExecuteActivity(io(ctx, "every row against the schema"), act.ValidateDataset, in).Get(ctx, nil)
}

func (t *train) split(ctx workflow.Context) (bool, error) {
	in := activities.SplitInput{Bundle: t.study.Bundle, RunID: t.study.RunID}
	var snapshot activities.Snapshot
	if err := workflow.ExecuteActivity(io(ctx, "row keys and sides"), act.SplitDataset, in).Get(ctx, &snapshot); err != nil {
		return false, err
	}
	t.study.Snapshot = snapshot.Key
	return snapshot.Reused, nil
}

func (t *train) fit(ctx workflow.Context) (bool, error) {
	in := activities.FitInput{StudyInput: t.study, Trial: t.trial}
	return false, workflow.ExecuteActivity(fit(ctx, "the best trial on the whole training side"), act.FitModel, in).Get(ctx, &t.model)
}

func (t *train) evaluate(ctx workflow.Context) (bool, error) {
	in := activities.ScoreInput{StudyInput: t.study, Model: t.model}
	return false, workflow.ExecuteActivity(fit(ctx, "the holdout, scored once"), act.ScoreModel, in).Get(ctx, &t.report)
}

func (t *train) gate(ctx workflow.Context) (bool, error) {
	in := activities.GateInput{Bundle: t.study.Bundle, RunID: t.study.RunID, Report: t.report}
	var gated activities.Gated
	if err := workflow.ExecuteActivity(quick(ctx, "good enough?"), act.JudgeGates, in).Get(ctx, &gated); err != nil {
		return false, err
	}
	t.result.Decision, t.result.Outcome = gated.Decision, perennial.OutcomeTrained
	if !gated.Passed {
		t.result.Outcome = perennial.OutcomeRejectedByGates
	}
	return false, workflow.UpsertTypedSearchAttributes(ctx, AttrDecision.ValueSet(gated.Decision))
}

func (t *train) register(ctx workflow.Context) (bool, error) {
	in := activities.RegisterInput{Bundle: t.study.Bundle, Snapshot: t.study.Snapshot, RunID: t.study.RunID, Model: t.model, Decision: t.result.Decision}
	if err := workflow.ExecuteActivity(quick(ctx, "a version in the registry"), act.RegisterVersion, in).Get(ctx, &t.result.Version); err != nil {
		return false, err
	}
	return false, workflow.UpsertTypedSearchAttributes(ctx, AttrVersion.ValueSet(t.result.Version))
}

func (t *train) serve(ctx workflow.Context) (bool, error) {
	in := activities.ServeInput{
		Model: t.in.Pipeline, Version: t.result.Version, Decision: t.result.Decision, Actor: t.in.Actor,
		Reason: "first version, after its gates",
	}
	return false, workflow.ExecuteActivity(quick(ctx, "into service where nothing is"), act.SetTraffic, in).Get(ctx, &t.result.InService)
}

// finish writes down how the training ended and passes the error on.
func (t *train) finish(ctx workflow.Context, err error) error {
	return t.progress.end(ctx, err, succeeded(err, &t.result), t.record)
}

func (t *train) record(ctx workflow.Context, state perennial.WorkflowState) error {
	return t.progress.keep(ctx, activities.Progress{
		Pipeline: t.in.Pipeline, RunID: t.result.RunID, State: state, Outcome: t.result.Outcome, Version: t.result.Version,
		Decision: t.result.Decision, InService: t.result.InService, StartedBy: t.in.Actor, Reason: t.in.Reason,
	})
}
