// Package workflows holds Perennial's durable workflows. Workflow code is
// deterministic: it knows hashes, ids, counts and enums, and holds no I/O, no
// clock, no randomness and no floating-point arithmetic. What must be computed
// or judged is done in an activity, so that the answer is in the history.
//
// contract.go is all that callers need; train.go and tune.go read as the story
// of a training. Before you change a workflow, read "Change a workflow safely"
// in CONTRIBUTING.md: every golden history in testdata/histories must replay.
package workflows

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/activities"
)

// The task queues, as they are named by default: quick steps, and steps that
// compute for long. Another prefix than perennial keeps several installations
// apart on one Temporal namespace.
const (
	QueueDefault  = "perennial-default"
	QueueTraining = "perennial-training"

	KindDefault  = "default"
	KindTraining = "training"
)

// Queue names a task queue: a prefix and a kind.
func Queue(prefix, kind string) string { return prefix + "-" + kind }

// The updates of a Rollout.
const (
	UpdateOffer   = "offer"
	UpdatePause   = "pause"
	UpdateResume  = "resume"
	UpdatePromote = "promote"
	UpdateAbort   = "abort"
)

// QueryStatus is the query that every workflow answers with a Status.
const QueryStatus = "status"

// TypeRetrain is the name under which Retrain is started: it reads its input by
// itself, so that the client can't check it.
const TypeRetrain = "Retrain"

// TrainID is the id of a pipeline's Train workflow. There is one at a time: the
// id is the single-flight lock.
func TrainID(pipeline string) string { return "train:" + pipeline }

// TuneID is the id of the search within a training.
func TuneID(pipeline, run string) string { return fmt.Sprintf("tune:%s:%s", pipeline, run) }

// ReproduceID is the id of the reproduction of a run; there is one at a time.
func ReproduceID(run string) string { return "reproduce:" + run }

// RetrainID is the id of a Retrain that Perennial starts: the caller's
// idempotency key makes it one workflow however often the request is sent.
func RetrainID(pipeline, key string) string { return fmt.Sprintf("retrain:%s:%s", pipeline, key) }

// ScheduleID is the id of the schedule that starts a pipeline's Retrain.
func ScheduleID(pipeline string) string { return "retrain:" + pipeline }

// RetrainInput asks for a training, and for a rollout of what comes out of it.
// It is the one JSON object that anyone may start a Retrain with; all but the
// pipeline may be left out.
type RetrainInput struct {
	Pipeline string            `json:"pipeline"`
	Reason   string            `json:"reason,omitempty"`
	Key      string            `json:"key,omitempty"`     // of the request; default: the workflow's run id
	Force    bool              `json:"force,omitempty"`   // train although nothing has changed
	DryRun   bool              `json:"dry_run,omitempty"` // say what would be done, and do nothing
	Trigger  perennial.Trigger `json:"trigger,omitempty"` // default: outside
}

// RolloutID is the id of a model's Rollout workflow; there is one at a time.
func RolloutID(model string) string { return "rollout:" + model }

// RolloutInput starts a Rollout: empty but for the model where an offer comes
// along, Resume where the traffic row says what goes on, and the rest where the
// workflow goes on from its own earlier run.
type RolloutInput struct {
	Model     string              `json:"model"`
	Actor     string              `json:"actor,omitempty"`
	Resume    bool                `json:"resume,omitempty"`
	Rollout   *activities.Rollout `json:"rollout,omitempty"`
	Offers    []activities.Offer  `json:"offers,omitempty"`
	Result    RolloutResult       `json:"result,omitzero"`
	MaxEvents int                 `json:"max_events,omitempty"` // history length for continue-as-new; 0: the usual
}

// RolloutResult says how a rollout ended.
type RolloutResult struct {
	Outcome    perennial.Outcome `json:"outcome"` // promoted | rolled_back | aborted | unchanged | incompatible_schema
	Version    string            `json:"version"`
	Reason     string            `json:"reason"`
	Decision   string            `json:"decision_id,omitempty"` // the last one
	Superseded []string          `json:"superseded,omitempty"`  // versions whose place a newer one took
}

// Command is the input of the updates pause, resume, promote and abort. Other
// keys are refused.
type Command struct {
	Reason  string `json:"reason,omitempty"`
	OpID    string `json:"op_id,omitempty"`    // of the order that says who asks; "" from outside
	Actor   string `json:"actor,omitempty"`    // as an older Perennial wrote it; believed in histories of its time only
	IfEpoch int64  `json:"if_epoch,omitempty"` // of the traffic row; 0: whatever it is
}

// UnmarshalJSON refuses keys that Command doesn't have.
func (c *Command) UnmarshalJSON(b []byte) error {
	type plain Command
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	return dec.Decode((*plain)(c))
}

// TrainInput asks for a training.
type TrainInput struct {
	Pipeline string            `json:"pipeline"`
	Budget   perennial.Budget  `json:"budget"`
	Trigger  perennial.Trigger `json:"trigger"`
	Reason   string            `json:"reason"`
	Actor    string            `json:"actor"`
	Force    bool              `json:"force,omitempty"`   // train although nothing has changed
	DryRun   bool              `json:"dry_run,omitempty"` // say what would be done, and do nothing
}

// TrainResult says how a training ended, and a Retrain with it.
type TrainResult struct {
	Outcome    perennial.Outcome `json:"outcome"`
	Reason     string            `json:"reason,omitempty"` // of an outcome before anything was trained
	RunID      string            `json:"run_id"`
	Version    string            `json:"version,omitempty"` // none where the gates rejected the model
	Decision   string            `json:"decision_id"`
	InService  bool              `json:"in_service"`            // it was the model's first version
	WorkflowID string            `json:"workflow_id,omitempty"` // of Retrain: the training it started, or found running
	Differs    string            `json:"differs,omitempty"`     // of Reproduce: data | parameters | trainer | platform | model
}

// ReproduceInput asks for the reproduction of a run.
type ReproduceInput struct {
	RunID    string `json:"run_id"`
	Pipeline string `json:"pipeline"`
	Reason   string `json:"reason"`
	Actor    string `json:"actor"`
}

// Status is the answer of the status query: where a workflow stands.
type Status struct {
	Pipeline string              `json:"pipeline"`
	Stages   []perennial.Stage   `json:"stages"`
	Stage    string              `json:"stage"` // that runs now, or that ran last
	Done     int                 `json:"done"`  // trials; while they run, the ledger knows better
	Total    int                 `json:"total"`
	Actor    string              `json:"started_by"`
	RunID    string              `json:"run_id,omitempty"`
	Train    string              `json:"train_run_id,omitempty"` // of Retrain: Temporal's run id of its training
	Result   *TrainResult        `json:"result,omitempty"`
	Rollout  *activities.Rollout `json:"rollout,omitempty"` // of a Rollout
	Failure  *perennial.Failure  `json:"failure,omitempty"`
}
