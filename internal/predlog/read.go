package predlog

import (
	"context"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/db"
)

// notYet is how old a prediction id may be to be on its way from another
// replica.
const notYet = 30 * time.Second

// The number of rows a List gives by default and at most.
const (
	DefaultLimit = 50
	MaxLimit     = 1000
)

// record is a row of the table as gorm reads it.
type record struct {
	ID            string
	Attempt       int
	Replica       string
	At            int64
	Model         string
	Version       string
	Variant       string
	Epoch         int64
	Bucket        int
	UnitID        string
	Key           string
	Kind          string
	Status        string
	LatencyNS     int64
	Features      string
	Redacted      string
	Answer        string
	Value         sql.NullFloat64
	Probabilities string
	DecisionID    string
}

// TableName names the table.
func (*record) TableName() string { return Component }

func (r *record) prediction() (perennial.Prediction, error) {
	p := perennial.Prediction{
		ID: r.ID, Attempt: r.Attempt, Replica: r.Replica, At: r.At, Model: r.Model, Version: r.Version, Variant: perennial.Variant(r.Variant),
		Epoch: r.Epoch, Bucket: r.Bucket, UnitID: r.UnitID, Key: r.Key, Kind: perennial.PredictionKind(r.Kind), Status: r.Status,
		LatencyNS: r.LatencyNS, Answer: r.Answer, Value: math.NaN(), DecisionID: r.DecisionID,
	}
	if r.Value.Valid {
		p.Value = r.Value.Float64
	}
	if r.Features != "" {
		p.Features = json.RawMessage(r.Features)
	}
	err := errors.Join(fromJSON(r.Redacted, &p.Redacted), fromJSON(r.Probabilities, &p.Probabilities))
	if err != nil {
		return p, perennial.Errorf(perennial.CodeInternal, "predlog", "The logged row of prediction %s is damaged.", r.ID).Because(err)
	}
	return p, nil
}

func fromJSON(text string, into any) error {
	if text == "" {
		return nil
	}
	return json.Unmarshal([]byte(text), into)
}

// Get gives the answered attempt of a prediction, the last where there are two;
// also one that isn't written yet. Codes: not_found; not_yet for the id of a
// request of the last half minute, whose answer may be on its way from another
// replica, if a model gave one.
func (l *Log) Get(ctx context.Context, id string) (perennial.Prediction, error) {
	const op = "predlog.Get"
	// The buffer first: a row leaves it only after it is in the database.
	l.mu.Lock()
	rows := l.rows
	l.mu.Unlock()
	for _, r := range slices.Backward(rows) {
		if r.ID == id {
			return r.Prediction, nil
		}
	}
	var found []record
	if err := l.db.WithContext(ctx).Where("id = ?", clean(id)).Order("attempt DESC").Limit(1).Find(&found).Error; err != nil {
		return perennial.Prediction{}, db.Fault(op, err)
	}
	if len(found) > 0 {
		return found[0].prediction()
	}
	if recent(id, time.Now()) {
		return perennial.Prediction{}, perennial.Errorf(perennial.CodeNotYet, op, "Prediction %s isn't in the log, or not yet.", id).
			WithHint("An answer is there within a second or so. A request that was refused, or failed before a model answered, never is.")
	}
	return perennial.Prediction{}, perennial.Errorf(perennial.CodeNotFound, op, "There is no prediction %q in the log.", id).
		WithHint("It may be older than the log's retention, or of a request that no model answered.")
}

// recent reports whether id is a UUIDv7 made within notYet of now.
func recent(id string, now time.Time) bool {
	u, err := uuid.Parse(id)
	if err != nil || u.Version() != 7 {
		return false
	}
	made := time.UnixMilli(int64(binary.BigEndian.Uint64(u[:8]) >> 16))
	return now.Sub(made).Abs() < notYet
}

// Query asks for a part of the log.
type Query struct {
	Model  string // "": every model
	Before string // Next of the page before; "": from the newest
	Limit  int    // rows of a page; 0: DefaultLimit, at most MaxLimit
}

// Page is a part of the log, newest first. Next asks for the following part; ""
// at the end.
type Page struct {
	Items []perennial.Prediction
	Next  string
}

// List gives a page of the log: of every prediction the attempt that answered.
// It reads the database only, which is behind by the time between two flushes.
// Codes: invalid for a cursor that no page gave.
func (l *Log) List(ctx context.Context, q Query) (Page, error) {
	const op = "predlog.List"
	if q.Limit <= 0 {
		q.Limit = DefaultLimit
	}
	q.Limit = min(q.Limit, MaxLimit)
	query := l.db.WithContext(ctx).Table(Component + " AS p").
		Where("NOT EXISTS (SELECT 1 FROM predictions AS later WHERE later.id = p.id AND later.attempt > p.attempt)").
		Limit(q.Limit + 1)
	query, err := page(query, q)
	if err != nil {
		return Page{}, err
	}
	var rows []record
	if err := query.Find(&rows).Error; err != nil {
		return Page{}, db.Fault(op, err)
	}
	var out Page
	if len(rows) > q.Limit {
		rows = rows[:q.Limit]
		last := rows[q.Limit-1]
		out.Next = strconv.FormatInt(last.At, 10) + "." + last.ID
	}
	for i := range rows {
		p, err := rows[i].prediction()
		if err != nil {
			return Page{}, err
		}
		out.Items = append(out.Items, p)
	}
	return out, nil
}

// page adds order and cursor. One model's rows are read along their time; those
// of all models along the id, whose first part is the time.
func page(query *gorm.DB, q Query) (*gorm.DB, error) {
	at, id, err := cursor(q.Before)
	if err != nil {
		return nil, err
	}
	if q.Model == "" {
		query = query.Order("id DESC")
		if q.Before != "" {
			query = query.Where("id < ?", id)
		}
		return query, nil
	}
	query = query.Where("model = ?", clean(q.Model)).Order("at DESC, id DESC")
	if q.Before != "" {
		query = query.Where("(at, id) < (?, ?)", at, id)
	}
	return query, nil
}

func cursor(s string) (at int64, id string, err error) {
	if s == "" {
		return 0, "", nil
	}
	text, id, found := strings.Cut(s, ".")
	at, err = strconv.ParseInt(text, 10, 64)
	if err != nil || !found || clean(id) != id {
		return 0, "", perennial.Errorf(perennial.CodeInvalid, "predlog.List", "The page token is none that this list gave.")
	}
	return at, id, nil
}
