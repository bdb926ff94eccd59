package mlflow

import (
	"context"
	"encoding/json"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/perennial-ml/perennial"
)

// LoggedName is the name of the model that a training or an import logs, and so the
// folder in which its files stand among the run's.
const LoggedName = "model"

// flavorName is Perennial's own entry in an MLmodel file.
const flavorName = "perennial"

// MLmodelFile is the file in which MLflow describes a model.
const MLmodelFile = "MLmodel"

// ModelSpec is a model to log.
type ModelSpec struct {
	RunID     string
	Task      perennial.Task
	Algorithm string
	Schema    *perennial.Schema // of the fitted model
	Params    []perennial.Tag
	SHA256    string               // of the model file: what makes this model this one
	File      string               // the path of the model file among Files
	Files     []perennial.Artifact // paths relative to the model
	CreatedAt int64                // ms, by the workflow's clock
	Build     string               // version of Perennial
}

// LogModel logs a run's model as one of MLflow's own: its files with an MLmodel file
// that tells flavor and signature, linked from the run, ready to be registered. Safe
// to repeat: a model of the run with the same content is finished where it isn't, and
// left alone where it is.
func (t *Tracker) LogModel(ctx context.Context, s ModelSpec) (modelID string, err error) {
	const op = "mlflow.LogModel"
	run, err := t.run(ctx, s.RunID)
	if err != nil {
		return "", perennial.Wrap(op, err)
	}
	m, err := ensure(ctx, t.c, func() (LoggedModel, bool, error) {
		return t.loggedModel(ctx, &run, LoggedName, s.SHA256)
	}, func() (LoggedModel, error) {
		params := wireTags(s.Params, MaxParam)
		made, err := create[LoggedModelAnswer](ctx, t.c, "logged-models", CreateLoggedModel{
			ExperimentID: run.Info.ExperimentID, Name: LoggedName, ModelType: string(s.Task), SourceRunID: s.RunID, Params: params[:min(len(params), MaxBatchTags)],
			Tags: wireTags([]perennial.Tag{
				{Key: perennial.TagModelSHA256, Value: s.SHA256}, {Key: perennial.TagAlgorithm, Value: s.Algorithm}, {Key: "perennial.build", Value: s.Build},
			}, MaxTag),
		})
		return made.Model, err
	})
	if err != nil {
		return "", perennial.Wrap(op, err)
	}
	id := m.Info.ModelID
	if m.Info.Status != LoggedModelReady {
		if err := t.uploadModel(ctx, &m, s); err != nil {
			return "", perennial.Wrap(op, err)
		}
	}
	if err := t.linkModel(ctx, &run, id); err != nil {
		return "", perennial.Wrap(op, err)
	}
	if m.Info.Status != LoggedModelReady {
		_, err = send[LoggedModelAnswer](ctx, t.c, http.MethodPatch, "logged-models/"+id, FinalizeLoggedModel{ModelID: id, Status: LoggedModelReady})
	}
	return id, perennial.Wrap(op, err)
}

// linkModel notes that a run made a model. MLflow refuses a second note.
func (t *Tracker) linkModel(ctx context.Context, run *Run, modelID string) error {
	first := true
	_, err := ensure(ctx, t.c, func() (_ Void, linked bool, err error) {
		if !first {
			if *run, err = t.run(ctx, run.Info.RunID); err != nil {
				return Void{}, false, err
			}
		}
		first = false
		return Void{}, slices.ContainsFunc(run.Outputs.ModelOutputs, func(o ModelOutput) bool { return o.ModelID == modelID }), nil
	}, func() (Void, error) {
		return create[Void](ctx, t.c, "runs/outputs", LogOutputs{RunRef: RunRef{RunID: run.Info.RunID}, Models: []ModelOutput{{ModelID: modelID}}})
	})
	return err
}

func (t *Tracker) uploadModel(ctx context.Context, m *LoggedModel, s ModelSpec) error {
	root, err := t.rootOf(m.Info.ArtifactURI)
	if err != nil {
		return err
	}
	for _, f := range s.Files {
		if err := t.upload(ctx, root, f); err != nil {
			return err
		}
	}
	b, err := s.describe(m)
	if err != nil {
		return err
	}
	return t.put(ctx, path.Join(root, MLmodelFile), b)
}

// loggedModel finds the model of a name and content that a run logged.
func (t *Tracker) loggedModel(ctx context.Context, run *Run, name, sha256 string) (LoggedModel, bool, error) {
	filter, err := equals("", "source_run_id", run.Info.RunID)
	if err != nil {
		return LoggedModel{}, false, err
	}
	found, err := send[LoggedModels](ctx, t.c, http.MethodPost, "logged-models/search", SearchLoggedModels{ExperimentIDs: []string{run.Info.ExperimentID}, Filter: filter})
	if err != nil {
		return LoggedModel{}, false, err
	}
	var out LoggedModel
	ok := false
	for _, m := range found.Models {
		if m.Info.Name != name || m.Info.SourceRunID != run.Info.RunID || tagValue(m.Info.Tags, perennial.TagModelSHA256) != sha256 {
			continue
		}
		if !ok || m.Info.CreationTimestampMS < out.Info.CreationTimestampMS { // of two, which a lost request made, always the same one
			out, ok = m, true
		}
	}
	return out, ok, nil
}

// modelRoot gives a logged model and where its files lie.
func (t *Tracker) modelRoot(ctx context.Context, id string) (LoggedModel, string, error) {
	got, err := get[LoggedModelAnswer](ctx, t.c, "logged-models/"+id, nil)
	if err != nil {
		return got.Model, "", err
	}
	root, err := t.rootOf(got.Model.Info.ArtifactURI)
	return got.Model, root, err
}

// description is an MLmodel file: the keys in MLflow's order.
type description struct {
	ArtifactPath string         `yaml:"artifact_path"`
	Flavors      map[string]any `yaml:"flavors"`
	MLflow       string         `yaml:"mlflow_version"`
	ModelID      string         `yaml:"model_id"`
	ModelSize    int64          `yaml:"model_size_bytes"`
	ModelUUID    string         `yaml:"model_uuid"`
	RunID        string         `yaml:"run_id"`
	Signature    signature      `yaml:"signature"`
	Created      string         `yaml:"utc_time_created"`
}

type signature struct {
	Inputs  string  `yaml:"inputs"`
	Outputs string  `yaml:"outputs"`
	Params  *string `yaml:"params"`
}

// describe writes the MLmodel file.
func (s *ModelSpec) describe(m *LoggedModel) ([]byte, error) {
	inputs, err := json.Marshal(columnSpecs(s.Schema.Features()))
	if err != nil {
		return nil, err
	}
	target, _ := s.Schema.Target()
	target.Nullable = false
	outputs, err := json.Marshal(columnSpecs([]perennial.Column{target}))
	if err != nil {
		return nil, err
	}
	d := description{
		ArtifactPath: m.Info.ArtifactURI, MLflow: Version, ModelID: m.Info.ModelID, ModelUUID: m.Info.ModelID, RunID: s.RunID,
		Flavors: map[string]any{flavorName: map[string]any{
			"model_file": s.File, "task": string(s.Task), "algorithm": s.Algorithm, "sha256": s.SHA256, "build": s.Build,
		}},
		Signature: signature{Inputs: string(inputs), Outputs: string(outputs)},
		Created:   strings.TrimSuffix(time.UnixMilli(s.CreatedAt).UTC().Format("2006-01-02 15:04:05.000000"), ".000000"),
	}
	for _, f := range s.Files {
		d.ModelSize += f.Size
	}
	return yaml.Marshal(d)
}
