package infer

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/perennial-ml/perennial"
)

const (
	listed    = 50   // categories with at most so many values list them
	compactAt = 1000 // a file with more columns gets a schema without ranges and reasons
)

// choice is what a column is for, and why.
type choice struct {
	column  perennial.Column
	why     string
	encode  string // preprocess.columns, where the type's setting doesn't do
	clock   bool   // a date with a time of day
	long    bool   // a date that spans more than two years
	unnamed bool   // the schema can't list it
}

func (c *choice) feature() bool { return c.column.Role == perennial.RoleFeature }

// planner decides what each column is for.
type planner struct {
	s        *survey
	f        *form
	a        *aim
	o        *Options
	dayFirst bool
	id       string // the row key, "" for none yet
	seen     map[string]int
	notes    []Note
	dates    []string // columns of dates
}

func (p *planner) notef(warn bool, column, format string, args ...any) {
	p.notes = append(p.notes, Note{Warning: warn, Column: column, Text: fmt.Sprintf(format, args...)})
}

// choices gives one choice per column name, in the file's order, the target
// among them.
func (p *planner) choices() ([]choice, error) {
	p.seen = map[string]int{}
	for _, c := range p.s.columns {
		p.seen[c.name]++
	}
	if err := p.flags(); err != nil {
		return nil, err
	}
	var out []choice
	done := map[string]bool{}
	for _, c := range p.s.columns {
		if done[c.name] {
			continue
		}
		done[c.name] = true
		if c == p.s.target {
			out = append(out, choice{column: p.a.column, why: p.a.why})
			continue
		}
		ch, err := p.choose(c)
		if err != nil {
			return nil, err
		}
		if ch.column.Name == "" {
			ch.column.Name = c.name
		}
		out = append(out, ch)
	}
	return out, nil
}

// flags checks the columns that flags name.
func (p *planner) flags() error {
	for flag, name := range map[string]string{"--id": p.o.ID, "--time": p.o.Time, "--group": p.o.Group} {
		switch {
		case name == "":
		case p.seen[name] == 0:
			return p.s.noColumn(flag, name)
		case name == p.o.Target:
			return refuse(p.s.file, 1, "%s is the target and can't be %s too", name, flag)
		case slices.Contains(p.o.Ignore, name):
			return refuse(p.s.file, 1, "%s can't be both %s and --ignore", name, flag)
		}
	}
	for _, name := range p.o.Ignore {
		if p.seen[name] == 0 {
			return p.s.noColumn("--ignore", name)
		}
		if name == p.o.Target {
			return refuse(p.s.file, 1, "%s is the target and can't be ignored", name)
		}
	}
	p.id = p.o.ID
	if p.id == "" && p.o.Group != "" {
		p.id = p.o.Group
	}
	return nil
}

func ignore(format string, args ...any) choice {
	return choice{column: perennial.Column{Role: perennial.RoleIgnore}, why: fmt.Sprintf(format, args...)}
}

// choose decides about one column.
func (p *planner) choose(c *column) (choice, error) {
	missing := p.f.missing(c)
	switch {
	case !validName(c.name):
		p.notef(c.name != "", c.name, "column %d has %s; it isn't used", c.field+1, unusable(c.name))
		return choice{unnamed: true, column: perennial.Column{Role: perennial.RoleIgnore}}, nil
	case p.seen[c.name] > 1:
		p.notef(true, c.name, "the name stands %d times in line 1; give each its own, or none of them is used", p.seen[c.name])
		return ignore("the name stands %d times in line 1", p.seen[c.name]), nil
	case slices.Contains(p.o.Ignore, c.name):
		return ignore("--ignore"), nil
	case c.name == p.o.ID:
		return p.idColumn(c, "--id")
	case c.name == p.o.Group && p.o.ID == "":
		return p.idColumn(c, "--group: never a feature, and rows of one group share a side")
	}
	k := p.f.kind(c)
	named := c.name == p.o.Time || c.name == p.o.Group
	if !named {
		if ch, ok := p.useless(c, k); ok {
			return ch, nil
		}
		if ch, ok := p.inferID(c, k, missing); ok {
			return ch, nil
		}
		if ch, ok := p.groupID(c); ok {
			return ch, nil
		}
	}
	ch := p.feature(c, k, missing)
	if c.name == p.o.Time {
		return ch, p.checkTime(c, &ch)
	}
	if c.name == p.o.Group {
		if ch.column.Role != perennial.RoleFeature {
			ch = p.category(c, missing)
		}
		ch.why = "--group: rows of one group share a side; " + ch.why
	}
	return ch, nil
}

func unusable(name string) string {
	if name == "" {
		return "no name"
	}
	return "a name of several lines, or too long a one"
}

