package db

import (
	"context"
	"log/slog"
	"time"

	"gorm.io/gorm/logger"
)

// queryLogger reports slow queries and nothing else: errors are returned to the
// caller, who logs them once. It never sees a query's values, because both
// dialects' Explain leaves the placeholders in the text. (gorm's own filter for
// values is passed over by Scan.)
type queryLogger struct {
	log  *slog.Logger
	slow time.Duration
}

var _ logger.Interface = queryLogger{}

// LogMode is gorm's switch for its debug mode, which would print values.
func (q queryLogger) LogMode(logger.LogLevel) logger.Interface { return q }

// Info, Warn and Error carry gorm's own notes, which repeat what is returned.
func (q queryLogger) Info(context.Context, string, ...any) {}

// Warn is silent, see Info.
func (q queryLogger) Warn(context.Context, string, ...any) {}

// Error is silent, see Info.
func (q queryLogger) Error(context.Context, string, ...any) {}

// Trace reports a query that was slow.
func (q queryLogger) Trace(ctx context.Context, begin time.Time, query func() (string, int64), _ error) {
	took := time.Since(begin)
	if q.log == nil || took < q.slow {
		return
	}
	sql, rows := query()
	q.log.WarnContext(ctx, "slow query", "sql", sql, "rows", rows, "seconds", took.Seconds())
}
