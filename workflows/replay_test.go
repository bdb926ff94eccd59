package workflows_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	sdkworker "go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	historypb "go.temporal.io/api/history/v1"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/activities"
	"github.com/perennial-ml/perennial/worker"
	"github.com/perennial-ml/perennial/workflows"
)

// golden lists the recorded histories: one file per workflow type and case, as
// "<type>-<case>.json". `make histories` records them anew on the real binary.
func golden(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/histories/*.json")
	require.NoError(t, err)
	return files
}

func load(t *testing.T, file string) *historypb.History {
	t.Helper()
	f, err := os.Open(file)
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	h, err := client.HistoryFromJSON(f, client.HistoryJSONOptions{})
	require.NoError(t, err)
	return h
}

func TestGoldenHistoriesReplay(t *testing.T) {
	t.Parallel()
	for _, file := range golden(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			replayer, err := sdkworker.NewWorkflowReplayerWithOptions(sdkworker.WorkflowReplayerOptions{Interceptors: worker.Interceptors(nil, nil), DisableDeadlockDetection: true})
			require.NoError(t, err)
			worker.Register(replayer)
			require.NoError(t, replayer.ReplayWorkflowHistory(nil, load(t, file)))
		})
	}
}

func TestEveryWorkflowTypeHasAGoldenHistory(t *testing.T) {
	t.Parallel()
	want := map[string][]string{
		"retrain":   {"trained", "offered", "refused", "unchanged", "dry-run", "already-running", "invalid-input"},
		"train":     {"first-version", "later-version", "rejected", "invalid-data", "cancelled", "forced"},
		"tune":      {"bootstrap", "rounds", "proposed", "tpe", "continues-as-new", "continued"},
		"reproduce": {"same"},
		"rollout": {
			"promoted", "promoted-by-hand", "rolled-back", "aborted", "overtaken", "superseding", "cancelled", "unchanged", "refused", "deadline",
			"continues-as-new", "continued", "forbidden",
		},
	}
	have := strings.Join(golden(t), " ")
	for kind, cases := range want {
		for _, c := range cases {
			require.Contains(t, have, kind+"-"+c+".json")
		}
	}
}

// TestADayLongCanaryStaysShort plays a canary that gets no evidence for 24 hours,
// under an operator who pauses and resumes it each hour, and multiplies its steps
// by the most events that a step took in any recorded rollout: that must stay
// below 2,000.
func TestADayLongCanaryStaysShort(t *testing.T) {
	t.Parallel()
	most := 0
	for _, file := range golden(t) {
		events, steps := load(t, file).GetEvents(), 0
		for _, e := range events {
			if e.GetActivityTaskScheduledEventAttributes() != nil {
				steps++
			}
		}
		if strings.HasPrefix(filepath.Base(file), "rollout-") && steps > 4 {
			most = max(most, (len(events)+steps-1)/steps)
		}
	}
	require.Positive(t, most)

	s := onStage(t)
	s.look = 30 * time.Minute
	began := s.env.Now()
	s.seen = func(r activities.Rollout) activities.Seen {
		switch {
		case r.WeightBP == 0:
			return allIsWell(r)
		case s.env.Now().Sub(began) >= 24*time.Hour:
			return activities.Seen{What: activities.SeenBreach, Decision: "d-bad", Reason: "error_rate"}
		}
		return activities.Seen{What: activities.SeenNothing}
	}
	steps := 0
	s.env.SetOnActivityStartedListener(func(*activity.Info, context.Context, converter.EncodedValues) { steps++ })
	s.offer(0, "2")
	for hour := range 24 {
		at := time.Duration(hour)*time.Hour + 10*time.Minute
		s.ask(at, workflows.UpdatePause, workflows.Command{})
		s.ask(at+time.Minute, workflows.UpdateResume, workflows.Command{})
	}
	require.Equal(t, perennial.OutcomeRolledBack, s.play(t).Outcome)
	require.Greater(t, steps, 48)
	require.Less(t, steps*most, 2000, "%d steps of %d events", steps, most)
	t.Logf("%d steps of at most %d events: %d", steps, most, steps*most)
}

// A workflow that does one thing more than its history must not replay: this is
// what makes a green replay test worth something.
func TestAChangedWorkflowDoesNotReplay(t *testing.T) {
	t.Parallel()
	var act *activities.Activities
	mutated := func(ctx workflow.Context, in workflows.TrainInput) (workflows.TrainResult, error) {
		ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: 1e9, TaskQueue: workflows.QueueDefault})
		if err := workflow.ExecuteActivity(ctx, act.PlanStudy, activities.StudyInput{}).Get(ctx, nil); err != nil {
			return workflows.TrainResult{}, err
		}
		return workflows.Train(ctx, in)
	}
	replayer, err := sdkworker.NewWorkflowReplayerWithOptions(sdkworker.WorkflowReplayerOptions{DisableDeadlockDetection: true})
	require.NoError(t, err)
	replayer.RegisterWorkflowWithOptions(mutated, workflow.RegisterOptions{Name: "Train"})
	err = replayer.ReplayWorkflowHistory(nil, load(t, "testdata/histories/train-first-version.json"))
	require.ErrorContains(t, err, "TMPRL1100", "Temporal's code for a non-deterministic workflow")
}

func TestHistoriesCarryHashesOnly(t *testing.T) {
	t.Parallel()
	for _, file := range golden(t) {
		total := 0
		for _, e := range load(t, file).GetEvents() {
			size := e.Size()
			require.Less(t, size, 16<<10, "%s event %d carries too much", file, e.GetEventId())
			total += size
		}
		require.Less(t, total, 256<<10, file)
	}
}
