package dvc

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/perennial-ml/perennial"
)

// Mapping is a value of a file of parameters that has values of its own, in the
// file's order.
type Mapping []Param

// Param is one of them: nil, bool, int, int64, uint64, float64, string, []any or
// Mapping.
type Param struct {
	Name  string
	Value any
}

// ReadParams reads parameters from a YAML or JSON file of the project as dvc
// does: those named, where a dot leads into a mapping, or without names every
// value at the top. A missing file or parameter is not_found; a value that
// Perennial can't write as dvc would is invalid.
func (r *Repo) ReadParams(projectPath string, names []string) (ParamsFile, error) {
	const op = "dvc.ReadParams"
	out := ParamsFile{Path: projectPath, Values: map[string]any{}}
	file, err := r.abs(projectPath)
	if err != nil {
		return out, perennial.Wrap(op, err)
	}
	b, err := os.ReadFile(file) //nolint:gosec // abs keeps it inside the project
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return out, perennial.Errorf(perennial.CodeNotFound, op, "%s, a file of parameters, doesn't exist", projectPath).Because(err)
	case err != nil:
		return out, perennial.Errorf(perennial.CodeUnavailable, op, "can't read %s", projectPath).Because(err)
	}
	all, err := parseParams(projectPath, b)
	if err != nil {
		return out, perennial.Wrap(op, err)
	}
	for _, p := range all {
		if len(names) == 0 {
			out.Values[p.Name] = p.Value
		}
	}
	for _, name := range names {
		v, ok := all.find(name)
		if !ok {
			return out, perennial.Errorf(perennial.CodeNotFound, op, "%s has no parameter %s", projectPath, name)
		}
		out.Values[name] = v
	}
	return out, nil
}

// find follows a dotted name.
func (m Mapping) find(name string) (any, bool) {
	first, rest, nested := strings.Cut(name, ".")
	for _, p := range m {
		if p.Name != first {
			continue
		}
		if !nested {
			return p.Value, true
		}
		below, _ := p.Value.(Mapping)
		return below.find(rest)
	}
	return nil, false
}

