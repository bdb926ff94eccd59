// Package side is what the Go sides of the comparing scripts have in common: they
// read arrays that a script wrote, obey one JSON command per line of standard
// input and answer with one line of JSON each. ../rival.py is the other end.
package side

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// Obey answers every command until there are no more. The program's one argument
// is the directory of the arrays. A command that fails ends the program.
func Obey[Command, Answer any](do func(dir string, c *Command) (*Answer, error)) {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var c Command
		err := json.Unmarshal(lines.Bytes(), &c)
		var a *Answer
		if err == nil {
			a, err = do(os.Args[1], &c)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		b, _ := json.Marshal(a) //nolint:errchkjson // finite numbers
		fmt.Println(string(b))  //nolint:forbidigo // the answer
	}
}

// Floats reads an array of n little-endian float64.
func Floats(dir, name string, n int) ([]float64, error) {
	f, err := os.Open(filepath.Join(dir, name)) //nolint:gosec // the script's own directory
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // read only
	out := make([]float64, n)
	if err := binary.Read(bufio.NewReaderSize(f, 1<<20), binary.LittleEndian, out); err != nil {
		return nil, fmt.Errorf("%s: %d numbers: %w", name, n, err)
	}
	return out, nil
}

// WritePredictions writes an array and gives its file.
func WritePredictions(dir string, values []float64) (file string, err error) {
	raw := make([]byte, 0, 8*len(values))
	for _, v := range values {
		raw = binary.LittleEndian.AppendUint64(raw, math.Float64bits(v))
	}
	file = filepath.Join(dir, "predictions.f64")
	return file, os.WriteFile(file, raw, 0o600)
}

// Processor is the processor time of the process so far, in seconds, which other
// processes of a busy machine don't lengthen.
func Processor() float64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}
