package judge_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/judge"
)

var metrics = []string{"recall", "average_precision", "log_loss"}

// drawGate draws a sound gate.
func drawGate(t *rapid.T) perennial.Gate {
	g := perennial.Gate{Metric: rapid.SampledFrom(metrics).Draw(t, "metric"), Slice: rapid.SampledFrom([]string{"", "plan"}).Draw(t, "slice")}
	bound := rapid.Float64Range(-1, 1).Draw(t, "bound")
	switch rapid.IntRange(0, 3).Draw(t, "kind") {
	case 0:
		g.Min = &bound
	case 1:
		g.Max = &bound
	case 2:
		g.MinGain = &bound
	default:
		g.MaxRegression = &perennial.Limit{Value: bound, Relative: rapid.Bool().Draw(t, "relative")}
	}
	if g.Min == nil && g.Max == nil {
		g.Versus = rapid.SampledFrom([]string{"baseline", "champion"}).Draw(t, "vs")
	}
	return g
}

func drawMeasurement(t *rapid.T, gate perennial.Gate) judge.Measurement {
	m := measure(gate.Metric, gate.Versus, rapid.Float64Range(-2, 2).Draw(t, "candidate"), rapid.Float64Range(-2, 2).Draw(t, "reference"), nil)
	at := *m.Candidate
	if m.Reference != nil {
		at -= *m.Reference
	}
	if rapid.Bool().Draw(t, "interval") {
		m.Interval = &[2]float64{at - rapid.Float64Range(0, 0.5).Draw(t, "below"), at + rapid.Float64Range(0, 0.5).Draw(t, "above")}
	}
	if m.Slice = gate.Slice; m.Slice != "" {
		m.SliceValue = rapid.SampledFrom([]string{"", "basic", "pro <b>"}).Draw(t, "value")
	}
	return m
}

func draw(t *rapid.T) ([]perennial.Gate, judge.GateEvidence) {
	policy := rapid.SliceOfN(rapid.Custom(drawGate), 0, 4).Draw(t, "policy")
	ev := evidence()
	ev.Champion = rapid.SampledFrom([]string{"", "5"}).Draw(t, "champion")
	for _, g := range policy {
		for range rapid.IntRange(0, 3).Draw(t, "measurements") {
			m := drawMeasurement(t, g)
			if rapid.IntRange(0, 5).Draw(t, "lost") == 0 {
				m.Candidate, m.Interval = nil, nil
			}
			ev.Measurements = append(ev.Measurements, m)
		}
	}
	return policy, ev
}

func TestADecisionRecomputesToItself(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d := judge.Gates(draw(t))
		d.ID, d.Model, d.Version, d.RunID, d.WorkflowID, d.At = "d1", "churn", "6", "r1", "train:churn", 1234
		again, err := judge.Recompute(d)
		require.NoError(t, err)
		require.Equal(t, d, again)

		stored, err := json.MarshalIndent(d, "", "  ") // as the API shows it
		require.NoError(t, err)
		var read perennial.Decision
		require.NoError(t, json.Unmarshal(stored, &read))
		again, err = judge.Recompute(read)
		require.NoError(t, err)
		require.Equal(t, d, again)
	})
}

func TestTheWorstVerdictWins(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		policy, ev := draw(t)
		d := judge.Gates(policy, ev)
		want := perennial.VerdictPass
		for i, check := range d.Checks {
			want = perennial.Worst(want, check.Verdict)
			alone := judge.Gates(policy[i:i+1], ev)
			require.Equal(t, check, alone.Checks[0], "gates don't look at each other")
		}
		require.Equal(t, want, d.Verdict)
		require.Equal(t, want == perennial.VerdictPass || want == perennial.VerdictInconclusive, d.Passed)
	})
}

func TestABetterCandidateIsNeverJudgedWorse(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		gate := drawGate(t)
		m := drawMeasurement(t, gate)
		better := m
		step := rapid.Float64Range(0, 1).Draw(t, "step")
		if gate.Max != nil || (gate.Min == nil && !m.HigherIsBetter) {
			step = -step
		}
		better.Candidate = new(*m.Candidate + step)
		if m.Interval != nil {
			better.Interval = &[2]float64{m.Interval[0] + step, m.Interval[1] + step}
		}
		before := judge.Gates([]perennial.Gate{gate}, evidence(m)).Verdict
		after := judge.Gates([]perennial.Gate{gate}, evidence(better)).Verdict
		require.Equal(t, before, perennial.Worst(before, after))
	})
}

func TestRecomputeRefusesAChangedRecord(t *testing.T) {
	t.Parallel()
	policy := []perennial.Gate{{Metric: "recall", Min: new(0.6)}}
	d := judge.Gates(policy, evidence(measure("recall", "", 0.7, 0, &[2]float64{0.65, 0.75})))
	edit := func(old, replacement string) json.RawMessage {
		return json.RawMessage(strings.Replace(string(d.Evidence), old, replacement, 1))
	}
	cases := map[string]struct {
		spoil func(*perennial.Decision)
		code  perennial.Code
	}{
		"other evidence":    {func(d *perennial.Decision) { d.Evidence = edit("0.7,", "0.8,") }, perennial.CodeConflict},
		"other policy":      {func(d *perennial.Decision) { d.Policy = json.RawMessage(`[]`) }, perennial.CodeConflict},
		"no policy":         {func(d *perennial.Decision) { d.Policy = nil }, perennial.CodeInvalid},
		"broken evidence":   {func(d *perennial.Decision) { d.Evidence = json.RawMessage(`{"n":`) }, perennial.CodeInvalid},
		"unknown evidence":  {func(d *perennial.Decision) { d.Evidence = edit(`"n":400`, `"n":400,"bayes":1`) }, perennial.CodeInvalid},
		"kind of the later": {func(d *perennial.Decision) { d.Kind = "canary" }, perennial.CodeInvalid},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			changed := d
			c.spoil(&changed)
			_, err := judge.Recompute(changed)
			require.Equal(t, c.code, perennial.CodeOf(err))
		})
	}

	lie := d
	lie.Verdict, lie.Passed = perennial.VerdictFail, false
	again, err := judge.Recompute(lie)
	require.NoError(t, err)
	require.NotEqual(t, lie.Verdict, again.Verdict, "a changed verdict shows by comparison")
}
