package infer

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/pipeline"
)

// Limits of a file.
const (
	maxBytes   = 1 << 30 // after decompression, as for training
	maxColumns = 10_000
	maxFaults  = 10 // lines that an error lists
)

// survey is what one pass over a file found.
type survey struct {
	file    string
	dialect dialect
	rows    int
	columns []*column // one per field, in the file's order
	target  *column
	sample  []string // the cells of an example: the first row with the fewest nulls
	missing int      // nulls in the sample
	faults  []perennial.FieldError
	bad     int // rows that aren't as wide as the header, or no CSV
	narrow  int // of them, rows with one field less
	wider   int // of them, rows with one field more
}

// look reads the whole file.
func look(ctx context.Context, file string, in io.Reader, o *Options) (*survey, error) {
	if strings.HasSuffix(strings.ToLower(file), ".gz") {
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, refuse(file, 0, "the file is no gzip file, which its name says").Because(err)
		}
		in = z
	}
	limited := &io.LimitedReader{R: in, N: maxBytes + 1}
	start := bufio.NewReaderSize(limited, sampleBytes)
	head, err := start.Peek(sampleBytes)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, perennial.Errorf(perennial.CodeUnavailable, "infer.Infer", "can't read %s", file).Because(err)
	}
	b := bufio.NewReaderSize(&noNUL{Reader: start, file: file}, sampleBytes)
	s := &survey{file: file}
	if s.dialect, err = sniff(file, head); err != nil {
		return nil, err
	}
	if s.dialect.bom {
		if _, err := b.Discard(3); err != nil {
			return nil, err
		}
	}
	r := reader(b, s.dialect.delimiter)
	if err := s.header(r, o); err != nil {
		return nil, err
	}
	if err := s.read(ctx, r); err != nil {
		return nil, err
	}
	if limited.N <= 0 {
		return nil, perennial.Errorf(perennial.CodeTooLarge, "infer.Infer", "%s holds more than %d MiB of text", file, maxBytes>>20).
			WithHint("Train on a part of it.")
	}
	return s, s.check()
}

// header reads the names and finds the target.
func (s *survey) header(r *csv.Reader, o *Options) error {
	record, err := r.Read()
	if err != nil {
		return refuse(s.file, 1, "the line of column names is no CSV: %v", err)
	}
	if len(record) > maxColumns {
		return refuse(s.file, 1, "the file has %d columns; at most %d are possible", len(record), maxColumns)
	}
	for i, name := range record {
		name = strings.Clone(strings.TrimSpace(name))
		if !utf8.ValidString(name) {
			return encodingFault(s.file, 1, fmt.Sprint(i+1), name)
		}
		s.columns = append(s.columns, newColumn(name, i))
	}
	same := func(name string) []*column {
		return slices.DeleteFunc(slices.Clone(s.columns), func(c *column) bool { return c.name != name })
	}
	found := same(strings.TrimSpace(o.Target))
	switch {
	case len(found) == 1 && found[0].name != "":
		s.target = found[0]
	case len(found) > 1:
		return refuse(s.file, 1, "the column %s stands %d times among the names", o.Target, len(found)).WithHint("Give each of them a name of its own in line 1.")
	case s.headless(r, record):
		return s.noHeader(len(record))
	default:
		return s.noColumn("--target", o.Target)
	}
	return nil
}

// headless reports whether the first line looks like data: each of its cells is
// a number or empty where the next line has a number, and there is such a cell.
func (s *survey) headless(r *csv.Reader, record []string) bool {
	first := slices.Clone(record)
	next, err := r.Read()
	if err != nil || len(next) != len(first) {
		return false
	}
	numbers := 0
	for i, cell := range next {
		if _, ok := parseNumber(strings.TrimSpace(cell)); !ok {
			continue
		}
		if _, ok := parseNumber(strings.TrimSpace(first[i])); !ok {
			return false
		}
		numbers++
	}
	return numbers > 0
}

func (s *survey) noHeader(width int) error {
	names := make([]string, 0, 4)
	for i := range min(width, 3) {
		names = append(names, fmt.Sprintf("c%d", i+1))
	}
	if width > 3 {
		names = append(names, "…", fmt.Sprintf("c%d", width))
	}
	return refuse(s.file, 1, "the file has no column names: its first line is data already").
		WithHint("Write %d names above it, then name one as --target: sed -i '1i %s' %s", width, strings.Join(names, string(s.dialect.delimiter)), s.file)
}

// noColumn says that a flag names a column that isn't there.
func (s *survey) noColumn(flag, name string) error {
	var names []string
	for _, c := range s.columns {
		if c.name != "" {
			names = append(names, c.name)
		}
	}
	listed := make([]string, 0, 20)
	for _, n := range names[:min(20, len(names))] {
		listed = append(listed, shorten(n))
	}
	list := strings.Join(listed, ", ")
	if len(names) > len(listed) {
		list += fmt.Sprintf(", … (%d columns)", len(names))
	}
	e := refuse(s.file, 1, "there is no column %q for %s", shorten(name), flag).WithHint("The columns are: %s.", list)
	if near, ok := pipeline.Nearest(name, names); ok {
		e = e.WithHint("Did you mean %s? The columns are: %s.", near, list)
	}
	return e
}

