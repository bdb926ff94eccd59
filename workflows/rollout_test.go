package workflows_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/activities"
	"github.com/perennial-ml/perennial/worker"
	"github.com/perennial-ml/perennial/workflows"
)

// stage is where the rollouts of a test are played: a traffic row, and what an
// observation of it gives.
type stage struct {
	env      *testsuite.TestWorkflowEnvironment
	row      activities.Rollout
	policy   activities.Rollout // what a new rollout starts from
	frozen   bool
	look     time.Duration // how long an observation takes
	moves    []string
	seen     func(r activities.Rollout) activities.Seen
	recorded []activities.Progress
	asked    []activities.UpdateInput
	forbid   bool // whoever has no order
	actors   []string
}

func onStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{env: environment(), policy: activities.Rollout{
		Policy: "sha256:p", Steps: []int{500, 2500, 5000}, HoldbackBP: 500, OnInsufficient: "hold", OnNewVersion: "restart",
	}}
	s.seen, s.look = allIsWell, time.Minute
	worker.Register(s.env)
	s.env.RegisterActivity(&activities.Activities{})
	s.env.OnActivity(act.AuthoriseUpdate, mock.Anything, mock.Anything).Return(s.authorise).Maybe()
	s.env.OnActivity(act.BeginRollout, mock.Anything, mock.Anything).Return(s.begin).Maybe()
	s.env.OnActivity(act.MoveTraffic, mock.Anything, mock.Anything).Return(s.move).Maybe()
	s.env.OnActivity(act.LoadRollout, mock.Anything, mock.Anything).Return(func(context.Context, activities.LoadInput) (activities.Rollout, error) { return s.row, nil }).Maybe()
	s.env.OnActivity(act.ObserveRollout, mock.Anything, mock.Anything).AfterFn(func() time.Duration { return s.look }).Return(func(_ context.Context, r activities.Rollout) (activities.Seen, error) { return s.seen(r), nil }).Maybe()
	s.env.OnActivity(act.RecordWorkflow, mock.Anything, mock.Anything).Return(func(_ context.Context, p activities.Progress) error {
		s.recorded = append(s.recorded, p)
		return nil
	}).Maybe()
	return s
}

func allIsWell(r activities.Rollout) activities.Seen {
	switch {
	case r.Paused:
		return activities.Seen{What: activities.SeenNothing}
	case r.Mode == perennial.ModeWatch:
		return activities.Seen{What: activities.SeenElapsed, Decision: "d-watch"}
	}
	return activities.Seen{What: activities.SeenAdvance, Decision: "d-step", Reason: "all is well"}
}

// authorise knows no order but those that begin with op.
func (s *stage) authorise(_ context.Context, in activities.UpdateInput) (string, error) {
	s.asked = append(s.asked, in)
	if strings.HasPrefix(in.OpID, "op") {
		return "ann", nil
	}
	if s.forbid {
		return "", worker.MapError(perennial.Errorf(perennial.CodeForbidden, "", "past Perennial"))
	}
	return "temporal", nil
}

func (s *stage) begin(_ context.Context, o activities.Offer) (activities.Rollout, error) {
	switch o.Version {
	case "1":
		return activities.Rollout{Outcome: perennial.OutcomeUnchanged, Reason: "it is the champion"}, nil
	case "odd":
		return activities.Rollout{Outcome: perennial.OutcomeIncompatibleSchema, Reason: "/features/age"}, nil
	case "bad":
		return activities.Rollout{}, worker.MapError(perennial.Errorf(perennial.CodePrecondition, "", "rolled back before"))
	}
	epoch := s.row.Epoch + 1
	s.row = s.policy
	s.row.ID, s.row.Model, s.row.Challenger, s.row.Safe, s.row.Mode, s.row.Epoch = "r-"+o.Version, "iris", o.Version, "1", perennial.ModeCanary, epoch
	s.moves, s.actors = append(s.moves, "begin "+o.Version), append(s.actors, o.Actor)
	return s.row, nil
}

func (s *stage) move(_ context.Context, m activities.Move) (activities.Rollout, error) {
	if s.frozen && (m.Kind == activities.MoveWatch || m.Kind == activities.MoveWeight) {
		return activities.Rollout{}, worker.MapError(perennial.Errorf(perennial.CodePrecondition, "", "it is frozen"))
	}
	if m.Rollout.Epoch != s.row.Epoch {
		return s.row, nil
	}
	s.moves, s.actors = append(s.moves, m.Kind), append(s.actors, m.Actor)
	s.row.Epoch++
	switch m.Kind {
	case activities.MoveWeight:
		s.row.WeightBP = m.WeightBP
	case activities.MovePause, activities.MoveResume:
		s.row.Paused = m.Kind == activities.MovePause
	case activities.MoveWatch:
		s.row.Mode, s.row.WeightBP, s.row.Paused = perennial.ModeWatch, 9500, false
	case activities.MoveFinish:
		s.row.Mode, s.row.Outcome, s.row.Reason = perennial.ModeServing, perennial.OutcomePromoted, m.Reason
	case activities.MoveBack, activities.MoveRollBack:
		s.row.Mode, s.row.Outcome, s.row.Reason = perennial.ModeServing, perennial.OutcomeRolledBack, m.Reason
		if m.Kind == activities.MoveBack {
			s.row.Outcome = perennial.OutcomeAborted
		}
	}
	return s.row, nil
}

