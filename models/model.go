package models

import (
	"maps"
	"slices"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/models/preprocess"
)

// Model is a fitted model. But for SetProvenance it is immutable, and safe for
// concurrent use with one Scratch per goroutine.
type Model struct {
	head      head
	prep      *preprocess.Transformer
	predictor Predictor
	profile   Profile
	prov      Provenance
	trace     Trace // of the fit; empty in a decoded model

	features []perennial.Column
	classes  []string
	positive int // class index, -1: none
}

// head is what the model file keeps of the Spec: all but Threads, which changes
// nothing, and with what Fit resolved.
type head struct {
	Task       perennial.Task       `json:"task"`
	Schema     perennial.Schema     `json:"schema"`
	Preprocess perennial.Preprocess `json:"preprocess"`
	Algorithm  string               `json:"algorithm"`
	Params     Params               `json:"params"`
	Seed       int64                `json:"seed"`
	Positive   string               `json:"positive,omitempty"`
	Threshold  float64              `json:"threshold,omitempty"`
}

// Provenance says where a model comes from: hashes, a seed and the trainer's
// version; never a time, a host or a run.
type Provenance struct {
	DataMD5      string `json:"data_md5"`
	SidesSHA256  string `json:"sides_sha256"`
	ParamsSHA256 string `json:"params_sha256"`
	Seed         int64  `json:"seed"`
	Trainer      string `json:"trainer"`
	SourceSHA256 string `json:"source_sha256,omitempty"` // of the file of another library that it was imported from
}

// derive sets what follows from the head.
func (m *Model) derive() error {
	m.features = m.head.Schema.Features()
	m.positive = -1
	if m.head.Task == perennial.Classification {
		target, _ := m.head.Schema.Target()
		m.classes = target.Values
	}
	if m.head.Positive == "" {
		return nil
	}
	m.positive = slices.Index(m.classes, m.head.Positive)
	if m.positive < 0 || len(m.classes) != 2 {
		return &perennial.Error{Code: perennial.CodeInvalid, Message: "a positive class is one of the two classes of a binary classification", Fields: []perennial.FieldError{{
			Path: "/data/positive", Rule: perennial.RuleCategory, Came: m.head.Positive, Allowed: m.classes, Message: "positive must be one of the target's two classes.",
		}}}
	}
	if m.head.Threshold == 0 {
		m.head.Threshold = 0.5
	}
	return nil
}

// SetProvenance records where the model comes from, before it is encoded.
func (m *Model) SetProvenance(p Provenance) { m.prov = p }

// Provenance says where the model comes from.
func (m *Model) Provenance() Provenance { return m.prov }

// Schema is the resolved schema: categorical features have their Values, and so
// has a classification's target. It must not be changed.
func (m *Model) Schema() *perennial.Schema { return &m.head.Schema }

// Task is the kind of learning task.
func (m *Model) Task() perennial.Task { return m.head.Task }

// Algorithm is the algorithm's name.
func (m *Model) Algorithm() string { return m.head.Algorithm }

// Params are the algorithm's parameters, defaults included: float64, int, string
// or bool.
func (m *Model) Params() map[string]any { return maps.Clone(m.head.Params) }

// Classes are the classes in the order of probabilities and class indexes; nil
// for regression. It must not be changed.
func (m *Model) Classes() []string { return m.classes }

// Positive is the index of the positive class and the probability from which it
// is predicted; -1 where there is none.
func (m *Model) Positive() (class int, threshold float64) { return m.positive, m.head.Threshold }

// Profile sums up the training rows.
func (m *Model) Profile() Profile { return m.profile }

// FeatureNames names the prepared features that the algorithm sees.
func (m *Model) FeatureNames() []string { return m.prep.Names() }

// Warning says in a sentence what a user should know of the fit, as that it
// didn't converge; "" for nothing.
func (m *Model) Warning() string {
	if w, ok := m.predictor.(interface{ Warning() string }); ok {
		return w.Warning()
	}
	return ""
}

