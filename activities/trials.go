package activities

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/ledger"
	"github.com/perennial-ml/perennial/internal/tracking"
	"github.com/perennial-ml/perennial/internal/usage"
	"github.com/perennial-ml/perennial/models"
	"github.com/perennial-ml/perennial/models/evaluate"
	"github.com/perennial-ml/perennial/models/tune"
)

// The states of a trial.
const (
	TrialCompleted = "completed"
	TrialFailed    = "failed"
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
	MaxMillis int64 `json:"max_millis"` // no new round after so much fitting; 0: no bound
}

// PlanStudy counts the trials of the pipeline's search. Safe to repeat: it is a
// pure function of the bundle.
func (a *Activities) PlanStudy(ctx context.Context, in StudyInput) (Study, error) {
	bundle, err := getJSON[Bundle](ctx, a.Blobs, in.Bundle)
	if err != nil {
		return Study{}, perennial.Wrap("PlanStudy", err)
	}
	p := bundle.Spec.Pipeline
	trials, _, err := tune.Plan(p.Tuning, p.Candidates, bundle.Budget)
	if err != nil {
		return Study{}, perennial.Wrap("PlanStudy", err)
	}
	out := Study{Trials: len(trials), Parallel: max(1, p.Tuning.Parallel), MaxMillis: time.Duration(p.Tuning.MaxTime).Milliseconds()}
	if bundle.Budget == perennial.BudgetBootstrap {
		out.MaxMillis = bootstrapMillis
	}
	return out, nil
}

// TrialsInput names a range of a study's trials: From inclusive, To exclusive.
type TrialsInput struct {
	StudyInput
	From int `json:"from"`
	To   int `json:"to"`
}

// TrialsDone says how long the trials took.
type TrialsDone struct {
	Millis int64 `json:"millis"` // of fitting, over all trials of the range
}

