package workflows

import (
	"cmp"
	"slices"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/perennial-ml/perennial/activities"
)

// TuneInput names the search and its size, and how far it is where the workflow
// goes on from its own earlier run.
type TuneInput struct {
	Pipeline  string                `json:"pipeline"`
	Study     activities.StudyInput `json:"study"`
	Plan      activities.Study      `json:"plan"`
	Round     int                   `json:"round,omitempty"`        // the next
	Done      int                   `json:"done,omitempty"`         // trials
	Spent     int64                 `json:"spent_millis,omitempty"` // in rounds
	Mean      int64                 `json:"mean_millis,omitempty"`  // of a trial in the last round
	MaxEvents int                   `json:"max_events,omitempty"`   // history length for continue-as-new; 0: the usual
}

// changeProposals is the change by which rounds are proposed from the results
// before them; before it the whole study was planned at once.
const changeProposals = "tune/2026-11-proposals"

// tuneEvents is how long a history of Tune gets before it goes on in a new run:
// a round takes at most 50 or so.
const tuneEvents = 1000

// Tune searches a pipeline's candidates: rounds of trials, each proposed from the
// results before it and fanned out over the workers, then the best one. It is a
// child of Train. No round begins once the rounds took as long as they may; one
// that has begun is finished, because the next depends on all of it.
func Tune(ctx workflow.Context, in TuneInput) (activities.Selected, error) {
	var selected activities.Selected
	progress := newProgress(in.Pipeline, "", nil)
	progress.status.RunID, progress.status.Stage, progress.status.Total = in.Study.RunID, "tune", in.Plan.Trials
	if err := workflow.SetQueryHandler(ctx, QueryStatus, progress.answer); err != nil {
		return selected, err
	}
	if workflow.GetVersion(ctx, changeProposals, workflow.DefaultVersion, 1) == workflow.DefaultVersion {
		if err := tunePlanned(ctx, in, progress); err != nil {
			return selected, err
		}
		return selectTrial(ctx, in.Study, 0)
	}
	for ; in.Plan.MaxMillis == 0 || in.Spent < in.Plan.MaxMillis; in.Round++ {
		progress.status.Done = in.Done
		if workflow.GetInfo(ctx).GetCurrentHistoryLength() > cmp.Or(in.MaxEvents, tuneEvents) {
			return selected, workflow.NewContinueAsNewError(ctx, Tune, in)
		}
		var round activities.Proposed
		ask := activities.ProposeInput{StudyInput: in.Study, Round: in.Round}
		if err := workflow.ExecuteActivity(quick(ctx, "propose a round of trials"), act.ProposeTrials, ask).Get(ctx, &round); err != nil {
			return selected, err
		}
		if len(round.Trials) == 0 {
			break
		}
		if err := in.run(ctx, round); err != nil {
			return selected, err
		}
	}
	return selectTrial(ctx, in.Study, in.Round)
}

func selectTrial(ctx workflow.Context, study activities.StudyInput, rounds int) (selected activities.Selected, err error) {
	in := activities.SelectInput{StudyInput: study, Rounds: rounds}
	err = workflow.ExecuteActivity(quick(ctx, "pick the best trial"), act.SelectTrial, in).Get(ctx, &selected)
	return selected, err
}

// run runs a round in as many activities as may run at once, fewer where the
// trials of the last round were so short that one alone isn't worth an activity.
func (in *TuneInput) run(ctx workflow.Context, round activities.Proposed) error {
	batch := (len(round.Trials) + in.Plan.Parallel - 1) / in.Plan.Parallel
	if in.Round > 0 {
		batch = max(batch, int(min(worthwhile/max(in.Mean, 1), int64(len(round.Trials)))))
	}
	var running []workflow.Future
	for trials := range slices.Chunk(round.Trials, batch) {
		ask := activities.TrialsInput{StudyInput: in.Study, Trials: trials, Folds: round.Folds}
		running = append(running, workflow.ExecuteActivity(fit(ctx, "cross-validate trials"), act.RunTrials, ask))
	}
	var all []activities.TrialsDone
	var first error
	in.Mean = 0
	for _, f := range running { // every future is read, so that no activity outlives the round
		var done activities.TrialsDone
		if err := f.Get(ctx, &done); err != nil && first == nil {
			first = err
		}
		all = append(all, done)
		in.Mean += done.Millis / int64(len(round.Trials))
	}
	in.Spent += covered(all)
	in.Done = min(in.Done+len(round.Trials), in.Plan.Trials)
	return first
}

// worthwhile is how many milliseconds of work an activity should hold.
const worthwhile = 1000

// covered is for how many milliseconds at least one of some activities ran: the
// time that they took together, but for the time in which no worker was there.
func covered(all []activities.TrialsDone) int64 {
	slices.SortStableFunc(all, func(a, b activities.TrialsDone) int { return cmp.Compare(a.Began, b.Began) })
	var sum, until int64
	for _, d := range all {
		if d.Ended > until {
			sum += d.Ended - max(d.Began, until)
			until = d.Ended
		}
	}
	return sum
}

// roundSize is how many trials of a planned study ran together.
const roundSize = 8

// tunePlanned runs a study that was planned as a whole, as all were once.
func tunePlanned(ctx workflow.Context, in TuneInput, progress *progress) error {
	spent := int64(0)
	for from := 0; from < in.Plan.Trials && (in.Plan.MaxMillis == 0 || spent < in.Plan.MaxMillis); from += roundSize {
		to := min(from+roundSize, in.Plan.Trials)
		millis, err := runPlanned(ctx, in.Study, from, to, in.Plan.Parallel)
		if err != nil {
			return err
		}
		spent += millis
		progress.status.Done = to
	}
	return nil
}

// runPlanned runs trials from (inclusive) to (exclusive) in as many activities as
// may run at once, and gives the milliseconds of fitting.
func runPlanned(ctx workflow.Context, study activities.StudyInput, from, to, parallel int) (int64, error) {
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
