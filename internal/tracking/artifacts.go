package tracking

import (
	"context"
	"encoding/json"
	"io/fs"
	"strings"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/db"
)

type inputRow struct {
	RunID   string `gorm:"primaryKey"`
	Name    string `gorm:"primaryKey"`
	Digest  string `gorm:"primaryKey"`
	Context string `gorm:"primaryKey"`
	Data    string
}

func (inputRow) TableName() string { return "inputs" }

type artifactRow struct {
	RunID string `gorm:"primaryKey"`
	Path  string `gorm:"primaryKey"`
	Blob  string
	Size  int64
}

func (artifactRow) TableName() string { return "artifacts" }

// LogInput notes that a run read a data set. The same path, md5 and context again
// replaces what was noted.
func (s *Store) LogInput(ctx context.Context, runID string, input perennial.DatasetInput) error {
	const op = "tracking.LogInput"
	return s.write(ctx, op, func(tx *gorm.DB) error {
		if err := activeRun(tx, runID); err != nil {
			return err
		}
		data, err := json.Marshal(input.Data)
		if err != nil {
			return err
		}
		row := inputRow{RunID: runID, Name: input.Data.Path, Digest: input.Data.MD5, Context: input.Context, Data: string(data)}
		return tx.Clauses(clause.OnConflict{UpdateAll: true}).Create(&row).Error
	})
}

// LogArtifact notes a file of a run, whose bytes are in the blob store already; a
// path that is there is replaced. The path is relative with slashes, without
// empty, "." and ".." parts; anything else is invalid, and so are folders, which
// follow from the files in them.
func (s *Store) LogArtifact(ctx context.Context, runID string, a perennial.Artifact) error {
	const op = "tracking.LogArtifact"
	return s.write(ctx, op, func(tx *gorm.DB) error {
		if !fs.ValidPath(a.Path) || a.Path == "." || strings.ContainsAny(a.Path, "\\\x00") || a.Folder {
			return invalid("%q is no path of an artifact", a.Path)
		}
		if a.Blob == "" || a.Size < 0 {
			return invalid("artifact %s has no blob or a negative size", a.Path)
		}
		if err := activeRun(tx, runID); err != nil {
			return err
		}
		row := artifactRow{RunID: runID, Path: a.Path, Blob: a.Blob, Size: a.Size}
		return tx.Clauses(clause.OnConflict{UpdateAll: true}).Create(&row).Error
	})
}

// Artifacts lists every file of a run by path.
func (s *Store) Artifacts(ctx context.Context, runID string) ([]perennial.Artifact, error) {
	const op = "tracking.Artifacts"
	g := s.db.WithContext(ctx)
	var rows []artifactRow
	err := g.Where("run_id = ?", runID).Order("path").Find(&rows).Error
	if err == nil && len(rows) == 0 {
		err = runExists(g, runID)
	}
	if err != nil {
		return nil, db.Fault(op, err)
	}
	files := make([]perennial.Artifact, len(rows))
	for i, r := range rows {
		files[i] = perennial.Artifact{Path: r.Path, Blob: r.Blob, Size: r.Size}
	}
	return files, nil
}
