package pipeline

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/perennial-ml/perennial"
)

// required lists the keys that a file must have, by type.
var required = map[reflect.Type][]string{
	reflect.TypeFor[perennial.Pipeline]():      {"name", "task", "data", "schema", "candidates"},
	reflect.TypeFor[perennial.DataSource]():    {"path", "target"},
	reflect.TypeFor[perennial.Candidate]():     {"algorithm"},
	reflect.TypeFor[perennial.Gate]():          {"metric"},
	reflect.TypeFor[perennial.ThresholdCost](): {"false_positive", "false_negative"},
	reflect.TypeFor[perennial.Schema]():        {"columns"},
}

// value decodes a node into v by v's type. What isn't in the file keeps the
// value that v already has.
func (d *document) value(n *yaml.Node, path string, v reflect.Value) {
	n, ok := d.follow(n, path)
	if !ok {
		return
	}
	if special, ok := specials[v.Type()]; ok {
		special(d, n, path, v)
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		to := reflect.New(v.Type().Elem())
		d.value(n, path, to.Elem())
		v.Set(to)
	case reflect.Struct:
		d.object(n, path, v)
	case reflect.Interface:
		if x, ok := d.scalar(n, path); ok {
			v.Set(reflect.ValueOf(x))
		}
	case reflect.Slice:
		d.list(n, path, v)
	case reflect.Array:
		d.array(n, path, v)
	case reflect.String:
		if s, ok := d.text(n, path); ok {
			v.SetString(s)
		}
	case reflect.Bool:
		if n.ShortTag() != "!!bool" {
			d.wrong(n, path, "true or false")
			return
		}
		v.SetBool(strings.EqualFold(n.Value, "true"))
	case reflect.Int, reflect.Int64:
		d.integer(n, path, v)
	case reflect.Float64:
		if f, ok := d.number(n, path); ok {
			v.SetFloat(f)
		}
	default:
		panic("pipeline: no decoding for " + v.Type().String()) // a new kind of field in the domain
	}
}

// follow counts a value, follows an alias and refuses null.
func (d *document) follow(n *yaml.Node, path string) (*yaml.Node, bool) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if d.values > maxValues {
		return nil, false
	}
	if d.values += 1 + len(n.Content); d.values > maxValues {
		d.fault(perennial.FieldError{Path: path, Rule: RuleTooLarge, Message: fmt.Sprintf("The file has more than %d values, aliases counted as often as they are used.", maxValues)})
		return nil, false
	}
	if n.ShortTag() == "!!null" {
		d.fault(perennial.FieldError{Path: path, Rule: perennial.RuleRequired, Message: label(path) + " has no value: give it one, or remove the key."})
		return nil, false
	}
	return n, true
}

// pair is one entry of a mapping.
type pair struct {
	key, path string
	value     *yaml.Node
}

// pairs gives the entries of a mapping in file order, without repeated keys.
func (d *document) pairs(n *yaml.Node, path, want string) []pair {
	if n.Kind != yaml.MappingNode {
		d.wrong(n, path, want)
		return nil
	}
	seen := map[string]int{}
	var out []pair
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if key.Kind == yaml.AliasNode {
			key = key.Alias
		}
		at := join(path, key.Value)
		switch line, again := seen[key.Value]; {
		case key.Kind == yaml.ScalarNode && key.ShortTag() == "!!merge":
			d.fault(perennial.FieldError{Path: at, Rule: RuleUnknown, Line: key.Line, Message: "Merge keys (<<) aren't supported: write the keys out."})
			continue
		case key.Kind != yaml.ScalarNode || key.ShortTag() == "!!null":
			d.fault(perennial.FieldError{Path: path, Rule: perennial.RuleType, Line: key.Line, Message: "A key must be a word."})
			continue
		case again:
			d.fault(perennial.FieldError{Path: at, Rule: RuleDuplicate, Line: key.Line, Message: fmt.Sprintf("%s stands here again; it was first given in line %d.", key.Value, line)})
			continue
		}
		seen[key.Value] = n.Content[i].Line
		d.lines[at] = n.Content[i].Line
		out = append(out, pair{key: key.Value, path: at, value: n.Content[i+1]})
	}
	return out
}

// object decodes a mapping into a struct by its json tags.
func (d *document) object(n *yaml.Node, path string, v reflect.Value) {
	fields := fieldsOf(v.Type())
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.name
	}
	entries := d.pairs(n, path, "a mapping with keys like "+strings.Join(names[:min(3, len(names))], ", "))
	for _, p := range entries {
		i := slices.Index(names, p.key)
		if i < 0 {
			d.unknown(p, path, names)
			continue
		}
		to := v.Field(fields[i].index)
		d.value(p.value, p.path, to)
		if to.Kind() == reflect.Slice && !to.IsNil() && to.Len() == 0 && fields[i].omitempty {
			d.fault(perennial.FieldError{Path: p.path, Rule: perennial.RuleRequired, Message: label(p.path) + " is empty: list something, or remove the key."})
		}
	}
	if n.Kind != yaml.MappingNode {
		return
	}
	for _, name := range required[v.Type()] {
		if !slices.ContainsFunc(entries, func(p pair) bool { return p.key == name }) {
			d.fault(perennial.FieldError{Path: join(path, name), Rule: perennial.RuleRequired, Message: fmt.Sprintf("%s%s is missing.", in(path), name)})
		}
	}
}

