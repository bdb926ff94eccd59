package processtest_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/client"
)

// fromOutside are commands that people rely on. README shows them as they are
// here, and they are run as they are here.
const (
	outsideSchedule = `temporal schedule create --schedule-id nightly-iris --cron '0 3 * * *' --type Retrain --task-queue perennial-default --workflow-id retrain:iris:nightly --input '{"pipeline":"iris","reason":"nightly"}'`
	outsideStart    = `temporal workflow start --type Retrain --task-queue perennial-default --input '{"pipeline":"iris"}'`
	outsidePromote  = `temporal workflow update execute --workflow-id rollout:iris --name promote --input '{"reason":"looks good"}'`
)

func TestREADMEShowsTheCommandsFromOutside(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	require.NoError(t, err)
	for _, command := range []string{outsideSchedule, outsideStart, outsidePromote} {
		require.Contains(t, string(b), command+"\n")
	}
}

// TestTemporalsOwnCommandLine runs them with Temporal's own command line, where
// it was built (make temporal).
func TestTemporalsOwnCommandLine(t *testing.T) {
	t.Parallel()
	bin, err := filepath.Abs(filepath.Join("..", "..", "bin"))
	require.NoError(t, err)
	if _, err := os.Stat(filepath.Join(bin, "temporal")); err != nil {
		if os.Getenv("PERENNIAL_TEST_NIGHTLY") != "" {
			require.NoError(t, err, "make temporal builds it")
		}
		t.Skip("bin/temporal is not there: make temporal builds it")
	}
	p := setup(t, demo(t), "--no-bootstrap")
	sh := func(command string) string {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), slow*time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, "sh", "-c", command)
		cmd.Env = append(os.Environ(), "TEMPORAL_ADDRESS="+p.temporal, "PATH="+bin+":"+os.Getenv("PATH"))
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s\n%s", command, out)
		return string(out)
	}
	outcome := func(id string) client.WorkflowView {
		t.Helper()
		view, err := p.FollowWorkflow(t.Context(), id, "", nil)
		require.NoError(t, err)
		require.NotNil(t, view.Result, "%+v", view.Error)
		return view
	}
	latest := func(not ...string) string {
		var id string
		p.eventually(time.Minute, "a retraining begins", func(ctx context.Context) bool {
			list, err := p.Workflows(ctx, "iris", 0)
			require.NoError(t, err)
			for _, v := range list.Items {
				seen := false
				for _, old := range not {
					seen = seen || old == v.WorkflowID
				}
				if v.Type == "Retrain" && !seen {
					id = v.WorkflowID
					return true
				}
			}
			return false
		})
		return id
	}

	sh(outsideStart)
	first := outcome(latest())
	require.Equal(t, perennial.OutcomeTrained, first.Result.Outcome)
	require.Equal(t, "temporal", first.StartedBy)

	sh(outsideSchedule)
	require.Contains(t, sh("temporal schedule list"), "nightly-iris")
	sh("temporal schedule trigger --schedule-id nightly-iris")
	second := outcome(latest(first.WorkflowID))
	require.Equal(t, perennial.OutcomeUnchanged, second.Result.Outcome)
	require.Equal(t, "nightly", second.Reason)

	_, err = p.SetSchedule(t.Context(), "iris", client.ScheduleRequest{Cron: "0 4 * * *"})
	require.NoError(t, err)
	require.Contains(t, sh("temporal schedule list"), "retrain:iris", "ours are beside it")
	sh("temporal schedule toggle --schedule-id retrain:iris --pause --reason lunch")
	p.schedule("paused", paused)
	sh("temporal schedule toggle --schedule-id retrain:iris --unpause --reason back")
	p.schedule("active again", active)
	sh("temporal schedule trigger --schedule-id retrain:iris")
	require.Equal(t, perennial.OutcomeUnchanged, outcome(latest(first.WorkflowID, second.WorkflowID)).Result.Outcome)

	offered := p.retrain(client.RetrainRequest{Pipeline: "iris", Force: true})
	require.Equal(t, perennial.OutcomeOffered, offered.Result.Outcome)
	p.eventually(time.Minute, "it is loaded", func(ctx context.Context) bool {
		v, err := p.Rollout(ctx, "iris")
		return err == nil && v.Weight > 0
	})
	sh(outsidePromote)
	history, err := p.History(t.Context(), "iris", 1)
	require.NoError(t, err)
	require.Equal(t, perennial.ModeWatch, history.Items[0].Mode)
	require.Equal(t, "temporal", history.Items[0].Actor)
	require.Equal(t, "looks good", history.Items[0].Reason)
	audit, err := p.Audit(t.Context(), client.Page{Limit: 1})
	require.NoError(t, err)
	require.Equal(t, "rollout.promote", audit.Items[0].Action)
	require.Equal(t, "temporal", audit.Items[0].Actor)
}
