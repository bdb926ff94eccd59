package db

import (
	"context"
	"errors"
	"net"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	gormpostgres "gorm.io/driver/postgres"
	"gorm.io/gorm"

	"github.com/perennial-ml/perennial"
)

func openPostgres(ctx context.Context, dsn string, config *gorm.Config) (*gorm.DB, error) {
	const op = "db.Open"
	u, err := url.Parse(dsn)
	if err != nil { // its text would repeat the password
		return nil, perennial.Errorf(perennial.CodeInvalid, op, "the Postgres URL can't be read").
			WithHint("write postgres://user:password@host:5432/database, special characters percent-encoded")
	}
	server := u.Host + u.Path
	inner, ok := gormpostgres.Open(dsn).(*gormpostgres.Dialector)
	if !ok {
		return nil, perennial.Errorf(perennial.CodeInternal, op, "gorm's Postgres driver changed its type")
	}
	g, err := gorm.Open(postgresDialector{Dialector: inner, server: server}, config)
	if err != nil {
		return nil, perennial.Errorf(perennial.CodeInvalid, op, "the Postgres URL for %s has a wrong parameter", server).Because(err)
	}
	if err := g.WithContext(ctx).Exec("SELECT 1").Error; err != nil {
		return nil, abandon(g, perennial.Wrap(op, err))
	}
	return g, nil
}

// postgresDialector is gorm's Postgres dialect with our reading of its errors.
type postgresDialector struct {
	*gormpostgres.Dialector
	server string
}

// Explain gives a query's text for the log, without its values.
func (d postgresDialector) Explain(sql string, _ ...any) string { return sql }

// Translate gives gorm's error for broken constraints and a *perennial.Error
// that names the server for what server and network did. The classes are those
// of Postgres' manual, appendix A.
func (d postgresDialector) Translate(err error) error {
	const op = "db"
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return perennial.Errorf(perennial.CodeUnavailable, op, "Postgres at %s can't be reached or refused the login", d.server).
			WithHint("check address, database, user and password; see the log for the cause").Because(err)
	}
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		var network net.Error
		if errors.As(err, &network) && !errors.Is(err, context.DeadlineExceeded) {
			return perennial.Errorf(perennial.CodeUnavailable, op, "the connection to Postgres at %s was lost", d.server).Because(err)
		}
		return err
	}
	switch {
	case e.Code == "53100":
		return perennial.Errorf(perennial.CodeUnavailable, op, "Postgres at %s: the disk is full", d.server).Because(err)
	case e.Code == "57014": // query_canceled
		return perennial.Errorf(perennial.CodeDeadline, op, "the database query was stopped before it ended").Because(err)
	case strings.HasPrefix(e.Code, "08"), strings.HasPrefix(e.Code, "53"), strings.HasPrefix(e.Code, "57"), strings.HasPrefix(e.Code, "40"):
		return perennial.Errorf(perennial.CodeUnavailable, op, "Postgres at %s can't do this now", d.server).WithHint("try again").Because(err)
	case strings.HasPrefix(e.Code, "22"): // data exception: a zero byte in a text, a number out of range
		return perennial.Errorf(perennial.CodeInvalid, op, "Postgres can't store one of the values").Because(err)
	}
	return d.Dialector.Translate(e)
}
