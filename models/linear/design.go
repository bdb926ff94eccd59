package linear

import (
	"context"
	"math"
	"sync"
)

// batchRows is the number of rows that a pass works on at once. It is part of
// what a result depends on: sums run over batches first.
const batchRows = 256

// batchStride is the distance of a batch's columns: a power of two would put
// them all on the same lines of the processor's cache.
const batchStride = batchRows + 8

// partBatches is how many batches one partial sum covers.
const partBatches = 16

// design gives the rows in a form that passes over them are fast and precise in:
// batches of columns, centred and scaled. Centring changes the intercept only,
// scaling the coefficients only, so the problem stays the same.
type design struct {
	d         *Data
	mean, inv []float64 // column j becomes (x − mean[j])·inv[j]
	ones      bool      // a last column of ones, for the intercept
}

// newDesign measures the columns: weighted means, and with scale the inverse of
// their standard deviations (1 for a constant column).
func newDesign(ctx context.Context, d *Data, scale, ones bool) (*design, error) {
	g := &design{d: d, mean: make([]float64, d.Cols), inv: make([]float64, d.Cols), ones: ones}
	for j := range g.inv {
		g.inv[j] = 1
	}
	total := 0.0
	if err := g.rows(ctx, func(i int) {
		w := d.weight(i)
		total += w
		addScaled(g.mean, w, d.row(i))
	}); err != nil {
		return nil, err
	}
	for j := range g.mean {
		g.mean[j] /= total
	}
	if !scale {
		return g, nil
	}
	squares := make([]float64, d.Cols)
	if err := g.rows(ctx, func(i int) {
		w := d.weight(i)
		for j, v := range d.row(i) {
			c := v - g.mean[j]
			squares[j] += float64(w * float64(c*c))
		}
	}); err != nil {
		return nil, err
	}
	for j, s := range squares {
		// Below this the column is constant but for rounding.
		if std := math.Sqrt(s / total); std > 1e-13*math.Abs(g.mean[j]) && finite(1/std) {
			g.inv[j] = 1 / std
		}
	}
	return g, nil
}

func (g *design) rows(ctx context.Context, f func(i int)) error {
	every := lookEvery(g.d.Cols)
	for i := range g.d.Rows {
		if i%every == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		f(i)
	}
	return nil
}

// lookEvery is the number of steps of so many operations between two looks at
// the context: some milliseconds.
func lookEvery(operations int) int { return 1 + 1<<22/(operations+1) }

// width is the number of columns of a batch.
func (g *design) width() int {
	if g.ones {
		return g.d.Cols + 1
	}
	return g.d.Cols
}

func (g *design) batches() int { return (g.d.Rows + batchRows - 1) / batchRows }

// batch holds some rows by column: value of row from+i, column j at
// j·batchStride+i.
type batch struct {
	from, n int
	cols    []float64
}

func (g *design) newBatch() *batch { return &batch{cols: make([]float64, g.width()*batchStride)} }

func (b *batch) col(j int) []float64 { return b.cols[j*batchStride : j*batchStride+b.n] }

// load fills a batch.
func (g *design) load(index int, b *batch) {
	b.from = index * batchRows
	b.n = min(batchRows, g.d.Rows-b.from)
	mean, inv := g.mean, g.inv[:len(g.mean)]
	for i := range b.n {
		at := i
		for j, v := range g.d.row(b.from + i)[:len(mean)] {
			b.cols[at] = (v - mean[j]) * inv[j]
			at += batchStride
		}
	}
	if g.ones {
		last := b.col(g.d.Cols)
		for i := range last {
			last[i] = 1
		}
	}
}

// sum adds up what each batch gives, a vector of the given length, with so many
// threads. newWorker makes a worker with memory of its own; the worker adds a
// batch to part. Partial sums of partBatches batches are added in their order,
// so that the sum doesn't depend on the number of threads.
func (g *design) sum(ctx context.Context, length int, newWorker func() func(b *batch, part []float64)) ([]float64, error) {
	parts := (g.batches() + partBatches - 1) / partBatches
	threads := max(1, min(g.d.Threads, parts))
	type worker struct {
		add  func(*batch, []float64)
		b    *batch
		part []float64
	}
	workers := make([]worker, threads)
	for t := range workers {
		workers[t] = worker{add: newWorker(), b: g.newBatch(), part: make([]float64, length)}
	}
	total := make([]float64, length)
	for base := 0; base < parts; base += threads {
		n := min(threads, parts-base)
		inParallel(n, func(t int) {
			w := &workers[t]
			clear(w.part)
			for i := (base + t) * partBatches; i < min((base+t+1)*partBatches, g.batches()); i++ {
				if ctx.Err() != nil {
					return
				}
				g.load(i, w.b)
				w.add(w.b, w.part)
			}
		})
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		for t := range n {
			addScaled(total, 1, workers[t].part)
		}
	}
	return total, nil
}

// inParallel calls f(0)…f(n−1), each in a goroutine of its own where there are
// several, and waits for all.
func inParallel(n int, f func(t int)) {
	if n == 1 {
		f(0)
		return
	}
	var wait sync.WaitGroup
	for t := range n {
		wait.Go(func() { f(t) })
	}
	wait.Wait()
}

// gram gives, for each of count weightings of the rows, the symmetric matrix
// Σ w·x·xᵀ over the columns of each so many batches (1: of all), width × width and
// row-major, both triangles filled. fill writes the weights of a batch's rows for one weighting. Threads
// share the matrices' rows, not the data's, so each element is summed in the
// order of the data.
func (g *design) gram(ctx context.Context, count, stride int, fill func(b *batch, index int, w []float64)) ([][]float64, error) {
	n := g.width()
	out := make([][]float64, count)
	for c := range out {
		out[c] = make([]float64, n*n)
	}
	threads := max(1, min(g.d.Threads, n))
	inParallel(threads, func(t int) {
		b, w, weighted := g.newBatch(), make([]float64, batchRows), make([]float64, batchRows)
		every := lookEvery(n * batchRows)
		for i := 0; i < g.batches(); i += stride {
			if ctx.Err() != nil {
				return
			}
			g.load(i, b)
			for c, m := range out {
				fill(b, c, w[:b.n])
				for j := t; j < n; j += threads {
					if j%every == 0 && ctx.Err() != nil {
						return
					}
					gramRow(b, j, w[:b.n], weighted[:b.n], m[j*n:j*n+j+1])
				}
			}
		}
	})
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for _, m := range out {
		for j := range n {
			if j%batchRows == 0 && ctx.Err() != nil {
				return nil, ctx.Err()
			}
			for k := range j {
				m[k*n+j] = m[j*n+k]
			}
		}
	}
	return out, nil
}

// gramRow adds a batch to one row of the lower triangle.
func gramRow(b *batch, j int, w, weighted, row []float64) {
	for i, v := range b.col(j) {
		weighted[i] = v * w[i]
	}
	for k := range row {
		row[k] += dot(weighted, b.col(k))
	}
}
