package tracking

import (
	"slices"
	"strings"
	"unicode/utf8"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/perennial-ml/perennial/internal/mlflow"
)

// runSearch is one page of a search of runs.
//
// What makes it quick with tens of thousands of runs is where it begins. Where a
// condition leaves few runs, it begins with those and sorts them. Else, ordered by
// a metric of one experiment, it reads the index of that order from the page's
// place on and stops when the page is full: first the runs with a number, then
// those with NaN, then those without the metric. Otherwise the database's planner
// decides.
type runSearch struct {
	g           *gorm.DB
	experiments []string
	stages      []string
	conditions  []condition
	order       []orderTerm // total: it ends with the run's id
	after       place
	size        int
}

// fewRuns is how many runs are sorted rather than read in order.
const fewRuns = 1000

// The ranks of an order's values: those that there are before those that aren't,
// whichever direction.
const (
	rankNumber = iota
	rankNaN
	rankMissing
)

func (s *runSearch) run() (*runPage, error) {
	begin, err := s.fewest()
	if err != nil {
		return nil, err
	}
	page := &runPage{size: s.size}
	if begin == nil && s.inIndexOrder() {
		return page, s.byMetric(page)
	}
	q := s.query(begin)
	for i, t := range s.order {
		q.orderBy(s.g, t, i)
	}
	if !s.after.empty() {
		if err := q.continueAfter(&s.after); err != nil {
			return nil, err
		}
	}
	return page, q.read(s.g, page)
}

// inIndexOrder reports whether an index has the runs in the order of the search.
func (s *runSearch) inIndexOrder() bool {
	return len(s.experiments) == 1 && s.order[0].kind == kindMetric
}

// ordersBy reports whether a condition narrows the part of the index that is read
// in order: its runs need not be sorted, however few they are.
func (s *runSearch) ordersBy(c condition) bool {
	return s.inIndexOrder() && c.kind == kindMetric && c.key == s.order[0].key
}

// byMetric reads runs in the order of a metric.
func (s *runSearch) byMetric(page *runPage) error {
	first := rankNumber
	if !s.after.empty() {
		first = int(s.after.whole(0))
	}
	for rank := first; rank <= s.lastRank() && !page.more; rank++ {
		q := s.ranked(rank)
		if !s.after.empty() && rank == first {
			if err := q.continueAfter(&s.after); err != nil {
				return err
			}
		}
		if err := q.read(s.g, page); err != nil {
			return err
		}
	}
	return nil
}

// lastRank is the last one that the conditions on the metric itself let through.
func (s *runSearch) lastRank() int {
	last := rankMissing
	for _, c := range s.conditions {
		if c.kind != kindMetric || c.key != s.order[0].key {
			continue
		}
		if c.op != opNotEqual {
			return rankNumber
		}
		last = rankNaN
	}
	return last
}

// ranked makes the query of the runs of one rank.
func (s *runSearch) ranked(rank int) *runQuery {
	t := s.order[0]
	value := sortColumn{sql: "o0.value", kind: sortNumber, descending: t.descending, indexed: true}
	var q *runQuery
	if rank != rankNumber {
		value.constant = 0.0
	}
	if rank == rankMissing {
		q = s.query(nil)
		q.where("NOT EXISTS (SELECT 1 FROM latest_metrics o0 WHERE o0.run_id = r.run_id AND o0.key = ?)", t.key)
	} else {
		q = s.query(&start{
			from: "latest_metrics o0 CROSS JOIN runs r", at: -1,
			sql: "o0.experiment_id = ? AND o0.key = ? AND o0.is_nan = ? AND r.run_id = o0.run_id", args: []any{s.experiments[0], t.key, rank == rankNaN},
		})
		if rank == rankNumber { // a range of the index rather than a look-up each
			for _, c := range s.conditions {
				if c.kind == kindMetric && c.key == t.key {
					q.whereExpr(compare(s.g, "o0.value", c, true))
				}
			}
		}
	}
	q.sort = append(q.sort, sortColumn{constant: rank}, value)
	for i, t := range s.order[1:] {
		q.orderBy(s.g, t, i+1)
	}
	return q
}

// start is where a query begins: a table d of few runs, joined to the runs r.
type start struct {
	from string
	sql  string // joins, and narrows to the few
	args []any
	at   int // the condition that it fulfils; -1: none
}

// fewest gives the condition that leaves the fewest runs, nil where none leaves few.
func (s *runSearch) fewest() (*start, error) {
	var best *start
	least := fewRuns + 1
	for i, c := range s.conditions {
		if c.kind == kindAttribute && c.key == "run_id" && (c.op == opEqual || c.op == opIn) {
			return &start{from: "runs r", sql: "TRUE", at: -1}, nil // the database begins with the ids
		}
		table, sql, args := s.indexed(c)
		if table == "" || s.ordersBy(c) {
			continue
		}
		var n int
		probe := "SELECT COUNT(*) FROM (SELECT 1 FROM " + table + " d WHERE " + sql + " LIMIT ?) p"
		if err := s.g.Raw(probe, append(slices.Clip(args), least)...).Scan(&n).Error; err != nil {
			return nil, err
		}
		if n < least {
			least = n
			best = &start{from: table + " d CROSS JOIN runs r", sql: sql + " AND r.run_id = d.run_id", args: args, at: i}
			if c.kind == kindDataset { // a run may have read it twice
				best.from = "(SELECT DISTINCT run_id FROM inputs d WHERE " + sql + ") d CROSS JOIN runs r"
				best.sql = "r.run_id = d.run_id"
			}
		}
	}
	return best, nil
}

