package client

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/perennial-ml/perennial"
)

// PredictionView is the JSON of GET /predictions/{id}.
type PredictionView struct {
	PredictionID  string                   `json:"prediction_id"`
	Model         string                   `json:"model"`
	Version       string                   `json:"version"`
	Variant       perennial.Variant        `json:"variant"`
	Kind          perennial.PredictionKind `json:"kind"`
	Status        string                   `json:"status"` // ok | error
	UnitID        string                   `json:"unit_id,omitempty"`
	Key           string                   `json:"key,omitempty"`
	At            time.Time                `json:"at"`
	LatencyMicros float64                  `json:"latency_us"`
	Features      any                      `json:"features"` // as they came, less what the schema says not to log
	Redacted      []string                 `json:"redacted"`
	Prediction    any                      `json:"prediction"` // a class, a number, or null where the attempt failed
	Probabilities map[string]float64       `json:"probabilities,omitempty"`
	Lineage       *perennial.Lineage       `json:"lineage,omitempty"` // left out in lists
}

// ModelView is one registered model and who answers for it.
type ModelView struct {
	Model       string            `json:"model"`
	Description string            `json:"description,omitempty"`
	CreatedAt   time.Time         `json:"created_at"`
	UpdatedAt   time.Time         `json:"updated_at"`
	Aliases     map[string]string `json:"aliases"` // alias → version
	Traffic     TrafficView       `json:"traffic"`
}

// TrafficView is one state of a model's traffic row.
type TrafficView struct {
	Model      string         `json:"model"`
	Mode       perennial.Mode `json:"mode"`
	Champion   string         `json:"champion,omitempty"`
	Previous   string         `json:"previous,omitempty"`
	Challenger string         `json:"challenger,omitempty"`
	Weight     float64        `json:"weight"` // the challenger's share, 0 to 1
	Epoch      int64          `json:"epoch"`
	Paused     bool           `json:"paused,omitempty"`
	DecisionID string         `json:"decision_id,omitempty"`
	Reason     string         `json:"reason,omitempty"`
	Actor      string         `json:"actor,omitempty"`
	ChangedAt  *time.Time     `json:"changed_at,omitempty"` // left out where nothing was ever in service

	Alias *DivergenceView `json:"alias,omitempty"` // of the present state: an alias that somebody moved in MLflow, and that traffic doesn't follow
}

// VersionView is one registered version with everything that made it.
type VersionView struct {
	Model     string            `json:"model"`
	Version   string            `json:"version"`
	RunID     string            `json:"run_id"`
	Status    string            `json:"status"` // READY
	Algorithm string            `json:"algorithm"`
	CreatedAt time.Time         `json:"created_at"`
	Aliases   []string          `json:"aliases"`
	Tags      map[string]string `json:"tags,omitempty"`
	Lineage   perennial.Lineage `json:"lineage"`
}

// RunView is one tracked run: a training, or a candidate within one.
type RunView struct {
	RunID         string                   `json:"run_id"`
	Name          string                   `json:"name"`
	Pipeline      string                   `json:"pipeline,omitempty"`
	Kind          string                   `json:"kind,omitempty"` // train | trial | candidate | import
	Algorithm     string                   `json:"algorithm,omitempty"`
	Status        perennial.RunStatus      `json:"status"`
	Outcome       string                   `json:"outcome,omitempty"`
	ParentRunID   string                   `json:"parent_run_id,omitempty"`
	WorkflowID    string                   `json:"workflow_id,omitempty"`
	WorkflowRunID string                   `json:"workflow_run_id,omitempty"`
	Version       string                   `json:"version,omitempty"`
	DecisionID    string                   `json:"decision_id,omitempty"`
	StartedAt     time.Time                `json:"started_at"`
	EndedAt       *time.Time               `json:"ended_at,omitempty"`
	DataMD5       string                   `json:"data_md5,omitempty"`
	Params        map[string]string        `json:"params"`
	Metrics       map[string]*float64      `json:"metrics"` // the latest values; null for a value that is no number
	Tags          map[string]string        `json:"tags"`
	Inputs        []perennial.DatasetInput `json:"inputs,omitempty"`
	Candidates    []RunView                `json:"candidates,omitempty"` // of a training, where asked for
	Trials        []TrialView              `json:"trials,omitempty"`     // of one training, by number
	Artifacts     []ArtifactView           `json:"artifacts,omitempty"`  // its files, where asked for one run
}

