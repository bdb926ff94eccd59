package infer

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/perennial-ml/perennial"
)

// sampleBytes is how much of a file's beginning tells its delimiter.
const sampleBytes = 256 << 10

// dialect is how a CSV file is written.
type dialect struct {
	delimiter rune
	bom       bool
	crlf      bool
}

// delimiters are tried in this order; the first of equally good ones wins.
var delimiters = []rune{',', ';', '\t', '|'}

// Delimiter gives the character that separates the fields of a CSV file, from
// its beginning (at most the first 256 KiB): of comma, semicolon, tab and bar the
// one under which most rows are as wide as the header. ok is false where none of
// them gives two columns.
func Delimiter(head []byte) (delimiter rune, ok bool) {
	head = bytes.TrimPrefix(head, []byte("\xef\xbb\xbf"))
	best := layout{}
	for _, c := range delimiters {
		if l := layoutUnder(head, c); l.better(best) {
			best, delimiter = l, c
		}
	}
	return delimiter, best.width > 1
}

// layout is what the rows of a sample look like under one delimiter.
type layout struct {
	width int // fields of the first row
	rows  int
	same  int // rows as wide as the first
}

// better compares shares of equally wide rows, then widths.
func (l layout) better(o layout) bool {
	if l.width < 2 || o.width < 2 {
		return l.width >= 2
	}
	if a, b := l.same*o.rows, o.same*l.rows; a != b {
		return a > b
	}
	return l.width > o.width
}

func layoutUnder(sample []byte, delimiter rune) layout {
	l := layout{}
	r := reader(bytes.NewReader(sample), delimiter)
	for l.rows < 1000 {
		record, err := r.Read()
		if err != nil {
			break // the end, or a row that the sample cuts
		}
		l.rows++
		if l.rows == 1 {
			l.width = len(record)
		}
		if len(record) == l.width {
			l.same++
		}
	}
	return l
}

// sniff finds out how the file is written from its beginning. The error says
// what it is instead of a CSV file with a header.
func sniff(file string, head []byte) (dialect, error) {
	var d dialect
	if err := noText(file, head); err != nil {
		return d, err
	}
	d.bom = bytes.HasPrefix(head, []byte("\xef\xbb\xbf"))
	head = bytes.TrimPrefix(head, []byte("\xef\xbb\xbf"))
	line, rest, _ := bytes.Cut(head, []byte("\n"))
	d.crlf = bytes.HasSuffix(line, []byte("\r"))
	switch first := strings.TrimSpace(string(line)); {
	case len(bytes.TrimSpace(head)) == 0:
		return d, refuse(file, 0, "the file is empty").WithHint("It needs a line of column names and a line for each row.")
	case len(first) == len("sep=;") && strings.HasPrefix(strings.ToLower(first), "sep="):
		return d, refuse(file, 1, "line 1 is Excel's note on the delimiter (%s), not the column names", first).WithHint("Delete it: sed -i 1d %s", file)
	case len(bytes.TrimSpace(rest)) == 0 && bytes.IndexByte(line, '\r') >= 0 && bytes.Count(head, []byte("\r")) > 1:
		return d, refuse(file, 1, "the lines end in CR alone, as on old Macs").WithHint("Convert it: tr '\\r' '\\n' < %s > lines.csv", file)
	}
	c, ok := Delimiter(head)
	if ok {
		d.delimiter = c
		return d, d.preamble(file, head)
	}
	if k, ok := titleLines(head); ok {
		return d, titles(file, k)
	}
	if bytes.IndexByte(line, '"') >= 0 && layoutUnder(head, ',').rows == 0 {
		return d, refuse(file, 1, "the line of column names is no CSV: a quote isn't closed, or stands within a name").WithHint("Put the whole name into quotes, and double the quote in it.")
	}
	return d, refuse(file, 1, "the file has one column only under each of the delimiters comma, semicolon, tab and |").
		WithHint("Is it separated by something else, like spaces? Save it with one of these four.")
}

// noText refuses what is no text at all, by its first bytes.
func noText(file string, head []byte) error {
	for magic, kind := range map[string]string{"PK\x03\x04": "a ZIP archive or an Excel workbook", "PAR1": "a Parquet file", "\x1f\x8b": "a gzip file", "SQLite format 3": "an SQLite database", "\xd0\xcf\x11\xe0": "an old Excel workbook", "\x89HDF": "an HDF5 file"} {
		if bytes.HasPrefix(head, []byte(magic)) {
			return refuse(file, 0, "the file is %s, not CSV", kind).WithHint("Export the table as CSV in UTF-8; .csv.gz is read too.")
		}
	}
	nul, nuls, even := bytes.IndexByte(head, 0), bytes.Count(head, []byte{0}), 0
	for i := 0; i < len(head); i += 2 {
		if head[i] == 0 {
			even++
		}
	}
	marked := bytes.HasPrefix(head, []byte("\xff\xfe")) || bytes.HasPrefix(head, []byte("\xfe\xff"))
	control := func(r rune) bool { return r > 0 && r < ' ' && !unicode.IsSpace(r) }
	switch many := nul >= 0 && nuls*4 >= len(head); {
	case marked || many && (even*10 <= nuls || even*10 >= nuls*9): // of plain letters, every second byte
		return refuse(file, 1, "the file is UTF-16").WithHint("Convert it: iconv -f UTF-16 -t UTF-8 %s > utf8.csv", file)
	case many || nul >= 0 && bytes.IndexFunc(head[:min(len(head), 512)], control) >= 0:
		return refuse(file, 0, "the file is no text, as programs and pictures are none").WithHint("Export the table as CSV in UTF-8; .csv.gz is read too.")
	case nul >= 0:
		return nulByte(file, int64(nul))
	}
	return nil
}