// answer keeps what an update gave.
type answer struct {
	rejected, err error
	value         any
}

func (a *answer) Accept()          {}
func (a *answer) Reject(err error) { a.rejected = err }
func (a *answer) Complete(value any, err error) {
	a.value, a.err = value, err
}

func (s *stage) offer(after time.Duration, version string) *answer {
	a := &answer{}
	s.env.RegisterDelayedCallback(func() {
		s.env.UpdateWorkflow(workflows.UpdateOffer, "", a, activities.Offer{Model: "iris", Version: version, Actor: "me"})
	}, after)
	return a
}

func (s *stage) ask(after time.Duration, name string, c workflows.Command) *answer {
	a := &answer{}
	s.env.RegisterDelayedCallback(func() { s.env.UpdateWorkflow(name, "", a, c) }, after)
	return a
}

func (s *stage) play(t *testing.T) workflows.RolloutResult {
	t.Helper()
	s.env.ExecuteWorkflow(workflows.Rollout, workflows.RolloutInput{Model: "iris", Actor: "me"})
	require.NoError(t, s.env.GetWorkflowError())
	var result workflows.RolloutResult
	require.NoError(t, s.env.GetWorkflowResult(&result))
	return result
}

func TestRolloutStepByStep(t *testing.T) {
	t.Parallel()
	s := onStage(t)
	offered := s.offer(0, "2")
	result := s.play(t)
	require.Equal(t, workflows.RolloutResult{Outcome: perennial.OutcomePromoted, Version: "2", Reason: "", Decision: "d-watch"},
		workflows.RolloutResult{Outcome: result.Outcome, Version: result.Version, Decision: result.Decision})
	require.Equal(t, []string{"begin 2", "weight", "weight", "weight", "watch", "finish"}, s.moves)
	require.NoError(t, offered.err)
	require.Equal(t, perennial.OutcomeOffered, offered.value.(activities.Offered).Outcome)
	last := s.recorded[len(s.recorded)-1]
	require.Equal(t, perennial.WorkflowCompleted, last.State)
	require.Equal(t, perennial.OutcomePromoted, last.Outcome)
}

func TestRolloutIsRolledBackOnABreach(t *testing.T) {
	t.Parallel()
	for name, mode := range map[string]perennial.Mode{"in the canary": perennial.ModeCanary, "in the watch": perennial.ModeWatch} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := onStage(t)
			s.seen = func(r activities.Rollout) activities.Seen {
				if r.Mode == mode && r.WeightBP > 500 {
					return activities.Seen{What: activities.SeenBreach, Decision: "d-bad", Reason: "error_rate"}
				}
				return allIsWell(r)
			}
			s.offer(0, "2")
			result := s.play(t)
			require.Equal(t, perennial.OutcomeRolledBack, result.Outcome)
			require.Equal(t, "d-bad", result.Decision)
			require.Equal(t, "roll_back", s.moves[len(s.moves)-1])
		})
	}
}

func TestRolloutObeys(t *testing.T) {
	t.Parallel()
	s := onStage(t)
	s.offer(0, "2")
	s.ask(90*time.Second, workflows.UpdatePause, workflows.Command{Reason: "wait"})
	again := s.ask(100*time.Second, workflows.UpdatePause, workflows.Command{})
	stale := s.ask(110*time.Second, workflows.UpdateResume, workflows.Command{IfEpoch: 1})
	s.ask(10*time.Minute, workflows.UpdateResume, workflows.Command{})
	promoted := s.ask(10*time.Minute+time.Second, workflows.UpdatePromote, workflows.Command{Reason: "looks good"})
	result := s.play(t)
	require.Equal(t, []string{"begin 2", "weight", "pause", "resume", "watch", "finish"}, s.moves)
	require.Equal(t, perennial.OutcomePromoted, result.Outcome)
	require.Equal(t, perennial.CodeConflict, workflows.FailureOf(again.rejected).Code)
	require.Equal(t, perennial.CodePrecondition, workflows.FailureOf(stale.rejected).Code)
	require.NoError(t, promoted.err)
}

