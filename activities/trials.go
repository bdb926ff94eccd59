package activities

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"

	"golang.org/x/sync/errgroup"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/ledger"
	"github.com/perennial-ml/perennial/internal/mlflow"
	"github.com/perennial-ml/perennial/internal/usage"
	"github.com/perennial-ml/perennial/models"
	"github.com/perennial-ml/perennial/models/evaluate"
	"github.com/perennial-ml/perennial/models/tune"
)

// TrialsInput names trials of a study that run one after the other.
type TrialsInput struct {
	StudyInput
	Trials []int `json:"trials,omitempty"` // as ProposeTrials gave them
	Folds  int   `json:"folds,omitempty"`  // to score them on, the first ones; 0: all
	From   int   `json:"from"`             // of a study from before trials were proposed in rounds: inclusive
	To     int   `json:"to"`               // exclusive
}

// TrialsDone says how long the trials took.
type TrialsDone struct {
	Millis int64 `json:"millis"`          // of fitting and scoring, over all trials named
	Began  int64 `json:"began,omitempty"` // ms, by the worker's clock
	Ended  int64 `json:"ended,omitempty"`
}

// trialLogs is how many trials are logged at once while the next one is fitted: a
// study waits for the tracking server only where that is slower than its fits.
const trialLogs = 2

// RunTrials cross-validates proposed trials on the training side, stores each score
// and logs each trial as a run. Safe to repeat: a trial that has a stored result is not run
// again, and a trial's result depends on nothing but its inputs. It heartbeats
// and stops within two seconds of being cancelled.
func (a *Activities) RunTrials(ctx context.Context, in TrialsInput) (TrialsDone, error) {
	const op = "RunTrials"
	done := TrialsDone{Began: a.nowMillis()}
	ctx, stop := heartbeat(ctx)
	defer stop()
	m, err := a.load(ctx, in.Bundle, in.Snapshot)
	if err != nil {
		return done, perennial.Wrap(op, err)
	}
	if in.Trials == nil {
		if in.Trials, err = a.proposeRange(ctx, m, in); err != nil {
			return done, perennial.Wrap(op, err)
		}
	}
	stored, err := a.storedTrials(ctx, in.RunID)
	if err != nil {
		return done, perennial.Wrap(op, err)
	}
	cv, err := m.crossValidation()
	if err != nil {
		return done, perennial.Wrap(op, err)
	}
	folds := len(cv.fit)
	if in.Folds > 0 {
		folds = min(folds, in.Folds)
	}
	parent, err := a.Tracker.GetRun(ctx, in.RunID)
	if err != nil {
		return done, perennial.Wrap(op, err)
	}
	logs, logging := errgroup.WithContext(ctx)
	logs.SetLimit(trialLogs)
	for _, index := range in.Trials {
		t, ok := stored[index]
		if !ok {
			err = perennial.Errorf(perennial.CodeInternal, "", "trial %d was never proposed", index+1)
			break
		}
		log := trialRun{parent: &parent, began: a.nowMillis(), fresh: attempt(ctx) == 1 && len(t.Scores) == 0 && !t.State.Ended()}
		if !t.State.Ended() && len(t.Scores) < folds {
			if t, err = a.runTrial(ctx, m, cv, t, folds); err != nil {
				break
			}
			if err = a.Ledger.SaveTrial(ctx, t); err != nil {
				break
			}
		}
		done.Millis += t.Millis
		logs.Go(func() error { return a.logTrial(logging, &m.bundle.Spec.Pipeline, &t, log) })
	}
	if logErr := logs.Wait(); err == nil {
		err = logErr
	}
	if err != nil {
		return done, perennial.Wrap(op, err)
	}
	done.Ended = a.nowMillis()
	return done, nil
}

func (a *Activities) storedTrials(ctx context.Context, study string) (map[int]ledger.Trial, error) {
	list, err := a.Ledger.Trials(ctx, study)
	if err != nil {
		return nil, err
	}
	out := make(map[int]ledger.Trial, len(list))
	for _, t := range list {
		out[t.Index] = t
	}
	return out, nil
}

// crossValidation is the folds of the training side: for each, the rows fitted
// on and the rows scored.
type crossValidation struct {
	fit, score [][]int
	metric     evaluate.Metric
}

// crossValidation gives the folds, dealt once for a material.
func (m *material) crossValidation() (*crossValidation, error) { return m.folds() }

func (m *material) deal() (*crossValidation, error) {
	search, metric, err := m.bundle.search()
	if err != nil {
		return nil, err
	}
	fit, score, err := m.dealFolds(search.Folds())
	return &crossValidation{metric: metric, fit: fit, score: score}, err
}

// labels numbers the classes of some rows, for folds that keep their shares.
func (m *material) labels(rows []int) []float64 {
	out := make([]float64, len(rows))
	for i, c := range m.table.Schema.Columns {
		if c.Role != perennial.RoleTarget {
			continue
		}
		series := &m.table.Columns[i]
		for k, r := range rows {
			if series.Numbers != nil {
				out[k] = series.Numbers[r]
			} else {
				out[k] = float64(series.Codes[r])
			}
		}
	}
	return out
}

// spec is what models.Fit needs for a trial of this bundle.
func (a *Activities) spec(b *Bundle, trial tune.Trial) models.Spec {
	p := b.Spec.Pipeline
	return models.Spec{
		Task: p.Task, Schema: b.Spec.Schema, Preprocess: p.Preprocess,
		Algorithm: p.Candidates[trial.Candidate].Algorithm, Params: trial.Params,
		Seed: p.Tuning.Seed, Threads: a.Threads, Positive: p.Data.Positive, Threshold: fixedThreshold(p.Threshold),
	}
}

