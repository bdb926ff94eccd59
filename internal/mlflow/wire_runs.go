package mlflow

import "github.com/perennial-ml/perennial"

// View says which lifecycle stages a search takes in.
type View string

// The views; "" is ViewActive.
const (
	ViewActive  View = "ACTIVE_ONLY"
	ViewDeleted View = "DELETED_ONLY"
	ViewAll     View = "ALL"
)

// The lifecycle stages of what can be deleted and restored.
const (
	LifecycleActive  = "active"
	LifecycleDeleted = "deleted"
)

// Tag is a key with a text: a tag or a parameter of whatever has some.
type Tag = perennial.Tag

// Experiment is a name under which runs are kept. Times are milliseconds since
// 1970.
type Experiment struct {
	ExperimentID     string `json:"experiment_id"` // a decimal number
	Name             string `json:"name"`
	ArtifactLocation string `json:"artifact_location"`
	LifecycleStage   string `json:"lifecycle_stage"` // active | deleted
	LastUpdateTime   Int    `json:"last_update_time"`
	CreationTime     Int    `json:"creation_time"`
	Tags             []Tag  `json:"tags,omitempty"`
	Workspace        string `json:"workspace,omitempty"`
}

// CreateExperiment is POST experiments/create.
type CreateExperiment struct {
	Name             string `json:"name"`
	ArtifactLocation string `json:"artifact_location,omitempty"` // "": mlflow-artifacts:/<id>
	Tags             []Tag  `json:"tags,omitempty"`
}

// ExperimentID names an experiment: POST experiments/delete and /restore, and what
// experiments/create answers. GET experiments/get takes it too.
type ExperimentID struct {
	ExperimentID string `json:"experiment_id"`
}

// GetExperimentByName is GET experiments/get-by-name.
type GetExperimentByName struct {
	ExperimentName string `json:"experiment_name"`
}

// ExperimentAnswer is what experiments/get and get-by-name answer.
type ExperimentAnswer struct {
	Experiment Experiment `json:"experiment"`
}

// UpdateExperiment is POST experiments/update.
type UpdateExperiment struct {
	ExperimentID string `json:"experiment_id"`
	NewName      string `json:"new_name,omitempty"`
}

// ExperimentTag is POST experiments/set-experiment-tag and, without the value,
// delete-experiment-tag.
type ExperimentTag struct {
	ExperimentID string  `json:"experiment_id"`
	Key          string  `json:"key"`
	Value        *string `json:"value,omitempty"`
}

// SearchExperiments is POST and GET experiments/search.
type SearchExperiments struct {
	MaxResults *Int     `json:"max_results,omitempty"` // required by MLflow; here 1000 where missing
	PageToken  string   `json:"page_token,omitempty"`
	Filter     string   `json:"filter,omitempty"`
	OrderBy    []string `json:"order_by,omitempty"`
	ViewType   View     `json:"view_type,omitempty"`
}

// Experiments is what experiments/search answers.
type Experiments struct {
	Experiments   []Experiment `json:"experiments,omitempty"`
	NextPageToken string       `json:"next_page_token,omitempty"`
}

// RunInfo is what a run is, without what was logged to it.
type RunInfo struct {
	RunUUID        string `json:"run_uuid"`
	ExperimentID   string `json:"experiment_id"`
	RunName        string `json:"run_name"`
	UserID         string `json:"user_id"`
	Status         string `json:"status"` // RUNNING | SCHEDULED | FINISHED | FAILED | KILLED
	StartTime      Int    `json:"start_time"`
	EndTime        *Int   `json:"end_time,omitempty"`
	ArtifactURI    string `json:"artifact_uri"`
	LifecycleStage string `json:"lifecycle_stage"`
	RunID          string `json:"run_id"`
}

// Metric is one point of a metric. Model and data set are those it was measured
// on; they are kept for logged models only.
type Metric struct {
	Key           string `json:"key"`
	Value         Number `json:"value"`
	Timestamp     Int    `json:"timestamp"` // ms
	Step          Int    `json:"step"`
	ModelID       string `json:"model_id,omitempty"`
	DatasetName   string `json:"dataset_name,omitempty"`
	DatasetDigest string `json:"dataset_digest,omitempty"`
	RunID         string `json:"run_id,omitempty"`
}

