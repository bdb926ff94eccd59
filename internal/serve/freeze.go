package serve

import (
	"context"

	"gorm.io/gorm/clause"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/db"
)

// Freeze says until when nothing is retrained or promoted. It never keeps
// anybody from rolling back.
type Freeze struct {
	Model  string `json:"model"` // "": every model
	Until  int64  `json:"until"` // ms
	Reason string `json:"reason"`
	Actor  string `json:"actor"`
	MadeAt int64  `json:"made_at"` // ms
}

// TableName names the table.
func (Freeze) TableName() string { return "freezes" }

// SetFreeze puts a freeze in force, in place of the model's last one.
func (s *TrafficStore) SetFreeze(ctx context.Context, f Freeze) error {
	err := s.db.WithContext(ctx).Clauses(clause.OnConflict{Columns: []clause.Column{{Name: "model"}}, UpdateAll: true}).Create(&f).Error
	return db.Fault("serve.TrafficStore.SetFreeze", err)
}

// Unfreeze lifts a freeze; without one it changes nothing.
func (s *TrafficStore) Unfreeze(ctx context.Context, model string) error {
	err := s.db.WithContext(ctx).Where("model = ?", model).Delete(&Freeze{}).Error
	return db.Fault("serve.TrafficStore.Unfreeze", err)
}

// Frozen gives the freeze that holds for a model at a time (ms), its own or that
// of every model, whichever lasts longer.
func (s *TrafficStore) Frozen(ctx context.Context, model string, now int64) (f Freeze, frozen bool, err error) {
	f, frozen, err = db.Take[Freeze](s.db.WithContext(ctx).Where("(model = ? OR model = '') AND until > ?", model, now).Order("until DESC"))
	return f, frozen, db.Fault("serve.TrafficStore.Frozen", err)
}

// RejectedFile is a model file that a rollout rejected.
type RejectedFile struct {
	Model       string
	ModelSHA256 string `gorm:"column:model_sha256"`
	Version     string
	DecisionID  string
	Reason      string
	RejectedAt  int64 // ms
}

// TableName names the table.
func (RejectedFile) TableName() string { return "rejected_files" }

// Reject remembers that a model file failed in a rollout; the last time counts.
func (s *TrafficStore) Reject(ctx context.Context, r RejectedFile) error {
	err := s.db.WithContext(ctx).Clauses(clause.OnConflict{Columns: []clause.Column{{Name: "model"}, {Name: "model_sha256"}}, UpdateAll: true}).Create(&r).Error
	return db.Fault("serve.TrafficStore.Reject", err)
}

// Rejected tells whether a model file failed in a rollout, and how.
func (s *TrafficStore) Rejected(ctx context.Context, model, sha256 string) (r RejectedFile, rejected bool, err error) {
	r, rejected, err = db.Take[RejectedFile](s.db.WithContext(ctx).Where("model = ? AND model_sha256 = ?", model, sha256))
	return r, rejected, db.Fault("serve.TrafficStore.Rejected", err)
}

// RolloutRows gives the states of one rollout, oldest first.
func (s *TrafficStore) RolloutRows(ctx context.Context, model, rolloutID string) ([]perennial.Traffic, error) {
	var rows []historyRow
	err := s.db.WithContext(ctx).Where("model = ? AND rollout_id = ?", model, rolloutID).Order("epoch").Find(&rows).Error
	out := make([]perennial.Traffic, len(rows))
	for i := range rows {
		out[i] = rows[i].Traffic
	}
	return out, db.Fault("serve.TrafficStore.RolloutRows", err)
}
