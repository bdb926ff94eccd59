package judge

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/perennial-ml/perennial"
)

// Recompute decides a stored decision again from its policy and evidence and
// keeps its ids and time. The result equals the record, or the record was made
// by a version of Perennial that decides differently: callers compare the two.
//
// Errors: invalid for a kind that isn't known and for a policy or evidence that
// can't be read; conflict where they are not the ones that the record's hash was
// taken over.
func Recompute(d perennial.Decision) (perennial.Decision, error) {
	const op = "judge.Recompute"
	var again perennial.Decision
	var err error
	switch d.Kind {
	case perennial.DecisionGate:
		again, err = redo(d, Gates)
	case perennial.DecisionCanary:
		again, err = redo(d, Canary)
	default:
		err = perennial.Errorf(perennial.CodeInvalid, op, "decisions of kind %q can't be recomputed by this version", d.Kind)
	}
	if err != nil {
		return perennial.Decision{}, err
	}
	if again.InputsSHA256 != d.InputsSHA256 {
		return perennial.Decision{}, perennial.Errorf(perennial.CodeConflict, op, "the record's policy or evidence is not what was decided on: its hash is %s, not %s",
			again.InputsSHA256, d.InputsSHA256).WithHint("The record was changed after the decision.")
	}
	again.ID, again.Model, again.Version, again.RunID, again.WorkflowID, again.At = d.ID, d.Model, d.Version, d.RunID, d.WorkflowID, d.At
	return again, nil
}

// Differences names what a record and what Recompute made of it don't agree in,
// each with both values; none where they are the same.
func Differences(record, again perennial.Decision) []string {
	var out []string
	differ := func(what string, was, is any) {
		if was != is {
			out = append(out, fmt.Sprintf("%s: recorded %v, recomputed %v", what, was, is))
		}
	}
	differ("verdict", record.Verdict, again.Verdict)
	differ("passed", record.Passed, again.Passed)
	differ("reason", record.Reason, again.Reason)
	differ("number of checks", len(record.Checks), len(again.Checks))
	for i := range min(len(record.Checks), len(again.Checks)) {
		was, is := record.Checks[i], again.Checks[i]
		if !reflect.DeepEqual(was, is) {
			out = append(out, fmt.Sprintf("check %s: recorded %s, recomputed %s", is.Name, written(was), written(is)))
		}
	}
	return out
}

// written is a check in one line.
func written(c perennial.Check) string {
	interval := ""
	if c.Interval != nil {
		interval = fmt.Sprintf(", interval %g..%g", c.Interval[0], c.Interval[1])
	}
	return fmt.Sprintf("%s %s (%s; n %d, value %g, reference %g, effect %g%s, limit %g; %q)",
		c.Name, c.Verdict, c.Test, c.N, c.Value, c.Reference, c.Effect, interval, c.Limit, c.Message)
}

// redo decides again on what a record holds.
func redo[P, E any](d perennial.Decision, decide func(P, E) perennial.Decision) (perennial.Decision, error) {
	const op = "judge.Recompute"
	var policy P
	var ev E
	if err := decode(d.Policy, &policy); err != nil {
		return perennial.Decision{}, perennial.Errorf(perennial.CodeInvalid, op, "the record's policy can't be read").Because(err)
	}
	if err := decode(d.Evidence, &ev); err != nil {
		return perennial.Decision{}, perennial.Errorf(perennial.CodeInvalid, op, "the record's evidence can't be read").Because(err)
	}
	return decide(policy, ev), nil
}

// decode reads one JSON document and refuses keys it doesn't know, which a later
// version may have decided on.
func decode(b []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	return dec.Decode(into)
}

// inputs is what is decided on: what the record holds, read back.
type inputs[P, E any] struct {
	policy   P
	evidence E
}

// record writes policy, evidence and their hash into a decision and reads them
// back, so that the decision rests on what is stored, rounding included.
func record[P, E any](d *perennial.Decision, policy P, ev E) (in inputs[P, E], err error) {
	if d.Policy, err = json.Marshal(policy); err != nil {
		return in, err
	}
	if d.Evidence, err = json.Marshal(ev); err != nil {
		return in, err
	}
	if err := json.Unmarshal(d.Policy, &in.policy); err != nil {
		return in, err
	}
	if err := json.Unmarshal(d.Evidence, &in.evidence); err != nil {
		return in, err
	}
	d.InputsSHA256 = hash(d.Kind, d.Policy, d.Evidence)
	return in, nil
}

// hash is the sha256, in hexadecimal, over kind, policy and evidence, separated
// by 0x00.
func hash(kind perennial.DecisionKind, policy, evidence []byte) string {
	h := sha256.New()
	h.Write([]byte(kind))
	h.Write([]byte{0})
	h.Write(policy)
	h.Write([]byte{0})
	h.Write(evidence)
	return hex.EncodeToString(h.Sum(nil))
}
