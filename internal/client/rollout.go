package client

import (
	"context"
	"net/http"
	"time"

	"github.com/perennial-ml/perennial"
)

// RolloutRequest asks for the rollout of a version.
type RolloutRequest struct {
	Version string `json:"version" minLength:"1" doc:"registered version"`
	Reason  string `json:"reason,omitempty" maxLength:"1000"`
	IfEpoch int64  `json:"if_epoch,omitempty" doc:"only while the traffic row has this epoch (412 otherwise)"`
	Force   bool   `json:"force,omitempty" doc:"although this model file was rolled back before"`
}

// RolloutResponse says what became of it.
type RolloutResponse struct {
	Outcome    perennial.Outcome `json:"outcome"` // offered | unchanged | incompatible_schema
	Reason     string            `json:"reason,omitempty"`
	WorkflowID string            `json:"workflow_id"`
	StatusURL  string            `json:"status_url"`
}

// RolloutCommand is the body of pause, resume, promote and abort.
type RolloutCommand struct {
	Reason  string `json:"reason,omitempty" maxLength:"1000"`
	IfEpoch int64  `json:"if_epoch,omitempty" doc:"only while the traffic row has this epoch (412 otherwise)"`
}

// RollbackRequest sends everything to a version at once.
type RollbackRequest struct {
	To      string `json:"to,omitempty" doc:"version; default: the one that was good before"`
	Freeze  string `json:"freeze,omitempty" doc:"duration as 24h: no retrain and no promotion for so long"`
	Reason  string `json:"reason,omitempty" maxLength:"1000"`
	IfEpoch int64  `json:"if_epoch,omitempty" doc:"only while the traffic row has this epoch (412 otherwise)"`
}

// FreezeRequest stops retrains and promotions for a while, never a rollback.
type FreezeRequest struct {
	Model  string `json:"model,omitempty" doc:"default: every model"`
	For    string `json:"for" minLength:"1" doc:"duration as 24h"`
	Reason string `json:"reason,omitempty" maxLength:"1000"`
}

// FreezeView is a freeze in force.
type FreezeView struct {
	Model  string    `json:"model"` // "": every model
	Until  time.Time `json:"until"`
	Reason string    `json:"reason"`
	Actor  string    `json:"actor"`
}

// Unfrozen says whose freeze was lifted.
type Unfrozen struct {
	Model  string      `json:"model"`            // "": that of every model
	Frozen *FreezeView `json:"frozen,omitempty"` // what holds still: the freeze of every model
}

// The phases of a rollout besides the modes of traffic.
const (
	PhasePrepare = "prepare"
	PhaseHeld    = "held"
)

// RolloutView is how a model's rollout stands, or how the last one ended.
type RolloutView struct {
	Model          string          `json:"model"`
	Phase          string          `json:"phase"` // none | prepare | canary | watch | held | ab | promoted | rolled_back | aborted
	Mode           perennial.Mode  `json:"mode"`
	Epoch          int64           `json:"epoch"`
	Champion       string          `json:"champion,omitempty"`
	Previous       string          `json:"previous,omitempty"`
	Challenger     string          `json:"challenger,omitempty"`
	Weight         float64         `json:"weight"` // share of the version that is rolled out
	Step           int             `json:"step"`   // of steps, from 1; 0 before the first
	Steps          []float64       `json:"steps"`
	Deadline       *time.Time      `json:"deadline,omitempty"` // in watch its end
	Verdict        string          `json:"verdict,omitempty"`
	Reason         string          `json:"reason,omitempty"`
	Guardrails     []GuardrailView `json:"guardrails"`
	Replicas       []ReplicaView   `json:"replicas"`
	Frozen         *FreezeView     `json:"frozen,omitempty"`
	Alias          *DivergenceView `json:"alias,omitempty"` // an alias that somebody moved in MLflow, and that traffic doesn't follow
	Actions        []string        `json:"actions"`
	LastDecisionID string          `json:"last_decision_id,omitempty"`
	WorkflowID     string          `json:"workflow_id"`
}

// DivergenceView is a move of an alias that changed no traffic.
type DivergenceView struct {
	Alias   string    `json:"alias"`
	Version string    `json:"version"` // that somebody moved it to; "" where it was removed
	Actor   string    `json:"actor"`
	Reason  string    `json:"reason"` // why traffic doesn't follow
	At      time.Time `json:"at"`
}

// GuardrailView is one check of the present step.
type GuardrailView struct {
	Name       string        `json:"name"`
	Verdict    string        `json:"verdict"`
	Champion   GuardrailSide `json:"champion"`
	Challenger GuardrailSide `json:"challenger"`
	Effect     float64       `json:"effect"`
	Limit      float64       `json:"limit"`
	Test       string        `json:"test"`
	Message    string        `json:"message"`
}

// GuardrailSide is one version's part.
type GuardrailSide struct {
	N     int     `json:"n"`
	Value float64 `json:"value"`
}

// ReplicaView is what a serving process has of the version.
type ReplicaView struct {
	Replica string `json:"replica"`
	State   string `json:"state"` // loaded | failed | loading
	Error   string `json:"error,omitempty"`
}

// Rollout tells how a model's rollout stands.
func (c *Client) Rollout(ctx context.Context, model string) (RolloutView, error) {
	return get[RolloutView](ctx, c, segments("models", model, "rollout"), nil)
}

// StartRollout rolls a version out.
func (c *Client) StartRollout(ctx context.Context, model string, req RolloutRequest) (RolloutResponse, error) {
	var out RolloutResponse
	err := c.call(ctx, http.MethodPost, segments("models", model, "rollout"), nil, req, &out)
	return out, err
}

// CommandRollout pauses, resumes, promotes or aborts.
func (c *Client) CommandRollout(ctx context.Context, model, name string, req RolloutCommand) (RolloutView, error) {
	var out RolloutView
	err := c.call(ctx, http.MethodPost, segments("models", model, "rollout", name), nil, req, &out)
	return out, err
}

// Rollback sends everything to a version at once.
func (c *Client) Rollback(ctx context.Context, model string, req RollbackRequest) (RolloutView, error) {
	var out RolloutView
	err := c.call(ctx, http.MethodPost, segments("models", model, "rollback"), nil, req, &out)
	return out, err
}

// Freeze stops retrains and promotions for a while.
func (c *Client) Freeze(ctx context.Context, req FreezeRequest) (FreezeView, error) {
	var out FreezeView
	err := c.call(ctx, http.MethodPost, "/freeze", nil, req, &out)
	return out, err
}

// Unfreeze lifts a freeze; model "" lifts the one of every model.
func (c *Client) Unfreeze(ctx context.Context, model, reason string) (Unfrozen, error) {
	q := map[string][]string{}
	if model != "" {
		q["model"] = []string{model}
	}
	var out Unfrozen
	err := c.call(ctx, http.MethodDelete, "/freeze", q, ReasonRequest{Reason: reason}, &out)
	return out, err
}
