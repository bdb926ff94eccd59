package predlog

import (
	"context"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/db"
)

// minLatency is how many answers a 99th percentile needs.
const minLatency = 1000

// Counts is what the log knows of one variant: first attempts at live requests
// that were assigned by bucket.
type Counts struct {
	N      int   // attempts
	Errors int   // of them without an answer
	P99    int64 // ns, nearest rank over the answered ones; 0 below 1,000 of them
}

// Evidence counts each variant's attempts under a model's traffic rows from an
// epoch on. Rows are chosen by epoch, never by time: a request that was
// answered under an older row doesn't count, whenever it is written.
func (l *Log) Evidence(ctx context.Context, model string, since int64) (map[perennial.Variant]Counts, error) {
	const op = "predlog.Evidence"
	const these = "model = ? AND epoch >= ? AND kind = 'live' AND attempt = 0 AND bucket >= 0"
	var found []struct {
		Variant   perennial.Variant
		N, Errors int
	}
	err := l.db.WithContext(ctx).Table(Component).Where(these, model, since).Group("variant").
		Select("variant, COUNT(*) AS n, SUM(CASE WHEN status = 'ok' THEN 0 ELSE 1 END) AS errors").Scan(&found).Error
	if err != nil {
		return nil, db.Fault(op, err)
	}
	out := make(map[perennial.Variant]Counts, len(found))
	for _, f := range found {
		c := Counts{N: f.N, Errors: f.Errors}
		if ok := f.N - f.Errors; ok >= minLatency {
			rank := (99*ok + 99) / 100 // the smallest rank that 99 % are at or below
			err := l.db.WithContext(ctx).Table(Component).Where(these, model, since).Where("variant = ? AND status = 'ok'", f.Variant).
				Order("latency_ns DESC").Offset(ok - rank).Limit(1).Select("latency_ns").Scan(&c.P99).Error
			if err != nil {
				return nil, db.Fault(op, err)
			}
		}
		out[f.Variant] = c
	}
	return out, nil
}
