package access

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/db"
)

// DefaultPage is how many rows a page of Entries has where no limit is asked for.
const DefaultPage = 50

type auditRow struct {
	Seq        int64 `gorm:"primaryKey;autoIncrement:false"`
	At         int64
	Actor      string
	Action     string
	Target     string
	Before     string
	After      string
	Reason     string
	WorkflowID string
	RequestID  string
	Previous   string
	Hash       string
}

func (auditRow) TableName() string { return "audit" }

type headRow struct {
	ID   int64 `gorm:"primaryKey;autoIncrement:false"`
	Seq  int64
	Hash string
}

func (headRow) TableName() string { return "audit_head" }

// lastRows is how far back Append looks for an entry that it is given again.
const lastRows = 100

// Append adds an entry at the end of the chain and gives it with its number and
// hashes. Texts lose what Postgres can't store: zero bytes and broken UTF-8. An
// entry without a time, an actor or an action, or with a state that is no JSON,
// is invalid. It is safe to repeat: the same entry, its time included, is the same
// row, where that is one of the last.
func (s *Store) Append(ctx context.Context, e perennial.AuditEntry) (perennial.AuditEntry, error) {
	const op = "access.Append"
	if e.At <= 0 || e.Actor == "" || e.Action == "" || !jsonOrNone(e.Before) || !jsonOrNone(e.After) {
		return perennial.AuditEntry{}, perennial.Errorf(perennial.CodeInvalid, op, "an audit entry needs a time, an actor, an action and states of JSON")
	}
	for _, text := range []*string{&e.Actor, &e.Action, &e.Target, &e.Reason, &e.WorkflowID, &e.RequestID} {
		*text = strings.ReplaceAll(strings.ToValidUTF8(*text, "\uFFFD"), "\x00", "\uFFFD")
	}
	err := s.db.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		head, err := head(tx.Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate}))
		if err != nil {
			return err
		}
		same := map[string]any{
			"at": e.At, "actor": e.Actor, "action": e.Action, "target": e.Target, "before": string(e.Before), "after": string(e.After),
			"reason": e.Reason, "workflow_id": e.WorkflowID, "request_id": e.RequestID,
		}
		before, found, err := db.Take[auditRow](tx.Where("seq > ?", head.Seq-lastRows).Where(same))
		if found || err != nil {
			e = before.entry()
			return err
		}
		e.Seq, e.Previous = head.Seq+1, head.Hash
		e.Hash = e.Sum()
		row := auditRow{
			Seq: e.Seq, At: e.At, Actor: e.Actor, Action: e.Action, Target: e.Target, Before: string(e.Before), After: string(e.After),
			Reason: e.Reason, WorkflowID: e.WorkflowID, RequestID: e.RequestID, Previous: e.Previous, Hash: e.Hash,
		}
		if err := tx.Create(&row).Error; err != nil {
			return err
		}
		return tx.Model(&headRow{}).Where("id = 1").Updates(map[string]any{"seq": e.Seq, "hash": e.Hash}).Error
	})
	if err != nil {
		return perennial.AuditEntry{}, db.Fault(op, err)
	}
	return e, nil
}

func jsonOrNone(b json.RawMessage) bool { return len(b) == 0 || json.Valid(b) }

func head(tx *gorm.DB) (headRow, error) {
	row, found, err := db.Take[headRow](tx.Where("id = 1"))
	if err == nil && !found {
		err = perennial.Errorf(perennial.CodeInternal, "access.head", "the audit's head row is gone").
			WithHint("Restore the database from a backup: perennial audit verify tells which rows are whole.")
	}
	return row, err
}

