package ledger

import (
	"context"

	"gorm.io/gorm/clause"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/db"
)

// Where a schedule comes from.
const (
	ScheduleFromFile     = "file"
	ScheduleFromOperator = "operator"
)

// Schedule is a pipeline's schedule as it should be, so that it can be made
// again where Temporal has lost it, and so that an operator's change stays until
// the file changes.
type Schedule struct {
	Pipeline  string `gorm:"primaryKey"`
	Revision  string // of the pipeline that was last applied; "" once it vanished
	Source    string // file | operator
	Cron      string // "" where there is none, or where it was set with Temporal's tools
	Timezone  string
	Jitter    int64  // ms
	Paused    bool   //
	Removed   bool   // an operator removed it
	Spec      string // JSON of Temporal's spec as it was last seen
	Actor     string
	Reason    string
	ChangedAt int64 // ms
}

// TableName is for gorm.
func (Schedule) TableName() string { return "schedules" }

// SaveSchedule stores a pipeline's schedule in place of the one before.
func (s *Store) SaveSchedule(ctx context.Context, row Schedule) error {
	const op = "ledger.SaveSchedule"
	if row.Pipeline == "" {
		return perennial.Errorf(perennial.CodeInvalid, op, "a schedule needs a pipeline")
	}
	return db.Fault(op, s.db.WithContext(ctx).Clauses(clause.OnConflict{UpdateAll: true}).Create(&row).Error)
}

// Schedule gives a pipeline's schedule; ok is false where none was ever applied.
func (s *Store) Schedule(ctx context.Context, pipeline string) (row Schedule, ok bool, err error) {
	row, ok, err = db.Take[Schedule](s.db.WithContext(ctx).Where("pipeline = ?", pipeline))
	return row, ok, db.Fault("ledger.Schedule", err)
}

// Schedules lists all schedules by pipeline.
func (s *Store) Schedules(ctx context.Context) ([]Schedule, error) {
	var rows []Schedule
	err := s.db.WithContext(ctx).Order("pipeline").Find(&rows).Error
	return rows, db.Fault("ledger.Schedules", err)
}
