package control

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"slices"
	"strconv"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/activities"
	"github.com/perennial-ml/perennial/internal/client"
	"github.com/perennial-ml/perennial/internal/dataset"
	"github.com/perennial-ml/perennial/internal/mlflow"
	"github.com/perennial-ml/perennial/internal/pipeline"
	"github.com/perennial-ml/perennial/models"
	"github.com/perennial-ml/perennial/models/imported"
)

// Imports keeps the runs and versions of models that are imported
// (internal/mlflow). CreateRun and CreateVersion give the first result back when
// called again with the same op, LogModel when called again with the same content.
type Imports interface {
	EnsureExperiment(ctx context.Context, name string) (perennial.Experiment, error)
	CreateRun(ctx context.Context, spec mlflow.RunSpec) (perennial.Run, error)
	LogBatch(ctx context.Context, runID string, metrics []perennial.Metric, params, tags []perennial.Tag) error
	LogArtifact(ctx context.Context, runID string, a perennial.Artifact) error
	LogModel(ctx context.Context, m mlflow.ModelSpec) (modelID string, err error)
	UpdateRun(ctx context.Context, id string, status perennial.RunStatus, endedAt int64) error
	EnsureModel(ctx context.Context, name string) (perennial.RegisteredModel, error)
	CreateVersion(ctx context.Context, v perennial.ModelVersion, op string) (perennial.ModelVersion, error)
	Versions(ctx context.Context, model string) ([]perennial.ModelVersion, error)
}

// Files keeps content-addressed bytes (internal/blob).
type Files interface {
	Put(ctx context.Context, b []byte) (key string, err error)
}

// Where an imported version's run keeps what it was made of.
const (
	importedSource = "source/"
	importedSchema = "source/schema.yaml"
)

// Import makes a version of a model file of another library, with a run that
// keeps the file, its schema and the model file that serves. Nothing goes into
// service: StartRollout does that, at once for a model's first version. The same
// file with the same schema again is the version that it made before.
//
// Errors: invalid for a name that none may have and for a schema with faults;
// invalid, malformed and too_large as models.Import gives them.
func (c *Control) Import(ctx context.Context, model string, req client.ImportRequest) (client.ImportResponse, error) {
	const op = "control.Import"
	actor, err := authorise(ctx, op, perennial.AccessTrainer)
	if err != nil {
		return client.ImportResponse{}, err
	}
	if !perennial.ValidName(model) {
		return client.ImportResponse{}, perennial.Errorf(perennial.CodeInvalid, op, "%q can't name a model", model).
			WithHint("A name is a small letter, then up to 62 small letters, digits and dashes.")
	}
	i, err := c.read(ctx, model, req)
	if err != nil {
		return client.ImportResponse{}, perennial.Wrap(op, err)
	}
	known, err := c.knownImport(ctx, i)
	if err != nil {
		return client.ImportResponse{}, perennial.Wrap(op, err)
	}
	version := known
	if known.Version == "" {
		if err := insist(ctx, func(bool) (err error) {
			version, err = c.register(ctx, i, actor.Name)
			return err
		}); err != nil {
			return client.ImportResponse{}, perennial.Wrap(op, err)
		}
	}
	out := i.answer(version, known.Version == "")
	row, err := c.o.Traffic.Get(ctx, model)
	if err != nil && known.Version != "" {
		return out, perennial.Wrap(op, err)
	}
	out.InService = err == nil && row.Champion == version.Version
	if err == nil && row.Champion != "" && !out.InService { // a warning: whether it may is asked again when it is rolled out
		_, out.Incompatible, _ = c.o.Rollouts.Refused(ctx, activities.Offer{Model: model, Version: version.Version, Force: true}, row.Champion)
	}
	if !out.Created {
		return out, nil
	}
	return out, c.record(ctx, perennial.AuditEntry{Action: "model.import", Target: model, Reason: req.Reason, After: state(map[string]any{
		"version": version.Version, "run_id": version.RunID, "library": i.lineage.Library, "source_sha256": i.lineage.SHA256, "model_sha256": i.modelSHA256(),
	})})
}

// importing is one import with everything that was made of it.
type importing struct {
	model   string // its name
	fitted  *models.Model
	lineage perennial.ImportLineage
	schema  string // sha256 of the schema as declared

	served, source, yaml stored
}

// stored is a file among the artifacts.
type stored struct {
	path, key string
	size      int
}

