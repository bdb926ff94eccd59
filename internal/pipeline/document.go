package pipeline

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/perennial-ml/perennial"
)

// The rules a file can break besides those of perennial's values.
const (
	RuleSyntax    = "syntax"        // no YAML
	RuleUnknown   = "unknown_key"   // a key that isn't one
	RuleDuplicate = "duplicate"     // a key or a value that stands twice
	RuleChoice    = "choice"        // not one of the allowed words
	RuleName      = "name"          // no valid name
	RulePath      = "path"          // no path inside the project, or nothing there
	RuleReference = "reference"     // names something that doesn't exist
	RuleApplies   = "applies"       // doesn't apply here
	RuleOneOf     = "one_of"        // none or several of what must be exactly one
	RuleSchedule  = "schedule"      // no cron expression, no time zone
	RuleVersion   = "not_available" // not in this version of Perennial
	RuleTooLarge  = "too_large"     // over a limit
)

const (
	maxFileBytes = 1 << 20 // a pipeline or schema file
	maxValues    = 50_000  // values in a file, each alias counted as often as it is used
	maxFaults    = 100     // faults kept of a file
)

// document is one YAML file while it is decoded and checked.
type document struct {
	file   string
	root   *yaml.Node
	faults []perennial.FieldError
	lines  map[string]int // JSON pointer → line, for what stands in the file
	values int            // visited so far
}

// parse reads the one YAML document of a file. Where it can't, the fault is in
// faults and root is nil.
func parse(file string, b []byte) *document {
	d := &document{file: file, lines: map[string]int{"": 1}}
	if len(b) > maxFileBytes {
		d.fault(perennial.FieldError{Rule: RuleTooLarge, Message: fmt.Sprintf("The file has %d bytes; a pipeline or schema file has at most %d.", len(b), maxFileBytes)})
		return d
	}
	decoder := yaml.NewDecoder(bytes.NewReader(b))
	var doc, more yaml.Node
	err := decoder.Decode(&doc)
	if err == nil {
		d.root = doc.Content[0]
		if err = decoder.Decode(&more); err == nil {
			d.root = nil
			d.fault(perennial.FieldError{Rule: RuleSyntax, Line: more.Line, Message: "The file holds a second YAML document; one file describes one thing."})
			return d
		}
	}
	switch {
	case errors.Is(err, io.EOF) && d.root == nil:
		d.fault(perennial.FieldError{Rule: perennial.RuleRequired, Line: 1, Message: "The file is empty."})
	case !errors.Is(err, io.EOF):
		d.root = nil
		d.syntax(b, err)
	}
	return d
}

var yamlLine = regexp.MustCompile(`(?s)^yaml: (?:line (\d+): )?(.*)$`)

// syntax turns the parser's error into a fault. The parser's own line is often
// that of what surrounds the fault, or the one before: it is looked for again.
func (d *document) syntax(b []byte, err error) {
	f := perennial.FieldError{Rule: RuleSyntax, Line: 1, Message: "The file is no YAML: " + err.Error() + "."}
	if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
		if line, err := strconv.Atoi(m[1]); err == nil {
			f.Line = line
		}
		f.Message = "The file is no YAML: " + m[2] + "."
	}
	if line := brokenLine(b); line > 0 {
		f.Line = line
	}
	d.fault(f)
}

// fault keeps a fault and finds its line, where it has none yet, from its path:
// the line of what it points to, or of the nearest thing around it.
func (d *document) fault(f perennial.FieldError) {
	if len(d.faults) >= maxFaults {
		return
	}
	if r := []rune(f.Path); len(r) > 300 {
		f.Path = string(r[:300])
	}
	f.File = d.file
	for p := f.Path; f.Line == 0; p = p[:strings.LastIndexByte(p, '/')] {
		f.Line = d.lines[p]
		if p == "" {
			break
		}
	}
	d.faults = append(d.faults, f)
}

// check keeps the fault of a later check, unless something is already known to
// be wrong at its path or around it.
func (d *document) check(f perennial.FieldError) {
	for _, have := range d.faults {
		if f.Path == have.Path || strings.HasPrefix(f.Path, have.Path+"/") {
			return
		}
	}
	d.fault(f)
}

// failure gives faults as one error, by file and line; nil where there are none.
// The code is malformed where nothing could be read at all, else invalid.
func failure(op string, faults []perennial.FieldError) error {
	if len(faults) == 0 {
		return nil
	}
	slices.SortStableFunc(faults, func(a, b perennial.FieldError) int {
		return cmp.Or(strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
	})
	code, files := perennial.CodeMalformed, map[string]bool{}
	for _, f := range faults {
		files[f.File] = true
		if f.Rule != RuleSyntax {
			code = perennial.CodeInvalid
		}
	}
	first := faults[0]
	where := first.File
	if first.Line > 0 {
		where += ":" + strconv.Itoa(first.Line)
	}
	message := fmt.Sprintf("%s: %s", where, first.Message)
	if more := len(faults) - 1; more > 0 {
		noun := "faults"
		if more == 1 {
			noun = "fault"
		}
		message += fmt.Sprintf(" There are %d more %s", more, noun)
		if len(files) > 1 {
			message += fmt.Sprintf(" in %d files", len(files))
		}
		message += "."
	}
	e := perennial.Errorf(code, op, "%s", message).WithHint("perennial pipeline validate FILE lists every fault.")
	e.Fields = faults
	return e
}

// join adds a part to a JSON pointer (RFC 6901).
func join(path, part string) string {
	return path + "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(part)
}
