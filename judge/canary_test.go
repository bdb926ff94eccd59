package judge_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/judge"
)

func canaryPolicy(requests int) judge.CanaryPolicy {
	return judge.CanaryPolicy{MinRequests: requests, ErrorRate: perennial.ErrorRateGuardrail{MaxIncrease: 0.01},
		LatencyP99: perennial.LatencyGuardrail{MaxRatio: 1.5, MinIncrease: perennial.Duration(5 * time.Millisecond)}}
}

func TestCanary(t *testing.T) {
	t.Parallel()
	const ms = int64(time.Millisecond)
	for name, test := range map[string]struct {
		requests              int
		reference, challenger judge.CanarySide
		verdict               perennial.Verdict
		passed                bool
	}{
		"nothing yet":                      {500, judge.CanarySide{}, judge.CanarySide{}, perennial.VerdictInconclusive, false},
		"enough and sound":                 {500, judge.CanarySide{N: 9500}, judge.CanarySide{N: 500}, perennial.VerdictInconclusive, true},
		"sound, with latency":              {500, judge.CanarySide{N: 9500, P99: 4 * ms}, judge.CanarySide{N: 1500, P99: 5 * ms}, perennial.VerdictPass, true},
		"one request short":                {500, judge.CanarySide{N: 9500}, judge.CanarySide{N: 499}, perennial.VerdictInconclusive, false},
		"every request fails":              {500, judge.CanarySide{N: 600}, judge.CanarySide{N: 30, Errors: 30}, perennial.VerdictFail, false},
		"every request fails, too few yet": {500, judge.CanarySide{N: 600}, judge.CanarySide{N: 29, Errors: 29}, perennial.VerdictInconclusive, false},
		"one bad request is no rate":       {500, judge.CanarySide{N: 600}, judge.CanarySide{N: 40, Errors: 1}, perennial.VerdictInconclusive, false},
		"one bad request of many":          {500, judge.CanarySide{N: 9000}, judge.CanarySide{N: 500, Errors: 1}, perennial.VerdictInconclusive, true},
		"exactly the limit":                {500, judge.CanarySide{N: 1000, Errors: 10}, judge.CanarySide{N: 500, Errors: 10}, perennial.VerdictInconclusive, true},
		"just over the limit":              {500, judge.CanarySide{N: 1000, Errors: 10}, judge.CanarySide{N: 500, Errors: 11}, perennial.VerdictFail, false},
		"a sick champion":                  {500, judge.CanarySide{N: 1000, Errors: 100}, judge.CanarySide{N: 500, Errors: 50}, perennial.VerdictInconclusive, true},
		"no reference":                     {500, judge.CanarySide{}, judge.CanarySide{N: 500}, perennial.VerdictInconclusive, false},
		"no reference and it fails":        {500, judge.CanarySide{}, judge.CanarySide{N: 500, Errors: 50}, perennial.VerdictFail, false},
		"slower by ratio alone":            {500, judge.CanarySide{N: 9500, P99: 4 * ms}, judge.CanarySide{N: 1500, P99: 8 * ms}, perennial.VerdictPass, true},
		"slower by increase alone":         {500, judge.CanarySide{N: 9500, P99: 40 * ms}, judge.CanarySide{N: 1500, P99: 50 * ms}, perennial.VerdictPass, true},
		"slower by both":                   {500, judge.CanarySide{N: 9500, P99: 20 * ms}, judge.CanarySide{N: 1500, P99: 31 * ms}, perennial.VerdictFail, false},
		"a step of few requests":           {5, judge.CanarySide{N: 50}, judge.CanarySide{N: 5}, perennial.VerdictInconclusive, true},
		"a step of few requests, all bad":  {5, judge.CanarySide{N: 50}, judge.CanarySide{N: 5, Errors: 5}, perennial.VerdictFail, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := judge.Canary(canaryPolicy(test.requests), judge.CanaryEvidence{Epoch: 7, Reference: test.reference, Challenger: test.challenger})
			require.Equal(t, test.verdict, d.Verdict, d.Reason)
			require.Equal(t, test.passed, d.Passed, d.Reason)
			require.NotEmpty(t, d.Reason)
			require.Len(t, d.Checks, 3)
			d.ID, d.Model, d.At = "d1", "iris", 5
			again, err := judge.Recompute(d)
			require.NoError(t, err)
			require.Equal(t, d, again)
			require.Empty(t, judge.Differences(d, again))
		})
	}
}

func TestCanaryRecordThatWasChanged(t *testing.T) {
	t.Parallel()
	d := judge.Canary(canaryPolicy(500), judge.CanaryEvidence{Challenger: judge.CanarySide{N: 500}})
	d.Evidence = []byte(`{"epoch":0,"weight_bp":0,"reference":{"version":"","n":0,"errors":0,"p99_ns":0},"challenger":{"version":"","n":501,"errors":0,"p99_ns":0}}`)
	_, err := judge.Recompute(d)
	require.Equal(t, perennial.CodeConflict, perennial.CodeOf(err))
}

func TestDifferences(t *testing.T) {
	t.Parallel()
	d := judge.Canary(canaryPolicy(500), judge.CanaryEvidence{Challenger: judge.CanarySide{N: 500}})
	record := d
	record.Passed, record.Checks = true, append([]perennial.Check{}, d.Checks...)
	record.Checks[0].Limit = 400
	differences := judge.Differences(record, d)
	require.Len(t, differences, 2)
	require.Equal(t, "passed: recorded true, recomputed false", differences[0])
	require.Contains(t, differences[1], "check requests: ")
	record.Checks = record.Checks[:1]
	require.Contains(t, judge.Differences(record, d), "number of checks: recorded 1, recomputed 3")
}