// read makes the model and stores the files. Nothing refers to them until they
// are registered.
func (c *Control) read(ctx context.Context, model string, req client.ImportRequest) (*importing, error) {
	schema, err := pipeline.DecodeSchema("schema", []byte(req.Schema))
	if err != nil {
		return nil, err
	}
	i, b, err := convert(ctx, model, req.Name, req.File, schema)
	if err != nil {
		return nil, err
	}
	for _, f := range []struct {
		to      *stored
		path    string
		content []byte
	}{{&i.served, activities.ModelPath, b}, {&i.source, importedSource + i.lineage.File, req.File}, {&i.yaml, importedSchema, []byte(req.Schema)}} {
		err := insist(ctx, func(bool) (err error) {
			*f.to = stored{path: f.path, size: len(f.content)}
			f.to.key, err = c.o.Files.Put(ctx, f.content)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return i, nil
}

// convert makes our model file of a file of another library.
func convert(ctx context.Context, model, name string, file []byte, schema *perennial.Schema) (*importing, []byte, error) {
	fitted, source, err := models.Import(ctx, file, schema)
	if err != nil {
		return nil, nil, err
	}
	b, err := fitted.Encode()
	return &importing{model: model, fitted: fitted, schema: dataset.SchemaSHA256(schema), lineage: perennial.ImportLineage{
		File: cmp.Or(name, defaultName(source)), SHA256: fitted.Provenance().SourceSHA256, Library: string(source.Format), Format: source.Version,
		Objective: source.Objective, Trees: source.Trees, Iterations: source.Iterations, Dropped: source.Dropped,
	}}, b, err
}

func defaultName(m *imported.Model) string {
	if m.Format == imported.LightGBM {
		return "model.txt"
	}
	return "model.json"
}

func (i *importing) modelSHA256() string { return i.served.key[len("sha256:"):] }

// knownImport finds the version that the same file and schema made before.
func (c *Control) knownImport(ctx context.Context, i *importing) (perennial.ModelVersion, error) {
	versions, err := c.o.Imports.Versions(ctx, i.model)
	if err != nil && perennial.CodeOf(err) != perennial.CodeNotFound {
		return perennial.ModelVersion{}, err
	}
	at := slices.IndexFunc(versions, func(v perennial.ModelVersion) bool { return v.Lineage.ModelSHA256 == i.modelSHA256() })
	if at < 0 {
		return perennial.ModelVersion{}, nil
	}
	return versions[at], nil
}

// register makes the run and the version. Each step is safe to repeat: run and
// version are found again by what was imported.
func (c *Control) register(ctx context.Context, i *importing, actor string) (perennial.ModelVersion, error) {
	var none perennial.ModelVersion
	now, opID := c.o.Now().UnixMilli(), "import:"+i.model+":"+i.modelSHA256()
	experiment, err := c.o.Imports.EnsureExperiment(ctx, i.model)
	if err != nil {
		return none, err
	}
	run, err := c.o.Imports.CreateRun(ctx, mlflow.RunSpec{ExperimentID: experiment.ID, Name: mlflow.RunName("import", i.model, c.o.Now()), User: actor, StartedAt: now, Op: opID, Tags: []perennial.Tag{
		{Key: perennial.TagKind, Value: perennial.KindImport}, {Key: perennial.TagPipeline, Value: i.model}, {Key: perennial.TagAlgorithm, Value: i.fitted.Algorithm()},
		{Key: perennial.TagSource, Value: "perennial import " + i.lineage.File}, {Key: perennial.TagModelSHA256, Value: i.modelSHA256()}, {Key: "perennial.build", Value: c.o.Build},
	}})
	if err != nil {
		return none, err
	}
	if _, err := c.o.Imports.LogModel(ctx, i.logged(run.ID, now, c.o.Build)); err != nil {
		return none, err
	}
	for _, f := range []stored{i.source, i.yaml} {
		if err := c.o.Imports.LogArtifact(ctx, run.ID, perennial.Artifact{Path: f.path, Blob: f.key, Size: int64(f.size)}); err != nil {
			return none, err
		}
	}
	if err := c.o.Imports.LogBatch(ctx, run.ID, nil, i.params(), nil); err != nil {
		return none, err
	}
	if _, err := c.o.Imports.EnsureModel(ctx, i.model); err != nil {
		return none, err
	}
	version, err := c.o.Imports.CreateVersion(ctx, perennial.ModelVersion{
		Model: i.model, RunID: run.ID, Source: run.ArtifactURI + "/" + mlflow.LoggedName,
		Lineage: perennial.Lineage{
			RunID: run.ID, ModelSHA256: i.modelSHA256(), Algorithm: i.fitted.Algorithm(), SchemaSHA256: i.schema, Build: c.o.Build, Imported: &i.lineage,
		},
	}, opID)
	if err != nil {
		return none, err
	}
	tags := []perennial.Tag{{Key: perennial.TagOutcome, Value: "imported"}, {Key: perennial.TagVersion, Value: version.Version}}
	if err := c.o.Imports.LogBatch(ctx, run.ID, nil, nil, tags); err != nil {
		return none, err
	}
	return version, c.o.Imports.UpdateRun(ctx, run.ID, perennial.RunFinished, now)
}

// logged is the model file as MLflow's own logged model.
func (i *importing) logged(runID string, now int64, build string) mlflow.ModelSpec {
	name := path.Base(i.served.path)
	return mlflow.ModelSpec{
		RunID: runID, Task: i.fitted.Task(), Algorithm: i.fitted.Algorithm(), Schema: i.fitted.Schema(), Params: i.params(), SHA256: i.modelSHA256(),
		File: name, Files: []perennial.Artifact{{Path: name, Blob: i.served.key, Size: int64(i.served.size)}}, CreatedAt: now, Build: build,
	}
}

// params are what the run shows of the model.
func (i *importing) params() []perennial.Tag {
	l := &i.lineage
	return []perennial.Tag{
		{Key: "algorithm", Value: i.fitted.Algorithm()}, {Key: "task", Value: string(i.fitted.Task())}, {Key: "objective", Value: l.Objective},
		{Key: "format", Value: l.Format}, {Key: "trees", Value: strconv.Itoa(l.Trees)}, {Key: "iterations", Value: strconv.Itoa(l.Iterations)},
		{Key: "features", Value: fmt.Sprint(len(i.fitted.Schema().Features()))}, {Key: "source_sha256", Value: l.SHA256}, {Key: "schema_sha256", Value: i.schema},
	}
}

func (i *importing) answer(v perennial.ModelVersion, created bool) client.ImportResponse {
	out := client.ImportResponse{
		Model: i.model, Version: v.Version, Created: created, RunID: v.RunID, ModelSHA256: i.modelSHA256(), Task: i.fitted.Task(), Classes: i.fitted.Classes(),
		Features: []string{}, Imported: i.lineage,
	}
	for _, f := range i.fitted.Schema().Features() {
		out.Features = append(out.Features, f.Name)
	}
	return out
}
