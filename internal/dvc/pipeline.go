package dvc

import (
	"cmp"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/perennial-ml/perennial"
)

// instance is a stage of a dvc.yaml: one that stands there, or one of those that a
// foreach or a matrix makes.
type instance struct {
	name  string // as dvc.lock has it
	body  *yaml.Node
	wdir  string // the directory that its paths are relative to, relative to the project
	scope scope
}

// pipeline reads the stages of the dvc.yaml at a project-relative path, with their
// variables as dvc fills them in. What dvc refuses for its form or for a variable
// is invalid. Stages that need values that aren't read here are left out, and the
// error says so, caused by errUnread.
func (r *Repo) pipeline(read texts, rel string) (stages []instance, refused error) {
	root, err := readYAML(read, rel)
	if err != nil || root == nil {
		return nil, err
	}
	s := scope{r: r, read: read, file: rel}
	if _, err := read(path.Join(path.Dir(rel), paramsName)); !errors.Is(err, fs.ErrNotExist) {
		if err := s.load(path.Dir(rel), &yaml.Node{Kind: yaml.ScalarNode, Value: paramsName}); err != nil {
			return nil, err
		}
	}
	if err := s.add(path.Dir(rel), child(root, "vars")); err != nil {
		return nil, err
	}
	list := child(root, "stages")
	if list == nil {
		return nil, nil
	}
	if list.Kind != yaml.MappingNode {
		return nil, s.bad(list, "stages is no mapping")
	}
	for i := 0; i+1 < len(list.Content); i += 2 {
		made, err := s.stages(list.Content[i].Value, list.Content[i+1])
		if errors.Is(err, errUnread) {
			refused = cmp.Or(refused, err)
		} else if err != nil {
			return nil, err
		}
		stages = append(stages, made...)
	}
	return stages, refused
}

// readYAML reads a mapping from a file of the project; nil where it is empty.
func readYAML(read texts, rel string) (*yaml.Node, error) {
	b, err := read(rel)
	if err != nil {
		return nil, perennial.Errorf(perennial.CodeUnavailable, "", "can't read %s", rel).Because(err)
	}
	var doc yaml.Node
	var twice any
	if err = yaml.Unmarshal(b, &doc); err == nil {
		err = doc.Decode(&twice) // finds keys that stand there twice
	}
	if err != nil {
		why := strings.Join(strings.Fields(strings.TrimPrefix(err.Error(), "yaml: ")), " ")
		if !strings.Contains(why, "line ") {
			why = "line 1: " + why // of which the reader doesn't speak
		}
		return nil, perennial.Errorf(perennial.CodeInvalid, "", "%s can't be read: %s", rel, why).
			WithHint("Mend it there; dvc refuses it too.").Because(err)
	}
	if len(doc.Content) == 0 || doc.Content[0].ShortTag() == "!!null" {
		return nil, nil //nolint:nilnil // said above
	}
	if doc.Content[0].Kind != yaml.MappingNode {
		return nil, perennial.Errorf(perennial.CodeInvalid, "", "%s:%d: it is no mapping", rel, doc.Content[0].Line)
	}
	withoutAliases(&doc, map[*yaml.Node]bool{})
	return doc.Content[0], nil
}

// withoutAliases puts what aliases and merged keys (<<) stand for in their place.
func withoutAliases(n *yaml.Node, seen map[*yaml.Node]bool) {
	if seen[n] {
		return
	}
	seen[n] = true
	for i, c := range n.Content {
		if c.Kind == yaml.AliasNode {
			c = c.Alias
			n.Content[i] = c
		}
		withoutAliases(c, seen)
	}
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		if n.Content[i].ShortTag() != "!!merge" {
			continue
		}
		from := []*yaml.Node{n.Content[i+1]}
		if from[0].Kind == yaml.SequenceNode {
			from = from[0].Content
		}
		n.Content = slices.Delete(n.Content, i, i+2)
		i -= 2
		for _, m := range from {
			for j := 0; j+1 < len(m.Content); j += 2 {
				if child(n, m.Content[j].Value) == nil { // what stands there itself, or earlier, counts
					n.Content = append(n.Content, m.Content[j], m.Content[j+1])
				}
			}
		}
	}
}

// stages gives what an entry of "stages" makes.
func (s *scope) stages(name string, entry *yaml.Node) ([]instance, error) {
	foreach, matrix := child(entry, "foreach"), child(entry, "matrix")
	switch {
	case entry.Kind != yaml.MappingNode:
		return nil, s.bad(entry, "the stage %s is no mapping", name)
	case foreach == nil && matrix == nil:
		return s.stage(name, entry)
	case foreach != nil && child(entry, "do") == nil:
		return nil, s.bad(entry, "the stage %s has foreach and no do", name)
	}
	var items []iteration
	var err error
	body := entry
	if foreach != nil {
		items, err = s.foreach(foreach)
		body = child(entry, "do")
	} else {
		items, err = s.matrix(matrix)
	}
	if err != nil {
		return nil, err
	}
	var all []instance
	for _, it := range items {
		in := *s
		in.maps = append([]*yaml.Node{{Kind: yaml.MappingNode, Content: it.values}}, s.maps...)
		made, err := in.stage(name+"@"+it.key, body)
		if err != nil {
			return nil, err
		}
		all = append(all, made...)
	}
	return all, nil
}

