// Package activities holds the steps of Perennial's workflows: one struct, one
// file per stage. Each method takes hashes and ids, reads what they name, does
// one thing and returns hashes and ids; rows never travel through Temporal.
//
// An activity may run more than once. Each method's comment says why that is
// safe. The package knows no database, no HTTP and no Temporal client: what it
// needs it declares as small interfaces, which internal/app fills.
//
// Start reading at Bundle (resolve.go), then follow the stages in the order of
// perennial.TrainStages.
package activities

import (
	"context"
	"encoding/json"
	"io"
	"time"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/ledger"
	"github.com/perennial-ml/perennial/internal/mlflow"
	"github.com/perennial-ml/perennial/internal/pipeline"
	"github.com/perennial-ml/perennial/internal/predlog"
	"github.com/perennial-ml/perennial/internal/serve"
)

// Trainer is the version of the training code. It is part of every params hash
// and model file: the same inputs under another Trainer are another model.
const Trainer = "perennial/2"

// Activities are the steps, with what they need.
type Activities struct {
	Pipelines Pipelines
	Data      Data
	Blobs     Blobs
	Tracker   Tracker
	Ledger    Ledger
	Traffic   Traffic
	Starter   Starter
	Workflows Workflows
	Evidence  Evidence
	Orders    Orders
	Guarded   func(ctx context.Context) (bool, error) // do requests need a token?
	Lease     time.Duration                           // after which serving processes take a rollout for unattended; 0: serve.DefaultLease
	Look      time.Duration                           // between two looks at a rollout; default: a second
	Now       func() time.Time
	Build     string // version of the program, kept with every run
	Threads   int    // that one fit may use
	Project   string // directory of the project, for its git commit

	tables    tableCache
	materials materialCache
}

// Pipelines gives applied pipelines: Get the one in force, Revision any that ever
// was. Both answer not_found for an unknown name.
type Pipelines interface {
	Get(ctx context.Context, name string) (*pipeline.Spec, error)
	Revision(ctx context.Context, name, sha256 string) (*pipeline.Spec, error)
}

// Data reads a file of the project by its path: the work tree's content, or
// where it is missing there, the version its .dvc pointer names. It answers
// not_found where neither exists.
type Data interface {
	Read(ctx context.Context, path string) (content []byte, err error)
}

// Blobs keeps content-addressed bytes. Get answers not_found for a missing
// object and internal for one whose bytes don't match its key.
type Blobs interface {
	Put(ctx context.Context, b []byte) (key string, err error)
	PutMD5(ctx context.Context, r io.Reader) (key string, size int64, err error)
	Has(ctx context.Context, key string) (bool, error)
	Get(ctx context.Context, key string) ([]byte, error)
}

// Tracker keeps runs and versions (internal/mlflow). CreateRun and CreateVersion give
// the first result back when called again with the same op, LogModel when called
// again with the same content.
type Tracker interface {
	Runs
	LogModel(ctx context.Context, m mlflow.ModelSpec) (modelID string, err error)
	EnsureModel(ctx context.Context, name string) (perennial.RegisteredModel, error)
	CreateVersion(ctx context.Context, v perennial.ModelVersion, op string) (perennial.ModelVersion, error)
	GetVersion(ctx context.Context, model, version string) (perennial.ModelVersion, error)
	AliasRegistry
}

// Runs keeps runs with what is logged to them.
type Runs interface {
	EnsureExperiment(ctx context.Context, name string) (perennial.Experiment, error)
	CreateRun(ctx context.Context, spec mlflow.RunSpec) (perennial.Run, error)
	UpdateRun(ctx context.Context, id string, status perennial.RunStatus, endedAt int64) error
	GetRun(ctx context.Context, id string) (perennial.Run, error)
	LogBatch(ctx context.Context, runID string, metrics []perennial.Metric, params, tags []perennial.Tag) error
	LogInput(ctx context.Context, runID string, in perennial.DatasetInput, schema *perennial.Schema) error
	LogArtifact(ctx context.Context, runID string, a perennial.Artifact) error
	Artifacts(ctx context.Context, runID string) ([]perennial.Artifact, error)
	ReadArtifact(ctx context.Context, runID, path string) ([]byte, error)
}

