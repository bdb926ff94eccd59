package judge

import (
	"fmt"
	"strings"
	"time"

	"github.com/perennial-ml/perennial"
)

// What a canary's checks need before they say anything.
const (
	minRequests    = 30   // a side, for an error rate
	minErrors      = 3    // of the challenger, for a breach: one bad request is no rate
	minP99Requests = 1000 // a side, for a 99th percentile
)

// CanaryPolicy is what a step of a rollout asks for.
type CanaryPolicy struct {
	MinRequests int                          `json:"min_requests"` // of the challenger, before the step may end
	ErrorRate   perennial.ErrorRateGuardrail `json:"error_rate"`
	LatencyP99  perennial.LatencyGuardrail   `json:"latency_p99"`
}

// CanaryEvidence is what both sides did in the step: first attempts at live
// requests, chosen by the traffic row's epoch.
type CanaryEvidence struct {
	Epoch      int64      `json:"epoch"` // the first one that counts
	WeightBP   int        `json:"weight_bp"`
	Reference  CanarySide `json:"reference"` // the champion, in watch the previous one
	Challenger CanarySide `json:"challenger"`
}

// CanarySide is one version's part of the evidence.
type CanarySide struct {
	Version string `json:"version"`
	N       int    `json:"n"`
	Errors  int    `json:"errors"`
	P99     int64  `json:"p99_ns"` // over the answered ones; 0: too few of them
}

func (s CanarySide) rate() float64 {
	if s.N == 0 {
		return 0
	}
	return float64(s.Errors) / float64(s.N)
}

// Canary decides whether a challenger may have more traffic. It compares plain
// rates and percentiles with their limits: error_rate fails where the
// challenger's rate exceeds the reference's by more than MaxIncrease, with at
// least 30 requests and 3 errors; latency_p99 fails where both MaxRatio and
// MinIncrease are exceeded, with at least 1,000 answers a side; requests is
// inconclusive until the challenger had MinRequests of them.
//
// The worst check is the verdict. Passed says that the step may end: nothing
// failed, there were enough requests, and the error rate was measured; a latency
// that nobody can measure yet keeps no step waiting. It fills what Gates fills.
func Canary(policy CanaryPolicy, ev CanaryEvidence) perennial.Decision {
	d := perennial.Decision{Kind: perennial.DecisionCanary, Checks: []perennial.Check{}}
	in, err := record(&d, policy, ev)
	if err != nil {
		d.Verdict, d.Reason = perennial.VerdictError, "The guardrails can't be written down: one of their limits isn't a finite number."
		return d
	}
	requests, rate, latency := requestsCheck(in.policy, in.evidence), errorRateCheck(in.policy, in.evidence), latencyCheck(in.policy, in.evidence)
	d.Checks = append(d.Checks, requests, rate, latency)
	d.Verdict = perennial.Worst(perennial.Worst(requests.Verdict, rate.Verdict), latency.Verdict)
	d.Passed = requests.Verdict == perennial.VerdictPass && rate.Verdict == perennial.VerdictPass && latency.Verdict != perennial.VerdictFail
	d.Reason = canaryReason(d)
	return d
}

func requestsCheck(p CanaryPolicy, ev CanaryEvidence) perennial.Check {
	n := ev.Challenger.N
	c := perennial.Check{Name: "requests", Test: "count", Verdict: perennial.VerdictPass, N: n, Value: float64(n), Reference: float64(p.MinRequests),
		Effect: float64(n - p.MinRequests), Limit: float64(p.MinRequests), Message: fmt.Sprintf("%d of %d requests of the challenger", n, p.MinRequests)}
	if n < p.MinRequests {
		c.Verdict = perennial.VerdictInconclusive
	}
	return c
}

func errorRateCheck(p CanaryPolicy, ev CanaryEvidence) perennial.Check {
	ours, theirs := ev.Challenger, ev.Reference
	limit := p.ErrorRate.MaxIncrease
	c := perennial.Check{Name: "error_rate", Test: "difference of rates against a limit", N: ours.N, Value: ours.rate(), Reference: theirs.rate(),
		Effect: positiveZero(theirs.rate() - ours.rate()), Limit: limit}
	enough := min(minRequests, max(1, p.MinRequests))
	breach := -c.Effect > limit+tolerance
	c.Message = fmt.Sprintf("%d of %d requests failed, the reference's %d of %d; the rate may rise by %g", ours.Errors, ours.N, theirs.Errors, theirs.N, limit)
	switch {
	case breach && ours.N >= enough && ours.Errors >= min(minErrors, enough):
		c.Verdict = perennial.VerdictFail
	case breach, ours.N < enough, theirs.N < enough && ours.Errors > 0, theirs.N == 0:
		c.Verdict = perennial.VerdictInconclusive
	default:
		c.Verdict = perennial.VerdictPass
	}
	return c
}

func latencyCheck(p CanaryPolicy, ev CanaryEvidence) perennial.Check {
	ours, theirs := ev.Challenger, ev.Reference
	c := perennial.Check{Name: "latency_p99", Test: "nearest-rank percentiles against a ratio and an increase", N: ours.N - ours.Errors,
		Value: seconds(ours.P99), Reference: seconds(theirs.P99), Effect: positiveZero(seconds(theirs.P99) - seconds(ours.P99)), Limit: p.LatencyP99.MaxRatio}
	if ours.P99 == 0 || theirs.P99 == 0 {
		c.Verdict = perennial.VerdictInconclusive
		c.Message = fmt.Sprintf("a 99th percentile needs %d answers a side", minP99Requests)
		return c
	}
	c.Message = fmt.Sprintf("%s, the reference's %s; a breach is more than %g times it and more than %s above it",
		time.Duration(ours.P99), time.Duration(theirs.P99), p.LatencyP99.MaxRatio, time.Duration(p.LatencyP99.MinIncrease))
	slower := float64(ours.P99) > p.LatencyP99.MaxRatio*float64(theirs.P99)
	c.Verdict = perennial.VerdictPass
	if slower && ours.P99-theirs.P99 > int64(p.LatencyP99.MinIncrease) {
		c.Verdict = perennial.VerdictFail
	}
	return c
}

func seconds(ns int64) float64 { return float64(ns) / 1e9 }

// canaryReason names what decided: where the step may end, every check.
func canaryReason(d perennial.Decision) string {
	var parts []string
	for _, c := range d.Checks {
		if d.Passed || c.Verdict == d.Verdict {
			parts = append(parts, c.Name+": "+c.Message)
		}
	}
	return strings.Join(parts, "; ")
}
