package ledger_test

import (
	"encoding/json"
	"fmt"
	"math"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"gorm.io/gorm"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/db"
	"github.com/perennial-ml/perennial/internal/db/dbtest"
	"github.com/perennial-ml/perennial/internal/ledger"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// each runs a conformance test on every database, with two stores that share it
// as two processes would.
func each(t *testing.T, f func(t *testing.T, s, other *ledger.Store)) {
	t.Helper()
	dbtest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		g := open()
		require.NoError(t, db.Migrate(t.Context(), g, ledger.Component, ledger.Migrations))
		f(t, ledger.NewStore(g), ledger.NewStore(open()))
	})
}

func TestDecisions(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s, other *ledger.Store) {
		ctx := t.Context()
		d := perennial.Decision{
			ID: "d1", Kind: perennial.DecisionGate, Model: "iris", Version: "3", RunID: "r", At: 9,
			Verdict: perennial.VerdictFail, Reason: "accuracy 0.9 < 0.93",
			Checks:   []perennial.Check{{Name: "accuracy", Value: 1.0 / 3, Interval: &[2]float64{-1, math.MaxFloat64}, Message: "ü"}},
			Policy:   json.RawMessage(`[{"metric":"accuracy"}]`),
			Evidence: json.RawMessage(`{"n":30,"x":0.1}`), InputsSHA256: "abc",
		}
		require.NoError(t, s.SaveDecision(ctx, d))
		changed := d
		changed.Verdict = perennial.VerdictPass
		require.NoError(t, other.SaveDecision(ctx, changed), "the same id again")
		got, err := other.Decision(ctx, "d1")
		require.NoError(t, err)
		require.Equal(t, d, got, "a decision never changes")

		_, err = s.Decision(ctx, "d2")
		require.Equal(t, perennial.CodeNotFound, perennial.CodeOf(err))
		require.Equal(t, perennial.CodeInvalid, perennial.CodeOf(s.SaveDecision(ctx, perennial.Decision{})))
		d.ID, d.Checks[0].Value = "d3", math.NaN()
		require.Equal(t, perennial.CodeInvalid, perennial.CodeOf(s.SaveDecision(ctx, d)))
	})
}

func TestTrials(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s, other *ledger.Store) {
		ctx := t.Context()
		trial := func(i int) ledger.Trial {
			return ledger.Trial{
				StudyID: "study", Index: i, Candidate: i % 2, Algorithm: "ridge", Params: json.RawMessage(`{"alpha":0.1}`),
				Score: float64(i) / 3, Scores: []float64{0.1, -2}, Millis: 12, CPU: 0.5, Memory: 1 << 30, State: "completed",
			}
		}
		var wg sync.WaitGroup
		errs := make([]error, 24)
		for i := range errs {
			wg.Go(func() { errs[i] = []*ledger.Store{s, other}[i/12].SaveTrial(ctx, trial(i%12)) })
		}
		wg.Wait()
		for _, err := range errs {
			require.NoError(t, err)
		}
		got, err := s.Trials(ctx, "study")
		require.NoError(t, err)
		require.Len(t, got, 12)
		for i, g := range got {
			require.Equal(t, trial(i), g)
		}

		failed := ledger.Trial{StudyID: "study", Index: 13, Score: math.NaN(), Scores: []float64{1, math.Inf(1)}, State: ledger.TrialFailed, Error: "no rows"}
		require.NoError(t, s.SaveTrial(ctx, failed))
		got, err = other.Trials(ctx, "study")
		require.NoError(t, err)
		require.Len(t, got, 13)
		require.True(t, math.IsNaN(got[12].Score))
		require.Equal(t, 1.0, got[12].Scores[0])
		require.True(t, math.IsNaN(got[12].Scores[1]))
		require.Equal(t, "failed: no rows", string(got[12].State)+": "+got[12].Error)
		require.JSONEq(t, "{}", string(got[12].Params))

		none, err := s.Trials(ctx, "other")
		require.NoError(t, err)
		require.Empty(t, none)
		for name, bad := range map[string]ledger.Trial{
			"no study": {}, "negative index": {StudyID: "s", Index: -1}, "no JSON": {StudyID: "s", Params: json.RawMessage("{")},
		} {
			require.Equal(t, perennial.CodeInvalid, perennial.CodeOf(s.SaveTrial(ctx, bad)), name)
		}
	})
}

