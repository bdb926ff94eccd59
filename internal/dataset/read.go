package dataset

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/perennial-ml/perennial"
)

// MaxBytes bounds a file after decompression: 1 GiB.
const MaxBytes = 1 << 30

// Read decodes a data file against its schema. The name (relative to the
// project) gives the format: .csv or .csv.gz, with a header, in UTF-8 with or
// without a byte order mark, LF or CRLF. Spaces around names and values don't
// count. Columns may stand in any order; those of role ignore are not read, all
// others are required, and their names must be unique. The zero CSVOptions read
// commas, decimal points and no null values.
//
// Values go through perennial.Column.FromText, so that training sees what
// serving sees. Categorical and id columns keep their text, in the order of
// first appearance; a categorical without Values takes any text. An id and a
// target are never null; with NullTarget drop a row without a target is left out
// and counted as a warning.
//
// All faults come back at once in one *perennial.Error of code invalid: the
// first 20 as Fields with file, line, column ("/rows/<row from 0>/<column>") and
// rule, the total in the message. Values that are let pass with a warning are
// counted in the Report. Other codes: too_large over MaxBytes, deadline where
// ctx ends. Memory stays within a small multiple of the file's size, whatever
// the file holds.
func Read(ctx context.Context, name string, b []byte, schema *perennial.Schema, options perennial.CSVOptions) (*perennial.Table, Report, error) {
	b, err := text(name, b)
	if err != nil {
		return nil, Report{}, err
	}
	comma, err := dialect(options)
	if err != nil {
		return nil, Report{}, err
	}
	r := csv.NewReader(bytes.NewReader(b))
	r.Comma, r.FieldsPerRecord, r.ReuseRecord = comma, -1, true
	r.TrimLeadingSpace = !unicode.IsSpace(comma)

	d := &decoder{collector: collector{file: name}, schema: schema, numbers: NumbersOf(options), nulls: nullSet(options.NullValues), target: -1}
	if !d.header(r) {
		return nil, Report{}, d.err()
	}
	if options.NullTarget == perennial.NullTargetDrop {
		d.findTarget()
	}
	d.prepare(min(bytes.Count(b, []byte{'\n'})+1, len(b)/d.width+1))
	if err := d.rows(ctx, r); err != nil {
		return nil, Report{}, err
	}
	if err := d.err(); err != nil {
		return nil, d.report(d.row), err
	}
	t := &perennial.Table{Schema: *schema, Columns: make([]perennial.Series, len(schema.Columns)), Rows: d.row - d.dropped}
	for i := range d.columns {
		t.Columns[d.columns[i].index] = d.columns[i].series
	}
	return t, d.report(t.Rows), nil
}

// text gives a file's text without compression and byte order mark.
func text(name string, b []byte) ([]byte, error) {
	const op = "dataset.Read"
	lower := strings.ToLower(name)
	switch {
	case strings.HasSuffix(lower, ".parquet"):
		return nil, perennial.Errorf(perennial.CodeInvalid, op, "%s is Parquet, and this version reads CSV only", name).
			WithHint("Export it as .csv or .csv.gz.")
	case strings.HasSuffix(lower, ".csv.gz"):
		z, err := gzip.NewReader(bytes.NewReader(b))
		if err == nil {
			b, err = io.ReadAll(io.LimitReader(z, MaxBytes+1))
		}
		if err != nil {
			return nil, perennial.Errorf(perennial.CodeMalformed, op, "%s is no complete gzip file", name).Because(err)
		}
	case strings.HasSuffix(lower, ".csv"):
	default:
		return nil, perennial.Errorf(perennial.CodeInvalid, op, "%s is no data file: its name ends in neither .csv nor .csv.gz", name)
	}
	if len(b) > MaxBytes {
		return nil, perennial.Errorf(perennial.CodeTooLarge, op, "%s holds more than %d MiB of text", name, MaxBytes>>20)
	}
	if bytes.HasPrefix(b, []byte("\xff\xfe")) || bytes.HasPrefix(b, []byte("\xfe\xff")) {
		return nil, perennial.Errorf(perennial.CodeInvalid, op, "%s is UTF-16", name).WithHint("Save it as UTF-8.")
	}
	return bytes.TrimPrefix(b, []byte("\xef\xbb\xbf")), nil
}