// read counts every row.
func (s *survey) read(ctx context.Context, r *csv.Reader) error {
	at := s.target.field
	for row := 0; ; row++ {
		if row%1024 == 0 && ctx.Err() != nil {
			return perennial.Errorf(perennial.CodeDeadline, "infer.Infer", "reading %s was stopped", s.file).Because(ctx.Err())
		}
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			if stop := s.syntax(err); stop != nil {
				return stop
			}
			continue
		}
		line, _ := r.FieldPos(0)
		if len(record) != len(s.columns) {
			s.ragged(line, len(record))
			continue
		}
		s.rows++
		y := goalOf(strings.TrimSpace(record[at]))
		if y.text == "" && blank(record) {
			s.target.nulls[""]++
			continue // an empty row says nothing of the other columns
		}
		nulls := 0
		for i, cell := range record {
			cell = strings.TrimSpace(cell)
			if !utf8.ValidString(cell) {
				line, _ := r.FieldPos(i)
				return encodingFault(s.file, line, s.columns[i].name, cell)
			}
			if word, _ := isNullWord(cell); word {
				nulls++
			}
			s.columns[i].add(cell, y, line)
		}
		s.keep(record, nulls)
	}
}

// blank reports whether a row holds nothing.
func blank(record []string) bool {
	return !slices.ContainsFunc(record, func(cell string) bool { return strings.TrimSpace(cell) != "" })
}

// goalOf reads the target of a row.
func goalOf(s string) goal {
	y := goal{text: s, number: math.NaN()}
	if word, _ := isNullWord(s); word {
		y.text = ""
	} else if n, ok := parseNumber(s); ok {
		y.number = n.value[0]
	}
	return y
}

// keep takes the first rows as examples, and of them the one with the fewest nulls.
func (s *survey) keep(record []string, nulls int) {
	if s.rows > 100 || s.sample != nil && nulls >= s.missing {
		return
	}
	s.sample, s.missing = make([]string, len(record)), nulls
	for i, cell := range record {
		s.sample[i] = strings.Clone(strings.TrimSpace(cell))
	}
}

// syntax counts a row that is no CSV. A quote that is never closed ends the file.
func (s *survey) syntax(err error) error {
	p, ok := errors.AsType[*csv.ParseError](err)
	if nul, ok := errors.AsType[*perennial.Error](err); ok {
		return nul
	}
	if !ok {
		return perennial.Errorf(perennial.CodeUnavailable, "infer.Infer", "can't read %s", s.file).Because(err)
	}
	line, message := p.Line, "A field has a quote but doesn't begin with one: quote the whole field and double the quote."
	if errors.Is(p.Err, csv.ErrQuote) {
		line, message = p.StartLine, "A quoted field isn't closed, or has a quote inside that isn't doubled."
	}
	s.fault(line, message)
	return nil
}

func (s *survey) ragged(line, fields int) {
	switch fields - len(s.columns) {
	case 1:
		s.wider++
	case -1:
		s.narrow++
	}
	s.fault(line, fmt.Sprintf("The row has %d fields, the line of names has %d.", fields, len(s.columns)))
}

func (s *survey) fault(line int, message string) {
	s.bad++
	if len(s.faults) < maxFaults {
		s.faults = append(s.faults, perennial.FieldError{File: s.file, Line: line, Rule: "syntax", Message: message})
	}
}

// more counts the faults that an error doesn't list.
func (s *survey) more() string {
	if s.bad == len(s.faults) {
		return ""
	}
	return fmt.Sprintf(", and %d rows more", s.bad-len(s.faults))
}

// check refuses a file with broken rows, and one without enough of them.
func (s *survey) check() error {
	if s.bad == 0 {
		if s.rows < minRows {
			return refuse(s.file, 0, "the file has %d rows; at least %d are needed to train on some and test on others", s.rows, minRows)
		}
		return nil
	}
	e := refuse(s.file, s.faults[0].Line, "%d of %d rows can't be read", s.bad, s.bad+s.rows).WithHint("Mend or delete what is listed%s.", s.more())
	switch {
	case s.rows == 0 && s.wider == s.bad:
		e = e.WithHint("Each row has one field more than there are names. Do the rows end in a delimiter, or has the first column (of row names) no name? Give it one in line 1.")
	case s.wider+s.narrow == s.bad && s.rows > 0:
		e = e.WithHint("Does a field hold the delimiter (%q) without quotes around it? Mend or delete what is listed%s.", string(s.dialect.delimiter), s.more())
	}
	e.Fields = s.faults
	return e
}
