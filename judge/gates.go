package judge

import (
	"fmt"
	"math"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/models/evaluate"
)

// tolerance is how far a point may miss its limit through rounding alone,
// relative to the largest number involved (at least 1): 0.9 − 0.8 is a gain of
// 0.1, though float64 makes it a little less.
const tolerance = 1e-12

// Gates decides whether a fitted model meets its pipeline's gates. It fills
// Kind, Verdict, Passed, Reason, Checks (one per gate, in order), Policy,
// Evidence and InputsSHA256; the caller fills the ids and the time.
//
// Passed is true for the verdicts pass and inconclusive. A gate against the
// champion passes where none is in service. With a slice, every value of the
// column must meet the limit and the worst one is reported; values on which the
// metric can't be measured are left out and make the check inconclusive, or an
// error where none is left. Package judge says how a single gate decides.
//
// Effect and Interval of a check are improvements over Reference: over the
// baseline's or champion's value, or over the bound itself. Limit is the smallest
// gain asked for, the largest loss allowed (absolute, also where the policy gives
// a percentage of the reference), or the bound. Numbers that couldn't be measured
// are 0, and the message says so.
func Gates(policy []perennial.Gate, ev GateEvidence) perennial.Decision {
	d := perennial.Decision{Kind: perennial.DecisionGate, Checks: []perennial.Check{}}
	if policy == nil {
		policy = []perennial.Gate{}
	}
	in, err := record(&d, policy, ev.finite())
	if err != nil {
		d.Verdict, d.Reason = perennial.VerdictError, "The gates can't be written down: one of their limits isn't a finite number."
		return d
	}
	d.Verdict = perennial.VerdictPass
	for _, gate := range in.policy {
		check := judgeGate(gate, in.evidence)
		d.Checks = append(d.Checks, check)
		d.Verdict = perennial.Worst(d.Verdict, check.Verdict)
	}
	d.Passed = d.Verdict == perennial.VerdictPass || d.Verdict == perennial.VerdictInconclusive
	d.Reason = reason(d.Verdict, d.Checks)
	return d
}

// finding is one gate on one measurement.
type finding struct {
	measurement Measurement
	verdict     perennial.Verdict
	reference   float64
	effect      float64
	interval    *[2]float64 // of the effect
	limit       float64
	margin      float64 // by how much the effect meets the limit; negative: misses it
}

func judgeGate(gate perennial.Gate, ev GateEvidence) perennial.Check {
	check := perennial.Check{Name: gateName(gate), Verdict: perennial.VerdictError, Test: "none"}
	if message := broken(gate); message != "" {
		check.Message = message
		return check
	}
	if gate.Versus == VersusChampion && ev.Champion == "" {
		check.Verdict, check.Message, check.N = perennial.VerdictPass, "no champion yet", ev.N
		return check
	}
	var worst *finding
	unmeasured := 0
	for _, m := range ev.Measurements {
		if !answers(m, gate) {
			continue
		}
		f, ok := find(gate, m)
		switch {
		case !ok:
			unmeasured++
			check.N = max(check.N, m.N)
		case worst == nil || worse(f, *worst):
			worst = &f
		}
	}
	if worst == nil {
		check.Message = unmeasurable(gate, check.N)
		return check
	}
	check.Verdict, check.Test, check.N = worst.verdict, testName(worst.measurement), worst.measurement.N
	check.Value, check.Reference, check.Effect = *worst.measurement.Candidate, worst.reference, worst.effect
	check.Interval, check.Limit = worst.interval, worst.limit
	check.Message = gateMessage(gate, *worst, unmeasured, ev.Champion)
	if unmeasured > 0 {
		check.Verdict = perennial.Worst(check.Verdict, perennial.VerdictInconclusive)
	}
	return check
}

