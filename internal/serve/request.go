package serve

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/perennial-ml/perennial"
)

// The rules that a request can break besides those of its columns.
const (
	ruleDuplicate = "duplicate_field"
	ruleUnknown   = "unknown_field"
	ruleOneOf     = "one_of"
	ruleLength    = "length"
	ruleCharacter = "character"
	ruleOverflow  = "overflow"
)

// Limits of a request. Faults beyond maxListed are counted, not listed, and so are
// warnings beyond warningsIn for each row: who sends many wants to know which. A value longer than maxCame is cut where it is quoted.
const (
	maxLabel   = 512 // bytes of unit_id, key and each of keys
	maxListed  = 100
	warningsIn = 4 // listed warnings a row, where that is more than maxListed in all
	maxCame    = 100
	maxAllowed = 50
	maxPooled  = 1 << 20 // a larger buffer is left to the collector
)

// request is the state of one request, pooled.
type request struct {
	body []byte
	out  []byte

	faults   faults
	warnings faults

	many    bool    // the form with instances
	objects []token // the rows of features
	keys    []string
	ids     []string
	first   attempt // by the assigned version
	second  attempt // by the champion, where the first failed

	// of the row being read
	seen      []uint32 // per column: the stamp of the row in which it was last seen
	stamp     uint32
	extras    map[string]struct{}
	nameText  []byte
	valueText []byte
	logged    []byte
	redacted  []string
	hash      [2 + 64]byte
}

// reset prepares a pooled request for a body, which it doesn't keep after
// release.
func (r *request) reset(body []byte) {
	r.body, r.out = body, r.out[:0]
	r.clearFindings()
}

// clearFindings forgets faults and warnings, before the body is read again by
// another version's schema.
func (r *request) clearFindings() {
	r.faults, r.warnings = faults{}, faults{}
}

// release drops what must not outlive the request.
func (r *request) release() {
	r.body = nil
	r.clearFindings()
	if cap(r.out) > maxPooled {
		r.out = nil
	}
	r.first.release()
	r.second.release()
	clear(r.keys)
	clear(r.ids)
	for _, b := range []*[]byte{&r.nameText, &r.valueText, &r.logged} {
		if cap(*b) > maxPooled {
			*b = nil
		}
	}
	if len(r.extras) > 0 {
		r.extras = nil
	}
}

func (r *request) beginRow(columns int) {
	if len(r.seen) < columns {
		r.seen, r.stamp = make([]uint32, columns), 0
	}
	if r.stamp++; r.stamp == 0 {
		clear(r.seen)
		r.stamp = 1
	}
	clear(r.extras)
	r.logged = append(r.logged[:0], '{')
	r.redacted = r.redacted[:0]
}

// newExtra remembers a name outside the schema; false if the row had it before.
func (r *request) newExtra(name []byte) bool {
	if _, ok := r.extras[string(name)]; ok {
		return false
	}
	if r.extras == nil {
		r.extras = map[string]struct{}{}
	}
	r.extras[string(name)] = struct{}{}
	return true
}

// fault adds what is wrong with a value to the faults or the warnings.
func (r *request) fault(path string, f *perennial.Fault, came any) {
	e := perennial.FieldError{Path: path, Rule: f.Rule, Came: came, Allowed: f.Allowed, Message: f.Message}
	if len(e.Allowed) > maxAllowed {
		e.Allowed = nil
	}
	if f.Warning {
		r.warnings.addTo(e, max(maxListed, warningsIn*len(r.objects)))
		return
	}
	r.faults.add(e)
}

// came quotes a value in a fault: a string as such, a short number or literal
// as it came, nothing for objects and arrays. A number beyond float64 comes as a
// string: most clients can't read it as a number, and so not the answer either.
func (r *request) came(t token) any {
	s := scanner{b: r.body}
	switch t.kind {
	case kindString:
		return shorten(string(s.text(t, &r.valueText)))
	case kindNumber, kindTrue, kindFalse, kindNull:
		raw := string(r.body[t.start:t.end])
		if len(raw) > maxCame || t.kind == kindNumber && !finite(raw) {
			return shorten(raw)
		}
		return json.RawMessage(raw)
	default:
		return nil
	}
}

// finite reports whether a JSON number is one that a float64 can hold.
func finite(number string) bool {
	_, err := strconv.ParseFloat(number, 64)
	return err == nil
}

// shorten cuts a text to maxCame bytes, between characters.
func shorten(s string) string {
	if len(s) <= maxCame {
		return s
	}
	i := maxCame
	for !utf8.RuneStart(s[i]) {
		i--
	}
	return s[:i] + "…"
}

// faults collects findings: the first of them, and how many there are.
type faults struct {
	list []perennial.FieldError
	n    int
}

func (f *faults) add(e perennial.FieldError) { f.addTo(e, maxListed) }

// addTo lists a finding where fewer than most are.
func (f *faults) addTo(e perennial.FieldError, most int) {
	if f.n++; len(f.list) < most {
		f.list = append(f.list, e)
	}
}

// err makes the error of a refused request.
func (f *faults) err(model string) error {
	message := "1 field is wrong; nothing was predicted or logged."
	if f.n != 1 {
		message = fmt.Sprintf("%d fields are wrong; nothing was predicted or logged.", f.n)
	}
	e := perennial.Errorf(perennial.CodeInvalid, op, "%s", message)
	e.Fields = f.list
	if model != "" {
		e.Hint = "GET /models/" + model + "/schema shows the accepted fields."
	}
	return e
}

// path is where a row stands in the request; instance -1 is the single form's
// /features.
type path struct{ instance int }

var escapePointer = strings.NewReplacer("~", "~0", "/", "~1")

// to gives the JSON pointer (RFC 6901) of one of the row's fields.
func (p path) to(name string) string {
	return p.row() + "/" + escapePointer.Replace(shorten(name))
}

func (p path) row() string {
	if p.instance < 0 {
		return "/features"
	}
	return "/instances/" + strconv.Itoa(p.instance)
}
