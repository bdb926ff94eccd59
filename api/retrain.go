package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/client"
)

func (s *Server) retrainRoutes() {
	register(s, huma.Operation{
		OperationID: "retrain", Method: http.MethodPost, Path: "/retrain", Tags: []string{"workflows"},
		Summary: "Train a pipeline where there is a reason to, and roll out what comes out of it",
		Description: "Starts the workflow retrain:<pipeline>:<key>. The same request with the same idempotency_key gives the same workflow (200, started false) " +
			"for 7 days; another request with that key is a conflict. How it ended is the workflow's result.outcome.",
		DefaultStatus: http.StatusAccepted,
	}, s.retrain)
}

type retrainInput struct{ Body client.RetrainRequest }

func (s *Server) retrain(ctx context.Context, in *retrainInput) (*trainOutput, error) {
	started, err := s.o.Control.Retrain(ctx, client.RetrainOrder{RetrainRequest: in.Body, Trigger: perennial.TriggerManual})
	if err != nil {
		return nil, perennial.Wrap("api.retrain", err)
	}
	return s.accepted(started), nil
}
