package client

import (
	"encoding/json"
	"time"

	"github.com/perennial-ml/perennial"
)

// List is the envelope of every list.
type List[T any] struct {
	Items         []T    `json:"items"`
	NextPageToken string `json:"next_page_token"` // "" on the last page
}

// Problem is the body of every error answer (RFC 9457, application/problem+json).
type Problem struct {
	Type      string                 `json:"type"` // "/docs/problems/<code>"
	Title     string                 `json:"title"`
	Status    int                    `json:"status"`
	Code      perennial.Code         `json:"code"`
	Detail    string                 `json:"detail"`
	Instance  string                 `json:"instance"` // the path that was asked for
	RequestID string                 `json:"request_id"`
	Errors    []perennial.FieldError `json:"errors,omitempty"`
	Hint      string                 `json:"hint,omitempty"`
	Workflow  string                 `json:"workflow_url,omitempty"` // what will mend it, where something is at work
}

// PredictRequest is the body of POST /predict: Features for one row, or
// Instances (and optionally one of Keys for each) for many.
type PredictRequest struct {
	Model     string            `json:"model" minLength:"1"`
	UnitID    string            `json:"unit_id,omitempty" minLength:"1" maxLength:"512" doc:"Who it is about: one unit is answered by one version."`
	Key       string            `json:"key,omitempty" minLength:"1" maxLength:"512" doc:"Your own name for this prediction."`
	Features  json.RawMessage   `json:"features,omitempty" doc:"One row: GET /models/{model}/schema has its fields."`
	Keys      []string          `json:"keys,omitempty" doc:"One key for each of instances."`
	Instances []json.RawMessage `json:"instances,omitempty" minItems:"1" doc:"Many rows."`
}

// PredictResponse is its answer: the embedded Answer for one row, Predictions
// for many.
type PredictResponse struct {
	Model   string            `json:"model"`
	Version string            `json:"version"`
	Variant perennial.Variant `json:"variant"`
	Answer
	Predictions []Answer `json:"predictions,omitempty"`
}

// Answer is the answer to one row. Prediction is a class (string) or a number.
type Answer struct {
	PredictionID  string                 `json:"prediction_id,omitempty"`
	Prediction    any                    `json:"prediction,omitempty"`
	Probabilities map[string]float64     `json:"probabilities,omitempty"`
	Warnings      []perennial.FieldError `json:"warnings,omitempty"`
}

// ApplyRequest is the body of PUT /pipelines/{p}: the pipeline file and the files
// that it names, as they stand in the project.
type ApplyRequest struct {
	File   string            `json:"file" minLength:"1" maxLength:"1000" doc:"Path of the pipeline file, one of files."`
	Files  map[string]string `json:"files" doc:"Path within the project to content: the pipeline file, its schema and its split file."`
	Reason string            `json:"reason,omitempty" maxLength:"1000" doc:"Why; kept in the audit."`
}

// ApplyResponse is its answer. Changed is false where this very revision was in
// force already.
type ApplyResponse struct {
	Pipeline string `json:"pipeline"`
	Revision string `json:"revision"` // sha256
	Changed  bool   `json:"changed"`
}

// RegisterDatasetRequest is the body of PUT /datasets/{path}.
type RegisterDatasetRequest struct {
	MD5    string `json:"md5" minLength:"32" maxLength:"32" doc:"md5 of the whole content, as its DVC pointer says."`
	Size   int64  `json:"size" minimum:"0" doc:"Bytes."`
	Reason string `json:"reason,omitempty" maxLength:"1000" doc:"Why; kept in the audit."`
}

// DatasetView is a data path and its registered content.
type DatasetView struct {
	Path         string    `json:"path"` // relative to the project
	MD5          string    `json:"md5"`
	Size         int64     `json:"size"` // bytes
	RegisteredAt time.Time `json:"registered_at"`
}

// StreamRow is a row of a model's data that no version was trained on.
type StreamRow struct {
	Key      string          `json:"key"`
	Features json.RawMessage `json:"features"` // as POST /predict takes them
}

