package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/dataset"
)

// inputRow is one row to predict.
type inputRow struct {
	number   int    // in the file, from 1, a header not counted
	key      string // of the id column; "" without one
	features json.RawMessage
}

// rowReader gives one row after another, then io.EOF.
type rowReader interface {
	next() (inputRow, error)
	isCSV() bool
}

// openInput opens a file, or standard input for "-", in the form that its
// extension or its first character tells.
//
// CSV is read as the pipeline's data file is, where its delimiter suits the
// header, else with commas and decimal points.
func (c *cli) openInput(ctx context.Context, name string, schema *perennial.Schema, asTrained func() perennial.CSVOptions) (rows rowReader, closeInput func(), err error) {
	var in io.Reader
	if name == "-" {
		name = "standard input"
		in, closeInput = interruptible(ctx, c.in)
	} else {
		f, err := os.Open(name) //nolint:gosec // the file that the caller names
		if err != nil {
			return nil, nil, perennial.Errorf(perennial.CodeNotFound, "cli.predict", "can't read %s", name).Because(err)
		}
		in, closeInput = f, func() { _ = f.Close() }
	}
	b, err := inflated(bufio.NewReaderSize(in, 1<<16))
	if err != nil {
		closeInput()
		return nil, nil, err
	}
	first, err := firstCharacter(b)
	if err != nil {
		closeInput()
		if e, ok := errors.AsType[*perennial.Error](err); ok {
			return nil, nil, e
		}
		if !errors.Is(err, io.EOF) {
			return nil, nil, perennial.Errorf(perennial.CodeUnavailable, "cli.predict", "can't read %s", name).Because(err)
		}
		return nil, nil, perennial.Errorf(perennial.CodeMalformed, "cli.predict", "%s has no rows", name).Because(err)
	}
	isJSON := first == '{' || first == '['
	switch strings.ToLower(filepath.Ext(strings.TrimSuffix(strings.ToLower(name), ".gz"))) {
	case ".csv":
		isJSON = false
	case ".json", ".jsonl", ".ndjson":
		isJSON = true
	}
	if isJSON {
		rows, err = newJSONRows(b, first == '[')
	} else {
		rows, err = newCSVRows(b, schema, asTrained())
	}
	if err != nil {
		closeInput()
	}
	return rows, closeInput, err
}

// interruptible gives what a reader gives until ctx ends: a read of a terminal or of a
// pipe may wait for ever. Where it is closed before its end, one read stays behind.
func interruptible(ctx context.Context, in io.Reader) (out io.Reader, closeInput func()) {
	r, w := io.Pipe()
	go func() {
		_, err := io.Copy(w, in)
		_ = w.CloseWithError(err) // it never fails
	}()
	stop := context.AfterFunc(ctx, func() { _ = w.CloseWithError(ctx.Err()) })
	return r, func() { stop(); _ = r.Close() }
}

// others are the first bytes of what is no text, and what it is.
var others = map[string]string{"PAR1": "a Parquet file", "PK\x03\x04": "a ZIP archive or an Excel workbook"}

// inflated gives the text in a gzip file, whatever its name; other input as it is.
func inflated(b *bufio.Reader) (*bufio.Reader, error) {
	const op = "cli.predict"
	magic, _ := b.Peek(4)
	if kind := others[string(magic)]; kind != "" {
		return nil, perennial.Errorf(perennial.CodeMalformed, op, "the input is %s", kind).WithHint("Export it as CSV (.csv or .csv.gz) or as JSON lines.")
	}
	if !bytes.HasPrefix(magic, []byte{0x1f, 0x8b}) {
		return b, nil
	}
	z, err := gzip.NewReader(b)
	if err != nil {
		return nil, noGzip(err)
	}
	return bufio.NewReaderSize(gunzip{z}, 1<<16), nil
}

// gunzip tells a gzip file that is broken from text that is.
type gunzip struct{ *gzip.Reader }

// Read gives the text.
func (g gunzip) Read(p []byte) (int, error) {
	n, err := g.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = noGzip(err)
	}
	return n, err
}

func noGzip(err error) error {
	return perennial.Errorf(perennial.CodeMalformed, "cli.predict", "the input is no complete gzip file").WithHint("Compress it again, or copy it again from where it is whole.").Because(err)
}

// firstCharacter looks past a byte order mark and white space, which it takes
// away, and leaves the character it found.
func firstCharacter(b *bufio.Reader) (rune, error) {
	for {
		r, _, err := b.ReadRune()
		if err != nil {
			return 0, err
		}
		if r == '\ufeff' || unicode.IsSpace(r) {
			continue
		}
		return r, b.UnreadRune()
	}
}

// jsonRows reads objects one after another, or the elements of one list.
type jsonRows struct {
	dec    *json.Decoder
	list   bool
	number int
}

func newJSONRows(r io.Reader, list bool) (*jsonRows, error) {
	rows := &jsonRows{dec: json.NewDecoder(r), list: list}
	if list {
		if _, err := rows.dec.Token(); err != nil {
			return nil, rows.fault(err)
		}
	}
	return rows, nil
}

func (j *jsonRows) isCSV() bool { return false }

