package serve

import (
	"context"
	"time"

	"gorm.io/gorm"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/db"
)

// A replica reports every reportEvery, lives while its report is at most
// replicaAlive old, and is forgotten after replicaForgotten.
const (
	reportEvery      = time.Second
	replicaAlive     = 5 * time.Second
	replicaForgotten = time.Hour
)

// The states of a version in a replica.
const (
	ReplicaLoaded = "loaded"
	ReplicaFailed = "failed"
)

// Replica says what one serving process has of one version. The row without a
// model says that the process lives.
type Replica struct {
	Replica string `json:"replica"`
	Model   string `json:"model"`
	Version string `json:"version"`
	State   string `json:"state"`
	Error   string `json:"error,omitempty"` // for people
	Epoch   int64  `json:"epoch"`           // of the traffic row in force there
	SeenAt  int64  `json:"seen_at"`         // ms, by the database's clock
}

// TableName names the table.
func (Replica) TableName() string { return "replicas" }

// Report replaces what a serving process said of itself before. The process
// lives by it even where it has loaded nothing.
func (s *TrafficStore) Report(ctx context.Context, replica string, loaded []Replica) error {
	err := s.db.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		var now int64
		if err := tx.Raw(clockSQL(tx)).Scan(&now).Error; err != nil {
			return err
		}
		if err := tx.Where("replica = ? OR seen_at < ?", replica, now-replicaForgotten.Milliseconds()).Delete(&Replica{}).Error; err != nil {
			return err
		}
		rows := make([]Replica, 0, len(loaded)+1)
		rows = append(rows, Replica{Replica: replica, State: ReplicaLoaded, SeenAt: now})
		for _, r := range loaded {
			r.Replica, r.SeenAt = replica, now
			rows = append(rows, r)
		}
		return tx.Create(&rows).Error
	})
	return db.Fault("serve.TrafficStore.Report", err)
}

// Forget removes a process that stops.
func (s *TrafficStore) Forget(ctx context.Context, replica string) error {
	err := s.db.WithContext(ctx).Where("replica = ?", replica).Delete(&Replica{}).Error
	return db.Fault("serve.TrafficStore.Forget", err)
}

// Replicas gives every live process, by name, with what it has of a version;
// State is "" where it has said nothing of it yet.
func (s *TrafficStore) Replicas(ctx context.Context, model, version string) ([]Replica, error) {
	const op = "serve.TrafficStore.Replicas"
	tx := s.db.WithContext(ctx)
	var now int64
	if err := tx.Raw(clockSQL(tx)).Scan(&now).Error; err != nil {
		return nil, db.Fault(op, err)
	}
	var rows []Replica
	err := tx.Where("seen_at >= ? AND (model = '' OR (model = ? AND version = ?))", now-replicaAlive.Milliseconds(), model, version).
		Order("replica, model").Find(&rows).Error
	if err != nil {
		return nil, db.Fault(op, err)
	}
	var out []Replica
	for _, r := range rows {
		if r.Model == "" {
			out = append(out, Replica{Replica: r.Replica, Model: model, Version: version, SeenAt: r.SeenAt})
		} else if n := len(out); n > 0 && out[n-1].Replica == r.Replica {
			out[n-1] = r
		}
	}
	return out, nil
}

// clockSQL reads the database's clock in milliseconds, so that machines whose
// clocks differ agree on who lives.
func clockSQL(tx *gorm.DB) string {
	if tx.Name() == "postgres" {
		return "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)"
	}
	return "SELECT CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"
}

// Renew says that somebody attends to a model's rollout: lease_seq moves on, the
// epoch and the history don't. false: the row isn't at this epoch any more, and
// nothing happened.
func (s *TrafficStore) Renew(ctx context.Context, model string, epoch int64) (bool, error) {
	result := s.db.WithContext(ctx).Model(&trafficRow{}).Where("model = ? AND epoch = ?", model, epoch).
		Update("lease_seq", gorm.Expr("lease_seq + 1"))
	return result.RowsAffected == 1, db.Fault("serve.TrafficStore.Renew", result.Error)
}

// leased reports whether a mode sends requests elsewhere only for as long as a
// rollout attends to it.
func leased(m perennial.Mode) bool {
	return m == perennial.ModeShadow || m == perennial.ModeCanary || m == perennial.ModeWatch
}