// RunData is what was logged to a run: of each metric the latest point.
type RunData struct {
	Metrics []Metric `json:"metrics,omitempty"`
	Params  []Tag    `json:"params,omitempty"`
	Tags    []Tag    `json:"tags,omitempty"`
}

// Dataset is a data set that a run read. Schema and profile are JSON, source too.
type Dataset struct {
	Name       string `json:"name"`
	Digest     string `json:"digest"`
	SourceType string `json:"source_type"`
	Source     string `json:"source"`
	Schema     string `json:"schema,omitempty"`
	Profile    string `json:"profile,omitempty"`
}

// TagDataContext is the tag of a data set's input that says what it was for.
const TagDataContext = "mlflow.data.context"

// DatasetInput is a data set with the tags of this use of it.
type DatasetInput struct {
	Tags    []Tag   `json:"tags,omitempty"`
	Dataset Dataset `json:"dataset"`
}

// ModelInput names a logged model that a run read.
type ModelInput struct {
	ModelID string `json:"model_id"`
}

// ModelOutput names a logged model that a run made.
type ModelOutput struct {
	ModelID string `json:"model_id"`
	Step    Int    `json:"step"`
}

// RunInputs is what a run read.
type RunInputs struct {
	DatasetInputs []DatasetInput `json:"dataset_inputs,omitempty"`
	ModelInputs   []ModelInput   `json:"model_inputs,omitempty"`
}

// RunOutputs is what a run made.
type RunOutputs struct {
	ModelOutputs []ModelOutput `json:"model_outputs,omitempty"`
}

// Run is a run with everything that was logged to it.
type Run struct {
	Info    RunInfo    `json:"info"`
	Data    RunData    `json:"data"`
	Inputs  RunInputs  `json:"inputs"`
	Outputs RunOutputs `json:"outputs"`
}

// RunAnswer is what runs/create and runs/get answer.
type RunAnswer struct {
	Run Run `json:"run"`
}

// CreateRun is POST runs/create.
type CreateRun struct {
	ExperimentID string `json:"experiment_id,omitempty"` // "": 0, the default experiment
	UserID       string `json:"user_id,omitempty"`
	RunName      string `json:"run_name,omitempty"` // "": the tag mlflow.runName, else an invented one
	StartTime    Int    `json:"start_time,omitempty"`
	Tags         []Tag  `json:"tags,omitempty"`
}

// RunRef names a run: GET runs/get, POST runs/delete and /restore. Either field
// will do.
type RunRef struct {
	RunID   string `json:"run_id,omitempty"`
	RunUUID string `json:"run_uuid,omitempty"`
}

// ID gives the run's id, "" where neither field is set.
func (r RunRef) ID() string {
	if r.RunID != "" {
		return r.RunID
	}
	return r.RunUUID
}

// UpdateRun is POST runs/update.
type UpdateRun struct {
	RunRef

	Status  string `json:"status,omitempty"`
	EndTime *Int   `json:"end_time,omitempty"` // ms
	RunName string `json:"run_name,omitempty"`
}

// RunInfoAnswer is what runs/update answers.
type RunInfoAnswer struct {
	RunInfo RunInfo `json:"run_info"`
}

// LogMetric is POST runs/log-metric. Step defaults to 0; key, value and timestamp
// are required.
type LogMetric struct {
	RunRef

	Key           string  `json:"key"`
	Value         *Number `json:"value"`
	Timestamp     *Int    `json:"timestamp"` // ms
	Step          Int     `json:"step"`
	ModelID       string  `json:"model_id,omitempty"`
	DatasetName   string  `json:"dataset_name,omitempty"`
	DatasetDigest string  `json:"dataset_digest,omitempty"`
}

// LogParam is POST runs/log-parameter.
type LogParam struct {
	RunRef

	Key   string `json:"key"`
	Value string `json:"value"`
}

// SetTag is POST runs/set-tag.
type SetTag struct {
	RunRef

	Key   string  `json:"key"`
	Value *string `json:"value"`
}

// DeleteTag is POST runs/delete-tag.
type DeleteTag struct {
	RunRef

	Key string `json:"key"`
}

