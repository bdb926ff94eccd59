package serve

import (
	"context"
	"crypto/rand"
	"embed"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/db"
)

// Component names the traffic tables' migrations.
const Component = "traffic"

// Migrations holds the traffic tables' migrations, for db.Migrate.
//
//go:embed migrations/*.sql
var Migrations embed.FS

// DefaultHistory is how many rows History gives where no limit is asked for.
const DefaultHistory = 50

// TrafficStore keeps the traffic rows and their history. It has no delete, and
// foreign keys refuse one of a history row from elsewhere.
type TrafficStore struct{ db *gorm.DB }

// NewTrafficStore makes a store over a migrated database.
func NewTrafficStore(g *gorm.DB) *TrafficStore { return &TrafficStore{g} }

// trafficRow is the row of table traffic.
type trafficRow struct {
	perennial.Traffic `gorm:"embedded"`
}

// TableName names the table.
func (trafficRow) TableName() string { return "traffic" }

// historyRow is the row of table traffic_history.
type historyRow struct {
	perennial.Traffic `gorm:"embedded"`
	EpochBefore       *int64
}

// TableName names the table.
func (historyRow) TableName() string { return "traffic_history" }

// Get gives a model's row; mode none and epoch 0 where there is none.
func (s *TrafficStore) Get(ctx context.Context, model string) (perennial.Traffic, error) {
	row, err := current(s.db.WithContext(ctx), model)
	return row, db.Fault("serve.TrafficStore.Get", err)
}

// List gives every row, by model.
func (s *TrafficStore) List(ctx context.Context) ([]perennial.Traffic, error) {
	var rows []trafficRow
	err := s.db.WithContext(ctx).Order("model").Find(&rows).Error
	out := make([]perennial.Traffic, len(rows))
	for i := range rows {
		out[i] = rows[i].Traffic
	}
	return out, db.Fault("serve.TrafficStore.List", err)
}

// History gives the states that a model's traffic has had, newest first, the
// one in force among them; limit 0 means DefaultHistory.
func (s *TrafficStore) History(ctx context.Context, model string, limit int) ([]perennial.Traffic, error) {
	if limit <= 0 {
		limit = DefaultHistory
	}
	var rows []historyRow
	err := s.db.WithContext(ctx).Where("model = ?", model).Order("epoch DESC").Limit(limit).Find(&rows).Error
	out := make([]perennial.Traffic, len(rows))
	for i := range rows {
		out[i] = rows[i].Traffic
	}
	return out, db.Fault("serve.TrafficStore.History", err)
}

// Set puts next in force if the row's epoch still is ifEpoch (0 for a model
// without a row), and adds it to the history in the same transaction. It decides
// Epoch, one more than before, and Salt, new where a rollout starts; ChangedAt
// is now where next gives none.
//
// It is safe to repeat: where the model has had a change with the same OpID, the
// row which that made is given back and nothing else happens.
//
// Codes: invalid for a row that contradicts itself, conflict for a mode that
// may not follow the one in force, precondition where the epoch moved on.
func (s *TrafficStore) Set(ctx context.Context, next perennial.Traffic, ifEpoch int64) (perennial.Traffic, error) {
	const op = "serve.TrafficStore.Set"
	if err := checkTraffic(next); err != nil {
		return perennial.Traffic{}, err
	}
	stored, err := s.set(ctx, next, ifEpoch)
	if errors.Is(err, gorm.ErrDuplicatedKey) {
		// Another writer was quicker by a moment: the second look sees its row, and
		// finds either the same operation or a stale epoch.
		stored, err = s.set(ctx, next, ifEpoch)
	}
	if err != nil {
		return perennial.Traffic{}, db.Fault(op, err)
	}
	return stored, nil
}

func (s *TrafficStore) set(ctx context.Context, next perennial.Traffic, ifEpoch int64) (stored perennial.Traffic, err error) {
	err = s.db.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		now, err := current(tx.Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate}), next.Model)
		if err != nil {
			return err
		}
		var done []historyRow
		if err := tx.Where("model = ? AND op_id = ?", next.Model, next.OpID).Limit(1).Find(&done).Error; err != nil {
			return err
		}
		if len(done) > 0 {
			stored = done[0].Traffic
			return nil
		}
		if err := mayFollow(now, next, ifEpoch); err != nil {
			return err
		}
		stored = succeed(now, next)
		return write(tx, now, stored)
	})
	return stored, err
}

