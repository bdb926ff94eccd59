package infer

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/pipeline"
)

// Options is what the person says about the file. Target is required; of columns
// the names are meant, without the spaces around them.
type Options struct {
	Target   string
	Name     string         // of the pipeline; "": from the file's name
	Path     string         // what data.path gets: relative to the project, with slashes; "": data/raw/<name>.csv
	ID       string         // the row's id; "": found, or none
	Time     string         // split by this column: the latest rows are held out
	Group    string         // split by this column: rows of one group share a side
	Ignore   []string       //
	Positive string         // the positive class; "": chosen
	Task     perennial.Task // "": decided by the target's values
}

// Draft is a pipeline with its schema, for a person to read and to change.
type Draft struct {
	Name         string
	Rows         int // without those that have no target
	Columns      int // of the file
	Pipeline     []byte
	PipelineFile string // its place in the project
	Schema       []byte
	SchemaFile   string
	Spec         *pipeline.Spec  // both, as package pipeline reads them
	Example      json.RawMessage // the features of one row of the file, as a request sends them
	Notes        []Note
}

// Note is something that a person should know of the draft.
type Note struct {
	Warning bool   `json:"warning"` // something of the file isn't used, or may be wrong
	Column  string `json:"column,omitempty"`
	Text    string `json:"text"`
}

// Infer reads a CSV file (or .csv.gz, by its name) to its end and drafts the
// pipeline and the schema that train on it. file names it in messages; it needn't
// be the draft's Path. Memory is bounded by the number of columns.
//
// Errors are code invalid where the file can't be read as it is, with line and
// advice, or where an option doesn't fit it; too_large above 1 GiB of text;
// unavailable where reading fails; deadline where ctx ends. An internal error is
// a draft that package pipeline refuses.
func Infer(ctx context.Context, file string, in io.Reader, o Options) (*Draft, error) {
	if err := o.complete(file); err != nil {
		return nil, err
	}
	s, err := look(ctx, file, in, &o)
	if err != nil {
		return nil, err
	}
	f, err := decide(s)
	if err != nil {
		return nil, err
	}
	a, err := s.goals(f, &o)
	if err != nil {
		return nil, err
	}
	p := &planner{s: s, f: f, a: a, o: &o, dayFirst: f.way == 1 || s.dialect.delimiter == ';'}
	columns, err := p.choices()
	if err != nil {
		return nil, err
	}
	if err := p.enough(columns); err != nil {
		return nil, err
	}
	d := &Draft{
		Name: o.Name, Rows: a.rows, Columns: len(s.columns), Notes: p.notes,
		PipelineFile: "pipelines/" + o.Name + ".yaml", SchemaFile: "pipelines/" + o.Name + ".schema.yaml",
	}
	w := writer{planner: p, columns: columns, draft: d}
	d.Pipeline, d.Schema = w.pipeline(), w.schema()
	d.Notes = p.notes
	d.Spec, err = pipeline.LoadFiles(map[string]string{d.PipelineFile: string(d.Pipeline), d.SchemaFile: string(d.Schema)}, d.PipelineFile)
	if err != nil {
		_, _, faults := perennial.Explain(err)
		if i := slices.IndexFunc(faults, func(f perennial.FieldError) bool { return f.Rule == pipeline.RuleTooLarge }); i >= 0 {
			return nil, refuse(file, 1, "its columns and categories are too many for a schema: %s", faults[i].Message).WithHint("Leave columns out of the file, or names and values that are very long.")
		}
		e := perennial.Errorf(perennial.CodeInternal, "infer.Infer", "the draft for %s isn't valid; this is a fault of Perennial", file).Because(err)
		e.Fields = faults
		return nil, e
	}
	d.Example = s.example(f, columns)
	return d, nil
}

// complete checks the options and fills in names.
func (o *Options) complete(file string) error {
	o.Target = strings.TrimSpace(o.Target)
	bad := func(format string, args ...any) error {
		return perennial.Errorf(perennial.CodeInvalid, "infer.Infer", format, args...)
	}
	if o.Target == "" {
		return bad("--target is missing: name the column that is to be predicted")
	}
	if o.Name == "" {
		o.Name = NameFor(file)
	}
	switch {
	case !perennial.ValidName(o.Name):
		return bad("%q can't be the pipeline's name: small letters, digits and hyphens, at most 63, beginning with a letter", o.Name)
	case o.Time != "" && o.Group != "":
		return bad("--time and --group are two ways to split the rows: choose one")
	case o.Task != "" && o.Task != perennial.Classification && o.Task != perennial.Regression:
		return bad("--task is classification or regression, not %q", o.Task)
	case o.Positive != "" && o.Task == perennial.Regression:
		return bad("--positive belongs to classification")
	}
	if o.Path == "" {
		o.Path = "data/raw/" + o.Name + ".csv"
	}
	return nil
}

