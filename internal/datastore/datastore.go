// Package datastore knows which content stands behind each data path now, for
// workers that have no project: `perennial data add` registers the md5 that its
// pointer names and pushes the content, and a Reader fetches it by that md5. It
// holds no content itself and keeps no history: a training's bundle names the
// md5 that it read. Start reading at Store, then at Reader.
package datastore

import (
	"context"
	"embed"
	"path"
	"regexp"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/db"
)

// Component names this package's migrations.
const Component = "datastore"

// Migrations makes the table datasets.
//
//go:embed migrations/*.sql
var Migrations embed.FS

// Dataset is one data path and its present content.
type Dataset struct {
	Path         string `gorm:"primaryKey"` // relative to the project, with slashes
	MD5          string `gorm:"column:md5"` // of the whole content, in hexadecimal
	Size         int64  // bytes
	RegisteredAt int64  // ms
}

// TableName is the row's table.
func (Dataset) TableName() string { return "datasets" }

// Store keeps the registered data sets. It is safe for concurrent use, by
// several processes too.
type Store struct{ db *gorm.DB }

// NewStore gives a store on a database that Migrations were applied to.
func NewStore(g *gorm.DB) *Store { return &Store{db: g} }

var md5RE = regexp.MustCompile(`^[0-9a-f]{32}$`)

// Register makes an md5 the present content of a path. It is safe to repeat: the
// same content again changes nothing, and gives the stored row with changed
// false. A path that isn't relative and clean, or an md5 that is none, is invalid.
func (s *Store) Register(ctx context.Context, d Dataset) (stored Dataset, changed bool, err error) {
	const op = "datastore.Register"
	if d.Path == "" || path.IsAbs(d.Path) || path.Clean(d.Path) != d.Path || d.Path == ".." || len(d.Path) > 1 && d.Path[:2] == ".." {
		return d, false, perennial.Errorf(perennial.CodeInvalid, op, "%q is no path of a data file: it must be relative to the project", d.Path)
	}
	if !md5RE.MatchString(d.MD5) || d.Size < 0 {
		return d, false, perennial.Errorf(perennial.CodeInvalid, op, "%q is no md5: it has 32 hexadecimal digits", d.MD5)
	}
	upsert := s.db.WithContext(ctx).Clauses(clause.OnConflict{
		Columns: []clause.Column{{Name: "path"}}, DoUpdates: clause.AssignmentColumns([]string{"md5", "size", "registered_at"}),
		Where: clause.Where{Exprs: []clause.Expression{clause.Expr{SQL: "datasets.md5 <> excluded.md5"}}},
	}).Create(&d)
	if upsert.Error != nil {
		return d, false, db.Fault(op, upsert.Error)
	}
	stored, err = s.Get(ctx, d.Path)
	return stored, upsert.RowsAffected > 0, err
}

// Get gives the present content of a path; not_found where none is registered.
func (s *Store) Get(ctx context.Context, dataPath string) (Dataset, error) {
	const op = "datastore.Get"
	var rows []Dataset
	if err := s.db.WithContext(ctx).Where("path = ?", dataPath).Limit(1).Find(&rows).Error; err != nil {
		return Dataset{}, db.Fault(op, err)
	}
	if len(rows) == 0 {
		return Dataset{}, perennial.Errorf(perennial.CodeNotFound, op, "no data is registered for %s", dataPath).
			WithHint("Run perennial data add %s in the project.", dataPath)
	}
	return rows[0], nil
}

// List gives all registered data sets, by path.
func (s *Store) List(ctx context.Context) ([]Dataset, error) {
	rows := []Dataset{}
	if err := s.db.WithContext(ctx).Order("path").Find(&rows).Error; err != nil {
		return nil, db.Fault("datastore.List", err)
	}
	return rows, nil
}
