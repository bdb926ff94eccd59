package predlog

import (
	"context"

	"github.com/perennial-ml/perennial/internal/db"
)

// CountVersions counts the logged answers of each of a model's versions, of every
// kind; a version without any is left out. It reads the database only, which is
// behind by the time between two flushes.
func (l *Log) CountVersions(ctx context.Context, model string) (map[string]int64, error) {
	var found []struct {
		Version string
		N       int64
	}
	err := l.db.WithContext(ctx).Table(Component).Where("model = ? AND status = 'ok'", clean(model)).
		Group("version").Select("version, COUNT(*) AS n").Scan(&found).Error
	out := make(map[string]int64, len(found))
	for _, f := range found {
		out[f.Version] = f.N
	}
	return out, db.Fault("predlog.CountVersions", err)
}
