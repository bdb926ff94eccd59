package tracking

import (
	"strings"

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

// compareText gives the SQL that compares a text, and the value for it. LIKE tells
// capitals from small letters, ILIKE doesn't; neither has an escape. SQLite's LIKE
// is MLflow's ILIKE, and GLOB does the other.
func compareText(g *gorm.DB, column string, c condition) (sql, value string) {
	sqlite := g.Name() == "sqlite"
	switch {
	case c.op == opLike && sqlite:
		return column + " GLOB ?", globPattern.Replace(c.text)
	case c.op == opILike && sqlite:
		return column + " LIKE ?", c.text
	case c.op == opLike, c.op == opILike:
		return column + " " + string(c.op) + " ? ESCAPE ''", c.text
	default:
		return column + " " + string(c.op) + " ?", c.text
	}
}

// globPattern turns a pattern of LIKE into one of GLOB.
var globPattern = strings.NewReplacer("*", "[*]", "?", "[?]", "[", "[[]", "%", "*", "_", "?")

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
