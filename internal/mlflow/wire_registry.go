package mlflow

// Stages of a version, as MLflow spells them.
const (
	StageNone       = "None"
	StageStaging    = "Staging"
	StageProduction = "Production"
	StageArchived   = "Archived"
)

// StatusReady is the status of a version that can be loaded.
const StatusReady = "READY"

// Statuses of a logged model.
const (
	LoggedModelPending = "LOGGED_MODEL_PENDING"
	LoggedModelReady   = "LOGGED_MODEL_READY"
	LoggedModelFailed  = "LOGGED_MODEL_UPLOAD_FAILED"
)

// TagModelVersions is the tag of a logged model that lists, as JSON, the
// registered versions that were made of it; TagIsPrompt marks what the registry
// keeps for MLflow's prompts.
const (
	TagModelVersions = "mlflow.modelVersions"
	TagIsPrompt      = "mlflow.prompt.is_prompt"
)

// RegisteredModel is a name under which versions are kept. Times are ms.
type RegisteredModel struct {
	Name                 string         `json:"name"`
	CreationTimestamp    Int            `json:"creation_timestamp"`
	LastUpdatedTimestamp Int            `json:"last_updated_timestamp"`
	Description          string         `json:"description,omitempty"`
	LatestVersions       []ModelVersion `json:"latest_versions,omitempty"` // the newest of each stage
	Tags                 []Tag          `json:"tags,omitempty"`
	Aliases              []Alias        `json:"aliases,omitempty"`
}

// Alias points at a version.
type Alias struct {
	Alias   string `json:"alias"`
	Version string `json:"version"`
}

// ModelVersion is one version of a registered model. Times are ms.
type ModelVersion struct {
	Name                 string   `json:"name"`
	Version              string   `json:"version"`
	CreationTimestamp    Int      `json:"creation_timestamp"`
	LastUpdatedTimestamp Int      `json:"last_updated_timestamp"`
	CurrentStage         string   `json:"current_stage"`
	Description          string   `json:"description"`
	Source               string   `json:"source"`
	RunID                string   `json:"run_id"`
	Status               string   `json:"status"`
	Tags                 []Tag    `json:"tags,omitempty"`
	RunLink              string   `json:"run_link"`
	Aliases              []string `json:"aliases,omitempty"`
}

// CreateRegisteredModel is POST registered-models/create.
type CreateRegisteredModel struct {
	Name        string `json:"name"`
	Tags        []Tag  `json:"tags,omitempty"`
	Description string `json:"description,omitempty"`
}

// ModelName names a registered model: GET registered-models/get and DELETE
// registered-models/delete.
type ModelName struct {
	Name string `json:"name"`
}

// UpdateRegisteredModel is PATCH registered-models/update.
type UpdateRegisteredModel struct {
	Name        string `json:"name"`
	Description string `json:"description"`
}

// RenameRegisteredModel is POST registered-models/rename.
type RenameRegisteredModel struct {
	Name    string `json:"name"`
	NewName string `json:"new_name"`
}

// RegisteredModelAnswer answers with one registered model.
type RegisteredModelAnswer struct {
	RegisteredModel RegisteredModel `json:"registered_model"`
}

// GetLatestVersions is POST or GET registered-models/get-latest-versions; without
// stages it means all.
type GetLatestVersions struct {
	Name   string   `json:"name"`
	Stages []string `json:"stages,omitempty"`
}

// ModelTag is POST registered-models/set-tag, and without a value DELETE
// registered-models/delete-tag.
type ModelTag struct {
	Name  string `json:"name"`
	Key   string `json:"key"`
	Value string `json:"value,omitempty"`
}

// ModelAlias is POST registered-models/alias, and without a version GET and DELETE
// of the same path.
type ModelAlias struct {
	Name    string `json:"name"`
	Alias   string `json:"alias"`
	Version string `json:"version,omitempty"`
}

// CreateModelVersion is POST model-versions/create.
type CreateModelVersion struct {
	Name        string `json:"name"`
	Source      string `json:"source"`
	RunID       string `json:"run_id,omitempty"`
	Tags        []Tag  `json:"tags,omitempty"`
	RunLink     string `json:"run_link,omitempty"`
	Description string `json:"description,omitempty"`
	ModelID     string `json:"model_id,omitempty"`
}

// VersionName names a version: GET model-versions/get, GET
// model-versions/get-download-uri and DELETE model-versions/delete.
type VersionName struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// UpdateModelVersion is PATCH model-versions/update.
type UpdateModelVersion struct {
	Name        string `json:"name"`
	Version     string `json:"version"`
	Description string `json:"description"`
}

// TransitionStage is POST model-versions/transition-stage.
type TransitionStage struct {
	Name                    string `json:"name"`
	Version                 string `json:"version"`
	Stage                   string `json:"stage"`
	ArchiveExistingVersions bool   `json:"archive_existing_versions"`
}

// VersionTag is POST model-versions/set-tag, and without a value DELETE
// model-versions/delete-tag.
type VersionTag struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Key     string `json:"key"`
	Value   string `json:"value,omitempty"`
}

// ModelVersionAnswer answers with one version.
type ModelVersionAnswer struct {
	ModelVersion ModelVersion `json:"model_version"`
}

