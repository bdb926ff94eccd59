package tracking

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/perennial-ml/perennial/internal/mlflow"
)

// kind says what a key of a filter or an order names.
type kind string

const (
	kindAttribute kind = "attribute"
	kindMetric    kind = "metric"
	kindParam     kind = "parameter"
	kindTag       kind = "tag"
	kindDataset   kind = "dataset"
)

// attribute is a field of an entity by which can be searched or ordered.
type attribute struct {
	column  string // what the search's own SQL calls it
	numeric bool   // compared as a number, else as a text
	in      bool   // a text that takes IN and NOT IN
	quoted  bool   // a number that may stand in quotes
	noFind  bool   // not in filters
	noOrder bool   // not in orders
}

// grammar says what the searches of one entity know.
type grammar struct {
	entity     string               // for messages, as "run"
	loose      bool                 // params and tags take IN and NOT IN, and a text may be a number without quotes
	prefixes   map[string]kind      // what stands before the dot, lower case; without one it is an attribute
	attributes map[string]attribute // by key, in every spelling taken
	datasets   []string             // keys of kindDataset
	valid      []string             // the attributes' names for messages, sorted
}

// operator is a comparison.
type operator string

const (
	opEqual    operator = "="
	opNotEqual operator = "!="
	opGreater  operator = ">"
	opAtLeast  operator = ">="
	opLess     operator = "<"
	opAtMost   operator = "<="
	opLike     operator = "LIKE"
	opILike    operator = "ILIKE"
	opIn       operator = "IN"
	opNotIn    operator = "NOT IN"
	opNull     operator = "IS NULL"
	opNotNull  operator = "IS NOT NULL"
)

// condition is one comparison of a filter; all conditions of a filter must hold.
type condition struct {
	kind   kind
	key    string // of a metric, param, tag or data set; of an attribute its column
	op     operator
	text   string   // compared with, unless the key is numeric
	number float64  // compared with a metric or a numeric attribute
	list   []string // of IN and NOT IN
}

// numeric reports whether a condition compares numbers.
func (g *grammar) numeric(c condition) bool {
	return c.kind == kindMetric || c.kind == kindAttribute && g.byColumn(c.key).numeric
}

func (g *grammar) byColumn(column string) attribute {
	for _, a := range g.attributes {
		if a.column == column {
			return a
		}
	}
	return attribute{}
}

// The bounds of a filter: one condition is one subquery, and one value of a list one
// of the 32,766 that SQLite takes.
const (
	maxFilter  = 100_000 // bytes
	maxClauses = 100
)

var (
	numberOps = []operator{opEqual, opNotEqual, opGreater, opAtLeast, opLess, opAtMost}
	textOps   = []operator{opEqual, opNotEqual, opLike, opILike}
	inOps     = []operator{opEqual, opNotEqual, opLike, opILike, opIn, opNotIn}
	keyedOps  = []operator{opEqual, opNotEqual, opLike, opILike, opNull, opNotNull}
	looseOps  = []operator{opEqual, opNotEqual, opLike, opILike, opIn, opNotIn, opNull, opNotNull}
)

// parse reads a filter: comparisons joined by AND. An empty filter has none. Every
// error is an *mlflow.Error of code INVALID_PARAMETER_VALUE.
func (g *grammar) parse(filter string) ([]condition, error) {
	if len(filter) > maxFilter {
		return nil, mlflow.Invalid("The filter string is longer than %d bytes.", maxFilter)
	}
	l := &lexer{text: filter}
	if l.next(); l.token.kind == tokenEnd {
		return nil, l.err
	}
	var conditions []condition
	for {
		c, err := g.comparison(l)
		if err != nil {
			return nil, err
		}
		if conditions = append(conditions, c); len(conditions) > maxClauses {
			return nil, mlflow.Invalid("The filter string has more than %d clauses.", maxClauses)
		}
		switch {
		case l.err != nil:
			return nil, l.err
		case l.token.kind == tokenEnd:
			return conditions, nil
		case !l.word("AND"):
			return nil, mlflow.Invalid("Invalid clause(s) in filter string: '%s'. Comparisons are joined by AND; there is no OR, and no parentheses around them.", l.token.raw)
		}
	}
}