// Headline names the holdout's metrics that tell most of a run, chief ones first:
// the metric that its pipeline selects by, then one that everybody knows. There
// are none before the run was evaluated.
func (r *RunView) Headline() []string {
	var names []string
	for _, name := range []string{r.Params["select"], "accuracy", "rmse"} {
		if r.Metrics[name] != nil && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// TrialView is one trial of a training: a candidate with one choice of
// parameters, scored on folds of the training side.
type TrialView struct {
	Trial     int             `json:"trial"` // from 1
	Algorithm string          `json:"algorithm"`
	State     string          `json:"state"`  // proposed | partial (scored on some folds) | completed | failed
	Params    json.RawMessage `json:"params"` // the candidate's own and those that were searched; what isn't there has its default
	Score     *float64        `json:"score,omitempty"`
	Scores    []*float64      `json:"scores"` // one per fold that was scored
	Seconds   float64         `json:"seconds"`
	CPU       float64         `json:"cpu_seconds"`
	Error     string          `json:"error,omitempty"`
}

// ArtifactView is one file of a run.
type ArtifactView struct {
	Path string `json:"path"`
	Size int64  `json:"size"` // bytes
}

// PipelineView is one applied pipeline. Spec and Schema are the files as JSON
// with every default filled in.
type PipelineView struct {
	Pipeline string              `json:"pipeline"`
	Task     perennial.Task      `json:"task"`
	Revision string              `json:"revision"` // sha256
	Spec     *perennial.Pipeline `json:"spec,omitempty"`
	Schema   *perennial.Schema   `json:"schema,omitempty"`
	Source   string              `json:"source,omitempty"` // the YAML as written
	Fault    *PipelineFault      `json:"fault,omitempty"`  // why the project's file isn't in force, but what was before
}

// PipelineFault is a file in the project's pipelines/ that couldn't be put in
// force when the process started, and wasn't since.
type PipelineFault struct {
	Pipeline string                 `json:"pipeline,omitempty"` // left out where the file doesn't tell
	File     string                 `json:"file"`               // within the project
	Message  string                 `json:"message"`            // the first fault, with its file and line
	InForce  bool                   `json:"in_force"`           // what was in force before still is
	Errors   []perennial.FieldError `json:"errors,omitempty"`   // all of them
}

// DecisionView is a stored decision.
type DecisionView struct {
	DecisionID   string                 `json:"decision_id"`
	Kind         perennial.DecisionKind `json:"kind"`
	Model        string                 `json:"model"`
	Version      string                 `json:"version,omitempty"`
	RunID        string                 `json:"run_id,omitempty"`
	WorkflowID   string                 `json:"workflow_id,omitempty"`
	At           time.Time              `json:"at"`
	Verdict      perennial.Verdict      `json:"verdict"`
	Passed       bool                   `json:"passed"`
	Reason       string                 `json:"reason"`
	Checks       []perennial.Check      `json:"checks"`
	Policy       any                    `json:"policy"`
	Evidence     any                    `json:"evidence"`
	InputsSHA256 string                 `json:"inputs_sha256"`
}

// StatusView is the JSON of GET /status: the whole of one process at a glance.
type StatusView struct {
	Version   string         `json:"version"` // of Perennial
	StartedAt time.Time      `json:"started_at"`
	Ready     bool           `json:"ready"`
	Degraded  []Degraded     `json:"degraded"`
	UIURL     string         `json:"ui_url,omitempty"`
	Models    []TrafficView  `json:"models"`
	Pipelines []string       `json:"pipelines"`
	Workflows []WorkflowView `json:"workflows"` // running ones

	PipelineFaults []PipelineFault `json:"pipeline_faults,omitempty"` // files that aren't in force
}

// Degraded is one dependency that is down while the process goes on.
type Degraded struct {
	Part    string `json:"part"`
	Message string `json:"message"`
}

// ReadyView is the JSON of GET /readyz, 200 where Ready and 503 where not.
type ReadyView struct {
	Ready    bool       `json:"ready"`
	Degraded []Degraded `json:"degraded"`
}

// Figure writes a metric for people: with four significant digits, and without an
// exponent up to ten million.
func Figure(v float64) string {
	if size := math.Abs(v); size >= 9999.5 && size < 1e7 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}