// unknown says that a key isn't one, and which was probably meant.
func (d *document) unknown(p pair, path string, names []string) {
	if len(d.faults) >= maxFaults {
		return
	}
	message := fmt.Sprintf("%s has no key %q", label(path), shorten(p.key))
	if near, ok := nearest(p.key, names); ok {
		message += fmt.Sprintf("; did you mean %s?", near)
	} else {
		message += "; it has " + strings.Join(names, ", ") + "."
	}
	d.fault(perennial.FieldError{Path: p.path, Rule: RuleUnknown, Came: shorten(p.key), Allowed: names, Message: message})
}

// items gives the elements of a sequence.
func (d *document) items(n *yaml.Node, path string) ([]pair, bool) {
	if n.Kind != yaml.SequenceNode {
		d.wrong(n, path, "a list like [a, b]")
		return nil, false
	}
	out := make([]pair, len(n.Content))
	for i, e := range n.Content {
		at := join(path, strconv.Itoa(i))
		d.lines[at] = e.Line
		out[i] = pair{key: strconv.Itoa(i), path: at, value: e}
	}
	return out, true
}

func (d *document) list(n *yaml.Node, path string, v reflect.Value) {
	items, ok := d.items(n, path)
	if !ok {
		return
	}
	out := reflect.MakeSlice(v.Type(), 0, 0)
	for _, p := range items {
		e := reflect.New(v.Type().Elem()).Elem()
		d.value(p.value, p.path, e)
		out = reflect.Append(out, e)
	}
	v.Set(out)
}

func (d *document) array(n *yaml.Node, path string, v reflect.Value) {
	items, ok := d.items(n, path)
	if !ok {
		return
	}
	if len(items) != v.Len() {
		d.fault(perennial.FieldError{Path: path, Rule: perennial.RuleType, Message: fmt.Sprintf("%s must be two numbers like [0, 1].", label(path))})
		return
	}
	for i, p := range items {
		d.value(p.value, p.path, v.Index(i))
	}
}

func (d *document) text(n *yaml.Node, path string) (string, bool) {
	switch {
	case n.Kind != yaml.ScalarNode:
		d.wrong(n, path, "a text")
		return "", false
	case n.ShortTag() != "!!str":
		d.fault(perennial.FieldError{Path: path, Rule: perennial.RuleType, Came: shorten(n.Value), Message: fmt.Sprintf("%s must be a text: write it in quotes, %q.", label(path), shorten(n.Value))})
		return "", false
	}
	return n.Value, true
}

func (d *document) integer(n *yaml.Node, path string, v reflect.Value) {
	var i int64
	if n.ShortTag() != "!!int" || n.Decode(&i) != nil {
		d.wrong(n, path, "a whole number")
		return
	}
	v.SetInt(i)
}

func (d *document) number(n *yaml.Node, path string) (float64, bool) {
	var f float64
	if tag := n.ShortTag(); tag != "!!int" && tag != "!!float" || n.Decode(&f) != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		d.wrong(n, path, "a finite number")
		return 0, false
	}
	return f, true
}

// wrong says that a value is of another type than wanted.
func (d *document) wrong(n *yaml.Node, path, want string) {
	f := perennial.FieldError{Path: path, Rule: perennial.RuleType}
	came := "a list"
	switch n.Kind {
	case yaml.ScalarNode:
		came = strconv.Quote(shorten(n.Value))
		f.Came = shorten(n.Value)
	case yaml.MappingNode:
		came = "a mapping"
	case yaml.SequenceNode, yaml.DocumentNode, yaml.AliasNode:
	}
	f.Message = fmt.Sprintf("%s must be %s, not %s.", label(path), want, came)
	d.fault(f)
}

// field is one field of a struct that a file may set.
type field struct {
	name      string
	index     int
	omitempty bool // an empty value says nothing
}

// fieldsOf lists a struct's fields by their json names, without the name of what
// a file names by its key.
func fieldsOf(t reflect.Type) []field {
	var out []field
	for i := range t.NumField() {
		if t.Field(i).Name == "Name" && (t == reflect.TypeFor[perennial.Column]() || t == reflect.TypeFor[perennial.ColumnPrep]()) {
			continue
		}
		name, options, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		out = append(out, field{name: name, index: i, omitempty: options == "omitempty"})
	}
	return out
}

// label names what a path points to in a sentence: "tuning.trials",
// "candidates[0]", "The file" for the root.
func label(path string) string {
	if path == "" {
		return "The file"
	}
	var b strings.Builder
	for part := range strings.SplitSeq(path[1:], "/") {
		part = strings.NewReplacer("~1", "/", "~0", "~").Replace(part)
		switch _, err := strconv.Atoi(part); {
		case err == nil && b.Len() > 0:
			b.WriteString("[" + part + "]")
		case b.Len() > 0:
			b.WriteString("." + part)
		default:
			b.WriteString(part)
		}
	}
	return shorten(b.String())
}

// in gives the beginning of a dotted name inside a path.
func in(path string) string {
	if path == "" {
		return ""
	}
	return label(path) + "."
}

// shorten keeps a value of the file readable in a message.
func shorten(s string) string {
	if r := []rune(s); len(r) > 80 {
		return string(r[:80]) + "…"
	}
	return s
}
