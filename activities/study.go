package activities

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/ledger"
	"github.com/perennial-ml/perennial/models"
	"github.com/perennial-ml/perennial/models/evaluate"
	"github.com/perennial-ml/perennial/models/tune"
)

// bootstrapMillis bounds the fitting of one pipeline in the bootstrap budget.
const bootstrapMillis = 10_000

// StudyInput names what is searched. The study's id is the run's.
type StudyInput struct {
	Bundle   string `json:"bundle"`
	Snapshot string `json:"snapshot"`
	RunID    string `json:"run_id"`
}

// Study is the size of a search, for the workflow to fan out.
type Study struct {
	Trials    int   `json:"trials"`
	Parallel  int   `json:"parallel"`   // trials at once; changes nothing but time
	MaxMillis int64 `json:"max_millis"` // no new round after so much time in rounds; 0: no bound
}

// search gives the bundle's search and the metric that selects.
func (b *Bundle) search() (*tune.Search, evaluate.Metric, error) {
	p := b.Spec.Pipeline
	metric, ok := evaluate.Lookup(p.Select.Metric)
	if !ok {
		return nil, metric, perennial.Errorf(perennial.CodeInvalid, "select", "select.metric %q is unknown", p.Select.Metric)
	}
	how := tune.WithRepeats()
	if b.Distinct {
		how = tune.WithDefaults(searchedDefaults(p.Candidates))
	}
	s, err := tune.New(p.Tuning, p.Candidates, b.Budget, metric.HigherIsBetter, how)
	return s, metric, err
}

// searchedDefaults gives, for each candidate, the defaults of the parameters that
// are searched, as JSON has them.
func searchedDefaults(candidates []perennial.Candidate) []map[string]any {
	algorithms := map[string]models.Algorithm{}
	for _, algorithm := range models.Algorithms() {
		algorithms[algorithm.Name] = algorithm
	}
	out := make([]map[string]any, len(candidates))
	for i, c := range candidates {
		out[i] = map[string]any{}
		for _, s := range c.Search {
			for _, p := range algorithms[c.Algorithm].Params {
				if p.Name != s.Name {
					continue
				}
				out[i][s.Name] = p.Default
				if whole, ok := p.Default.(int); ok {
					out[i][s.Name] = float64(whole)
				}
			}
		}
	}
	return out
}

// PlanStudy counts the trials of the pipeline's search. Safe to repeat: it is a
// pure function of the bundle.
func (a *Activities) PlanStudy(ctx context.Context, in StudyInput) (Study, error) {
	const op = "PlanStudy"
	bundle, err := getJSON[Bundle](ctx, a.Blobs, in.Bundle)
	if err != nil {
		return Study{}, perennial.Wrap(op, err)
	}
	search, _, err := bundle.search()
	if err != nil {
		return Study{}, perennial.Wrap(op, err)
	}
	tuning := bundle.Spec.Pipeline.Tuning
	out := Study{Trials: search.Trials(), Parallel: max(1, tuning.Parallel), MaxMillis: time.Duration(tuning.MaxTime).Milliseconds()}
	if bundle.Budget == perennial.BudgetBootstrap {
		out.MaxMillis = bootstrapMillis
	}
	return out, nil
}

// ProposeInput asks for a round of a study, from 0.
type ProposeInput struct {
	StudyInput
	Round int `json:"round"`
}

// Proposed is a round: trials that run together. No trials: the study is over.
type Proposed struct {
	Trials []int `json:"trials,omitempty"`
	Folds  int   `json:"folds,omitempty"` // to score them on
}

// ProposeTrials stores the trials of a round, which depend on the results of the
// rounds before. Safe to repeat: equal results give equal proposals, and what was
// proposed first stays.
func (a *Activities) ProposeTrials(ctx context.Context, in ProposeInput) (Proposed, error) {
	const op = "ProposeTrials"
	bundle, err := getJSON[Bundle](ctx, a.Blobs, in.Bundle)
	if err != nil {
		return Proposed{}, perennial.Wrap(op, err)
	}
	out, err := a.propose(ctx, &bundle, in.RunID, in.Round)
	return out, perennial.Wrap(op, err)
}

