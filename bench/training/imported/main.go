// Command imported is the Go side of bench/training/imported.py: it times a model
// file of Perennial's on encoded rows, one at a time and in batches of 1,000.
package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"log"
	"math"
	"os"
	"time"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/models"
)

const batch = 1000

func main() {
	log.SetFlags(0)
	if len(os.Args) != 3 {
		log.Fatal("usage: imported MODEL ROWS")
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		log.Fatal(err)
	}
}

// run answers each line on standard input with the times of a round, in
// nanoseconds per row: one row at a time, then in batches.
func run(modelFile, rowsFile string) error {
	b, err := os.ReadFile(modelFile) //nolint:gosec // the script's own
	if err != nil {
		return err
	}
	m, err := models.Decode(b)
	if err != nil {
		return err
	}
	if b, err = os.ReadFile(rowsFile); err != nil { //nolint:gosec // the script's own
		return err
	}
	x := make([]float64, len(b)/8)
	for i := range x {
		x[i] = math.Float64frombits(binary.LittleEndian.Uint64(b[8*i:]))
	}
	width := len(m.Schema().Features())
	rows := len(x) / width
	t, numbers := table(m.Schema(), x, rows), make([]int, rows)
	for i := range numbers {
		numbers[i] = i
	}
	s := m.NewScratch()
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		start := time.Now()
		for r := range rows {
			m.Predict(x[r*width:(r+1)*width], s)
		}
		one := time.Since(start)
		start = time.Now()
		for from := 0; from < rows; from += batch {
			if _, err := m.PredictTable(t, numbers[from:min(from+batch, rows)]); err != nil {
				return err
			}
		}
		many := time.Since(start)
		fmt.Println(float64(one.Nanoseconds())/float64(rows), float64(many.Nanoseconds())/float64(rows)) //nolint:forbidigo // the answer
	}
	return nil
}

// table makes columns of encoded rows.
func table(schema *perennial.Schema, x []float64, rows int) *perennial.Table {
	t := &perennial.Table{Rows: rows}
	features := schema.Features()
	for i, c := range features {
		var s perennial.Series
		for r := range rows {
			v := x[r*len(features)+i]
			switch {
			case c.Type != perennial.TypeCategorical:
				s.Numbers = append(s.Numbers, v)
			case math.IsNaN(v):
				s.Codes = append(s.Codes, -1)
			default:
				s.Codes = append(s.Codes, int32(v))
			}
		}
		if c.Type == perennial.TypeCategorical {
			s.Dict = c.Values
		}
		t.Schema.Columns, t.Columns = append(t.Schema.Columns, c), append(t.Columns, s)
	}
	return t
}
