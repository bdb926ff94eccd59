package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/client"
)

func (s *Server) rolloutRoutes() {
	tags := []string{"rollout"}
	register(s, huma.Operation{
		OperationID: "getRollout", Method: http.MethodGet, Path: "/models/{model}/rollout", Tags: tags,
		Summary: "How a model's rollout stands, or how the last one ended",
	}, s.getRollout)
	register(s, huma.Operation{
		OperationID: "startRollout", Method: http.MethodPost, Path: "/models/{model}/rollout", Tags: tags,
		Summary:       "Roll a registered version out",
		Description:   "Offers the version to the workflow rollout:<model>, which begins with it, keeps it for later, or refuses it.",
		DefaultStatus: http.StatusAccepted,
	}, s.startRollout)
	for name, summary := range map[string]string{
		"pause": "Hold a rollout where it is", "resume": "Let a held rollout go on",
		"promote": "Make the challenger the champion now; in watch, end the watch", "abort": "Send everything back to the version that was good before",
	} {
		register(s, huma.Operation{
			OperationID: name + "Rollout", Method: http.MethodPost, Path: "/models/{model}/rollout/" + name, Tags: tags, Summary: summary,
		}, func(ctx context.Context, in *rolloutCommandInput) (*answer[client.RolloutView], error) {
			view, err := s.o.Rollouts.CommandRollout(ctx, in.Model, name, in.Body)
			if err != nil {
				return nil, perennial.Wrap("api.commandRollout", err)
			}
			return ok(view), nil
		})
	}
	register(s, huma.Operation{
		OperationID: "rollback", Method: http.MethodPost, Path: "/models/{model}/rollback", Tags: tags,
		Summary:     "Send everything to the version that was good before, or to another, at once",
		Description: "Writes the traffic row itself: it works without Temporal, and no freeze forbids it.",
	}, s.rollback)
	register(s, huma.Operation{
		OperationID: "freeze", Method: http.MethodPost, Path: "/freeze", Tags: tags,
		Summary: "Stop retrains and promotions for a while, of one model or of all",
	}, s.freeze)
	register(s, huma.Operation{
		OperationID: "unfreeze", Method: http.MethodDelete, Path: "/freeze", Tags: tags,
		Summary: "Lift a freeze",
	}, s.unfreeze)
}

func (s *Server) getRollout(ctx context.Context, in *modelInput) (*answer[client.RolloutView], error) {
	view, err := s.o.Rollouts.Rollout(ctx, in.Model)
	if err != nil {
		return nil, perennial.Wrap("api.getRollout", err)
	}
	return ok(view), nil
}

type startRolloutInput struct {
	Model string `path:"model" doc:"name of the model"`
	Body  client.RolloutRequest
}

func (s *Server) startRollout(ctx context.Context, in *startRolloutInput) (*answer[client.RolloutResponse], error) {
	out, err := s.o.Rollouts.StartRollout(ctx, in.Model, in.Body)
	if err != nil {
		return nil, perennial.Wrap("api.startRollout", err)
	}
	return ok(out), nil
}

type rolloutCommandInput struct {
	Model string `path:"model" doc:"name of the model"`
	Body  client.RolloutCommand
}

type rollbackInput struct {
	Model string `path:"model" doc:"name of the model"`
	Body  client.RollbackRequest
}

func (s *Server) rollback(ctx context.Context, in *rollbackInput) (*answer[client.RolloutView], error) {
	view, err := s.o.Rollouts.Rollback(ctx, in.Model, in.Body)
	if err != nil {
		return nil, perennial.Wrap("api.rollback", err)
	}
	return ok(view), nil
}

type freezeInput struct{ Body client.FreezeRequest }

func (s *Server) freeze(ctx context.Context, in *freezeInput) (*answer[client.FreezeView], error) {
	view, err := s.o.Rollouts.Freeze(ctx, in.Body)
	if err != nil {
		return nil, perennial.Wrap("api.freeze", err)
	}
	return ok(view), nil
}

type unfreezeInput struct {
	Model string `query:"model" doc:"whose freeze; without, the one of every model"`
	Body  *client.ReasonRequest
}

func (s *Server) unfreeze(ctx context.Context, in *unfreezeInput) (*answer[client.Unfrozen], error) {
	reason := ""
	if in.Body != nil {
		reason = in.Body.Reason
	}
	lifted, err := s.o.Rollouts.Unfreeze(ctx, in.Model, reason)
	if err != nil {
		return nil, perennial.Wrap("api.unfreeze", err)
	}
	return ok(lifted), nil
}
