package dvc

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/perennial-ml/perennial"
)

// editPointer gives the text of the .dvc file at rel with the content of one of
// its outputs moved to p's. Everything else stays: keys that dvc's users put
// there (desc, meta, remote, push, frozen, deps …), their order, comments. As
// dvc does it, a key that is new stands behind the others of its output. A file
// that isn't laid out as DVC does it is a conflict.
func editPointer(rel string, old []byte, p Pointer) ([]byte, error) {
	conflict := func(why string) error {
		return perennial.Errorf(perennial.CodeConflict, "", "%s can't be updated: %s", rel, why).WithHint("Move it with dvc add %s.", p.Path)
	}
	ps, err := parsePointers(rel, old)
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(ps, func(q Pointer) bool { return q.Path == p.Path })
	if at < 0 {
		return nil, conflict("it points at another file")
	}
	var root yaml.Node
	if err := yaml.Unmarshal(old, &root); err != nil {
		return nil, conflict(err.Error())
	}
	out := outputNode(root.Content[0], at)
	if out == nil {
		return nil, conflict("it isn't laid out as DVC does it")
	}
	e := pointerEditor{lines: slices.Collect(bytes.Lines(old)), out: out}
	if n := len(e.lines); n > 0 && !bytes.HasSuffix(e.lines[n-1], []byte("\n")) {
		e.lines[n-1] = append(bytes.Clone(e.lines[n-1]), '\n')
	}
	nfiles, isexec := "", ""
	if p.IsDir() {
		nfiles = fmt.Sprint(p.Files)
	}
	if p.Executable {
		isexec = "true"
	}
	for _, kv := range [][2]string{{"md5", inline(p.MD5)}, {"size", fmt.Sprint(p.Size)}, {"nfiles", nfiles}, {"isexec", isexec}, {"hash", "md5"}} {
		if !e.set(kv[0], kv[1]) {
			return nil, conflict("it isn't laid out as DVC does it")
		}
	}
	b := e.text()
	if !sameBut(old, b, at) {
		return nil, conflict("it isn't laid out as DVC does it")
	}
	came, err := parsePointers(rel, b)
	if err != nil {
		return nil, err
	}
	want := ps[at]
	want.MD5, want.Size, want.Files, want.Executable = p.MD5, p.Size, p.Files, p.Executable
	if came[at] != want {
		return nil, conflict("it isn't laid out as DVC does it")
	}
	return b, nil
}

// outputNode finds an output's mapping, if it is in block form.
func outputNode(root *yaml.Node, at int) *yaml.Node {
	outs := child(root, "outs")
	if outs == nil || outs.Kind != yaml.SequenceNode || outs.Style&yaml.FlowStyle != 0 || at >= len(outs.Content) {
		return nil
	}
	if n := outs.Content[at]; n.Kind == yaml.MappingNode && n.Style&yaml.FlowStyle == 0 && n.Anchor == "" {
		return n
	}
	return nil
}

// child gives the value of a mapping's key.
func child(n *yaml.Node, key string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

// pointerEditor changes one output of a .dvc file line by line.
type pointerEditor struct {
	lines [][]byte // each with its end; nil where a line was removed
	out   *yaml.Node
	added []byte // behind the output's last line
}

var scalarRE = later(`^('[^']*'|"[^"]*"|[^\s#'"]+)(\s*(?:#.*)?)$`)

// set gives a key of the output a value, or takes it away with "". It reports
// whether it could.
func (e *pointerEditor) set(key, value string) bool {
	for i := 0; i+1 < len(e.out.Content); i += 2 {
		k, v := e.out.Content[i], e.out.Content[i+1]
		if k.Value != key {
			continue
		}
		line := string(bytes.TrimRight(e.lines[k.Line-1], "\r\n"))
		if v.Kind != yaml.ScalarNode || v.Line != k.Line || v.Column > len(line) {
			return false
		}
		m := scalarRE().FindStringSubmatch(line[v.Column-1:])
		switch {
		case m == nil:
			return false
		case value != "":
			e.lines[k.Line-1] = []byte(line[:v.Column-1] + value + m[2] + "\n")
		case i == 0:
			return false // "- " stands before it
		default:
			e.lines[k.Line-1] = nil
		}
		return true
	}
	if value != "" {
		e.added = fmt.Appendf(e.added, "%s%s: %s\n", strings.Repeat(" ", e.out.Content[0].Column-1), key, value)
	}
	return true
}

// text gives the changed file.
func (e *pointerEditor) text() []byte {
	end := e.out.Content[0].Line // the output's last line: the last one of its own indent or deeper
	indent := e.out.Content[0].Column - 1
	for n := end; n < len(e.lines); n++ {
		line := e.lines[n]
		trimmed := bytes.TrimLeft(line, " ")
		if len(bytes.TrimSpace(line)) == 0 || trimmed[0] == '#' {
			continue
		}
		if line != nil && len(line)-len(trimmed) < indent {
			break
		}
		end = n + 1
	}
	return slices.Concat(bytes.Join(e.lines[:end], nil), e.added, bytes.Join(e.lines[end:], nil))
}

// sameBut reports whether two .dvc files differ in nothing but the content of one
// output.
func sameBut(x, y []byte, at int) bool {
	var a, b map[string]any
	if yaml.Unmarshal(x, &a) != nil || yaml.Unmarshal(y, &b) != nil {
		return false
	}
	for _, m := range []map[string]any{a, b} {
		outs, _ := m["outs"].([]any)
		if at >= len(outs) {
			return false
		}
		out, ok := outs[at].(map[string]any)
		if !ok {
			return false
		}
		for _, key := range []string{"md5", "size", "nfiles", "isexec", "hash"} {
			delete(out, key)
		}
	}
	return reflect.DeepEqual(a, b)
}
