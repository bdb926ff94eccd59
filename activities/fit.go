package activities

import (
	"context"
	"maps"
	"runtime"
	"slices"
	"strconv"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/usage"
	"github.com/perennial-ml/perennial/models"
	"github.com/perennial-ml/perennial/models/evaluate"
	"github.com/perennial-ml/perennial/models/tune"
)

// FitInput names the trial that is fitted on the whole training side.
type FitInput struct {
	StudyInput
	Trial int `json:"trial"`
}

// FitModel fits the selected trial on every training row and stores the model
// file; the answer is its key. Safe to repeat: the file is content-addressed,
// and the run's parameters are the same ones. (malaschitz_forest gives another
// model each time: the key that counts is the one in the workflow's history.)
func (a *Activities) FitModel(ctx context.Context, in FitInput) (modelKey string, err error) {
	const op = "FitModel"
	ctx, stop := heartbeat(ctx)
	defer stop()
	m, err := a.load(ctx, in.Bundle, in.Snapshot)
	if err != nil {
		return "", perennial.Wrap(op, err)
	}
	trial, err := a.trial(ctx, in.RunID, in.Trial)
	if err != nil {
		return "", perennial.Wrap(op, err)
	}
	var model *models.Model
	var choice *evaluate.ThresholdChoice
	var b []byte
	used, err := usage.Of(func() (err error) {
		model, b, choice, err = a.fit(ctx, m, trial, m.bundle.paramsSHA256())
		return err
	})
	if err != nil {
		return "", perennial.Wrap(op, err)
	}
	key, err := a.Blobs.Put(ctx, b)
	if err != nil {
		return "", perennial.Wrap(op, err)
	}
	if err := a.logFit(ctx, in.RunID, model, key, int64(len(b)), trial); err != nil {
		return "", perennial.Wrap(op, err)
	}
	if m.sampled != "" {
		if err := a.Tracker.LogBatch(ctx, in.RunID, nil, nil, []perennial.Tag{{Key: perennial.TagSampled, Value: m.sampled}}); err != nil {
			return "", perennial.Wrap(op, err)
		}
	}
	if err := a.logThreshold(ctx, in.RunID, choice); err != nil {
		return "", perennial.Wrap(op, err)
	}
	if err := a.logUsage(ctx, in.RunID, "fit", used); err != nil {
		return "", perennial.Wrap(op, err)
	}
	return key, perennial.Wrap(op, a.logExample(ctx, in.RunID, m))
}

// fit fits a trial on every training row and gives the model, its file and the
// threshold that was chosen for it, if any.
func (a *Activities) fit(ctx context.Context, m *material, trial tune.Trial, paramsSHA256 string) (*models.Model, []byte, *evaluate.ThresholdChoice, error) {
	model, choice, err := a.fitSelected(ctx, m, trial)
	if err != nil {
		return nil, nil, nil, err
	}
	model.SetProvenance(models.Provenance{
		DataMD5: m.snapshot.Data.MD5, SidesSHA256: m.snapshot.Data.Sides, ParamsSHA256: paramsSHA256,
		Seed: m.bundle.Spec.Pipeline.Tuning.Seed, Trainer: m.bundle.Trainer,
	})
	b, err := model.Encode()
	return model, b, choice, err
}

// logExample keeps the first training row as a request to try the model with.
func (a *Activities) logExample(ctx context.Context, runID string, m *material) error {
	b, err := example(m.table, m.train[0])
	if err != nil {
		return err
	}
	return a.logFile(ctx, runID, ExamplePath, b)
}

// paramTrial is the run's parameter with the number of the selected trial.
const paramTrial = "trial"

// selectedTrial gives the index of the trial whose model a run has; ok is false
// where it has none. Runs that lack the tag counted from 0 in the parameter.
func selectedTrial(run *perennial.Run) (index int, ok bool) {
	if n, err := strconv.Atoi(run.Tag(perennial.TagTrial)); err == nil {
		return n - 1, true
	}
	n, err := strconv.Atoi(run.Param(paramTrial))
	return n, err == nil
}

func (a *Activities) logFit(ctx context.Context, runID string, model *models.Model, key string, size int64, trial tune.Trial) error {
	number := strconv.Itoa(trial.Index + 1)
	params := []perennial.Tag{{Key: "algorithm", Value: model.Algorithm()}, {Key: paramTrial, Value: number}}
	fitted := model.Params()
	for _, name := range sortedKeys(fitted) {
		params = append(params, perennial.Tag{Key: name, Value: format(fitted[name])})
	}
	tags := []perennial.Tag{
		{Key: perennial.TagAlgorithm, Value: model.Algorithm()}, {Key: perennial.TagModelSHA256, Value: hexOf(key)},
		{Key: perennial.TagTrainer, Value: model.Provenance().Trainer}, {Key: perennial.TagPlatform, Value: runtime.GOARCH},
		{Key: perennial.TagTrial, Value: number},
	}
	if err := a.Tracker.LogBatch(ctx, runID, nil, params, tags); err != nil {
		return err
	}
	if err := a.logTrace(ctx, runID, model.Trace()); err != nil {
		return err
	}
	return a.Tracker.LogArtifact(ctx, runID, perennial.Artifact{Path: ModelPath, Blob: key, Size: size})
}

// The artifacts of a training run.
const (
	ModelPath       = "model/model.perennial"
	ExamplePath     = "model/input_example.json"
	ReportPath      = "report.json"
	PredictionsPath = "predictions.csv" // of some held-out rows
)

func sortedKeys(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }
