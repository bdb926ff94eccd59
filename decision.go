package perennial

import "encoding/json"

// Verdict is the outcome of a check. The worst verdict of a decision's checks
// wins; no data is never success.
type Verdict string

// The verdicts, best first.
const (
	VerdictPass         Verdict = "pass"
	VerdictInconclusive Verdict = "inconclusive" // too little evidence to say
	VerdictError        Verdict = "error"        // it could not be measured
	VerdictFail         Verdict = "fail"
)

var verdictOrder = map[Verdict]int{VerdictPass: 0, VerdictInconclusive: 1, VerdictError: 2, VerdictFail: 3}

// Worst gives the worse of two verdicts; an unknown one is as bad as fail.
func Worst(a, b Verdict) Verdict {
	oa, ok := verdictOrder[a]
	if !ok {
		return VerdictFail
	}
	ob, ok := verdictOrder[b]
	if !ok || ob > oa {
		if !ok {
			return VerdictFail
		}
		return b
	}
	return a
}

// DecisionKind says what was decided.
type DecisionKind string

// The kinds of decision.
const (
	DecisionGate   DecisionKind = "gate"
	DecisionCanary DecisionKind = "canary"
)

// Decision is the stored record of something Perennial decided by itself:
// inputs, tests, numbers and reason, complete enough to recompute the verdict.
type Decision struct {
	ID           string          `json:"decision_id"`
	Kind         DecisionKind    `json:"kind"`
	Model        string          `json:"model"`
	Version      string          `json:"version,omitempty"`
	RunID        string          `json:"run_id,omitempty"`
	WorkflowID   string          `json:"workflow_id,omitempty"`
	At           int64           `json:"at"` // ms
	Verdict      Verdict         `json:"verdict"`
	Passed       bool            `json:"passed"` // what was done about it
	Reason       string          `json:"reason"`
	Checks       []Check         `json:"checks"`
	Policy       json.RawMessage `json:"policy"`        // what was asked
	Evidence     json.RawMessage `json:"evidence"`      // what was seen
	InputsSHA256 string          `json:"inputs_sha256"` // over kind, policy and evidence
}

// Check is one test within a decision, with its numbers.
type Check struct {
	Name      string      `json:"name"`
	Verdict   Verdict     `json:"verdict"`
	Test      string      `json:"test"` // the statistical method
	N         int         `json:"n"`    // rows or units behind the numbers
	Value     float64     `json:"value"`
	Reference float64     `json:"reference"` // baseline's, champion's or the bound itself
	Effect    float64     `json:"effect"`    // improvement; negative is worse
	Interval  *[2]float64 `json:"interval,omitempty"`
	Limit     float64     `json:"limit"`
	Message   string      `json:"message"`
}
