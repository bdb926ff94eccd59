package serve_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/serve"
)

// fakeModel is a model whose answer is simple to foresee: a classifier gives
// class 1 the share p and class 0 the rest, a regression the sum of the row.
type fakeModel struct {
	schema  perennial.Schema
	task    perennial.Task
	classes []string
	p       float64
	answer  func(row []float64) float64 // overrides p or the sum; NaN and panics are failures
	untold  bool                        // training saw no value of any feature
	most    float64                     // values above it are too large, and those above absurd absurdly so; 0: none is
}

const absurd = 1e100

func (m *fakeModel) Schema() *perennial.Schema { return &m.schema }
func (m *fakeModel) Task() perennial.Task      { return m.task }
func (m *fakeModel) Algorithm() string         { return "fake" }
func (m *fakeModel) Classes() []string         { return m.classes }
func (m *fakeModel) NewPredictor() serve.Predictor {
	return &fakePredictor{m, make([]float64, len(m.classes))}
}

type fakePredictor struct {
	m     *fakeModel
	proba []float64
}

func (p *fakePredictor) Predict(row []float64) (float64, []float64) {
	v := p.m.p
	switch {
	case p.m.answer != nil:
		v = p.m.answer(row)
	case p.m.task == perennial.Regression:
		for _, x := range row {
			v += x
		}
	}
	if p.m.task == perennial.Regression {
		return v, nil
	}
	p.proba[0], p.proba[1] = 1-v, v
	if v > 0.5 {
		return 1, p.proba
	}
	return 0, p.proba
}

func (p *fakePredictor) Overflows(row []float64) (out []serve.Overflow) {
	for i, v := range row {
		if p.m.most > 0 && math.Abs(v) > p.m.most {
			o := serve.Overflow{Feature: i, High: p.m.most, Absurd: math.Abs(v) > absurd}
			if p.m.untold {
				o.High = 0
			}
			out = append(out, o)
		}
	}
	return out
}

// world is everything an engine needs, in memory.
type world struct {
	mu    sync.Mutex
	rows  []perennial.Traffic
	down  error
	files map[string]*fakeModel // by model/version
	loads map[string]int
	slow  map[string]chan struct{} // a load waits for it

	logged []perennial.Prediction
}

func (w *world) List(context.Context) ([]perennial.Traffic, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]perennial.Traffic(nil), w.rows...), w.down
}

func (w *world) GetVersion(_ context.Context, model, version string) (perennial.ModelVersion, error) {
	return perennial.ModelVersion{Model: model, Version: version, Lineage: perennial.Lineage{ModelSHA256: model + "/" + version}}, nil
}

func (w *world) Get(_ context.Context, key string) ([]byte, error) {
	name := key[len("sha256:"):]
	if wait := w.slow[name]; wait != nil {
		<-wait
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.loads[name]++
	if w.files[name] == nil {
		return nil, perennial.Errorf(perennial.CodeNotFound, "blob.Get", "The object %s is missing.", key)
	}
	return []byte(name), nil
}

func (w *world) decode(b []byte) (serve.Model, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.files[string(b)], nil
}

func (w *world) Append(p perennial.Prediction) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.logged = append(w.logged, p)
	return true
}

// put replaces a model's traffic row.
func (w *world) put(row perennial.Traffic) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range w.rows {
		if w.rows[i].Model == row.Model {
			w.rows[i] = row
			return
		}
	}
	w.rows = append(w.rows, row)
}

func (w *world) set(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

func (w *world) log() []perennial.Prediction {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]perennial.Prediction(nil), w.logged...)
}

func (w *world) options() serve.Options {
	return serve.Options{Traffic: w, Versions: w, Blobs: w, Log: w, Decode: w.decode, Replica: "here", Registerer: prometheus.NewRegistry(),
		Absent: func(model string) *serve.Absence {
			if model != "training" {
				return nil
			}
			return &serve.Absence{Rule: serve.RuleTraining, What: "has no version in service yet.", Hint: "It answers as soon as its first version is trained and loaded."}
		}}
}

