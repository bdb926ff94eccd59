package api

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"unicode"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/client"
)

func (s *Server) workflowRoutes() {
	register(s, huma.Operation{
		OperationID: "listWorkflows", Method: http.MethodGet, Path: "/workflows", Tags: []string{"workflows"},
		Summary: "Workflows, newest first",
	}, s.listWorkflows)
	register(s, huma.Operation{
		OperationID: "getWorkflow", Method: http.MethodGet, Path: "/workflows/{id}", Tags: []string{"workflows"},
		Summary:     "Where a workflow stands: stages, progress, result",
		Description: "Answered from our own records once Temporal has forgotten the workflow.",
	}, s.getWorkflow)
	register(s, huma.Operation{
		OperationID: "cancelWorkflow", Method: http.MethodPost, Path: "/workflows/{id}/cancel", Tags: []string{"workflows"},
		Summary: "Ask a running workflow to stop", DefaultStatus: http.StatusAccepted,
	}, s.cancelWorkflow)
}

type workflowsInput struct {
	Pipeline string `query:"pipeline" doc:"only this pipeline's"`
	Limit    int    `query:"limit" minimum:"1" maximum:"1000" default:"50"`
}

func (s *Server) listWorkflows(ctx context.Context, in *workflowsInput) (*answer[client.List[client.WorkflowView]], error) {
	views, err := s.o.Control.Workflows(ctx, in.Pipeline, in.Limit)
	if err != nil {
		return nil, perennial.Wrap("api.listWorkflows", err)
	}
	list := client.List[client.WorkflowView]{Items: make([]client.WorkflowView, len(views))}
	for i, v := range views {
		list.Items[i] = s.workflowView(v)
	}
	return ok(list), nil
}

type workflowInput struct {
	ID  string `path:"id" doc:"workflow id, as train:iris"`
	Run string `query:"run" doc:"Temporal's run id; the latest run without"`
}

func (s *Server) getWorkflow(ctx context.Context, in *workflowInput) (*answer[client.WorkflowView], error) {
	if err := askable(in.ID, in.Run); err != nil {
		return nil, err
	}
	view, err := s.o.Control.Workflow(ctx, in.ID, in.Run)
	if err != nil {
		return nil, perennial.Wrap("api.getWorkflow", err)
	}
	return ok(s.workflowView(view)), nil
}

// askable refuses what Temporal can't be asked about and so knows nothing of: its
// client sends the id in a header, in ASCII, and its run ids are UUIDs.
func askable(id, run string) error {
	const op = "api.askable"
	if strings.ContainsFunc(id, func(r rune) bool { return r > unicode.MaxASCII }) {
		return perennial.Errorf(perennial.CodeNotFound, op, "There is no workflow %q.", id).WithHint("GET /workflows lists them.")
	}
	if run != "" && uuid.Validate(run) != nil {
		return perennial.Errorf(perennial.CodeNotFound, op, "Workflow %s has no run %q.", id, run).WithHint("A run id is a UUID, as workflow_run_id in GET /workflows.")
	}
	return nil
}

// workflowView completes what control knows with what only the API does.
func (s *Server) workflowView(v client.WorkflowView) client.WorkflowView {
	if v.Stages == nil {
		v.Stages = []client.StageView{}
	}
	if v.UIURL == "" {
		v.UIURL = s.uiURL(v.WorkflowID, v.WorkflowRunID)
	}
	return v
}

type cancelInput struct {
	ID   string `path:"id" doc:"workflow id, as train:iris"`
	Body client.CancelRequest
}

func (s *Server) cancelWorkflow(ctx context.Context, in *cancelInput) (*answer[client.CancelResponse], error) {
	if err := askable(in.ID, ""); err != nil {
		return nil, err
	}
	if err := s.o.Control.Cancel(ctx, in.ID, in.Body.Reason); err != nil {
		return nil, perennial.Wrap("api.cancelWorkflow", err)
	}
	return ok(client.CancelResponse{WorkflowID: in.ID, StatusURL: workflowURL(in.ID)}), nil
}

// workflowURL gives a workflow's path in this API.
func workflowURL(id string) string { return "/workflows/" + url.PathEscape(id) }

// uiURL gives a workflow's page in Temporal's Web UI, "" where there is none.
func (s *Server) uiURL(id, run string) string {
	if s.o.UIURL == "" {
		return ""
	}
	u := strings.TrimRight(s.o.UIURL, "/") + "/namespaces/" + url.PathEscape(s.o.Namespace) + "/workflows/" + url.PathEscape(id)
	if run != "" {
		u += "/" + url.PathEscape(run)
	}
	return u
}