// dialect checks the options and gives the delimiter.
func dialect(o perennial.CSVOptions) (comma rune, err error) {
	const op = "dataset.Read"
	comma = ','
	decimal := '.'
	if o.Delimiter != "" {
		c, n := utf8.DecodeRuneInString(o.Delimiter)
		if n != len(o.Delimiter) || c == utf8.RuneError || strings.ContainsRune("\"\r\n", c) || c == 0 {
			return 0, perennial.Errorf(perennial.CodeInvalid, op, "the CSV delimiter must be one character and no quote or line end, not %q", o.Delimiter)
		}
		comma = c
	}
	switch o.Decimal {
	case "", ".":
	case ",":
		decimal = ','
	default:
		return 0, perennial.Errorf(perennial.CodeInvalid, op, "the decimal sign must be . or , not %q", o.Decimal)
	}
	if decimal == comma {
		return 0, perennial.Errorf(perennial.CodeInvalid, op, "the CSV delimiter and the decimal sign are both %q", string(comma)).
			WithHint("Files with decimal commas are usually separated by semicolons.")
	}
	return comma, nil
}

func nullSet(values []string) map[string]bool {
	set := make(map[string]bool, len(values))
	for _, v := range values {
		set[v] = true
	}
	return set
}

// decoder holds the state of one Read.
type decoder struct {
	collector
	schema  *perennial.Schema
	numbers Numbers
	nulls   map[string]bool
	columns []columnDecoder
	width   int // fields of the header
	row     int // data rows so far, ragged ones included
	target  int // where rows without a target are dropped, its place in columns; else -1
	dropped int // rows without a target
}

// header reads the header and finds each column of the schema in it; false
// means that no row can be read.
func (d *decoder) header(r *csv.Reader) bool {
	record, err := r.Read()
	if err != nil {
		if errors.Is(err, io.EOF) {
			d.add(perennial.FieldError{Path: "", Rule: RuleEmpty, Message: "The file is empty: it needs a header and rows."})
			return false
		}
		d.syntax(err)
		return false
	}
	d.width = len(record)
	at := make(map[string]int, len(record))
	for i, name := range record {
		name = strings.TrimSpace(name)
		record[i] = name
		if _, double := at[name]; double {
			if c, known := d.schema.Column(name); known && c.Role == perennial.RoleIgnore || !known && d.schema.ExtraColumns != perennial.ExtraReject {
				continue // neither of them is read
			}
			d.add(perennial.FieldError{Path: "/columns/" + pointer(name), Rule: RuleDuplicate, Line: 1, Message: fmt.Sprintf("The column %q stands more than once in the header.", shorten(name))})
			continue
		}
		at[strings.Clone(name)] = i
	}
	known := make(map[string]bool, len(d.schema.Columns))
	for i := range d.schema.Columns {
		c := &d.schema.Columns[i]
		known[c.Name] = true
		d.order = append(d.order, c.Name)
		if c.Role == perennial.RoleIgnore {
			continue
		}
		field, ok := at[c.Name]
		if !ok {
			d.add(perennial.FieldError{Path: "/columns/" + pointer(c.Name), Rule: perennial.RuleRequired, Line: 1, Allowed: headerNames(record),
				Message: fmt.Sprintf("The column %s of the schema is missing from the header.", c.Name)})
			continue
		}
		d.columns = append(d.columns, newColumnDecoder(c, i, field))
	}
	for _, name := range record {
		if !known[name] {
			d.extra(name)
		}
	}
	return true
}

// extra treats a column that the schema doesn't name.
func (d *decoder) extra(name string) {
	message := fmt.Sprintf("The column %q isn't in the schema.", shorten(name))
	switch d.schema.ExtraColumns {
	case perennial.ExtraReject:
		d.add(perennial.FieldError{Path: "/columns/" + pointer(name), Rule: perennial.RuleExtra, Line: 1, Message: message})
	case perennial.ExtraWarn:
		d.warn(shorten(name), perennial.RuleExtra, message, "", 1)
	case perennial.ExtraIgnore:
	}
}

