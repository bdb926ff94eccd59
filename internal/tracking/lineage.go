package tracking

import (
	"context"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/db"
)

// RunsByData lists the runs that read a content, by its md5, newest first: those
// that have it in the tag perennial.data_md5 or as the digest of an input. Deleted
// runs are among them.
func (s *Store) RunsByData(ctx context.Context, md5 string) ([]perennial.Run, error) {
	const op = "tracking.RunsByData"
	g := s.db.WithContext(ctx)
	tagged := g.Model(&tagRow{}).Select("run_id").Where("key = ? AND substr(value, 1, 100) = substr(?, 1, 100) AND value = ?", perennial.TagDataMD5, md5, md5)
	read := g.Model(&inputRow{}).Select("run_id").Where("digest = ?", md5)
	var rows []runRow
	if err := g.Where("run_id IN (?) OR run_id IN (?)", tagged, read).Order("start_time DESC, run_id").Find(&rows).Error; err != nil {
		return nil, db.Fault(op, err)
	}
	runs, err := hydrate(g, rows)
	return runs, db.Fault(op, err)
}

// VersionsOfRuns lists the versions that runs made, by model and newest first.
func (s *Store) VersionsOfRuns(ctx context.Context, runIDs []string) ([]perennial.ModelVersion, error) {
	const op = "tracking.VersionsOfRuns"
	g := s.db.WithContext(ctx)
	var rows []versionRow
	if err := g.Where("run_id IN ?", runIDs).Order("name, version DESC").Find(&rows).Error; err != nil {
		return nil, db.Fault(op, err)
	}
	var out []perennial.ModelVersion
	for _, r := range rows {
		versions, err := readVersions(g, "name = ? AND version = ?", r.Name, r.Version)
		if err != nil {
			return nil, db.Fault(op, err)
		}
		out = append(out, versions...)
	}
	return out, nil
}
