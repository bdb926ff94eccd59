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
	constant   any  // the value, where it is the same for every row
}

// room gives what a value can be read into.
func (c sortColumn) room() any {
	switch c.kind {
	case sortNumber:
		return new(float64)
	case sortText:
		return new(string)
	default:
		return new(int64)
	}
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
		if c.constant != nil {
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

// runPage is what was found of a page of runs.
type runPage struct {
	size int
	rows []runRow
	end  []any // what the last of the rows is ordered by
	more bool  // there are more rows than fit
}

// read adds what the query finds to a page.
func (q *runQuery) read(g *gorm.DB, page *runPage) error {
	var r runRow
	to := []any{&r.RunID, &r.ExperimentID, &r.Name, &r.UserID, &r.Status, &r.StartTime, &r.EndTime, &r.ArtifactURI, &r.LifecycleStage}
	values := make([]any, len(q.sort))
	columns, order := runColumns, make([]string, 0, len(q.sort))
	for i, c := range q.sort {
		if values[i] = c.constant; c.constant != nil {
			continue
		}
		values[i] = c.room()
		to = append(to, values[i])
		columns += ", " + c.sql
		order = append(order, c.sql+direction(c.descending))
	}
	sql := "SELECT " + columns + " FROM " + strings.Join(append([]string{q.from}, q.joins...), " ") +
		" WHERE " + strings.Join(q.wheres, " AND ") + " ORDER BY " + strings.Join(order, ", ") + " LIMIT ?"
	rows, err := g.Raw(sql, slices.Concat(q.fromArgs, q.joinArgs, q.whereArgs, []any{page.size + 1 - len(page.rows)})...).Rows()
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // Err below says the same
	for rows.Next() {
		if len(page.rows) == page.size {
			page.more = true
			return nil
		}
		if err := rows.Scan(to...); err != nil {
			return err
		}
		page.rows, page.end = append(page.rows, r), values
	}
	return rows.Err()
}
