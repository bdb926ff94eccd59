// Command forest is the Go side of ../forest.py: it reads arrays that the script
// wrote, obeys one JSON command per line of standard input and answers with one
// line of JSON each. Times are of the fit alone, by the clock, and of the
// prediction alone, of the processor.
package main

import (
	"context"
	"runtime"
	"time"

	"github.com/perennial-ml/perennial/bench/training/side"
	"github.com/perennial-ml/perennial/models/tree"
	"github.com/perennial-ml/perennial/models/tree/boosting"
)

type command struct {
	Rows, Test, Cols, Classes int
	Categories                []int
	tree.ForestSettings
	Boost   int // trees of 31 leaves instead of a forest
	Predict int // so many repetitions of one-row and batch predictions
}

type answer struct {
	FitSeconds     float64 `json:"fit_seconds"`
	Nodes          int     `json:"nodes"`
	FileBytes      int     `json:"file_bytes"`
	EncodeSeconds  float64 `json:"encode_seconds"`
	DecodeSeconds  float64 `json:"decode_seconds"`
	CompileSeconds float64 `json:"compile_seconds"`
	OneRowMicros   float64 `json:"one_row_us"`
	BatchMicros    float64 `json:"batch_us"` // per row
	HeapMiB        float64 `json:"heap_mib"`
	Predictions    string  `json:"predictions"` // file
}

func main() { side.Obey(obey) }

func obey(dir string, c *command) (*answer, error) {
	x, err := side.Floats(dir, "x.f64", c.Rows*c.Cols)
	if err != nil {
		return nil, err
	}
	y, err := side.Floats(dir, "y.f64", c.Rows)
	if err != nil {
		return nil, err
	}
	test, err := side.Floats(dir, "test.f64", c.Test*c.Cols)
	if err != nil {
		return nil, err
	}
	runtime.GC()
	a := &answer{}
	start := time.Now()
	e, err := fit(c, tree.Table{X: x, Y: y, Rows: c.Rows, Cols: c.Cols, Classes: c.Classes, Categories: c.Categories})
	a.FitSeconds = time.Since(start).Seconds()
	if err != nil {
		return nil, err
	}
	a.Nodes = len(e.Nodes)
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	a.HeapMiB = float64(m.Sys) / (1 << 20)
	return a, a.predict(dir, e, test, c)
}

func fit(c *command, t tree.Table) (*tree.Ensemble, error) {
	if c.Boost == 0 {
		f, err := tree.FitForest(context.Background(), t, c.ForestSettings)
		if err != nil {
			return nil, err
		}
		return f.Ensemble, nil
	}
	r, err := boosting.Fit(context.Background(), &t, boosting.Settings{Trees: c.Boost, LearningRate: 0.05, Leaves: 31, Threads: c.Threads})
	if err != nil {
		return nil, err
	}
	return r.Ensemble, nil
}

func (a *answer) predict(dir string, e *tree.Ensemble, x []float64, c *command) error {
	start := time.Now()
	b, err := e.Encode()
	if err != nil {
		return err
	}
	a.FileBytes, a.EncodeSeconds = len(b), time.Since(start).Seconds()
	start = time.Now()
	if e, err = tree.Decode(b, e.Features, e.Outputs); err != nil {
		return err
	}
	a.DecodeSeconds = time.Since(start).Seconds()
	start = time.Now()
	compiled := tree.Compile(e)
	a.CompileSeconds = time.Since(start).Seconds()
	out := make([]float64, c.Test*e.Outputs)
	compiled.PredictBatch(x, out, c.Test)
	if c.Predict > 0 {
		used := side.Processor()
		for range c.Predict {
			for i := range c.Test {
				compiled.Predict(x[i*c.Cols:(i+1)*c.Cols], out[i*e.Outputs:(i+1)*e.Outputs])
			}
		}
		a.OneRowMicros = 1e6 * (side.Processor() - used) / float64(c.Predict*c.Test)
		used = side.Processor()
		for range c.Predict {
			for at := 0; at < c.Test; at += 1000 {
				end := min(at+1000, c.Test)
				compiled.PredictBatch(x[at*c.Cols:end*c.Cols], out[at*e.Outputs:end*e.Outputs], end-at)
			}
		}
		a.BatchMicros = 1e6 * (side.Processor() - used) / float64(c.Predict*c.Test)
	}
	a.Predictions, err = side.WritePredictions(dir, out)
	return err
}
