package processtest_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	temporalclient "go.temporal.io/sdk/client"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/client"
	"github.com/perennial-ml/perennial/workflows"
)

// schedule waits until iris' schedule is as it should be.
func (p *process) schedule(what string, is func(v client.ScheduleView) bool) client.ScheduleView {
	p.t.Helper()
	var view client.ScheduleView
	p.eventually(time.Minute, what, func(ctx context.Context) bool {
		var err error
		view, err = p.Schedule(ctx, "iris")
		return err == nil && is(view)
	})
	return view
}

func active(v client.ScheduleView) bool { return v.State == "active" && len(v.Next) > 0 }

func paused(v client.ScheduleView) bool { return v.State == "paused" }

// forgetTemporal deletes what Temporal knows, while the program is stopped.
func (p *process) forgetTemporal() {
	p.t.Helper()
	for _, suffix := range []string{"", "-wal", "-shm"} {
		err := os.Remove(filepath.Join(p.home, "temporal.db"+suffix))
		if !os.IsNotExist(err) {
			require.NoError(p.t, err)
		}
	}
}

func TestTheFileAndTheOperatorAndTheSchedule(t *testing.T) {
	t.Parallel()
	p := setup(t, demo(t), "--no-bootstrap")
	ctx := t.Context()
	p.schedule("no schedule", func(v client.ScheduleView) bool { return v.State == "none" && v.Source == "file" })
	_, err := p.SetSchedule(ctx, "iris", client.ScheduleRequest{Timezone: "UTC"})
	require.Equal(t, perennial.CodePrecondition, perennial.CodeOf(err))

	p.rewrite("iris.yaml", "gates:", "retrain: {schedule: \"0 3 * * *\", timezone: Asia/Tokyo}\ngates:")
	p.stop()
	p.start()
	view := p.schedule("the file's", func(v client.ScheduleView) bool { return active(v) && v.Source == "file" })
	require.Equal(t, 18, view.Next[0].Hour(), "three o'clock in Tokyo")
	c := p.dial()
	d, err := c.ScheduleClient().GetHandle(ctx, workflows.ScheduleID("iris")).Describe(ctx)
	require.NoError(t, err)
	require.Equal(t, enumspb.SCHEDULE_OVERLAP_POLICY_SKIP, d.Schedule.Policy.Overlap)
	require.Equal(t, 10*time.Minute, d.Schedule.Policy.CatchupWindow)
	require.Equal(t, 30*time.Second, d.Schedule.Spec.Jitter)

	require.NoError(t, c.ScheduleClient().GetHandle(ctx, workflows.ScheduleID("iris")).Trigger(ctx, temporalclient.ScheduleTriggerOptions{}))
	last := p.schedule("it started", func(v client.ScheduleView) bool { return v.Last != nil }).Last
	run, err := p.FollowWorkflow(ctx, last.WorkflowID, "", nil)
	require.NoError(t, err)
	require.Equal(t, perennial.OutcomeTrained, run.Result.Outcome)
	require.Equal(t, "schedule", run.StartedBy)

	require.NoError(t, c.ScheduleClient().GetHandle(ctx, workflows.ScheduleID("iris")).Pause(ctx, temporalclient.SchedulePauseOptions{Note: "lunch"}))
	require.Equal(t, "operator", p.schedule("paused from outside", paused).Source)
	p.stop()
	p.forgetTemporal()
	p.start()
	p.eventually(time.Minute, "it is made again", func(ctx context.Context) bool {
		_, err := p.dial().ScheduleClient().GetHandle(ctx, workflows.ScheduleID("iris")).Describe(ctx)
		return err == nil
	})
	p.schedule("a pause outlives Temporal's file", paused)

	set, err := p.SetSchedule(ctx, "iris", client.ScheduleRequest{Cron: "30 4 * * *", Reason: "later"})
	require.NoError(t, err)
	require.Equal(t, "paused", set.State, "what is left out stays")
	require.Equal(t, "Asia/Tokyo", set.Timezone)
	p.rewrite("iris.yaml", "0 3 * * *", "0 5 * * *")
	p.stop()
	p.start()
	view = p.schedule("the file changed", func(v client.ScheduleView) bool { return active(v) && v.Cron == "0 5 * * *" })
	require.Equal(t, 20, view.Next[0].Hour())

	removed, err := p.RemoveSchedule(ctx, "iris", "by hand")
	require.NoError(t, err)
	require.Equal(t, "removed", removed.State)
	_, err = p.RemoveSchedule(ctx, "iris", "again")
	require.Equal(t, perennial.CodeNotFound, perennial.CodeOf(err))
	_, err = p.SetSchedule(ctx, "iris", client.ScheduleRequest{Reset: true})
	require.NoError(t, err)
	p.schedule("reset", active)

	file := filepath.Join(p.project, "pipelines", "iris.yaml")
	require.NoError(t, os.Rename(file, file+".away"))
	p.stop()
	p.start()
	p.schedule("the pipeline vanished", paused)
	require.NoError(t, os.Rename(file+".away", file))
	p.stop()
	p.start()
	p.schedule("the pipeline is back", active)
}