// LogBatch is POST runs/log-batch: all of it is kept or nothing. At most 1,000
// metrics, 100 params, 100 tags and 1,000 of all together.
type LogBatch struct {
	RunRef

	Metrics []Metric `json:"metrics,omitempty"`
	Params  []Tag    `json:"params,omitempty"`
	Tags    []Tag    `json:"tags,omitempty"`
}

// LogModel is POST runs/log-model, with which MLflow 2's client notes a model among
// a run's artifacts.
type LogModel struct {
	RunRef

	ModelJSON string `json:"model_json"`
}

// LogInputs is POST runs/log-inputs.
type LogInputs struct {
	RunRef

	Datasets []DatasetInput `json:"datasets,omitempty"`
	Models   []ModelInput   `json:"models,omitempty"`
}

// LogOutputs is POST runs/outputs.
type LogOutputs struct {
	RunRef

	Models []ModelOutput `json:"models,omitempty"`
}

// SearchRuns is POST runs/search.
type SearchRuns struct {
	ExperimentIDs []string `json:"experiment_ids,omitempty"`
	Filter        string   `json:"filter,omitempty"`
	RunViewType   View     `json:"run_view_type,omitempty"`
	MaxResults    *Int     `json:"max_results,omitempty"` // nil: 1000; at most 50,000
	OrderBy       []string `json:"order_by,omitempty"`
	PageToken     string   `json:"page_token,omitempty"`
}

// Runs is what runs/search answers.
type Runs struct {
	Runs          []Run  `json:"runs,omitempty"`
	NextPageToken string `json:"next_page_token,omitempty"`
}

// GetHistory is GET metrics/get-history.
type GetHistory struct {
	RunRef

	MetricKey  string `json:"metric_key"`
	MaxResults *Int   `json:"max_results,omitempty"` // nil: all points in one answer
	PageToken  string `json:"page_token,omitempty"`
}

// Metrics is what metrics/get-history and get-history-bulk-interval answer.
type Metrics struct {
	Metrics       []Metric `json:"metrics,omitempty"`
	NextPageToken string   `json:"next_page_token,omitempty"`
}

// GetHistoryBulk is GET metrics/get-history-bulk-interval: of each run at most
// max_results points, spread evenly over the steps, the first and last among them.
type GetHistoryBulk struct {
	RunIDs     []string `json:"run_ids,omitempty"`
	MetricKey  string   `json:"metric_key"`
	StartStep  *Int     `json:"start_step,omitempty"`
	EndStep    *Int     `json:"end_step,omitempty"`
	MaxResults *Int     `json:"max_results,omitempty"` // nil: 320; at most 2,500
}

// ExperimentIDs is POST experiments/search-datasets.
type ExperimentIDs struct {
	ExperimentIDs []string `json:"experiment_ids,omitempty"`
}

// DatasetSummary is a data set that a run of an experiment read.
type DatasetSummary struct {
	ExperimentID string `json:"experiment_id"`
	Name         string `json:"name"`
	Digest       string `json:"digest"`
	Context      string `json:"context"`
}

// DatasetSummaries is what experiments/search-datasets answers.
type DatasetSummaries struct {
	DatasetSummaries []DatasetSummary `json:"dataset_summaries,omitempty"`
}

// ServerInfo is what GET /api/3.0/mlflow/server-info answers. Both multipart flags
// stay false, so that clients send artifacts through the plain routes.
type ServerInfo struct {
	StoreType                       string          `json:"store_type"`
	WorkspacesEnabled               bool            `json:"workspaces_enabled"`
	TraceArchivalEnabled            bool            `json:"trace_archival_enabled"`
	MultipartUploadsEnabled         bool            `json:"multipart_uploads_enabled"`
	MultipartDownloadsEnabled       bool            `json:"multipart_downloads_enabled"`
	PresignedUploadRunIDSupported   bool            `json:"presigned_upload_run_id_supported"`
	PresignedUploadModelIDSupported bool            `json:"presigned_upload_model_id_supported"`
	FeaturesEnabled                 map[string]bool `json:"features_enabled"`
}

// Void is a request or an answer without fields.
type Void struct{}