// parseParams reads a file of parameters, a mapping at its top.
func parseParams(name string, b []byte) (Mapping, error) {
	switch path.Ext(name) {
	case ".yaml", ".yml", ".json":
	default:
		return nil, perennial.Errorf(perennial.CodeInvalid, "", "%s: parameters are read from YAML and JSON", name).WithHint("Run: dvc commit")
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(b, &doc); err != nil {
		return nil, perennial.Errorf(perennial.CodeInvalid, "", "%s can't be read: %v", name, err).Because(err)
	}
	if len(doc.Content) == 0 {
		return Mapping{}, nil
	}
	v, err := paramOf(name, doc.Content[0], 0)
	if err != nil {
		return nil, err
	}
	m, ok := v.(Mapping)
	if !ok {
		return nil, perennial.Errorf(perennial.CodeInvalid, "", "%s is no mapping", name)
	}
	return m, nil
}

// maxDepth bounds how deep the values of a file are read.
const maxDepth = 100

// sameIntRE matches whole numbers that YAML 1.1 and 1.2 read alike.
var sameIntRE = later(`^[-+]?(0|[1-9][0-9]*)$`)

func paramOf(name string, n *yaml.Node, depth int) (any, error) {
	bad := func(what string) error {
		return perennial.Errorf(perennial.CodeInvalid, "", "%s:%d: %s, which Perennial doesn't write to dvc.lock", name, n.Line, what).
			WithHint("Write it another way, or run dvc commit in the place of this.")
	}
	switch {
	case depth > maxDepth:
		return nil, bad("values are nested too deep")
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		return nil, bad("there is an anchor or an alias")
	case n.Kind == yaml.SequenceNode:
		list := make([]any, len(n.Content))
		for i, item := range n.Content {
			v, err := paramOf(name, item, depth+1)
			if err != nil {
				return nil, err
			}
			list[i] = v
		}
		return list, nil
	case n.Kind == yaml.MappingNode:
		m := make(Mapping, 0, len(n.Content)/2)
		for i := 0; i < len(n.Content); i += 2 {
			key := n.Content[i]
			if key.ShortTag() != "!!str" {
				n = key
				return nil, bad("the key " + key.Value + " is no text")
			}
			v, err := paramOf(name, n.Content[i+1], depth+1)
			if err != nil {
				return nil, err
			}
			m = append(m, Param{key.Value, v})
		}
		return m, nil
	}
	return scalarOf(n, bad)
}

func scalarOf(n *yaml.Node, bad func(string) error) (v any, err error) {
	switch n.ShortTag() {
	case "!!str":
		return n.Value, nil
	case "!!null":
		return nil, nil //nolint:nilnil // null is its value
	case "!!bool", "!!float":
	case "!!int":
		if !sameIntRE().MatchString(n.Value) {
			return nil, bad("the number " + n.Value + " isn't written in plain digits")
		}
	default:
		return nil, bad("there is a value of the kind " + n.ShortTag())
	}
	if n.Style != 0 || n.Decode(&v) != nil {
		return nil, bad("the value " + n.Value + " can't be read")
	}
	return v, nil
}

// writeParam writes the value of a key that stands at an indent and ends at a
// column, with its line end.
func writeParam(b *bytes.Buffer, v any, indent, column int) error {
	switch v := v.(type) {
	case Mapping:
		if len(v) == 0 {
			break
		}
		b.WriteByte('\n')
		for _, p := range v {
			b.WriteString(strings.Repeat(" ", indent+2))
			if err := writeEntry(b, p, indent+2); err != nil {
				return err
			}
		}
		return nil
	case []any:
		if len(v) == 0 {
			break
		}
		b.WriteByte('\n')
		return writeItems(b, v, indent, true)
	}
	text, err := scalar(v, column, indent+2)
	b.WriteString(text + "\n")
	return err
}

// writeEntry writes a key, whose indent is written already, and its value.
func writeEntry(b *bytes.Buffer, p Param, indent int) error {
	key := inline(p.Name)
	if strings.Contains(p.Name, "\n") { // DVC writes a key of several lines with a question mark
		b.WriteString("? " + key + "\n" + strings.Repeat(" ", indent) + ":")
		if p.Value == nil {
			b.WriteByte('\n')
			return nil
		}
		return writeItem(b, p.Value, indent)
	}
	b.WriteString(key + ":")
	return writeParam(b, p.Value, indent, indent+utf8.RuneCountInString(key)+1)
}

// writeItems writes the items of a list at an indent. first says that not even
// the first one's indent is written yet.
func writeItems(b *bytes.Buffer, items []any, indent int, first bool) error {
	for i, item := range items {
		if i > 0 || first {
			b.WriteString(strings.Repeat(" ", indent))
		}
		b.WriteByte('-')
		if err := writeItem(b, item, indent); err != nil {
			return err
		}
	}
	return nil
}

func writeItem(b *bytes.Buffer, item any, indent int) error {
	switch v := item.(type) {
	case Mapping:
		for i, p := range v {
			b.WriteString([]string{" ", strings.Repeat(" ", indent+2)}[min(i, 1)])
			if err := writeEntry(b, p, indent+2); err != nil {
				return err
			}
		}
		if len(v) > 0 {
			return nil
		}
	case []any:
		if len(v) > 0 {
			b.WriteByte(' ')
			return writeItems(b, v, indent+2, false)
		}
	case nil:
		b.WriteString(" \n") // with a space behind the dash, unlike a key's
		return nil
	}
	text, err := scalar(item, indent+1, indent+2)
	b.WriteString(text + "\n")
	return err
}

// scalar writes what stands behind a colon or a dash, with the space between.
func scalar(v any, column, indent int) (string, error) {
	switch v := v.(type) {
	case Mapping:
		return " {}", nil
	case []any:
		return " []", nil
	default:
		return value(v, column, indent)
	}
}
