package perennial

import "slices"

// Experiment is a name under which runs are kept. It, Run, RegisteredModel and
// ModelVersion are shaped like MLflow's entities: times are milliseconds since
// 1970, versions and ids strings.
type Experiment struct {
	ID               string `json:"experiment_id"`
	Name             string `json:"name"`
	ArtifactLocation string `json:"artifact_location"`
	LifecycleStage   string `json:"lifecycle_stage"` // active | deleted
	CreatedAt        int64  `json:"creation_time"`
	UpdatedAt        int64  `json:"last_update_time"`
	Tags             []Tag  `json:"tags,omitempty"`
}

// RunStatus is MLflow's run status.
type RunStatus string

// The run states.
const (
	RunRunning   RunStatus = "RUNNING"
	RunScheduled RunStatus = "SCHEDULED"
	RunFinished  RunStatus = "FINISHED"
	RunFailed    RunStatus = "FAILED"
	RunKilled    RunStatus = "KILLED"
)

// Terminal reports whether the run has ended.
func (s RunStatus) Terminal() bool {
	switch s {
	case RunFinished, RunFailed, RunKilled:
		return true
	case RunRunning, RunScheduled:
		return false
	}
	return false
}

// TagPrefix begins the keys of the tags that are Perennial's own: runs and versions
// are found again by them, and lineage is read from them.
const TagPrefix = "perennial."

// The tags by which runs are found again.
const (
	TagParentRun   = "mlflow.parentRunId"
	TagRunName     = "mlflow.runName"
	TagUser        = "mlflow.user"
	TagSource      = "mlflow.source.name"
	TagCommit      = "mlflow.source.git.commit"
	TagOp          = "perennial.op" // one-time id that makes a create safe to repeat
	TagWorkflow    = "perennial.workflow_id"
	TagWorkflowRun = "perennial.workflow_run_id"
	TagPipeline    = "perennial.pipeline"
	TagKind        = "perennial.kind" // train | trial | candidate | import
	TagAlgorithm   = "perennial.algorithm"
	TagTermination = "perennial.termination" // how an iterative fit ended, as converged
	TagBundle      = "perennial.bundle"      // key of everything that a training reads
	TagDataMD5     = "perennial.data_md5"
	TagOutcome     = "perennial.outcome"
	TagVersion     = "perennial.version"
	TagDecision    = "perennial.decision_id"
	TagModelSHA256 = "perennial.model_sha256"
	TagSampled     = "perennial.sampled"   // the training learned from a part of its rows: how many of how many
	TagTruncated   = "perennial.truncated" // the study was cut by its time limit: how many of how many trials ran
	TagTrial       = "perennial.trial"     // number, from 1, of the trial that was selected; of a candidate: of its best
	TagStopped     = "perennial.stopped"   // a candidate's best trial was left on some of the folds: on how many of how many
	TagFailure     = "perennial.failure"   // why a candidate has no score
	TagTrainer     = "perennial.trainer"   // version of the training code
	TagPlatform    = "perennial.platform"  // processor architecture of the fit, as Go names it
)

// The kinds of runs, values of TagKind.
const (
	KindTrain     = "train"
	KindTrial     = "trial"     // of a training, which is its parent
	KindCandidate = "candidate" // the best trial of one of a training's candidates
	KindImport    = "import"
)

// Run is one tracked piece of work.
type Run struct {
	ID             string         `json:"run_id"`
	ExperimentID   string         `json:"experiment_id"`
	Name           string         `json:"run_name"`
	User           string         `json:"user_id,omitempty"`
	Status         RunStatus      `json:"status"`
	StartedAt      int64          `json:"start_time"`
	EndedAt        int64          `json:"end_time,omitempty"`
	ArtifactURI    string         `json:"artifact_uri"`
	LifecycleStage string         `json:"lifecycle_stage"`
	Params         []Tag          `json:"params,omitempty"`
	Metrics        []Metric       `json:"metrics,omitempty"` // the latest point of each key
	Tags           []Tag          `json:"tags,omitempty"`
	Inputs         []DatasetInput `json:"inputs,omitempty"`
}

// Tag gives the value of a tag, "" where it isn't set.
func (r *Run) Tag(key string) string { return lookup(r.Tags, key) }

// Param gives the value of a parameter, "" where it isn't set.
func (r *Run) Param(key string) string { return lookup(r.Params, key) }

