package infer

import (
	"hash/maphash"
	"math"
	"strings"
	"unicode/utf8"
)

// Limits of what is counted of one column.
const (
	maxDistinct = 10_000    // texts counted one by one
	maxUnique   = 5_000_000 // rows up to which a column is proven to have no value twice
	maxOthers   = 3         // different texts that may be nulls of a column of numbers
)

var hashSeed = maphash.MakeSeed()

// column counts what stands in one column.
type column struct {
	name  string
	field int

	cells  int            // that aren't any of nullWords
	nulls  map[string]int // texts of nullWords, as they stand there
	kept   map[string]int // of them those in rows with a target
	counts map[string]int // other texts; nil above maxDistinct
	unique map[uint64]struct{}
	again  bool // a value came a second time, or can't be told

	numbers  [2]int // cells that are numbers with a decimal point, with a decimal comma
	sure     [2]int // of them those that the other way can't read
	grouped  [2]int // of them those with thousands separators
	low      [2]float64
	high     [2]float64
	parens   int            // numbers in parentheses, as negative ones are in accounts
	whole    int            // digits only
	padded   int            // digits with a leading zero
	big      int            // whole numbers above 2^53, which float64 doesn't hold
	spaces   map[string]int // separators of thousands besides comma and point
	signs    map[string]int // currency and percent signs
	others   map[string]int // texts that are no numbers, up to maxOthers+1 of them
	line     int            // of the first of them
	steps    int            // whole numbers that are the one before plus 1
	longest  int            // bytes of the longest cell
	longLine int            // where it stands
	before   float64

	dates  dates
	words  int // spaces between letters
	bytes  int
	lines  int // cells with a line break
	mails  int
	datish int // cells that look like a day in numbers

	copies copies
}

func newColumn(name string, field int) *column {
	return &column{
		name: name, field: field, nulls: map[string]int{}, kept: map[string]int{}, counts: map[string]int{}, unique: map[uint64]struct{}{},
		low: [2]float64{math.Inf(1), math.Inf(1)}, high: [2]float64{math.Inf(-1), math.Inf(-1)},
		spaces: map[string]int{}, signs: map[string]int{}, others: map[string]int{}, before: math.NaN(),
	}
}

// nullWords are the texts, in lower case, that may stand for null in any column.
// The narrow ones do so in columns of text too.
var nullWords = map[string]bool{
	"": true, "na": true, "n/a": true, "nan": true, "null": true, "<na>": true, "#n/a": true, "#na": true, `\n`: true, "(null)": true, "?": true,
	"none": false, "nil": false, "-": false, "--": false, "---": false, ".": false, "..": false, "n.a.": false, "#null!": false, "#div/0!": false, "#value!": false, "#ref!": false, "0000-00-00": false,
	"missing": false, "unknown": false, "not available": false,
}

// isNullWord reports whether a text may stand for null, and whether it does so
// in a column of text.
func isNullWord(s string) (word, narrow bool) {
	if len(s) > 13 {
		return false, false
	}
	if s != "" && s[0] >= '0' && s[0] <= '9' && s != "0000-00-00" {
		return false, false
	}
	narrow, word = nullWords[strings.ToLower(s)]
	return word, narrow
}

// goal is the target of the row that is read; text is "" for null.
type goal struct {
	text   string
	number float64 // NaN for none
}

// add counts one cell, without the spaces around it.
func (c *column) add(s string, y goal, line int) {
	if word, _ := isNullWord(s); word {
		if _, known := c.nulls[s]; !known {
			s = strings.Clone(s)
		}
		c.nulls[s]++
		if y.text != "" {
			c.kept[s]++
		}
		return
	}
	c.cells++
	if len(s) > c.longest {
		c.longest, c.longLine = len(s), line
	}
	c.count(s)
	n, ok := number{}, false
	if !c.isText() {
		n, ok = parseNumber(s)
	}
	if !ok {
		n.value[0] = math.NaN()
	}
	c.copies.add(s, n.value[0], y)
	if ok {
		c.addNumber(n)
	} else {
		c.addText(s, line)
	}
	c.dates.add(s)
	if c.dates.failed && !ok && len(s) <= 40 && datish(s) {
		c.datish++
	}
}

// isText reports whether the column can't be one of numbers any more, after so
// many texts that it needn't be told how many cells are.
func (c *column) isText() bool {
	return len(c.others) > maxOthers && c.cells > 1000 && c.numbers[0]+c.numbers[1] == 0
}

// addText counts a cell that is no number.
func (c *column) addText(s string, line int) {
	c.addOther(s, line)
	c.bytes += len(s)
	c.words += strings.Count(s, " ")
	if strings.IndexByte(s, '\n') >= 0 {
		c.lines++
	}
	if i := strings.IndexByte(s, '@'); i > 0 && strings.Contains(s[i:], ".") && !strings.ContainsAny(s, " \n") {
		c.mails++
	}
}

