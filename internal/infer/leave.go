package infer

import (
	"fmt"
	"math"

	"github.com/perennial-ml/perennial"
)

// useless finds columns from which nothing can be learned.
func (p *planner) useless(c *column, k kind) (choice, bool) {
	n := c.cells
	switch {
	case k == kindEmpty:
		return ignore("empty in every row"), true
	case c.distinct() == 1 && len(c.textCounts(p.f)) == 1:
		return ignore("always %s", quoted(firstText(c.counts))), true
	case k == kindOdd:
		why := fmt.Sprintf("numbers in another form than the rest of the file, like %s", quoted(firstText(c.counts)))
		if len(c.signs) > 0 && !c.signsAgree() {
			why = fmt.Sprintf("numbers with different units, like %s", quoted(firstText(c.counts)))
		}
		p.notef(true, c.name, "not used: %s; write them in one form to use them", why)
		return ignore("%s", why), true
	case p.tellsTarget(c, k, n):
		p.notef(true, c.name, "not used: it says the target %s in other words, which will not be known when it is to be predicted", p.s.target.name)
		return ignore("says the target in other words: it would be a leak"), true
	case c.mails == c.cells && c.cells > 0:
		return choice{column: perennial.Column{Role: perennial.RoleIgnore, Log: perennial.LogNever}, why: "e-mail addresses: no feature, and personal data"}, true
	}
	return choice{}, false
}

// tellsTarget reports whether a column is a copy of the target: one value for
// each class and the other way round, or a number that lies on a line with it.
func (p *planner) tellsTarget(c *column, k kind, n int) bool {
	if n < 20 {
		return false
	}
	if p.a.task == perennial.Classification && !c.copies.off && c.distinct() == len(p.a.classes) && len(c.copies.back) == len(p.a.classes) && c.distinct()*2 <= n {
		return true
	}
	return k == kindNumber && p.a.task == perennial.Regression && c.copies.numbers >= 20 && math.Abs(c.copies.correlation()) > 1-1e-9
}

// idWords are parts of names that rows' ids have.
var idWords = []string{"id", "ids", "uuid", "guid", "key", "no", "nr", "number", "num", "code", "ref", "reference", "serial", "iata", "icao", "isbn", "ean", "sku", "rowid"}

// inferID finds the row's id: another value in every row, and a name or a form
// that only ids have.
func (p *planner) inferID(c *column, k kind, missing int) (choice, bool) {
	if c.again || missing > 0 || p.s.rows < 20 || k == kindDate || k == kindBool {
		return choice{}, false
	}
	counted := k == kindNumber && c.whole == c.cells && c.steps == c.cells-1
	name := hasWord(c.name, idWords...)
	token := k == kindText && c.words == 0 && c.lines == 0 && c.bytes <= 40*c.cells
	switch {
	case k == kindNumber && c.whole < c.cells, k == kindNumber && !counted && !name:
		return choice{}, false
	case p.id == "" && name && (k == kindNumber || token):
		p.id = c.name
		p.notef(false, c.name, "the row's id: another value in every row")
		return choice{column: perennial.Column{Role: perennial.RoleID}, why: "another value in every row: the row's key, never a feature"}, true
	case counted:
		return ignore("counts the rows"), true
	case k == kindText && (c.words >= 3*c.cells || c.lines > 0):
		return choice{}, false // free text, which is told of as such
	}
	return ignore("another value in every row, as names and ids have"), true
}

// groupID finds the id of something that stands in several rows, too seldom to
// learn from.
func (p *planner) groupID(c *column) (choice, bool) {
	n, k := c.cells, c.distinct()
	if !hasWord(c.name, "id", "uuid", "guid") || !c.again || k <= listed || k*10 < n {
		return choice{}, false
	}
	p.notef(true, c.name, "not used: an id that stands in few rows each. Do rows of one belong together? Then split by it with --group %s", quoted(c.name))
	return ignore("an id of %d different values, in few rows each", k), true
}
