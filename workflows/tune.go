package workflows

import (
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/perennial-ml/perennial/activities"
)

// round is how many trials are proposed together. Results are read in trial
// order after each round, so the number of workers changes nothing but time.
const round = 8

// TuneInput names the search and its size.
type TuneInput struct {
	Pipeline string                `json:"pipeline"`
	Study    activities.StudyInput `json:"study"`
	Plan     activities.Study      `json:"plan"`
}

// Tune searches a pipeline's candidates: rounds of trials, fanned out over the
// workers, then the best one. It is a child of Train.
func Tune(ctx workflow.Context, in TuneInput) (activities.Selected, error) {
	var selected activities.Selected
	progress := newProgress(in.Pipeline, "", nil)
	progress.status.RunID, progress.status.Stage, progress.status.Total = in.Study.RunID, "tune", in.Plan.Trials
	if err := workflow.SetQueryHandler(ctx, QueryStatus, progress.answer); err != nil {
		return selected, err
	}
	spent := int64(0)
	for from := 0; from < in.Plan.Trials && (in.Plan.MaxMillis == 0 || spent < in.Plan.MaxMillis); from += round {
		to := min(from+round, in.Plan.Trials)
		millis, err := runRound(ctx, in.Study, from, to, in.Plan.Parallel)
		if err != nil {
			return selected, err
		}
		spent += millis
		progress.status.Done = to
	}
	err := workflow.ExecuteActivity(quick(ctx, "pick the best trial"), act.SelectTrial, in.Study).Get(ctx, &selected)
	return selected, err
}

// runRound runs trials from (inclusive) to (exclusive) in as many activities as
// may run at once, and gives the milliseconds of fitting.
func runRound(ctx workflow.Context, study activities.StudyInput, from, to, parallel int) (int64, error) {
	batch := (to - from + parallel - 1) / parallel
	var running []workflow.Future
	for ; from < to; from += batch {
		in := activities.TrialsInput{StudyInput: study, From: from, To: min(from+batch, to)}
		running = append(running, workflow.ExecuteActivity(fit(ctx, "cross-validate trials"), act.RunTrials, in))
	}
	spent := int64(0)
	var first error
	for _, f := range running { // every future is read, so that no activity outlives the round
		var done activities.TrialsDone
		if err := f.Get(ctx, &done); err != nil && first == nil {
			first = err
		}
		spent += done.Millis
	}
	return spent, first
}

// tune counts the trials and runs the search as a child workflow.
func (t *train) tune(ctx workflow.Context) (bool, error) {
	var plan activities.Study
	if err := workflow.ExecuteActivity(quick(ctx, "count the trials"), act.PlanStudy, t.study).Get(ctx, &plan); err != nil {
		return false, err
	}
	t.progress.status.Total = plan.Trials
	child := workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID: TuneID(t.in.Pipeline, t.study.RunID), TaskQueue: sibling(ctx, KindDefault), WaitForCancellation: true,
		ParentClosePolicy:     enumspb.PARENT_CLOSE_POLICY_REQUEST_CANCEL,
		TypedSearchAttributes: temporal.NewSearchAttributes(AttrPipeline.ValueSet(t.in.Pipeline)),
		StaticSummary:         "search the candidates of " + t.in.Pipeline,
	})
	var selected activities.Selected
	in := TuneInput{Pipeline: t.in.Pipeline, Study: t.study, Plan: plan}
	if err := workflow.ExecuteChildWorkflow(child, Tune, in).Get(ctx, &selected); err != nil {
		return false, err
	}
	t.trial, t.progress.status.Done = selected.Trial, selected.Completed
	return false, nil
}