// Trace tells how the fit went; it is empty in a model read from a file, and its
// slices must not be changed.
func (m *Model) Trace() Trace { return m.trace }

// Scratch is the memory that predictions of one model by one goroutine need.
type Scratch struct {
	raw, x, out []float64
}

// NewScratch gives memory for predictions of this model.
func (m *Model) NewScratch() *Scratch {
	return &Scratch{raw: make([]float64, len(m.features)), x: make([]float64, m.prep.Width()), out: make([]float64, max(len(m.classes), 1))}
}

// Predict answers one row: row has one encoded value per Schema().Features(),
// NaN for null, as Column's From methods give it. value is the class index, or
// the number; proba has one probability per class and is nil for regression. It
// is part of the scratch and stays until the next call. Predict doesn't allocate
// and can't fail; it passes on what isn't finite, which the caller checks.
//
// The class is the most probable one, the first of equal ones; with a positive
// class it is that one where its probability is at least the threshold, and the
// other one below.
func (m *Model) Predict(row []float64, s *Scratch) (value float64, proba []float64) {
	m.prep.Transform(row, s.x)
	m.predictor.Predict(s.x, s.out)
	return m.answer(s.out)
}

// answer decides on the predictor's output.
func (m *Model) answer(out []float64) (value float64, proba []float64) {
	if m.classes == nil {
		return out[0], nil
	}
	if m.positive >= 0 {
		if out[m.positive] >= m.head.Threshold {
			return float64(m.positive), out
		}
		return float64(1 - m.positive), out
	}
	best := 0
	for k, p := range out {
		if p > out[best] {
			best = k
		}
	}
	return float64(best), out
}

// Predictions are the answers to many rows.
type Predictions struct {
	Values  []float64 // one per row: class index or number
	Proba   []float64 // rows × Classes, row by row; nil for regression
	Classes int       // 0 for regression
}

// batchRows is how many rows PredictTable prepares at a time.
const batchRows = 1024

// PredictTable answers the given rows of a table with the bits of Predict, many
// at a time where the algorithm can. The table may come from another read of the
// same schema: columns are found by name, categories by text. A table without a
// feature's column is an error of code invalid.
func (m *Model) PredictTable(t *perennial.Table, rows []int) (Predictions, error) {
	const op = "models.PredictTable"
	if err := checkRows(t, rows); err != nil {
		return Predictions{}, perennial.Wrap(op, err)
	}
	read, err := newReader(t, m.features)
	if err != nil {
		return Predictions{}, perennial.Wrap(op, err)
	}
	out := Predictions{Values: make([]float64, len(rows)), Classes: len(m.classes)}
	if out.Classes > 0 {
		out.Proba = make([]float64, 0, len(rows)*out.Classes)
	}
	raw, width, outputs := make([]float64, len(m.features)), m.prep.Width(), max(len(m.classes), 1)
	many := min(batchRows, len(rows))
	x, y := make([]float64, many*width), make([]float64, many*outputs)
	for at := 0; at < len(rows); at += batchRows {
		part := rows[at:min(at+batchRows, len(rows))]
		for i, r := range part {
			read.read(r, raw)
			m.prep.Transform(raw, x[i*width:(i+1)*width])
		}
		m.predictBatch(x[:len(part)*width], y[:len(part)*outputs], len(part))
		for i := range part {
			value, proba := m.answer(y[i*outputs : (i+1)*outputs])
			out.Values[at+i] = value
			out.Proba = append(out.Proba, proba...)
		}
	}
	return out, nil
}

func (m *Model) predictBatch(x, out []float64, rows int) {
	if b, ok := m.predictor.(BatchPredictor); ok {
		b.PredictBatch(x, out, rows)
		return
	}
	width, outputs := len(x)/rows, len(out)/rows
	for i := range rows {
		m.predictor.Predict(x[i*width:(i+1)*width], out[i*outputs:(i+1)*outputs])
	}
}
