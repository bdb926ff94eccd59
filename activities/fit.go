package activities

import (
	"context"
	"maps"
	"path"
	"runtime"
	"slices"
	"strconv"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/mlflow"
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
	if err := a.logFit(ctx, in.RunID, model, key, trial); err != nil {
		return "", perennial.Wrap(op, err)
	}
	if err := a.logModel(ctx, in.RunID, m, model, perennial.Artifact{Path: path.Base(ModelPath), Blob: key, Size: int64(len(b))}); err != nil {
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
	return key, perennial.Wrap(op, a.logUsage(ctx, in.RunID, "fit", used))
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

// logModel logs the model file, with the first training row as a request to try it
// with.
func (a *Activities) logModel(ctx context.Context, runID string, m *material, model *models.Model, file perennial.Artifact) error {
	b, err := example(m.table, m.train[0])
	if err != nil {
		return err
	}
	key, err := a.Blobs.Put(ctx, b)
	if err != nil {
		return err
	}
	_, err = a.Tracker.LogModel(ctx, mlflow.ModelSpec{
		RunID: runID, Task: model.Task(), Algorithm: model.Algorithm(), Schema: model.Schema(), Params: fittedParams(model), SHA256: hexOf(file.Blob),
		File: file.Path, Files: []perennial.Artifact{file, {Path: path.Base(ExamplePath), Blob: key, Size: int64(len(b))}},
		CreatedAt: a.asked(ctx), Build: a.Build,
	})
	return err
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

func (a *Activities) logFit(ctx context.Context, runID string, model *models.Model, key string, trial tune.Trial) error {
	number := strconv.Itoa(trial.Index + 1)
	params := []perennial.Tag{{Key: "algorithm", Value: model.Algorithm()}, {Key: paramTrial, Value: number}}
	params = append(params, fittedParams(model)...)
	tags := []perennial.Tag{
		{Key: perennial.TagAlgorithm, Value: model.Algorithm()}, {Key: perennial.TagModelSHA256, Value: hexOf(key)},
		{Key: perennial.TagTrainer, Value: model.Provenance().Trainer}, {Key: perennial.TagPlatform, Value: runtime.GOARCH},
		{Key: perennial.TagTrial, Value: number},
	}
	if err := a.Tracker.LogBatch(ctx, runID, nil, params, tags); err != nil {
		return err
	}
	return a.logTrace(ctx, runID, model.Trace())
}

// fittedParams are a model's parameters, by their names.
func fittedParams(model *models.Model) []perennial.Tag {
	var out []perennial.Tag
	fitted := model.Params()
	for _, name := range sortedKeys(fitted) {
		out = append(out, perennial.Tag{Key: name, Value: format(fitted[name])})
	}
	return out
}

// The artifacts of a training run; the first two belong to the model that it logs.
const (
	ModelPath       = mlflow.LoggedName + "/model.perennial"
	ExamplePath     = mlflow.LoggedName + "/input_example.json"
	ReportPath      = "report.json"
	PredictionsPath = "predictions.csv" // of some held-out rows
)

func sortedKeys(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }
