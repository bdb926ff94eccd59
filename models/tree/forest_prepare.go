package tree

import (
	"cmp"
	"math"
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"
)

// prepare computes what all trees share. It ends early where the fit was
// stopped.
func (f *forest) prepare() {
	t := f.t
	f.missing = make([]bool, t.Cols)
	for i, v := range t.X {
		if v != v {
			f.missing[i%t.Cols] = true
		}
	}
	f.weigh()
	if t.Classes > 0 {
		f.class = make([]uint32, t.Rows)
		for i, y := range t.Y {
			f.class[i] = uint32(y)
		}
		if f.s.Entropy && f.weights == nil {
			f.logs = make([]float64, t.Rows+1)
			for n := 2; n <= t.Rows; n++ {
				f.logs[n] = float64(n) * math.Log(float64(n))
			}
		}
	} else {
		f.centre()
	}
	if !f.s.Extra {
		f.sort()
	}
}

// weigh computes the rows' weights, where they aren't all 1.
func (f *forest) weigh() {
	f.weights = f.t.Weights
	if !f.s.Balanced || f.t.Classes == 0 {
		return
	}
	count := make([]float64, f.t.Classes)
	for i, y := range f.t.Y {
		if f.weights == nil {
			count[int(y)]++
		} else {
			count[int(y)] += f.weights[i]
		}
	}
	sum, present := 0.0, 0.0
	for _, c := range count {
		if sum += c; c > 0 {
			present++
		}
	}
	w := make([]float64, f.t.Rows)
	for i, y := range f.t.Y {
		if w[i] = sum / (present * count[int(y)]); f.weights != nil {
			w[i] *= f.weights[i]
		}
		if count[int(y)] == 0 {
			w[i] = 0
		}
	}
	f.weights = w
}

// centre finds the middle of the targets and how far they are from it, and
// packs them into words where that is exact enough. With K = countBits, n < 2ᴷ
// draws of targets below 2^(61−2K) sum to less than 2^(61−K), so a sum of words
// stays below 2⁶¹ + 2ᴷ.
func (f *forest) centre() {
	// Halves, since the sum or difference of large targets could overflow.
	low, high := slices.Min(f.t.Y)/2, slices.Max(f.t.Y)/2
	f.middle, f.spread = low+high, high-low
	if f.spread == 0 {
		f.spread = 1
	}
	if f.weights != nil || f.t.Rows > maxPackedRows {
		return
	}
	f.countBits = uint(bits.Len(uint(f.t.Rows)))
	scale := math.Ldexp(1, 61-2*int(f.countBits))
	f.words = make([]int64, f.t.Rows)
	for i := range f.words {
		f.words[i] = int64(math.RoundToEven(f.target(i)*scale))<<f.countBits + 1
	}
}

// target is a row's target, moved and scaled to −1…1: splits don't depend on
// either, and squares can't overflow.
func (f *forest) target(row int) float64 { return (f.t.Y[row] - f.middle) / f.spread }

// sort orders the rows by each feature, missing values last, equal ones by row.
func (f *forest) sort() {
	t := f.t
	f.order = make([][]uint32, t.Cols)
	type pair struct {
		v   float64
		row uint32
	}
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(max(f.s.Threads, 1), t.Cols) {
		workers.Go(func() {
			pairs := make([]pair, t.Rows)
			for {
				c := int(next.Add(1)) - 1
				if c >= t.Cols || f.stop.Load() {
					return
				}
				for i := range t.Rows {
					v := t.X[i*t.Cols+c]
					if v != v {
						v = math.Inf(1) // none is infinite otherwise
					}
					pairs[i] = pair{v, uint32(i)}
				}
				slices.SortFunc(pairs, func(a, b pair) int {
					switch {
					case a.v < b.v:
						return -1
					case a.v > b.v:
						return 1
					}
					return cmp.Compare(a.row, b.row)
				})
				order := make([]uint32, t.Rows)
				for i, p := range pairs {
					order[i] = p.row
				}
				f.order[c] = order
			}
		})
	}
	workers.Wait()
}
