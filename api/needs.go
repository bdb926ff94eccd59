package api

import (
	"context"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/access"
	"github.com/perennial-ml/perennial/internal/client"
	"github.com/perennial-ml/perennial/internal/datastore"
	"github.com/perennial-ml/perennial/internal/ledger"
	"github.com/perennial-ml/perennial/internal/pipeline"
	"github.com/perennial-ml/perennial/internal/predlog"
)

// What the API needs of the rest. Every method gives a *perennial.Error;
// not_found where the named thing doesn't exist.

// Predictor answers prediction requests (internal/serve).
type Predictor interface {
	// Predict takes the whole JSON request and gives the whole JSON answer. It
	// must not keep body.
	Predict(ctx context.Context, body []byte, kind perennial.PredictionKind) (answer []byte, err error)
	// Schema gives the fields that a model's champion accepts.
	Schema(model string) (*perennial.Schema, error)
	// Ready reports whether every model of the last good traffic state is loaded.
	Ready() bool
}

// Predictions reads the prediction log (internal/predlog).
type Predictions interface {
	// Get gives not_yet for a young id that may be on its way from another process.
	Get(ctx context.Context, id string) (perennial.Prediction, error)
	List(ctx context.Context, q predlog.Query) (predlog.Page, error)
	// CountVersions counts the answers of each of a model's versions.
	CountVersions(ctx context.Context, model string) (map[string]int64, error)
}

// Lineage finds what came of a data set (internal/mlflow).
type Lineage interface {
	// RunsByData lists the runs that read a content, newest first.
	RunsByData(ctx context.Context, md5 string) ([]perennial.Run, error)
	VersionsOfRuns(ctx context.Context, runIDs []string) ([]perennial.ModelVersion, error)
}

// Registry reads runs, models and versions (internal/mlflow).
type Registry interface {
	Models(ctx context.Context) ([]perennial.RegisteredModel, error)
	GetModel(ctx context.Context, name string) (perennial.RegisteredModel, error)
	Versions(ctx context.Context, model string) ([]perennial.ModelVersion, error)
	GetVersion(ctx context.Context, model, version string) (perennial.ModelVersion, error)
	GetRun(ctx context.Context, id string) (perennial.Run, error)
	SearchRuns(ctx context.Context, experimentName string, limit int, pageToken string) (runs []perennial.Run, next string, err error)
	// Candidates gives the candidates of some trainings of one experiment, oldest first, by training.
	Candidates(ctx context.Context, trainings ...perennial.Run) (map[string][]perennial.Run, error)
	Artifacts(ctx context.Context, runID string) ([]perennial.Artifact, error)
	ReadArtifact(ctx context.Context, runID, path string) ([]byte, error)
}

// Blobs reads data by key (internal/blob).
type Blobs interface {
	Get(ctx context.Context, key string) ([]byte, error)
}

// Pipelines reads applied pipelines (internal/pipeline).
type Pipelines interface {
	Get(ctx context.Context, name string) (*pipeline.Spec, error)
	List(ctx context.Context) ([]*pipeline.Spec, error)
	// Revision gives any revision that was ever in force.
	Revision(ctx context.Context, name, sha256 string) (*pipeline.Spec, error)
}

// Datasets reads the registered data sets (internal/datastore).
type Datasets interface {
	Get(ctx context.Context, path string) (datastore.Dataset, error)
	List(ctx context.Context) ([]datastore.Dataset, error)
}

// Traffic reads who answers (internal/serve). Get gives mode none for a model
// that never was in service.
type Traffic interface {
	Get(ctx context.Context, model string) (perennial.Traffic, error)
	List(ctx context.Context) ([]perennial.Traffic, error)
	History(ctx context.Context, model string, limit int) ([]perennial.Traffic, error)
}

// Decisions reads what was decided (internal/ledger).
type Decisions interface {
	Decision(ctx context.Context, id string) (perennial.Decision, error)
}

// Trials reads what was tried in a training (internal/ledger).
type Trials interface {
	Trials(ctx context.Context, studyID string) ([]ledger.Trial, error)
}

