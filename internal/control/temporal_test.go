package control_test

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	temporalclient "go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/mocks"
	"go.temporal.io/sdk/temporal"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/activities"
	"github.com/perennial-ml/perennial/internal/ledger"
	"github.com/perennial-ml/perennial/internal/serve"
	"github.com/perennial-ml/perennial/workflows"
)

// cluster does what Temporal and the Rollout workflow would, and loses replies.
type cluster struct {
	temporalclient.Client // for what no test here asks

	l        *lossy
	traffic  *serve.TrafficStore
	started  []string          // ids, and what was cancelled
	runs     map[string]string // request id by workflow id
	schedule *temporalclient.Schedule
}

// plan gives iris a schedule, as its file would.
func (s *cluster) plan(t *testing.T, w *remote) {
	t.Helper()
	spec := temporalclient.ScheduleSpec{CronExpressions: []string{"0 3 * * *"}, TimeZoneName: "UTC"}
	s.schedule = &temporalclient.Schedule{Spec: &spec, State: &temporalclient.ScheduleState{}}
	row := ledger.Schedule{Pipeline: "iris", Revision: "r", Source: ledger.ScheduleFromFile, Cron: "0 3 * * *", Timezone: "UTC", Spec: encoded(t, spec)}
	require.NoError(t, ledger.NewStore(w.db).SaveSchedule(t.Context(), row))
}

func (s *cluster) ExecuteWorkflow(_ context.Context, o temporalclient.StartWorkflowOptions, _ any, _ ...any) (temporalclient.WorkflowRun, error) {
	if _, ok := s.runs[o.ID]; ok {
		return nil, serviceerror.NewWorkflowExecutionAlreadyStarted("", "", "run-1")
	}
	s.runs[o.ID], s.started = fmt.Sprint(o.Memo["request_id"]), append(s.started, chosen.ReplaceAllString(o.ID, "?"))
	run := &mocks.WorkflowRun{}
	run.On("GetRunID").Return("run-1")
	return run, s.l.reply(nil)
}

func (s *cluster) DescribeWorkflowExecution(_ context.Context, id, _ string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	request, ok := s.runs[id]
	if !ok {
		return nil, serviceerror.NewNotFound("no such workflow")
	}
	payload, err := converter.GetDefaultDataConverter().ToPayload(request)
	if err != nil {
		return nil, err
	}
	d := described(id, "run-1", enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING)
	d.WorkflowExecutionInfo.Memo = &commonpb.Memo{Fields: map[string]*commonpb.Payload{"request_id": payload}}
	return d, nil
}

func (s *cluster) QueryWorkflow(context.Context, string, string, string, ...any) (converter.EncodedValue, error) {
	return nil, serviceerror.NewQueryFailed("no worker")
}

func (s *cluster) CancelWorkflow(_ context.Context, id, _ string) error {
	if _, ok := s.runs[id]; !ok {
		return serviceerror.NewNotFound("workflow execution already completed")
	}
	delete(s.runs, id)
	s.started = append(s.started, "cancelled "+id)
	return s.l.reply(nil)
}

func (s *cluster) NewWithStartWorkflowOperation(temporalclient.StartWorkflowOptions, any, ...any) temporalclient.WithStartWorkflowOperation {
	return nil
}

func (s *cluster) UpdateWithStartWorkflow(ctx context.Context, o temporalclient.UpdateWithStartWorkflowOptions) (temporalclient.WorkflowUpdateHandle, error) {
	return s.UpdateWorkflow(ctx, o.UpdateOptions)
}

