package activities

import (
	"context"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/models"
	"github.com/perennial-ml/perennial/models/evaluate"
	"github.com/perennial-ml/perennial/models/tune"
)

// ThresholdPath is where a run keeps how its threshold was chosen: an
// evaluate.ThresholdChoice.
const ThresholdPath = "evaluation/threshold.json"

// fitSelected fits a trial on the whole training side. Where the pipeline leaves
// the threshold to be chosen, it is chosen first, on the answers that the trial's
// models give out of their folds: each training row is answered by a model that
// wasn't fitted on it, and the holdout isn't looked at. choice is nil otherwise.
func (a *Activities) fitSelected(ctx context.Context, m *material, trial tune.Trial) (model *models.Model, choice *evaluate.ThresholdChoice, err error) {
	spec := a.spec(&m.bundle, trial)
	if t := m.bundle.Spec.Pipeline.Threshold; t != nil && (t.Maximize != "" || t.Cost != nil) {
		goal := evaluate.ThresholdGoal{Metric: t.Maximize}
		if t.Cost != nil {
			goal.FalsePositive, goal.FalseNegative = t.Cost.FalsePositive, t.Cost.FalseNegative
		}
		answers, err := m.outOfFold(ctx, spec)
		if err != nil {
			return nil, nil, err
		}
		if choice, err = evaluate.ChooseThreshold(answers, goal); err != nil {
			return nil, nil, err
		}
		spec.Threshold = choice.Threshold
	}
	collect()
	model, err = models.Fit(ctx, spec, m.table, m.train)
	return model, choice, err
}

// outOfFold fits on each fold's rows and answers the others: the answers to the
// whole training side, fold by fold.
func (m *material) outOfFold(ctx context.Context, spec models.Spec) (evaluate.Observed, error) {
	cv, err := m.crossValidation()
	if err != nil {
		return evaluate.Observed{}, err
	}
	var out evaluate.Observed
	for k := range cv.fit {
		collect()
		model, err := models.Fit(ctx, spec, m.table, cv.fit[k])
		if err != nil {
			return evaluate.Observed{}, err
		}
		fold, err := observe(model, m.table, cv.score[k])
		if err != nil {
			return evaluate.Observed{}, err
		}
		fold.Y, fold.Values, fold.Proba = append(out.Y, fold.Y...), append(out.Values, fold.Values...), append(out.Proba, fold.Proba...)
		out = fold
	}
	return out, nil
}

// logThreshold puts the chosen threshold on the run: the metrics threshold and
// threshold_<metric>, its value out of the folds, and the whole choice as an
// artifact. Safe to repeat.
func (a *Activities) logThreshold(ctx context.Context, runID string, choice *evaluate.ThresholdChoice) error {
	if choice == nil {
		return nil
	}
	run, err := a.Tracker.GetRun(ctx, runID)
	if err != nil {
		return err
	}
	metrics := []perennial.Metric{
		{Key: "threshold", Value: choice.Threshold, Timestamp: run.StartedAt},
		{Key: "threshold_" + choice.Metric, Value: choice.Value, Timestamp: run.StartedAt},
	}
	if choice.AtHalf != nil {
		metrics = append(metrics, perennial.Metric{Key: "threshold_" + choice.Metric + "_at_half", Value: *choice.AtHalf, Timestamp: run.StartedAt})
	}
	if err := a.Tracker.LogBatch(ctx, runID, metrics, nil, nil); err != nil {
		return err
	}
	return a.logJSON(ctx, runID, ThresholdPath, choice)
}
