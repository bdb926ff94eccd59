package archtest_test

import (
	"bufio"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
)

const module = "github.com/perennial-ml/perennial"

// order is imports.txt, read.
type order struct {
	layers []layer
	beside map[string][]string // unit → units of its own layer that it may import
	never  []rule
	only   []rule
	std    []string
	full   []string
}

// layer is one line of packages; a unit is a package, or with "/..." a tree.
type layer struct {
	name  string
	units []string
}

// rule ties one name to others: a package to imports it must never name, or an
// import to the packages that alone may name it.
type rule struct {
	subject string
	objects []string
}

// readOrder reads imports.txt; a line it doesn't know is an error.
func readOrder(file string) (*order, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	o := &order{beside: map[string][]string{}}
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		text, _, _ := strings.Cut(lines.Text(), "#")
		words := strings.Fields(text)
		if len(words) == 0 {
			continue
		}
		if !o.add(words) {
			return nil, fmt.Errorf("%s:%d: can't read %q", file, n, text)
		}
	}
	return o, lines.Err()
}

func (o *order) add(words []string) bool {
	if len(words) < 2 {
		return false
	}
	subject, objects := words[1], words[2:]
	switch words[0] {
	case "std":
		o.std = append(o.std, subject)
		return len(objects) == 0
	case "full":
		o.full = append(o.full, subject)
		return len(objects) == 0
	case "layer":
		o.layers = append(o.layers, layer{name: subject, units: objects})
	case "beside":
		o.beside[subject] = objects
	case "never":
		o.never = append(o.never, rule{subject, objects})
	case "only":
		o.only = append(o.only, rule{subject, objects})
	default:
		return false
	}
	return len(objects) > 0
}

// place finds the layer and the unit of a package, given relative to the
// module; the root is ".".
func (o *order) place(pkg string) (level int, unit string, ok bool) {
	for i, l := range o.layers {
		for _, u := range l.units {
			if inUnit(pkg, u) {
				return i, u, true
			}
		}
	}
	return 0, "", false
}

func inUnit(pkg, unit string) bool {
	tree, whole := strings.CutSuffix(unit, "/...")
	return pkg == tree || whole && strings.HasPrefix(pkg, tree+"/")
}

// within reports whether an import path is prefix or below it.
func within(imported, prefix string) bool {
	return imported == prefix || strings.HasPrefix(imported, prefix+"/")
}

// relative gives an import path of this module as place wants it.
func relative(imported string) (pkg string, ours bool) {
	if imported == module {
		return ".", true
	}
	return strings.CutPrefix(imported, module+"/")
}

// check gives what is wrong with one import in one file, "" where nothing is.
func (o *order) check(f source, imported string) string {
	if fault := o.checkOnly(f, imported); fault != "" || f.test {
		return fault
	}
	if slices.Contains(o.std, f.pkg) && !standard(imported) {
		return "may import the standard library only"
	}
	for _, r := range o.never {
		if !inUnit(f.pkg, r.subject) {
			continue
		}
		if i := slices.IndexFunc(r.objects, func(p string) bool { return forbids(p, imported) }); i >= 0 {
			return "must never import " + r.objects[i]
		}
	}
	return o.checkLayer(f.pkg, imported)
}

func (o *order) checkOnly(f source, imported string) string {
	for _, r := range o.only {
		if !within(imported, r.subject) {
			continue
		}
		self, _ := relative(imported)
		if f.test && self == f.pkg || slices.ContainsFunc(r.objects, func(u string) bool { return inUnit(f.pkg, u) }) {
			continue
		}
		// Tests may hold a client of whatever they test, but never link a server.
		if f.test && !strings.Contains(r.subject, "server") {
			continue
		}
		return "is not among those that may import " + r.subject
	}
	if slices.Contains(o.full, imported) && !f.test && f.constraint != "!lean" {
		return "needs the build constraint !lean to import " + imported
	}
	return ""
}

func (o *order) checkLayer(pkg, imported string) string {
	target, ours := relative(imported)
	if !ours {
		return ""
	}
	from, unit, ok := o.place(pkg)
	if !ok {
		return "stands in no layer of imports.txt"
	}
	to, other, ok := o.place(target)
	switch {
	case !ok:
		return "imports a package that stands in no layer of imports.txt"
	case to < from, unit == other, to == from && slices.Contains(o.beside[unit], other):
		return ""
	default:
		return fmt.Sprintf("is in layer %s and must not import %s of layer %s", o.layers[from].name, other, o.layers[to].name)
	}
}

// forbids matches an import against a never rule: a standard package exactly,
// everything else with what is below it.
func forbids(prefix, imported string) bool {
	if standard(prefix) {
		return prefix == imported
	}
	return within(imported, prefix)
}

// standard reports whether an import path belongs to Go itself: its first
// element has no dot.
func standard(imported string) bool {
	first, _, _ := strings.Cut(imported, "/")
	return !strings.Contains(first, ".")
}

// glob gives depguard's file pattern of a unit.
func glob(unit string) string {
	tree, whole := strings.CutSuffix(unit, "/...")
	switch {
	case tree == ".":
		return "${config-path}/*.go"
	case whole:
		return "${config-path}/" + tree + "/**"
	default:
		return "${config-path}/" + path.Join(tree, "*.go")
	}
}

// importPath gives the path that denies a unit.
func importPath(unit string) string {
	tree := strings.TrimSuffix(unit, "/...")
	if tree == "." {
		return module + "$"
	}
	return module + "/" + tree
}
