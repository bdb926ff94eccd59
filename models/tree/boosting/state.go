package boosting

import (
	"math"
	"slices"

	"github.com/perennial-ml/perennial/models/tree"
)

// state holds what the trees so far answer for every row, and what the next tree
// is fitted to. Rows are given in pieces whose bounds don't depend on threads,
// one goroutine per piece.
type state interface {
	// base is the starting answer per score.
	base() []float64
	// value turns the Newton step of a leaf, times the learning rate, into what
	// the leaf adds to its score.
	value(rows []int32, step, rate float64) float64
	// shift adds to a score of rows the values of their leaves, leaf by row.
	shift(score int, rows []int32, leaf []uint16, values []float64)
	// refresh brings up to date what depends on all scores, and gives the summed
	// loss of rows, each times its weight.
	refresh(rows []int32) float64
	// gradients writes the gradient words for the next tree of a score, where
	// refresh hasn't.
	gradients(score int, rows []int32)
	// units are the real sizes of 1 in the fixed-point gradients and hessians.
	units() (gradient, hessian float64)
}

// power gives the largest power of two p with p·x ≤ 2^bits, and 1 for x = 0, so
// that multiplying by it rounds nothing.
func power(bits int, x float64) float64 {
	if !(x > 0) {
		return 1
	}
	_, exp := math.Frexp(x)
	return math.Ldexp(1, min(max(bits-exp, -1000), 1000))
}

// exact is squared error with equal weights: half the squared residual has the
// residual for its negative gradient and 1 for its hessian. The residual itself
// is kept as the gradient word, and leaf values are on its grid, so that a tree's
// update is one subtraction of integers without rounding.
type exact struct {
	d      *binned
	counts uint
	scale  float64 // fixed-point units per unit of the target
	start  float64
}

// exactBits is the least precision of the distance from the median that one row in
// ten exceeds: below it, which takes very many rows or targets far off, two words are used.
const exactBits = 14

// headroom are bits kept free: the sum of squared residuals of the rows that
// trees are fitted on never rises, so by Cauchy and Schwarz their sums stay below
// rows × largest first residual; rows left out by sampling have no such bound.
const headroom = 3

// newExact writes the words of all rows. It gives nil where one word is too
// coarse for the targets.
func newExact(d *binned, l layout, t *tree.Table, rows []int32, sampled bool) *exact {
	e := &exact{d: d, counts: l.counts, start: mean(t, rows)}
	most := 0.0
	for _, r := range rows {
		most = max(most, math.Abs(t.Y[r]-e.start))
	}
	centre := median(t, rows, func(r int32) float64 { return t.Y[r] })
	sizes := make([]float64, len(rows))
	for i, r := range rows {
		sizes[i] = math.Abs(t.Y[r] - centre)
	}
	spread := nth(sizes, len(sizes)*9/10)
	bits := 61 - 2*int(l.counts)
	if sampled {
		bits -= headroom
	}
	e.scale = power(bits, most)
	if math.IsInf(most, 0) || (most > 0 && spread*e.scale < 1<<exactBits) {
		return nil
	}
	limit := math.Ldexp(1, bits+1) // rows of a validation fold may lie further out
	for r := range d.rows {
		v := math.RoundToEven((t.Y[r] - e.start) * e.scale)
		v = min(max(v, -limit), limit)
		d.records[r*d.stride+d.stride-1] = uint64(int64(v)<<l.counts + 1)
	}
	return e
}

func (e *exact) base() []float64 { return []float64{e.start} }

func (e *exact) value(_ []int32, step, rate float64) float64 {
	return math.RoundToEven(step*rate*e.scale) / e.scale
}

func (e *exact) shift(_ int, rows []int32, leaf []uint16, values []float64) {
	stride, records := e.d.stride, e.d.records
	for _, r := range rows {
		records[(int(r)+1)*stride-1] -= uint64(int64(values[leaf[r]]*e.scale) << e.counts)
	}
}

func (e *exact) refresh(rows []int32) float64 {
	stride, records, sum := e.d.stride, e.d.records, 0.0
	for _, r := range rows {
		v := float64(int64(records[(int(r)+1)*stride-1]) >> e.counts)
		sum += float64(v * v)
	}
	return sum / e.scale / e.scale
}

func (e *exact) gradients(int, []int32)    {}
func (e *exact) units() (float64, float64) { return 1 / e.scale, 1 }

// floats is the part that the other losses share: scores as float64 and words
// written anew for every tree.
type floats struct {
	layout
	d      *binned
	table  *tree.Table
	scores [][]float64 // per score, one per row
	starts []float64
	gScale float64
	hScale float64
}

// newFloats sets the scales by the largest gradient and hessian that a row can
// have.
func newFloats(d *binned, l layout, t *tree.Table, starts []float64, gradient, hessian float64) floats {
	f := floats{layout: l, d: d, table: t, starts: starts, gScale: power(61-int(l.counts), gradient), hScale: power(62-2*int(l.counts), hessian)}
	if l.words == narrow {
		f.gScale, f.hScale = 1, 1
	}
	for _, s := range starts {
		f.scores = append(f.scores, slices.Repeat([]float64{s}, t.Rows))
	}
	return f
}

func (f *floats) base() []float64 { return f.starts }

func (f *floats) value(_ []int32, step, rate float64) float64 { return step * rate }

func (f *floats) shift(score int, rows []int32, leaf []uint16, values []float64) {
	s := f.scores[score]
	for _, r := range rows {
		s[r] += values[leaf[r]]
	}
}

func (f *floats) units() (float64, float64) { return 1 / f.gScale, 1 / f.hScale }

func (f *floats) weight(r int32) float64 {
	if f.table.Weights == nil {
		return 1
	}
	return f.table.Weights[r]
}

// write sets a row's words from its weighted negative gradient and hessian.
func (f *floats) write(r int32, gradient, hessian float64) {
	at := (int(r) + 1) * f.d.stride
	if f.words == narrow {
		f.d.records[at-1] = uint64(int64(gradient)<<f.counts + 1)
		return
	}
	f.d.records[at-2] = uint64(int64(math.RoundToEven(gradient * f.gScale)))
	f.d.records[at-1] = uint64(int64(math.RoundToEven(hessian*f.hScale))<<f.counts + 1)
}
