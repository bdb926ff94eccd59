package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/api"
	"github.com/perennial-ml/perennial/internal/client"
	"github.com/perennial-ml/perennial/internal/dataset"
	"github.com/perennial-ml/perennial/internal/datastore"
	"github.com/perennial-ml/perennial/internal/ledger"
	"github.com/perennial-ml/perennial/internal/pipeline"
	"github.com/perennial-ml/perennial/internal/predlog"
)

// now is the time of every test: 2026-03-01 12:00:00 UTC.
var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// workflowRunID is the run that the fake workflow has.
const workflowRunID = "019caa00-0000-7000-8000-00000000000a"

const secret = "password=hunter2"

// world is everything behind the API, in memory.
type world struct {
	ready   bool
	down    []client.Degraded
	orders  []client.TrainOrder
	actors  []perennial.Actor
	cancels [][3]string
	state   perennial.WorkflowState
	hold    chan struct{} // Predict waits for it where it is set
	entered chan struct{}
}

func newWorld() *world { return &world{ready: true, state: perennial.WorkflowRunning} }

func (w *world) options() api.Options {
	return api.Options{
		Predictor: w, Predictions: logFake{}, Registry: registryFake{}, Lineage: registryFake{}, Blobs: blobsFake{}, Pipelines: pipelinesFake{},
		Traffic: trafficFake{}, Decisions: decisionsFake{}, Trials: trialsFake{}, Datasets: datasetsFake{}, Control: w, Rollouts: rolloutFake{}, Audit: auditFake{},
		Degraded: func(context.Context) []client.Degraded { return w.down },
		UIURL:    "http://127.0.0.1:8233", Build: "v0.0.0-test", Now: func() time.Time { return now },
	}
}

func (w *world) Import(ctx context.Context, model string, req client.ImportRequest) (client.ImportResponse, error) {
	w.actors = append(w.actors, perennial.ActorOf(ctx))
	if strings.HasPrefix(string(req.File), "pickle") {
		return client.ImportResponse{}, perennial.Errorf(perennial.CodeInvalid, "fake", "this file is a pickle").WithHint("Save it.").Because(errors.New(secret))
	}
	return client.ImportResponse{
		Model: model, Version: "1", Created: string(req.File) != "known", RunID: "run1", ModelSHA256: "aa", Task: perennial.Regression, Features: []string{"x"},
		Imported: perennial.ImportLineage{File: req.Name, SHA256: "bb", Library: "lightgbm", Format: "v4", Objective: "regression", Trees: len(req.File), Iterations: 3},
	}, nil
}

func setup(t *testing.T) (*api.Server, *world) {
	t.Helper()
	w := newWorld()
	return api.New(w.options()), w
}

func notFound(what string) error {
	return perennial.Errorf(perennial.CodeNotFound, "fake", "There is no %s.", what).Because(errors.New(secret))
}

func (w *world) Predict(ctx context.Context, body []byte, kind perennial.PredictionKind) ([]byte, error) {
	var in client.PredictRequest
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, perennial.Errorf(perennial.CodeMalformed, "fake", "The request body is not JSON.").Because(err)
	}
	switch in.Model {
	case "iris":
		if w.hold != nil {
			w.entered <- struct{}{}
			<-w.hold
		}
		return []byte(`{"prediction_id":"p","model":"iris","version":"1","variant":"champion","prediction":"setosa","kind":"` + string(kind) + `"}`), nil
	case "slow":
		<-ctx.Done()
		return nil, ctx.Err()
	case "panics":
		panic(secret)
	case "broken":
		return nil, errors.New(secret)
	case "rejected":
		err := perennial.Errorf(perennial.CodeUnavailable, "fake", "rejected has no version in service: its gates rejected what was trained.")
		err.Fields = []perennial.FieldError{{Path: "/model", Rule: "no_version", Came: in.Model, Message: err.Message}}
		return nil, err
	case "young":
		err := perennial.Errorf(perennial.CodeUnavailable, "fake", "young has no version in service yet.")
		err.Fields = []perennial.FieldError{{Path: "/model", Rule: "not_serving", Came: in.Model, Message: err.Message}}
		return nil, err
	case "picky":
		err := perennial.Errorf(perennial.CodeInvalid, "fake", "1 field is wrong; nothing was predicted or logged.").WithHint("GET /models/picky/schema shows the accepted fields.")
		err.Fields = []perennial.FieldError{{Path: "/features/plan", Rule: "category", Came: "gold", Allowed: []string{"basic", "plus", "pro"}, Message: "plan is not one of the 3 known values."}}
		return nil, err
	default:
		return nil, notFound("model named " + strconv.Quote(in.Model))
	}
}

