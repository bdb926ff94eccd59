package client

import (
	"context"
	"time"

	"github.com/perennial-ml/perennial"
)

// DataLineageView is the JSON of GET /lineage/data/{md5}: everything that came of
// one content of a data set.
type DataLineageView struct {
	MD5         string             `json:"md5"`
	Paths       []string           `json:"paths"`       // at which it lay: registered now, or read by a run
	Runs        []LineageRunView   `json:"runs"`        // that read it, newest first
	Versions    []LineageModelView `json:"versions"`    // that those runs made, by model and newest first
	Predictions int64              `json:"predictions"` // logged answers of those versions
}

// LineageRunView is a run that read a content.
type LineageRunView struct {
	RunID         string              `json:"run_id"`
	Pipeline      string              `json:"pipeline,omitempty"`
	Kind          string              `json:"kind,omitempty"` // train | import; "" for a run of somebody else's
	Status        perennial.RunStatus `json:"status"`
	Outcome       string              `json:"outcome,omitempty"`
	StartedAt     time.Time           `json:"started_at"`
	WorkflowID    string              `json:"workflow_id,omitempty"`
	ProjectCommit string              `json:"project_commit,omitempty"`
}

// LineageModelView is a version that came of a content.
type LineageModelView struct {
	Model       string    `json:"model"`
	Version     string    `json:"version"`
	RunID       string    `json:"run_id"`
	Algorithm   string    `json:"algorithm,omitempty"`
	Aliases     []string  `json:"aliases"`
	CreatedAt   time.Time `json:"created_at"`
	Predictions int64     `json:"predictions"` // its logged answers, as far back as the log is kept
}

// DataLineage tells what came of a content, by its md5; not_found for one that
// nothing is known of.
func (c *Client) DataLineage(ctx context.Context, md5 string) (DataLineageView, error) {
	return get[DataLineageView](ctx, c, segments("lineage", "data", md5), nil)
}
