package workflows_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	sdkworker "go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	historypb "go.temporal.io/api/history/v1"

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
			replayer, err := sdkworker.NewWorkflowReplayerWithOptions(sdkworker.WorkflowReplayerOptions{Interceptors: worker.Interceptors(nil, nil)})
			require.NoError(t, err)
			worker.Register(replayer)
			require.NoError(t, replayer.ReplayWorkflowHistory(nil, load(t, file)))
		})
	}
}

func TestEveryWorkflowTypeHasAGoldenHistory(t *testing.T) {
	t.Parallel()
	want := map[string][]string{
		"retrain": {"trained", "unchanged", "dry-run", "already-running", "invalid-input"},
		"train":   {"first-version", "later-version", "rejected", "invalid-data", "cancelled", "forced"},
		"tune":    {"bootstrap", "rounds"},
	}
	have := strings.Join(golden(t), " ")
	for kind, cases := range want {
		for _, c := range cases {
			require.Contains(t, have, kind+"-"+c+".json")
		}
	}
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
	replayer := sdkworker.NewWorkflowReplayer()
	replayer.RegisterWorkflowWithOptions(mutated, workflow.RegisterOptions{Name: "Train"})
	err := replayer.ReplayWorkflowHistory(nil, load(t, "testdata/histories/train-first-version.json"))
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
