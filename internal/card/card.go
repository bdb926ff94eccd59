// Package card writes the card of a trained model, in Markdown and in HTML: what
// it was trained on, how it was chosen, what it reached, where its limits are and
// how to train it again. A card holds facts of the run and nothing else: no
// sentence in it is an opinion.
//
// The package does no I/O: activities gather a Card's facts and keep what comes
// out. Both forms say the same, from one list of sections. Start reading at Card.
package card

import (
	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/models/evaluate"
)

// Card is the facts.
type Card struct {
	Pipeline  string            `json:"pipeline"`
	Version   string            `json:"version,omitempty"` // "" where the gates kept it from being registered
	Outcome   perennial.Outcome `json:"outcome,omitempty"`
	State     string            `json:"state,omitempty"` // of the training: completed, failed, …
	InService bool              `json:"in_service,omitempty"`
	Owner     perennial.Owner   `json:"owner,omitzero"`

	Task      perennial.Task `json:"task"`
	Target    string         `json:"target"`
	Classes   []string       `json:"classes,omitempty"`
	Positive  string         `json:"positive,omitempty"`
	Threshold float64        `json:"threshold,omitempty"` // of the positive class

	RunID      string `json:"run_id"`
	WorkflowID string `json:"workflow_id,omitempty"`
	Trigger    string `json:"trigger,omitempty"`
	Reason     string `json:"reason,omitempty"`
	Actor      string `json:"actor,omitempty"`
	StartedAt  int64  `json:"started_at,omitempty"` // ms
	EndedAt    int64  `json:"ended_at,omitempty"`

	Data       perennial.DataRef      `json:"data"`
	Sides      map[perennial.Side]int `json:"sides"` // rows
	Split      perennial.Split        `json:"split"`
	Features   []Feature              `json:"features"`
	Prepared   int                    `json:"prepared_features"` // columns that the algorithm sees
	Preprocess perennial.Preprocess   `json:"preprocess"`

	Algorithm  string               `json:"algorithm"`
	Params     map[string]any       `json:"params"`
	Select     string               `json:"select"` // metric that chose among the trials
	Budget     perennial.Budget     `json:"budget"`
	Candidates *evaluate.Candidates `json:"candidates,omitempty"`
	Ended      string               `json:"termination,omitempty"` // how an iterative fit ended
	Iterations int                  `json:"iterations,omitempty"`

	Report   *evaluate.Report    `json:"report"`
	Champion *Champion           `json:"champion,omitempty"`
	Gates    *perennial.Decision `json:"gates,omitempty"`
	Warnings []string            `json:"warnings,omitempty"`

	Resources Resources `json:"resources"`
	Lineage   Lineage   `json:"lineage"`
}

// Feature is a column that the model reads, with what training saw of it.
type Feature struct {
	perennial.Column
	Rows  int     `json:"seen_rows"` // with a value
	Nulls int     `json:"seen_nulls"`
	Min   float64 `json:"seen_min"` // encoded, as models.FeatureProfile
	Max   float64 `json:"seen_max"`
}

// Champion is the version in service, scored again on the same rows.
type Champion struct {
	Version   string           `json:"version"`
	Rows      int              `json:"rows"`      // evaluated rows that neither model was trained on
	Candidate []evaluate.Value `json:"candidate"` // of the new model, on these rows
	Champion  []evaluate.Value `json:"champion"`
}

// Resources is what the run took; package usage says what is measured.
type Resources struct {
	CPU    float64 `json:"cpu_seconds"`
	Wall   float64 `json:"wall_seconds"`
	Memory float64 `json:"peak_memory_bytes"`
}

// Lineage is what the model follows from, and what made it.
type Lineage struct {
	ModelSHA256      string `json:"model_sha256"`
	ParamsSHA256     string `json:"params_sha256"`
	SchemaSHA256     string `json:"schema_sha256"`
	PipelineRevision string `json:"pipeline_revision"`
	Seed             int64  `json:"seed"`
	Trainer          string `json:"trainer"`
	Build            string `json:"build"`
	Go               string `json:"go"`
	Platform         string `json:"platform"`
	ProjectCommit    string `json:"project_commit,omitempty"`
	ProjectDirty     bool   `json:"project_dirty,omitempty"`
}