func feature(name string, t perennial.ColumnType) perennial.Column {
	return perennial.Column{Name: name, Role: perennial.RoleFeature, Type: t}
}

// churn is a schema with every kind of column.
func churn() perennial.Schema {
	date := feature("signup_date", perennial.TypeDate)
	plan := feature("plan", perennial.TypeCategorical)
	plan.Values = []string{"basic", "plus", "pro"}
	postcode := feature("postcode", perennial.TypeCategorical)
	postcode.Values, postcode.Unknown = []string{"1010"}, perennial.UnknownOther
	income := feature("income", perennial.TypeNumeric)
	income.Range, income.OutOfRange, income.Nullable = &[2]float64{0, 1e6}, perennial.RangeWarn, true
	tenure := feature("tenure", perennial.TypeInteger)
	tenure.Range = &[2]float64{0, 240}
	return perennial.Schema{Version: 1, ExtraColumns: perennial.ExtraIgnore, Columns: []perennial.Column{
		{Name: "customer_id", Role: perennial.RoleID},
		date, plan, postcode, income, tenure,
		feature("is_student", perennial.TypeBoolean),
		{Name: "email", Role: perennial.RoleIgnore, Log: perennial.LogNever},
		{Name: "churned", Role: perennial.RoleTarget, Type: perennial.TypeCategorical, Values: []string{"no", "yes"}},
	}}
}

func house() perennial.Schema {
	return perennial.Schema{Version: 1, ExtraColumns: perennial.ExtraReject, Columns: []perennial.Column{
		feature("rooms", perennial.TypeNumeric), feature("age", perennial.TypeNumeric),
		{Name: "price", Role: perennial.RoleTarget, Type: perennial.TypeNumeric},
	}}
}

// newWorld has churn with versions 5 and 6, 5 in service, and house with 1.
func newWorld() *world {
	w := &world{files: map[string]*fakeModel{}, loads: map[string]int{}}
	w.files["churn/5"] = &fakeModel{schema: churn(), task: perennial.Classification, classes: []string{"no", "yes"}, p: 0.25}
	w.files["churn/6"] = &fakeModel{schema: churn(), task: perennial.Classification, classes: []string{"no", "yes"}, p: 0.6875}
	w.files["house/1"] = &fakeModel{schema: house(), task: perennial.Regression}
	w.put(perennial.Traffic{Model: "churn", Mode: perennial.ModeServing, Champion: "5", Epoch: 1, DecisionID: "d1"})
	w.put(perennial.Traffic{Model: "house", Mode: perennial.ModeServing, Champion: "1", Epoch: 1})
	return w
}

// start gives a running engine.
func start(t testing.TB, w *world) *serve.Engine {
	t.Helper()
	e := serve.New(w.options())
	require.NoError(t, e.Start(t.Context()))
	t.Cleanup(func() { require.NoError(t, e.Stop(context.Background())) })
	return e
}

func canaryRow(weight int, epoch int64) perennial.Traffic {
	return perennial.Traffic{Model: "churn", Mode: perennial.ModeCanary, Champion: "5", Challenger: "6", WeightBP: weight, Salt: "s", Epoch: epoch}
}

// row is a sound row of churn, with changes.
func row(changes map[string]any) string {
	m := map[string]any{"signup_date": "2026-03-01", "plan": "basic", "postcode": "1010", "income": 1000, "tenure": 12, "is_student": false}
	for k, v := range changes {
		if v == nil {
			delete(m, k)
			continue
		}
		m[k] = v
	}
	b, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func request(features string) string {
	return fmt.Sprintf(`{"model":"churn","unit_id":"user-17","key":"order-8812","features":%s}`, features)
}

// counter counts calls and fails from the nth on.
func failFrom(n int64, with func() float64) func([]float64) float64 {
	var calls atomic.Int64
	return func([]float64) float64 {
		if calls.Add(1) >= n {
			return with()
		}
		return 0.25
	}
}

func nan() float64 { return math.NaN() }
