package pipeline

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/models/preprocess"
)

// Spec is a pipeline with everything that it refers to but the data: what an
// applied pipeline is, and what a training bundle carries.
type Spec struct {
	Pipeline perennial.Pipeline `json:"pipeline"`           // with all defaults
	Schema   perennial.Schema   `json:"schema"`             // with all defaults
	Given    []int              `json:"given,omitempty"`    // rows of a given split's test part, from 0
	Source   string             `json:"source,omitempty"`   // the pipeline file as written
	Revision string             `json:"revision,omitempty"` // see Hash
}

// Features lists the columns that a model of the pipeline is given: the schema's
// features that the preparation doesn't drop.
func (s *Spec) Features() []perennial.Column {
	schema := s.Schema
	schema.Columns = slices.Clone(schema.Columns)
	preprocess.Ignore(s.Pipeline.Preprocess, &schema)
	return schema.Features()
}

// canonical is the JSON that a revision is the hash of: pipeline, schema and
// given rows after defaults. Comments and the order of keys change nothing.
func (s *Spec) canonical() []byte {
	b, err := json.Marshal(Spec{Pipeline: s.Pipeline, Schema: s.Schema, Given: s.Given})
	if err != nil {
		panic("pipeline: " + err.Error()) // numbers that JSON can't hold don't pass the decoder
	}
	return b
}

// Hash gives the revision of a spec: the sha256, in hexadecimal, of its pipeline,
// schema and given rows in canonical JSON.
func (s *Spec) Hash() string {
	sum := sha256.Sum256(s.canonical())
	return hex.EncodeToString(sum[:])
}

// decode gives what could be read, also where there are faults; nil where
// nothing could.
func decode(file string, b []byte) (*perennial.Pipeline, *document) {
	d := parse(file, b)
	if d.root == nil {
		return nil, d
	}
	p := defaultPipeline()
	d.value(d.root, "", reflect.ValueOf(&p).Elem())
	byTask(&p)
	validator{d}.pipeline(&p)
	return &p, d
}

// Load reads one pipeline file, its schema and its split file and checks them
// against each other, the algorithms and the metrics. file is relative to the
// project or absolute; the paths in it are relative to the project and can't
// leave it. All faults of all three files come at once in one *perennial.Error of
// code invalid (malformed where a file is no YAML), each with file, line and JSON
// pointer; a pipeline file that isn't there is not_found.
func Load(project, file string) (*Spec, error) {
	spec, faults, err := load(directory(project), file)
	if err != nil {
		return nil, err
	}
	if err := failure("pipeline.Load", faults); err != nil {
		return nil, err
	}
	return spec, nil
}

// LoadFiles is Load of files that came by themselves: path within the project to
// content.
func LoadFiles(files map[string]string, file string) (*Spec, error) {
	const op = "pipeline.LoadFiles"
	spec, faults, err := load(contents(files), file)
	if err != nil {
		return nil, perennial.Wrap(op, err)
	}
	return spec, failure(op, faults)
}

// Files reads, from a project's directory, the files that LoadFiles wants for a
// loaded pipeline; name is the pipeline file's path within the project.
func Files(project string, spec *Spec, name string) (map[string]string, error) {
	files := map[string]string{name: spec.Source}
	others := []string{spec.Pipeline.Schema}
	if spec.Pipeline.Split.By == perennial.SplitGiven {
		others = append(others, spec.Pipeline.Split.File)
	}
	for _, other := range others {
		b, err := directory(project).read(other)
		if err != nil {
			return nil, perennial.Errorf(codeOf(err), "pipeline.Files", "%s can't be read: %s", other, reason(err)).Because(err)
		}
		files[other] = string(b)
	}
	return files, nil
}

// source is where the files of a pipeline come from.
type source interface {
	first(file string) ([]byte, error) // the pipeline file
	read(name string) ([]byte, error)  // a file that it names, within the project
	display(file string) string        // as seen from the project
}

// directory is a project on disk.
type directory string

func (d directory) first(file string) ([]byte, error) { return os.ReadFile(within(string(d), file)) }
func (d directory) display(file string) string        { return display(string(d), file) }

func (d directory) read(name string) ([]byte, error) {
	root, err := os.OpenRoot(string(d)) // a symbolic link doesn't lead out either
	if err != nil {
		return nil, err
	}
	b, err := root.ReadFile(name)
	return b, errors.Join(err, root.Close())
}

// contents are files in memory, by path.
type contents map[string]string