// comparison reads key, operator and value.
func (g *grammar) comparison(l *lexer) (condition, error) {
	c, err := g.key(l)
	if err != nil {
		return c, err
	}
	if c.op, err = l.operator(); err != nil {
		return c, err
	}
	allowed := g.operators(c)
	if !slices.Contains(allowed, c.op) {
		names := make([]string, len(allowed))
		for i, op := range allowed {
			names[i] = string(op)
		}
		return c, mlflow.Invalid("Invalid comparator '%s' for %s '%s' of a %s: it takes one of %s.", c.op, c.kind, c.key, g.entity, strings.Join(names, ", "))
	}
	switch c.op {
	case opNull, opNotNull:
		return c, nil
	case opIn, opNotIn:
		c.list, err = l.list()
		return c, err
	default:
		return g.value(l, c)
	}
}

// operators lists what may stand between a key and a value.
func (g *grammar) operators(c condition) []operator {
	switch {
	case g.numeric(c):
		return numberOps
	case c.kind == kindDataset, c.kind == kindAttribute && g.byColumn(c.key).in:
		return inOps
	case c.kind == kindAttribute:
		return textOps
	case g.loose:
		return looseOps
	default:
		return keyedOps
	}
}

// value reads what is compared with.
func (g *grammar) value(l *lexer, c condition) (condition, error) {
	t := l.token
	if g.numeric(c) {
		v, err := strconv.ParseFloat(t.text, 64)
		if errors.Is(err, strconv.ErrRange) {
			return c, mlflow.Invalid("The value %s for %s is beyond the range of numbers of 64 bits (±1.8e308).", t.raw, nameOf(c))
		}
		quoted := t.kind == tokenString && c.kind == kindAttribute && g.byColumn(c.key).quoted
		if t.kind != tokenNumber && !quoted || err != nil {
			return c, mlflow.Invalid("Expected numeric value type for %s. Found %s", nameOf(c), t.raw)
		}
		c.number = v
		l.next()
		return c, nil
	}
	if t.kind != tokenString && (!g.loose || t.kind != tokenNumber) {
		return c, mlflow.Invalid("Expected a quoted string value for %s (e.g. 'my-value'). Got value %s", nameOf(c), t.raw)
	}
	c.text = t.text
	l.next()
	return c, nil
}

// nameOf is how messages call what a condition compares.
func nameOf(c condition) string {
	if c.kind == kindAttribute {
		return "attribute " + c.key
	}
	return string(c.kind)
}

// key reads what is compared: an attribute, or what follows a prefix and a dot.
func (g *grammar) key(l *lexer) (condition, error) {
	if l.err != nil {
		return condition{}, l.err
	}
	t := l.token
	if t.kind != tokenKey {
		return condition{}, mlflow.Invalid("Invalid clause(s) in filter string: a key like metrics.accuracy is expected, not '%s'.", t.raw)
	}
	l.next()
	return g.resolve(t, false)
}

// resolve says what a key of a filter, or of an order, names.
func (g *grammar) resolve(t token, ordering bool) (condition, error) {
	prefix, key := "", t.text
	if t.dot >= 0 {
		prefix, key = strings.ToLower(t.text[:t.dot]), t.text[t.dot+1:]
	}
	k := kindAttribute
	if prefix != "" {
		var ok bool
		if k, ok = g.prefixes[prefix]; !ok {
			return condition{}, mlflow.Invalid("Invalid entity type '%s'. Valid entity types are %s", t.text[:t.dot], g.prefixNames())
		}
	}
	c := condition{kind: k, key: key}
	switch {
	case key == "":
		return c, mlflow.Invalid("Invalid key '%s': nothing follows the dot.", t.raw)
	case k == kindAttribute:
		a, ok := g.attributes[key]
		if !ok || !ordering && a.noFind || ordering && a.noOrder {
			return c, mlflow.Invalid("Invalid attribute key '%s' specified. Valid keys are '%s'", key, strings.Join(g.valid, "', '"))
		}
		c.key = a.column
	case k == kindDataset && !slices.Contains(g.datasets, key):
		return c, mlflow.Invalid("Invalid dataset key '%s' specified. Valid keys are '%s'", key, strings.Join(g.datasets, "', '"))
	}
	return c, nil
}

// prefixNames lists the prefixes for messages.
func (g *grammar) prefixNames() string {
	var names []string
	for name := range g.prefixes {
		names = append(names, "'"+name+"'")
	}
	slices.Sort(names)
	return "(" + strings.Join(names, ", ") + ")"
}
