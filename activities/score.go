package activities

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/usage"
	"github.com/perennial-ml/perennial/judge"
	"github.com/perennial-ml/perennial/models"
	"github.com/perennial-ml/perennial/models/evaluate"
)

// ScoreInput names the model file to score.
type ScoreInput struct {
	StudyInput
	Model string `json:"model"`
}

// evaluation is what ScoreModel stores: the report and some predictions for
// people, the evidence for the gates.
type evaluation struct {
	Report      *evaluate.Report   `json:"report"`
	Predictions string             `json:"predictions,omitempty"` // CSV
	Evidence    judge.GateEvidence `json:"evidence"`
}

// reportFile is the report as people and dvc read it.
func (e *evaluation) reportFile() ([]byte, error) {
	b, err := json.MarshalIndent(e.Report, "", "  ")
	return append(b, '\n'), err
}

// shownPredictions is how many rows a run's file of predictions has at most.
const shownPredictions = 500

// ScoreModel scores the model file on the rows held out, once, beside the
// baseline and beside the champion's own model file on the same rows. The
// answer is the key of the evaluation. Safe to repeat: equal inputs give equal
// numbers, and metrics are stored once.
func (a *Activities) ScoreModel(ctx context.Context, in ScoreInput) (reportKey string, err error) {
	const op = "ScoreModel"
	ctx, stop := heartbeat(ctx)
	defer stop()
	step := usage.Start()
	defer step.Stop()
	m, err := a.load(ctx, in.Bundle, in.Snapshot)
	if err != nil {
		return "", perennial.Wrap(op, err)
	}
	model, err := a.modelFile(ctx, in.Model)
	if err != nil {
		return "", perennial.Wrap(op, err)
	}
	comparison, warning, err := a.compare(ctx, m, model)
	if err != nil {
		return "", perennial.Wrap(op, err)
	}
	report, err := evaluate.NewReport(evaluate.ReportInput{
		Observed: comparison.Candidate, Baseline: comparison.Baseline, ClassNames: model.Classes(), Slices: comparison.Slices,
		Metrics: namedMetrics(m.bundle.Spec.Pipeline), Seed: comparison.Seed,
	})
	if err != nil {
		return "", perennial.Wrap(op, err)
	}
	evidence, err := judge.MeasureGates(m.bundle.Spec.Pipeline.Gates, comparison)
	if err != nil {
		return "", perennial.Wrap(op, err)
	}
	shown, err := evaluate.PredictionsCSV(comparison.Candidate, model.Classes(), shownPredictions, comparison.Seed)
	if err != nil {
		return "", perennial.Wrap(op, err)
	}
	found := evaluation{Report: report, Predictions: string(shown), Evidence: evidence}
	key, err := a.putJSON(ctx, found)
	if err != nil {
		return "", perennial.Wrap(op, err)
	}
	warnings := []string{model.Warning(), warning, evaluate.ScarceClasses(comparison.Candidate, model.Classes())}
	warnings = slices.DeleteFunc(warnings, func(w string) bool { return w == "" })
	if err := a.logReport(ctx, in.RunID, &found, strings.Join(warnings, " ")); err != nil {
		return "", perennial.Wrap(op, err)
	}
	if err := a.logFacts(ctx, in, m, model, report, comparison); err != nil {
		return "", perennial.Wrap(op, err)
	}
	if err := a.logNumbers(ctx, in, m, model, comparison.Candidate); err != nil {
		return "", perennial.Wrap(op, err)
	}
	return key, perennial.Wrap(op, a.logUsage(ctx, in.RunID, "evaluate", step.Stop()))
}

func (a *Activities) modelFile(ctx context.Context, key string) (*models.Model, error) {
	b, err := a.Blobs.Get(ctx, key)
	if err != nil {
		return nil, err
	}
	return models.Decode(b)
}

// compare predicts the held-out rows with the model, the baseline and the
// champion.
func (a *Activities) compare(ctx context.Context, m *material, model *models.Model) (out judge.Comparison, warning string, err error) {
	p := m.bundle.Spec.Pipeline
	candidate, err := observe(model, m.table, m.evaluate)
	if err != nil {
		return out, "", err
	}
	y, err := models.Targets(m.table, model.Schema(), m.train)
	if err != nil {
		return out, "", err
	}
	baseline := candidate
	baseline.Values, baseline.Proba = evaluate.Baseline(p.Task, y, candidate.Classes, len(m.evaluate))
	out = judge.Comparison{Candidate: candidate, Baseline: baseline, Seed: p.Tuning.Seed}
	for _, column := range p.Slices {
		values, ok := m.table.Texts(column)
		if !ok {
			return out, "", perennial.Errorf(perennial.CodeInvalid, "slices", "slice column %s is not in the data", column)
		}
		out.Slices = append(out.Slices, evaluate.SliceColumn{Name: column, Values: pick(values, m.evaluate)})
	}
	out.Champion, warning, err = a.champion(ctx, m, model)
	return out, warning, err
}

// namedMetrics gives the metrics that a pipeline names anywhere, which its
// reports have beside the usual ones.
func namedMetrics(p perennial.Pipeline) []string {
	names := []string{p.Select.Metric, p.Rollout.Guardrails.Quality.Metric, p.Monitor.Performance.Metric}
	for _, g := range p.Gates {
		names = append(names, g.Metric)
	}
	if p.Threshold != nil {
		names = append(names, p.Threshold.Maximize)
	}
	return names
}

// logReport puts the evaluation on the run: metrics under scikit-learn's names,
// the baseline's with the prefix baseline_, and the report and the predictions as
// artifacts.
func (a *Activities) logReport(ctx context.Context, runID string, found *evaluation, warning string) error {
	report := found.Report
	run, err := a.Tracker.GetRun(ctx, runID)
	if err != nil {
		return err
	}
	at := run.StartedAt // the same in every try, so that a repeated point is the same point
	metrics := []perennial.Metric{{Key: "evaluated_rows", Value: float64(report.N), Timestamp: at}}
	for _, s := range report.Metrics {
		metrics = append(metrics, perennial.Metric{Key: s.Name, Value: s.Value, Timestamp: at})
		if s.Interval != nil {
			metrics = append(metrics,
				perennial.Metric{Key: s.Name + "_low", Value: s.Interval[0], Timestamp: at},
				perennial.Metric{Key: s.Name + "_high", Value: s.Interval[1], Timestamp: at})
		}
	}
	for _, v := range report.Baseline {
		metrics = append(metrics, perennial.Metric{Key: "baseline_" + v.Name, Value: v.Value, Timestamp: at})
	}
	tags := []perennial.Tag{}
	if warning != "" {
		tags = append(tags, perennial.Tag{Key: "perennial.warning", Value: warning})
	}
	if err := a.Tracker.LogBatch(ctx, runID, metrics, nil, tags); err != nil {
		return err
	}
	if err := a.logFile(ctx, runID, PredictionsPath, []byte(found.Predictions)); err != nil {
		return err
	}
	b, err := found.reportFile()
	if err != nil {
		return err
	}
	return a.logFile(ctx, runID, ReportPath, b)
}