// RunTrials cross-validates a range of trials on the training side and stores
// each score. Safe to repeat: a trial that has a stored result is not run
// again, and a trial's result depends on nothing but its inputs. It heartbeats
// and stops within two seconds of being cancelled.
func (a *Activities) RunTrials(ctx context.Context, in TrialsInput) (TrialsDone, error) {
	const op = "RunTrials"
	ctx, stop := heartbeat(ctx)
	defer stop()
	m, err := a.load(ctx, in.Bundle, in.Snapshot)
	if err != nil {
		return TrialsDone{}, perennial.Wrap(op, err)
	}
	p := m.bundle.Spec.Pipeline
	trials, folds, err := tune.Plan(p.Tuning, p.Candidates, m.bundle.Budget)
	if err != nil {
		return TrialsDone{}, perennial.Wrap(op, err)
	}
	if in.From < 0 || in.To > len(trials) || in.From > in.To {
		return TrialsDone{}, perennial.Errorf(perennial.CodeInternal, op, "trials %d to %d of %d don't exist", in.From, in.To, len(trials))
	}
	stored, err := a.storedTrials(ctx, in.RunID)
	if err != nil {
		return TrialsDone{}, perennial.Wrap(op, err)
	}
	cv, err := m.crossValidation(folds)
	if err != nil {
		return TrialsDone{}, perennial.Wrap(op, err)
	}
	var done TrialsDone
	for _, trial := range trials[in.From:in.To] {
		if t, ok := stored[trial.Index]; ok {
			done.Millis += t.Millis
			continue
		}
		t, err := a.runTrial(ctx, m, cv, trial)
		if err != nil {
			return done, perennial.Wrap(op, err)
		}
		t.StudyID = in.RunID
		if err := a.Ledger.SaveTrial(ctx, t); err != nil {
			return done, perennial.Wrap(op, err)
		}
		done.Millis += t.Millis
	}
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

func (m *material) crossValidation(folds int) (*crossValidation, error) {
	p := m.bundle.Spec.Pipeline
	metric, ok := evaluate.Lookup(p.Select.Metric)
	if !ok {
		return nil, perennial.Errorf(perennial.CodeInvalid, "select", "select.metric %q is unknown", p.Select.Metric)
	}
	var classes []float64
	if p.Task == perennial.Classification {
		classes = m.labels(m.train)
	}
	cv := &crossValidation{metric: metric}
	for _, test := range tune.Folds(len(m.train), classes, pick(m.units, m.train), folds, p.Tuning.Seed) {
		in := make([]bool, len(m.train))
		for _, i := range test {
			in[i] = true
		}
		var fit, score []int
		for i, row := range m.train {
			if in[i] {
				score = append(score, row)
			} else {
				fit = append(fit, row)
			}
		}
		cv.fit, cv.score = append(cv.fit, fit), append(cv.score, score)
	}
	return cv, nil
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

// runTrial fits and scores every fold. A fit that fails because of its
// parameters is a failed trial, not a failed study; anything that may pass on
// another try is returned as an error.
func (a *Activities) runTrial(ctx context.Context, m *material, cv *crossValidation, trial tune.Trial) (ledger.Trial, error) {
	params, err := json.Marshal(trial.Params)
	if err != nil {
		return ledger.Trial{}, err
	}
	out := ledger.Trial{
		Index: trial.Index, Candidate: trial.Candidate, Algorithm: m.bundle.Spec.Pipeline.Candidates[trial.Candidate].Algorithm,
		Params: params, State: TrialCompleted,
	}
	step := usage.Start()
	defer step.Stop()
	sum := 0.0
	for k := range cv.fit {
		score, err := a.scoreFold(ctx, m, cv, trial, k)
		if err != nil {
			if ctx.Err() != nil || Retryable(perennial.CodeOf(err)) {
				return out, err
			}
			out.State, out.Error, out.Score, out.Scores = TrialFailed, err.Error(), math.NaN(), nil
			break
		}
		out.Scores = append(out.Scores, score)
		sum += score
		out.Score = sum / float64(len(out.Scores))
	}
	used := step.Stop()
	out.Millis, out.CPU, out.Memory = used.Wall.Milliseconds(), used.CPU.Seconds(), used.PeakMemory
	return out, nil
}

func (a *Activities) scoreFold(ctx context.Context, m *material, cv *crossValidation, trial tune.Trial, k int) (float64, error) {
	model, err := models.Fit(ctx, a.spec(&m.bundle, trial), m.table, cv.fit[k])
	if err != nil {
		return 0, err
	}
	observed, err := observe(model, m.table, cv.score[k])
	if err != nil {
		return 0, err
	}
	score, ok := cv.metric.Measure(observed)
	if !ok {
		return 0, perennial.Errorf(perennial.CodeInvalid, "score", "%s can't be measured on fold %d of %d rows", cv.metric.Name, k, len(observed.Y))
	}
	return score, nil
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

// Selected is the best trial of a study.
type Selected struct {
	Trial     int    `json:"trial"`
	Algorithm string `json:"algorithm"`
	Completed int    `json:"completed"` // trials with a score
}

// SelectTrial picks the trial with the best mean score over the folds, ties to
// the lowest index, and writes one child run for each candidate with its best
// trial. Safe to repeat: child runs are found again by their op.
func (a *Activities) SelectTrial(ctx context.Context, in StudyInput) (Selected, error) {
	const op = "SelectTrial"
	bundle, err := getJSON[Bundle](ctx, a.Blobs, in.Bundle)
	if err != nil {
		return Selected{}, perennial.Wrap(op, err)
	}
	list, err := a.Ledger.Trials(ctx, in.RunID)
	if err != nil {
		return Selected{}, perennial.Wrap(op, err)
	}
	p := bundle.Spec.Pipeline
	metric, ok := evaluate.Lookup(p.Select.Metric)
	if !ok {
		return Selected{}, perennial.Errorf(perennial.CodeInvalid, op, "select.metric %q is unknown", p.Select.Metric)
	}
	trials, scores := scored(list, -1)
	best, ok := tune.Best(trials, scores, metric.HigherIsBetter)
	if !ok {
		return Selected{}, perennial.Errorf(perennial.CodeInvalid, op, "none of the %d trials could be fitted%s", len(list), firstFailure(list))
	}
	if err := a.logTruncated(ctx, in.RunID, bundle, len(list)); err != nil {
		return Selected{}, perennial.Wrap(op, err)
	}
	for c := range p.Candidates {
		ofCandidate, scores := scored(list, c)
		t, ok := tune.Best(ofCandidate, scores, metric.HigherIsBetter)
		if !ok {
			continue
		}
		if err := a.logCandidate(ctx, in.RunID, p, list[position(list, t.Index)], t.Index == best.Index); err != nil {
			return Selected{}, perennial.Wrap(op, err)
		}
	}
	return Selected{Trial: best.Index, Algorithm: p.Candidates[best.Candidate].Algorithm, Completed: len(trials)}, nil
}

// logTruncated marks the run of a study that its time limit cut short: trained
// again, it may find another model.
func (a *Activities) logTruncated(ctx context.Context, runID string, bundle Bundle, ran int) error {
	p := bundle.Spec.Pipeline
	plan, _, err := tune.Plan(p.Tuning, p.Candidates, bundle.Budget)
	if err != nil || ran >= len(plan) {
		return err
	}
	return a.Tracker.LogBatch(ctx, runID, nil, nil, []perennial.Tag{{Key: "perennial.truncated", Value: fmt.Sprintf("%d of %d trials", ran, len(plan))}})
}

// scored gives the trials of a candidate (-1: of all) that have a score.
func scored(list []ledger.Trial, candidate int) (trials []tune.Trial, scores []float64) {
	for _, t := range list {
		if t.State == TrialCompleted && (candidate < 0 || t.Candidate == candidate) {
			trials = append(trials, tune.Trial{Index: t.Index, Candidate: t.Candidate})
			scores = append(scores, t.Score)
		}
	}
	return trials, scores
}

func position(list []ledger.Trial, index int) int {
	return slices.IndexFunc(list, func(t ledger.Trial) bool { return t.Index == index })
}

func firstFailure(list []ledger.Trial) string {
	for _, t := range list {
		if t.Error != "" {
			return fmt.Sprintf("; trial %d (%s): %s", t.Index, t.Algorithm, t.Error)
		}
	}
	return ""
}

func (a *Activities) logCandidate(ctx context.Context, parent string, p perennial.Pipeline, t ledger.Trial, selected bool) error {
	now := a.nowMillis()
	parentRun, err := a.Tracker.GetRun(ctx, parent)
	if err != nil {
		return err
	}
	run, err := a.Tracker.CreateRun(ctx, tracking.RunSpec{
		ExperimentID: parentRun.ExperimentID, Name: t.Algorithm, User: parentRun.User, StartedAt: now,
		Op: fmt.Sprintf("%s candidate %d", parent, t.Candidate), ParentRunID: parent,
		Tags: []perennial.Tag{
			{Key: perennial.TagKind, Value: "candidate"},
			{Key: perennial.TagPipeline, Value: p.Name},
			{Key: perennial.TagAlgorithm, Value: t.Algorithm},
			{Key: "perennial.selected", Value: strconv.FormatBool(selected)},
			{Key: "perennial.trial", Value: strconv.Itoa(t.Index)},
		},
	})
	if err != nil {
		return err
	}
	metrics := append(trialUsage(&t, run.StartedAt), perennial.Metric{Key: "fit_seconds", Value: float64(t.Millis) / 1000, Timestamp: run.StartedAt})
	status := perennial.RunFailed
	if t.State == TrialCompleted {
		status = perennial.RunFinished
		metrics = append(metrics, perennial.Metric{Key: "cv_" + p.Select.Metric, Value: t.Score, Timestamp: run.StartedAt})
		for k, s := range t.Scores {
			metrics = append(metrics, perennial.Metric{Key: "fold_" + p.Select.Metric, Value: s, Timestamp: run.StartedAt, Step: int64(k)})
		}
	}
	params, err := paramTags(t.Params)
	if err != nil {
		return err
	}
	if err := a.Tracker.LogBatch(ctx, run.ID, metrics, params, nil); err != nil {
		return err
	}
	return a.Tracker.UpdateRun(ctx, run.ID, status, now)
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
