// Package control holds every change that an operator or a trigger can ask
// for: it authorises who asks, checks the request, starts, updates or cancels a
// workflow, and writes the audit. It is the only caller of Temporal outside
// package worker, so that API, command line and triggers all go the same way.
//
// Who asks travels in the context (perennial.WithActor), and without an actor
// nothing is allowed. Every method that changes something begins with
//
//	func authorise(ctx context.Context, op string, needed perennial.AccessRole) (perennial.Actor, error)
//
// and ends with
//
//	func (c *Control) record(ctx context.Context, e perennial.AuditEntry) error
//
// (both in access.go). Start reading at Control.Train.
package control

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"sync"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	temporalclient "go.temporal.io/sdk/client"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/client"
	"github.com/perennial-ml/perennial/internal/ledger"
	"github.com/perennial-ml/perennial/internal/pipeline"
	"github.com/perennial-ml/perennial/workflows"
)

// Control starts and follows workflows.
type Control struct {
	o Options

	gone    sync.Map      // names of Options.Gone that were not applied since
	broken  broken        // Options.Broken that were not applied since
	changed chan struct{} // a pipeline was applied or deleted
}

// Options are what Control needs.
type Options struct {
	Temporal   temporalclient.Client
	Pipelines  Pipelines
	Ledger     Ledger
	Runs       Runs
	Audit      Audit
	Applied    Applied
	Datasets   Datasets
	Traffic    Traffic
	Registry   Registry
	Blobs      Blobs
	Rollouts   Rollouts
	Evidence   Evidence
	Imports    Imports
	Sources    Sources
	Files      Files
	Build      string // version of the program, kept with what is imported
	Tokens     Tokens
	Orders     Orders
	KeepAdmin  bool   // the last administrator's token is not revoked: nothing else lets anybody in
	UIURL      string // of the Temporal Web UI; "" where there is none
	Namespace  string
	Queue      string                 // that workflows are started on; default workflows.QueueDefault
	Attributes *Attributes            // nil: the server has every search attribute
	Gone       []string               // pipelines in force whose files are gone: their schedules are paused
	Broken     []client.PipelineFault // files that couldn't be put in force
	// KeepVersions is how many versions that were in service are held; default 20.
	KeepVersions int
	// ForeignRegistry: aliases live on an MLflow server of its own, where others
	// move them without asking. FollowAliases must run somewhere then.
	ForeignRegistry bool

	Logger *slog.Logger
	Now    func() time.Time // nil: time.Now
}

// Pipelines gives applied pipelines. Get answers not_found for an unknown name.
type Pipelines interface {
	Get(ctx context.Context, name string) (*pipeline.Spec, error)
	List(ctx context.Context) ([]*pipeline.Spec, error)
}

// Ledger answers for workflows that Temporal has forgotten, and counts trials.
type Ledger interface {
	Workflow(ctx context.Context, id, runID string) (ledger.Workflow, error)
	Workflows(ctx context.Context, pipeline string, limit int) ([]ledger.Workflow, error)
	Trials(ctx context.Context, studyID string) ([]ledger.Trial, error)
	Running(ctx context.Context) ([]ledger.Workflow, error)
	SaveWorkflow(ctx context.Context, w ledger.Workflow) error
	ClaimKey(ctx context.Context, k ledger.Key) (ledger.Key, error)
	KeepKeyRun(ctx context.Context, key, runID string) error
	Schedule(ctx context.Context, pipeline string) (row ledger.Schedule, ok bool, err error)
	Schedules(ctx context.Context) ([]ledger.Schedule, error)
	SaveSchedule(ctx context.Context, row ledger.Schedule) error
}

// New makes a Control.
func New(o Options) *Control {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.KeepVersions == 0 {
		o.KeepVersions = 20
	}
	if o.Queue == "" {
		o.Queue = workflows.QueueDefault
	}
	c := &Control{o: o, changed: make(chan struct{}, 1), broken: broken{files: o.Broken}}
	for _, name := range o.Gone {
		c.gone.Store(name, nil)
	}
	return c
}

// Train starts a training, or finds the one that is running: a pipeline trains
// once at a time, and the workflow's id is the lock. It answers not_found for an
// unknown pipeline and unavailable where Temporal doesn't answer.
func (c *Control) Train(ctx context.Context, order client.TrainOrder) (client.Started, error) {
	const op = "control.Train"
	actor, err := authorise(ctx, op, perennial.AccessTrainer)
	if err != nil {
		return client.Started{}, err
	}
	if _, err := c.o.Pipelines.Get(ctx, order.Pipeline); err != nil {
		return client.Started{}, perennial.Wrap(op, err)
	}
	if order.Budget == "" {
		order.Budget = perennial.BudgetFull
	}
	id := workflows.TrainID(order.Pipeline)
	started, err := c.start(ctx, temporalclient.StartWorkflowOptions{
		ID: id, WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		StaticSummary:         fmt.Sprintf("train %s (%s): %s", order.Pipeline, order.Budget, order.Reason),
		Memo:                  startMemo(order.Pipeline, order.Trigger, order.Reason, actor.Name),
		TypedSearchAttributes: c.attributes(ctx, order.Pipeline),
	}, workflows.Train, workflows.TrainInput{
		Pipeline: order.Pipeline, Budget: order.Budget, Trigger: order.Trigger, Reason: order.Reason, Actor: actor.Name,
		Force: !order.IfChanged, // who asks for a training gets one; Retrain asks for a reason
	})
	if err != nil || !started.Started {
		return started, perennial.Wrap(op, err)
	}
	return started, c.record(ctx, perennial.AuditEntry{
		Action: "train.start", Target: order.Pipeline, Reason: order.Reason, WorkflowID: id,
		After: state(map[string]any{"workflow_run_id": started.WorkflowRunID, "budget": order.Budget, "trigger": order.Trigger}),
	})
}

