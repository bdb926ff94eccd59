package tracking

import (
	"slices"
	"strconv"
	"strings"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// runQuery is SQL that reads runs r with the values they are ordered by.
type runQuery struct {
	from      string
	id        string // the run's id in the first table: what it rules out needs no look-up of the run
	fromArgs  []any
	joins     []string
	joinArgs  []any
	wheres    []string
	whereArgs []any
	sort      []sortColumn
}

// sortColumn is one value of an order.
type sortColumn struct {
	sql        string
	kind       sortKind
	descending bool
	indexed    bool // an index is read in this order: a page's place narrows it
	constant   bool // the same for every row
}

// sortKind is the type of a sortColumn.
type sortKind int

const (
	sortWhole sortKind = iota
	sortNumber
	sortText
)

func (q *runQuery) where(sql string, args ...any) {
	q.wheres = append(q.wheres, sql)
	q.whereArgs = append(q.whereArgs, args...)
}

func (q *runQuery) whereExpr(e clause.Expr) { q.where(e.SQL, e.Vars...) }

// orderBy adds a term of the order; i tells its join from others.
func (q *runQuery) orderBy(g *gorm.DB, t orderTerm, i int) {
	alias := "o" + strconv.Itoa(i)
	tables := map[kind]string{kindMetric: "latest_metrics", kindParam: "params", kindTag: "tags"}
	if table, ok := tables[t.kind]; ok {
		q.joins = append(q.joins, "LEFT JOIN "+table+" "+alias+" ON "+alias+".run_id = r.run_id AND "+alias+".key = ?")
		q.joinArgs = append(q.joinArgs, t.key)
	}
	rank, value := sortColumn{kind: sortWhole}, sortColumn{descending: t.descending}
	switch {
	case t.kind == kindMetric:
		rank.sql = "CASE WHEN " + alias + ".run_id IS NULL THEN 2 WHEN " + alias + ".is_nan THEN 1 ELSE 0 END"
		value.sql, value.kind = "COALESCE("+alias+".value, 0.0)", sortNumber
	case t.kind != kindAttribute:
		rank.sql = "CASE WHEN " + alias + ".run_id IS NULL THEN 2 ELSE 0 END"
		value.sql, value.kind = byteOrder(g, "COALESCE("+alias+".value, '')"), sortText
	case t.key == endTime.column:
		rank.sql = "CASE WHEN r.end_time IS NULL THEN 2 ELSE 0 END"
		value.sql = "COALESCE(r.end_time, 0)"
	case t.key == startTime.column:
		value.sql, value.indexed = "r.start_time", true
	default:
		value.sql, value.kind = byteOrder(g, "r."+t.key), sortText
	}
	if rank.sql != "" {
		q.sort = append(q.sort, rank)
	}
	q.sort = append(q.sort, value)
}

// continueAfter keeps the rows that follow a place.
func (q *runQuery) continueAfter(p *place) error {
	sql, args := "", []any(nil)
	for i, c := range slices.Backward(q.sort) {
		if c.constant {
			continue
		}
		value := c.read(p, i)
		op := " > "
		if c.descending {
			op = " < "
		}
		if sql == "" {
			sql, args = c.sql+op+"?", []any{value}
			continue
		}
		sql = "(" + c.sql + op + "? OR (" + c.sql + " = ? AND " + sql + "))"
		if c.indexed {
			sql += " AND " + c.sql + strings.TrimSpace(op) + "= ?"
			args = append(args, value)
		}
		args = append([]any{value, value}, args...)
	}
	q.where(sql, args...)
	return p.err
}

// read gives the i-th value of a place, which is one of this column.
func (c sortColumn) read(p *place, i int) any {
	switch c.kind {
	case sortNumber:
		return p.number(i)
	case sortText:
		return p.text(i)
	default:
		return p.whole(i)
	}
}

// runColumns are the columns of a run r, in the order in which they are scanned.
const runColumns = "r.run_id, r.experiment_id, r.name, r.user_id, r.status, r.start_time, r.end_time, r.artifact_uri, r.lifecycle_stage"

// read runs the query.
func (q *runQuery) read(g *gorm.DB, limit int) ([]foundRun, error) {
	var b strings.Builder
	b.WriteString("SELECT " + runColumns)
	var order []string
	for _, c := range q.sort {
		b.WriteString(", " + c.sql)
		if !c.constant {
			order = append(order, c.sql+direction(c.descending))
		}
	}
	b.WriteString(" FROM " + q.from)
	for _, j := range q.joins {
		b.WriteString(" " + j)
	}
	b.WriteString(" WHERE " + strings.Join(q.wheres, " AND ") + " ORDER BY " + strings.Join(order, ", ") + " LIMIT ?")
	args := append(append(append(slices.Clip(q.fromArgs), q.joinArgs...), q.whereArgs...), limit)
	rows, err := g.Raw(b.String(), args...).Rows()
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // Err below says the same
	var found []foundRun
	for rows.Next() {
		r := foundRun{sort: make([]any, len(q.sort))}
		to := []any{&r.RunID, &r.ExperimentID, &r.Name, &r.UserID, &r.Status, &r.StartTime, &r.EndTime, &r.ArtifactURI, &r.LifecycleStage}
		for i, c := range q.sort {
			switch c.kind {
			case sortWhole:
				r.sort[i] = new(int64)
			case sortNumber:
				r.sort[i] = new(float64)
			case sortText:
				r.sort[i] = new(string)
			}
		}
		if err := rows.Scan(append(to, r.sort...)...); err != nil {
			return nil, err
		}
		found = append(found, r)
	}
	return found, rows.Err()
}