// ModelVersions answers with versions.
type ModelVersions struct {
	ModelVersions []ModelVersion `json:"model_versions,omitempty"`
	NextPageToken string         `json:"next_page_token,omitempty"`
}

// DownloadURI answers where a version's files lie.
type DownloadURI struct {
	ArtifactURI string `json:"artifact_uri"`
}

// SearchRegistry is GET registered-models/search and GET model-versions/search.
type SearchRegistry struct {
	Filter     string   `json:"filter,omitempty"`
	MaxResults *Int     `json:"max_results,omitempty"`
	OrderBy    []string `json:"order_by,omitempty"`
	PageToken  string   `json:"page_token,omitempty"`
}

// RegisteredModels answers with registered models.
type RegisteredModels struct {
	RegisteredModels []RegisteredModel `json:"registered_models,omitempty"`
	NextPageToken    string            `json:"next_page_token,omitempty"`
}

// LoggedModel is a model that a run, or somebody, logged. Times are ms.
type LoggedModel struct {
	Info LoggedModelInfo `json:"info"`
	Data LoggedModelData `json:"data"`
}

// LoggedModelInfo says what a logged model is.
type LoggedModelInfo struct {
	ModelID                string `json:"model_id"`
	ExperimentID           string `json:"experiment_id"`
	Name                   string `json:"name"`
	CreationTimestampMS    Int    `json:"creation_timestamp_ms"`
	LastUpdatedTimestampMS Int    `json:"last_updated_timestamp_ms"`
	ArtifactURI            string `json:"artifact_uri"`
	Status                 string `json:"status"`
	ModelType              string `json:"model_type"`
	SourceRunID            string `json:"source_run_id"`
	Tags                   []Tag  `json:"tags,omitempty"`
}

// LoggedModelData holds a logged model's parameters, and the points of metrics
// that runs logged for it.
type LoggedModelData struct {
	Params  []Tag    `json:"params,omitempty"`
	Metrics []Metric `json:"metrics,omitempty"`
}

// CreateLoggedModel is POST logged-models.
type CreateLoggedModel struct {
	ExperimentID string `json:"experiment_id"`
	Name         string `json:"name,omitempty"`
	ModelType    string `json:"model_type,omitempty"`
	SourceRunID  string `json:"source_run_id,omitempty"`
	Params       []Tag  `json:"params,omitempty"`
	Tags         []Tag  `json:"tags,omitempty"`
}

// LoggedModelAnswer answers with one logged model.
type LoggedModelAnswer struct {
	Model LoggedModel `json:"model"`
}

// GetLoggedModel is GET and DELETE logged-models/{model_id}.
type GetLoggedModel struct {
	ModelID      string `json:"model_id"`
	AllowDeleted bool   `json:"allow_deleted,omitempty"` // GET only
}

// FinalizeLoggedModel is PATCH logged-models/{model_id}.
type FinalizeLoggedModel struct {
	ModelID string `json:"model_id"`
	Status  string `json:"status"`
}

// LoggedModelTags is PATCH logged-models/{model_id}/tags.
type LoggedModelTags struct {
	ModelID string `json:"model_id"`
	Tags    []Tag  `json:"tags"`
}

// LoggedModelParams is POST logged-models/{model_id}/params.
type LoggedModelParams struct {
	ModelID string `json:"model_id"`
	Params  []Tag  `json:"params"`
}

// SearchLoggedModels is POST logged-models/search.
type SearchLoggedModels struct {
	ExperimentIDs []string             `json:"experiment_ids"`
	Filter        string               `json:"filter,omitempty"`
	Datasets      []LoggedModelDataset `json:"datasets,omitempty"`
	MaxResults    *Int                 `json:"max_results,omitempty"`
	OrderBy       []LoggedModelOrder   `json:"order_by,omitempty"`
	PageToken     string               `json:"page_token,omitempty"`
}

// LoggedModelDataset narrows the metrics of a search to those measured on one data
// set; an empty digest is any.
type LoggedModelDataset struct {
	Name   string `json:"dataset_name"`
	Digest string `json:"dataset_digest,omitempty"`
}

// LoggedModelOrder is one key to sort logged models by; a metric may be narrowed
// to a data set.
type LoggedModelOrder struct {
	FieldName     string `json:"field_name"`
	Ascending     *bool  `json:"ascending,omitempty"` // nil: true
	DatasetName   string `json:"dataset_name,omitempty"`
	DatasetDigest string `json:"dataset_digest,omitempty"`
}

// LoggedModels answers with logged models.
type LoggedModels struct {
	Models        []LoggedModel `json:"models,omitempty"`
	NextPageToken string        `json:"next_page_token,omitempty"`
}

// ListArtifacts is GET artifacts/list.
type ListArtifacts struct {
	RunRef

	Path      string `json:"path,omitempty"`
	PageToken string `json:"page_token,omitempty"`
}

// ArtifactList answers with what lies in one folder; paths are relative
// to the run's or model's root, or the base name alone where no root is known.
type ArtifactList struct {
	RootURI string     `json:"root_uri,omitempty"`
	Files   []FileInfo `json:"files,omitempty"`
}

// FileInfo is a file or folder among artifacts.
type FileInfo struct {
	Path     string `json:"path"`
	IsDir    bool   `json:"is_dir"`
	FileSize *Int   `json:"file_size,omitempty"` // bytes; nil for a folder
}