// UpdateWorkflow moves traffic as the rollout does: an update's id makes it one.
func (s *cluster) UpdateWorkflow(ctx context.Context, o temporalclient.UpdateWorkflowOptions) (temporalclient.WorkflowUpdateHandle, error) {
	row, err := s.traffic.Get(ctx, "iris")
	if err != nil {
		return nil, err
	}
	next := row
	next.OpID, next.ChangedAt = o.UpdateID, now.UnixMilli()
	switch {
	case o.UpdateName == workflows.UpdateOffer:
		next.Mode, next.Challenger = perennial.ModeCanary, "2"
	case o.UpdateName == workflows.UpdatePause:
		next.Paused = true
	case o.UpdateName == workflows.UpdatePromote && row.Mode == perennial.ModeCanary:
		next.Mode, next.Champion, next.Previous, next.Challenger, next.WeightBP = perennial.ModeWatch, row.Challenger, row.Champion, "", 9500
	default: // promote in watch, abort
		next.Mode, next.Challenger, next.WeightBP = perennial.ModeServing, "", 0
	}
	if row.OpID != o.UpdateID {
		if row, err = s.traffic.Set(ctx, next, row.Epoch); err != nil {
			return nil, err
		}
	}
	return answered{row}, s.l.reply(nil)
}

// answered is the handle of an update that is done.
type answered struct{ row perennial.Traffic }

func (answered) WorkflowID() string { return workflows.RolloutID("iris") }
func (answered) RunID() string      { return "run-1" }
func (answered) UpdateID() string   { return "" }

func (a answered) Get(_ context.Context, out any) error {
	switch out := out.(type) {
	case *activities.Offered:
		*out = activities.Offered{Outcome: perennial.OutcomeOffered}
	case *activities.Rollout:
		*out = activities.Rollout{Model: "iris", Mode: a.row.Mode, Epoch: a.row.Epoch, Paused: a.row.Paused}
	default:
		return fmt.Errorf("an update gives no %s", reflect.TypeOf(out))
	}
	return nil
}

func (s *cluster) ScheduleClient() temporalclient.ScheduleClient { return schedules{s: s} }

// schedules is the one schedule that cluster has, and its handle.
type schedules struct {
	temporalclient.ScheduleClient

	s *cluster
}

type scheduleHandle struct {
	temporalclient.ScheduleHandle

	s *cluster
}

func (c schedules) GetHandle(context.Context, string) temporalclient.ScheduleHandle {
	return scheduleHandle{s: c.s}
}

func (c schedules) Create(_ context.Context, o temporalclient.ScheduleOptions) (temporalclient.ScheduleHandle, error) {
	if c.s.schedule != nil {
		return nil, temporal.ErrScheduleAlreadyRunning
	}
	c.s.schedule = &temporalclient.Schedule{Spec: &o.Spec, State: &temporalclient.ScheduleState{Paused: o.Paused, Note: o.Note}}
	return scheduleHandle{s: c.s}, c.s.l.reply(nil)
}

func (h scheduleHandle) Update(_ context.Context, o temporalclient.ScheduleUpdateOptions) error {
	u, err := o.DoUpdate(temporalclient.ScheduleUpdateInput{})
	if err != nil {
		return err
	}
	h.s.schedule = &temporalclient.Schedule{Spec: u.Schedule.Spec, State: u.Schedule.State}
	return h.s.l.reply(nil)
}

func (h scheduleHandle) Delete(context.Context) error {
	if h.s.schedule == nil {
		return serviceerror.NewNotFound("no such schedule")
	}
	h.s.schedule = nil
	return h.s.l.reply(nil)
}

func (h scheduleHandle) Describe(context.Context) (*temporalclient.ScheduleDescription, error) {
	if h.s.schedule == nil {
		return nil, serviceerror.NewNotFound("no such schedule")
	}
	return &temporalclient.ScheduleDescription{Schedule: *h.s.schedule, Info: temporalclient.ScheduleInfo{NextActionTimes: []time.Time{now}}}, h.s.l.reply(nil)
}

func encoded(t *testing.T, spec temporalclient.ScheduleSpec) string {
	t.Helper()
	b, err := json.Marshal(&spec)
	require.NoError(t, err)
	return string(b)
}
