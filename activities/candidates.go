package activities

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/ledger"
	"github.com/perennial-ml/perennial/models/evaluate"
)

// logCandidates marks one run for each candidate that was tried: its best trial's or,
// where none has a score, its first one's, with the reason; best is the number of the
// trial that was selected, -1 for none.
func (a *Activities) logCandidates(ctx context.Context, runID string, bundle *Bundle, list []ledger.Trial, best int) error {
	search, metric, err := bundle.search()
	if err != nil {
		return err
	}
	parent, err := a.Tracker.GetRun(ctx, runID)
	if err != nil {
		return err
	}
	p := &bundle.Spec.Pipeline
	for c := range p.Candidates {
		failure := ""
		trial, ok := bestOf(Comparable(list, c), metric.HigherIsBetter)
		if !ok {
			if trial, failure, ok = failed(list, c); !ok {
				continue // the study was cut before it came to this one
			}
		}
		tags := []perennial.Tag{
			{Key: perennial.TagKind, Value: perennial.KindCandidate}, {Key: "perennial.selected", Value: strconv.FormatBool(trial.Index == best)},
			{Key: perennial.TagFailure, Value: failure},
		}
		if failure == "" && trial.State != ledger.TrialCompleted {
			tags = append(tags, perennial.Tag{Key: perennial.TagStopped, Value: fmt.Sprintf("%d of %d folds", len(trial.Scores), search.Folds())})
		}
		if err := a.logTrial(ctx, p, &trial, trialRun{parent: &parent, began: a.nowMillis(), tags: tags}); err != nil {
			return err
		}
	}
	return nil
}

// failed gives a candidate's first trial and why none of its trials has a score;
// ok is false where it was never tried.
func failed(list []ledger.Trial, candidate int) (first ledger.Trial, why string, ok bool) {
	for _, t := range list {
		if t.Candidate != candidate || t.State == ledger.TrialProposed {
			continue
		}
		if !ok {
			first, ok = t, true
		}
		if why == "" {
			why = t.Error
		}
	}
	return first, cmp.Or(why, "its score is no finite number"), ok
}

// candidates compares the best trial of every candidate, best first; those that
// were stopped follow, and those without a score.
func (a *Activities) candidates(ctx context.Context, runID string, m *material) (out evaluate.Candidates, ok bool, err error) {
	p := m.bundle.Spec.Pipeline
	metric, known := evaluate.Lookup(p.Select.Metric)
	list, err := a.Ledger.Trials(ctx, runID)
	if err != nil || !known {
		return out, false, err
	}
	run, err := a.Tracker.GetRun(ctx, runID)
	if err != nil {
		return out, false, err
	}
	selected, fitted := selectedTrial(&run)
	out = evaluate.Candidates{Metric: metric.Name, HigherIsBetter: metric.HigherIsBetter}
	var without []evaluate.Candidate
	for c := range p.Candidates {
		best, ok := bestOf(Comparable(list, c), metric.HigherIsBetter)
		if !ok || !finite(best.Score) {
			first, why, tried := failed(list, c)
			if !tried {
				continue
			}
			row, err := candidate(list, c, first)
			if err != nil {
				return out, false, err
			}
			row.Mean, row.Std, row.Scores, row.Failure = 0, 0, nil, why
			without = append(without, row)
			continue
		}
		row, err := candidate(list, c, best)
		if err != nil {
			return out, false, err
		}
		row.Stopped = best.State != ledger.TrialCompleted
		row.Selected = fitted && best.Index == selected
		out.Folds = max(out.Folds, len(row.Scores))
		out.Candidates = append(out.Candidates, row)
	}
	slices.SortStableFunc(out.Candidates, func(a, b evaluate.Candidate) int {
		if byFolds := cmp.Compare(len(b.Scores), len(a.Scores)); byFolds != 0 {
			return byFolds // what was scored on fewer folds can't be compared
		}
		if metric.HigherIsBetter {
			return cmp.Compare(b.Mean, a.Mean)
		}
		return cmp.Compare(a.Mean, b.Mean)
	})
	out.Candidates = append(out.Candidates, without...)
	return out, len(out.Candidates) > 0, nil
}

// candidate sums up the trials of one candidate.
func candidate(list []ledger.Trial, index int, best ledger.Trial) (evaluate.Candidate, error) {
	out := evaluate.Candidate{
		Index: index, Algorithm: best.Algorithm, Trial: best.Index + 1, Mean: best.Score, Scores: best.Scores,
		Wall: float64(best.Millis) / 1000, CPU: best.CPU, Memory: best.Memory,
	}
	_, out.Std = evaluate.Spread(best.Scores)
	for i := range list {
		if list[i].Candidate != index {
			continue
		}
		out.Trials++
		out.AllWall += float64(list[i].Millis) / 1000
		if list[i].State == ledger.TrialFailed {
			out.Failed++
		}
	}
	return out, json.Unmarshal(best.Params, &out.Params)
}
