package judge

import (
	"fmt"
	"strings"

	"github.com/perennial-ml/perennial"
)

// gateName names a gate in a line, as "log_loss vs champion".
func gateName(gate perennial.Gate) string {
	name := gate.Metric
	switch {
	case gate.Versus != "":
		name += " vs " + gate.Versus
	case gate.Min != nil:
		name += " min"
	case gate.Max != nil:
		name += " max"
	}
	if gate.Slice != "" {
		name += ", worst slice of " + gate.Slice
	}
	return name
}

// gateMessage quotes a gate's numbers in one sentence without a full stop.
func gateMessage(gate perennial.Gate, f finding, unmeasured int, champion string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s ", gate.Metric, number(*f.measurement.Candidate))
	if gate.Slice != "" {
		fmt.Fprintf(&b, "where %s is %s ", gate.Slice, sliceValue(f.measurement.SliceValue))
	}
	switch {
	case gate.Min != nil:
		fmt.Fprintf(&b, "against a minimum of %s", number(f.limit))
	case gate.Max != nil:
		fmt.Fprintf(&b, "against a maximum of %s", number(f.limit))
	default:
		fmt.Fprintf(&b, "is %s %s %s; %s", difference(f.effect), referenceName(gate.Versus, champion), number(f.reference), asked(gate, f))
	}
	fmt.Fprintf(&b, " (n %d", f.measurement.N)
	switch raw := f.measurement.Interval; {
	case raw == nil:
	case gate.Versus == "":
		fmt.Fprintf(&b, ", 95 %% interval %s to %s", number(raw[0]), number(raw[1]))
	default:
		fmt.Fprintf(&b, ", 95 %% interval of the improvement %s to %s", number(f.interval[0]), number(f.interval[1]))
	}
	b.WriteByte(')')
	if f.verdict == perennial.VerdictInconclusive {
		if f.interval == nil {
			b.WriteString("; there is too little evidence for an interval")
		} else {
			b.WriteString("; the interval reaches past the limit")
		}
	}
	if unmeasured > 0 {
		fmt.Fprintf(&b, "; %d other values of %s could not be measured", unmeasured, gate.Slice)
	}
	return b.String()
}

func sliceValue(v string) string {
	if v == "" {
		return "null"
	}
	return fmt.Sprintf("%q", v)
}

func difference(effect float64) string {
	switch {
	case effect > 0:
		return number(effect) + " better than"
	case effect < 0:
		return number(-effect) + " worse than"
	default:
		return "the same as"
	}
}

func referenceName(versus, champion string) string {
	if versus == VersusChampion {
		return fmt.Sprintf("the champion's (version %s)", champion)
	}
	return "the baseline's"
}

func asked(gate perennial.Gate, f finding) string {
	if gate.MinGain != nil {
		return fmt.Sprintf("at least %s better is asked for", number(f.limit))
	}
	if gate.MaxRegression.Relative {
		return fmt.Sprintf("at most %s worse is allowed (%s%% of the reference)", number(f.limit), number(gate.MaxRegression.Value*100))
	}
	return fmt.Sprintf("at most %s worse is allowed", number(f.limit))
}

func unmeasurable(gate perennial.Gate, n int) string {
	if gate.Slice != "" {
		return fmt.Sprintf("%s could not be measured on any value of %s", gate.Metric, gate.Slice)
	}
	return fmt.Sprintf("%s could not be measured on %d rows", gate.Metric, n)
}

// reason puts a decision about gates into one sentence: how many gates, and the
// first of the worst.
func reason(verdict perennial.Verdict, checks []perennial.Check) string {
	var first string
	count := 0
	for _, c := range checks {
		if c.Verdict == verdict {
			if count == 0 {
				first = c.Message
			}
			count++
		}
	}
	all := fmt.Sprintf("all %d gates", len(checks))
	if len(checks) == 1 {
		all = "the gate"
	}
	switch verdict {
	case perennial.VerdictPass:
		if len(checks) == 0 {
			return "No gate is set."
		}
		return fmt.Sprintf("The model passed %s.", all)
	case perennial.VerdictInconclusive:
		return fmt.Sprintf("The model passed %s, %d on too little evidence to be sure: %s.", all, count, first)
	case perennial.VerdictError:
		return fmt.Sprintf("%d of %d gates could not be judged: %s.", count, len(checks), first)
	case perennial.VerdictFail:
	}
	return fmt.Sprintf("%d of %d gates failed: %s.", count, len(checks), first)
}

// number writes a number with four significant digits.
func number(v float64) string { return fmt.Sprintf("%.4g", v) }
