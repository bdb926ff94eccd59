package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/perennial-ml/perennial"
)

// Page asks for one page of a list. Limit 0 leaves the size to the server.
type Page struct {
	Limit int
	Token string // NextPageToken of the page before
}

func (p Page) query() url.Values {
	q := url.Values{}
	if p.Limit > 0 {
		q.Set("limit", strconv.Itoa(p.Limit))
	}
	if p.Token != "" {
		q.Set("page_token", p.Token)
	}
	return q
}

func get[T any](ctx context.Context, c *Client, path string, query url.Values) (T, error) {
	var out T
	err := c.call(ctx, http.MethodGet, path, query, nil, &out)
	return out, err
}

// Predict asks for one answer or many.
func (c *Client) Predict(ctx context.Context, req PredictRequest) (PredictResponse, error) {
	var out PredictResponse
	err := c.call(ctx, http.MethodPost, "/predict", nil, req, &out)
	return out, err
}

// Prediction gives a logged prediction with its lineage; not_yet where this
// process hasn't loaded it yet.
func (c *Client) Prediction(ctx context.Context, id string) (PredictionView, error) {
	return get[PredictionView](ctx, c, segments("predictions", id), nil)
}

// Predictions lists a model's logged predictions, newest first.
func (c *Client) Predictions(ctx context.Context, model string, page Page) (List[PredictionView], error) {
	q := page.query()
	q.Set("model", model)
	return get[List[PredictionView]](ctx, c, "/predictions", q)
}

// Models lists the registered models.
func (c *Client) Models(ctx context.Context) (List[ModelView], error) {
	return get[List[ModelView]](ctx, c, "/models", nil)
}

// Model gives one registered model.
func (c *Client) Model(ctx context.Context, model string) (ModelView, error) {
	return get[ModelView](ctx, c, segments("models", model), nil)
}

// Versions lists a model's versions, newest first.
func (c *Client) Versions(ctx context.Context, model string) (List[VersionView], error) {
	return get[List[VersionView]](ctx, c, segments("models", model, "versions"), nil)
}

// Version gives one version.
func (c *Client) Version(ctx context.Context, model, version string) (VersionView, error) {
	return get[VersionView](ctx, c, segments("models", model, "versions", version), nil)
}

// Import makes a version of a model file of another library.
func (c *Client) Import(ctx context.Context, model string, req ImportRequest) (ImportResponse, error) {
	var out ImportResponse
	err := c.call(ctx, http.MethodPost, segments("models", model, "versions"), nil, req, &out)
	return out, err
}

// Schema gives the fields that a model's champion accepts.
func (c *Client) Schema(ctx context.Context, model string) (perennial.Schema, error) {
	return get[perennial.Schema](ctx, c, segments("models", model, "schema"), nil)
}

// Stream lists the rows of a model's data that no version was trained on.
func (c *Client) Stream(ctx context.Context, model string, page Page) (List[StreamRow], error) {
	return get[List[StreamRow]](ctx, c, segments("models", model, "stream"), page.query())
}

// History lists a model's traffic states, newest first.
func (c *Client) History(ctx context.Context, model string, limit int) (List[TrafficView], error) {
	return get[List[TrafficView]](ctx, c, segments("models", model, "history"), Page{Limit: limit}.query())
}

// Pipelines lists the applied pipelines.
func (c *Client) Pipelines(ctx context.Context) (List[PipelineView], error) {
	return get[List[PipelineView]](ctx, c, "/pipelines", nil)
}

// Pipeline gives one applied pipeline with its schema and source.
func (c *Client) Pipeline(ctx context.Context, name string) (PipelineView, error) {
	return get[PipelineView](ctx, c, segments("pipelines", name), nil)
}

// ApplyPipeline puts a pipeline in force.
func (c *Client) ApplyPipeline(ctx context.Context, name string, req ApplyRequest) (ApplyResponse, error) {
	var out ApplyResponse
	err := c.call(ctx, http.MethodPut, segments("pipelines", name), nil, req, &out)
	return out, err
}

// DeleteVersion deletes a version that nothing holds.
func (c *Client) DeleteVersion(ctx context.Context, model, version, reason string) error {
	return c.call(ctx, http.MethodDelete, segments("models", model, "versions", version), nil, ReasonRequest{Reason: reason}, nil)
}

// DeletePipeline takes a pipeline out of force.
func (c *Client) DeletePipeline(ctx context.Context, name, reason string) error {
	return c.call(ctx, http.MethodDelete, segments("pipelines", name), nil, ReasonRequest{Reason: reason}, nil)
}

