package control

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"

	"github.com/google/uuid"
	enumspb "go.temporal.io/api/enums/v1"
	temporalclient "go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/client"
	"github.com/perennial-ml/perennial/internal/ledger"
	"github.com/perennial-ml/perennial/workflows"
)

var keyRE = regexp.MustCompile(workflows.KeyPattern)

// Retrain starts a retraining. A request with an idempotency key that came
// before gives the workflow that it led to, for seven days, also when Temporal
// has forgotten it; the same key with another request is a conflict. It answers
// not_found for an unknown pipeline, invalid for a malformed key and unavailable
// where Temporal doesn't answer, after which the same request may be sent again.
func (c *Control) Retrain(ctx context.Context, order client.RetrainOrder) (client.Started, error) {
	const op = "control.Retrain"
	if _, err := authorise(ctx, op, perennial.AccessTrainer); err != nil {
		return client.Started{}, err
	}
	if _, err := c.o.Pipelines.Get(ctx, order.Pipeline); err != nil {
		return client.Started{}, perennial.Wrap(op, err)
	}
	key := order.IdempotencyKey
	if key == "" {
		started, err := c.startRetrain(ctx, order, uuid.Must(uuid.NewV7()).String())
		return started, perennial.Wrap(op, err)
	}
	known, err := c.claimKey(ctx, order)
	if err != nil || known.RunID != "" {
		return client.Started{WorkflowID: known.WorkflowID, WorkflowRunID: known.RunID}, perennial.Wrap(op, err)
	}
	started, err := c.startRetrain(ctx, order, key)
	if started.WorkflowRunID != "" {
		err = errors.Join(err, insist(ctx, func(bool) error { return c.o.Ledger.KeepKeyRun(ctx, key, started.WorkflowRunID) }))
	}
	return started, perennial.Wrap(op, err)
}

// claimKey writes down which request the key came with, and gives what is known
// of it: no run where the workflow is still to be started.
func (c *Control) claimKey(ctx context.Context, order client.RetrainOrder) (ledger.Key, error) {
	const op = "control.claimKey"
	key := order.IdempotencyKey
	if !keyRE.MatchString(key) {
		return ledger.Key{}, perennial.Errorf(perennial.CodeInvalid, op, "an idempotency key is 1 to 64 letters, digits, dots, dashes or underscores")
	}
	body, err := json.Marshal(order.RetrainRequest)
	if err != nil {
		return ledger.Key{}, perennial.Wrap(op, err)
	}
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])
	known, err := c.o.Ledger.ClaimKey(ctx, ledger.Key{
		Key: key, BodySHA256: hash, WorkflowID: workflows.RetrainID(order.Pipeline, key), CreatedAt: c.o.Now().UnixMilli(),
	})
	if err == nil && known.BodySHA256 != hash {
		return ledger.Key{}, perennial.Errorf(perennial.CodeConflict, op, "the idempotency key %s came with another request before, which led to %s", key, known.WorkflowID).
			WithHint("Send the same request again, or a new key with a new request.")
	}
	return known, perennial.Wrap(op, err)
}

// startRetrain starts the workflow, or finds the one that a request with this
// key started before it could be written down.
func (c *Control) startRetrain(ctx context.Context, order client.RetrainOrder, key string) (client.Started, error) {
	id, actor := workflows.RetrainID(order.Pipeline, key), perennial.ActorOf(ctx)
	started, err := c.start(ctx, temporalclient.StartWorkflowOptions{
		ID: id, WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
		StaticSummary:         fmt.Sprintf("retrain %s: %s", order.Pipeline, cmp.Or(order.Reason, "no reason given")),
		Memo:                  startMemo(order.Pipeline, order.Trigger, order.Reason, actor.Name),
		TypedSearchAttributes: c.attributes(ctx, order.Pipeline),
	}, workflows.TypeRetrain, workflows.RetrainInput{
		Pipeline: order.Pipeline, Reason: order.Reason, Key: key, Force: order.Force, DryRun: order.DryRun, Trigger: order.Trigger,
	})
	if err != nil || !started.Started {
		return started, perennial.Wrap("control.startRetrain", err)
	}
	return started, c.record(ctx, perennial.AuditEntry{
		Action: "retrain.start", Target: order.Pipeline, Reason: order.Reason, WorkflowID: id,
		After: state(map[string]any{"workflow_run_id": started.WorkflowRunID, "trigger": order.Trigger, "force": order.Force, "dry_run": order.DryRun}),
	})
}

// attributes are what a pipeline's workflows are found by in Temporal, none
// where the server doesn't have them.
func (c *Control) attributes(ctx context.Context, pipeline string) temporal.SearchAttributes {
	return c.o.Attributes.Typed(ctx, workflows.AttrPipeline.ValueSet(pipeline), workflows.AttrModel.ValueSet(pipeline))
}