func (c contents) first(file string) ([]byte, error) { return c.read(file) }
func (c contents) display(file string) string        { return file }

func (c contents) read(name string) ([]byte, error) {
	text, ok := c[name]
	if !ok {
		return nil, &fs.PathError{Op: "read", Path: name, Err: errors.New("it isn't among the files sent")}
	}
	return []byte(text), nil
}

// load gives the spec where there are no faults. The error is for a pipeline
// file that can't be read.
func load(from source, file string) (*Spec, []perennial.FieldError, error) {
	b, err := from.first(file)
	if err != nil {
		return nil, nil, perennial.Errorf(codeOf(err), "pipeline.Load", "the pipeline file %s can't be read: %s", from.display(file), reason(err)).Because(err)
	}
	p, d := decode(from.display(file), b)
	if p == nil {
		return nil, d.faults, nil
	}
	spec := &Spec{Pipeline: *p, Source: string(b)}
	var others []perennial.FieldError
	if text, ok := d.read(from, "/schema", p.Schema); ok {
		schema, sd := decodeSchema(p.Schema, text)
		others = append(others, sd.faults...)
		if schema != nil {
			spec.Schema = *schema
			validator{d}.against(p, schema)
		}
	}
	if p.Split.By == perennial.SplitGiven {
		if text, ok := d.read(from, "/split/file", p.Split.File); ok {
			given, found := decodeGiven(p.Split.File, text)
			spec.Given, others = given, append(others, found...)
		}
	}
	if len(d.faults)+len(others) > 0 {
		return nil, append(d.faults, others...), nil
	}
	spec.Revision = spec.Hash()
	return spec, nil, nil
}

// read reads a file that the pipeline file names at a path; what is wrong with
// it becomes a fault there. A path that is already known to be wrong isn't tried.
func (d *document) read(from source, at, name string) ([]byte, bool) {
	if name == "" || slices.ContainsFunc(d.faults, func(f perennial.FieldError) bool { return f.Path == at }) {
		return nil, false
	}
	b, err := from.read(name)
	if err != nil {
		d.check(perennial.FieldError{Path: at, Rule: RulePath, Came: name, Message: fmt.Sprintf("%s can't be read: %s.", name, reason(err))})
		return nil, false
	}
	return b, true
}

// decodeGiven reads a given split: the header "row", then one row index a line.
func decodeGiven(file string, b []byte) (rows []int, faults []perennial.FieldError) {
	bad := func(line int, rule, format string, args ...any) {
		if len(faults) < maxFaults {
			faults = append(faults, perennial.FieldError{File: file, Line: line, Rule: rule, Message: fmt.Sprintf(format, args...)})
		}
	}
	seen := map[int]int{}
	line := 0
	for text := range strings.Lines(strings.TrimPrefix(string(b), "\xef\xbb\xbf")) {
		line++
		text = strings.TrimRight(text, "\r\n")
		if line == 1 {
			if text != "row" {
				bad(1, RuleSyntax, "A split file begins with the header \"row\", not %q; below it, one a line, stand the rows of the test side: their places in the data file, counted from 0.", shorten(text))
			}
			continue
		}
		if text == "" {
			continue
		}
		row, err := strconv.Atoi(text)
		if err != nil || row < 0 {
			bad(line, perennial.RuleType, "%q is no row of the test side: give its place in the data file, counted from 0, the header not counted.", shorten(text))
			continue
		}
		if first, again := seen[row]; again {
			bad(line, RuleDuplicate, "Row %d stands here again; it was first given in line %d.", row, first)
			continue
		}
		seen[row] = line
		rows = append(rows, row)
	}
	if len(faults) == 0 && len(rows) == 0 {
		bad(1, perennial.RuleRequired, "The split file lists no rows.")
	}
	return rows, faults
}

// within gives the place of a file that is relative to the project.
func within(project, file string) string {
	if filepath.IsAbs(file) {
		return file
	}
	return filepath.Join(project, file)
}

// display names a file as seen from the project.
func display(project, file string) string {
	if rel, err := filepath.Rel(project, file); filepath.IsAbs(file) && err == nil && filepath.IsLocal(rel) {
		file = rel
	}
	return filepath.ToSlash(file)
}

func codeOf(err error) perennial.Code {
	if errors.Is(err, fs.ErrNotExist) {
		return perennial.CodeNotFound
	}
	return perennial.CodeInvalid
}

// reason gives the end of a file error's chain, which names no path.
func reason(err error) string {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err.Error()
	}
	return "it can't be opened"
}
