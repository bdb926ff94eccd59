package tree

import (
	"math"
	"sync/atomic"
)

// outOfBag sums up, row by row, what the trees say that didn't draw the row
// (Breiman, "Out-of-bag estimation", 1996). The sums are of whole numbers, so
// that they don't depend on which tree comes first.
type outOfBag struct {
	outputs int
	sums    []int64 // rows × outputs, in units of 2⁻³⁰ of the target's spread or of probability 1
	trees   []int32 // per row
}

// mostOutOfBag bounds the sums' memory, 32 MiB; there is no score beyond.
const mostOutOfBag = 1 << 22

const outOfBagUnit = 1 << 30

// newOutOfBag gives nil where no row is out of a bag, or there are too many.
func newOutOfBag(f *forest) *outOfBag {
	outputs := max(f.t.Classes, 1)
	if f.s.NoBootstrap || f.t.Rows*outputs > mostOutOfBag {
		return nil
	}
	return &outOfBag{outputs: outputs, sums: make([]int64, f.t.Rows*outputs), trees: make([]int32, f.t.Rows)}
}

// add adds the grower's last tree.
func (o *outOfBag) add(g *grower) {
	t := g.f.t
	e := Ensemble{Nodes: g.out.nodes, Sets: g.out.sets}
	for i, d := range g.draws {
		if d > 0 || (g.f.weights != nil && g.f.weights[i] == 0) {
			continue
		}
		n := &e.Nodes[e.leaf(0, t.X[i*t.Cols:(i+1)*t.Cols])]
		atomic.AddInt32(&o.trees[i], 1)
		if t.Classes == 0 {
			atomic.AddInt64(&o.sums[i], int64(math.RoundToEven((n.Threshold-g.f.middle)/g.f.spread*outOfBagUnit)))
			continue
		}
		for k, p := range g.rows.at(n.Child) {
			if p > 0 {
				atomic.AddInt64(&o.sums[i*o.outputs+k], int64(math.RoundToEven(p*outOfBagUnit)))
			}
		}
	}
}

// score gives R² of the rows that some tree didn't draw, or their accuracy; ok
// is false where there are none, or their targets are all equal.
func (o *outOfBag) score(f *forest) (score float64, ok bool) {
	rows, right, sum, squares, off := 0.0, 0.0, 0.0, 0.0, 0.0
	for i, n := range o.trees {
		if n == 0 {
			continue
		}
		rows++
		if f.t.Classes > 0 {
			best := i * o.outputs
			for k := best; k < (i+1)*o.outputs; k++ {
				if o.sums[k] > o.sums[best] {
					best = k
				}
			}
			if best == i*o.outputs+int(f.class[i]) {
				right++
			}
			continue
		}
		y := f.target(i)
		d := y - float64(o.sums[i])/outOfBagUnit/float64(n)
		sum, squares, off = sum+y, squares+float64(y*y), off+float64(d*d)
	}
	if f.t.Classes > 0 {
		return right / rows, rows > 0
	}
	total := squares - sum*sum/rows
	return 1 - off/total, total > 0
}