// stage reads one stage; it gives none whose directory can't be known.
func (s *scope) stage(name string, body *yaml.Node) ([]instance, error) {
	one := instance{name: name, body: body, wdir: path.Dir(s.file)}
	if body.Kind != yaml.MappingNode || child(body, "cmd") == nil {
		return nil, s.bad(body, "the stage %s has no cmd", name)
	}
	if wdir := child(body, "wdir"); wdir != nil {
		dir, err := s.fill(wdir)
		if err != nil {
			return nil, err
		}
		if path.IsAbs(dir) {
			return nil, s.unread(wdir, "the stage "+name+" has an absolute wdir")
		}
		one.wdir = path.Join(one.wdir, dir)
	}
	one.scope = *s
	one.scope.maps, one.scope.files = slices.Clone(s.maps), slices.Clone(s.files)
	err := one.scope.add(one.wdir, child(body, "vars"))
	for i := 0; i+1 < len(body.Content) && err == nil; i += 2 {
		if body.Content[i].Value != "vars" {
			err = one.scope.check(body.Content[i+1])
		}
	}
	return []instance{one}, err
}

// iteration is one turn of a foreach or a matrix: its key, and the variables item
// and, with some, key.
type iteration struct {
	key    string
	values []*yaml.Node
}

func textNode(s string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s} }

// foreach gives the turns of a list, by index where it isn't plain, or of a mapping.
func (s *scope) foreach(n *yaml.Node) (items []iteration, err error) {
	data, err := s.resolve(n)
	if err != nil {
		return nil, err
	}
	switch data.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(data.Content); i += 2 {
			key, err := s.text(data.Content[i])
			if err != nil {
				return nil, err
			}
			items = append(items, iteration{key, []*yaml.Node{textNode("item"), data.Content[i+1], textNode("key"), textNode(key)}})
		}
	case yaml.SequenceNode:
		composite := slices.ContainsFunc(data.Content, func(n *yaml.Node) bool { return n.Kind != yaml.ScalarNode })
		for i, item := range data.Content {
			key := strconv.Itoa(i)
			if !composite {
				if key, err = s.text(item); err != nil {
					return nil, err
				}
			}
			items = append(items, iteration{key, []*yaml.Node{textNode("item"), item}})
		}
	default:
		return nil, s.bad(n, "foreach is neither a list nor a mapping")
	}
	return items, nil
}

// matrix gives the turns of all combinations, the last list's items changing first.
func (s *scope) matrix(n *yaml.Node) ([]iteration, error) {
	data, err := s.resolve(n)
	if err != nil {
		return nil, err
	}
	if data.Kind != yaml.MappingNode {
		return nil, s.bad(n, "matrix is no mapping")
	}
	turns := []iteration{{}}
	for i := 0; i+1 < len(data.Content); i += 2 {
		name, list := data.Content[i], data.Content[i+1]
		if list.Kind != yaml.SequenceNode {
			return nil, s.bad(n, "%s of the matrix is no list", name.Value)
		}
		var next []iteration
		for _, t := range turns {
			for j, v := range list.Content {
				key := name.Value + strconv.Itoa(j)
				if v.Kind == yaml.ScalarNode {
					if key, err = s.text(v); err != nil {
						return nil, err
					}
				}
				if i > 0 {
					key = t.key + "-" + key
				}
				next = append(next, iteration{key, append(slices.Clone(t.values), name, v)})
			}
		}
		turns = next
	}
	for i, t := range turns {
		turns[i].values = []*yaml.Node{textNode("item"), {Kind: yaml.MappingNode, Content: t.values}, textNode("key"), textNode(t.key)}
	}
	return turns, nil
}

// load adds the variables of a file, or those that an entry such as "a.yaml:b,c"
// names of it.
func (s *scope) load(dir string, entry *yaml.Node) error {
	name, keys, some := strings.Cut(entry.Value, ":")
	rel := path.Join(dir, name)
	if _, err := s.r.abs(rel); err != nil || slices.Contains([]string{".toml", ".py"}, path.Ext(name)) {
		s.other = rel
		return nil // only what needs it is refused
	}
	root, err := readYAML(s.read, rel)
	if errors.Is(err, fs.ErrNotExist) {
		return s.bad(entry, "vars names %s, which doesn't exist", rel)
	}
	if err != nil || root == nil {
		return err
	}
	if some {
		picked := &yaml.Node{Kind: yaml.MappingNode}
		for key := range strings.SplitSeq(keys, ",") {
			if key == "" {
				continue
			}
			v := child(root, key)
			if v == nil {
				return s.bad(entry, "vars names %s of %s, which isn't there", key, rel)
			}
			picked.Content = append(picked.Content, textNode(key), v)
		}
		root = picked
	}
	return s.merge(entry, rel, root)
}