func TestAnUpdatePastPerennialIsForbidden(t *testing.T) {
	t.Parallel()
	s := onStage(t)
	s.forbid = true
	begin := &answer{}
	s.env.RegisterDelayedCallback(func() {
		s.env.UpdateWorkflow(workflows.UpdateOffer, "", begin, activities.Offer{Model: "iris", Version: "2", OpID: "op-1"})
	}, 0)
	offered := s.offer(90*time.Second, "3")
	promoted := s.ask(95*time.Second, workflows.UpdatePromote, workflows.Command{Reason: "mine", Actor: "boss"})
	aborted := s.ask(100*time.Second, workflows.UpdateAbort, workflows.Command{OpID: "op-2"})
	result := s.play(t)
	for _, a := range []*answer{offered, promoted} {
		require.Equal(t, perennial.CodeForbidden, workflows.FailureOf(a.err).Code)
	}
	require.NoError(t, begin.err)
	require.NoError(t, aborted.err)
	require.Equal(t, perennial.OutcomeAborted, result.Outcome)
	require.Equal(t, []string{"begin 2", "weight", "back"}, s.moves)
	require.Equal(t, []string{"ann", "perennial", "ann"}, s.actors)
	require.Contains(t, s.asked, activities.UpdateInput{Model: "iris", Name: "promote", Reason: "mine", Once: true})
}

func TestAnUpdateDoesNotSayWhoAsks(t *testing.T) {
	t.Parallel()
	s := onStage(t)
	s.offer(0, "2")
	s.ask(90*time.Second, workflows.UpdateAbort, workflows.Command{Actor: "boss"})
	s.play(t)
	require.Equal(t, []string{"temporal", "perennial", "temporal"}, s.actors)
}

func TestRolloutIsAborted(t *testing.T) {
	t.Parallel()
	s := onStage(t)
	s.offer(0, "2")
	aborted := s.ask(90*time.Second, workflows.UpdateAbort, workflows.Command{Reason: "wrong prices"})
	result := s.play(t)
	require.Equal(t, perennial.OutcomeAborted, result.Outcome)
	require.NoError(t, aborted.err)
	require.Equal(t, []string{"begin 2", "weight", "back"}, s.moves)
}

func TestACancelledRolloutGoesBack(t *testing.T) {
	t.Parallel()
	s := onStage(t)
	s.offer(0, "2")
	s.env.RegisterDelayedCallback(s.env.CancelWorkflow, 90*time.Second)
	s.env.ExecuteWorkflow(workflows.Rollout, workflows.RolloutInput{Model: "iris"})
	require.True(t, temporal.IsCanceledError(s.env.GetWorkflowError()))
	require.Equal(t, []string{"begin 2", "weight", "back"}, s.moves)
	require.Equal(t, perennial.WorkflowCancelled, s.recorded[len(s.recorded)-1].State)
}

func TestANewVersionTakesThePlace(t *testing.T) {
	t.Parallel()
	s := onStage(t)
	s.offer(0, "2")
	s.offer(90*time.Second, "3")
	result := s.play(t)
	require.Equal(t, []string{"begin 2", "weight", "begin 3", "weight", "weight", "weight", "watch", "finish"}, s.moves)
	require.Equal(t, []string{"2"}, result.Superseded)
	require.Equal(t, "3", result.Version)
}

func TestANewVersionWaits(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(s *stage){
		"by policy": func(s *stage) { s.policy.OnNewVersion = "queue" },
		"for a paused one": func(s *stage) {
			s.ask(80*time.Second, workflows.UpdatePause, workflows.Command{})
			s.ask(3*time.Minute, workflows.UpdateAbort, workflows.Command{})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := onStage(t)
			prepare(s)
			s.offer(0, "2")
			queued := s.offer(90*time.Second, "3")
			result := s.play(t)
			require.Contains(t, queued.value.(activities.Offered).Reason, "waits")
			require.Equal(t, "3", result.Version)
			require.Empty(t, result.Superseded)
			require.Equal(t, perennial.OutcomePromoted, result.Outcome)
		})
	}
}

func TestRefusedOffers(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]perennial.Outcome{"1": perennial.OutcomeUnchanged, "odd": perennial.OutcomeIncompatibleSchema} {
		s := onStage(t)
		a := s.offer(0, version)
		require.Equal(t, want, s.play(t).Outcome)
		require.Equal(t, want, a.value.(activities.Offered).Outcome)
	}
	s := onStage(t)
	a := s.offer(0, "bad")
	s.env.ExecuteWorkflow(workflows.Rollout, workflows.RolloutInput{Model: "iris"})
	require.Error(t, s.env.GetWorkflowError())
	require.Equal(t, perennial.CodePrecondition, workflows.FailureOf(a.err).Code)

	s = onStage(t)
	s.offer(0, "2")
	a = s.offer(90*time.Second, "odd")
	require.Equal(t, "2", s.play(t).Version, "the present rollout goes on")
	require.Equal(t, perennial.OutcomeIncompatibleSchema, a.value.(activities.Offered).Outcome)
}