// datish reports whether a text begins like a day in numbers: 1/31/2026, 31.1.26
// or 2026-1-31.
func datish(s string) bool {
	day, _, _ := strings.Cut(strings.Replace(s, "T", " ", 1), " ")
	for _, sign := range []string{"/", ".", "-"} {
		parts := strings.Split(day, sign)
		if len(parts) != 3 || strings.Trim(parts[0]+parts[1]+parts[2], "0123456789") != "" {
			continue
		}
		a, b, c := len(parts[0]), len(parts[1]), len(parts[2])
		return b >= 1 && b <= 2 && (a == 4 && c <= 2 || a >= 1 && a <= 2 && (c == 2 || c == 4))
	}
	return false
}

// count counts the cell's text, and whether it came before.
func (c *column) count(s string) {
	if !c.again {
		h := maphash.String(hashSeed, s)
		if _, came := c.unique[h]; came || len(c.unique) >= maxUnique {
			c.again, c.unique = true, nil
		} else {
			c.unique[h] = struct{}{}
		}
	}
	if c.counts == nil {
		return
	}
	if _, known := c.counts[s]; !known {
		if len(c.counts) >= maxDistinct {
			c.counts = nil
			return
		}
		s = strings.Clone(s)
	}
	c.counts[s]++
}

func (c *column) addNumber(n number) {
	for way, v := range n.value {
		if math.IsNaN(v) {
			continue
		}
		c.numbers[way]++
		if n.sure {
			c.sure[way]++
		}
		if n.grouped[way] {
			c.grouped[way]++
		}
		c.low[way], c.high[way] = min(c.low[way], v), max(c.high[way], v)
	}
	if n.spaces != "" {
		c.spaces[n.spaces]++
	}
	if n.parens {
		c.parens++
	}
	if n.sign != "" {
		c.signs[n.sign]++
	}
	if !n.whole || n.sign != "" {
		return
	}
	c.whole++
	if n.padded {
		c.padded++
	}
	if math.Abs(n.value[0]) > 1<<53 {
		c.big++
	}
	if n.value[0] == c.before+1 {
		c.steps++
	}
	c.before = n.value[0]
}

// addOther keeps a text that is no number, while they are few.
func (c *column) addOther(s string, line int) {
	if c.line == 0 {
		c.line = line
	}
	if len(c.others) <= maxOthers {
		if _, known := c.others[s]; !known {
			s = strings.Clone(s)
		}
		c.others[s]++
	}
}

// distinct is the number of different texts; more than maxDistinct is
// maxDistinct + 1.
func (c *column) distinct() int {
	if c.counts == nil {
		return maxDistinct + 1
	}
	return len(c.counts)
}

// copies finds columns that say the target in other words.
type copies struct {
	forth, back map[string]string // value → target and target → value; nil once that is no function
	off         bool
	numbers     int // rows where both are numbers
	meanX       float64
	meanY       float64
	sxx         float64
	syy         float64
	sxy         float64
}

// maxCopies bounds the values of a column that is compared with the target.
const maxCopies = 1000

func (c *copies) add(s string, x float64, y goal) {
	if !math.IsNaN(x) && !math.IsNaN(y.number) {
		c.numbers++
		dx, dy := x-c.meanX, y.number-c.meanY
		c.meanX += dx / float64(c.numbers)
		c.meanY += dy / float64(c.numbers)
		c.sxx += dx * (x - c.meanX)
		c.syy += dy * (y.number - c.meanY)
		c.sxy += dx * (y.number - c.meanY)
	}
	target := y.text
	if c.off || target == "" {
		return
	}
	if c.forth == nil {
		c.forth, c.back = map[string]string{}, map[string]string{}
	}
	there, known := c.forth[s]
	here, seen := c.back[target]
	if known && there != target || seen && here != s || len(c.forth) > maxCopies {
		c.off, c.forth, c.back = true, nil, nil
		return
	}
	if !known {
		s, target = strings.Clone(s), strings.Clone(target)
		c.forth[s], c.back[target] = target, s
	}
}

// correlation is Pearson's, over the rows where both are numbers.
func (c *copies) correlation() float64 {
	if c.sxx <= 0 || c.syy <= 0 {
		return 0
	}
	return c.sxy / math.Sqrt(c.sxx*c.syy)
}

// validName reports whether a schema can have a column of this name.
func validName(s string) bool {
	return s != "" && len(s) <= 200 && !strings.ContainsAny(s, "\x00\n\r") && utf8.ValidString(s)
}
