package ledger

import (
	"context"
	"encoding/json"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/db"
)

// Workflow is one run of a workflow as we know it ourselves.
type Workflow struct {
	ID        string
	RunID     string // Temporal's
	Type      string // Train, …
	Pipeline  string
	State     perennial.WorkflowState
	StartedBy string          // who or what asked for it
	Reason    string          // why
	StartedAt int64           // ms
	EndedAt   int64           // ms; 0 while it runs
	Status    json.RawMessage // the last status we saw: stages, progress, result; nil: none yet
}

type workflowRow struct {
	WorkflowID string `gorm:"primaryKey"`
	RunID      string `gorm:"primaryKey"`
	Type       string
	Pipeline   string
	State      string
	StartedBy  string
	Reason     string
	StartedAt  int64
	EndedAt    int64
	Status     string
}

func (workflowRow) TableName() string { return "workflows" }

// mergeWorkflow is what a later write does to a row. Starter and worker know
// different things, so a field that the later one leaves empty stays as it is;
// where it is late (it says running, and the run has ended) it fills only the
// fields that are empty.
func mergeWorkflow() clause.Set {
	const late = "excluded.state = 'running' AND workflows.state <> 'running'"
	set := map[string]any{"state": gorm.Expr("CASE WHEN " + late + " THEN workflows.state ELSE excluded.state END")}
	for column, empty := range map[string]string{
		"type": "''", "pipeline": "''", "started_by": "''", "reason": "''", "status": "''", "started_at": "0", "ended_at": "0",
	} {
		theirs, ours := "NULLIF(excluded."+column+", "+empty+")", "NULLIF(workflows."+column+", "+empty+")"
		set[column] = gorm.Expr("CASE WHEN " + late +
			" THEN COALESCE(" + ours + ", " + theirs + ", " + empty + ")" +
			" ELSE COALESCE(" + theirs + ", " + ours + ", " + empty + ") END")
	}
	return clause.Assignments(set)
}

// SaveWorkflow stores what is known of a workflow run, by id and run id. A later
// write replaces what it knows and leaves what it doesn't (empty fields); one that
// says "running" comes late where the run has ended, and then only fills fields
// that are empty.
func (s *Store) SaveWorkflow(ctx context.Context, w Workflow) error {
	const op = "ledger.SaveWorkflow"
	if w.ID == "" || w.RunID == "" || w.State == "" || len(w.Status) > 0 && !json.Valid(w.Status) {
		return perennial.Errorf(perennial.CodeInvalid, op, "a workflow needs an id, a run id, a state and a status of JSON")
	}
	row := workflowRow{
		WorkflowID: w.ID, RunID: w.RunID, Type: w.Type, Pipeline: w.Pipeline, State: string(w.State),
		StartedBy: w.StartedBy, Reason: w.Reason, StartedAt: w.StartedAt, EndedAt: w.EndedAt, Status: string(w.Status),
	}
	return db.Fault(op, s.db.WithContext(ctx).Clauses(clause.OnConflict{
		Columns:   []clause.Column{{Name: "workflow_id"}, {Name: "run_id"}},
		DoUpdates: mergeWorkflow(),
	}).Create(&row).Error)
}

// Workflow gives one run of a workflow; an empty runID means the latest.
func (s *Store) Workflow(ctx context.Context, id, runID string) (Workflow, error) {
	const op = "ledger.Workflow"
	q := s.db.WithContext(ctx).Where("workflow_id = ?", id)
	if runID != "" {
		q = q.Where("run_id = ?", runID)
	}
	row, found, err := db.Take[workflowRow](q.Order("started_at DESC, run_id DESC"))
	if err == nil && !found {
		err = perennial.Errorf(perennial.CodeNotFound, "", "workflow %s doesn't exist", id)
	}
	if err != nil {
		return Workflow{}, db.Fault(op, err)
	}
	return row.workflow(), nil
}

// Workflows lists a pipeline's workflow runs, newest first; all pipelines' where
// pipeline is empty, at most limit (0: 100).
func (s *Store) Workflows(ctx context.Context, pipeline string, limit int) ([]Workflow, error) {
	const op = "ledger.Workflows"
	if limit <= 0 {
		limit = 100
	}
	q := s.db.WithContext(ctx).Order("started_at DESC, workflow_id, run_id DESC").Limit(limit)
	if pipeline != "" {
		q = q.Where("pipeline = ?", pipeline)
	}
	var rows []workflowRow
	if err := q.Find(&rows).Error; err != nil {
		return nil, db.Fault(op, err)
	}
	list := make([]Workflow, len(rows))
	for i, r := range rows {
		list[i] = r.workflow()
	}
	return list, nil
}

// Running lists the workflow runs that never told of their end, oldest first.
func (s *Store) Running(ctx context.Context) ([]Workflow, error) {
	var rows []workflowRow
	if err := s.db.WithContext(ctx).Where("state = ?", string(perennial.WorkflowRunning)).Order("started_at, workflow_id, run_id").Find(&rows).Error; err != nil {
		return nil, db.Fault("ledger.Running", err)
	}
	list := make([]Workflow, len(rows))
	for i, r := range rows {
		list[i] = r.workflow()
	}
	return list, nil
}

func (r workflowRow) workflow() Workflow {
	w := Workflow{
		ID: r.WorkflowID, RunID: r.RunID, Type: r.Type, Pipeline: r.Pipeline, State: perennial.WorkflowState(r.State),
		StartedBy: r.StartedBy, Reason: r.Reason, StartedAt: r.StartedAt, EndedAt: r.EndedAt,
	}
	if r.Status != "" {
		w.Status = json.RawMessage(r.Status)
	}
	return w
}