func fixedThreshold(t *perennial.Threshold) float64 {
	if t == nil {
		return 0
	}
	return t.Value
}

// runTrial fits and scores the folds that a trial lacks, up to so many. A fit
// that fails because of its parameters is a failed trial, not a failed study;
// anything that may pass on another try is returned as an error.
func (a *Activities) runTrial(ctx context.Context, m *material, cv *crossValidation, t ledger.Trial, folds int) (ledger.Trial, error) {
	trial, err := proposed(t)
	if err != nil {
		return t, err
	}
	step := usage.Start()
	defer step.Stop()
	t.State, t.Scores = ledger.TrialPartial, slices.Clone(t.Scores)
	for k := len(t.Scores); k < folds; k++ {
		score, err := a.scoreFold(ctx, m, cv, trial, k)
		if err != nil {
			if ctx.Err() != nil || Retryable(perennial.CodeOf(err)) {
				return t, err
			}
			t.State = ledger.TrialFailed
			t.Error, _, _ = perennial.Explain(err)
			break
		}
		t.Scores = append(t.Scores, score)
	}
	t.Score = tune.Mean(t.Scores)
	switch {
	case t.State == ledger.TrialFailed:
		t.Score = math.NaN()
	case len(t.Scores) == len(cv.fit):
		t.State = ledger.TrialCompleted
	}
	used := step.Stop()
	t.Millis, t.CPU, t.Memory = t.Millis+used.Wall.Milliseconds(), t.CPU+used.CPU.Seconds(), max(t.Memory, used.PeakMemory)
	return t, nil
}

func (a *Activities) scoreFold(ctx context.Context, m *material, cv *crossValidation, trial tune.Trial, k int) (float64, error) {
	collect()
	model, err := models.Fit(ctx, a.spec(&m.bundle, trial), m.table, cv.fit[k])
	if err != nil {
		return 0, err
	}
	score, err := measured(model, m.table, cv.score[k], cv.metric)
	return score, perennial.Wrap(fmt.Sprintf("fold %d", k), err)
}

// observe predicts rows of a table and pairs the answers with the truth.
func observe(model *models.Model, t *perennial.Table, rows []int) (evaluate.Observed, error) {
	y, err := models.Targets(t, model.Schema(), rows)
	if err != nil {
		return evaluate.Observed{}, err
	}
	p, err := model.PredictTable(t, rows)
	if err != nil {
		return evaluate.Observed{}, err
	}
	positive, _ := model.Positive()
	return evaluate.Observed{Task: model.Task(), Y: y, Values: p.Values, Proba: p.Proba, Classes: p.Classes, Positive: positive}, nil
}

// trialRun is how a trial is logged as a run of its own.
type trialRun struct {
	parent *perennial.Run
	fresh  bool // it was never logged before
	began  int64
	tags   []perennial.Tag
}

// logTrial logs a trial as a run below its training's: with three calls where it is
// fresh. Safe to repeat: the run is found again by the trial's number, and a trial
// that is scored on more folds later gets a point of a higher step.
func (a *Activities) logTrial(ctx context.Context, p *perennial.Pipeline, t *ledger.Trial, log trialRun) error {
	parent := log.parent
	run, err := a.Tracker.CreateRun(ctx, mlflow.RunSpec{
		ExperimentID: parent.ExperimentID, Name: fmt.Sprintf("%s-%d", t.Algorithm, t.Index+1), User: parent.User, StartedAt: log.began,
		Op: fmt.Sprintf("%s trial %d", parent.ID, t.Index), Fresh: log.fresh, ParentRunID: parent.ID,
		Tags: []perennial.Tag{
			{Key: perennial.TagKind, Value: perennial.KindTrial},
			{Key: perennial.TagPipeline, Value: p.Name},
			{Key: perennial.TagAlgorithm, Value: t.Algorithm},
			{Key: perennial.TagTrial, Value: strconv.Itoa(t.Index + 1)},
		},
	})
	if err != nil {
		return err
	}
	at := run.StartedAt
	metrics := append(trialUsage(t, at), perennial.Metric{Key: "fit_seconds", Value: float64(t.Millis) / 1000, Timestamp: at})
	status, tags := perennial.RunFinished, log.tags
	switch {
	case t.State == ledger.TrialFailed || !finite(t.Score):
		status, tags = perennial.RunFailed, append([]perennial.Tag{{Key: perennial.TagFailure, Value: t.Error}}, tags...)
	default:
		metrics = append(metrics, perennial.Metric{Key: "cv_" + p.Select.Metric, Value: t.Score, Timestamp: at, Step: int64(len(t.Scores))})
	}
	for k, s := range t.Scores {
		metrics = append(metrics, perennial.Metric{Key: "fold_" + p.Select.Metric, Value: s, Timestamp: at, Step: int64(k)})
	}
	params, err := paramTags(t.Params)
	if err != nil {
		return err
	}
	if err := a.Tracker.LogBatch(ctx, run.ID, metrics, params, tags); err != nil {
		return err
	}
	return a.Tracker.UpdateRun(ctx, run.ID, status, at+t.Millis)
}

// paramTags turns a trial's parameters into a run's, in a stable order.
func paramTags(raw json.RawMessage) ([]perennial.Tag, error) {
	var params map[string]any
	if err := json.Unmarshal(raw, &params); err != nil {
		return nil, err
	}
	out := make([]perennial.Tag, 0, len(params))
	for _, name := range sortedKeys(params) {
		out = append(out, perennial.Tag{Key: name, Value: fmt.Sprint(params[name])})
	}
	return out, nil
}