// Metric gives the latest value of a metric; ok is false where there is none.
func (r *Run) Metric(key string) (v float64, ok bool) {
	i := slices.IndexFunc(r.Metrics, func(m Metric) bool { return m.Key == key })
	if i < 0 {
		return 0, false
	}
	return r.Metrics[i].Value, true
}

func lookup(tags []Tag, key string) string {
	i := slices.IndexFunc(tags, func(t Tag) bool { return t.Key == key })
	if i < 0 {
		return ""
	}
	return tags[i].Value
}

// Tag is a key with a text: a tag or a parameter.
type Tag struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// Metric is one point of a metric.
type Metric struct {
	Key       string  `json:"key"`
	Value     float64 `json:"value"`
	Timestamp int64   `json:"timestamp"` // ms
	Step      int64   `json:"step"`
}

// DatasetInput says which data a run read, and what for.
type DatasetInput struct {
	Context string  `json:"context"` // training
	Data    DataRef `json:"data"`
}

// Artifact is one file of a run.
type Artifact struct {
	Path   string `json:"path"`           // relative to the run's artifact root, slashes
	Blob   string `json:"blob,omitempty"` // sha256:<hex> of what is logged; "" in a list
	Size   int64  `json:"file_size"`
	Folder bool   `json:"is_dir"`
}

// RegisteredModel is a name under which versions are kept.
type RegisteredModel struct {
	Name        string            `json:"name"`
	Description string            `json:"description"`
	CreatedAt   int64             `json:"creation_timestamp"`
	UpdatedAt   int64             `json:"last_updated_timestamp"`
	Aliases     map[string]string `json:"aliases,omitempty"` // alias → version
	Tags        []Tag             `json:"tags,omitempty"`
}

// ModelVersion is one registered version. Version numbers are never reused.
type ModelVersion struct {
	Model     string   `json:"name"`
	Version   string   `json:"version"`
	RunID     string   `json:"run_id"`
	Source    string   `json:"source"`
	Status    string   `json:"status"` // READY
	CreatedAt int64    `json:"creation_timestamp"`
	UpdatedAt int64    `json:"last_updated_timestamp"`
	Aliases   []string `json:"aliases,omitempty"`
	Tags      []Tag    `json:"tags,omitempty"`
	Lineage   Lineage  `json:"lineage"`
}

// The aliases that follow a model's traffic row: Perennial alone sets them.
const (
	AliasChampion   = "champion"   // the version in service
	AliasChallenger = "challenger" // the version that is being rolled out or tested; removed at the end
)

// Lineage leads from a version, and so from every prediction, back to what made
// it.
type Lineage struct {
	RunID            string         `json:"run_id"`
	WorkflowID       string         `json:"workflow_id"`
	WorkflowRunID    string         `json:"workflow_run_id"`
	ModelSHA256      string         `json:"model_sha256"`
	Algorithm        string         `json:"algorithm"`
	Data             DataRef        `json:"data"`
	SchemaSHA256     string         `json:"schema_sha256"`
	PipelineRevision string         `json:"pipeline_revision"` // sha256 of the pipeline's canonical JSON
	ParamsSHA256     string         `json:"params_sha256"`
	Seed             int64          `json:"seed"`
	ProjectCommit    string         `json:"project_commit"` // "" outside git
	ProjectDirty     bool           `json:"project_dirty"`
	Build            string         `json:"build"`            // version of Perennial that trained it
	Rollout          RolloutLineage `json:"rollout,omitzero"` // of a prediction: under which traffic it was answered

	// Imported is set for a version that another library trained; Perennial knows
	// no data, pipeline, parameters or seed of it then.
	Imported *ImportLineage `json:"imported,omitempty"`
}

// ImportLineage says which file of another library a version was made of.
type ImportLineage struct {
	File       string `json:"file"`              // its name, as given by whoever imported it
	SHA256     string `json:"sha256"`            // of its content, which is among the run's artifacts
	Library    string `json:"library"`           // lightgbm | xgboost
	Format     string `json:"format"`            // LightGBM's file version (v4), XGBoost's own version (3.2.0)
	Objective  string `json:"objective"`         // in the library's words
	Trees      int    `json:"trees"`             // that answer
	Iterations int    `json:"iterations"`        // that answer
	Dropped    int    `json:"dropped,omitempty"` // iterations after the best one, which don't answer
}

// RolloutLineage says under which traffic row a prediction was answered.
type RolloutLineage struct {
	Epoch      int64  `json:"epoch"`
	DecisionID string `json:"decision_id,omitempty"`
}
