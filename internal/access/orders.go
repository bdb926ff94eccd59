package access

import (
	"context"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/perennial-ml/perennial/internal/db"
)

// keepOrders is how long an order is known: longer than a rollout puts an offer
// off, and than Temporal keeps a workflow by default.
const keepOrders = 30 * 24 * time.Hour

// Order is a change of a running workflow that an actor may ask for. Package
// control writes it down before it asks, and the workflow makes the change only
// where it finds the order, so that nobody changes traffic past the roles with
// Temporal's own tools.
type Order struct {
	OpID       string
	WorkflowID string
	Action     string // name of the update
	Actor      string
	CreatedAt  int64 // ms since 1970
}

type orderRow struct {
	OpID       string `gorm:"primaryKey"`
	WorkflowID string
	Action     string
	Actor      string
	CreatedAt  int64 `gorm:"autoCreateTime:false"`
	TakenBy    string
}

func (orderRow) TableName() string { return "orders" }

// SaveOrder writes an order down. The same op id again changes nothing.
func (s *Store) SaveOrder(ctx context.Context, o Order) error {
	g := s.db.WithContext(ctx)
	row := orderRow{OpID: o.OpID, WorkflowID: o.WorkflowID, Action: o.Action, Actor: o.Actor, CreatedAt: o.CreatedAt}
	if err := g.Clauses(clause.OnConflict{DoNothing: true}).Create(&row).Error; err != nil {
		return db.Fault("access.SaveOrder", err)
	}
	err := g.Where("created_at < ?", o.CreatedAt-keepOrders.Milliseconds()).Delete(&orderRow{}).Error
	return db.Fault("access.SaveOrder", err)
}

// TakeOrder gives who may make a change; ok is false where no such order is
// known. With by, the name of the step that asks, an order is for that step
// alone: the same op id sent again doesn't make the change again.
func (s *Store) TakeOrder(ctx context.Context, o Order, by string) (actor string, ok bool, err error) {
	err = s.db.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		locked := tx.Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate})
		row, found, err := db.Take[orderRow](locked.Where("op_id = ? AND workflow_id = ? AND action = ?", o.OpID, o.WorkflowID, o.Action))
		if err != nil || !found || by != "" && row.TakenBy != "" && row.TakenBy != by {
			return err
		}
		actor, ok = row.Actor, true
		if by == "" || row.TakenBy == by {
			return nil
		}
		return tx.Model(&orderRow{}).Where("op_id = ?", o.OpID).Update("taken_by", by).Error
	})
	if err != nil {
		return "", false, db.Fault("access.TakeOrder", err)
	}
	return actor, ok, nil
}

// HasTokens reports whether any token is in force at a time.
func (s *Store) HasTokens(ctx context.Context, now int64) (bool, error) {
	var n int64
	err := inForceAt(s.db.WithContext(ctx).Model(&tokenRow{}), now).Count(&n).Error
	return n > 0, db.Fault("access.HasTokens", err)
}
