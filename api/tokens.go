package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/client"
)

func (s *Server) accessRoutes() {
	register(s, huma.Operation{
		OperationID: "listTokens", Method: http.MethodGet, Path: "/tokens", Tags: []string{"access"},
		Summary: "Every token that was ever made, newest first", Description: "Without the tokens themselves: those are stored nowhere.",
	}, s.listTokens)
	register(s, huma.Operation{
		OperationID: "createToken", Method: http.MethodPost, Path: "/tokens", Tags: []string{"access"},
		Summary: "Make a token", Description: "The answer is the only place where it is shown.", DefaultStatus: http.StatusCreated,
	}, s.createToken)
	register(s, huma.Operation{
		OperationID: "revokeToken", Method: http.MethodDelete, Path: "/tokens/{id}", Tags: []string{"access"},
		Summary: "Revoke a token", Description: "It is refused within a second. One that was revoked before stays as it is.",
		DefaultStatus: http.StatusOK,
	}, s.revokeToken)
	register(s, huma.Operation{
		OperationID: "listAudit", Method: http.MethodGet, Path: "/audit", Tags: []string{"access"},
		Summary: "Who changed what, newest first",
	}, s.listAudit)
	register(s, huma.Operation{
		OperationID: "verifyAudit", Method: http.MethodGet, Path: "/audit/verify", Tags: []string{"access"},
		Summary:     "Is the audit as it was written?",
		Description: "Walks the chain of hashes and names the first row that was changed or is missing. A hash that was kept elsewhere proves that nothing before it was replaced.",
	}, s.verifyAudit)
}

func (s *Server) listTokens(ctx context.Context, _ *struct{}) (*answer[client.List[client.TokenView]], error) {
	views, err := s.o.Control.Tokens(ctx)
	if err != nil {
		return nil, perennial.Wrap("api.listTokens", err)
	}
	return ok(client.List[client.TokenView]{Items: views}), nil
}

type createTokenInput struct{ Body client.TokenRequest }

// secretAnswer is an answer that nothing on its way may keep.
type secretAnswer[T any] struct {
	CacheControl string `header:"Cache-Control"`
	Body         T
}

func (s *Server) createToken(ctx context.Context, in *createTokenInput) (*secretAnswer[client.NewTokenView], error) {
	made, err := s.o.Control.CreateToken(ctx, in.Body)
	if err != nil {
		return nil, perennial.Wrap("api.createToken", err)
	}
	return &secretAnswer[client.NewTokenView]{CacheControl: "no-store", Body: made}, nil
}

type revokeTokenInput struct {
	ID   string `path:"id" doc:"id of the token, which is not the token itself"`
	Body *client.ReasonRequest
}

func (s *Server) revokeToken(ctx context.Context, in *revokeTokenInput) (*answer[client.TokenView], error) {
	reason := ""
	if in.Body != nil {
		reason = in.Body.Reason
	}
	ended, err := s.o.Control.RevokeToken(ctx, in.ID, reason)
	if err != nil {
		return nil, perennial.Wrap("api.revokeToken", err)
	}
	return ok(ended), nil
}

type auditInput struct {
	Limit int    `query:"limit" minimum:"1" maximum:"1000" default:"50"`
	Token string `query:"page_token" doc:"next_page_token of the page before"`
}

func (s *Server) listAudit(ctx context.Context, in *auditInput) (*answer[client.List[client.AuditView]], error) {
	entries, next, err := s.o.Audit.Entries(ctx, in.Limit, in.Token)
	if err != nil {
		return nil, perennial.Wrap("api.listAudit", err)
	}
	list := client.List[client.AuditView]{Items: make([]client.AuditView, len(entries)), NextPageToken: next}
	for i, e := range entries {
		list.Items[i] = client.AuditView{
			Seq: e.Seq, At: time.UnixMilli(e.At).UTC(), Actor: e.Actor, Action: e.Action, Target: e.Target,
			Reason: e.Reason, WorkflowID: e.WorkflowID, RequestID: e.RequestID, Hash: e.Hash,
		}
		if e.Before != nil {
			list.Items[i].Before = e.Before
		}
		if e.After != nil {
			list.Items[i].After = e.After
		}
	}
	return ok(list), nil
}

func (s *Server) verifyAudit(ctx context.Context, _ *struct{}) (*answer[client.AuditReport], error) {
	v, err := s.o.Audit.Verify(ctx)
	if err != nil {
		return nil, perennial.Wrap("api.verifyAudit", err)
	}
	return ok(client.AuditReport{Whole: v.Broken == 0, Entries: v.Entries, Hash: v.Hash, Broken: v.Broken, Reason: v.Reason}), nil
}
