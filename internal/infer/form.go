package infer

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/perennial-ml/perennial"
)

// kind is what a column's values are, before it is decided what they are for.
type kind int

const (
	kindEmpty  kind = iota // nothing but nulls
	kindNumber             //
	kindDate               //
	kindBool               // true and false
	kindText               //
	kindOdd                // numbers in a form that the rest of the file isn't in
)

// form is how the file writes numbers and nulls: one way for all columns.
type form struct {
	way       int // 0: decimal point, 1: decimal comma
	thousands string
	strip     []string
	parens    bool // (12) is -12
	nulls     map[string]bool
	doubt     string // the column whose 1,234 may be either, "" for none
}

// options gives the form as the pipeline file has it.
func (f *form) options(d dialect) perennial.CSVOptions {
	o := perennial.CSVOptions{Delimiter: string(d.delimiter), Decimal: ".", Thousands: f.thousands, Strip: f.strip}
	if f.way == 1 {
		o.Decimal = ","
	}
	if f.parens {
		o.Negative = perennial.NegativeParentheses
	}
	for _, n := range slices.Sorted(maps.Keys(f.nulls)) {
		if n != "" {
			o.NullValues = append(o.NullValues, n)
		}
	}
	o.NullValues = append([]string{""}, o.NullValues...)
	return o
}

// decide finds the one form that reads most columns.
func decide(s *survey) (*form, error) {
	f := &form{nulls: map[string]bool{}}
	var points, commas int
	for _, c := range s.columns {
		if c.isDate() || c.cells == 0 {
			continue
		}
		us, eu := c.reads(0), c.reads(1)
		switch {
		case us && c.sure[0] > 0:
			points++
		case eu && c.sure[1] > 0:
			commas++
		case us && eu && c.grouped[0] > 0 && f.doubt == "":
			f.doubt = c.name
		}
	}
	switch {
	case commas > points:
		f.way, f.doubt = 1, ""
	case points > 0 || commas > 0:
		f.doubt = ""
	case f.doubt != "" && s.dialect.delimiter != ',':
		f.way = 1
	}
	if f.way == 1 && s.dialect.delimiter == ',' {
		return nil, refuse(s.file, 0, "numbers have decimal commas, and commas separate the fields too").WithHint("Save it with semicolons between the fields, or with decimal points.")
	}
	f.separate(s)
	f.findNulls(s)
	return f, nil
}

// reads reports whether one way reads the column: all cells are numbers but a few
// texts that may stand for null.
func (c *column) reads(way int) bool {
	if c.cells == 0 || c.numbers[way] == 0 || c.parens == c.cells { // with all of them in parentheses these say something else
		return false
	}
	return c.numbers[way] == c.cells || c.numbers[way]+c.strays() == c.cells
}

// strays counts the texts in a column of numbers that may stand for null: at
// most three different ones without digits, at most one cell in twenty.
func (c *column) strays() int {
	if len(c.others) > maxOthers || c.cells < 20 {
		return 0
	}
	n := 0
	for text, k := range c.others {
		if strings.ContainsAny(text, "0123456789") || len(text) > 20 {
			return 0
		}
		n += k
	}
	if n*20 > c.cells {
		return 0
	}
	return n
}

func (c *column) isDate() bool {
	_, _, ok := c.dates.form(false)
	return ok && c.cells > 0 && (!dateForms[c.dates.open[0]].digits || c.cells >= 20 || hasWord(c.name, "date", "day", "dt"))
}

// separate chooses the thousands separator and the signs of the file.
func (f *form) separate(s *survey) {
	count := map[string]int{}
	signs := map[string]bool{}
	for _, c := range s.columns {
		if c.isDate() || !c.reads(f.way) {
			continue
		}
		if c.grouped[f.way] > 0 {
			count[[]string{",", "."}[f.way]]++
		}
		for g := range c.spaces {
			count[g]++
		}
		f.parens = f.parens || c.parens > 0
		if c.signsAgree() {
			for sign := range c.signs {
				signs[sign] = true
			}
		}
	}
	best := 0
	for _, g := range slices.Sorted(maps.Keys(count)) {
		if count[g] > best {
			f.thousands, best = g, count[g]
		}
	}
	if len(signs) > 0 {
		for _, u := range units { // longer ones first, as they must be taken away
			if signs[u] {
				f.strip = append(f.strip, u)
			}
		}
	}
}

