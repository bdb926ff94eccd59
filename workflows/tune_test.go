package workflows_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/workflow"

	"github.com/perennial-ml/perennial/activities"
	"github.com/perennial-ml/perennial/worker"
	"github.com/perennial-ml/perennial/workflows"
)

func tuning(trials, parallel int, maxMillis int64) workflows.TuneInput {
	return workflows.TuneInput{
		Pipeline: "iris", Study: activities.StudyInput{Bundle: "sha256:b", Snapshot: "sha256:s", RunID: "run-1"},
		Plan: activities.Study{Trials: trials, Parallel: parallel, MaxMillis: maxMillis},
	}
}

func TestTuneRunsRoundsOfEightInBatches(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		trials, parallel int
		maxMillis        int64
		each             int64 // ms that a trial takes
		want             [][]int
		rounds           int
	}{
		"one at a time":       {10, 1, 0, 5000, [][]int{{0, 1, 2, 3, 4, 5, 6, 7}, {8, 9}}, 2},
		"two at a time":       {10, 2, 0, 5000, [][]int{{0, 1, 2, 3}, {4, 5, 6, 7}, {8}, {9}}, 2},
		"many at a time":      {3, 16, 0, 5000, [][]int{{0}, {1}, {2}}, 1},
		"small ones together": {24, 8, 0, 300, [][]int{{0}, {1}, {2}, {3}, {4}, {5}, {6}, {7}, {8, 9, 10}, {11, 12, 13}, {14, 15}, {16, 17, 18}, {19, 20, 21}, {22, 23}}, 3},
		"tiny ones":           {16, 8, 0, 0, [][]int{{0}, {1}, {2}, {3}, {4}, {5}, {6}, {7}, {8, 9, 10, 11, 12, 13, 14, 15}}, 2},
		"out of its time":     {24, 1, 10, 10, [][]int{{0, 1, 2, 3, 4, 5, 6, 7}}, 1},
		"time for all":        {24, 2, 240, 10, [][]int{{0, 1, 2, 3}, {4, 5, 6, 7}, {8, 9, 10, 11, 12, 13, 14, 15}, {16, 17, 18, 19, 20, 21, 22, 23}}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := setup(t)
			var mu sync.Mutex
			var got [][]int
			var selected activities.SelectInput
			s.answer("ProposeTrials", "RunTrials", "SelectTrial")
			s.env.OnActivity(act.ProposeTrials, mock.Anything, mock.Anything).Return(proposing(c.trials))
			s.env.OnActivity(act.RunTrials, mock.Anything, mock.Anything).Return(func(_ context.Context, in activities.TrialsInput) (activities.TrialsDone, error) {
				mu.Lock()
				defer mu.Unlock()
				got = append(got, in.Trials)
				n := int64(len(in.Trials))
				// Eight at once on as many processors, all over after the longest of them.
				return activities.TrialsDone{Millis: n * c.each, Began: 1000 * int64(in.Trials[0]/8), Ended: 1000*int64(in.Trials[0]/8) + n*c.each}, nil
			})
			s.env.OnActivity(act.SelectTrial, mock.Anything, mock.Anything).Return(func(_ context.Context, in activities.SelectInput) (activities.Selected, error) {
				selected = in
				return activities.Selected{Trial: 3}, nil
			})
			s.env.ExecuteWorkflow(workflows.Tune, tuning(c.trials, c.parallel, c.maxMillis))
			require.NoError(t, s.env.GetWorkflowError())
			slices.SortFunc(got, slices.Compare)
			require.Equal(t, c.want, got)
			require.Equal(t, c.rounds, selected.Rounds)
		})
	}
}

func TestTuneWaitsForTheWholeRoundWhereATrialFails(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.answer("RunTrials")
	var mu sync.Mutex
	ran := 0
	s.env.OnActivity(act.RunTrials, mock.Anything, mock.Anything).Return(func(_ context.Context, in activities.TrialsInput) (activities.TrialsDone, error) {
		mu.Lock()
		defer mu.Unlock()
		if ran++; in.Trials[0] == 0 {
			return activities.TrialsDone{}, worker.MapError(errors.New("broken"))
		}
		return activities.TrialsDone{Millis: 1}, nil
	})
	s.env.ExecuteWorkflow(workflows.Tune, tuning(20, 8, 0))
	require.ErrorContains(t, s.env.GetWorkflowError(), "broken")
	require.GreaterOrEqual(t, ran, 8)
	require.Less(t, ran, 8+20+1, "no second round")
}

// TestAThousandTrialsKeepHistoriesShort plays a study of 1,000 long trials, 8 at
// once, counts the events of each of Tune's runs (three an activity, and at most
// three of a workflow task for each), and follows it through its continuations.
func TestAThousandTrialsKeepHistoriesShort(t *testing.T) {
	t.Parallel()
	in, runs, done := tuning(1000, 8, 0), 0, 0
	for {
		env := environment()
		s := &steps{env: env}
		worker.Register(env)
		env.RegisterActivity(&activities.Activities{})
		s.answer("ProposeTrials", "RunTrials")
		events := 10
		env.SetCurrentHistoryLength(events)
		env.SetOnActivityStartedListener(func(*activity.Info, context.Context, converter.EncodedValues) {
			events += 6
			env.SetCurrentHistoryLength(events)
		})
		env.OnActivity(act.ProposeTrials, mock.Anything, mock.Anything).Return(proposing(1000))
		var mu sync.Mutex
		env.OnActivity(act.RunTrials, mock.Anything, mock.Anything).Return(func(_ context.Context, in activities.TrialsInput) (activities.TrialsDone, error) {
			mu.Lock()
			defer mu.Unlock()
			done += len(in.Trials)
			return activities.TrialsDone{Millis: 5000}, nil
		})
		env.ExecuteWorkflow(workflows.Tune, in)
		runs++
		require.Less(t, events, 2000)
		err := env.GetWorkflowError()
		again := new(workflow.ContinueAsNewError)
		if !errors.As(err, &again) {
			require.NoError(t, err)
			break
		}
		require.NoError(t, converter.GetDefaultDataConverter().FromPayloads(again.Input, &in))
		require.Equal(t, in.Done, done)
	}
	require.Equal(t, 1000, done)
	require.Greater(t, runs, 3)
	t.Logf("%d runs of Tune", runs)
}