func (a *Activities) propose(ctx context.Context, bundle *Bundle, study string, n int) (Proposed, error) {
	search, _, err := bundle.search()
	if err != nil {
		return Proposed{}, err
	}
	list, err := a.Ledger.Trials(ctx, study)
	if err != nil {
		return Proposed{}, err
	}
	results, err := resultsOf(bundle.Spec.Pipeline.Candidates, list)
	if err != nil {
		return Proposed{}, err
	}
	round, _ := search.Round(n, results)
	out := Proposed{Folds: round.Folds}
	rows := make([]ledger.Trial, len(round.Trials))
	for i, t := range round.Trials {
		params, err := json.Marshal(t.Params)
		if err != nil {
			return Proposed{}, err
		}
		out.Trials = append(out.Trials, t.Index)
		rows[i] = ledger.Trial{
			StudyID: study, Index: t.Index, Candidate: t.Candidate, Algorithm: bundle.Spec.Pipeline.Candidates[t.Candidate].Algorithm, Params: params,
		}
	}
	return out, a.Ledger.ProposeTrials(ctx, rows)
}

// proposeRange stores the trials of a study that was planned as a whole, for a
// workflow from before there were rounds, and gives their numbers.
func (a *Activities) proposeRange(ctx context.Context, m *material, in TrialsInput) ([]int, error) {
	var out []int
	for n := in.From / tune.RoundSize; n*tune.RoundSize < in.To; n++ {
		round, err := a.propose(ctx, &m.bundle, in.RunID, n)
		if err != nil {
			return nil, err
		}
		for _, index := range round.Trials {
			if index >= in.From && index < in.To {
				out = append(out, index)
			}
		}
	}
	if len(out) != in.To-in.From {
		return nil, perennial.Errorf(perennial.CodeInternal, "", "trials %d to %d don't exist", in.From+1, in.To)
	}
	return out, nil
}

// proposed is a stored trial as it was proposed.
func proposed(t ledger.Trial) (tune.Trial, error) {
	out := tune.Trial{Index: t.Index, Candidate: t.Candidate}
	return out, json.Unmarshal(t.Params, &out.Params)
}

// trial reads one trial of a study.
func (a *Activities) trial(ctx context.Context, study string, index int) (tune.Trial, error) {
	stored, err := a.storedTrials(ctx, study)
	if err != nil {
		return tune.Trial{}, err
	}
	t, ok := stored[index]
	if !ok {
		return tune.Trial{}, perennial.Errorf(perennial.CodeNotFound, "", "the study %s has no trial %d", study, index+1)
	}
	return proposed(t)
}

// resultsOf turns stored trials into what a search reads. A parameter that is
// searched and that a trial leaves to its default has that value.
func resultsOf(candidates []perennial.Candidate, list []ledger.Trial) ([]tune.Result, error) {
	defaults := searchedDefaults(candidates)
	out := make([]tune.Result, 0, len(list))
	for _, t := range list {
		trial, err := proposed(t)
		if err != nil {
			return nil, err
		}
		for _, p := range candidates[t.Candidate].Search {
			if _, given := trial.Params[p.Name]; !given {
				trial.Params[p.Name] = defaults[t.Candidate][p.Name]
			}
		}
		out = append(out, tune.Result{
			Trial: trial, Scores: t.Scores, Failed: t.State == ledger.TrialFailed, Complete: t.State == ledger.TrialCompleted,
		})
	}
	return out, nil
}

// SelectInput names a study that has run.
type SelectInput struct {
	StudyInput
	Rounds int `json:"rounds,omitempty"` // that have run; 0: the study was planned as a whole
}

// Selected is the best trial of a study.
type Selected struct {
	Trial     int    `json:"trial"`
	Algorithm string `json:"algorithm"`
	Completed int    `json:"completed"`           // trials with a score
	Truncated bool   `json:"truncated,omitempty"` // the study was cut by its time limit
}