// start starts a workflow, or finds the one with its id that runs or ran already.
// Where no reply came, it looks whether this request's was started nevertheless:
// whoever asks again would find it running, and nobody would have audited it.
func (c *Control) start(ctx context.Context, o temporalclient.StartWorkflowOptions, workflow, in any) (client.Started, error) {
	request := perennial.ActorOf(ctx).RequestID
	o.TaskQueue, o.Memo["request_id"] = c.o.Queue, request
	o.WorkflowIDConflictPolicy, o.WorkflowExecutionErrorWhenAlreadyStarted = enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL, true
	run, err := c.o.Temporal.ExecuteWorkflow(ctx, o, workflow, in)
	if err == nil {
		return client.Started{WorkflowID: o.ID, WorkflowRunID: run.GetRunID(), Started: true}, nil
	}
	if running, ok := errors.AsType[*serviceerror.WorkflowExecutionAlreadyStarted](err); ok {
		return client.Started{WorkflowID: o.ID, WorkflowRunID: running.RunId}, nil
	}
	look, cancel := context.WithTimeout(context.WithoutCancel(ctx), queryTimeout)
	defer cancel()
	d, known, lookErr := c.describe(look, o.ID, "")
	if lookErr == nil && known && request != "" && memo(d, "request_id") == request {
		return client.Started{WorkflowID: o.ID, WorkflowRunID: d.GetWorkflowExecutionInfo().GetExecution().GetRunId(), Started: true}, nil
	}
	return client.Started{}, unavailable("control.start", err)
}

// startMemo is what lists and the workflow itself know a start by.
func startMemo(pipeline string, trigger perennial.Trigger, reason, actor string) map[string]any {
	return map[string]any{"pipeline": pipeline, "trigger": trigger, "reason": reason, "actor": actor}
}

// Cancel asks a running workflow to stop; it does so within seconds. One that
// has ended already is a precondition error, an unknown one not_found.
func (c *Control) Cancel(ctx context.Context, workflowID, reason string) error {
	const op = "control.Cancel"
	actor, err := authorise(ctx, op, perennial.AccessTrainer)
	if err != nil {
		return err
	}
	view, err := c.Workflow(ctx, workflowID, "")
	if err != nil {
		return perennial.Wrap(op, err)
	}
	if view.State.Terminal() {
		return perennial.Errorf(perennial.CodePrecondition, op, "workflow %s is not running: it is %s", workflowID, view.State)
	}
	c.o.Logger.Info("cancel", "workflow", workflowID, "actor", actor.Name, "reason", reason)
	err = insist(ctx, func(again bool) error {
		err := c.o.Temporal.CancelWorkflow(ctx, workflowID, "")
		if again && missing(err) {
			return nil // it has ended since
		}
		return unavailable(op, err)
	})
	if err != nil {
		return err
	}
	return c.record(ctx, perennial.AuditEntry{
		Action: "workflow.cancel", Target: workflowID, Reason: reason, WorkflowID: workflowID,
		Before: state(map[string]any{"state": view.State, "stage": view.Stage}),
	})
}

// describe asks Temporal about a workflow; ok is false where it knows none.
func (c *Control) describe(ctx context.Context, id, runID string) (d *workflowservice.DescribeWorkflowExecutionResponse, ok bool, err error) {
	d, err = c.o.Temporal.DescribeWorkflowExecution(ctx, id, runID)
	switch {
	case missing(err):
		return nil, false, nil
	case err != nil:
		return nil, false, unavailable("control.describe", err)
	}
	return d, true, nil
}

// Running reports whether Temporal has a run of a workflow that hasn't ended.
// Where it doesn't answer that is unavailable.
func (c *Control) Running(ctx context.Context, id, runID string) (bool, error) {
	d, known, err := c.describe(ctx, id, runID)
	return known && !stateOf(d).Terminal(), perennial.Wrap("control.Running", err)
}

// uiURL is where the Web UI shows a workflow run.
func (c *Control) uiURL(id, runID string) string {
	if c.o.UIURL == "" {
		return ""
	}
	return fmt.Sprintf("%s/namespaces/%s/workflows/%s/%s", c.o.UIURL, url.PathEscape(c.o.Namespace), url.PathEscape(id), url.PathEscape(runID))
}

// queryTimeout bounds how long a status query may wait for a worker.
const queryTimeout = 2 * time.Second

// unavailable turns an error of the Temporal client into ours.
func unavailable(op string, err error) error {
	if err == nil {
		return nil
	}
	if missing(err) {
		return perennial.Errorf(perennial.CodeNotFound, op, "no such workflow is running").Because(err)
	}
	return perennial.Errorf(perennial.CodeUnavailable, op, "Temporal doesn't answer").
		WithHint("Predictions go on; try again, and look at the Temporal server if it lasts.").Because(err)
}
