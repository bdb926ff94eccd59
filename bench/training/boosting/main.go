// Command boosting is the Go side of ../boosting.py: it reads arrays that the
// script wrote, obeys one JSON command per line of standard input and answers
// with one line of JSON each. Times are of the fit alone, binning included.
package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

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
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var c command
		err := json.Unmarshal(lines.Bytes(), &c) //nolint:musttag // the script uses the fields' names
		if err == nil && table == nil {
			table, test, err = read(os.Args[1], &c)
		}
		var a *answer
		if err == nil {
			a, err = obey(&c, table, test)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		b, _ := json.Marshal(a) //nolint:errchkjson // finite numbers
		fmt.Println(string(b))  //nolint:forbidigo // the answer
	}
}

func obey(c *command, table *tree.Table, test []float64) (*answer, error) {
	debug.FreeOSMemory()
	start, used := time.Now(), processor()
	r, err := boosting.Fit(context.Background(), table, c.Settings)
	if err != nil {
		return nil, err
	}
	a := &answer{Seconds: time.Since(start).Seconds(), Processor: processor() - used, Iterations: r.Iterations, PeakMiB: peak(), Predictions: filepath.Join(os.Args[1], "predictions.f64")}
	model, err := r.Ensemble.Encode()
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(model)
	a.SHA256 = hex.EncodeToString(sum[:])
	out := make([]float64, c.Test*r.Ensemble.Outputs)
	tree.Compile(r.Ensemble).PredictBatch(test, out, c.Test)
	raw := make([]byte, 0, 8*len(out))
	for _, v := range out {
		raw = binary.LittleEndian.AppendUint64(raw, math.Float64bits(v))
	}
	return a, os.WriteFile(a.Predictions, raw, 0o600) //nolint:gosec // the script's own directory
}

func read(dir string, c *command) (t *tree.Table, test []float64, err error) {
	t = &tree.Table{Rows: c.Rows, Cols: c.Cols, Classes: c.Classes, Categories: c.Categories}
	if t.X, err = floats(dir, "x.f64", c.Rows*c.Cols); err != nil {
		return nil, nil, err
	}
	if t.Y, err = floats(dir, "y.f64", c.Rows); err != nil {
		return nil, nil, err
	}
	test, err = floats(dir, "test.f64", c.Test*c.Cols)
	return t, test, err
}

func floats(dir, name string, n int) ([]float64, error) {
	f, err := os.Open(filepath.Join(dir, name)) //nolint:gosec // the script's own directory
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // read only
	r, out, b := bufio.NewReaderSize(f, 1<<20), make([]float64, n), make([]byte, 8)
	for i := range out {
		if _, err := io.ReadFull(r, b); err != nil {
			return nil, fmt.Errorf("%s: number %d of %d: %w", name, i, n, err)
		}
		out[i] = math.Float64frombits(binary.LittleEndian.Uint64(b))
	}
	return out, nil
}

// processor is the processor time of the process so far, in seconds.
func processor() float64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
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