// nulByte refuses a text with a byte that no text has, at an offset from 0.
func nulByte(file string, at int64) error {
	return refuse(file, 0, "byte %d (counted from 0) is NUL, which no text holds", at).
		WithHint("Was the file cut off while it was written, or its disk full? Get it again; or take the NULs out: tr -d '\\000' < %s > clean.csv", file)
}

// noNUL is a text that ends with an error at its first NUL byte.
type noNUL struct {
	io.Reader

	file string
	at   int64
}

// Read reads up to the first NUL byte.
func (r *noNUL) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if i := bytes.IndexByte(p[:n], 0); i >= 0 {
		return i, nulByte(r.file, r.at+int64(i))
	}
	r.at += int64(n)
	return n, err
}

// preamble refuses a file whose table begins below some lines of titles.
func (d dialect) preamble(file string, head []byte) error {
	l := layoutUnder(head, d.delimiter)
	if l.rows < 5 || l.same*2 > l.rows {
		return nil
	}
	_, rest, _ := bytes.Cut(head, []byte("\n"))
	if below := layoutUnder(rest, d.delimiter).width; below >= l.width-1 && below <= l.width+1 {
		return nil // one field more or less has other reasons
	}
	if k, ok := titleLines(head); ok {
		return titles(file, k)
	}
	return nil
}

func titles(file string, lines int) error {
	return refuse(file, 1, "the table seems to begin in line %d, below titles or notes", lines+1).
		WithHint("Delete the lines above the column names: sed -i 1,%dd %s", lines, file)
}

// titleLines counts the lines before the first of most rows' width, under the
// delimiter that fits the rest best. ok is false where there are none.
func titleLines(head []byte) (lines int, ok bool) {
	for lines = 1; lines <= 20; lines++ {
		i := bytes.IndexByte(head, '\n')
		if i < 0 {
			return 0, false
		}
		if head = head[i+1:]; len(head) > 0 && (head[0] == '\n' || head[0] == '\r') {
			continue
		}
		for _, c := range delimiters {
			if l := layoutUnder(head, c); l.width > 1 && l.rows >= 5 && l.same*10 >= l.rows*9 {
				return lines, true
			}
		}
	}
	return 0, false
}

// encodingFault names the first cell that isn't UTF-8, and which encoding it
// probably is in.
func encodingFault(file string, line int, column, cell string) error {
	text := make([]rune, 0, len(cell))
	name := "ISO-8859-1 (Latin-1) or Windows-1252"
	for i := range len(cell) {
		text = append(text, windows1252(cell[i]))
		if cell[i] >= 0x80 && cell[i] < 0xa0 {
			name = "Windows-1252"
		}
	}
	return refuse(file, line, "the file isn't UTF-8: read as %s, %s says %q here", name, cmp.Or(column, "a column"), shorten(string(text))).
		WithHint("If that reads right, convert it: iconv -f WINDOWS-1252 -t UTF-8 %s > utf8.csv", file)
}

// windows1252 decodes one byte.
func windows1252(b byte) rune {
	const upper = "€\x81‚ƒ„…†‡ˆ‰Š‹Œ\x8dŽ\x8f\x90‘’“”•–—˜™š›œ\x9džŸ"
	if b < 0x80 || b >= 0xa0 {
		return rune(b)
	}
	table := []rune(strings.Map(func(r rune) rune {
		if r == utf8.RuneError {
			return '?'
		}
		return r
	}, upper))
	return table[b-0x80]
}

// refuse makes the error of a file that can't be read as it is. line is 0 for
// the whole file.
func refuse(file string, line int, format string, args ...any) *perennial.Error {
	e := perennial.Errorf(perennial.CodeInvalid, "infer.Infer", format, args...)
	where := file
	if line > 0 {
		where = fmt.Sprintf("%s, line %d", file, line)
	}
	e.Message = where + ": " + e.Message
	return e
}

// reader reads CSV as dataset.Read does.
func reader(r interface{ Read(p []byte) (int, error) }, delimiter rune) *csv.Reader {
	c := csv.NewReader(r)
	c.Comma, c.FieldsPerRecord, c.ReuseRecord, c.TrimLeadingSpace = delimiter, -1, true, delimiter != '\t'
	return c
}

// shorten keeps a value readable in a message: at most 60 bytes, one line.
func shorten(s string) string {
	if len(s) > 60 {
		cut := 60
		for cut > 0 && !utf8.RuneStart(s[cut]) {
			cut--
		}
		s = s[:cut] + "…"
	}
	return strings.Join(strings.Fields(strings.ToValidUTF8(s, "�")), " ")
}