func (w *world) Schema(model string) (*perennial.Schema, error) {
	if model != "iris" {
		return nil, notFound("model")
	}
	return irisSchema(), nil
}

func irisSchema() *perennial.Schema {
	return &perennial.Schema{Version: 1, ExtraColumns: perennial.ExtraIgnore, Columns: []perennial.Column{
		{Name: "sepal_length", Role: perennial.RoleFeature, Type: perennial.TypeNumeric, Range: &[2]float64{0, 10}},
		{Name: "species", Role: perennial.RoleTarget, Type: perennial.TypeCategorical, Values: []string{"setosa", "versicolor"}},
	}}
}

func (w *world) Ready() bool { return w.ready }

func (w *world) Train(ctx context.Context, order client.TrainOrder) (client.Started, error) {
	if order.Pipeline != "iris" {
		return client.Started{}, notFound("pipeline")
	}
	w.orders, w.actors = append(w.orders, order), append(w.actors, perennial.ActorOf(ctx))
	return client.Started{WorkflowID: "train:iris", WorkflowRunID: "r1", Started: len(w.orders) == 1}, nil
}

func (w *world) Reproduce(_ context.Context, runID, _ string) (client.Started, error) {
	switch runID {
	case "run1", "again":
		return client.Started{WorkflowID: "reproduce:" + runID, WorkflowRunID: "r1", Started: runID == "run1"}, nil
	case "candidate":
		return client.Started{}, perennial.Errorf(perennial.CodePrecondition, "fake", "run candidate is no training").Because(errors.New(secret))
	}
	return client.Started{}, notFound("run")
}

func (w *world) Retrain(_ context.Context, order client.RetrainOrder) (client.Started, error) {
	switch {
	case order.Pipeline != "iris":
		return client.Started{}, notFound("pipeline")
	case order.IdempotencyKey == "taken":
		return client.Started{}, perennial.Errorf(perennial.CodeConflict, "fake", "The idempotency key taken came with another request.").Because(errors.New(secret))
	}
	return client.Started{WorkflowID: "retrain:iris:" + order.IdempotencyKey, WorkflowRunID: "r1", Started: order.IdempotencyKey != "known"}, nil
}

func (w *world) Schedules(ctx context.Context) ([]client.ScheduleView, error) {
	view, err := w.Schedule(ctx, "iris")
	return []client.ScheduleView{view}, err
}

func (w *world) Schedule(_ context.Context, pipeline string) (client.ScheduleView, error) {
	if pipeline != "iris" {
		return client.ScheduleView{}, notFound("pipeline")
	}
	return client.ScheduleView{
		Pipeline: "iris", ScheduleID: "retrain:iris", State: "active", Cron: "0 3 * * *", Timezone: "UTC", Jitter: "30s", Source: "file",
		File: client.ScheduleFile{Cron: "0 3 * * *", Timezone: "UTC"}, Next: []time.Time{now}, Running: []string{},
		Last: &client.ScheduleRun{WorkflowID: "retrain:iris:schedule-2026-03-01T03:00:00Z", At: now}, ChangedBy: "perennial", ChangedAt: &now,
	}, nil
}

func (w *world) SetSchedule(ctx context.Context, pipeline string, req client.ScheduleRequest) (client.ScheduleView, error) {
	view, err := w.Schedule(ctx, pipeline)
	if req.Cron != "" {
		view.Cron, view.Source, view.Reason = req.Cron, "operator", req.Reason
	}
	return view, err
}

func (w *world) RemoveSchedule(ctx context.Context, pipeline, reason string) (client.ScheduleView, error) {
	view, err := w.Schedule(ctx, pipeline)
	view.State, view.Source, view.Reason = "removed", "operator", reason
	return view, err
}

func (w *world) Cancel(ctx context.Context, id, reason string) error {
	if id != "train:iris" {
		return notFound("workflow")
	}
	w.cancels = append(w.cancels, [3]string{id, reason, perennial.ActorOf(ctx).Name})
	return nil
}

