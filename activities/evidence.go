package activities

import (
	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/predlog"
	"github.com/perennial-ml/perennial/judge"
)

// CanaryPolicy is the part of a rollout's policy that a step is judged by.
func CanaryPolicy(p perennial.RolloutSpec) judge.CanaryPolicy {
	return judge.CanaryPolicy{MinRequests: p.MinRequests, ErrorRate: p.Guardrails.ErrorRate, LatencyP99: p.Guardrails.LatencyP99}
}

// CanaryEvidence names the sides of a rollout's counts: in watch the challenger
// is the champion, and what it is compared with the previous version.
func CanaryEvidence(r Rollout, counts map[perennial.Variant]predlog.Counts) judge.CanaryEvidence {
	ours, theirs := perennial.VariantChallenger, perennial.VariantChampion
	if r.Mode == perennial.ModeWatch {
		ours, theirs = perennial.VariantChampion, perennial.VariantPrevious
	}
	side := func(version string, v perennial.Variant) judge.CanarySide {
		c := counts[v]
		return judge.CanarySide{Version: version, N: c.N, Errors: c.Errors, P99: c.P99}
	}
	return judge.CanaryEvidence{Epoch: r.Since, WeightBP: r.WeightBP, Reference: side(r.Safe, theirs), Challenger: side(r.Challenger, ours)}
}