// indexed gives the table whose index answers a condition, and how.
func (s *runSearch) indexed(c condition) (table, sql string, args []any) {
	switch {
	case c.kind == kindMetric && c.op != opNotEqual:
		e := compare(s.g, "d.value", c, true)
		return "latest_metrics", "d.experiment_id IN ? AND d.key = ? AND d.is_nan = FALSE AND " + e.SQL, append([]any{s.experiments, c.key}, e.Vars...)
	case c.kind == kindParam && c.op == opEqual:
		table = "params"
	case c.kind == kindTag && c.op == opEqual:
		table = "tags"
	case c.kind == kindDataset && c.op == opEqual && c.key != "context":
		return "inputs", "d." + c.key + " = ?", []any{c.text}
	default:
		return "", "", nil
	}
	return table, "d.key = ? AND " + valueIs("d", c.text), append([]any{c.key}, valueArgs(c.text)...)
}

// query begins a query with the runs of the experiments and stages that fulfil the
// conditions.
func (s *runSearch) query(begin *start) *runQuery {
	q := &runQuery{from: "runs r", id: "r.run_id"}
	done := -1
	if begin != nil {
		q.from, done = begin.from, begin.at
		if first, _, joined := strings.Cut(begin.from, " CROSS JOIN "); joined {
			q.id = first[strings.LastIndexByte(first, ' ')+1:] + ".run_id"
		}
		if strings.Contains(begin.from, "?") {
			q.fromArgs = begin.args
			q.where(begin.sql)
		} else {
			q.where(begin.sql, begin.args...)
		}
	}
	oneOf(q, "r.experiment_id", s.experiments)
	oneOf(q, "r.lifecycle_stage", s.stages)
	for i, c := range s.conditions {
		if i != done {
			q.whereExpr(runCondition(s.g, q.id, c))
		}
	}
	return q
}

// oneOf keeps a list of one as a plain comparison: an index can be read in order
// then.
func oneOf(q *runQuery, column string, list []string) {
	if len(list) == 1 {
		q.where(column+" = ?", list[0])
	} else {
		q.where(column+" IN ?", list)
	}
}

// runCondition gives the SQL of one condition on a run r, whose id is in a column.
func runCondition(g *gorm.DB, id string, c condition) clause.Expr {
	belongs := "x.run_id = " + id
	switch c.kind {
	case kindAttribute:
		return compare(g, "r."+c.key, c, runGrammar.numeric(c))
	case kindMetric:
		e := compare(g, "x.value", c, true)
		number := " AND x.is_nan = FALSE AND " + e.SQL
		if c.op == opNotEqual {
			number = " AND (x.is_nan = TRUE OR " + e.SQL + ")"
		}
		return gorm.Expr("EXISTS (SELECT 1 FROM latest_metrics x WHERE "+belongs+" AND x.key = ?"+number+")", append([]any{c.key}, e.Vars...)...)
	case kindDataset:
		e := compare(g, "x."+c.key, c, false)
		return gorm.Expr("EXISTS (SELECT 1 FROM inputs x WHERE "+belongs+" AND "+e.SQL+")", e.Vars...)
	case kindParam:
		return hasValue(g, "params", belongs, c)
	case kindTag:
		return hasValue(g, "tags", belongs, c)
	}
	return gorm.Expr("FALSE") // the parser gives no other kind
}

// hasValue is keyed for the tables whose values are indexed. For a value that it is
// equal to, the index has it all, while SQLite would look up the row.
func hasValue(g *gorm.DB, table, belongs string, c condition) clause.Expr {
	if c.op != opEqual {
		return keyed(g, table, belongs, c)
	}
	from := table + " x"
	if g.Name() == "sqlite" {
		from += " INDEXED BY " + table + "_value"
	}
	return gorm.Expr("EXISTS (SELECT 1 FROM "+from+" WHERE "+belongs+" AND x.key = ? AND "+valueIs("x", c.text)+")", append([]any{c.key}, valueArgs(c.text)...)...)
}

// indexedValue is how many characters of a value its index has.
const indexedValue = 100

// valueIs gives the SQL that a param or tag has a value, for its index; valueArgs
// gives the arguments. A short value is in the index whole.
func valueIs(alias, value string) string {
	sql := "substr(" + alias + ".value, 1, 100) = ?"
	if utf8.RuneCountInString(value) >= indexedValue {
		sql += " AND " + alias + ".value = ?"
	}
	return sql
}

func valueArgs(value string) []any {
	if utf8.RuneCountInString(value) >= indexedValue {
		return []any{mlflow.Truncate(value, indexedValue), value}
	}
	return []any{value}
}
