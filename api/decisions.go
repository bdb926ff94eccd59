package api

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/client"
)

func (s *Server) decisionRoutes() {
	register(s, huma.Operation{
		OperationID: "getDecision", Method: http.MethodGet, Path: "/decisions/{id}", Tags: []string{"decisions"},
		Summary: "A stored decision: what was asked, what was seen, every test and its numbers",
	}, s.getDecision)
}

type decisionInput struct {
	ID string `path:"id" doc:"decision_id of a result"`
}

func (s *Server) getDecision(ctx context.Context, in *decisionInput) (*answer[client.DecisionView], error) {
	d, err := s.o.Decisions.Decision(ctx, in.ID)
	if err != nil {
		return nil, perennial.Wrap("api.getDecision", err)
	}
	view := client.DecisionView{
		DecisionID: d.ID, Kind: d.Kind, Model: d.Model, Version: d.Version, RunID: d.RunID, WorkflowID: d.WorkflowID,
		At: instant(d.At), Verdict: d.Verdict, Passed: d.Passed, Reason: d.Reason, Checks: d.Checks,
		Policy: document(d.Policy), Evidence: document(d.Evidence), InputsSHA256: d.InputsSHA256,
	}
	if view.Checks == nil {
		view.Checks = []perennial.Check{}
	}
	return ok(view), nil
}

// document shows stored JSON as it is, null where there is none.
func document(raw json.RawMessage) any {
	if len(raw) == 0 {
		return nil
	}
	return raw
}
