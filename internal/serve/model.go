package serve

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/perennial-ml/perennial"
)

// Model is a decoded model file. It is safe for concurrent use; its predictors
// are not.
type Model interface {
	Schema() *perennial.Schema
	Task() perennial.Task
	Algorithm() string
	Classes() []string // in class order; empty for regression
	NewPredictor() Predictor
}

// Predictor answers rows one at a time, in memory of its own.
type Predictor interface {
	// Predict answers one encoded row, one value per feature column in schema
	// order. value is a class index or a number; proba, one share per class, is
	// valid until the next call.
	Predict(row []float64) (value float64, proba []float64)
	// Overflows is asked about a row whose answer isn't finite, and names the
	// values that are too large for the model; none where the model is at fault.
	Overflows(row []float64) []Overflow
}

// Overflow is a value that is too large for a model.
type Overflow struct {
	Feature   int     // place in the encoded row
	Low, High float64 // what training saw; both 0 where it saw none
	Absurd    bool    // so large that no model has to take it
}

// version is one loaded version of a model, immutable but for its pool.
type version struct {
	name       string
	sha256     string
	model      Model
	schema     *perennial.Schema
	plan       *plan
	classes    []string
	quoted     []string // the classes as JSON
	predictors sync.Pool
	duration   prometheus.Observer
}

// load reads a version's model file from the content-addressed store, decodes
// it and warms it with one prediction.
func (e *Engine) load(ctx context.Context, model, name string) (*version, error) {
	const op = "serve.load"
	registered, err := e.versions.GetVersion(ctx, model, name)
	if err != nil {
		return nil, perennial.Wrap(op, err)
	}
	sum := registered.Lineage.ModelSHA256
	if sum == "" {
		return nil, perennial.Errorf(perennial.CodePrecondition, op, "Version %s of %s has no model file.", name, model)
	}
	file, err := e.blobs.Get(ctx, "sha256:"+sum)
	if err != nil {
		return nil, perennial.Wrap(op, err)
	}
	m, err := e.decode(file)
	if err != nil {
		return nil, perennial.Wrap(op, err)
	}
	v := &version{name: name, sha256: sum, model: m, schema: m.Schema(), plan: newPlan(m.Schema())}
	if m.Task() == perennial.Classification {
		v.classes = m.Classes()
		for _, c := range v.classes {
			v.quoted = append(v.quoted, quote(c))
		}
	}
	v.predictors.New = func() any { return m.NewPredictor() }
	if err := v.warm(ctx); err != nil {
		return nil, perennial.Errorf(perennial.CodeInternal, op, "Version %s of %s could not make a first prediction.", name, model).Because(err)
	}
	v.duration = e.metrics.duration.WithLabelValues(model, name)
	return v, nil
}

// warm predicts one row: the middle of each range, the first of each list of
// categories, else zero.
func (v *version) warm(ctx context.Context) error {
	if v.model.Task() == perennial.Classification && len(v.classes) == 0 {
		return fmt.Errorf("a classification without classes")
	}
	a := attempt{rows: make([]float64, v.plan.features), features: make([]json.RawMessage, 1)}
	for _, c := range v.plan.columns {
		if c.feature >= 0 && c.Range != nil {
			a.rows[c.feature] = math.Trunc((c.Range[0] + c.Range[1]) / 2)
		}
	}
	return v.predict(ctx, &a)
}
