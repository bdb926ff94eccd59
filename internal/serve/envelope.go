package serve

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/perennial-ml/perennial"
)

// op names the operation in errors.
const op = "serve.Predict"

// envelope is the outside of a request: where its parts stand in the body.
type envelope struct {
	model, unit, key          token
	keys, features, instances token

	name, unitID string // the model's name, and unit_id
}

// slot gives the place of a top-level field, nil for one that doesn't exist.
func (v *envelope) slot(name []byte) *token {
	switch string(name) {
	case "model":
		return &v.model
	case "unit_id":
		return &v.unit
	case "key":
		return &v.key
	case "keys":
		return &v.keys
	case "features":
		return &v.features
	case "instances":
		return &v.instances
	}
	return nil
}

// fields are the top-level fields, as they are listed to people.
var fields = []string{"model", "unit_id", "key", "keys", "features", "instances"}

// envelope reads the whole body once: afterwards it is known to be JSON, and
// where its parts are. Its faults are collected; only a body that can't be read
// at all is an error.
func (r *request) envelope() (v envelope, err error) {
	s := scanner{b: r.body}
	if s.peek() != '{' {
		return v, r.notAnObject(&s)
	}
	s.i++
	more := true
	for first := true; more; first = false {
		var key, value token
		if key, value, more = s.member(first, 0); !more {
			break
		}
		name := s.text(key, &r.nameText)
		slot := v.slot(name)
		switch {
		case slot == nil:
			r.topFaultf(string(name), ruleUnknown, fields, "%s is not a field of a prediction request.", shorten(string(name)))
		case slot.kind != kindNone:
			r.topFaultf(string(name), ruleDuplicate, nil, "%s appears more than once.", name)
		default:
			*slot = value
		}
	}
	s.done()
	if s.err != nil {
		return v, s.err
	}
	r.check(&v)
	return v, nil
}

// notAnObject says what a body is that doesn't start with a brace.
func (r *request) notAnObject(s *scanner) error {
	if s.i == len(s.b) {
		return perennial.Errorf(perennial.CodeMalformed, op, "The body is empty.").
			WithHint(`Send an object like {"model":"iris","features":{…}}.`)
	}
	t := s.value(0)
	s.done()
	if s.err != nil {
		return s.err
	}
	r.faults.add(perennial.FieldError{Path: "", Rule: perennial.RuleType, Message: "The body must be an object, not " + t.kind.label() + "."})
	return nil
}

// check looks at the fields that no schema governs.
func (r *request) check(v *envelope) {
	if v.model.kind == kindNone {
		r.topFaultf("model", perennial.RuleRequired, nil, "model is required.")
	} else if r.expect("/model", v.model, kindString) {
		if v.name = r.textOf(v.model); v.name == "" {
			r.topFaultf("model", ruleLength, nil, "model must not be empty.")
		}
	}
	if v.unit.kind != kindNone {
		v.unitID = r.label("/unit_id", v.unit)
	}
	r.expect("/features", v.features, kindObject)
	r.expect("/instances", v.instances, kindArray)
	r.expect("/keys", v.keys, kindArray)
	single, many := v.features.kind != kindNone, v.instances.kind != kindNone
	switch {
	case single == many:
		r.topFaultf("features", ruleOneOf, nil, "Give exactly one of features and instances.")
	case single && v.keys.kind != kindNone:
		r.topFaultf("keys", ruleOneOf, nil, "keys goes with instances; features has one key.")
	case many && v.key.kind != kindNone:
		r.topFaultf("key", ruleOneOf, nil, "key goes with features; instances have keys.")
	}
}

// topFaultf adds a fault of a top-level field.
func (r *request) topFaultf(name, rule string, allowed []string, format string, args ...any) {
	r.faults.add(perennial.FieldError{Path: "/" + escapePointer.Replace(shorten(name)), Rule: rule, Allowed: allowed, Message: fmt.Sprintf(format, args...)})
}

// expect reports a value that is there but of another type.
func (r *request) expect(path string, t token, want kind) bool {
	if t.kind != want && t.kind != kindNone {
		r.faults.add(perennial.FieldError{Path: path, Rule: perennial.RuleType, Came: r.came(t),
			Message: fmt.Sprintf("%s must be %s, not %s.", path[1:], want.label(), t.kind.label())})
	}
	return t.kind == want
}

// label reads one of the caller's labels (unit_id, key, one of keys): 1 to
// maxLabel bytes without control characters, which databases and terminals
// don't take well.
func (r *request) label(path string, t token) string {
	if !r.expect(path, t, kindString) {
		return ""
	}
	text := r.textOf(t)
	switch {
	case text == "" || len(text) > maxLabel:
		r.faults.add(perennial.FieldError{Path: path, Rule: ruleLength, Came: shorten(text),
			Message: fmt.Sprintf("%s must be 1 to %d bytes long.", path[1:], maxLabel)})
	case strings.ContainsFunc(text, unicode.IsControl):
		r.faults.add(perennial.FieldError{Path: path, Rule: ruleCharacter, Came: shorten(text),
			Message: path[1:] + " must not hold control characters."})
	}
	return text
}

func (r *request) textOf(t token) string {
	s := scanner{b: r.body}
	return string(s.text(t, &r.valueText))
}

// rows finds the objects of features and their keys, and leaves them in
// r.objects and r.keys. Over limit rows it gives too_large.
func (r *request) rows(v *envelope, limit int) error {
	r.objects, r.keys = r.objects[:0], r.keys[:0]
	r.many = v.features.kind == kindNone
	switch {
	case v.features.kind == kindObject:
		key := ""
		if v.key.kind != kindNone {
			key = r.label("/key", v.key)
		}
		r.objects, r.keys = append(r.objects, v.features), append(r.keys, key)
	case v.instances.kind == kindArray:
		s := scanner{b: r.body, i: v.instances.start + 1}
		for t, more := s.element(true, 0); more; t, more = s.element(false, 0) {
			if len(r.objects) == limit {
				return perennial.Errorf(perennial.CodeTooLarge, op, "A request may hold %d instances at most; nothing was predicted or logged.", limit).
					WithHint("Send the rows in several requests.")
			}
			if t.kind != kindObject {
				r.expect(path{len(r.objects)}.row(), t, kindObject)
			}
			r.objects = append(r.objects, t)
		}
		if len(r.objects) == 0 {
			r.topFaultf("instances", ruleLength, nil, "instances needs one row at least.")
		}
		r.readKeys(v.keys, len(r.objects))
	}
	return nil
}

// readKeys reads the keys of n instances: all of them or none.
func (r *request) readKeys(list token, n int) {
	r.keys = append(r.keys, make([]string, n)...)
	if list.kind != kindArray {
		return
	}
	s := scanner{b: r.body, i: list.start + 1}
	count := 0
	for t, more := s.element(true, 0); more; t, more = s.element(false, 0) {
		if count < n {
			r.keys[count] = r.label("/keys/"+strconv.Itoa(count), t)
		}
		count++
	}
	if count != n {
		r.topFaultf("keys", ruleLength, nil, "There are %d keys for %d instances.", count, n)
	}
}