// Control makes every change (internal/control), for the actor in the context.
type Control interface {
	Scheduler
	Tokens
	Applier
	Workflows
	RegisterDataset(ctx context.Context, path string, req client.RegisterDatasetRequest) (datastore.Dataset, error)
	Train(ctx context.Context, order client.TrainOrder) (client.Started, error)
	// Retrain answers conflict where the idempotency key came with another request.
	Retrain(ctx context.Context, order client.RetrainOrder) (client.Started, error)
	Reproduce(ctx context.Context, runID, reason string) (client.Started, error)
	// Import makes a version of a model file of another library.
	Import(ctx context.Context, model string, req client.ImportRequest) (client.ImportResponse, error)
	// DeleteVersion answers precondition for a version that is held.
	DeleteVersion(ctx context.Context, model, version, reason string) error
}

// Workflows tells of workflows and ends them (internal/control).
type Workflows interface {
	// Workflow gives one run of a workflow; runID "" is the latest.
	Workflow(ctx context.Context, id, runID string) (client.WorkflowView, error)
	// Workflows lists workflows, newest first; pipeline "" is all.
	Workflows(ctx context.Context, pipeline string, limit int) ([]client.WorkflowView, error)
	// RunningWorkflows lists the workflows that haven't ended, newest first.
	RunningWorkflows(ctx context.Context) ([]client.WorkflowView, error)
	Cancel(ctx context.Context, workflowID, reason string) error
}

// Applier changes which pipelines are in force (internal/control).
type Applier interface {
	Apply(ctx context.Context, name string, req client.ApplyRequest) (client.ApplyResponse, error)
	Delete(ctx context.Context, name, reason string) error
	// PipelineFaults lists the project's files that aren't in force; InForce isn't filled in.
	PipelineFaults() []client.PipelineFault
}

// Scheduler says when pipelines retrain by themselves (internal/control).
type Scheduler interface {
	// Schedules lists the schedules of all pipelines.
	Schedules(ctx context.Context) ([]client.ScheduleView, error)
	Schedule(ctx context.Context, pipeline string) (client.ScheduleView, error)
	SetSchedule(ctx context.Context, pipeline string, req client.ScheduleRequest) (client.ScheduleView, error)
	RemoveSchedule(ctx context.Context, pipeline, reason string) (client.ScheduleView, error)
}

// Tokens gives and takes access (internal/control).
type Tokens interface {
	CreateToken(ctx context.Context, req client.TokenRequest) (client.NewTokenView, error)
	RevokeToken(ctx context.Context, id, reason string) (client.TokenView, error)
	Tokens(ctx context.Context) ([]client.TokenView, error)
}

// Access tells who holds a token (internal/access). An error of code
// unauthorized means nobody.
type Access interface {
	Authenticate(token string) (perennial.Actor, error)
}

// Audit reads who changed what (internal/access).
type Audit interface {
	// Entries gives a page, newest first, and the token of the next.
	Entries(ctx context.Context, limit int, token string) (list []perennial.AuditEntry, next string, err error)
	Verify(ctx context.Context) (access.Verified, error)
}

// Rollouts changes who answers (internal/control), for the actor in the context.
type Rollouts interface {
	Rollout(ctx context.Context, model string) (client.RolloutView, error)
	// Divergences gives by model the last move of an alias that traffic doesn't follow.
	Divergences(ctx context.Context, rows ...perennial.Traffic) (map[string]*client.DivergenceView, error)
	StartRollout(ctx context.Context, model string, req client.RolloutRequest) (client.RolloutResponse, error)
	// CommandRollout takes pause, resume, promote and abort.
	CommandRollout(ctx context.Context, model, name string, req client.RolloutCommand) (client.RolloutView, error)
	Rollback(ctx context.Context, model string, req client.RollbackRequest) (client.RolloutView, error)
	Freeze(ctx context.Context, req client.FreezeRequest) (client.FreezeView, error)
	Unfreeze(ctx context.Context, model, reason string) (client.Unfrozen, error)
}