func TestTheDeadline(t *testing.T) {
	t.Parallel()
	late := func(r activities.Rollout) activities.Seen {
		if r.Mode == perennial.ModeCanary && !r.Paused && r.WeightBP > 0 {
			return activities.Seen{What: activities.SeenDeadline, Decision: "d-late"}
		}
		return allIsWell(r)
	}
	for policy, test := range map[string]struct {
		frozen  bool
		outcome perennial.Outcome
		moves   []string
	}{
		"promote": {false, perennial.OutcomePromoted, []string{"begin 2", "weight", "watch", "finish"}},
		"abort":   {false, perennial.OutcomeAborted, []string{"begin 2", "weight", "back"}},
		"hold":    {false, perennial.OutcomeAborted, []string{"begin 2", "weight", "pause", "back"}},
	} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			s := onStage(t)
			s.policy.OnInsufficient, s.seen = policy, late
			s.offer(0, "2")
			s.ask(time.Hour, workflows.UpdateAbort, workflows.Command{})
			require.Equal(t, test.outcome, s.play(t).Outcome)
			require.Equal(t, test.moves, s.moves)
		})
	}
}

func TestAFreezeHoldsPromotionsNotRollbacks(t *testing.T) {
	t.Parallel()
	s := onStage(t)
	s.offer(0, "2")
	s.env.RegisterDelayedCallback(func() { s.frozen = true }, 90*time.Second)
	refused := s.ask(5*time.Minute, workflows.UpdatePromote, workflows.Command{})
	s.ask(6*time.Minute, workflows.UpdateAbort, workflows.Command{})
	require.Equal(t, perennial.OutcomeAborted, s.play(t).Outcome)
	require.Equal(t, []string{"begin 2", "weight", "back"}, s.moves)
	require.Equal(t, perennial.CodePrecondition, workflows.FailureOf(refused.err).Code)
}

func TestARolloutFollowsARowThatSomebodyElseChanged(t *testing.T) {
	t.Parallel()
	s := onStage(t)
	s.offer(0, "2")
	s.seen = func(r activities.Rollout) activities.Seen {
		if r.WeightBP == 0 {
			return allIsWell(r)
		}
		s.row.Epoch, s.row.Outcome, s.row.Reason = 9, perennial.OutcomeRolledBack, "complaints"
		return activities.Seen{What: activities.SeenChanged}
	}
	result := s.play(t)
	require.Equal(t, perennial.OutcomeRolledBack, result.Outcome)
	require.Equal(t, "complaints", result.Reason)
}

func TestARolloutResumesFromItsRow(t *testing.T) {
	t.Parallel()
	s := onStage(t)
	s.row = s.policy
	s.row.ID, s.row.Model, s.row.Challenger, s.row.Mode, s.row.WeightBP, s.row.Epoch, s.row.Paused = "r-2", "iris", "2", perennial.ModeCanary, 2500, 7, true
	s.ask(3*time.Minute, workflows.UpdateResume, workflows.Command{})
	s.env.ExecuteWorkflow(workflows.Rollout, workflows.RolloutInput{Model: "iris", Resume: true})
	require.NoError(t, s.env.GetWorkflowError())
	require.Equal(t, []string{"resume", "weight", "watch", "finish"}, s.moves)
}

func TestALongRolloutContinuesAsNew(t *testing.T) {
	t.Parallel()
	s := onStage(t)
	s.policy.OnNewVersion = "queue"
	s.offer(0, "2")
	s.offer(30*time.Second, "3")
	s.env.RegisterDelayedCallback(func() { s.env.SetCurrentHistoryLength(2000) }, 90*time.Second)
	s.env.ExecuteWorkflow(workflows.Rollout, workflows.RolloutInput{Model: "iris", Actor: "me"})
	var again *workflow.ContinueAsNewError
	require.ErrorAs(t, s.env.GetWorkflowError(), &again)
	var next workflows.RolloutInput
	require.NoError(t, converter.GetDefaultDataConverter().FromPayloads(again.Input, &next))
	require.Equal(t, s.row, *next.Rollout)
	require.Equal(t, "3", next.Offers[0].Version)
	s2 := onStage(t)
	s2.policy, s2.row = s.policy, s.row
	s2.env.ExecuteWorkflow(workflows.Rollout, next)
	require.NoError(t, s2.env.GetWorkflowError())
	require.Equal(t, []string{"weight", "watch", "finish", "begin 3", "weight", "weight", "weight", "watch", "finish"}, s2.moves)
}