// Dataset gives what is registered for a path.
func (c *Client) Dataset(ctx context.Context, path string) (DatasetView, error) {
	return get[DatasetView](ctx, c, segments("datasets", path), nil)
}

// RegisterDataset makes an md5 the present content of a data path.
func (c *Client) RegisterDataset(ctx context.Context, path string, req RegisterDatasetRequest) (DatasetView, error) {
	var out DatasetView
	err := c.call(ctx, http.MethodPut, segments("datasets", path), nil, req, &out)
	return out, err
}

// Train starts a training, or joins the one that runs.
func (c *Client) Train(ctx context.Context, pipeline string, req TrainRequest) (TrainResponse, error) {
	var out TrainResponse
	err := c.call(ctx, http.MethodPost, segments("pipelines", pipeline, "train"), nil, req, &out)
	return out, err
}

// Retrain starts a retraining: a training, then a rollout of what comes out of
// it. A request with a known idempotency key gives the workflow it led to.
func (c *Client) Retrain(ctx context.Context, req RetrainRequest) (TrainResponse, error) {
	var out TrainResponse
	err := c.call(ctx, http.MethodPost, "/retrain", nil, req, &out)
	return out, err
}

// Workflow gives a workflow's state; run "" is its latest run.
func (c *Client) Workflow(ctx context.Context, id, run string) (WorkflowView, error) {
	q := url.Values{}
	if run != "" {
		q.Set("run", run)
	}
	return get[WorkflowView](ctx, c, segments("workflows", id), q)
}

// Workflows lists workflows, newest first, of one pipeline or, for "", of all.
func (c *Client) Workflows(ctx context.Context, pipeline string, limit int) (List[WorkflowView], error) {
	q := Page{Limit: limit}.query()
	if pipeline != "" {
		q.Set("pipeline", pipeline)
	}
	return get[List[WorkflowView]](ctx, c, "/workflows", q)
}

// CancelWorkflow asks a running workflow to stop.
func (c *Client) CancelWorkflow(ctx context.Context, id, reason string) (CancelResponse, error) {
	var out CancelResponse
	err := c.call(ctx, http.MethodPost, segments("workflows", id, "cancel"), nil, CancelRequest{Reason: reason}, &out)
	return out, err
}

// Run gives one tracked run; a training comes with its candidates and trials.
func (c *Client) Run(ctx context.Context, id string) (RunView, error) {
	return get[RunView](ctx, c, segments("runs", id), nil)
}

// Reproduce trains a run's model once more and compares, or joins the workflow
// that does so.
func (c *Client) Reproduce(ctx context.Context, runID string, req ReasonRequest) (TrainResponse, error) {
	var out TrainResponse
	err := c.call(ctx, http.MethodPost, segments("runs", runID, "reproduce"), nil, req, &out)
	return out, err
}

// Runs lists a pipeline's trainings, newest first, each with its candidates.
func (c *Client) Runs(ctx context.Context, pipeline string, page Page) (List[RunView], error) {
	q := page.query()
	q.Set("pipeline", pipeline)
	return get[List[RunView]](ctx, c, "/runs", q)
}

// Artifacts lists a run's files.
func (c *Client) Artifacts(ctx context.Context, run string) (List[ArtifactView], error) {
	return get[List[ArtifactView]](ctx, c, segments("runs", run, "artifacts"), nil)
}

// Artifact gives the content of one of a run's files.
func (c *Client) Artifact(ctx context.Context, run, path string) ([]byte, error) {
	return get[[]byte](ctx, c, segments("runs", run, "artifacts")+segments(strings.Split(path, "/")...), nil)
}

// Decision gives a stored decision, its policy and evidence as they came
// (json.RawMessage).
func (c *Client) Decision(ctx context.Context, id string) (DecisionView, error) {
	var policy, evidence json.RawMessage
	out := DecisionView{Policy: &policy, Evidence: &evidence} // decoding fills what is pointed at
	err := c.call(ctx, http.MethodGet, segments("decisions", id), nil, nil, &out)
	out.Policy, out.Evidence = policy, evidence
	return out, err
}

// Status gives the process at a glance.
func (c *Client) Status(ctx context.Context) (StatusView, error) {
	return get[StatusView](ctx, c, "/status", nil)
}

// Ready reports whether every model of the last good traffic state is loaded.
func (c *Client) Ready(ctx context.Context) (ReadyView, error) {
	return get[ReadyView](ctx, c, "/readyz", nil)
}
