package tracking

import (
	"encoding/base64"
	"encoding/json"
	"iter"
	"slices"

	"github.com/perennial-ml/perennial/internal/mlflow"
)

// pageMax is the most runs of a page, MLflow's limit.
const pageMax = 50_000

// queryIDs bounds the ids in one query.
const queryIDs = 1000

// pageSize gives the number of rows of a page: unset is the default, anything out
// of 1 to most an error.
func pageSize(asked *mlflow.Int, unset, most int) (int, error) {
	switch {
	case asked == nil:
		return unset, nil
	case *asked < 1 || *asked > mlflow.Int(most):
		return 0, mlflow.Invalid("Invalid value %d for parameter 'max_results' supplied: it must be between 1 and %d.", *asked, most)
	}
	return int(*asked), nil
}

// place is where a page ended: the values of its last row by which the list is
// ordered. So the next page begins there, whatever comes and goes meanwhile.
type place struct {
	order  string // what the list is ordered by: a place in another order means nothing
	values []json.RawMessage
	err    error // of the first value that isn't what it should be
}

// placeDocument is a place in a token.
type placeDocument struct {
	Order  string            `json:"o"`
	Values []json.RawMessage `json:"v"`
}

// parsePlace reads a token; "" is the beginning. A token that no list in this order
// gave is invalid.
func parsePlace(token, order string) (place, error) {
	p := place{order: order}
	if token == "" {
		return p, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(token)
	var d placeDocument
	if err != nil || json.Unmarshal(b, &d) != nil || d.Order != order || len(d.Values) == 0 {
		return p, badToken()
	}
	p.values = d.Values
	return p, nil
}

func badToken() error {
	return mlflow.Invalid("Invalid page token: it is not one that a search in this order gave.")
}

func (p *place) empty() bool { return len(p.values) == 0 }

// token gives the token of another place in the same order.
func (p *place) token(values ...any) string {
	d := placeDocument{Order: p.order}
	for _, v := range values {
		b, err := json.Marshal(v)
		if err != nil {
			return "" // a NaN or an infinity, which no row has
		}
		d.Values = append(d.Values, b)
	}
	b, err := json.Marshal(d)
	if err != nil {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

func (p *place) whole(i int) int64 {
	var v int64
	p.read(i, &v)
	return v
}

func (p *place) number(i int) float64 {
	var v float64
	p.read(i, &v)
	return v
}

func (p *place) text(i int) string {
	var v string
	p.read(i, &v)
	return v
}

func (p *place) read(i int, v any) {
	if i >= len(p.values) || json.Unmarshal(p.values[i], v) != nil {
		p.err = badToken()
	}
}

// chunks gives ids in parts of what one query may name.
func chunks(ids []string) iter.Seq[[]string] { return slices.Chunk(ids, queryIDs) }