func (p *planner) idColumn(c *column, why string) (choice, error) {
	if missing := p.f.lacks(c); missing > 0 {
		return choice{}, refuse(p.s.file, 0, "%s is the row's id, and %d rows have none", c.name, missing).WithHint("Give each row an id, or leave the flag out.")
	}
	if c.again && c.name == p.o.ID {
		p.notef(false, c.name, "the same id stands in several rows; they share a side")
		why += "; not unique: rows of one id share a side"
	}
	p.id = c.name
	return choice{column: perennial.Column{Role: perennial.RoleID}, why: why}, nil
}

// feature gives the schema of a column that is learned from.
func (p *planner) feature(c *column, k kind, missing int) choice {
	switch k {
	case kindDate:
		return p.date(c, missing)
	case kindBool:
		return choice{column: perennial.Column{Role: perennial.RoleFeature, Type: perennial.TypeBoolean, Nullable: missing > 0}, why: join(c.answers(), p.lacking(missing))}
	case kindNumber:
		if why, ok := p.code(c); ok {
			ch := p.category(c, missing)
			ch.why = join(why, ch.why)
			return ch
		}
		return p.number(c, missing)
	default:
		return p.text(c, missing)
	}
}

// lacking says how many values are missing.
func (p *planner) lacking(missing int) string {
	if missing == 0 {
		return ""
	}
	return fmt.Sprintf("%d of %d missing", missing, p.s.rows)
}

func join(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), "; ")
}

// codeWords are parts of names that numbers without an order have.
var codeWords = []string{"id", "zip", "zipcode", "postcode", "postal", "plz", "code", "fips", "naics", "sic", "cowcode2"}

// code reports whether digits are a code and no quantity.
func (p *planner) code(c *column) (why string, ok bool) {
	switch {
	case c.whole != c.cells:
		return "", false
	case c.padded > 0:
		return "digits with leading zeros: a code, no quantity", true
	case c.big > 0:
		return "more digits than a number holds exactly: a code", true
	case hasWord(c.name, codeWords...) && c.low[0] >= 0:
		return "whole numbers that are a code by their name", true
	}
	return "", false
}

func (p *planner) number(c *column, missing int) choice {
	w := p.f.way
	col := perennial.Column{Role: perennial.RoleFeature, Type: perennial.TypeNumeric, Nullable: missing > 0}
	var whys []string
	if c.whole == c.numbers[w] {
		col.Type = perennial.TypeInteger
		if c.low[w] == 0 && c.high[w] == 1 {
			whys = append(whys, "yes or no; requests send 1 or 0")
		}
		if n := c.distinct() - len(c.others); n <= 10 && n > 2 && c.cells >= 50 {
			whys = append(whys, fmt.Sprintf("%d different values; categorical if they have no order", n))
		}
	}
	if len(p.s.columns) <= compactAt {
		col.Range, col.OutOfRange = roomy(c.low[w], c.high[w], col.Type == perennial.TypeInteger), perennial.RangeWarn
	}
	if len(c.others) > 0 {
		texts := slices.Sorted(maps.Keys(c.others))
		whys = append(whys, "read as missing: "+strings.Join(texts, ", "))
		p.notef(true, c.name, "%s (first in line %d) is read as a missing number", strings.Join(texts, ", "), c.line)
	}
	for sign := range c.signs {
		whys = append(whys, "without "+sign)
	}
	if p.f.doubt == c.name {
		whys = append(whys, []string{"1,234 was read as one thousand and more: a comma between thousands", "1,234 was read as one and a bit: a decimal comma"}[w])
		p.notef(true, c.name, "its commas can be decimal commas or thousands separators; they were read as %s. See data.csv", []string{"thousands separators", "decimal commas"}[w])
	}
	return choice{column: col, why: join(append(whys, p.lacking(missing))...)}
}

func (p *planner) date(c *column, missing int) choice {
	f, other, _ := c.dates.form(p.dayFirst)
	col := perennial.Column{Role: perennial.RoleFeature, Type: perennial.TypeDate, Nullable: missing > 0}
	if f.format != perennial.DefaultDateFormat {
		col.Format = f.format
	}
	why := p.lacking(missing)
	if other != "" {
		why = join(why, "day and month can't be told apart: no value is above 12. It may be "+other)
		p.notef(true, c.name, "day and month can't be told apart; dates were read as %s, and may be %s", f.format, other)
	}
	p.dates = append(p.dates, c.name)
	return choice{column: col, why: why, clock: f.clock && c.dates.midday, long: c.dates.last.Sub(c.dates.first).Hours() > 2*365*24}
}