func headerNames(record []string) []string {
	names := make([]string, 0, min(len(record), maxListed))
	for _, n := range record[:cap(names)] {
		names = append(names, shorten(n))
	}
	return names
}

// prepare makes room for as many rows as the file can hold, unless it is
// already known that no table comes of it.
func (d *decoder) prepare(rows int) {
	if d.total > 0 {
		return
	}
	for i := range d.columns {
		d.columns[i].grow(rows)
	}
}

// rows reads all rows.
func (d *decoder) rows(ctx context.Context, r *csv.Reader) error {
	for ; ; d.row++ {
		if d.row%1024 == 0 && ctx.Err() != nil {
			return perennial.Errorf(perennial.CodeDeadline, "dataset.Read", "reading %s was stopped", d.file).Because(ctx.Err())
		}
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			d.syntax(err)
			continue
		}
		if len(record) != d.width {
			line, _ := r.FieldPos(0)
			d.add(perennial.FieldError{Path: fmt.Sprintf("/rows/%d", d.row), Rule: RuleRagged, Line: line,
				Message: fmt.Sprintf("The row has %d fields, the header has %d.", len(record), d.width)})
			continue
		}
		if d.drops(r, record) {
			continue
		}
		for i := range d.columns {
			d.cell(r, &d.columns[i], record[d.columns[i].field])
		}
	}
	if d.row > 0 && d.row == d.dropped {
		d.add(perennial.FieldError{Path: "/rows", Rule: RuleEmpty, Line: 1, Message: "The file has rows, but no row has a target."})
	}
	if d.row == 0 {
		d.add(perennial.FieldError{Path: "/rows", Rule: RuleEmpty, Line: 1, Message: "The file has a header and no rows."})
	}
	return nil
}

// findTarget looks for the column whose nulls drop their rows.
func (d *decoder) findTarget() {
	d.target = slices.IndexFunc(d.columns, func(c columnDecoder) bool { return c.column.Role == perennial.RoleTarget })
}

// drops leaves a row out whose target is null, and counts it.
func (d *decoder) drops(r *csv.Reader, record []string) bool {
	if d.target < 0 {
		return false
	}
	c := &d.columns[d.target]
	s := strings.TrimSpace(record[c.field])
	if !d.nulls[s] {
		return false
	}
	d.dropped++
	line, _ := r.FieldPos(c.field)
	d.warn(c.column.Name, perennial.RuleRequired, "A row without "+c.column.Name+" is left out.", s, line)
	return true
}

// cell decodes one value and stores it while the file is without faults.
func (d *decoder) cell(r *csv.Reader, c *columnDecoder, s string) {
	s = strings.TrimSpace(s)
	fault := c.decode(s, d.nulls, &d.numbers, d.total == 0)
	if fault == nil {
		return
	}
	line, _ := r.FieldPos(c.field)
	if fault.Warning {
		d.warn(c.column.Name, fault.Rule, fault.Message, s, line)
		return
	}
	d.add(perennial.FieldError{Path: fmt.Sprintf("/rows/%d/%s", d.row, pointer(c.column.Name)), Rule: fault.Rule, Came: shorten(s),
		Allowed: fault.Allowed, Line: line, Message: fault.Message})
}

// syntax counts a fault of the CSV itself.
func (d *decoder) syntax(err error) {
	f := perennial.FieldError{Path: fmt.Sprintf("/rows/%d", d.row), Rule: RuleSyntax, Message: "The row is no CSV."}
	if p, ok := errors.AsType[*csv.ParseError](err); ok {
		f.Line = p.Line
		switch {
		case errors.Is(p.Err, csv.ErrQuote):
			f.Line, f.Message = p.StartLine, "A quoted field isn't closed, or has a quote inside that isn't doubled."
		case errors.Is(p.Err, csv.ErrBareQuote):
			f.Message = "A field has a quote but doesn't begin with one: quote the whole field and double the quote."
		}
	}
	d.add(f)
}