func TestATrialIsProposedOnceAndLosesNothing(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s, other *ledger.Store) {
		ctx := t.Context()
		proposed := func(alpha string, from, to int) (out []ledger.Trial) {
			for i := from; i < to; i++ {
				out = append(out, ledger.Trial{StudyID: "study", Index: i, Algorithm: "ridge", Params: json.RawMessage(`{"alpha":` + alpha + `}`)})
			}
			return out
		}
		require.NoError(t, s.ProposeTrials(ctx, nil))
		require.NoError(t, s.ProposeTrials(ctx, proposed("1", 0, 2)))
		require.NoError(t, other.ProposeTrials(ctx, proposed("2", 0, 3)))
		result := func(state ledger.TrialState, scores ...float64) ledger.Trial {
			trial := proposed("1", 0, 1)[0]
			trial.State, trial.Scores, trial.Score = state, scores, scores[0]
			return trial
		}
		require.NoError(t, s.SaveTrial(ctx, result(ledger.TrialPartial, 1)))
		for _, c := range []struct {
			write ledger.Trial
			state ledger.TrialState
			folds int
		}{
			{result(ledger.TrialPartial, 1, 2, 3), ledger.TrialPartial, 3},
			{result(ledger.TrialPartial, 1), ledger.TrialPartial, 3},
			{result(ledger.TrialStopped, 1, 2, 3), ledger.TrialStopped, 3},
			{result(ledger.TrialPartial, 1, 2, 3), ledger.TrialStopped, 3},
			{result(ledger.TrialPartial, 1, 2, 3, 4), ledger.TrialPartial, 4},
			{result(ledger.TrialCompleted, 1, 2, 3, 4, 5), ledger.TrialCompleted, 5},
			{result(ledger.TrialPartial, 1, 2, 3), ledger.TrialCompleted, 5},
			{result(ledger.TrialFailed, 1, 2, 3, 4, 5), ledger.TrialCompleted, 5},
		} {
			require.NoError(t, other.SaveTrial(ctx, c.write))
			require.NoError(t, other.ProposeTrials(ctx, proposed("3", 0, 1)))
			got, err := s.Trials(ctx, "study")
			require.NoError(t, err)
			require.Len(t, got, 3)
			require.Equal(t, c.state, got[0].State)
			require.Len(t, got[0].Scores, c.folds)
			require.JSONEq(t, `{"alpha":1}`, string(got[1].Params), "the first proposal stays")
			require.JSONEq(t, `{"alpha":2}`, string(got[2].Params))
			require.Equal(t, ledger.TrialProposed, got[2].State)
		}
	})
}

