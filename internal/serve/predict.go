package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/perennial-ml/perennial"
)

// checkEvery is how many rows are predicted between two looks at the context.
const checkEvery = 256

// attempt is one version's try at a request. A request has one attempt, or a
// second one by the champion after another version's failure.
type attempt struct {
	seat     *seat
	rows     []float64 // encoded, rows × features
	values   []float64 // per row: class index or number
	proba    []float64 // rows × classes; empty for regression
	features []json.RawMessage
	redacted [][]string
	latency  time.Duration // since the request came
	failed   bool
	tooLarge []overflow // values that the version can't take; where there are some, nothing was predicted
}

// overflow is one of a request's values that is too large for a version.
type overflow struct {
	Overflow

	row   int
	value float64
}

func (a *attempt) reset(s *seat, rows int) {
	a.seat, a.failed = s, false
	a.tooLarge = a.tooLarge[:0]
	a.values, a.proba, a.features, a.redacted = a.values[:0], a.proba[:0], a.features[:0], a.redacted[:0]
	if need := rows * s.version.plan.features; cap(a.rows) < need {
		a.rows = make([]float64, need)
	} else {
		a.rows = a.rows[:need]
	}
}

func (a *attempt) release() {
	clear(a.features)
	clear(a.redacted)
	a.seat = nil
	if 8*(cap(a.rows)+cap(a.proba)) > maxPooled {
		a.rows, a.proba = nil, nil
	}
}

// Predict answers one request in the form of CONTRACTS §2: a whole JSON body
// in, a whole JSON answer out. kind says where the request came from, for the
// log. body is not kept.
//
// Either every row is predicted and handed to the prediction log, or none:
// malformed where the body is no JSON, invalid with every wrong field, too_large
// over Options.MaxInstances rows, not_found for an unknown model, unavailable
// for one without a version in service (Fields[0].Came names it), deadline where
// ctx ended, internal where the champion itself could not answer.
func (e *Engine) Predict(ctx context.Context, body []byte, kind perennial.PredictionKind) (answer []byte, err error) {
	r, _ := e.requests.Get().(*request)
	r.reset(body)
	model, answer, err := e.predict(ctx, r, kind)
	r.release()
	e.requests.Put(r)
	if err != nil {
		e.metrics.rejected.WithLabelValues(model, string(perennial.CodeOf(err))).Inc()
		return nil, err
	}
	return answer, nil
}

// predict also gives the name of the model, "" for one that we don't know.
func (e *Engine) predict(ctx context.Context, r *request, kind perennial.PredictionKind) (model string, answer []byte, err error) {
	began := time.Now()
	v, err := r.envelope()
	if err != nil {
		return "", nil, err
	}
	if v.name == "" {
		return "", nil, r.faults.err("")
	}
	m, err := e.serving(v.name)
	if err != nil {
		return "", nil, err
	}
	model = m.row.Model
	if err := r.rows(&v, e.maxInstances); err != nil {
		return model, nil, err
	}
	r.ids = appendIDs(r.ids[:0], began, max(1, len(r.objects)))
	unit := v.unitID
	if unit == "" {
		unit = r.ids[0]
	}
	chosen, bucket := m.assign(unit)
	if r.faults.n > 0 {
		chosen = m.champion // refused anyway: by the schema that is the model's public contract
	}
	last := &r.first
	err = e.try(ctx, r, &r.first, chosen, began)
	switch {
	case err != nil || chosen == m.champion:
	case r.first.absurd(): // the champion answers as if it had been asked at once: this is nobody's failure
		r.clearFindings()
		err = e.try(ctx, r, &r.first, m.champion, began)
	case r.first.failed || r.faults.n > 0:
		r.first.failed = true
		r.clearFindings()
		last = &r.second
		err = e.try(ctx, r, &r.second, m.champion, began)
	}
	switch {
	case err != nil:
		return model, nil, err
	case r.faults.n > 0:
		return model, nil, r.faults.err(model)
	}
	e.record(r, m, kind, began, v.unitID, bucket)
	if last.failed {
		return model, nil, perennial.Errorf(perennial.CodeInternal, op, "Version %s of %s could not answer; the failed attempt is logged.", last.seat.version.name, model)
	}
	return model, r.answer(last), nil
}

