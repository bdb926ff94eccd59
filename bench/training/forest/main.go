// Command forest is the Go side of ../forest.py: it reads arrays that the script
// wrote, obeys one JSON command per line of standard input and answers with one
// line of JSON each. Times are of the fit alone, by the clock, and of the
// prediction alone, of the processor.
package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

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

func main() {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		a, err := obey(os.Args[1], lines.Bytes())
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		b, _ := json.Marshal(a) //nolint:errchkjson // finite numbers
		fmt.Println(string(b))  //nolint:forbidigo // the answer
	}
}

func obey(dir string, line []byte) (*answer, error) {
	var c command
	if err := json.Unmarshal(line, &c); err != nil { //nolint:musttag // the script uses the fields' names
		return nil, err
	}
	x, err := floats(dir, "x.f64", c.Rows*c.Cols)
	if err != nil {
		return nil, err
	}
	y, err := floats(dir, "y.f64", c.Rows)
	if err != nil {
		return nil, err
	}
	test, err := floats(dir, "test.f64", c.Test*c.Cols)
	if err != nil {
		return nil, err
	}
	runtime.GC()
	a := &answer{Predictions: filepath.Join(dir, "predictions.f64")}
	start := time.Now()
	e, err := fit(&c, tree.Table{X: x, Y: y, Rows: c.Rows, Cols: c.Cols, Classes: c.Classes, Categories: c.Categories})
	a.FitSeconds = time.Since(start).Seconds()
	if err != nil {
		return nil, err
	}
	a.Nodes = len(e.Nodes)
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	a.HeapMiB = float64(m.Sys) / (1 << 20)
	return a, a.predict(e, test, &c)
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

func (a *answer) predict(e *tree.Ensemble, x []float64, c *command) error {
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
		used := processor()
		for range c.Predict {
			for i := range c.Test {
				compiled.Predict(x[i*c.Cols:(i+1)*c.Cols], out[i*e.Outputs:(i+1)*e.Outputs])
			}
		}
		a.OneRowMicros = 1e6 * (processor() - used) / float64(c.Predict*c.Test)
		used = processor()
		for range c.Predict {
			for at := 0; at < c.Test; at += 1000 {
				end := min(at+1000, c.Test)
				compiled.PredictBatch(x[at*c.Cols:end*c.Cols], out[at*e.Outputs:end*e.Outputs], end-at)
			}
		}
		a.BatchMicros = 1e6 * (processor() - used) / float64(c.Predict*c.Test)
	}
	raw := make([]byte, 0, 8*len(out))
	for _, v := range out {
		raw = binary.LittleEndian.AppendUint64(raw, math.Float64bits(v))
	}
	return os.WriteFile(a.Predictions, raw, 0o600)
}

// processor is the process's time on processors, which other processes of a busy
// machine don't lengthen; predicting uses one.
func processor() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}

func floats(dir, name string, n int) ([]float64, error) {
	b, err := os.ReadFile(filepath.Join(dir, name)) //nolint:gosec // the script's own directory
	if err != nil {
		return nil, err
	}
	if len(b) != 8*n {
		return nil, fmt.Errorf("%s has %d bytes, not %d numbers", name, len(b), n)
	}
	out := make([]float64, n)
	for i := range out {
		out[i] = math.Float64frombits(binary.LittleEndian.Uint64(b[8*i:]))
	}
	return out, nil
}