// signsAgree reports whether the numbers of a column have one unit: one
// currency, or percent signs on all.
func (c *column) signsAgree() bool {
	if len(c.signs) > 1 {
		return false
	}
	n, percent := c.signs["%"]
	return !percent || n == c.numbers[0] || n == c.numbers[1]
}

// kind says what the column holds in this form.
func (f *form) kind(c *column) kind {
	switch {
	case c.cells == 0 && len(c.textCounts(f)) == 0:
		return kindEmpty
	case c.cells == 0:
		return kindText
	case c.isDate():
		return kindDate
	case c.reads(f.way):
		if !c.signsAgree() || !f.groups(c) {
			return kindOdd
		}
		return kindNumber
	case c.reads(1 - f.way):
		return kindOdd
	case c.isBool():
		return kindBool
	}
	return kindText
}

// groups reports whether the file's thousands separator is the column's.
func (f *form) groups(c *column) bool {
	for g := range c.spaces {
		if g != f.thousands {
			return false
		}
	}
	return c.grouped[f.way] == 0 || f.thousands == []string{",", "."}[f.way]
}

// isBool reports whether a column holds true and false, or yes and no (y and n)
// that aren't always written alike: as a category each way of writing them would
// be one more.
func (c *column) isBool() bool {
	if c.distinct() > 8 {
		return false
	}
	words := map[string]bool{}
	for text := range c.counts {
		words[strings.ToLower(text)] = true
	}
	of := func(yes, no string) bool {
		for w := range words {
			if w != yes && w != no {
				return false
			}
		}
		return true
	}
	return of("true", "false") || len(words) < len(c.counts) && (of("yes", "no") || of("y", "n"))
}

// answers says how a column of yes and no is read; "" for one of true and false.
func (c *column) answers() string {
	for text := range c.counts {
		if _, err := strconv.ParseBool(text); err != nil || len(text) == 1 {
			return "yes and no, written in several ways: read as true and false, which requests send"
		}
	}
	return ""
}

// findNulls collects the texts that stand for null, from the columns of numbers
// and dates all, from those of text the narrow ones.
func (f *form) findNulls(s *survey) {
	for _, c := range s.columns {
		number := !c.isDate() && c.reads(f.way)
		for text := range c.nulls {
			if _, narrow := isNullWord(text); narrow || number || c.isDate() {
				f.nulls[text] = true
			}
		}
		if number && c.numbers[f.way] < c.cells && c != s.target {
			for text := range c.others {
				f.nulls[text] = true
			}
		}
	}
}

// missing counts a column's nulls in this form.
func (f *form) missing(c *column) int {
	n := 0
	for text, k := range c.nulls {
		if f.nulls[text] {
			n += k
		}
	}
	for text, k := range c.others {
		if f.nulls[text] {
			n += k
		}
	}
	return n
}

// lacks is missing, in the rows with a target alone: the others are left out.
func (f *form) lacks(c *column) int {
	n := 0
	for text, k := range c.kept {
		if f.nulls[text] {
			n += k
		}
	}
	return n
}

// textCounts gives how often each text of a column stands there, nulls not
// counted; nil where there are too many.
func (c *column) textCounts(f *form) map[string]int {
	if c.counts == nil {
		return nil
	}
	out := maps.Clone(c.counts)
	for text, k := range c.nulls {
		if !f.nulls[text] {
			out[text] += k
		}
	}
	for text := range f.nulls {
		delete(out, text)
	}
	return out
}

// hasWord reports whether a column's name has one of the words as a part.
func hasWord(name string, words ...string) bool {
	for _, part := range nameParts(name) {
		if slices.Contains(words, part) {
			return true
		}
	}
	return false
}

// nameParts splits customerId, customer_id and "Customer ID" into customer, id.
func nameParts(name string) []string {
	var parts []string
	var part []rune
	end := func() {
		if len(part) > 0 {
			parts = append(parts, strings.ToLower(string(part)))
			part = nil
		}
	}
	lower := false
	for _, r := range name {
		switch {
		case r == '_' || r == '-' || r == ' ' || r == '.' || r == '#' || r == ':' || r == '/' || r == '(' || r == ')':
			end()
			lower = false
			continue
		case r >= 'A' && r <= 'Z' && lower:
			end()
		}
		lower = r >= 'a' && r <= 'z'
		part = append(part, r)
	}
	end()
	return parts
}
