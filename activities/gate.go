package activities

import (
	"context"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/judge"
)

// GateInput names the evaluation to judge.
type GateInput struct {
	Bundle string `json:"bundle"`
	RunID  string `json:"run_id"`
	Report string `json:"report"` // key of the evaluation
}

// Gated is the verdict, as far as the workflow needs it.
type Gated struct {
	Decision string            `json:"decision_id"`
	Verdict  perennial.Verdict `json:"verdict"`
	Passed   bool              `json:"passed"`
}

// JudgeGates decides whether the model is good enough to be registered, and
// stores the decision. Safe to repeat: the verdict is a pure function of the
// evaluation, and the decision's id that of the run.
func (a *Activities) JudgeGates(ctx context.Context, in GateInput) (Gated, error) {
	const op = "JudgeGates"
	bundle, err := getJSON[Bundle](ctx, a.Blobs, in.Bundle)
	if err != nil {
		return Gated{}, perennial.Wrap(op, err)
	}
	found, err := getJSON[evaluation](ctx, a.Blobs, in.Report)
	if err != nil {
		return Gated{}, perennial.Wrap(op, err)
	}
	d := judge.Gates(bundle.Spec.Pipeline.Gates, found.Evidence)
	d.ID = "gate-" + in.RunID
	d.Model, d.RunID, d.At = bundle.Spec.Pipeline.Name, in.RunID, a.nowMillis()
	d.WorkflowID = execution(ctx).ID
	if err := a.Ledger.SaveDecision(ctx, d); err != nil {
		return Gated{}, perennial.Wrap(op, err)
	}
	return Gated{Decision: d.ID, Verdict: d.Verdict, Passed: d.Passed}, nil
}