// Entries gives a page of the audit, newest first, limit entries long
// (DefaultPage for 0); next is the token of the page after it, "" on the last.
// A token that isn't ours is malformed.
func (s *Store) Entries(ctx context.Context, limit int, token string) (list []perennial.AuditEntry, next string, err error) {
	const op = "access.Entries"
	if limit <= 0 {
		limit = DefaultPage
	}
	q := s.db.WithContext(ctx).Order("seq DESC").Limit(limit + 1)
	if token != "" {
		before, err := strconv.ParseInt(token, 10, 64)
		if err != nil {
			return nil, "", perennial.Errorf(perennial.CodeMalformed, op, "this page token is none of ours").
				WithHint("Give next_page_token as it came, or none for the first page.")
		}
		q = q.Where("seq < ?", before)
	}
	var rows []auditRow
	if err := q.Find(&rows).Error; err != nil {
		return nil, "", db.Fault(op, err)
	}
	if len(rows) > limit {
		rows = rows[:limit]
		next = strconv.FormatInt(rows[limit-1].Seq, 10)
	}
	list = make([]perennial.AuditEntry, len(rows))
	for i, r := range rows {
		list[i] = r.entry()
	}
	return list, next, nil
}

func (r auditRow) entry() perennial.AuditEntry {
	return perennial.AuditEntry{
		Seq: r.Seq, At: r.At, Actor: r.Actor, Action: r.Action, Target: r.Target, Before: state(r.Before), After: state(r.After),
		Reason: r.Reason, WorkflowID: r.WorkflowID, RequestID: r.RequestID, Previous: r.Previous, Hash: r.Hash,
	}
}

func state(s string) json.RawMessage {
	if s == "" {
		return nil
	}
	return json.RawMessage(s)
}

// Verified is what Verify found.
type Verified struct {
	Entries int64  // whole ones, from the first on
	Hash    string // of the last whole one: kept elsewhere, it proves all of them later
	Broken  int64  // number of the first row that was changed, or is missing; 0: none
	Reason  string // what is wrong with it
}

// verifyBatch is how many rows Verify holds at once.
const verifyBatch = 1000

// Verify walks the whole chain and stops at the first row that is not as it was
// written. Somebody who can write to the database can also write a whole new
// chain: only a hash that was kept elsewhere shows that.
func (s *Store) Verify(ctx context.Context) (Verified, error) {
	const op = "access.Verify"
	var v Verified
	end, err := head(s.db.WithContext(ctx)) // first: rows written meanwhile come after it
	if err != nil {
		return v, db.Fault(op, err)
	}
	for {
		var rows []auditRow
		if err := s.db.WithContext(ctx).Where("seq > ?", v.Entries).Order("seq").Limit(verifyBatch).Find(&rows).Error; err != nil {
			return v, db.Fault(op, err)
		}
		for _, r := range rows {
			if v.Reason = fault(v, r.entry()); v.Reason != "" {
				v.Broken = v.Entries + 1
				return v, nil
			}
			v.Entries, v.Hash = r.Seq, r.Hash
			if r.Seq == end.Seq && r.Hash != end.Hash {
				v.Broken, v.Reason = r.Seq, "it is not the row that was written last: the end of the chain was replaced"
				return v, nil
			}
		}
		if len(rows) < verifyBatch {
			break
		}
	}
	if v.Entries > end.Seq {
		if end, err = head(s.db.WithContext(ctx)); err != nil {
			return v, db.Fault(op, err)
		}
	}
	switch {
	case v.Entries < end.Seq:
		v.Broken, v.Reason = v.Entries+1, fmt.Sprintf("it is missing: rows up to %d were written", end.Seq)
	case v.Entries > end.Seq:
		v.Broken, v.Reason = end.Seq+1, fmt.Sprintf("it was put in: rows up to %d were written", end.Seq)
	}
	return v, nil
}

// fault says what is wrong with the row after the verified ones, "" for nothing.
func fault(v Verified, e perennial.AuditEntry) string {
	switch {
	case e.Seq != v.Entries+1:
		return fmt.Sprintf("it is missing: the next row is %d", e.Seq)
	case e.Sum() != e.Hash:
		return "it was changed: its hash is another one"
	case e.Previous != v.Hash:
		return "it doesn't follow the row before it, which was changed or put in"
	}
	return ""
}
