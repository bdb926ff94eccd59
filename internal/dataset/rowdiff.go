package dataset

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // tells rows apart; not used for security
	"encoding/csv"
	"errors"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/perennial-ml/perennial"
)

// RowDiffOptions say how two versions of a data file are compared.
type RowDiffOptions struct {
	Key      []string // the columns that tell rows apart; without any a row is known by all its values, and never changed
	CSV      perennial.CSVOptions
	Examples int // how many rows to show; 0 means none
}

// RowDiff is what became of the rows and columns of a data file. Rows are
// compared as texts, in the columns that both versions have; their order doesn't
// matter.
type RowDiff struct {
	Before         int         `json:"before"` // rows
	After          int         `json:"after"`
	Added          int         `json:"added"`
	Removed        int         `json:"removed"`
	Changed        int         `json:"changed"` // the same key, other values
	Key            []string    `json:"key,omitempty"`
	AddedColumns   []string    `json:"added_columns,omitempty"`
	RemovedColumns []string    `json:"removed_columns,omitempty"`
	Retyped        []Retyped   `json:"retyped,omitempty"`
	Reordered      bool        `json:"reordered,omitempty"` // the common columns stand in another order
	Examples       []RowChange `json:"examples,omitempty"`
}

// Retyped is a column whose values became of another kind: "number", "text" or
// "empty".
type Retyped struct {
	Column string `json:"column"`
	Before string `json:"before"`
	After  string `json:"after"`
}

// RowChange is one row that was added, removed or changed.
type RowChange struct {
	Kind   string            `json:"kind"`
	Row    int               `json:"row"`              // from 1, of the version that has it, the later one of a changed row
	Values map[string]string `json:"values,omitempty"` // of the key; of all columns where there is none
	Cells  []CellChange      `json:"cells,omitempty"`  // of a changed row
	before int
}

// CellChange is one value that changed.
type CellChange struct {
	Column string `json:"column"`
	Before string `json:"before"`
	After  string `json:"after"`
}

// DiffRows compares two versions of a CSV file. Key columns that one of them
// lacks are left out. Errors are those of Read for a file that can't be read as
// a table at all.
func DiffRows(ctx context.Context, name string, before, after []byte, o RowDiffOptions) (RowDiff, error) {
	const op = "dataset.DiffRows"
	a, err := newRowScan(name, before, o.CSV)
	if err != nil {
		return RowDiff{}, perennial.Wrap(op, err)
	}
	b, err := newRowScan(name, after, o.CSV)
	if err != nil {
		return RowDiff{}, perennial.Wrap(op, err)
	}
	d := rowDiffer{out: diffColumns(a, b), examples: o.Examples, was: map[valuesHash][]rowSeen{}}
	d.common = slices.DeleteFunc(slices.Clone(b.names), func(c string) bool { return !slices.Contains(a.names, c) })
	for _, c := range o.Key {
		if slices.Contains(d.common, c) && !slices.Contains(d.out.Key, c) {
			d.out.Key = append(d.out.Key, c)
		}
	}
	if err := d.run(ctx, a, b); err != nil {
		return RowDiff{}, perennial.Wrap(op, err)
	}
	return d.out, nil
}

// diffColumns compares the headers.
func diffColumns(a, b *rowScan) RowDiff {
	var d RowDiff
	var inA, inB []string
	for _, c := range b.names {
		if slices.Contains(a.names, c) {
			inB = append(inB, c)
		} else {
			d.AddedColumns = append(d.AddedColumns, c)
		}
	}
	for _, c := range a.names {
		if slices.Contains(b.names, c) {
			inA = append(inA, c)
		} else {
			d.RemovedColumns = append(d.RemovedColumns, c)
		}
	}
	d.Reordered = !slices.Equal(inA, inB)
	return d
}

// rowScan reads the rows of one version, any number of times.
type rowScan struct {
	file  string
	text  []byte
	comma rune
	names []string
	kinds []string // of the columns, after a whole reading
	rows  int
}

func newRowScan(name string, b []byte, o perennial.CSVOptions) (*rowScan, error) {
	b, err := text(name, b)
	if err != nil {
		return nil, err
	}
	comma, err := dialect(o)
	if err != nil {
		return nil, err
	}
	s := &rowScan{file: name, text: b, comma: comma}
	r := s.reader()
	header, err := r.Read()
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, s.malformed(err)
	}
	for _, c := range header {
		s.names = append(s.names, strings.TrimSpace(c))
	}
	return s, nil
}

func (s *rowScan) reader() *csv.Reader {
	r := csv.NewReader(bytes.NewReader(s.text))
	r.Comma, r.FieldsPerRecord, r.ReuseRecord = s.comma, -1, true
	r.TrimLeadingSpace = !unicode.IsSpace(s.comma)
	return r
}

func (s *rowScan) malformed(err error) error {
	return perennial.Errorf(perennial.CodeMalformed, "", "%s can't be read as rows: %v", s.file, err).Because(err)
}

// each calls f for every row; short rows are filled up with empty values.
func (s *rowScan) each(ctx context.Context, f func(row int, values []string)) error {
	r := s.reader()
	if _, err := r.Read(); err != nil {
		return nil //nolint:nilerr // an empty file; newRowScan saw other faults
	}
	values := make([]string, len(s.names))
	s.rows, s.kinds = 0, make([]string, len(s.names))
	for {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return s.malformed(err)
		}
		if s.rows%1024 == 0 && ctx.Err() != nil {
			return perennial.Errorf(perennial.CodeDeadline, "", "stopped while comparing %s", s.file).Because(context.Cause(ctx))
		}
		s.rows++
		for i := range values {
			values[i] = ""
			if i < len(record) {
				values[i] = strings.TrimSpace(record[i])
			}
			s.kinds[i] = kindWith(s.kinds[i], values[i])
		}
		f(s.rows, values)
	}
}

// kindWith gives the kind of a column's values and one more.
func kindWith(kind, value string) string {
	switch {
	case value == "" || kind == "text":
		return kind
	default:
		if v, err := strconv.ParseFloat(value, 64); err != nil || math.IsNaN(v) && !strings.EqualFold(value, "nan") {
			return "text"
		}
		return "number"
	}
}

// pick gives where some columns stand.
func (s *rowScan) pick(columns []string) []int {
	at := make([]int, len(columns))
	for i, c := range columns {
		at[i] = slices.Index(s.names, c)
	}
	return at
}

// kind names a column's kind for people.
func (s *rowScan) kind(column string) string {
	if i := slices.Index(s.names, column); i < len(s.kinds) && s.kinds[i] != "" {
		return s.kinds[i]
	}
	return "empty"
}

type valuesHash [md5.Size]byte

// hashValues tells rows apart by some of their values.
func hashValues(buf []byte, values []string, at []int) (valuesHash, []byte) {
	buf = buf[:0]
	for _, i := range at {
		buf = strconv.AppendInt(buf, int64(len(values[i])), 10)
		buf = append(append(buf, ':'), values[i]...)
	}
	return md5.Sum(buf), buf //nolint:gosec // tells rows apart
}

// rowSeen is a row of the earlier version that no row of the later one equals so
// far.
type rowSeen struct {
	all valuesHash
	row int
}
