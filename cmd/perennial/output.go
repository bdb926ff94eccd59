package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/client"
)

// print writes a value as JSON where --json is set, else by text.
func (c *cli) print(v any, text func(w io.Writer)) error {
	if c.json {
		enc := json.NewEncoder(c.out)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		return enc.Encode(v)
	}
	w := tabwriter.NewWriter(c.out, 0, 4, 2, ' ', 0)
	text(w)
	return w.Flush()
}

// row writes one line of a table.
func row(w io.Writer, cells ...any) {
	for i, cell := range cells {
		if i > 0 {
			fmt.Fprint(w, "\t")
		}
		fmt.Fprint(w, cell)
	}
	fmt.Fprintln(w)
}

// field writes one line of a two-column description; an empty value is left out.
func field(w io.Writer, name string, value any) {
	if text := fmt.Sprint(value); text != "" {
		row(w, name+":", text)
	}
}

// sayf writes a line for people to stderr.
func (c *cli) sayf(format string, args ...any) {
	fmt.Fprintf(c.err, format+"\n", args...)
}

// printError explains an error: what is wrong, each single fault, what to do.
func (c *cli) printError(err error) {
	message, hint, fields := perennial.Explain(err)
	if c.json {
		enc := json.NewEncoder(c.err)
		enc.SetEscapeHTML(false)
		_ = enc.Encode(map[string]any{"code": perennial.CodeOf(err), "detail": message, "hint": hint, "errors": fields}) //nolint:errchkjson // nobody is left to tell
		return
	}
	if perennial.CodeOf(err) == perennial.CodeInternal && hint == "" {
		message = err.Error() // on this side of the wire the cause is the reader's own
	}
	c.sayf("perennial: %s", message)
	if len(fields) == 1 && (fields[0].Message == message || place(fields[0])+fields[0].Message == message) {
		fields = nil // the message says it all
	}
	for _, f := range fields {
		c.sayf("  %s%s", place(f), f.Message)
	}
	if hint != "" {
		c.sayf("%s", hint)
	}
}

// place names a fault's file and line, or its path in a request.
func place(f perennial.FieldError) string {
	switch {
	case f.File != "" && f.Line > 0:
		return f.File + ":" + strconv.Itoa(f.Line) + ": "
	case f.File != "":
		return f.File + ": "
	case f.Path != "":
		return f.Path + ": "
	}
	return ""
}

func (c *cli) printUsageError(cmd *cobra.Command, err error) {
	message := err.Error()
	if e, ok := errors.AsType[*perennial.Error](err); ok {
		message = e.Message
	}
	c.sayf("perennial: %s", message)
	c.sayf("Run '%s --help' for how to use it.", cmd.CommandPath())
}

// dash shows an empty text as "-".
func dash(s string) string { return cmp.Or(s, "-") }

// short gives the beginning of a hash or an id.
func short(s string) string { return s[:min(len(s), 8)] }

// when shows a time in the reader's zone; the zero time is "-".
func when(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format("2006-01-02 15:04:05") //nolint:gosmopolitan // for people, where they are
}

// minute shows a time to the minute, for tables that have much to show.
func minute(t time.Time) string {
	text := when(t)
	return text[:max(len(text)-len(":00"), 1)]
}

func whenMaybe(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return when(*t)
}

// number shows a metric as client.Figure does; nil, no number, is "nan".
func number(v *float64) string {
	if v == nil {
		return "nan"
	}
	return client.Figure(*v)
}

// pairs shows a map as "a=1 b=2", by key.
func pairs[V any](m map[string]V, show func(V) string) string {
	parts := make([]string, 0, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, k+"="+show(m[k]))
	}
	return strings.Join(parts, " ")
}

func same(s string) string { return s }
