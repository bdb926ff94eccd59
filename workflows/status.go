package workflows

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/activities"
)

// progress is what a workflow tells of itself: to the status query, to the Web
// UI and, when it ends, to the ledger.
type progress struct {
	status Status
}

func newProgress(pipeline, actor string, stages []string) *progress {
	p := &progress{status: Status{Pipeline: pipeline, Actor: actor}}
	for _, s := range stages {
		p.status.Stages = append(p.status.Stages, perennial.Stage{Name: s, State: perennial.StagePending})
	}
	return p
}

func (p *progress) answer() (Status, error) { return p.status, nil }

func (p *progress) encode() (json.RawMessage, error) { return json.Marshal(p.status) }

// stage runs one stage and keeps its state and duration. The phase is a search
// attribute too, so that a list of workflows shows where each one stands.
func (p *progress) stage(ctx workflow.Context, name string, run func(workflow.Context) (bool, error)) error {
	s := p.find(name)
	s.State, p.status.Stage = perennial.StageRunning, name
	p.show(ctx)
	if err := workflow.UpsertTypedSearchAttributes(ctx, AttrPhase.ValueSet(name)); err != nil {
		return err
	}
	started := workflow.Now(ctx)
	reused, err := run(ctx)
	s.Millis = workflow.Now(ctx).Sub(started).Milliseconds()
	s.Reused = reused
	s.State = perennial.StageCompleted
	if err != nil {
		s.State = perennial.StageFailed
	}
	p.show(ctx)
	return err
}

func (p *progress) skip(name string) { p.find(name).State = perennial.StageSkipped }

func (p *progress) find(name string) *perennial.Stage {
	i := slices.IndexFunc(p.status.Stages, func(s perennial.Stage) bool { return s.Name == name })
	return &p.status.Stages[i]
}

// fail keeps what went wrong in a form that may be shown.
func (p *progress) fail(err error) {
	if err == nil {
		return
	}
	p.status.Failure = FailureOf(err)
}

// end writes down how a workflow ended, on a context that a cancellation doesn't
// reach, and passes the error on. result is what came of it; nil: nothing.
func (p *progress) end(ctx workflow.Context, err error, result *TrainResult, record func(workflow.Context, perennial.WorkflowState) error) error {
	state := perennial.WorkflowCompleted
	switch {
	case temporal.IsCanceledError(err):
		state = perennial.WorkflowCancelled
	case err != nil:
		state = perennial.WorkflowFailed
	}
	p.status.Result = result
	p.fail(err)
	disconnected, cancel := workflow.NewDisconnectedContext(ctx)
	defer cancel()
	if recordErr := record(disconnected, state); recordErr != nil {
		return errors.Join(err, recordErr)
	}
	return err
}

// keep writes the row by which a workflow is known after Temporal has forgotten
// it. The caller fills in what is its own; when it began and the status follow.
func (p *progress) keep(ctx workflow.Context, in activities.Progress) error {
	status, err := p.encode()
	if err != nil {
		return err
	}
	in.StartedAt, in.Status = workflow.GetInfo(ctx).WorkflowStartTime.UnixMilli(), status
	return workflow.ExecuteActivity(record(ctx, "record "+string(in.State)), act.RecordWorkflow, in).Get(ctx, nil)
}

// succeeded gives the result of a workflow that ended well.
func succeeded(err error, result *TrainResult) *TrainResult {
	if err != nil {
		return nil
	}
	return result
}

// show writes the stages as the workflow's current details in the Web UI.
func (p *progress) show(ctx workflow.Context) {
	var b strings.Builder
	for _, s := range p.status.Stages {
		fmt.Fprintf(&b, "- **%s** %s", s.Name, s.State)
		if s.Reused {
			b.WriteString(" (reused)")
		}
		if s.State == perennial.StageCompleted {
			fmt.Fprintf(&b, " in %d ms", s.Millis)
		}
		b.WriteByte('\n')
	}
	workflow.SetCurrentDetails(ctx, b.String())
}

// givenUp is what to do about a step that was tried until it was given up: the hint
// of a single try says that it goes on by itself.
const givenUp = "It was waited for, and then given up. When it is back, start again: perennial train PIPELINE, or perennial retrain PIPELINE."

// FailureOf turns a workflow's error into what may be shown of it. The worker
// puts the failure of an activity into the error's details.
func FailureOf(err error) *perennial.Failure {
	if app, ok := errors.AsType[*temporal.ApplicationError](err); ok {
		var f perennial.Failure
		if app.HasDetails() && app.Details(&f) == nil && f.Code != "" {
			step, ok := errors.AsType[*temporal.ActivityError](err)
			if ok && f.Code == perennial.CodeUnavailable && step.RetryState() == enumspb.RETRY_STATE_MAXIMUM_ATTEMPTS_REACHED {
				f.Hint = givenUp
			}
			return &f
		}
		return &perennial.Failure{Code: perennial.CodeInternal, Message: app.Message()}
	}
	switch {
	case temporal.IsCanceledError(err):
		return &perennial.Failure{Code: perennial.CodeConflict, Message: "It was cancelled."}
	case temporal.IsTimeoutError(err):
		return &perennial.Failure{Code: perennial.CodeDeadline, Message: "A step took too long: no worker answered in time."}
	case temporal.IsTerminatedError(err):
		return &perennial.Failure{Code: perennial.CodeConflict, Message: "It was terminated."}
	}
	return &perennial.Failure{Code: perennial.CodeInternal, Message: "It failed; the log has the details."}
}
