package models

import (
	"context"
	"math"
	"slices"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/models/preprocess"
)

// Spec says what to fit.
type Spec struct {
	Task       perennial.Task
	Schema     perennial.Schema
	Preprocess perennial.Preprocess
	Algorithm  string
	Params     map[string]any // what isn't given has its default
	Seed       int64
	Threads    int     // default 1
	Positive   string  // the positive class of a binary classification; "": none
	Threshold  float64 // with Positive: positive where its probability is at least this; default 0.5
}

// Fit fits preparation and algorithm on the given rows of a table, and on
// nothing else: only the list of classes comes from the whole table, where the
// schema doesn't have it. In the model's schema a feature that the preparation
// drops is ignored.
//
// It stops the processor within 2 s of ctx ending and then gives ctx's error in
// the chain. Other errors: code invalid with every fault in Fields for a wrong
// spec, code invalid for data that the algorithm can't take (a null target, a
// null that nothing imputes, a singular system), too_large where an algorithm
// can't promise to stop in time.
func Fit(ctx context.Context, spec Spec, t *perennial.Table, rows []int) (*Model, error) {
	const op = "models.Fit"
	m, e, err := prepare(&spec, t, rows)
	if err != nil {
		return nil, perennial.Wrap(op, err)
	}
	training, err := m.training(ctx, e, &spec, t, rows)
	if err != nil {
		return nil, perennial.Wrap(op, err)
	}
	if err := checkTraining(m, e, &training); err != nil {
		return nil, perennial.Wrap(op, err)
	}
	fitted, err := e.fit(ctx, m.head.Params, training)
	if err != nil {
		return nil, perennial.Wrap(op, err)
	}
	m.predictor, m.trace = fitted.Predictor, fitted.Trace
	return m, nil
}

// prepare validates the spec and resolves the schema.
func prepare(spec *Spec, t *perennial.Table, rows []int) (*Model, *entry, error) {
	faults := CheckCandidate(spec.Task, perennial.Candidate{Algorithm: spec.Algorithm, Params: spec.Params})
	faults = append(faults, preprocess.Check(spec.Preprocess, &spec.Schema)...)
	if !(spec.Threshold >= 0 && spec.Threshold <= 1) { // NaN fails too
		faults = append(faults, perennial.FieldError{Path: "/threshold/value", Rule: ruleRange, Came: showable(spec.Threshold), Message: "A threshold is a probability, 0 to 1."})
	}
	if len(faults) > 0 {
		return nil, nil, &perennial.Error{Code: perennial.CodeInvalid, Message: faults[0].Message, Fields: faults}
	}
	if len(rows) == 0 {
		return nil, nil, perennial.Errorf(perennial.CodeInvalid, "", "there are no rows to train on")
	}
	if err := checkRows(t, rows); err != nil {
		return nil, nil, err
	}
	e, _ := lookup(spec.Algorithm)
	params, _ := e.resolve(spec.Params)
	used := spec.Schema
	used.Columns = slices.Clone(used.Columns)
	preparation := preprocess.Ignore(spec.Preprocess, &used)
	schema, err := resolve(&used, spec.Task, t, rows)
	if err != nil {
		return nil, nil, err
	}
	m := &Model{head: head{
		Task: spec.Task, Schema: *schema, Preprocess: preparation, Algorithm: spec.Algorithm, Params: params,
		Seed: spec.Seed, Positive: spec.Positive, Threshold: spec.Threshold,
	}}
	return m, e, m.derive()
}

// training reads the rows, fits the preparation and prepares them.
func (m *Model) training(ctx context.Context, e *entry, spec *Spec, t *perennial.Table, rows []int) (Training, error) {
	read, err := newReader(t, m.features)
	if err != nil {
		return Training{}, err
	}
	y, err := Targets(t, &m.head.Schema, rows)
	if err != nil {
		return Training{}, err
	}
	source := preprocess.Rows{
		N: len(rows), Y: y, Classes: len(m.classes), IDs: rows, Seed: spec.Seed,
		Read: func(feature, from int, out []float64) { read[feature].column(rows[from:from+len(out)], out) },
	}
	if m.profile, err = newProfile(ctx, m.features, source); err != nil {
		return Training{}, err
	}
	prep, x, err := preprocess.Fit(ctx, m.head.Preprocess, e.takes(), m.features, source)
	if err != nil {
		return Training{}, err
	}
	m.prep = prep
	return Training{
		X: x, Y: y, Rows: len(rows), Cols: prep.Width(), Classes: len(m.classes), Categories: prep.Categories(),
		Seed: spec.Seed, Threads: max(spec.Threads, 1),
	}, nil
}

// checkTraining refuses what the algorithm can't take.
func checkTraining(m *Model, e *entry, t *Training) error {
	if faults := preprocess.Refuses(m.head.Preprocess, e.takes(), e.Name, &m.head.Schema); len(faults) > 0 {
		return &perennial.Error{Code: perennial.CodeInvalid, Message: faults[0].Message, Fields: faults}
	}
	if t.Cols == 0 {
		return perennial.Errorf(perennial.CodeInvalid, "", "no feature is left to train on").WithHint("The schema needs at least one feature column with values.")
	}
	i := slices.IndexFunc(t.X, func(v float64) bool { return math.IsInf(v, 0) || (math.IsNaN(v) && !e.takesNull) })
	if i >= 0 {
		return perennial.Errorf(perennial.CodeInvalid, "", "feature %s of training row %d is not finite once prepared", m.prep.Names()[i%t.Cols], i/t.Cols)
	}
	return nil
}