// broken says why a gate can't be judged at all, "" where it can.
func broken(gate perennial.Gate) string {
	versus := gate.Versus == VersusBaseline || gate.Versus == VersusChampion
	compares, bounds := 0, 0
	for _, set := range []bool{gate.MinGain != nil, gate.MaxRegression != nil} {
		if set {
			compares++
		}
	}
	for _, set := range []bool{gate.Min != nil, gate.Max != nil} {
		if set {
			bounds++
		}
	}
	switch {
	case compares+bounds != 1:
		return "a gate needs exactly one of min_gain, max_regression, min and max"
	case compares == 1 && !versus:
		return "min_gain and max_regression need vs: baseline or vs: champion"
	case bounds == 1 && gate.Versus != "":
		return "min and max are bounds of their own and take no vs"
	}
	return ""
}

// answers reports whether a measurement is what a gate asks for.
func answers(m Measurement, gate perennial.Gate) bool {
	metric, ok := evaluate.Lookup(gate.Metric)
	return ok && m.Metric == metric.Name && m.Versus == gate.Versus && m.Slice == gate.Slice
}

// find judges one measurement; ok is false where it has no numbers.
func find(gate perennial.Gate, m Measurement) (f finding, ok bool) {
	if m.Candidate == nil || (gate.Versus != "" && m.Reference == nil) {
		return finding{}, false
	}
	f = finding{measurement: m}
	value, required, sign, shift := *m.Candidate, 0.0, 1.0, 0.0
	switch {
	case gate.Min != nil:
		f.reference, f.limit, shift = *gate.Min, *gate.Min, *gate.Min
	case gate.Max != nil:
		f.reference, f.limit, shift, sign = *gate.Max, *gate.Max, *gate.Max, -1
	default:
		f.reference = *m.Reference
		if !m.HigherIsBetter {
			sign = -1
		}
		f.limit, required = limit(gate, f.reference)
	}
	f.effect = positiveZero(sign * (value - f.reference))
	f.interval = improvement(m.Interval, sign, shift)
	f.margin = f.effect - required
	slack := tolerance * max(1, math.Abs(value), math.Abs(f.reference))
	switch {
	case f.margin < -slack:
		f.verdict = perennial.VerdictFail
	case f.interval == nil || f.interval[0]-required < -slack:
		f.verdict = perennial.VerdictInconclusive
	default:
		f.verdict = perennial.VerdictPass
	}
	return f, true
}

// limit gives the limit of a comparison and the effect it requires.
func limit(gate perennial.Gate, reference float64) (limit, required float64) {
	if gate.MinGain != nil {
		return *gate.MinGain, *gate.MinGain
	}
	limit = gate.MaxRegression.Value
	if gate.MaxRegression.Relative {
		limit *= math.Abs(reference)
	}
	return limit, -limit
}

// improvement turns an interval of a value or a difference into one of the
// effect: sign × (value − shift), its ends in order.
func improvement(interval *[2]float64, sign, shift float64) *[2]float64 {
	if interval == nil {
		return nil
	}
	a, b := positiveZero(sign*(interval[0]-shift)), positiveZero(sign*(interval[1]-shift))
	return &[2]float64{min(a, b), max(a, b)}
}

// positiveZero makes −0, which JSON and people would see, 0.
func positiveZero(v float64) float64 {
	if v == 0 {
		return 0
	}
	return v
}

// worse reports whether a slice is worse than another: by verdict, then by the
// margin.
func worse(a, b finding) bool {
	if a.verdict != b.verdict {
		return perennial.Worst(a.verdict, b.verdict) == a.verdict
	}
	return a.margin < b.margin
}

func testName(m Measurement) string {
	switch {
	case m.Interval == nil:
		return "point estimate, no interval"
	case m.Versus == "":
		return fmt.Sprintf("point estimate; percentile bootstrap, %d resamples", m.Resamples)
	default:
		return fmt.Sprintf("point difference; paired percentile bootstrap, %d resamples", m.Resamples)
	}
}
