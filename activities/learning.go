package activities

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/models"
	"github.com/perennial-ml/perennial/models/evaluate"
	"github.com/perennial-ml/perennial/models/tune"
	"github.com/perennial-ml/perennial/stats"
)

// The size of a learning curve.
const (
	learningFolds  = 3
	learningTime   = 20 * time.Second
	learningScored = 2000       // rows fitted on that are scored too
	learningStream = 0x6c726e00 // of random rows, one more for each fold
)

// learningShares are the shares of a fold's training rows, in ascending order, so
// that a curve cut by its time has its cheap end.
func learningShares() []float64 { return []float64{0.1, 0.25, 0.5, 0.75, 1} }

// learningCurve fits the selected trial on growing shares of the training side's
// first three folds, for at most 20 seconds. The rows of a smaller share are among
// those of a larger one. ok is false where no point could be measured.
func (a *Activities) learningCurve(ctx context.Context, runID string, m *material) (out evaluate.LearningCurve, ok bool, err error) {
	run, err := a.Tracker.GetRun(ctx, runID)
	if err != nil {
		return out, false, err
	}
	index, fitted := selectedTrial(&run)
	if !fitted {
		return out, false, nil
	}
	trial, err := a.trial(ctx, runID, index)
	if err != nil {
		return out, false, err
	}
	cv, err := m.crossValidation()
	if err != nil {
		return out, false, err
	}
	folds := min(learningFolds, len(cv.fit))
	out = evaluate.LearningCurve{Metric: cv.metric.Name, HigherIsBetter: cv.metric.HigherIsBetter, Folds: folds}
	limited, cancel := context.WithTimeout(ctx, learningTime)
	defer cancel()
	for _, share := range learningShares() {
		point := evaluate.LearningPoint{Share: share}
		err := a.learn(limited, m, cv, trial, folds, &point)
		switch {
		case ctx.Err() != nil:
			return out, false, ctx.Err()
		case errors.Is(err, context.DeadlineExceeded), limited.Err() != nil:
			out.Stopped = fmt.Sprintf("stopped after %s", learningTime)
			return out, len(out.Points) > 0, nil
		case err != nil && Retryable(perennial.CodeOf(err)):
			return out, false, err
		case err != nil: // too few rows for this model
			continue
		}
		out.Points = append(out.Points, point)
	}
	return out, len(out.Points) > 0, nil
}

// learn measures one point.
func (a *Activities) learn(ctx context.Context, m *material, cv *crossValidation, trial tune.Trial, folds int, point *evaluate.LearningPoint) error {
	for k := range folds {
		rows := slices.Clone(cv.fit[k])
		random := stats.NewRand(m.bundle.Spec.Pipeline.Tuning.Seed, learningStream+uint64(k))
		random.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
		rows = rows[:max(1, int(point.Share*float64(len(rows))))]
		some := rows[:min(len(rows), learningScored)]
		sorted := slices.Clone(rows)
		slices.Sort(sorted)
		collect()
		model, err := models.Fit(ctx, a.spec(&m.bundle, trial), m.table, sorted)
		if err != nil {
			return err
		}
		held, err := measured(model, m.table, cv.score[k], cv.metric)
		if err != nil {
			return err
		}
		fitted, err := measured(model, m.table, some, cv.metric)
		if err != nil {
			return err
		}
		point.Rows += len(rows)
		point.Folds, point.Fitted = append(point.Folds, held), append(point.Fitted, fitted)
	}
	point.Rows /= folds
	return nil
}

// measured scores a model on some rows.
func measured(model *models.Model, t *perennial.Table, rows []int, metric evaluate.Metric) (float64, error) {
	o, err := observe(model, t, rows)
	if err != nil {
		return 0, err
	}
	v, ok := metric.Measure(o)
	if !ok {
		return 0, perennial.Errorf(perennial.CodeInvalid, "score", "%s can't be measured on %d rows%s", metric.Name, len(rows), lacking(model, &o))
	}
	return v, nil
}

// lacking says which class none of some rows has, "" where each has one.
func lacking(model *models.Model, o *evaluate.Observed) string {
	for i, class := range model.Classes() {
		if !slices.Contains(o.Y, float64(i)) {
			return fmt.Sprintf(": none of them is of the class %q, which has too few rows for every fold to hold one (tuning.folds), or none", class)
		}
	}
	return ""
}