// ImportRequest is the body of POST /models/{m}/versions: a model file of another
// library, and the schema of the rows that it will answer.
type ImportRequest struct {
	Name   string `json:"name,omitempty" maxLength:"200" pattern:"^[^\\x00-\\x1f/\\\\]*$" patternDescription:"a file's name without its directory" doc:"The model file's name."`
	File   []byte `json:"file" doc:"The model file: a LightGBM text file, or XGBoost JSON or UBJSON."`
	Schema string `json:"schema" minLength:"1" doc:"The schema file, YAML: the model's features, and for classification the classes as the target's values."`
	Reason string `json:"reason,omitempty" maxLength:"1000" pattern:"^[^\\x00]*$" patternDescription:"text without NUL characters" doc:"Why; kept in the audit."`
}

// ImportResponse is its answer: 201, or 200 with Created false where the same file
// was imported with the same schema before.
type ImportResponse struct {
	Model       string                  `json:"model"`
	Version     string                  `json:"version"`
	Created     bool                    `json:"created"`
	RunID       string                  `json:"run_id"`
	ModelSHA256 string                  `json:"model_sha256"` // of the model file that serves
	Task        perennial.Task          `json:"task"`
	Classes     []string                `json:"classes,omitempty"` // class 0 first
	Features    []string                `json:"features"`          // in the order of the schema
	Imported    perennial.ImportLineage `json:"imported"`
	InService   bool                    `json:"in_service"` // it answers already

	Incompatible string `json:"incompatible,omitempty"` // why a rollout of it is refused: what the version in service accepts and it doesn't
}

// ReasonRequest is the body of a change that needs nothing but its reason.
type ReasonRequest struct {
	Reason string `json:"reason,omitempty" maxLength:"1000" doc:"Why; kept in the audit."`
}

// TrainRequest is the body of POST /pipelines/{p}/train. Budget defaults to
// full.
type TrainRequest struct {
	Budget perennial.Budget `json:"budget,omitempty" enum:"bootstrap,full" default:"full" doc:"How much searching: full is the pipeline's tuning, bootstrap each candidate's defaults."`

	IfChanged bool `json:"if_changed,omitempty" doc:"Train only where data, sides, pipeline, schema, budget or trainer are others than in the last training and in the version in service; else it ends unchanged."`

	Reason string `json:"reason,omitempty" maxLength:"1000" pattern:"^[^\\x00]*$" patternDescription:"text without NUL characters" doc:"Why; kept with the run."`
}

// TrainResponse is its answer, and that of POST /retrain: 202, or 200 with
// Started false where the pipeline was already training or the key is known.
type TrainResponse struct {
	WorkflowID    string `json:"workflow_id"`
	WorkflowRunID string `json:"workflow_run_id"` // Temporal's
	Started       bool   `json:"started"`
	StatusURL     string `json:"status_url"`       // relative to the API
	UIURL         string `json:"ui_url,omitempty"` // Temporal Web UI
}

// TrainOrder is what the API hands to whoever starts trainings: the request with
// the pipeline it names, and what triggered it (manual, bootstrap, schedule and so
// on). Who asks is in the context: perennial.ActorOf.
type TrainOrder struct {
	Pipeline string
	Budget   perennial.Budget
	Reason   string
	Trigger  perennial.Trigger

	IfChanged bool
}

// RetrainRequest is the body of POST /retrain.
type RetrainRequest struct {
	Pipeline       string `json:"pipeline" doc:"Name of the pipeline."`
	Reason         string `json:"reason,omitempty" maxLength:"1000" pattern:"^[^\\x00]*$" patternDescription:"text without NUL characters" doc:"Why; kept with the workflow and its run."`
	IdempotencyKey string `json:"idempotency_key,omitempty" pattern:"^[A-Za-z0-9._-]{1,64}$" patternDescription:"1 to 64 letters, digits, dots, dashes or underscores" doc:"The same request with the same key starts one workflow; remembered for 7 days."`
	Force          bool   `json:"force,omitempty" doc:"Train although data, sides and parameters are unchanged."`
	DryRun         bool   `json:"dry_run,omitempty" doc:"Say what would be done, and do nothing."`
}