func (w *world) Workflow(_ context.Context, id, run string) (client.WorkflowView, error) {
	if id != "train:iris" && id != "odd/id" || run != "" && run != workflowRunID {
		return client.WorkflowView{}, notFound("workflow")
	}
	eta := 320.0
	return client.WorkflowView{
		WorkflowID: id, WorkflowRunID: "r1", Type: "Train", Pipeline: "iris", State: w.state, Stage: perennial.StageTune,
		StartedBy: "api", StartedAt: now,
		Stages:   client.StagesOf([]perennial.Stage{{Name: "validate", State: perennial.StageCompleted, Reused: true, Millis: 400}, {Name: "tune", State: perennial.StageRunning}}),
		Progress: &client.Progress{Done: 17, Total: 60, Unit: "trials", RunID: "run1", Best: &client.Best{Metric: "rmse", Value: 0.47}, ETASeconds: &eta},
	}, nil
}

func (w *world) Workflows(ctx context.Context, pipeline string, _ int) ([]client.WorkflowView, error) {
	if pipeline == "nothing" {
		return nil, nil
	}
	v, err := w.Workflow(ctx, "train:iris", "")
	return []client.WorkflowView{v}, err
}

func (w *world) RunningWorkflows(ctx context.Context) ([]client.WorkflowView, error) {
	return w.Workflows(ctx, "", 0)
}

type logFake struct{}

const (
	predictionID = "019caa00-0000-7000-8000-000000000001"
	youngID      = "019caa00-0000-7000-8000-000000000002"
)

func (logFake) Get(_ context.Context, id string) (perennial.Prediction, error) {
	if id == youngID {
		return perennial.Prediction{}, perennial.Errorf(perennial.CodeNotYet, "fake", "Prediction %s isn't in the log yet.", id)
	}
	if id != predictionID {
		return perennial.Prediction{}, notFound("prediction")
	}
	return perennial.Prediction{
		ID: id, Replica: "a", At: now.UnixMicro() + 250, Model: "iris", Version: "1", Variant: perennial.VariantChampion, Epoch: 3, Bucket: 12,
		UnitID: "u1", Key: "k1", Kind: perennial.KindLive, Status: "ok", LatencyNS: 41500, Features: json.RawMessage(`{"sepal_length":5.10}`),
		Redacted: []string{"email"}, Answer: "setosa", Value: math.NaN(), Probabilities: map[string]float64{"setosa": 0.9, "versicolor": 0.1}, DecisionID: "d1",
	}, nil
}

func (logFake) List(_ context.Context, q predlog.Query) (predlog.Page, error) {
	if q.Model != "california-housing" {
		return predlog.Page{}, nil
	}
	return predlog.Page{Next: "5." + predictionID, Items: []perennial.Prediction{
		{ID: predictionID, At: now.UnixMicro(), Model: q.Model, Version: "1", Variant: perennial.VariantChampion, Kind: perennial.KindLive, Status: "ok", Value: 4.526},
		{ID: predictionID, At: now.UnixMicro(), Model: q.Model, Version: "1", Variant: perennial.VariantChampion, Kind: perennial.KindLive, Status: "error", Value: math.NaN()},
	}}, nil
}

type registryFake struct{}

func irisVersion() perennial.ModelVersion {
	return perennial.ModelVersion{
		Model: "iris", Version: "1", RunID: "run1", Status: "READY", CreatedAt: now.UnixMilli(), Aliases: []string{"champion"},
		Lineage: perennial.Lineage{
			RunID: "run1", WorkflowID: "train:iris", WorkflowRunID: "r1", ModelSHA256: "aa", Algorithm: "logistic_regression",
			Data:         perennial.DataRef{Path: "data/raw/iris.csv", MD5: "bb", Size: 3000, Rows: 150, BaseMD5: "bb", Sides: "5d"},
			SchemaSHA256: "cc", PipelineRevision: "dd", ParamsSHA256: "ee", Seed: 42, Build: "v0.0.0-test",
		},
	}
}

func (registryFake) Models(context.Context) ([]perennial.RegisteredModel, error) {
	return []perennial.RegisteredModel{{Name: "iris", CreatedAt: now.UnixMilli(), UpdatedAt: now.UnixMilli(), Aliases: map[string]string{"champion": "1"}}}, nil
}

