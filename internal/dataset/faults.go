package dataset

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/perennial-ml/perennial"
)

// The rules a file can break besides those of perennial's values.
const (
	RuleDuplicate = "duplicate" // a column name that stands twice in the header
	RuleRagged    = "ragged"    // a row with more or fewer fields than the header
	RuleSyntax    = "syntax"    // quotes that don't close, bytes that aren't UTF-8
	RuleEmpty     = "empty"     // no header or no rows
)

// maxListed is how many faults an error lists; all of them are counted.
const maxListed = 20

// Report says what Read let pass with a warning.
type Report struct {
	Rows     int       `json:"rows"`
	Warnings []Warning `json:"warnings,omitempty"` // by schema column, then rule; extra columns last
}

// Warning counts the values of one column that broke one rule and were kept.
type Warning struct {
	Column  string `json:"column"`
	Rule    string `json:"rule"`
	Count   int    `json:"count"` // values; 1 for a whole column
	Line    int    `json:"line"`  // of the first one, 1-based
	Came    string `json:"came,omitempty"`
	Message string `json:"message"` // of the first one
}

// collector gathers the faults and warnings of one file.
type collector struct {
	file     string
	listed   []perennial.FieldError
	total    int
	warnings map[[2]string]*Warning // by column and rule
	order    []string               // the columns' order in the report
}

// add counts a fault and lists it while there is room.
func (c *collector) add(f perennial.FieldError) {
	c.total++
	if len(c.listed) < maxListed {
		f.File = c.file
		c.listed = append(c.listed, f)
	}
}

// warn counts a warning of a column and keeps its first message.
func (c *collector) warn(column, rule, message, came string, line int) {
	if c.warnings == nil {
		c.warnings = map[[2]string]*Warning{}
	}
	w := c.warnings[[2]string{column, rule}]
	if w == nil {
		w = &Warning{Column: column, Rule: rule, Line: line, Came: shorten(came), Message: message}
		c.warnings[[2]string{column, rule}] = w
	}
	w.Count++
}

// err gives all faults as one error, nil where there are none.
func (c *collector) err() error {
	if c.total == 0 {
		return nil
	}
	message := fmt.Sprintf("%s has %d faults", c.file, c.total)
	if c.total == 1 {
		message = fmt.Sprintf("%s has 1 fault", c.file)
	}
	first := c.listed[0]
	where := ""
	if first.Line > 0 {
		where = fmt.Sprintf("line %d: ", first.Line)
	}
	if c.total > len(c.listed) {
		message += fmt.Sprintf(", of which the first %d are listed", len(c.listed))
	}
	e := perennial.Errorf(perennial.CodeInvalid, "dataset.Read", "%s; %s%s", message, where, first.Message).
		WithHint("Mend the rows, or loosen the schema where the values are right.")
	e.Fields = c.listed
	return e
}

// report gives the warnings in the schema's order.
func (c *collector) report(rows int) Report {
	r := Report{Rows: rows}
	for _, w := range c.warnings {
		r.Warnings = append(r.Warnings, *w)
	}
	place := func(w Warning) int {
		if i := slices.Index(c.order, w.Column); i >= 0 {
			return i
		}
		return len(c.order)
	}
	slices.SortFunc(r.Warnings, func(a, b Warning) int {
		return cmp.Or(cmp.Compare(place(a), place(b)), strings.Compare(a.Column, b.Column), strings.Compare(a.Rule, b.Rule))
	})
	return r
}

// shorten keeps a value readable in a message: at most 80 bytes, valid UTF-8.
func shorten(s string) string {
	if len(s) > 80 {
		cut := 80
		for cut > 0 && !utf8.RuneStart(s[cut]) {
			cut--
		}
		s = s[:cut] + "…"
	}
	return strings.ToValidUTF8(s, "�")
}

// pointer escapes one part of a JSON pointer (RFC 6901).
func pointer(s string) string { return strings.NewReplacer("~", "~0", "/", "~1").Replace(shorten(s)) }