// RetrainOrder is what the API hands to whoever starts retrainings.
type RetrainOrder struct {
	RetrainRequest

	Trigger perennial.Trigger
}

// Started says which workflow works on an order; Started is false where it was
// running already.
type Started struct {
	WorkflowID    string
	WorkflowRunID string // Temporal's
	Started       bool
}

// CancelRequest is the body of POST /workflows/{id}/cancel.
type CancelRequest struct {
	Reason string `json:"reason,omitempty" maxLength:"1000" pattern:"^[^\\x00]*$" patternDescription:"text without NUL characters" doc:"Why; kept with the workflow."`
}

// CancelResponse is its answer, 202: the workflow stops within seconds.
type CancelResponse struct {
	WorkflowID string `json:"workflow_id"`
	StatusURL  string `json:"status_url"`
}

// WorkflowView is the JSON of GET /workflows/{id}.
type WorkflowView struct {
	WorkflowID    string                  `json:"workflow_id"`
	WorkflowRunID string                  `json:"workflow_run_id"` // Temporal's; a tracking run's is in Result
	Type          string                  `json:"type"`
	Pipeline      string                  `json:"pipeline,omitempty"`
	State         perennial.WorkflowState `json:"state"`
	Stage         string                  `json:"stage,omitempty"` // the one that runs, or ran last
	StartedBy     string                  `json:"started_by"`
	Reason        string                  `json:"reason,omitempty"`
	StartedAt     time.Time               `json:"started_at"`
	EndedAt       *time.Time              `json:"ended_at,omitempty"`
	Stages        []StageView             `json:"stages"`
	Progress      *Progress               `json:"progress"` // null before there is something to count
	Result        *WorkflowResult         `json:"result"`   // null until it ended well
	Error         *WorkflowError          `json:"error"`    // null unless it failed
	Retrying      *Retrying               `json:"retrying,omitempty"`
	UIURL         string                  `json:"ui_url,omitempty"`
}

// Retrying says why the last try of a step failed, while the step waits for the
// next one.
type Retrying struct {
	WorkflowError

	NextAt *time.Time `json:"next_at,omitempty"` // of the next try
}

// StageView is one stage of a workflow.
type StageView struct {
	Name    string               `json:"name"`
	State   perennial.StageState `json:"state"`
	Reused  bool                 `json:"reused,omitempty"` // nothing was done: the inputs' hashes were known
	Seconds float64              `json:"seconds"`
}

// StagesOf turns a workflow's stages into their views.
func StagesOf(stages []perennial.Stage) []StageView {
	out := make([]StageView, len(stages))
	for i, s := range stages {
		out[i] = StageView{Name: s.Name, State: s.State, Reused: s.Reused, Seconds: float64(s.Millis) / 1000}
	}
	return out
}

// Progress counts what a stage has done.
type Progress struct {
	Done       int      `json:"done"`
	Total      int      `json:"total"`
	Unit       string   `json:"unit"`             // trials
	RunID      string   `json:"run_id,omitempty"` // the tracking run that has them
	Best       *Best    `json:"best,omitempty"`
	ETASeconds *float64 `json:"eta_seconds,omitempty"`
}

// Best is the best value so far.
type Best struct {
	Metric string  `json:"metric"`
	Value  float64 `json:"value"`
}

// WorkflowResult says how a workflow that did not fail came out.
type WorkflowResult struct {
	Outcome    perennial.Outcome `json:"outcome"`
	Reason     string            `json:"reason,omitempty"`
	WorkflowID string            `json:"workflow_id,omitempty"` // of a Retrain: the training it started, or found running
	RunID      string            `json:"run_id,omitempty"`      // the tracking run
	Version    string            `json:"version,omitempty"`
	DecisionID string            `json:"decision_id,omitempty"`
	Differs    string            `json:"differs,omitempty"` // of a reproduction: data | parameters | trainer | platform | model
}

// WorkflowError says why a workflow failed.
type WorkflowError struct {
	Code    perennial.Code         `json:"code"`
	Message string                 `json:"message"`
	Hint    string                 `json:"hint,omitempty"`
	Errors  []perennial.FieldError `json:"errors,omitempty"`
}