func (j *jsonRows) next() (inputRow, error) {
	if j.list && !j.dec.More() {
		if _, err := j.dec.Token(); err != nil {
			return inputRow{}, j.fault(err)
		}
		return inputRow{}, io.EOF
	}
	var raw json.RawMessage
	if err := j.dec.Decode(&raw); err != nil {
		if errors.Is(err, io.EOF) && !j.list {
			return inputRow{}, io.EOF
		}
		return inputRow{}, j.fault(err)
	}
	j.number++
	return inputRow{number: j.number, features: raw}, nil
}

func (j *jsonRows) fault(err error) error {
	if e, ok := errors.AsType[*perennial.Error](err); ok {
		return e
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF // io.EOF is the good end
	}
	return perennial.Errorf(perennial.CodeMalformed, "cli.predict", "the input is not JSON after row %d (byte %d)", j.number, j.dec.InputOffset()).Because(err)
}

// csvRows reads lines under a header and gives their cells the types of the
// schema.
type csvRows struct {
	csv     *csv.Reader
	columns []perennial.Column // of each cell; without a type where the schema doesn't know it
	nulls   []string
	numbers dataset.Numbers
	number  int
}

func newCSVRows(r *bufio.Reader, schema *perennial.Schema, o perennial.CSVOptions) (*csvRows, error) {
	head, err := r.Peek(r.Size())
	if e, ok := errors.AsType[*perennial.Error](err); ok {
		return nil, e
	}
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
		return nil, perennial.Errorf(perennial.CodeUnavailable, "cli.predict", "the input can't be read").Because(err)
	}
	plain := perennial.CSVOptions{Delimiter: ",", NullValues: []string{""}}
	if o.Delimiter == "" || knownNames(head, plain, schema) > knownNames(head, o, schema) {
		o = plain
	}
	rows := &csvRows{csv: csvReader(r, o), nulls: o.NullValues, numbers: dataset.NumbersOf(o)}
	rows.csv.ReuseRecord = true
	header, err := rows.csv.Read()
	if err != nil {
		return nil, rows.fault(err)
	}
	seen := map[string]bool{}
	for _, name := range header {
		name = strings.TrimSpace(name)
		if seen[name] {
			return nil, perennial.Errorf(perennial.CodeMalformed, "cli.predict", "the header has the column %q more than once", name)
		}
		seen[name] = true
		column, known := schema.Column(name)
		if !known {
			column = perennial.Column{Name: name, Role: perennial.RoleFeature} // the model decides about it
		}
		rows.columns = append(rows.columns, column)
	}
	return rows, nil
}

// csvReader reads CSV as dataset.Read does, with the options' delimiter.
func csvReader(r io.Reader, o perennial.CSVOptions) *csv.Reader {
	c := csv.NewReader(r)
	c.Comma, _ = utf8.DecodeRuneInString(o.Delimiter)
	c.TrimLeadingSpace = !unicode.IsSpace(c.Comma)
	return c
}

// knownNames counts the names in a header that the schema knows.
func knownNames(head []byte, o perennial.CSVOptions, schema *perennial.Schema) int {
	header, err := csvReader(bytes.NewReader(head), o).Read()
	if err != nil {
		return 0
	}
	n := 0
	for _, name := range header {
		if _, known := schema.Column(strings.TrimSpace(name)); known {
			n++
		}
	}
	return n
}

func (c *csvRows) isCSV() bool { return true }

func (c *csvRows) next() (inputRow, error) {
	cells, err := c.csv.Read()
	if errors.Is(err, io.EOF) {
		return inputRow{}, io.EOF
	}
	if err != nil {
		return inputRow{}, c.fault(err)
	}
	c.number++
	r := inputRow{number: c.number}
	features := make(map[string]any, len(cells))
	for i, cell := range cells {
		column := &c.columns[i]
		switch column.Role {
		case perennial.RoleID:
			r.key = strings.Clone(strings.TrimSpace(cell))
		case perennial.RoleFeature:
			features[column.Name] = c.typed(column, strings.TrimSpace(cell))
		case perennial.RoleTarget, perennial.RoleIgnore:
		}
	}
	r.features, err = json.Marshal(features)
	return r, err
}

func (c *csvRows) fault(err error) error {
	if e, ok := errors.AsType[*perennial.Error](err); ok {
		return e
	}
	if syntax, ok := errors.AsType[*csv.ParseError](err); ok {
		return perennial.Errorf(perennial.CodeMalformed, "cli.predict", "the input is no CSV: line %d: %v", syntax.Line, syntax.Err)
	}
	return perennial.Errorf(perennial.CodeMalformed, "cli.predict", "the input can't be read after row %d", c.number).Because(err)
}

// typed turns a cell into the JSON value that its column wants. A text that
// isn't one stays a text, so that the model's answer says what is wrong with it.
func (c *csvRows) typed(column *perennial.Column, cell string) any {
	if slices.Contains(c.nulls, cell) {
		return nil
	}
	switch column.Type {
	case perennial.TypeNumeric, perennial.TypeInteger:
		plain, ok := c.numbers.Plain(cell)
		v, err := strconv.ParseFloat(plain, 64)
		switch {
		case ok && err == nil && !math.IsNaN(v) && !math.IsInf(v, 0):
			return v
		case errors.Is(err, strconv.ErrRange) && json.Valid([]byte(plain)):
			return json.Number(plain)
		}
	case perennial.TypeBoolean:
		if v, ok := perennial.ParseBool(cell); ok {
			return v
		}
	case perennial.TypeCategorical, perennial.TypeDate:
	}
	return cell
}
