package tracking

import (
	"context"
	"slices"
	"strings"
	"unicode/utf8"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/db"
	"github.com/perennial-ml/perennial/internal/mlflow"
)

// fileRow is a file among artifacts: which blob lies at which path.
type fileRow struct {
	Root     string `gorm:"primaryKey"`
	Path     string `gorm:"primaryKey"`
	Blob     string
	Size     int64
	Modified int64
}

func (fileRow) TableName() string { return "artifact_files" }

// entry is a file or folder in a list.
type entry struct {
	name   string
	folder bool
	size   int64
}

// runURI gives where a run's files are said to lie, deleted runs' too.
func (s *Store) runURI(ctx context.Context, id string) (string, error) {
	if id == "" {
		return "", required("run_id")
	}
	run, found, err := db.Take[runRow](s.db.WithContext(ctx).Where("run_id = ?", id))
	if err == nil && !found {
		err = mlflow.Missing("Run with id=%s not found", clip(id))
	}
	return run.ArtifactURI, db.Fault("tracking.runURI", err)
}

// ourRoot gives where the files of a URI lie below the artifact root.
func ourRoot(uri string) (string, error) {
	root, ours := rootOf(uri)
	if !ours {
		return "", perennial.Errorf(perennial.CodePrecondition, "", "the artifacts are kept at %s, which this server doesn't hold", uri).
			WithHint("read them there with MLflow's client, which has its own access to that place")
	}
	return root, nil
}

// putArtifact notes a file whose bytes are in the blob store already, at a path that
// cleanPath gave; what was at that path before is replaced. Where a folder would
// have to be a file, or a file a folder, it is invalid.
func (s *Store) putArtifact(ctx context.Context, p filePath, blob string, size, now int64) error {
	const op = "tracking.putArtifact"
	return s.write(ctx, op, func(tx *gorm.DB) error {
		return putFile(tx, fileRow{Root: p.root, Path: p.path, Blob: blob, Size: size, Modified: now})
	})
}

// putFile writes a file's row. Two uploads at the same moment can still make a
// file and a folder of one name: nothing but the list shows it, and deleting
// either mends it.
func putFile(tx *gorm.DB, row fileRow) error {
	if row.Path == "" {
		return errPath()
	}
	var above []string
	for i, c := range row.Path {
		if c == '/' {
			above = append(above, row.Path[:i])
		}
	}
	clash, found, err := db.Take[fileRow](tx.Where("root = ? AND path IN ?", row.Root, above))
	if err == nil && found {
		err = mlflow.Invalid("%s is a file, and nothing can lie in it", join(clash.Root, clash.Path))
	}
	if err != nil {
		return err
	}
	_, found, err = db.Take[fileRow](below(tx, row.Root, row.Path))
	if err == nil && found {
		err = mlflow.Invalid("%s is a folder", join(row.Root, row.Path))
	}
	if err != nil {
		return err
	}
	return tx.Clauses(clause.OnConflict{UpdateAll: true}).Create(&row).Error
}

// below asks for the files in a folder and its subfolders; "" is the root.
func below(g *gorm.DB, root, folder string) *gorm.DB {
	g = g.Where("root = ?", root)
	if folder == "" {
		return g
	}
	prefix := folder + "/"
	return g.Where("substr(path, 1, ?) = ?", utf8.RuneCountInString(prefix), prefix)
}

// getFile gives the row of a file. Errors: not_found.
func (s *Store) getFile(ctx context.Context, p filePath) (fileRow, error) {
	row, found, err := db.Take[fileRow](s.db.WithContext(ctx).Where("root = ? AND path = ?", p.root, p.path))
	if err == nil && !found {
		err = mlflow.Missing("No such artifact: '%s'", p)
	}
	return row, db.Fault("tracking.getFile", err)
}

// hasFile reports whether there is a file at a path.
func (s *Store) hasFile(ctx context.Context, p filePath) (bool, error) {
	_, found, err := db.Take[fileRow](s.db.WithContext(ctx).Where("root = ? AND path = ?", p.root, p.path))
	return found, db.Fault("tracking.hasFile", err)
}

// deleteFiles removes a file, or a folder with all that is in it. The bytes stay
// in the blob store, where others may share them. Errors: not_found.
func (s *Store) deleteFiles(ctx context.Context, p filePath) error {
	return s.write(ctx, "tracking.deleteFiles", func(tx *gorm.DB) error {
		gone := below(tx, p.root, p.path).Delete(&fileRow{})
		if gone.Error != nil {
			return gone.Error
		}
		file := tx.Where("root = ? AND path = ?", p.root, p.path).Delete(&fileRow{})
		if file.Error == nil && gone.RowsAffected+file.RowsAffected == 0 {
			return mlflow.Missing("No such artifact: '%s'", p)
		}
		return file.Error
	})
}

// listFiles lists what lies in one folder, by name. A file, and a folder that
// isn't there, have nothing in them.
func (s *Store) listFiles(ctx context.Context, p filePath) ([]entry, error) {
	const op = "tracking.listFiles"
	g := s.db.WithContext(ctx)
	var rows []fileRow
	if err := below(g, p.root, p.path).Find(&rows).Error; err != nil {
		return nil, db.Fault(op, err)
	}
	found := map[string]entry{}
	for _, r := range rows {
		add(found, p.path, r.Path, r.Size)
	}
	if p.root == "" {
		var roots []string
		q := g.Model(&fileRow{}).Distinct("root").Where("root <> ''")
		if p.path != "" {
			q = q.Where("substr(root, 1, ?) = ?", utf8.RuneCountInString(p.path)+1, p.path+"/")
		}
		if err := q.Pluck("root", &roots).Error; err != nil {
			return nil, db.Fault(op, err)
		}
		for _, root := range roots {
			add(found, p.path, root+"/", 0)
		}
	}
	list := make([]entry, 0, len(found))
	for _, e := range found {
		list = append(list, e)
	}
	slices.SortFunc(list, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	return list, nil
}

// add notes that a file lies in a folder or below it.
func add(found map[string]entry, folder, file string, size int64) {
	if folder != "" {
		file = strings.TrimPrefix(file, folder+"/")
	}
	name, _, deeper := strings.Cut(file, "/")
	if deeper {
		found[name] = entry{name: name, folder: true}
	} else if _, known := found[name]; !known {
		found[name] = entry{name: name, size: size}
	}
}
