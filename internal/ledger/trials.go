package ledger

import (
	"context"
	"encoding/json"
	"math"

	"gorm.io/gorm/clause"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/db"
)

// Trial is one trial of a study: a candidate with one choice of parameters,
// cross-validated.
type Trial struct {
	StudyID   string
	Index     int // within the study, from 0
	Candidate int // index into the pipeline's candidates
	Algorithm string
	Params    json.RawMessage // an object; nil reads back as {}
	Score     float64         // mean over the folds; any value that isn't finite reads back as NaN
	Scores    []float64       // one per fold, likewise
	Millis    int64           // time spent, on the clock
	CPU       float64         // seconds of processor, as package usage counts them
	Memory    int64           // bytes of the process at its highest, likewise
	State     TrialState
	Error     string // why it failed, for people
}

// TrialState is how far a trial is.
type TrialState string

// The states of a trial.
const (
	TrialProposed  TrialState = "proposed"  // waiting or running
	TrialPartial   TrialState = "partial"   // scored on some of the folds; halving may go on with it
	TrialStopped   TrialState = "stopped"   // scored on some of the folds, and left there by halving or the time limit
	TrialCompleted TrialState = "completed" // scored on all folds
	TrialFailed    TrialState = "failed"    // its parameters can't be fitted
)

// Ended reports whether a trial's result is final. What was stopped can go on.
func (s TrialState) Ended() bool { return s == TrialCompleted || s == TrialFailed }

type trialRow struct {
	StudyID   string `gorm:"primaryKey"`
	Idx       int64  `gorm:"primaryKey;autoIncrement:false"`
	Candidate int64
	Algorithm string
	Params    string
	Score     *float64
	Scores    string
	Millis    int64
	CPU       float64 `gorm:"column:cpu_seconds"`
	Memory    int64   `gorm:"column:peak_memory_bytes"`
	State     TrialState
	Error     string
	Folds     int64
}

func (trialRow) TableName() string { return "trials" }

// Scored reports whether a trial has scores that may be compared, on some folds
// at least.
func (s TrialState) Scored() bool {
	return s == TrialPartial || s == TrialStopped || s == TrialCompleted
}

// SaveTrial stores what became of a trial. One that has ended keeps its result,
// and no other loses a fold or, once it was stopped, goes on without one more: a
// worker that was taken for dead writes in vain.
func (s *Store) SaveTrial(ctx context.Context, t Trial) error {
	const op = "ledger.SaveTrial"
	row, err := rowOf(op, t)
	if err != nil {
		return err
	}
	open := clause.Expr{
		SQL:  "trials.state NOT IN (?, ?) AND (excluded.folds > trials.folds OR excluded.folds = trials.folds AND trials.state <> ?)",
		Vars: []any{TrialCompleted, TrialFailed, TrialStopped},
	}
	keep := clause.OnConflict{Columns: []clause.Column{{Name: "study_id"}, {Name: "idx"}}, UpdateAll: true, Where: clause.Where{Exprs: []clause.Expression{open}}}
	return db.Fault(op, s.db.WithContext(ctx).Clauses(keep).Create(&row).Error)
}

// ProposeTrials stores trials that are to run. One that is there stays as it is,
// so that whoever proposes first decides.
func (s *Store) ProposeTrials(ctx context.Context, trials []Trial) error {
	const op = "ledger.ProposeTrials"
	rows := make([]trialRow, len(trials))
	for i, t := range trials {
		t.State, t.Score = TrialProposed, math.NaN()
		row, err := rowOf(op, t)
		if err != nil {
			return err
		}
		rows[i] = row
	}
	if len(rows) == 0 {
		return nil
	}
	return db.Fault(op, s.db.WithContext(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&rows).Error)
}

func rowOf(op string, t Trial) (trialRow, error) {
	if len(t.Params) == 0 {
		t.Params = json.RawMessage("{}")
	}
	if t.StudyID == "" || t.Index < 0 || !json.Valid(t.Params) {
		return trialRow{}, perennial.Errorf(perennial.CodeInvalid, op, "a trial needs a study, an index from 0 and JSON parameters")
	}
	folds := make([]*float64, len(t.Scores))
	for i := range t.Scores {
		folds[i] = finite(t.Scores[i])
	}
	scores, err := json.Marshal(folds)
	if err != nil {
		return trialRow{}, perennial.Wrap(op, err)
	}
	return trialRow{
		StudyID: t.StudyID, Idx: int64(t.Index), Candidate: int64(t.Candidate), Algorithm: t.Algorithm, Params: string(t.Params),
		Score: finite(t.Score), Scores: string(scores), Millis: t.Millis, CPU: t.CPU, Memory: t.Memory, State: t.State, Error: t.Error,
		Folds: int64(len(folds)),
	}, nil
}

// Trials lists a study's trials by index; a study nobody wrote to has none.
func (s *Store) Trials(ctx context.Context, studyID string) ([]Trial, error) {
	const op = "ledger.Trials"
	var rows []trialRow
	if err := s.db.WithContext(ctx).Where("study_id = ?", studyID).Order("idx").Find(&rows).Error; err != nil {
		return nil, db.Fault(op, err)
	}
	trials := make([]Trial, len(rows))
	for i, r := range rows {
		var folds []*float64
		if err := json.Unmarshal([]byte(r.Scores), &folds); err != nil {
			return nil, perennial.Wrap(op, err)
		}
		trials[i] = Trial{
			StudyID: r.StudyID, Index: int(r.Idx), Candidate: int(r.Candidate), Algorithm: r.Algorithm, Params: json.RawMessage(r.Params),
			Score: orNaN(r.Score), Millis: r.Millis, CPU: r.CPU, Memory: r.Memory, State: r.State, Error: r.Error,
		}
		for _, f := range folds {
			trials[i].Scores = append(trials[i].Scores, orNaN(f))
		}
	}
	return trials, nil
}

// finite gives nil for NaN and the infinities, which neither JSON nor SQLite can
// hold.
func finite(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}

func orNaN(v *float64) float64 {
	if v == nil {
		return math.NaN()
	}
	return *v
}
