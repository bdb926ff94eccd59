package ledger

import (
	"context"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/db"
)

// KeyLife is how long an idempotency key is remembered.
const KeyLife = 7 * 24 * time.Hour

// Key is an idempotency key with the request that it came with first.
type Key struct {
	Key        string `gorm:"primaryKey;column:idempotency_key"`
	BodySHA256 string `gorm:"column:body_sha256"`
	WorkflowID string
	RunID      string // Temporal's; "" until the workflow was started
	CreatedAt  int64  `gorm:"autoCreateTime:false"` // ms
}

// TableName is for gorm.
func (Key) TableName() string { return "idempotency_keys" }

// ClaimKey stores a key unless it is known and younger than KeyLife, and gives
// the one in force: the first request wins.
func (s *Store) ClaimKey(ctx context.Context, k Key) (Key, error) {
	const op = "ledger.ClaimKey"
	if k.Key == "" || k.BodySHA256 == "" || k.WorkflowID == "" || k.CreatedAt <= 0 {
		return Key{}, perennial.Errorf(perennial.CodeInvalid, op, "an idempotency key needs a body, a workflow and a time")
	}
	var stored Key
	err := s.db.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		if err := tx.Where("created_at < ?", k.CreatedAt-KeyLife.Milliseconds()).Delete(&Key{}).Error; err != nil {
			return err
		}
		if err := tx.Clauses(clause.OnConflict{DoNothing: true}).Create(&k).Error; err != nil {
			return err
		}
		var err error
		stored, _, err = db.Take[Key](tx.Where("idempotency_key = ?", k.Key))
		return err
	})
	return stored, db.Fault(op, err)
}

// KeepKeyRun writes down which workflow run a key led to. The first one stays.
func (s *Store) KeepKeyRun(ctx context.Context, key, runID string) error {
	return db.Fault("ledger.KeepKeyRun", s.db.WithContext(ctx).Model(&Key{}).
		Where("idempotency_key = ? AND run_id = ''", key).Update("run_id", runID).Error)
}