func (f registryFake) GetModel(ctx context.Context, name string) (perennial.RegisteredModel, error) {
	models, err := f.Models(ctx)
	if name != models[0].Name {
		return perennial.RegisteredModel{}, notFound("model")
	}
	return models[0], err
}

func (registryFake) Versions(_ context.Context, model string) ([]perennial.ModelVersion, error) {
	if model != "iris" {
		return nil, notFound("model")
	}
	second := irisVersion()
	second.Version, second.Aliases = "10", nil
	return []perennial.ModelVersion{irisVersion(), second}, nil
}

func (registryFake) GetVersion(_ context.Context, model, version string) (perennial.ModelVersion, error) {
	if model != "iris" || version != "1" {
		return perennial.ModelVersion{}, notFound("version")
	}
	return irisVersion(), nil
}

func fakeRun(id, parent string) perennial.Run {
	r := perennial.Run{
		ID: id, Name: id, Status: perennial.RunFinished, StartedAt: now.UnixMilli(), EndedAt: now.UnixMilli() + 1500,
		Params:  []perennial.Tag{{Key: "c", Value: "1"}},
		Metrics: []perennial.Metric{{Key: "accuracy", Value: 0.96}, {Key: "log_loss", Value: math.NaN()}},
		Tags:    []perennial.Tag{{Key: perennial.TagAlgorithm, Value: "logistic_regression"}, {Key: perennial.TagDataMD5, Value: "bb"}},
	}
	if parent != "" {
		r.Tags = append(r.Tags, perennial.Tag{Key: perennial.TagParentRun, Value: parent})
	}
	return r
}

func (registryFake) GetRun(_ context.Context, id string) (perennial.Run, error) {
	if id != "run1" {
		return perennial.Run{}, notFound("run")
	}
	return fakeRun("run1", ""), nil
}

func (registryFake) SearchRuns(_ context.Context, experiment string, _ int, _ string) ([]perennial.Run, string, error) {
	if experiment != "iris" {
		return nil, "", notFound("experiment")
	}
	return []perennial.Run{fakeRun("run1", "")}, "next", nil
}

func (registryFake) Candidates(_ context.Context, trainings ...perennial.Run) (map[string][]perennial.Run, error) {
	out := map[string][]perennial.Run{}
	for _, r := range trainings {
		out[r.ID] = []perennial.Run{fakeRun("child", r.ID)}
	}
	return out, nil
}

func (f registryFake) ReadArtifact(ctx context.Context, run, path string) ([]byte, error) {
	files, err := f.Artifacts(ctx, run)
	if err != nil {
		return nil, err
	}
	for _, a := range files {
		if a.Path == path && !a.Folder {
			return []byte(`"sha256:` + map[string]string{"report/a b.json": "ab", "model.bin": "cd", "card.html": "ef"}[path] + `"`), nil
		}
	}
	return nil, notFound("file")
}

func (registryFake) Artifacts(_ context.Context, run string) ([]perennial.Artifact, error) {
	if run != "run1" {
		return nil, notFound("run")
	}
	return []perennial.Artifact{
		{Path: "report", Folder: true},
		{Path: "report/a b.json", Size: 8},
		{Path: "model.bin", Size: 3},
		{Path: "card.html", Size: 4},
	}, nil
}

type blobsFake struct{}

func (blobsFake) Get(_ context.Context, key string) ([]byte, error) {
	switch key {
	case "md5:bb":
		return []byte("sepal_length,species\n5.1,setosa\n6.2,versicolor\n"), nil
	case "sha256:5d":
		k := perennial.NewRowKeyer()
		k.Number(5.1)
		return dataset.Sides{k.Sum(): perennial.SideStream}.Encode(), nil
	}
	return []byte(`"` + key + `"`), nil
}

type pipelinesFake struct{}

func irisSpec() *pipeline.Spec {
	return &pipeline.Spec{Pipeline: perennial.Pipeline{Name: "iris", Task: perennial.Classification}, Schema: *irisSchema(), Source: "name: iris\n", Revision: "dd"}
}

func (pipelinesFake) Get(_ context.Context, name string) (*pipeline.Spec, error) {
	if name != "iris" {
		return nil, notFound("pipeline")
	}
	return irisSpec(), nil
}

