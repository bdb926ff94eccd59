package serve

import (
	"context"
	"errors"
	"time"

	"github.com/perennial-ml/perennial"
)

// lease is when a model's row last showed that somebody attends to it.
type lease struct {
	epoch, seq int64
	moved      time.Time
}

// renewed notes that a row moved, by a change or by its lease.
func (e *Engine) renewed(row perennial.Traffic) {
	l, known := e.leases[row.Model]
	if !known || l.epoch != row.Epoch || l.seq != row.LeaseSeq {
		e.leases[row.Model] = lease{epoch: row.Epoch, seq: row.LeaseSeq, moved: time.Now()}
	}
}

// checkLeases sends everything to the champion where a rollout has been left
// alone for too long, whether Temporal is down or the database, and back where
// somebody attends to it again.
func (e *Engine) checkLeases() {
	for name, m := range e.state.Load().models {
		// A renewal is seen up to a poll late, and its end up to another.
		unattended := leased(m.row.Mode) && time.Since(e.leases[name].moved) >= e.lease-2*e.poll
		if unattended == m.unattended {
			continue
		}
		next := *m
		next.unattended = unattended
		e.publish(&next)
		if unattended {
			e.logger.Error("nobody attends to the rollout: everything goes to the champion", "model", name, "mode", m.row.Mode, "champion", m.row.Champion, "lease", e.lease)
		} else {
			e.logger.Info("the rollout is attended to again", "model", name, "mode", m.row.Mode)
		}
	}
}

// tell reports what this process has loaded. A report that fails is missed, and
// the next one says the same.
func (e *Engine) tell(ctx context.Context) {
	var rows []Replica
	for name, m := range e.state.Load().models {
		said := map[string]bool{}
		if m.err != nil && m.failed != "" && !errors.Is(m.err, errLoading) {
			message, _, _ := perennial.Explain(m.err)
			rows = append(rows, Replica{Model: name, Version: m.failed, State: ReplicaFailed, Error: message, Epoch: m.row.Epoch})
			said[m.failed] = true
		}
		for _, s := range m.seats() {
			if !said[s.version.name] {
				rows = append(rows, Replica{Model: name, Version: s.version.name, State: ReplicaLoaded, Epoch: m.row.Epoch})
				said[s.version.name] = true
			}
		}
	}
	if err := e.replicas.Report(ctx, e.replica, rows); err != nil && ctx.Err() == nil {
		e.logger.Debug("the report of what is loaded here failed", "error", err)
	}
}
