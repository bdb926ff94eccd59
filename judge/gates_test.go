package judge_test

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/judge"
)

// measure gives a measurement of a metric of known direction.
func measure(metric, versus string, candidate, reference float64, interval *[2]float64) judge.Measurement {
	m := judge.Measurement{Metric: metric, Versus: versus, N: 400, Candidate: new(candidate), Interval: interval, Resamples: 1000,
		HigherIsBetter: metric != "log_loss" && metric != "rmse"}
	if versus != "" {
		m.Reference = new(reference)
	}
	return m
}

func evidence(ms ...judge.Measurement) judge.GateEvidence {
	return judge.GateEvidence{N: 400, Champion: "5", Level: 0.95, Seed: 42, Measurements: ms}
}

func TestOneGate(t *testing.T) {
	t.Parallel()
	gain := perennial.Gate{Metric: "average_precision", Versus: "baseline", MinGain: new(0.1)}
	loss := perennial.Gate{Metric: "log_loss", Versus: "champion", MaxRegression: &perennial.Limit{Value: 0.02}}
	percent := perennial.Gate{Metric: "rmse", Versus: "champion", MaxRegression: &perennial.Limit{Value: 0.02, Relative: true}}
	atLeast := perennial.Gate{Metric: "recall", Min: new(0.6)}
	atMost := perennial.Gate{Metric: "mae", Max: new(0.5)}
	mae := measure("mean_absolute_error", "", 0.4, 0, &[2]float64{0.35, 0.45})
	mae.HigherIsBetter = false
	narrow := func(at float64) *[2]float64 { return &[2]float64{at - 0.001, at + 0.001} }
	cases := map[string]struct {
		gate    perennial.Gate
		m       judge.Measurement
		verdict perennial.Verdict
		effect  float64
		limit   float64
		message string
	}{
		"gain enough": {gain, measure("average_precision", "baseline", 0.62, 0.22, narrow(0.4)), perennial.VerdictPass, 0.4, 0.1,
			"average_precision 0.62 is 0.4 better than the baseline's 0.22; at least 0.1 better is asked for (n 400, 95 % interval of the improvement 0.399 to 0.401)"},
		"gain exactly enough, but for rounding": {gain, measure("average_precision", "baseline", 0.9, 0.8, &[2]float64{0.1, 0.1}), perennial.VerdictPass, 0.1, 0.1, ""},
		"gain too small":                        {gain, measure("average_precision", "baseline", 0.25, 0.22, narrow(0.03)), perennial.VerdictFail, 0.03, 0.1, "0.03 better"},
		"too small by the point, whatever the interval": {gain, measure("average_precision", "baseline", 0.25, 0.22, &[2]float64{-1, 1}),
			perennial.VerdictFail, 0.03, 0.1, ""},
		"gain enough on thin evidence": {gain, measure("average_precision", "baseline", 0.42, 0.22, &[2]float64{0.05, 0.3}), perennial.VerdictInconclusive, 0.2, 0.1,
			"reaches past the limit"},
		"wide, but beyond the limit as a whole": {gain, measure("average_precision", "baseline", 0.9, 0.3, &[2]float64{0.4, 0.8}), perennial.VerdictPass, 0.6, 0.1, ""},
		"no interval":                           {gain, measure("average_precision", "baseline", 0.42, 0.22, nil), perennial.VerdictInconclusive, 0.2, 0.1, "too little evidence"},
		"loss within the limit":                 {loss, measure("log_loss", "champion", 0.31, 0.30, narrow(0.01)), perennial.VerdictPass, -0.01, 0.02, "0.01 worse than the champion's (version 5) 0.3"},
		"loss beyond the limit":                 {loss, measure("log_loss", "champion", 0.35, 0.30, narrow(0.05)), perennial.VerdictFail, -0.05, 0.02, "at most 0.02 worse is allowed"},
		"loss that may be beyond":               {loss, measure("log_loss", "champion", 0.31, 0.30, &[2]float64{-0.01, 0.03}), perennial.VerdictInconclusive, -0.01, 0.02, "-0.03 to 0.01"},
		"better than the champion":              {loss, measure("log_loss", "champion", 0.25, 0.30, narrow(-0.05)), perennial.VerdictPass, 0.05, 0.02, "0.05 better"},
		"the champion again":                    {loss, measure("log_loss", "champion", 0.3, 0.3, &[2]float64{}), perennial.VerdictPass, 0, 0.02, "the same as"},
		"two percent of the reference":          {percent, measure("rmse", "champion", 50.9, 50, narrow(0.9)), perennial.VerdictPass, -0.9, 1, "at most 1 worse is allowed (2% of the reference)"},
		"more than two percent":                 {percent, measure("rmse", "champion", 51.1, 50, narrow(1.1)), perennial.VerdictFail, -1.1, 1, ""},
		"minimum met":                           {atLeast, measure("recall", "", 0.7, 0, narrow(0.7)), perennial.VerdictPass, 0.1, 0.6, "recall 0.7 against a minimum of 0.6 (n 400, 95 % interval 0.699 to 0.701)"},
		"minimum missed":                        {atLeast, measure("recall", "", 0.5, 0, narrow(0.5)), perennial.VerdictFail, -0.1, 0.6, ""},
		"minimum met on thin evidence":          {atLeast, measure("recall", "", 0.7, 0, &[2]float64{0.5, 0.9}), perennial.VerdictInconclusive, 0.1, 0.6, ""},
		"maximum met, by an alias":              {atMost, mae, perennial.VerdictPass, 0.1, 0.5, "mae 0.4 against a maximum of 0.5"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := judge.Gates([]perennial.Gate{c.gate}, evidence(c.m))
			require.Len(t, d.Checks, 1)
			check := d.Checks[0]
			require.Equal(t, c.verdict, check.Verdict, check.Message)
			require.Equal(t, c.verdict, d.Verdict)
			require.Equal(t, c.verdict != perennial.VerdictFail, d.Passed)
			require.InDelta(t, c.effect, check.Effect, 1e-9)
			require.InDelta(t, c.limit, check.Limit, 1e-9)
			require.Contains(t, check.Message, c.message)
			require.Equal(t, 400, check.N)
			require.NotEmpty(t, d.Reason)
		})
	}
}