// Ledger keeps what was tried and decided. Every write is safe to repeat.
type Ledger interface {
	Trials
	SaveDecision(ctx context.Context, d perennial.Decision) error
	Decision(ctx context.Context, id string) (perennial.Decision, error)
	SaveWorkflow(ctx context.Context, w ledger.Workflow) error
	BaseSides(ctx context.Context, pipeline string) (ledger.BaseSides, bool, error)
	SaveBaseSides(ctx context.Context, b ledger.BaseSides) (ledger.BaseSides, error)
	Attempt(ctx context.Context, workflowRunID string) (a ledger.Attempt, ok bool, err error)
	Attempts(ctx context.Context, pipeline string, since int64) ([]ledger.Attempt, error)
	LastAttempt(ctx context.Context, pipeline string) (a ledger.Attempt, ok bool, err error)
	SaveAttempt(ctx context.Context, a ledger.Attempt) error
	EndAttempt(ctx context.Context, workflowRunID string, outcome perennial.Outcome, version string, now int64) error
}

// Trials keeps studies. ProposeTrials stores trials that are to run, of which one
// that is there stays; SaveTrial stores what became of one, and one that has
// ended keeps its result.
type Trials interface {
	ProposeTrials(ctx context.Context, trials []ledger.Trial) error
	SaveTrial(ctx context.Context, t ledger.Trial) error
	Trials(ctx context.Context, studyID string) ([]ledger.Trial, error)
}

// Traffic keeps who answers. Set is a compare-and-swap on the epoch; a repeated
// op id gives the stored row back.
type Traffic interface {
	AliasTraffic
	Set(ctx context.Context, next perennial.Traffic, ifEpoch int64) (perennial.Traffic, error)
	// RolloutRows gives the states of one rollout, oldest first.
	RolloutRows(ctx context.Context, model, rolloutID string) ([]perennial.Traffic, error)
	// Renew says that somebody attends to a rollout; false where the epoch moved on.
	Renew(ctx context.Context, model string, epoch int64) (bool, error)
	// Replicas gives every live serving process with what it has of a version.
	Replicas(ctx context.Context, model, version string) ([]serve.Replica, error)
	// Frozen gives the freeze that holds for a model at a time (ms).
	Frozen(ctx context.Context, model string, now int64) (serve.Freeze, bool, error)
	Reject(ctx context.Context, r serve.RejectedFile) error
	Rejected(ctx context.Context, model, sha256 string) (serve.RejectedFile, bool, error)
}

// Evidence counts what the prediction log knows of each variant from an epoch on.
type Evidence interface {
	Evidence(ctx context.Context, model string, since int64) (map[perennial.Variant]predlog.Counts, error)
}

// Retryable reports whether an activity that failed with this code may succeed
// when it is tried again without anyone mending anything.
func Retryable(code perennial.Code) bool {
	switch code {
	case perennial.CodeInvalid, perennial.CodeMalformed, perennial.CodeTooLarge, perennial.CodePrecondition, perennial.CodeConflict,
		perennial.CodeNotFound, perennial.CodeForbidden, perennial.CodeUnauthorized, perennial.CodeUnsupportedMedia:
		return false
	case perennial.CodeNotYet, perennial.CodeRateLimited, perennial.CodeInternal, perennial.CodeUnavailable, perennial.CodeDeadline:
		return true
	}
	return true
}

func (a *Activities) nowMillis() int64 { return a.Now().UnixMilli() }

// putJSON stores a document in its canonical form and gives its key.
func (a *Activities) putJSON(ctx context.Context, doc any) (string, error) {
	b, err := json.Marshal(doc)
	if err != nil {
		return "", perennial.Wrap("encode", err)
	}
	return a.Blobs.Put(ctx, b)
}

// getJSON reads a document that putJSON stored.
func getJSON[T any](ctx context.Context, blobs Blobs, key string) (T, error) {
	var doc T
	b, err := blobs.Get(ctx, key)
	if err != nil {
		return doc, err
	}
	if err := json.Unmarshal(b, &doc); err != nil {
		return doc, perennial.Errorf(perennial.CodeInternal, "decode", "the document %s can't be read", key).Because(err)
	}
	return doc, nil
}