func TestWorkflows(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s, other *ledger.Store) {
		ctx := t.Context()
		started := ledger.Workflow{
			ID: "train:iris", RunID: "r1", Type: "Train", Pipeline: "iris", State: perennial.WorkflowRunning,
			StartedBy: "cli", Reason: "first", StartedAt: 10,
		}
		for range 2 {
			require.NoError(t, s.SaveWorkflow(ctx, started))
		}
		got, err := other.Workflow(ctx, "train:iris", "")
		require.NoError(t, err)
		require.Equal(t, started, got)

		ended := ledger.Workflow{ID: "train:iris", RunID: "r1", State: perennial.WorkflowCompleted, EndedAt: 20, Status: json.RawMessage(`{"stage":"serve"}`)}
		require.NoError(t, other.SaveWorkflow(ctx, ended))
		want := started
		want.State, want.EndedAt, want.Status = ended.State, ended.EndedAt, ended.Status
		got, err = s.Workflow(ctx, "train:iris", "r1")
		require.NoError(t, err)
		require.Equal(t, want, got, "what the worker doesn't know stays")

		late := started
		late.Status, late.Reason = json.RawMessage(`{"stage":"tune"}`), "late"
		require.NoError(t, s.SaveWorkflow(ctx, late))
		got, err = s.Workflow(ctx, "train:iris", "r1")
		require.NoError(t, err)
		require.Equal(t, want, got, "a late write doesn't bring a workflow back to life")

		fast := ledger.Workflow{ID: "train:fast", RunID: "r", State: perennial.WorkflowFailed, EndedAt: 9, Status: json.RawMessage(`{}`)}
		require.NoError(t, s.SaveWorkflow(ctx, fast))
		require.NoError(t, s.SaveWorkflow(ctx, ledger.Workflow{
			ID: "train:fast", RunID: "r", Type: "Train", Pipeline: "fast", State: perennial.WorkflowRunning, StartedBy: "api", Reason: "why", StartedAt: 5,
		}))
		got, err = s.Workflow(ctx, "train:fast", "")
		require.NoError(t, err)
		fast.Type, fast.Pipeline, fast.StartedBy, fast.Reason, fast.StartedAt = "Train", "fast", "api", "why", 5
		require.Equal(t, fast, got, "one that ended before its start was written keeps both")

		second := started
		second.RunID, second.StartedAt = "r2", 30
		require.NoError(t, s.SaveWorkflow(ctx, second))
		got, err = s.Workflow(ctx, "train:iris", "")
		require.NoError(t, err)
		require.Equal(t, "r2", got.RunID, "the latest run")

		list, err := s.Workflows(ctx, "iris", 0)
		require.NoError(t, err)
		require.Equal(t, []string{"r2", "r1"}, runIDs(list))
		list, err = s.Workflows(ctx, "", 2)
		require.NoError(t, err)
		require.Equal(t, []string{"r2", "r1"}, runIDs(list))
		list, err = s.Workflows(ctx, "", 9)
		require.NoError(t, err)
		require.Len(t, list, 3)

		_, err = s.Workflow(ctx, "train:iris", "r3")
		require.Equal(t, perennial.CodeNotFound, perennial.CodeOf(err))
		for name, bad := range map[string]ledger.Workflow{
			"no id": {RunID: "r", State: "running"}, "no run": {ID: "w", State: "running"}, "no state": {ID: "w", RunID: "r"},
			"no JSON": {ID: "w", RunID: "r", State: "running", Status: json.RawMessage("{")},
		} {
			require.Equal(t, perennial.CodeInvalid, perennial.CodeOf(s.SaveWorkflow(ctx, bad)), name)
		}
	})
}

func runIDs(list []ledger.Workflow) []string {
	ids := make([]string, len(list))
	for i, w := range list {
		ids[i] = w.RunID
	}
	return ids
}

func TestTheFirstBaseSidesWin(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s, other *ledger.Store) {
		ctx := t.Context()
		_, ok, err := s.BaseSides(ctx, "iris")
		require.NoError(t, err)
		require.False(t, ok)
		const n = 12
		got := make([]ledger.BaseSides, n)
		errs := make([]error, n)
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() {
				b := ledger.BaseSides{Pipeline: "iris", BaseMD5: "m", Sides: fmt.Sprint("sha256:", i)}
				got[i], errs[i] = []*ledger.Store{s, other}[i%2].SaveBaseSides(ctx, b)
			})
		}
		wg.Wait()
		inForce, ok, err := s.BaseSides(ctx, "iris")
		require.NoError(t, err)
		require.True(t, ok)
		for i := range n {
			require.NoError(t, errs[i])
			require.Equal(t, inForce, got[i])
		}
		_, err = s.SaveBaseSides(ctx, ledger.BaseSides{Pipeline: "iris"})
		require.Equal(t, perennial.CodeInvalid, perennial.CodeOf(err))
	})
}
