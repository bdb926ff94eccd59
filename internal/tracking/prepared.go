package tracking

import (
	"context"
	"database/sql"
	"strings"
	"sync"

	"gorm.io/gorm"
)

// keep begins the texts of SQL that are always the same and often asked for. On
// SQLite, which would read them anew each time (a third of what logging a metric
// costs), they stay prepared. Postgres' driver keeps them by itself.
const keep = "/* keep */ "

// withKept gives a database that keeps statements prepared. gorm can do so too, but
// for every text that ever comes, and with a goroutine that nothing ends.
func withKept(g *gorm.DB) *gorm.DB {
	if g == nil || g.Name() != "sqlite" {
		return g
	}
	pool, ok := g.ConnPool.(*sql.DB)
	if !ok {
		return g
	}
	g = g.Session(&gorm.Session{NewDB: true, Context: context.Background()})
	kept := &keptPool{DB: pool, kept: map[string]*sql.Stmt{}}
	g.ConnPool, g.Statement.ConnPool = kept, kept
	return g
}

// keptPool is a pool of connections with the statements that are kept. They are
// closed with the pool.
type keptPool struct {
	*sql.DB

	mu     sync.Mutex
	kept   map[string]*sql.Stmt
	wanted []string // by transactions, which must not ask for a second connection
}

// GetDBConn is how gorm gets at the pool.
func (p *keptPool) GetDBConn() (*sql.DB, error) { return p.DB, nil }

// BeginTx begins a transaction that uses the statements too.
func (p *keptPool) BeginTx(ctx context.Context, o *sql.TxOptions) (gorm.ConnPool, error) {
	p.mu.Lock()
	wanted := p.wanted
	p.wanted = nil
	p.mu.Unlock()
	for _, text := range wanted {
		if _, err := p.statement(ctx, text); err != nil {
			return nil, err
		}
	}
	tx, err := p.DB.BeginTx(ctx, o)
	if err != nil {
		return nil, err
	}
	return &keptTx{Tx: tx, pool: p}, nil
}

// known gives the prepared form of a text, if there is one.
func (p *keptPool) known(text string) *sql.Stmt {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.kept[text]
}

// statement gives the prepared form of a text, nil for one that isn't kept.
func (p *keptPool) statement(ctx context.Context, text string) (*sql.Stmt, error) {
	if !strings.HasPrefix(text, keep) {
		return nil, nil //nolint:nilnil // no statement and no fault
	}
	if s := p.known(text); s != nil {
		return s, nil
	}
	s, err := p.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if other := p.kept[text]; other != nil { // somebody was quicker
		return other, s.Close()
	}
	p.kept[text] = s
	return s, nil
}

// ExecContext runs a statement.
func (p *keptPool) ExecContext(ctx context.Context, text string, args ...any) (sql.Result, error) {
	s, err := p.statement(ctx, text)
	switch {
	case err != nil:
		return nil, err
	case s == nil:
		return p.DB.ExecContext(ctx, text, args...)
	}
	return s.ExecContext(ctx, args...)
}

// QueryContext runs a query.
func (p *keptPool) QueryContext(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	s, err := p.statement(ctx, text)
	switch {
	case err != nil:
		return nil, err
	case s == nil:
		return p.DB.QueryContext(ctx, text, args...)
	}
	return s.QueryContext(ctx, args...)
}

// keptTx is a transaction on a keptPool.
type keptTx struct {
	*sql.Tx

	pool *keptPool
}

// statement gives the prepared form of a text on the transaction's own connection;
// nil for one that isn't kept, or not yet.
func (t *keptTx) statement(ctx context.Context, text string) *sql.Stmt {
	if !strings.HasPrefix(text, keep) {
		return nil
	}
	if s := t.pool.known(text); s != nil {
		return t.StmtContext(ctx, s)
	}
	t.pool.mu.Lock()
	defer t.pool.mu.Unlock()
	t.pool.wanted = append(t.pool.wanted, text)
	return nil
}

// ExecContext runs a statement.
func (t *keptTx) ExecContext(ctx context.Context, text string, args ...any) (sql.Result, error) {
	if s := t.statement(ctx, text); s != nil {
		return s.ExecContext(ctx, args...)
	}
	return t.Tx.ExecContext(ctx, text, args...)
}

// QueryContext runs a query.
func (t *keptTx) QueryContext(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	if s := t.statement(ctx, text); s != nil {
		return s.QueryContext(ctx, args...)
	}
	return t.Tx.QueryContext(ctx, text, args...)
}
