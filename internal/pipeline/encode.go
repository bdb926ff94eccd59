package pipeline

import (
	"bytes"
	"maps"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/perennial-ml/perennial"
)

// EncodeYAML writes a pipeline as a complete file with every setting, defaults
// included. Load reads it back to the same pipeline. What is empty and has no
// default is left out.
func EncodeYAML(p *perennial.Pipeline) ([]byte, error) {
	const op = "pipeline.EncodeYAML"
	n, err := node(reflect.ValueOf(*p))
	if err != nil {
		return nil, perennial.Wrap(op, err)
	}
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(n); err != nil {
		return nil, perennial.Wrap(op, err)
	}
	return b.Bytes(), perennial.Wrap(op, e.Close())
}

// node turns a value into YAML, the counterpart of document.value.
func node(v reflect.Value) (*yaml.Node, error) {
	switch x := v.Interface().(type) {
	case perennial.Duration:
		return leaf(short(x))
	case perennial.Limit:
		if x.Relative {
			return leaf(x.String())
		}
		return leaf(x.Value)
	case []perennial.ColumnPrep:
		n := &yaml.Node{Kind: yaml.MappingNode}
		for _, c := range x {
			if err := put(n, c.Name, reflect.ValueOf(c)); err != nil {
				return nil, err
			}
		}
		return n, nil
	case []perennial.SearchParam:
		return searchNode(x)
	case map[string]any:
		n := &yaml.Node{Kind: yaml.MappingNode}
		for _, name := range slices.Sorted(maps.Keys(x)) {
			if err := put(n, name, reflect.ValueOf(x[name])); err != nil {
				return nil, err
			}
		}
		return n, nil
	}
	switch v.Kind() {
	case reflect.Pointer:
		return node(v.Elem())
	case reflect.Struct:
		return structNode(v)
	case reflect.Slice, reflect.Array:
		n := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
		for i := range v.Len() {
			e, err := node(reflect.ValueOf(v.Index(i).Interface()))
			if err != nil {
				return nil, err
			}
			if e.Kind != yaml.ScalarNode {
				n.Style = 0
			}
			n.Content = append(n.Content, e)
		}
		return n, nil
	default:
		return leaf(v.Interface())
	}
}

// structNode writes the fields in their order, without what is empty and marked
// omitempty.
func structNode(v reflect.Value) (*yaml.Node, error) {
	n := &yaml.Node{Kind: yaml.MappingNode}
	for _, f := range fieldsOf(v.Type()) {
		x := v.Field(f.index)
		empty := x.IsZero() || (x.Kind() == reflect.Map || x.Kind() == reflect.Slice) && x.Len() == 0
		if empty && f.omitempty {
			continue
		}
		value, err := node(x)
		if err != nil {
			return nil, err
		}
		if x.Kind() == reflect.Struct && value.Kind == yaml.MappingNode && len(value.Content) == 0 {
			continue // a section with nothing in it
		}
		n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: f.name}, value)
	}
	return n, nil
}

// short writes a duration as people do: 24h, not 24h0m0s.
func short(d perennial.Duration) string {
	s := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(s, zero) {
			s = s[:len(s)-2]
		}
	}
	return s
}

func searchNode(params []perennial.SearchParam) (*yaml.Node, error) {
	n := &yaml.Node{Kind: yaml.MappingNode}
	for _, s := range params {
		bounds := reflect.ValueOf([]float64{s.Low, s.High})
		if s.Kind == perennial.SearchChoice {
			bounds = reflect.ValueOf(s.Choices)
		}
		inner := &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle}
		if err := put(inner, string(s.Kind), bounds); err != nil {
			return nil, err
		}
		key, err := leaf(s.Name)
		if err != nil {
			return nil, err
		}
		n.Content = append(n.Content, key, inner)
	}
	return n, nil
}

// put adds a key with a value to a mapping.
func put(n *yaml.Node, name string, v reflect.Value) error {
	key, err := leaf(name)
	if err != nil {
		return err
	}
	value, err := node(v)
	if err != nil {
		return err
	}
	n.Content = append(n.Content, key, value)
	return nil
}

// leaf writes a scalar as the YAML library does it, which quotes what would not
// read back as a text, but for the merge key.
func leaf(x any) (*yaml.Node, error) {
	n := &yaml.Node{}
	err := n.Encode(x)
	if _, text := x.(string); text && n.ShortTag() != "!!str" {
		n.Tag, n.Style = "!!str", yaml.DoubleQuotedStyle
	}
	return n, err
}
