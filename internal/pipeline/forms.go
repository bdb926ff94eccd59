package pipeline

import (
	"fmt"
	"reflect"

	"go.yaml.in/yaml/v3"

	"github.com/perennial-ml/perennial"
)

// specials decode the types whose form in a file is not that of their Go type:
// durations and limits are texts, and three mappings become lists because their
// order means something.
var specials map[reflect.Type]func(d *document, n *yaml.Node, path string, v reflect.Value)

func init() { //nolint:gochecknoinits // the decoders refer to the table that holds them
	specials = map[reflect.Type]func(*document, *yaml.Node, string, reflect.Value){
		reflect.TypeFor[perennial.Duration]():      (*document).duration,
		reflect.TypeFor[perennial.Limit]():         (*document).limit,
		reflect.TypeFor[map[string]any]():          (*document).params,
		reflect.TypeFor[[]any]():                   (*document).scalars,
		reflect.TypeFor[[]perennial.Column]():      (*document).named,
		reflect.TypeFor[[]perennial.ColumnPrep]():  (*document).named,
		reflect.TypeFor[[]perennial.SearchParam](): (*document).search,
	}
}

func (d *document) duration(n *yaml.Node, path string, v reflect.Value) {
	var x perennial.Duration
	if n.Kind != yaml.ScalarNode || x.UnmarshalText([]byte(n.Value)) != nil {
		d.wrong(n, path, "a duration like 90s, 15m or 24h")
		return
	}
	v.SetInt(int64(x))
}

func (d *document) limit(n *yaml.Node, path string, v reflect.Value) {
	var x perennial.Limit
	if tag := n.ShortTag(); n.Kind != yaml.ScalarNode || tag != "!!int" && tag != "!!float" && tag != "!!str" || x.UnmarshalText([]byte(n.Value)) != nil {
		d.wrong(n, path, `a number, or a share of the reference like "2%"`)
		return
	}
	v.Set(reflect.ValueOf(x))
}

// scalar decodes a number (always float64, as JSON gives it), text or boolean.
func (d *document) scalar(n *yaml.Node, path string) (any, bool) {
	n, ok := d.follow(n, path)
	if !ok {
		return nil, false
	}
	switch n.ShortTag() {
	case "!!int", "!!float":
		return d.number(n, path)
	case "!!bool":
		var b bool
		d.value(n, path, reflect.ValueOf(&b).Elem())
		return b, true
	case "!!str":
		return n.Value, true
	default:
		d.wrong(n, path, "a number, a text, true or false")
		return nil, false
	}
}

func (d *document) params(n *yaml.Node, path string, v reflect.Value) {
	out := map[string]any{}
	for _, p := range d.pairs(n, path, "a mapping like {name: value}") {
		if x, ok := d.scalar(p.value, p.path); ok {
			out[p.key] = x
		}
	}
	if len(out) > 0 {
		v.Set(reflect.ValueOf(out))
	}
}

func (d *document) scalars(n *yaml.Node, path string, v reflect.Value) {
	items, _ := d.items(n, path)
	for _, p := range items {
		if x, ok := d.scalar(p.value, p.path); ok {
			v.Set(reflect.Append(v, reflect.ValueOf(x)))
		}
	}
}

// named decodes {name: {…}, …} into a list of structs, each with its Name, in
// file order.
func (d *document) named(n *yaml.Node, path string, v reflect.Value) {
	for _, p := range d.pairs(n, path, "a mapping of column names like {age: {…}}") {
		value, ok := d.follow(p.value, p.path)
		if !ok {
			continue
		}
		e := reflect.New(v.Type().Elem()).Elem()
		if p.key == "" {
			d.fault(perennial.FieldError{Path: p.path, Rule: RuleName, Message: "A column needs a name."})
		}
		d.object(value, p.path, e)
		e.FieldByName("Name").SetString(p.key)
		v.Set(reflect.Append(v, e))
	}
}

// kinds are the ranges of a search, as keys.
var kinds = []string{
	string(perennial.SearchFloat), string(perennial.SearchLog), string(perennial.SearchInt), string(perennial.SearchIntLog), string(perennial.SearchChoice),
}

// search decodes {c: {log: [0.01, 100]}, …} in file order.
func (d *document) search(n *yaml.Node, path string, v reflect.Value) {
	var out []perennial.SearchParam
	for _, p := range d.pairs(n, path, "a mapping like {c: {log: [0.01, 100]}}") {
		value, ok := d.follow(p.value, p.path)
		if !ok {
			continue
		}
		entries := d.pairs(value, p.path, "a range like {log: [0.01, 100]}")
		if value.Kind != yaml.MappingNode {
			continue
		}
		if len(entries) != 1 {
			d.fault(perennial.FieldError{Path: p.path, Rule: RuleOneOf, Allowed: kinds, Message: fmt.Sprintf("%s must have exactly one range, like {log: [0.01, 100]}.", label(p.path))})
			continue
		}
		s := perennial.SearchParam{Name: p.key, Kind: perennial.SearchKind(entries[0].key)}
		switch s.Kind {
		case perennial.SearchChoice:
			d.value(entries[0].value, entries[0].path, reflect.ValueOf(&s.Choices).Elem())
		case perennial.SearchFloat, perennial.SearchLog, perennial.SearchInt, perennial.SearchIntLog:
			var bounds [2]float64
			d.value(entries[0].value, entries[0].path, reflect.ValueOf(&bounds).Elem())
			s.Low, s.High = bounds[0], bounds[1]
		default:
			d.unknown(entries[0], p.path, kinds)
		}
		out = append(out, s)
	}
	v.Set(reflect.ValueOf(out))
}
