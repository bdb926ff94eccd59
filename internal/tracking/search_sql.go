package tracking

import (
	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// compare gives the SQL of one comparison of a column.
func compare(g *gorm.DB, column string, c condition, numeric bool) clause.Expr {
	switch {
	case numeric && g.Name() == "postgres": // it would take the number for a whole one beside a column of those
		return gorm.Expr(column+" "+string(c.op)+" CAST(? AS DOUBLE PRECISION)", c.number)
	case numeric:
		return gorm.Expr(column+" "+string(c.op)+" ?", c.number)
	case c.op == opIn:
		return gorm.Expr(column+" IN ?", c.list)
	case c.op == opNotIn:
		return gorm.Expr(column+" NOT IN ?", c.list)
	default:
		sql, value := compareText(g, column, c)
		return gorm.Expr(sql, value)
	}
}

// keyed gives the SQL that a row x with a key exists, or doesn't, in a table of tags
// or params that belongs to what is searched.
func keyed(g *gorm.DB, table, belongs string, c condition) clause.Expr {
	exists := "EXISTS (SELECT 1 FROM " + table + " x WHERE " + belongs + " AND x.key = ?"
	switch c.op {
	case opNull:
		return gorm.Expr("NOT "+exists+")", c.key)
	case opNotNull:
		return gorm.Expr(exists+")", c.key)
	default:
		e := compare(g, "x.value", c, false)
		return gorm.Expr(exists+" AND "+e.SQL+")", append([]any{c.key}, e.Vars...)...)
	}
}

// byteOrder makes a text column order by its bytes, as SQLite does.
func byteOrder(g *gorm.DB, column string) string {
	if g.Name() == "postgres" {
		return column + ` COLLATE "C"`
	}
	return column
}

// hot gives a session that keeps its statements prepared: for texts of SQL that are
// the same again and again, and nothing else.
func hot(g *gorm.DB) *gorm.DB { return g }
