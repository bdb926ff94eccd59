package serve

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/perennial-ml/perennial"
)

// plan is a schema prepared for reading rows: where each column's value goes,
// and its categories by name.
type plan struct {
	columns  []planned
	byName   map[string]int
	features int // length of an encoded row
	extra    perennial.ExtraColumns
	redacts  bool // some column isn't logged in full
}

type planned struct {
	perennial.Column
	feature    int // place in the encoded row, -1 for other roles
	categories map[string]float64
}

func newPlan(s *perennial.Schema) *plan {
	p := &plan{byName: make(map[string]int, len(s.Columns)), extra: s.ExtraColumns}
	for i, c := range s.Columns {
		col := planned{Column: c, feature: -1}
		if c.Role == perennial.RoleFeature {
			col.feature = p.features
			p.features++
		}
		if c.Type == perennial.TypeCategorical {
			col.categories = make(map[string]float64, len(c.Values))
			for code, v := range c.Values {
				col.categories[v] = float64(code)
			}
		}
		p.redacts = p.redacts || c.Log == perennial.LogHash || c.Log == perennial.LogNever
		p.columns = append(p.columns, col)
		p.byName[c.Name] = i
	}
	return p
}

// row reads one object of features into dst, one encoded value per feature.
// Faults and warnings are added to the request's with paths below prefix. What
// the prediction log may keep of it is left in r.logged and r.redacted.
func (p *plan) row(r *request, object token, prefix path, dst []float64) {
	s := scanner{b: r.body, i: object.start + 1}
	r.beginRow(len(p.columns))
	more := true
	for first := true; more; first = false {
		var key, value token
		if key, value, more = s.member(first, 0); !more {
			break
		}
		name := s.text(key, &r.nameText)
		i, known := p.byName[string(name)]
		switch {
		case known && r.seen[i] == r.stamp, !known && !r.newExtra(name):
			r.faults.add(perennial.FieldError{Path: prefix.to(string(name)), Rule: ruleDuplicate,
				Message: fmt.Sprintf("%s appears more than once.", shorten(string(name)))})
			continue
		case known:
			r.seen[i] = r.stamp
			if c := &p.columns[i]; c.feature >= 0 {
				dst[c.feature] = p.value(r, c, &s, value, prefix)
			}
		default:
			p.extraColumn(r, prefix, string(name))
		}
		if p.redacts {
			r.logMember(&s, key, value, p.policy(i, known))
		}
	}
	if p.redacts {
		r.logged = append(r.logged, '}')
	}
	p.missing(r, prefix, dst)
}

// missing encodes the features that the row doesn't have.
func (p *plan) missing(r *request, prefix path, dst []float64) {
	for i := range p.columns {
		c := &p.columns[i]
		if c.feature < 0 || r.seen[i] == r.stamp {
			continue
		}
		v, fault := c.Null()
		dst[c.feature] = v
		if fault != nil {
			r.fault(prefix.to(c.Name), fault, nil)
		}
	}
}

// value encodes one feature's value and reports what is wrong with it.
func (p *plan) value(r *request, c *planned, s *scanner, t token, prefix path) float64 {
	var v float64
	var fault *perennial.Fault
	switch t.kind {
	case kindNumber:
		// A number too large for a float64 becomes infinite, which FromNumber refuses.
		x, _ := strconv.ParseFloat(string(s.b[t.start:t.end]), 64)
		v, fault = c.FromNumber(x)
	case kindString:
		text := s.text(t, &r.valueText)
		if code, ok := c.categories[string(text)]; ok {
			return code
		}
		v, fault = c.FromString(string(text))
	case kindTrue, kindFalse:
		v, fault = c.FromBool(t.kind == kindTrue)
	case kindNull:
		v, fault = c.Null()
	default:
		v, fault = math.NaN(), &perennial.Fault{Rule: perennial.RuleType,
			Message: fmt.Sprintf("%s must be %s, not %s.", c.Name, c.TypeLabel(), t.kind.label())}
	}
	if fault != nil {
		r.fault(prefix.to(c.Name), fault, r.came(t))
	}
	return v
}

// tooLarge says which field's value a model's arithmetic can't take.
func (p *plan) tooLarge(o *overflow, prefix path) perennial.FieldError {
	i := slices.IndexFunc(p.columns, func(c planned) bool { return c.feature == o.Feature })
	name := p.columns[i].Name
	message := fmt.Sprintf("%s is %g, too large for the model: its answer would be no number.", name, o.value)
	if o.Low != 0 || o.High != 0 {
		message += fmt.Sprintf(" It was trained on %.6g to %.6g.", o.Low, o.High)
	}
	return perennial.FieldError{Path: prefix.to(name), Rule: ruleOverflow, Came: o.value, Message: message}
}

// extraColumn applies the schema's rule for a field that it doesn't name.
func (p *plan) extraColumn(r *request, prefix path, name string) {
	fault := perennial.Fault{Rule: perennial.RuleExtra, Message: shorten(name) + " is not in the schema."}
	switch p.extra {
	case perennial.ExtraReject:
	case perennial.ExtraWarn:
		fault.Warning = true
	default:
		return
	}
	r.fault(prefix.to(name), &fault, nil)
}

func (p *plan) policy(i int, known bool) perennial.LogPolicy {
	if !known {
		return perennial.LogFull
	}
	return p.columns[i].Log
}

// logMember adds one member to what the prediction log may keep: as it came,
// as the sha256 of its text (a null stays null), or not at all.
func (r *request) logMember(s *scanner, key, value token, policy perennial.LogPolicy) {
	raw := s.b[value.start:value.end]
	switch {
	case policy == perennial.LogNever:
		r.redacted = append(r.redacted, string(s.text(key, &r.nameText)))
		return
	case policy == perennial.LogHash && value.kind != kindNull:
		r.redacted = append(r.redacted, string(s.text(key, &r.nameText)))
		if value.kind == kindString {
			raw = s.text(value, &r.valueText)
		}
		sum := sha256.Sum256(raw)
		raw = hex.AppendEncode(append(r.hash[:0], '"'), sum[:])
		raw = append(raw, '"')
	case value.kind == kindString:
		raw = s.b[value.start-1 : value.end+1]
	}
	if len(r.logged) > 1 {
		r.logged = append(r.logged, ',')
	}
	r.logged = append(r.logged, s.b[key.start-1:key.end+1]...)
	r.logged = append(r.logged, ':')
	r.logged = append(r.logged, raw...)
}

// logFeatures gives what the prediction log may keep of the row just read, in
// memory of its own.
func (p *plan) logFeatures(r *request, object token) (features json.RawMessage, redacted []string) {
	if !p.redacts {
		return bytes.Clone(r.body[object.start:object.end]), nil
	}
	return bytes.Clone(r.logged), append([]string(nil), r.redacted...)
}