func TestGateWithoutChampionPasses(t *testing.T) {
	t.Parallel()
	ev := evidence()
	ev.Champion = ""
	d := judge.Gates([]perennial.Gate{{Metric: "rmse", Versus: "champion", MaxRegression: &perennial.Limit{Value: 0.1}}}, ev)
	require.Equal(t, perennial.VerdictPass, d.Verdict)
	require.True(t, d.Passed)
	require.Equal(t, "no champion yet", d.Checks[0].Message)
}

func TestWhatCannotBeMeasuredDoesNotPass(t *testing.T) {
	t.Parallel()
	empty := judge.Measurement{Metric: "recall", N: 12}
	broken := measure("recall", "baseline", math.NaN(), 0.5, &[2]float64{math.NaN(), 1})
	cases := map[string]struct {
		gate    perennial.Gate
		ms      []judge.Measurement
		message string
	}{
		"no evidence":          {perennial.Gate{Metric: "recall", Min: new(0.6)}, nil, "recall could not be measured on 0 rows"},
		"no number":            {perennial.Gate{Metric: "recall", Min: new(0.6)}, []judge.Measurement{empty}, "recall could not be measured on 12 rows"},
		"NaN":                  {perennial.Gate{Metric: "recall", Versus: "baseline", MinGain: new(0.0)}, []judge.Measurement{broken}, "could not be measured"},
		"unknown metric":       {perennial.Gate{Metric: "beauty", Min: new(0.6)}, nil, "beauty could not be measured"},
		"unknown slice column": {perennial.Gate{Metric: "recall", Min: new(0.6), Slice: "plan"}, nil, "on any value of plan"},
		"no limit":             {perennial.Gate{Metric: "recall"}, nil, "exactly one of"},
		"two limits":           {perennial.Gate{Metric: "recall", Min: new(0.1), Max: new(0.2)}, nil, "exactly one of"},
		"gain over nothing":    {perennial.Gate{Metric: "recall", MinGain: new(0.1)}, nil, "need vs"},
		"bound with a vs":      {perennial.Gate{Metric: "recall", Versus: "champion", Min: new(0.1)}, nil, "take no vs"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := judge.Gates([]perennial.Gate{c.gate}, evidence(c.ms...))
			require.Equal(t, perennial.VerdictError, d.Verdict)
			require.False(t, d.Passed)
			require.Contains(t, d.Checks[0].Message, c.message)
			_, err := json.Marshal(d)
			require.NoError(t, err)
		})
	}
	d := judge.Gates([]perennial.Gate{{Metric: "recall", Min: new(math.NaN())}}, evidence())
	require.Equal(t, perennial.VerdictError, d.Verdict)
	require.False(t, d.Passed)
}

