package control_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	temporalclient "go.temporal.io/sdk/client"
	"go.temporal.io/sdk/mocks"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/client"
	"github.com/perennial-ml/perennial/internal/control"
	"github.com/perennial-ml/perennial/workflows"
)

// oneRun knows a training and its candidate.
type oneRun struct{ control.Runs }

func (oneRun) GetRun(_ context.Context, id string) (perennial.Run, error) {
	kind, ok := map[string]string{"run1": "train", "run2": "candidate"}[id]
	if !ok {
		return perennial.Run{}, perennial.Errorf(perennial.CodeNotFound, "fake", "no run %s", id)
	}
	return perennial.Run{ID: id, Tags: []perennial.Tag{{Key: perennial.TagKind, Value: kind}, {Key: perennial.TagPipeline, Value: "iris"}}}, nil
}

func TestAReproductionIsStartedOnceAndAudited(t *testing.T) {
	t.Parallel()
	_, w := atDesk(t)
	c := control.New(control.Options{
		Temporal: w.temporal, Pipelines: w, Ledger: w, Audit: w, Runs: oneRun{}, Logger: slog.New(slog.DiscardHandler), Now: func() time.Time { return now },
	})
	for id, code := range map[string]perennial.Code{"nope": perennial.CodeNotFound, "run2": perennial.CodePrecondition} {
		_, err := c.Reproduce(as(t, perennial.AccessTrainer), id, "")
		require.Equal(t, code, perennial.CodeOf(err), id)
	}
	_, err := c.Reproduce(as(t, perennial.AccessLabeler), "run1", "")
	require.Equal(t, perennial.CodeForbidden, perennial.CodeOf(err))

	run := mocks.NewWorkflowRun(t)
	run.On("GetRunID").Return("r1")
	options := mock.MatchedBy(func(o temporalclient.StartWorkflowOptions) bool {
		return o.ID == "reproduce:run1" && o.TaskQueue == workflows.QueueDefault && o.Memo["actor"] == "ann"
	})
	in := workflows.ReproduceInput{RunID: "run1", Pipeline: "iris", Reason: "an audit", Actor: "ann"}
	w.temporal.On("ExecuteWorkflow", mock.Anything, options, mock.Anything, in).Return(run, nil).Once()
	started, err := c.Reproduce(as(t, perennial.AccessTrainer), "run1", "an audit")
	require.NoError(t, err)
	require.Equal(t, client.Started{WorkflowID: "reproduce:run1", WorkflowRunID: "r1", Started: true}, started)
	require.Len(t, w.audit, 1)
	require.Equal(t, "run.reproduce", w.audit[0].Action)
	require.Equal(t, "run1", w.audit[0].Target)

	w.temporal.On("ExecuteWorkflow", mock.Anything, options, mock.Anything, in).Return(nil, serviceerror.NewWorkflowExecutionAlreadyStarted("", "", "r1")).Once()
	started, err = c.Reproduce(as(t, perennial.AccessTrainer), "run1", "an audit")
	require.NoError(t, err)
	require.False(t, started.Started)
	require.Len(t, w.audit, 1, "nothing was changed")
}
