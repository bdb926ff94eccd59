package processtest_test

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	temporalclient "go.temporal.io/sdk/client"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/activities"
	"github.com/perennial-ml/perennial/internal/client"
	"github.com/perennial-ml/perennial/workflows"
)

var update = flag.Bool("update", false, "record the golden histories that are missing")

// TestRecordHistories plays every case of which a golden history is kept, on
// the real program. Without -update it plays the short ones and records
// nothing, so that the recipe can't rot.
func TestRecordHistories(t *testing.T) {
	t.Parallel()
	dir := demo(t)
	p := prepare(t, dir, "--no-bootstrap")
	p.rewrite("iris.yaml", "strategy: random", "strategy: tpe")
	p.start()
	c := p.dial()
	r := recorder{t: t, c: c}

	first := p.train("iris", client.TrainRequest{Budget: perennial.BudgetBootstrap, Reason: "golden"})
	require.Equal(t, perennial.OutcomeTrained, first.Result.Outcome)
	r.record("train-first-version", first.WorkflowID, first.WorkflowRunID)
	r.record("tune-proposed", workflows.TuneID("iris", first.Result.RunID), "")

	later := p.train("iris", client.TrainRequest{Reason: "golden"})
	require.Equal(t, "2", later.Result.Version)
	r.record("train-later-version", later.WorkflowID, later.WorkflowRunID)
	r.record("tune-tpe", workflows.TuneID("iris", later.Result.RunID), "")
	r.continued(p, later.Result.RunID)

	again, err := p.Reproduce(t.Context(), first.Result.RunID, client.ReasonRequest{Reason: "golden"})
	require.NoError(t, err)
	reproduced, err := p.FollowWorkflow(t.Context(), again.WorkflowID, again.WorkflowRunID, nil)
	require.NoError(t, err)
	require.Equal(t, perennial.OutcomeSame, reproduced.Result.Outcome, reproduced.Result.Reason)
	r.record("reproduce-same", again.WorkflowID, again.WorkflowRunID)

	r.retrain(p, "retrain-unchanged", client.RetrainRequest{}, perennial.OutcomeUnchanged)
	r.retrain(p, "retrain-dry-run", client.RetrainRequest{DryRun: true, Force: true}, perennial.OutcomeWouldTrain)
	forced := r.retrain(p, "retrain-offered", client.RetrainRequest{Force: true}, perennial.OutcomeOffered)
	require.Equal(t, "3", forced.Result.Version)
	r.record("train-forced", workflows.TrainID("iris"), "")
	outside, err := c.ExecuteWorkflow(t.Context(), temporalclient.StartWorkflowOptions{TaskQueue: workflows.QueueDefault}, workflows.TypeRetrain,
		map[string]any{"pipeline": "iris", "speed": 3})
	require.NoError(t, err)
	require.ErrorContains(t, outside.Get(t.Context(), nil), "speed is no key")
	r.record("retrain-invalid-input", outside.GetID(), "")

	p.rewrite("california-housing.yaml", "trials: ", "trials: 96")
	p.stop()
	p.start()
	started, err := p.Train(t.Context(), "california-housing", client.TrainRequest{Reason: "golden"})
	require.NoError(t, err)
	p.eventually(time.Minute, "the trials run", func(ctx context.Context) bool {
		v, err := p.Workflow(ctx, started.WorkflowID, "")
		return err == nil && v.Progress != nil && v.Progress.Done > 1
	})
	began := time.Now()
	r.retrainOf(p, "california-housing", "retrain-already-running", client.RetrainRequest{}, perennial.OutcomeAlreadyRunning)
	asked := time.Now()
	trip := asked.Sub(began) // of a workflow that does nothing: how busy the machine is
	_, err = p.CancelWorkflow(t.Context(), started.WorkflowID, "golden")
	require.NoError(t, err)
	view, err := p.FollowWorkflow(t.Context(), started.WorkflowID, "", nil)
	require.NoError(t, err)
	require.Equal(t, perennial.WorkflowCancelled, view.State)
	took := time.Since(asked)
	t.Logf("it has ended %v after it was cancelled; a workflow that does nothing takes %v", took, trip)
	require.Less(t, took, 5*time.Second+2*trip)
	r.record("train-cancelled", started.WorkflowID, started.WorkflowRunID)

	p.rewrite("iris.yaml", "min_gain: ", "min_gain: 9")
	p.stop()
	p.start()
	rejected := p.train("iris", client.TrainRequest{Budget: perennial.BudgetBootstrap, Reason: "golden"})
	require.Equal(t, perennial.OutcomeRejectedByGates, rejected.Result.Outcome)
	r.record("train-rejected", rejected.WorkflowID, rejected.WorkflowRunID)

	data := filepath.Join(dir, "data", "raw", "iris.csv")
	b, err := os.ReadFile(data)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(data, []byte(strings.Replace(string(b), "setosa", "rose", 1)), 0o600))
	invalid := p.train("iris", client.TrainRequest{Budget: perennial.BudgetBootstrap, Reason: "golden"})
	require.Equal(t, perennial.WorkflowFailed, invalid.State)
	require.Equal(t, perennial.CodeInvalid, invalid.Error.Code)
	require.Equal(t, 2, invalid.Error.Errors[0].Line)
	r.record("train-invalid-data", invalid.WorkflowID, invalid.WorkflowRunID)
}