func TestWorstSliceCounts(t *testing.T) {
	t.Parallel()
	slice := func(value string, recall float64, n int) judge.Measurement {
		m := measure("recall", "", recall, 0, &[2]float64{recall - 0.01, recall + 0.01})
		m.Slice, m.SliceValue, m.N = "plan", value, n
		return m
	}
	nothing := judge.Measurement{Metric: "recall", Slice: "plan", SliceValue: "trial", N: 3}
	overall := measure("recall", "", 0.1, 0, nil)
	gate := perennial.Gate{Metric: "recall", Slice: "plan", Min: new(0.6)}

	d := judge.Gates([]perennial.Gate{gate}, evidence(overall, slice("basic", 0.9, 50), slice("pro", 0.5, 40), slice("plus", 0.55, 30)))
	require.Equal(t, perennial.VerdictFail, d.Verdict)
	require.InDelta(t, 0.5, d.Checks[0].Value, 0)
	require.Equal(t, 40, d.Checks[0].N)
	require.Contains(t, d.Reason, `recall 0.5 where plan is "pro" against a minimum of 0.6`)

	d = judge.Gates([]perennial.Gate{gate}, evidence(slice("basic", 0.9, 50), nothing))
	require.Equal(t, perennial.VerdictInconclusive, d.Verdict, "a value that can't be measured is no success")
	require.True(t, d.Passed)
	require.Contains(t, d.Checks[0].Message, "1 other values of plan could not be measured")

	d = judge.Gates([]perennial.Gate{gate}, evidence(nothing))
	require.Equal(t, perennial.VerdictError, d.Verdict)
}

func TestReasonIsOneSentence(t *testing.T) {
	t.Parallel()
	good := perennial.Gate{Metric: "recall", Min: new(0.6)}
	bad := perennial.Gate{Metric: "recall", Min: new(0.9)}
	thin := perennial.Gate{Metric: "recall", Min: new(0.69)}
	missing := perennial.Gate{Metric: "f1", Min: new(0.9)}
	m := measure("recall", "", 0.7, 0, &[2]float64{0.65, 0.75})
	cases := map[string]struct {
		policy  []perennial.Gate
		verdict perennial.Verdict
		reason  string
	}{
		"nothing asked": {nil, perennial.VerdictPass, "No gate is set."},
		"all good":      {[]perennial.Gate{good, good}, perennial.VerdictPass, "The model passed all 2 gates."},
		"one good":      {[]perennial.Gate{good}, perennial.VerdictPass, "The model passed the gate."},
		"thin": {[]perennial.Gate{good, thin}, perennial.VerdictInconclusive,
			"The model passed all 2 gates, 1 on too little evidence to be sure: recall 0.7 against a minimum of 0.69 (n 400, 95 % interval 0.65 to 0.75); the interval reaches past the limit."},
		"missing beats thin": {[]perennial.Gate{thin, missing, good}, perennial.VerdictError, "1 of 3 gates could not be judged: f1 could not be measured on 0 rows."},
		"bad beats missing": {[]perennial.Gate{missing, bad, good}, perennial.VerdictFail,
			"1 of 3 gates failed: recall 0.7 against a minimum of 0.9 (n 400, 95 % interval 0.65 to 0.75)."},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := judge.Gates(c.policy, evidence(m))
			require.Equal(t, c.verdict, d.Verdict)
			require.Equal(t, c.reason, d.Reason)
			require.Len(t, d.Checks, len(c.policy))
		})
	}
}