// try reads every row by one version's schema and, where all are sound, predicts
// them. Wrong fields, values that are too large for the version among them, are
// left in r.faults, a failed prediction in a.failed.
func (e *Engine) try(ctx context.Context, r *request, a *attempt, s *seat, began time.Time) error {
	a.reset(s, len(r.objects))
	p := s.version.plan
	place := path{instance: -1}
	for i, object := range r.objects {
		if i > 0 && i%checkEvery == 0 && ctx.Err() != nil {
			return late(ctx)
		}
		if object.kind != kindObject {
			continue // already a fault
		}
		if r.many {
			place.instance = i
		}
		p.row(r, object, place, a.rows[i*p.features:(i+1)*p.features])
		features, redacted := p.logFeatures(r, object)
		a.features, a.redacted = append(a.features, features), append(a.redacted, redacted)
	}
	if r.faults.n > 0 {
		return nil
	}
	err := s.version.predict(ctx, a)
	a.latency = time.Since(began)
	if ctx.Err() != nil {
		return late(ctx)
	}
	if err != nil {
		a.failed, a.tooLarge = true, a.tooLarge[:0]
		s.failing.Do(func() {
			e.logger.Error("a version could not answer; further failures are only counted", "model", s.model, "version", s.version.name, "variant", s.variant, "error", err)
		})
	}
	for i := range a.tooLarge {
		if r.many {
			place.instance = a.tooLarge[i].row
		}
		r.faults.add(p.tooLarge(&a.tooLarge[i], place))
	}
	return nil
}

// absurd reports whether nothing but absurdly large values kept the version from
// answering.
func (a *attempt) absurd() bool {
	return len(a.tooLarge) > 0 && !slices.ContainsFunc(a.tooLarge, func(o overflow) bool { return !o.Absurd })
}

func late(ctx context.Context) error {
	return perennial.Errorf(perennial.CodeDeadline, op, "The time for this request was over; nothing was predicted or logged.").Because(ctx.Err())
}

// predict answers every encoded row of an attempt. A panic of the model and an
// answer that is no finite number or no class are errors, unless it is for values
// that are too large for the model: they are left in a.tooLarge.
func (v *version) predict(ctx context.Context, a *attempt) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the model panicked: %v", p)
		}
	}()
	predictor, _ := v.predictors.Get().(Predictor)
	n := v.plan.features
	for i := range a.features {
		if i > 0 && i%checkEvery == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		row := a.rows[i*n : (i+1)*n]
		value, proba := predictor.Predict(row)
		if err := v.check(value, proba); err != nil {
			large := len(a.tooLarge)
			if errors.Is(err, errNotFinite) {
				for _, o := range predictor.Overflows(row) {
					a.tooLarge = append(a.tooLarge, overflow{o, i, row[o.Feature]})
				}
			}
			if len(a.tooLarge) == large {
				return fmt.Errorf("row %d: %w", i, err)
			}
			continue
		}
		a.values, a.proba = append(a.values, value), append(a.proba, proba...)
	}
	v.predictors.Put(predictor)
	return nil
}

var errNotFinite = errors.New("not a finite number")

// check refuses an answer that can't be passed on.
func (v *version) check(value float64, proba []float64) error {
	if math.IsNaN(value) || math.IsInf(value, 0) {
		return fmt.Errorf("the answer %g is %w", value, errNotFinite)
	}
	if len(v.classes) == 0 {
		return nil
	}
	if c := int(value); c < 0 || c >= len(v.classes) || len(proba) != len(v.classes) {
		return fmt.Errorf("the answer %g with %d probabilities doesn't fit %d classes", value, len(proba), len(v.classes))
	}
	for _, p := range proba {
		if math.IsNaN(p) || math.IsInf(p, 0) {
			return fmt.Errorf("the probability %g is %w", p, errNotFinite)
		}
	}
	return nil
}

// record counts every attempt of a request and hands its rows to the log. The
// latency of a row is the whole request's up to that attempt's answer, shared
// evenly among its rows.
func (e *Engine) record(r *request, m *served, kind perennial.PredictionKind, began time.Time, unit string, bucket int) {
	for number, a := range []*attempt{&r.first, &r.second} {
		if a.seat == nil {
			break
		}
		n := len(r.objects)
		a.seat.observe(a, n)
		for i := range n {
			row := perennial.Prediction{
				ID: r.ids[i], Replica: e.replica, At: began.UnixMicro(), Model: m.row.Model, Version: a.seat.version.name,
				Variant: a.seat.variant, Epoch: m.row.Epoch, Bucket: bucket, UnitID: unit, Key: r.keys[i], Kind: kind,
				Attempt: number, Status: statusOK, LatencyNS: int64(a.latency) / int64(n),
				Features: a.features[i], Redacted: a.redacted[i], Value: math.NaN(), DecisionID: m.row.DecisionID,
			}
			if a.failed {
				row.Status = statusError
			} else {
				a.answer(i, &row)
			}
			e.log.Append(row) // a row that finds no room is counted there
		}
	}
}

// answer puts the answer to row i into its log row.
func (a *attempt) answer(i int, row *perennial.Prediction) {
	v := a.seat.version
	k := len(v.classes)
	if k == 0 {
		row.Value = a.values[i]
		return
	}
	row.Answer = v.classes[int(a.values[i])]
	row.Probabilities = make(map[string]float64, k)
	for c, p := range a.proba[i*k : (i+1)*k] {
		row.Probabilities[v.classes[c]] = p
	}
}
