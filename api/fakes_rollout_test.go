package api_test

import (
	"context"
	"time"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/client"
)

// rolloutFake answers with what it was asked.
type rolloutFake struct{}

func (rolloutFake) Rollout(_ context.Context, model string) (client.RolloutView, error) {
	if model != "churn" {
		return client.RolloutView{}, notFound("model")
	}
	return client.RolloutView{Model: model, Phase: "canary", Epoch: 19}, nil
}

func (rolloutFake) Divergences(context.Context, ...perennial.Traffic) (map[string]*client.DivergenceView, error) {
	return map[string]*client.DivergenceView{"iris": {Alias: "champion", Version: "7", Actor: "ann", Reason: "it is frozen", At: time.Unix(1, 0).UTC()}}, nil
}

func (rolloutFake) StartRollout(_ context.Context, model string, req client.RolloutRequest) (client.RolloutResponse, error) {
	return client.RolloutResponse{Outcome: perennial.OutcomeOffered, Reason: req.Version + req.Reason, WorkflowID: "rollout:" + model}, nil
}

func (rolloutFake) CommandRollout(_ context.Context, model, name string, req client.RolloutCommand) (client.RolloutView, error) {
	if req.IfEpoch == 18 {
		return client.RolloutView{}, perennial.Errorf(perennial.CodePrecondition, "fake", "The epoch moved on.")
	}
	return client.RolloutView{Model: model, Reason: name + " " + req.Reason}, nil
}

func (rolloutFake) Rollback(_ context.Context, model string, req client.RollbackRequest) (client.RolloutView, error) {
	return client.RolloutView{Model: model, Champion: req.To, Reason: req.Freeze}, nil
}

func (rolloutFake) Freeze(_ context.Context, req client.FreezeRequest) (client.FreezeView, error) {
	return client.FreezeView{Model: req.Model, Until: now, Reason: req.Reason}, nil
}

func (rolloutFake) Unfreeze(_ context.Context, model, _ string) (client.Unfrozen, error) {
	return client.Unfrozen{Model: model}, nil
}