// text decides between categories and free text.
func (p *planner) text(c *column, missing int) choice {
	n, k := c.cells, c.distinct()
	words, size := float64(c.words)/float64(max(n, 1)), float64(c.bytes)/float64(max(n, 1))
	switch {
	case c.numbers[0]*10 > c.cells*8 && c.cells > 20:
		p.notef(true, c.name, "%d of its %d values are numbers and %d aren't, first %s in line %d; it is used as a category", c.numbers[0], c.cells, c.cells-c.numbers[0], quoted(firstText(c.others)), c.line)
	case clockOnly(c):
		return ignore("times of day without a date, which no type reads")
	case c.datish*10 > c.cells*9:
		a, b := twoOf(c.counts)
		p.notef(true, c.name, "not used: dates that no one format reads, like %s and %s; write them alike, best as 2026-01-31", quoted(a), quoted(b))
		return ignore("dates that no one format reads, like %s and %s", quoted(a), quoted(b))
	case k > 20 && k*10 > n*3 && (words >= 3 || size >= 50 || c.lines > 0):
		return ignore("free text: %d different values, %.0f characters on average", k, size)
	case k > 20 && k*10 > n*9:
		return ignore("nearly another value in every row (%d in %d)", k, n)
	case c.longest > maxText:
		p.notef(true, c.name, "not used: it holds a text of %d bytes in line %d, and a category has at most %d; is a quote not closed there?", c.longest, c.longLine, maxText)
		return ignore("a text of %d bytes in line %d: no category", c.longest, c.longLine)
	}
	return p.category(c, missing)
}

// twoOf gives the first and the last of some texts.
func twoOf(counts map[string]int) (first, last string) {
	if len(counts) == 0 {
		return "", ""
	}
	texts := slices.Sorted(maps.Keys(counts))
	return texts[0], texts[len(texts)-1]
}

// clockOnly reports whether a column holds times of day.
func clockOnly(c *column) bool {
	for text := range c.counts {
		hour, rest, ok := strings.Cut(strings.ReplaceAll(text, ".", ":"), ":")
		h, err := strconv.Atoi(hour)
		if !ok || err != nil || h > 23 || len(rest) < 2 || rest[0] > '5' || strings.Trim(rest, "0123456789:APMapm ") != "" {
			return false
		}
	}
	return len(c.counts) > 2
}

// category lists the values where they are few, and learns them otherwise.
func (p *planner) category(c *column, missing int) choice {
	col := perennial.Column{Role: perennial.RoleFeature, Type: perennial.TypeCategorical, Unknown: perennial.UnknownWarn, Nullable: missing > 0}
	counts := c.textCounts(p.f)
	if counts != nil && len(counts) <= listed && c.longest <= maxText {
		col.Values = slices.SortedFunc(maps.Keys(counts), naturally)
		twice := odd(col.Values)
		if twice != "" {
			p.notef(true, c.name, "%s; is that meant?", twice)
		}
		return choice{column: col, why: join(yesNo(col.Values), p.lacking(missing), twice)}
	}
	col.Unknown = perennial.UnknownOther
	many := fmt.Sprintf("more than %d", maxDistinct)
	k := maxDistinct
	if counts != nil {
		many, k = strconv.Itoa(len(counts)), len(counts)
	}
	col.MaxValues = roundUp(k)
	return choice{column: col, why: join(many+" different values", p.lacking(missing)), encode: "target"}
}

// yesNo points out a boolean in words, which stays a category of two values.
func yesNo(values []string) string {
	if len(values) != 2 {
		return ""
	}
	switch strings.ToLower(values[0] + " " + values[1]) {
	case "no yes", "n y", "f t", "off on", "false true":
		return "yes or no; requests send " + quoted(values[0]) + " or " + quoted(values[1])
	}
	return ""
}

// odd points out texts that are probably one value in several spellings.
func odd(values []string) string {
	folded := map[string]string{}
	for _, v := range values {
		if other, ok := folded[strings.ToLower(v)]; ok {
			return fmt.Sprintf("%s and %s are two values here", quoted(other), quoted(v))
		}
		folded[strings.ToLower(v)] = v
	}
	return ""
}

// roundUp gives the next number with one digit and zeros.
func roundUp(k int) int {
	step := 1
	for step*10 < k {
		step *= 10
	}
	return (k + step - 1) / step * step
}

// naturally compares numbers by value, other texts by their bytes.
func naturally(a, b string) int {
	x, errX := strconv.ParseFloat(a, 64)
	y, errY := strconv.ParseFloat(b, 64)
	if errX == nil && errY == nil {
		return cmp.Or(cmp.Compare(x, y), cmp.Compare(a, b))
	}
	return cmp.Compare(a, b)
}

// checkTime makes sure that a split can order the rows by the column.
func (p *planner) checkTime(c *column, ch *choice) error {
	missing := p.f.lacks(c)
	switch t := ch.column.Type; {
	case missing > 0:
		return refuse(p.s.file, 0, "%d rows have no %s, by which --time orders them", missing, c.name).WithHint("Fill it in, or leave --time out.")
	case !ch.feature() || t != perennial.TypeDate && t != perennial.TypeNumeric && t != perennial.TypeInteger:
		return refuse(p.s.file, 0, "%s holds neither dates in one format nor numbers, like %s; --time can't order rows by it", c.name, quoted(firstText(c.counts))).
			WithHint("Write all dates alike, best as 2026-01-31.")
	}
	ch.why = join("--time: the latest rows are held out", ch.why)
	return nil
}
