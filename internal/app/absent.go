package app

import (
	"context"
	"slices"
	"time"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/ledger"
	"github.com/perennial-ml/perennial/internal/serve"
)

// absent tells a caller whose model answers nothing why, and what would help: a
// version is on its way, the first one is still to be trained, the gates rejected
// it, or there are versions that nobody put into service. nil for a model that
// nobody knows. Where the database doesn't answer, it is to be trained still; where
// the MLflow server is away, there may be versions.
func (k *kit) absent(model string) *serve.Absence {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	s := k.stores
	if row, err := s.traffic.Get(ctx, model); err == nil && row.Champion != "" {
		return serve.Loading(row.Champion)
	}
	if _, err := s.pipelines.Get(ctx, model); perennial.CodeOf(err) != perennial.CodeNotFound {
		return s.untrained(ctx, model)
	}
	if _, err := k.tracking.GetModel(ctx, model); err != nil && !away(err) {
		return nil
	}
	return nobodys(model)
}

// nobodys is the absence of a model whose versions nobody put into service.
func nobodys(model string) *serve.Absence {
	return &serve.Absence{Rule: serve.RuleNoVersion, What: "has no version in service.",
		Hint: "perennial versions " + model + " lists them, and perennial rollout start " + model + " VERSION puts one into service."}
}

// untrained says how far the first version of a pipeline is.
func (s *stores) untrained(ctx context.Context, model string) *serve.Absence {
	first := &serve.Absence{Rule: serve.RuleTraining, What: "has no version in service yet.", Hint: "It answers as soon as its first version is trained and loaded; perennial status " + model + " shows how far it is."}
	last, ended, err := s.ledger.LastAttempt(ctx, model)
	if err != nil || !ended {
		return first
	}
	running, err := s.ledger.Running(ctx)
	if err != nil || slices.ContainsFunc(running, func(w ledger.Workflow) bool { return w.Pipeline == model }) {
		return first
	}
	if last.Outcome == perennial.OutcomeRejectedByGates {
		return &serve.Absence{Rule: serve.RuleNoVersion, What: "has no version in service: its gates rejected what was trained.",
			Hint: "perennial runs " + model + " lists the trainings, each with its decision. Mend data, pipeline or gates, then: perennial train " + model}
	}
	return nobodys(model)
}
