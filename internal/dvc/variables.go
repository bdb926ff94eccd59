package dvc

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/perennial-ml/perennial"
)

// scope is what the variables of a dvc.yaml, ${…}, stand for in one place of it.
type scope struct {
	r     *Repo
	read  texts
	file  string       // the dvc.yaml, relative to the project
	maps  []*yaml.Node // the first one that has a name counts
	files []string     // that were loaded whole or in part
	other string       // a file that may have more, in a form that isn't read here
}

// bad says which line dvc refuses.
func (s *scope) bad(n *yaml.Node, format string, args ...any) *perennial.Error {
	return perennial.Errorf(perennial.CodeInvalid, "", "%s:%d: %s", s.file, n.Line, fmt.Sprintf(format, args...)).WithHint("Mend it there; dvc refuses it too.")
}

// unread says which line can't be understood here.
func (s *scope) unread(n *yaml.Node, why string) *perennial.Error {
	return perennial.Errorf(perennial.CodePrecondition, "", "%s:%d: %s, which this version doesn't understand", s.file, n.Line, why).
		WithHint("Name the data to move, which leaves that stage out, or use dvc push and dvc pull.").Because(errUnread)
}

// add adds a list of variables: mappings, and files beside dir.
func (s *scope) add(dir string, vars *yaml.Node) error {
	if vars == nil {
		return nil
	}
	if vars.Kind != yaml.SequenceNode {
		return s.bad(vars, "vars is no list")
	}
	for _, v := range vars.Content {
		var err error
		switch v.Kind {
		case yaml.MappingNode:
			err = s.merge(v, "vars", v)
		case yaml.ScalarNode:
			err = s.load(dir, v)
		default:
			err = s.bad(v, "an entry of vars is neither a file nor a mapping")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// merge adds variables from a place. Nothing may be defined twice, but a file may
// be named again.
func (s *scope) merge(at *yaml.Node, from string, vars *yaml.Node) error {
	if slices.Contains(s.files, from) && from != "vars" && !strings.Contains(at.Value, ":") {
		return nil
	}
	for _, m := range s.maps {
		if name := inBoth(m, vars); name != "" {
			return s.bad(at, "%s is defined twice, the second time by %s", name, from)
		}
	}
	s.maps, s.files = append(s.maps, vars), append(s.files, from)
	return nil
}

// inBoth gives a name that two mappings define, "" if none.
func inBoth(a, b *yaml.Node) string {
	for i := 0; i+1 < len(b.Content); i += 2 {
		name := b.Content[i].Value
		switch x, y := child(a, name), b.Content[i+1]; {
		case x == nil:
		case x.Kind != yaml.MappingNode || y.Kind != yaml.MappingNode:
			return name
		default:
			if inner := inBoth(x, y); inner != "" {
				return name + "." + inner
			}
		}
	}
	return ""
}

// find gives the value of a name such as a.b or a[0].b.
func (s *scope) find(at *yaml.Node, name string) (*yaml.Node, error) {
	parts := strings.Split(strings.NewReplacer("[", ".", "]", "").Replace(name), ".")
	for _, m := range s.maps {
		n := m
		for _, part := range parts {
			part = strings.TrimSpace(part)
			if n.Kind == yaml.SequenceNode {
				i, err := strconv.Atoi(part)
				if err != nil || i < 0 || i >= len(n.Content) {
					n = nil
					break
				}
				n = n.Content[i]
				continue
			}
			if n = child(n, part); n == nil {
				break
			}
		}
		if n != nil {
			return n, nil
		}
	}
	if s.other != "" {
		return nil, s.unread(at, "${"+name+"} may come of "+s.other)
	}
	return nil, s.bad(at, "${%s} is not defined", name)
}

// cut takes a text apart at its first variable. "\${" stands for "${" itself.
func cut(text string) (before, name, after string, found bool) {
	for from := 0; ; {
		i := strings.Index(text[from:], "${")
		if i < 0 {
			return text, "", "", false
		}
		i += from
		end := strings.IndexByte(text[i:], '}')
		if i > 0 && text[i-1] == '\\' || end < 0 {
			from = i + 2
			continue
		}
		return text[:i], text[i+2 : i+end], text[i+end+1:], true
	}
}

// fill gives a text with its variables filled in.
func (s *scope) fill(n *yaml.Node) (string, error) {
	if n.Kind != yaml.ScalarNode {
		return "", s.bad(n, "a text belongs here")
	}
	var b strings.Builder
	rest := n.Value
	for {
		before, name, after, found := cut(rest)
		b.WriteString(strings.ReplaceAll(before, `\${`, "${"))
		if !found {
			return b.String(), nil
		}
		v, err := s.find(n, name)
		if err != nil {
			return "", err
		}
		text, err := s.text(v)
		if err != nil {
			return "", s.unread(n, "${"+name+"} is no plain value")
		}
		b.WriteString(text)
		rest = after
	}
}

// text writes a plain value as dvc does in a text.
func (s *scope) text(n *yaml.Node) (string, error) {
	switch tag := n.ShortTag(); {
	case n.Kind != yaml.ScalarNode:
	case tag == "!!str":
		return n.Value, nil
	case tag == "!!bool":
		return strings.ToLower(n.Value), nil
	case tag == "!!null":
		return "None", nil
	case tag == "!!int" && sameIntRE().MatchString(n.Value):
		return strings.TrimPrefix(n.Value, "+"), nil
	case tag == "!!float":
		var v float64
		if n.Decode(&v) == nil {
			return float(v), nil
		}
	}
	return "", s.unread(n, "the value "+n.Value)
}

// resolve gives a value with the variables in it filled in; one that is a variable
// alone becomes its value.
func (s *scope) resolve(n *yaml.Node) (*yaml.Node, error) {
	if n.Kind == yaml.ScalarNode {
		before, name, after, found := cut(n.Value)
		switch {
		case !found:
			return n, nil
		case before+after == "":
			return s.find(n, name)
		}
		text, err := s.fill(n)
		return textNode(text), err
	}
	out := *n
	out.Content = make([]*yaml.Node, len(n.Content))
	for i, c := range n.Content {
		var err error
		if out.Content[i], err = s.resolve(c); err != nil {
			return nil, err
		}
	}
	return &out, nil
}

// check refuses variables that aren't defined, anywhere in a value. What may be
// defined in a place that isn't read here passes.
func (s *scope) check(n *yaml.Node) error {
	for rest := n.Value; ; {
		_, name, after, found := cut(rest)
		if !found {
			break
		}
		if _, err := s.find(n, name); err != nil && perennial.CodeOf(err) == perennial.CodeInvalid {
			return err
		}
		rest = after
	}
	for _, c := range n.Content {
		if err := s.check(c); err != nil {
			return err
		}
	}
	return nil
}