// SelectTrial picks the trial with the best mean score over the folds, ties to
// the lowest index, marks those that were left on some of the folds as stopped,
// and writes one child run for each candidate that was tried: with its best
// trial, or with the reason why it has no score. Safe to repeat: child runs are
// found again by their op, and a trial that is stopped stays so.
func (a *Activities) SelectTrial(ctx context.Context, in SelectInput) (Selected, error) {
	const op = "SelectTrial"
	bundle, err := getJSON[Bundle](ctx, a.Blobs, in.Bundle)
	if err != nil {
		return Selected{}, perennial.Wrap(op, err)
	}
	list, err := a.Ledger.Trials(ctx, in.RunID)
	if err != nil {
		return Selected{}, perennial.Wrap(op, err)
	}
	search, metric, err := bundle.search()
	if err != nil {
		return Selected{}, perennial.Wrap(op, err)
	}
	if err := a.stopTrials(ctx, list); err != nil {
		return Selected{}, perennial.Wrap(op, err)
	}
	best, ok := bestOf(Comparable(list, -1), metric.HigherIsBetter)
	if !ok {
		best.Index = -1
	}
	if err := a.logCandidates(ctx, in.RunID, &bundle, list, best.Index); err != nil {
		return Selected{}, perennial.Wrap(op, err)
	}
	if !ok {
		return Selected{}, perennial.Errorf(perennial.CodeInvalid, op, "none of the %d trials could be fitted%s", len(list), firstFailure(list))
	}
	out := Selected{Trial: best.Index, Algorithm: best.Algorithm, Truncated: len(list) < search.Trials()}
	if in.Rounds > 0 {
		results, err := resultsOf(bundle.Spec.Pipeline.Candidates, list)
		if err != nil {
			return Selected{}, perennial.Wrap(op, err)
		}
		_, out.Truncated = search.Round(in.Rounds, results)
	}
	for _, t := range list {
		if t.State.Scored() {
			out.Completed++
		}
	}
	if out.Truncated {
		if err := a.logTruncated(ctx, in.RunID, len(list), search.Trials()); err != nil {
			return Selected{}, perennial.Wrap(op, err)
		}
	}
	return out, nil
}

// stopTrials marks the trials that were left on some of the folds, in the ledger
// and in the list.
func (a *Activities) stopTrials(ctx context.Context, list []ledger.Trial) error {
	for i := range list {
		if list[i].State != ledger.TrialPartial {
			continue
		}
		list[i].State = ledger.TrialStopped
		if err := a.Ledger.SaveTrial(ctx, list[i]); err != nil {
			return err
		}
	}
	return nil
}

// logTruncated marks the run of a study that its time limit cut short: trained
// again, it may find another model.
func (a *Activities) logTruncated(ctx context.Context, runID string, ran, planned int) error {
	value := fmt.Sprintf("%d of %d trials", ran, planned)
	if ran == planned {
		value += ", before the best of them went on to all folds"
	}
	return a.Tracker.LogBatch(ctx, runID, nil, nil, []perennial.Tag{{Key: perennial.TagTruncated, Value: value}})
}

// Comparable gives the trials of a candidate (-1: of all) whose scores can be
// compared: those scored on the most folds. What failed is none of them.
func Comparable(list []ledger.Trial, candidate int) []ledger.Trial {
	var out []ledger.Trial
	most := 1
	for _, t := range list {
		if !t.State.Scored() || candidate >= 0 && t.Candidate != candidate || len(t.Scores) < most {
			continue
		}
		if len(t.Scores) > most {
			most, out = len(t.Scores), nil
		}
		out = append(out, t)
	}
	return out
}

// bestOf gives the best of comparable trials, ties to the lowest index.
func bestOf(list []ledger.Trial, higherIsBetter bool) (ledger.Trial, bool) {
	trials, scores := make([]tune.Trial, len(list)), make([]float64, len(list))
	for i, t := range list {
		trials[i], scores[i] = tune.Trial{Index: t.Index}, t.Score
	}
	best, ok := tune.Best(trials, scores, higherIsBetter)
	if !ok {
		return ledger.Trial{}, false
	}
	return list[slices.IndexFunc(list, func(t ledger.Trial) bool { return t.Index == best.Index })], true
}

func firstFailure(list []ledger.Trial) string {
	for _, t := range list {
		if t.Error != "" {
			return fmt.Sprintf("; trial %d (%s): %s", t.Index+1, t.Algorithm, t.Error)
		}
	}
	return ""
}