func (pipelinesFake) List(context.Context) ([]*pipeline.Spec, error) {
	return []*pipeline.Spec{irisSpec()}, nil
}

func (f pipelinesFake) Revision(ctx context.Context, name, _ string) (*pipeline.Spec, error) {
	return f.Get(ctx, name)
}

type datasetsFake struct{}

func irisDataset() datastore.Dataset {
	return datastore.Dataset{Path: "data/raw/iris.csv", MD5: "013d0da08d6506664ce640459139176b", Size: 2734, RegisteredAt: now.UnixMilli()}
}

func (datasetsFake) Get(_ context.Context, path string) (datastore.Dataset, error) {
	if path != irisDataset().Path {
		return datastore.Dataset{}, notFound("data set")
	}
	return irisDataset(), nil
}

func (datasetsFake) List(context.Context) ([]datastore.Dataset, error) {
	return []datastore.Dataset{irisDataset()}, nil
}

func (w *world) Apply(_ context.Context, name string, req client.ApplyRequest) (client.ApplyResponse, error) {
	if _, ok := req.Files[req.File]; !ok {
		err := perennial.Errorf(perennial.CodeInvalid, "fake", "1 line is wrong.")
		err.Fields = []perennial.FieldError{{Path: "/name", Rule: "required", File: req.File, Line: 1, Message: "It isn't among the files sent."}}
		return client.ApplyResponse{}, err
	}
	return client.ApplyResponse{Pipeline: name, Revision: "dd", Changed: true}, nil
}

func (w *world) PipelineFaults() []client.PipelineFault {
	return []client.PipelineFault{{Pipeline: "iris", File: "pipelines/iris.yaml", Message: "pipelines/iris.yaml:3: taks is no key; did you mean task?", Errors: []perennial.FieldError{
		{Path: "/taks", Rule: "unknown_key", File: "pipelines/iris.yaml", Line: 3, Message: "taks is no key; did you mean task?"},
	}}}
}

func (w *world) Delete(_ context.Context, name, _ string) error {
	if name != "iris" {
		return notFound("pipeline")
	}
	return nil
}

func (w *world) RegisterDataset(_ context.Context, path string, req client.RegisterDatasetRequest) (datastore.Dataset, error) {
	return datastore.Dataset{Path: path, MD5: req.MD5, Size: req.Size, RegisteredAt: now.UnixMilli()}, nil
}

type trafficFake struct{}

func (trafficFake) Get(_ context.Context, model string) (perennial.Traffic, error) {
	return perennial.Traffic{Model: model, Mode: perennial.ModeCanary, Champion: "1", Challenger: "10", WeightBP: 2500, Salt: "pepper", Epoch: 3, OpID: "op", Reason: "step 2", Actor: "rollout", ChangedAt: now.UnixMilli()}, nil
}

func (f trafficFake) List(ctx context.Context) ([]perennial.Traffic, error) {
	return f.History(ctx, "iris", 1)
}

func (f trafficFake) History(ctx context.Context, model string, _ int) ([]perennial.Traffic, error) {
	if model == "nope" {
		return nil, nil
	}
	t, err := f.Get(ctx, model)
	return []perennial.Traffic{t}, err
}

type trialsFake struct{}

func (trialsFake) Trials(_ context.Context, study string) ([]ledger.Trial, error) {
	if study != "run1" {
		return nil, nil
	}
	return []ledger.Trial{
		{StudyID: study, Algorithm: "ridge", Params: json.RawMessage(`{"alpha":1}`), State: ledger.TrialCompleted, Score: 0.5, Scores: []float64{0.4, 0.6}, Millis: 1500, CPU: 1.25},
		{StudyID: study, Index: 1, Algorithm: "ridge", Params: json.RawMessage(`{}`), State: ledger.TrialFailed, Score: math.NaN(), Error: "alpha is -1"},
	}, nil
}

type decisionsFake struct{}

func (decisionsFake) Decision(_ context.Context, id string) (perennial.Decision, error) {
	if id != "d1" {
		return perennial.Decision{}, notFound("decision")
	}
	return perennial.Decision{ID: id, Kind: perennial.DecisionGate, Model: "iris", At: now.UnixMilli(), Verdict: perennial.VerdictPass, Passed: true, Reason: "all gates passed", Policy: json.RawMessage(`[{"metric":"accuracy"}]`)}, nil
}