// NameFor makes a pipeline's name from a file's: "Wine Quality (red).csv" is
// wine-quality-red.
func NameFor(file string) string {
	base := strings.ToLower(path.Base(strings.ReplaceAll(file, `\`, "/")))
	base = strings.TrimSuffix(base, ".gz")
	base = strings.TrimSuffix(base, path.Ext(base))
	var b strings.Builder
	for _, r := range base {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	name := strings.Trim(b.String(), "-")
	if name == "" || name[0] < 'a' {
		name = strings.Trim("data-"+name, "-")
	}
	return strings.TrimRight(name[:min(len(name), 63)], "-")
}

// enough refuses a file without a feature, and tells of few rows.
func (p *planner) enough(columns []choice) error {
	features := 0
	for i := range columns {
		if columns[i].feature() {
			features++
		}
	}
	if features == 0 {
		e := refuse(p.s.file, 0, "no column is left to learn from")
		for _, c := range columns {
			if c.column.Role == perennial.RoleIgnore {
				e.Fields = append(e.Fields, perennial.FieldError{File: p.s.file, Path: "/columns/" + c.column.Name, Rule: "applies", Message: c.column.Name + ": " + c.why + "."})
			}
		}
		return e
	}
	a := p.a
	if a.rows < 100 {
		p.notef(true, "", "%d rows are few: scores vary widely from split to split", a.rows)
	}
	if a.missing > 0 {
		p.notef(true, a.column.Name, "%d rows have no target and are left out", a.missing)
	}
	if p.f.doubt == a.column.Name {
		p.notef(true, a.column.Name, "its commas can be decimal commas or thousands separators; see data.csv")
	}
	if len(p.dates) > 0 && p.o.Time == "" && p.o.Group == "" {
		p.notef(false, p.dates[0], "rows have dates (%s): where the future is to be predicted, split by time with --time %s", strings.Join(p.dates, ", "), quoted(p.dates[0]))
	}
	if a.whole {
		p.notef(false, a.column.Name, "%d different whole numbers were taken as classes; --task regression takes them as numbers", len(a.classes))
	}
	if len(a.classes) > 50 {
		p.notef(true, a.column.Name, "%d classes are many; those with few rows can't be learned", len(a.classes))
	}
	if twice := odd(a.classes); twice != "" {
		p.notef(true, a.column.Name, "%s, and each is a class of its own; write them alike in the data where that isn't meant", twice)
	}
	p.headless()
	if n := a.counts[a.smallest]; a.smallest != "" && n < learnable {
		p.notef(true, a.column.Name, "too few rows of the class %s to learn or to test it: %d", quoted(a.smallest), n)
	}
	return nil
}

// headless warns where each column of numbers has a number for its name.
func (p *planner) headless() {
	name := ""
	for _, c := range p.s.columns {
		if p.f.kind(c) != kindNumber {
			continue
		}
		if _, ok := parseNumber(c.name); !ok {
			return
		}
		name = c.name
	}
	if name != "" {
		p.notef(true, name, "the columns of numbers have numbers for names: is line 1 a row and no names? Then write names above it, or this row is lost")
	}
}

// example gives a row as a request sends it.
func (s *survey) example(f *form, columns []choice) json.RawMessage {
	cells := map[string]string{}
	for i, c := range s.columns {
		cells[c.name] = s.sample[i]
	}
	var b strings.Builder
	for i := range columns {
		c := &columns[i]
		if !c.feature() {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%s:%s", jsonText(c.column.Name), f.value(&c.column, cells[c.column.Name]))
	}
	return json.RawMessage("{" + b.String() + "}")
}

// value gives a cell as JSON.
func (f *form) value(c *perennial.Column, cell string) string {
	if f.nulls[cell] || cell == "" {
		return "null"
	}
	switch c.Type {
	case perennial.TypeNumeric, perennial.TypeInteger:
		if n, ok := parseNumber(cell); ok && !math.IsNaN(n.value[f.way]) {
			b, err := json.Marshal(n.value[f.way])
			if err == nil {
				return string(b)
			}
		}
		return "null"
	case perennial.TypeBoolean:
		v, _ := perennial.ParseBool(cell)
		return strconv.FormatBool(v)
	default:
		return jsonText(cell)
	}
}

// jsonText writes a text as JSON, with < and & as they are.
func jsonText(s string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		return `""`
	}
	return strings.TrimSuffix(b.String(), "\n")
}
