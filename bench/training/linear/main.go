// Command linear is the Go side of ../linear.py: it reads arrays that the script
// wrote, obeys one JSON command per line of standard input and answers with one
// line of JSON each. Times are of the fit alone.
package main

import (
	"context"
	"runtime"
	"time"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/bench/training/side"
	"github.com/perennial-ml/perennial/models/evaluate"
	"github.com/perennial-ml/perennial/models/linear"
)

type command struct {
	Kind                      string // an algorithm's name, or metrics
	Rows, Cols, Classes       int
	Penalty                   linear.Penalty
	C, Alpha, L1Ratio, Cutoff float64
	Tolerance                 float64
	MaxIterations             int
	Threads                   int
}

type answer struct {
	Seconds    float64            `json:"seconds"`
	Coef       []float64          `json:"coef,omitempty"`
	Intercept  []float64          `json:"intercept,omitempty"`
	Status     linear.Status      `json:"status,omitempty"`
	Iterations int                `json:"iterations,omitempty"`
	Metrics    map[string]float64 `json:"metrics,omitempty"`
}

func main() { side.Obey(obey) }

func obey(dir string, c *command) (*answer, error) {
	if c.Kind == "metrics" {
		return metrics(dir, c)
	}
	x, err := side.Floats(dir, "x.f64", c.Rows*c.Cols)
	if err != nil {
		return nil, err
	}
	y, err := side.Floats(dir, "y.f64", c.Rows)
	if err != nil {
		return nil, err
	}
	runtime.GC()
	start := time.Now()
	a, err := fit(linear.Data{X: x, Y: y, Rows: c.Rows, Cols: c.Cols, Classes: c.Classes, Threads: c.Threads}, c)
	if err != nil {
		return nil, err
	}
	a.Seconds = time.Since(start).Seconds()
	return a, nil
}

func fit(d linear.Data, c *command) (*answer, error) {
	ctx := context.Background()
	var m *linear.Regression
	var err error
	switch c.Kind {
	case "logistic_regression":
		l, err := linear.FitLogistic(ctx, d, linear.LogisticSettings{
			Penalty: c.Penalty, C: c.C, L1Ratio: c.L1Ratio, Tolerance: c.Tolerance, MaxIterations: c.MaxIterations,
		})
		if err != nil {
			return nil, err
		}
		return &answer{Coef: l.Coef, Intercept: l.Intercept, Status: l.Status, Iterations: l.Iterations}, nil
	case "linear_regression", "ridge":
		m, err = linear.FitLeastSquares(ctx, d, linear.LeastSquaresSettings{Alpha: c.Alpha, Cutoff: c.Cutoff})
	default:
		m, err = linear.FitElasticNet(ctx, d, linear.ElasticNetSettings{Alpha: c.Alpha, L1Ratio: c.L1Ratio, Tolerance: c.Tolerance, MaxIterations: c.MaxIterations})
	}
	if err != nil {
		return nil, err
	}
	return &answer{Coef: m.Coef, Intercept: []float64{m.Intercept}, Status: m.Status, Iterations: m.Iterations}, nil
}

// metrics scores the answers of values.f64 and proba.f64 to y.f64.
func metrics(dir string, c *command) (*answer, error) {
	o := evaluate.Observed{Task: perennial.Regression, Classes: c.Classes, Positive: -1}
	var err error
	if o.Y, err = side.Floats(dir, "y.f64", c.Rows); err != nil {
		return nil, err
	}
	if o.Values, err = side.Floats(dir, "values.f64", c.Rows); err != nil {
		return nil, err
	}
	if c.Classes > 0 {
		o.Task = perennial.Classification
		if o.Proba, err = side.Floats(dir, "proba.f64", c.Rows*c.Classes); err != nil {
			return nil, err
		}
	}
	a := &answer{Metrics: map[string]float64{}}
	start := time.Now()
	for _, m := range evaluate.Metrics(o.Task) {
		if v, ok := m.Measure(o); ok {
			a.Metrics[m.Name] = v
		}
	}
	a.Seconds = time.Since(start).Seconds()
	return a, nil
}