// continued searches once more what a training searched, in histories of a few
// events each; every trial is there already.
func (r recorder) continued(p *process, run string) {
	r.t.Helper()
	view, err := p.Run(r.t.Context(), run)
	require.NoError(r.t, err)
	in := workflows.TuneInput{
		Pipeline: "iris", Plan: activities.Study{Trials: 9, Parallel: 2}, MaxEvents: 12,
		Study: activities.StudyInput{Bundle: view.Tags["perennial.bundle"], Snapshot: "sha256:" + view.Inputs[0].Data.Snapshot, RunID: run},
	}
	id := "tune:again"
	first, err := r.c.ExecuteWorkflow(r.t.Context(), temporalclient.StartWorkflowOptions{ID: id, TaskQueue: workflows.QueueDefault}, workflows.Tune, in)
	require.NoError(r.t, err)
	began := first.GetRunID()
	var selected activities.Selected
	require.NoError(r.t, first.Get(r.t.Context(), &selected))
	require.Equal(r.t, view.Params["trial"], itoa(selected.Trial+1))
	require.NotEqual(r.t, began, first.GetRunID(), "it went on in another run")
	r.record("tune-continues-as-new", id, began)
	r.record("tune-continued", id, first.GetRunID())
}

// rewrite changes a pipeline file of the project.
func (p *process) rewrite(name, old, replacement string) {
	p.t.Helper()
	file := filepath.Join(p.project, "pipelines", name)
	b, err := os.ReadFile(file)
	require.NoError(p.t, err)
	require.Contains(p.t, string(b), old)
	require.NoError(p.t, os.WriteFile(file, []byte(strings.Replace(string(b), old, replacement, 1)), 0o600))
}

// appendTo adds to a pipeline file of a project.
func appendTo(t *testing.T, dir, name, text string) {
	t.Helper()
	file := filepath.Join(dir, "pipelines", name)
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, append(b, text...), 0o600))
}

type recorder struct {
	t *testing.T
	c temporalclient.Client
}

// retrain runs a Retrain of iris, expects an outcome and records its history.
func (r recorder) retrain(p *process, name string, req client.RetrainRequest, want perennial.Outcome) client.WorkflowView {
	r.t.Helper()
	return r.retrainOf(p, "iris", name, req, want)
}

func (r recorder) retrainOf(p *process, pipeline, name string, req client.RetrainRequest, want perennial.Outcome) client.WorkflowView {
	r.t.Helper()
	req.Pipeline, req.Reason = pipeline, "golden"
	view := p.retrain(req)
	require.NotNil(r.t, view.Result, "%+v", view.Error)
	require.Equal(r.t, want, view.Result.Outcome)
	require.Equal(r.t, workflows.TrainID(pipeline), view.Result.WorkflowID)
	r.record(name, view.WorkflowID, view.WorkflowRunID)
	return view
}

// record writes a workflow's history as golden JSON, unless there is one: what
// older workflow code wrote must replay for good. Delete a file to record its
// case anew.
func (r recorder) record(name, id, runID string) {
	r.t.Helper()
	if !*update {
		return
	}
	file := filepath.Join("..", "..", "workflows", "testdata", "histories", name+".json")
	if _, err := os.Stat(file); err == nil {
		return
	}
	history := &historypb.History{}
	events := r.c.GetWorkflowHistory(r.t.Context(), id, runID, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		e, err := events.Next()
		require.NoError(r.t, err)
		history.Events = append(history.Events, e)
	}
	b, err := protojson.MarshalOptions{Multiline: true, Indent: " "}.Marshal(history)
	require.NoError(r.t, err)
	require.NoError(r.t, os.WriteFile(file, append(b, '\n'), 0o600))
}
