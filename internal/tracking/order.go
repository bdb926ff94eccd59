package tracking

import (
	"github.com/perennial-ml/perennial/internal/mlflow"
)

// orderTerm is one part of an order.
type orderTerm struct {
	kind       kind
	key        string // as condition.key
	descending bool
}

// maxOrder bounds the terms of an order: one term is one join.
const maxOrder = 16

// order reads a list of keys, each with ASC (the default) or DESC. Errors are as
// those of parse.
func (g *grammar) order(list []string) ([]orderTerm, error) {
	if len(list) > maxOrder {
		return nil, mlflow.Invalid("order_by has more than %d keys.", maxOrder)
	}
	var terms []orderTerm
	for _, text := range list {
		term, err := g.orderTerm(text)
		if err != nil {
			return nil, err
		}
		terms = append(terms, term)
	}
	return terms, nil
}

func (g *grammar) orderTerm(text string) (orderTerm, error) {
	bad := mlflow.Invalid("Invalid order_by clause '%s': it is a key and ASC or DESC, like metrics.accuracy DESC.", text)
	if len(text) > maxFilter {
		return orderTerm{}, mlflow.Invalid("An order_by clause is longer than %d bytes.", maxFilter)
	}
	l := &lexer{text: text}
	if l.next(); l.err != nil || l.token.kind != tokenKey {
		return orderTerm{}, bad
	}
	c, err := g.resolve(l.token, true)
	if err != nil {
		return orderTerm{}, err
	}
	if c.kind == kindDataset {
		return orderTerm{}, mlflow.Invalid("Invalid order_by entity type '%s'", c.kind)
	}
	l.next()
	term := orderTerm{kind: c.kind, key: c.key}
	switch {
	case l.word("ASC"):
	case l.word("DESC"):
		term.descending = true
	}
	if l.err != nil || l.token.kind != tokenEnd {
		return orderTerm{}, bad
	}
	return term, nil
}