// mayFollow refuses a stale epoch and a forbidden transition.
func mayFollow(now, next perennial.Traffic, ifEpoch int64) error {
	const op = "serve.TrafficStore.Set"
	if now.Epoch != ifEpoch {
		return perennial.Errorf(perennial.CodePrecondition, op, "The traffic of %s is at epoch %d, not %d: somebody changed it meanwhile.", next.Model, now.Epoch, ifEpoch).
			WithHint("Look at the state as it is now and ask again.")
	}
	if !perennial.MayFollow(now.Mode, next.Mode) {
		return perennial.Errorf(perennial.CodeConflict, op, "The traffic of %s can't go from %s to %s.", next.Model, now.Mode, next.Mode)
	}
	return nil
}

// succeed fills in what the store decides.
func succeed(now, next perennial.Traffic) perennial.Traffic {
	next.Epoch = now.Epoch + 1
	next.Salt = now.Salt
	next.LeaseSeq = max(next.LeaseSeq, now.LeaseSeq)
	if rolloutStarts(now, next) {
		next.Salt = rand.Text()
	}
	if next.ChangedAt == 0 {
		next.ChangedAt = time.Now().UnixMilli()
	}
	return next
}

// rolloutStarts reports whether next is the first row of a rollout: units are
// assigned anew then, and only then.
func rolloutStarts(now, next perennial.Traffic) bool {
	switch {
	case next.Mode == perennial.ModeServing:
		return false
	case now.Mode == perennial.ModeServing, now.RolloutID != next.RolloutID:
		return true
	default:
		return now.Mode == perennial.ModeWatch && next.Mode != perennial.ModeWatch
	}
}

func write(tx *gorm.DB, now, next perennial.Traffic) error {
	history := historyRow{Traffic: next}
	if now.Epoch > 0 {
		history.EpochBefore = &now.Epoch
	}
	if err := tx.Create(&history).Error; err != nil {
		return err
	}
	if now.Epoch == 0 {
		return tx.Create(&trafficRow{next}).Error
	}
	result := tx.Model(&trafficRow{}).Where("model = ? AND epoch = ?", next.Model, now.Epoch).Select("*").Updates(&trafficRow{next}) //nolint:unqueryvet // every column of the row, zero values too
	if result.Error == nil && result.RowsAffected != 1 {
		return fmt.Errorf("the row of %s changed inside the transaction", next.Model)
	}
	return result.Error
}

// current reads a model's row; mode none and epoch 0 where there is none.
func current(tx *gorm.DB, model string) (perennial.Traffic, error) {
	var rows []trafficRow
	if err := tx.Where("model = ?", model).Limit(1).Find(&rows).Error; err != nil {
		return perennial.Traffic{}, err
	}
	if len(rows) == 0 {
		return perennial.Traffic{Model: model, Mode: perennial.ModeNone}, nil
	}
	return rows[0].Traffic, nil
}

// checkTraffic refuses a row that contradicts itself.
func checkTraffic(t perennial.Traffic) error {
	var wrong string
	rollout := t.Mode == perennial.ModeShadow || t.Mode == perennial.ModeCanary || t.Mode == perennial.ModeAB
	switch {
	case !perennial.ValidName(t.Model):
		wrong = fmt.Sprintf("%q is no model name.", shorten(t.Model))
	case t.OpID == "":
		wrong = "A change of traffic needs an operation id."
	case t.WeightBP < 0 || t.WeightBP > 10000:
		wrong = fmt.Sprintf("A weight of %d basis points is outside 0 to 10000.", t.WeightBP)
	case t.Mode != perennial.ModeNone && t.Champion == "":
		wrong = fmt.Sprintf("Mode %s needs a champion.", t.Mode)
	case rollout && t.Challenger == "":
		wrong = fmt.Sprintf("Mode %s needs a challenger.", t.Mode)
	case t.Mode == perennial.ModeWatch && t.Previous == "":
		wrong = "Mode watch needs the previous version."
	case t.Mode != perennial.ModeServing && t.Outcome != "":
		wrong = fmt.Sprintf("Mode %s with outcome %s: a rollout that has ended leaves mode serving.", t.Mode, t.Outcome)
	default:
		return nil
	}
	return perennial.Errorf(perennial.CodeInvalid, "serve.TrafficStore.Set", "%s", wrong)
}
