package pipeline

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/perennial-ml/perennial"
)

// Broken is a pipeline file of a directory that can't be put in force.
type Broken struct {
	File string // as seen from the project
	Name string // of its pipeline; "" where the file doesn't tell
	Err  error  // as Load gives it
}

// LoadDir loads every *.yaml of a directory that is no *.schema.yaml, sorted by
// file name; dir is relative to the project or absolute. A file with faults keeps
// no other from being loaded: it is in broken, and so is the second of two files
// with one name. The error is for a directory that can't be read.
func LoadDir(project, dir string) (specs []*Spec, broken []Broken, err error) {
	const op = "pipeline.LoadDir"
	entries, err := os.ReadDir(within(project, dir))
	if err != nil {
		return nil, nil, perennial.Errorf(codeOf(err), op, "the pipeline directory %s can't be read: %s", dir, reason(err)).Because(err)
	}
	files := map[string]string{} // name → file
	for _, e := range entries {
		if e.IsDir() || !strings.HasSuffix(e.Name(), ".yaml") || strings.HasSuffix(e.Name(), ".schema.yaml") {
			continue
		}
		file := filepath.Join(dir, e.Name())
		shown := display(project, file)
		spec, err := Load(project, file)
		if err != nil {
			broken = append(broken, Broken{File: shown, Name: nameIn(within(project, file)), Err: perennial.Wrap(op, err)})
			continue
		}
		name := spec.Pipeline.Name
		if first, ok := files[name]; ok {
			broken = append(broken, Broken{File: shown, Name: name, Err: failure(op, []perennial.FieldError{{
				Path: "/name", Rule: RuleDuplicate, Came: name, File: shown, Line: lineOfName(spec.Source), Message: fmt.Sprintf("The name %s is taken by %s.", name, first),
			}})})
			continue
		}
		files[name] = shown
		specs = append(specs, spec)
	}
	return specs, broken, nil
}

// Faults joins what is wrong with several files into one error, nil for none.
func Faults(broken []Broken) error {
	var all []perennial.FieldError
	for _, b := range broken {
		_, _, fields := perennial.Explain(b.Err)
		if len(fields) == 0 {
			return b.Err // it can't even be read
		}
		all = append(all, fields...)
	}
	return failure("pipeline.Faults", all)
}

var nameLine = regexp.MustCompile(`(?m)^name:[ \t]*["']?([a-z][a-z0-9-]*)["']?[ \t]*(?:#.*)?\r?$`)

// nameIn finds the name in a file that may be no YAML, "" where there is none.
func nameIn(file string) string {
	b, err := os.ReadFile(file) //nolint:gosec // a file of the project's pipelines
	if err != nil {
		return ""
	}
	m := nameLine.FindSubmatch(b)
	if m == nil || !perennial.ValidName(string(m[1])) {
		return ""
	}
	return string(m[1])
}

// lineOfName gives the line in which a pipeline file has its name, 0 for none.
func lineOfName(source string) int {
	at := nameLine.FindStringIndex(source)
	if at == nil {
		return 0
	}
	return strings.Count(source[:at[0]], "\n") + 1
}
