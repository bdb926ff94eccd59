// Package offline runs the steps of a training one after the other in this
// process, for dvc repro: the same activities as workflow Train, in its order,
// without Temporal, and without registering anything. Who calls it brings the
// activities with stores of their own, which are thrown away afterwards.
//
// The base sides are dealt anew each time, from the data as it is: what comes out
// depends on the project's files alone. A server that has seen an earlier version
// of the data keeps the sides that it dealt then.
//
// Start reading at Train, beside workflows.Train.
package offline

import (
	"context"
	"time"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/activities"
)

// Result is what a training made.
type Result struct {
	activities.Outputs
	Decision perennial.Decision
}

// Progress tells how far a training is: trials that have run, and at most how
// many will.
type Progress func(stage string, done, total int)

// Train trains a pipeline with its full budget and gives what came out, whatever
// the gates say of it. Errors are those of the steps.
func Train(ctx context.Context, act *activities.Activities, pipeline string, tell Progress) (out Result, err error) {
	ctx = activities.Outside(ctx, "stage:train:"+pipeline)
	t := &train{act: act, tell: tell}
	for _, step := range []struct {
		name string
		run  func(context.Context) error
	}{
		{perennial.StageResolve, func(ctx context.Context) error { return t.resolve(ctx, pipeline) }},
		{perennial.StageValidate, t.validate},
		{perennial.StagePreprocess, t.split},
		{perennial.StageTune, t.tune},
		{perennial.StageFit, t.fit},
		{perennial.StageEvaluate, t.evaluate},
		{perennial.StageGate, t.gate},
	} {
		tell(step.name, 0, 0)
		if err := step.run(ctx); err != nil {
			return out, err
		}
	}
	return t.result(ctx)
}

// train is a running training: what each step found, for the next ones.
type train struct {
	act    *activities.Activities
	tell   Progress
	study  activities.StudyInput
	trial  int
	model  string // key of the model file
	report string // key of the evaluation
	gated  activities.Gated
}

func (t *train) resolve(ctx context.Context, pipeline string) error {
	resolved, err := t.act.ResolvePipeline(ctx, activities.ResolveInput{Pipeline: pipeline, Budget: perennial.BudgetFull})
	if err != nil {
		return err
	}
	t.study.Bundle = resolved.Bundle
	t.study.RunID, err = t.act.StartRun(ctx, activities.StartRunInput{Resolved: resolved, Trigger: perennial.TriggerManual, Reason: "dvc repro", Actor: "dvc"})
	return err
}

func (t *train) validate(ctx context.Context) error {
	_, err := t.act.ValidateDataset(ctx, activities.ValidateInput{Bundle: t.study.Bundle, RunID: t.study.RunID})
	return err
}

func (t *train) split(ctx context.Context) error {
	snapshot, err := t.act.SplitDataset(ctx, activities.SplitInput{Bundle: t.study.Bundle, RunID: t.study.RunID})
	t.study.Snapshot = snapshot.Key
	return err
}

// tune runs round after round, as workflow Tune does: no new one once the rounds
// took as long as they may.
func (t *train) tune(ctx context.Context) error {
	plan, err := t.act.PlanStudy(ctx, t.study)
	if err != nil {
		return err
	}
	began, done, n := time.Now(), 0, 0
	for ; plan.MaxMillis == 0 || time.Since(began).Milliseconds() < plan.MaxMillis; n++ {
		round, err := t.act.ProposeTrials(ctx, activities.ProposeInput{StudyInput: t.study, Round: n})
		if err != nil {
			return err
		}
		if len(round.Trials) == 0 {
			break
		}
		for _, trial := range round.Trials {
			if _, err := t.act.RunTrials(ctx, activities.TrialsInput{StudyInput: t.study, Trials: []int{trial}, Folds: round.Folds}); err != nil {
				return err
			}
			done = min(done+1, plan.Trials)
			t.tell(perennial.StageTune, done, plan.Trials)
		}
	}
	selected, err := t.act.SelectTrial(ctx, activities.SelectInput{StudyInput: t.study, Rounds: n})
	t.trial = selected.Trial
	return err
}

func (t *train) fit(ctx context.Context) (err error) {
	t.model, err = t.act.FitModel(ctx, activities.FitInput{StudyInput: t.study, Trial: t.trial})
	return err
}

func (t *train) evaluate(ctx context.Context) (err error) {
	t.report, err = t.act.ScoreModel(ctx, activities.ScoreInput{StudyInput: t.study, Model: t.model})
	return err
}

func (t *train) gate(ctx context.Context) (err error) {
	t.gated, err = t.act.JudgeGates(ctx, activities.GateInput{Bundle: t.study.Bundle, RunID: t.study.RunID, Report: t.report})
	return err
}

// result reads the files of the run.
func (t *train) result(ctx context.Context) (out Result, err error) {
	if out.Decision, err = t.act.Ledger.Decision(ctx, t.gated.Decision); err != nil {
		return out, err
	}
	out.Outputs, err = activities.ReadOutputs(ctx, t.act.Blobs, t.model, t.report)
	return out, err
}
