package predlog

import (
	"context"
	"database/sql"
	"encoding/json"
	"math"
	"strconv"
	"strings"

	"gorm.io/gorm"
)

// A transaction takes batchRows rows in statements of statementRows. More of
// either gains nothing on SQLite, whose driver binds a statement's parameters in
// time that grows with the square of their number.
const (
	batchRows     = 2000
	statementRows = 50
)

// columns are the table's columns in the order of row.values.
var columns = []string{
	"id", "attempt", "seq", "replica", "at", "model", "version", "variant", "epoch", "bucket", "unit_id", "key", "kind",
	"status", "latency_ns", "features", "redacted", "answer", "value", "probabilities", "decision_id",
}

// insert writes rows in one transaction. It is safe to repeat: a row that is
// there already stays as it is.
func insert(ctx context.Context, g *gorm.DB, rows []row) (err error) {
	pool, err := g.DB()
	if err != nil {
		return err
	}
	tx, err := pool.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = tx.Rollback() // the reason is err
		}
	}()
	values := make([]any, 0, statementRows*len(columns))
	if len(rows) >= statementRows {
		full, err := tx.PrepareContext(ctx, statement(g.Name(), statementRows))
		if err != nil {
			return err
		}
		defer full.Close() //nolint:errcheck // it ends with its transaction
		for ; len(rows) >= statementRows; rows = rows[statementRows:] {
			if _, err := full.ExecContext(ctx, appendValues(values, rows[:statementRows])...); err != nil {
				return err
			}
		}
	}
	if len(rows) > 0 {
		if _, err := tx.ExecContext(ctx, statement(g.Name(), len(rows)), appendValues(values, rows)...); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// statement is the SQL that inserts n rows.
func statement(dialect string, n int) string {
	var b strings.Builder
	b.WriteString("INSERT INTO predictions (" + strings.Join(columns, ", ") + ") VALUES ")
	for i := range n * len(columns) {
		switch {
		case i == 0:
			b.WriteByte('(')
		case i%len(columns) == 0:
			b.WriteString("), (")
		default:
			b.WriteByte(',')
		}
		if dialect == "postgres" {
			b.WriteString("$" + strconv.Itoa(i+1))
		} else {
			b.WriteByte('?')
		}
	}
	b.WriteString(") ON CONFLICT (id, attempt) DO NOTHING")
	return b.String()
}

// appendValues adds the values of rows, column by column.
func appendValues(values []any, rows []row) []any {
	for i := range rows {
		r := &rows[i]
		values = append(values, clean(r.ID), r.Attempt, r.seq, clean(r.Replica), r.At, clean(r.Model), clean(r.Version), string(r.Variant),
			r.Epoch, r.Bucket, clean(r.UnitID), clean(r.Key), string(r.Kind), clean(r.Status), r.LatencyNS, clean(string(r.Features)),
			r.redactedText(), clean(r.Answer), sql.NullFloat64{Float64: r.Value, Valid: !math.IsNaN(r.Value)}, r.probabilitiesText(), clean(r.DecisionID))
	}
	return values
}

// clean replaces what Postgres refuses in a text, so that one row can't keep all
// the others from being written.
func clean(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

func (r *row) redactedText() string {
	if len(r.Redacted) == 0 {
		return ""
	}
	b, err := json.Marshal(r.Redacted)
	if err != nil {
		return "" // can't happen: strings are always encodable
	}
	return string(b)
}

// probabilitiesText gives the probabilities as JSON; none where one of them is
// no number, which serve never logs.
func (r *row) probabilitiesText() string {
	if len(r.Probabilities) == 0 {
		return ""
	}
	b, err := json.Marshal(r.Probabilities)
	if err != nil {
		return ""
	}
	return clean(string(b))
}
