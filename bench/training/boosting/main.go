// Command boosting is the Go side of ../boosting.py: it reads arrays that the
// script wrote, obeys one JSON command per line of standard input and answers
// with one line of JSON each. Times are of the fit alone, binning included.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/perennial-ml/perennial/bench/training/side"
	"github.com/perennial-ml/perennial/models/tree"
	"github.com/perennial-ml/perennial/models/tree/boosting"
)

type command struct {
	Rows, Test, Cols, Classes int
	Categories                []int
	boosting.Settings
}

type answer struct {
	Seconds     float64 `json:"seconds"`
	Processor   float64 `json:"processor"` // seconds of all threads
	Iterations  int     `json:"iterations"`
	PeakMiB     string  `json:"peak"`        // of the process, the table included
	SHA256      string  `json:"sha256"`      // of the model's bytes
	Predictions string  `json:"predictions"` // file
}

func main() {
	var table *tree.Table
	var test []float64
	side.Obey(func(dir string, c *command) (*answer, error) {
		if table == nil {
			var err error
			if table, test, err = read(dir, c); err != nil {
				return nil, err
			}
		}
		return obey(dir, c, table, test)
	})
}

func obey(dir string, c *command, table *tree.Table, test []float64) (*answer, error) {
	debug.FreeOSMemory()
	start, used := time.Now(), side.Processor()
	r, err := boosting.Fit(context.Background(), table, c.Settings)
	if err != nil {
		return nil, err
	}
	a := &answer{Seconds: time.Since(start).Seconds(), Processor: side.Processor() - used, Iterations: r.Iterations, PeakMiB: peak()}
	model, err := r.Ensemble.Encode()
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(model)
	a.SHA256 = hex.EncodeToString(sum[:])
	out := make([]float64, c.Test*r.Ensemble.Outputs)
	tree.Compile(r.Ensemble).PredictBatch(test, out, c.Test)
	a.Predictions, err = side.WritePredictions(dir, out)
	return a, err
}

func read(dir string, c *command) (t *tree.Table, test []float64, err error) {
	t = &tree.Table{Rows: c.Rows, Cols: c.Cols, Classes: c.Classes, Categories: c.Categories}
	if t.X, err = side.Floats(dir, "x.f64", c.Rows*c.Cols); err != nil {
		return nil, nil, err
	}
	if t.Y, err = side.Floats(dir, "y.f64", c.Rows); err != nil {
		return nil, nil, err
	}
	test, err = side.Floats(dir, "test.f64", c.Test*c.Cols)
	return t, test, err
}

// peak is the largest resident size so far, as Linux tells it.
func peak() string {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return ""
	}
	_, rest, _ := strings.Cut(string(b), "VmHWM:")
	line, _, _ := strings.Cut(rest, "\n")
	return strings.TrimSpace(line)
}
