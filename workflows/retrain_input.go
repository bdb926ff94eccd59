package workflows

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/perennial-ml/perennial"
)

// KeyPattern is what an idempotency key may look like.
const KeyPattern = `^[A-Za-z0-9._-]{1,64}$`

var keyRE = regexp.MustCompile(KeyPattern)

// retrainKeys are the keys of a Retrain's input, in the order of RetrainInput.
func retrainKeys() []string {
	return []string{"pipeline", "reason", "key", "force", "dry_run", "trigger"}
}

// DecodeRetrain reads a Retrain's input: one JSON object of the keys of
// RetrainInput, pipeline the only one that must be there. What is left out gets
// its default. Every fault is found at once; the error has code invalid.
func DecodeRetrain(b []byte) (RetrainInput, *perennial.Error) {
	in := RetrainInput{Trigger: perennial.TriggerOutside}
	var faults []perennial.FieldError
	bad := func(key, rule string, allowed []string, format string, args ...any) {
		faults = append(faults, perennial.FieldError{Path: "/" + key, Rule: rule, Allowed: allowed, Message: fmt.Sprintf(format, args...)})
	}
	values := map[string]json.RawMessage{}
	if err := json.Unmarshal(b, &values); err != nil || values == nil {
		return in, perennial.Errorf(perennial.CodeInvalid, "Retrain", `the input must be one JSON object, as {"pipeline":"iris"}`)
	}
	read := func(key string, into any, kind string) {
		raw, ok := values[key]
		if ok && (json.Unmarshal(raw, into) != nil || bytes.Equal(raw, []byte("null"))) {
			bad(key, "type", nil, "%s must be %s", key, kind)
		}
	}
	read("pipeline", &in.Pipeline, "a text")
	read("reason", &in.Reason, "a text")
	read("key", &in.Key, "a text")
	read("force", &in.Force, "true or false")
	read("dry_run", &in.DryRun, "true or false")
	read("trigger", &in.Trigger, "a text")
	if len(faults) == 0 {
		if !perennial.ValidName(in.Pipeline) {
			bad("pipeline", "name", nil, "pipeline must name a pipeline: a small letter, then small letters, digits and dashes")
		}
		if in.Key != "" && !keyRE.MatchString(in.Key) {
			bad("key", "pattern", nil, "key must be 1 to 64 letters, digits, dots, dashes or underscores")
		}
		if !slices.Contains(perennial.Triggers(), in.Trigger) {
			bad("trigger", "one_of", triggerNames(), "trigger must be one of %s", strings.Join(triggerNames(), ", "))
		}
	}
	//workflowcheck:ignore // sorted
	keys := slices.Sorted(maps.Keys(values))
	for _, key := range keys {
		if !slices.Contains(retrainKeys(), key) {
			bad(key, "unknown", retrainKeys(), "%s is no key of a Retrain's input", key)
		}
	}
	if len(faults) == 0 {
		return in, nil
	}
	if !perennial.ValidName(in.Pipeline) {
		in.Pipeline = "" // it goes into lists
	}
	texts := make([]string, len(faults))
	for i, f := range faults {
		texts[i] = f.Message
	}
	err := perennial.Errorf(perennial.CodeInvalid, "Retrain", "the input is wrong: %s", strings.Join(texts, "; ")).
		WithHint("The input is one JSON object with the keys %s; only pipeline must be there.", strings.Join(retrainKeys(), ", "))
	err.Fields = faults
	return in, err
}

func triggerNames() []string {
	var names []string
	for _, t := range perennial.Triggers() {
		names = append(names, string(t))
	}
	return names
}
