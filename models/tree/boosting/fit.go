package boosting

import (
	"context"
	"math"
	"slices"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/models/tree"
)

// fit is a fit under way.
type fit struct {
	Settings
	table  *tree.Table
	team   *team
	hist   *histograms
	grower *grower
	state  state
	unit   float64 // real size of 1 in a leaf's fixed-point step

	rows       []int32 // that trees are fitted on, ascending
	validation []int32
	others     []int32 // rows that the current iteration's trees aren't fitted on
	fused      bool    // scores, gradients and the next root's histogram in one pass
	current    []kept
	kept       [][]kept
}

// kept is a node of a finished tree.
type kept struct {
	child       int32 // 0: a leaf
	column, bin int32
	missingLeft bool
	set         *[4]uint64
	value       float64
}

const piece = 4096 // rows per piece of a pass over all rows

// run boosts until the last iteration, early stopping or convergence.
func (f *fit) run(ctx context.Context) (*Result, error) {
	base := f.state.base()
	weight, heldWeight := weigh(f.table, f.rows), weigh(f.table, f.validation)
	out := &Result{}
	f.refresh(f.rows)
	root := -1
	for out.Iterations < f.Trees {
		f.grower.allow(f.drawColumns(out.Iterations))
		fitted := f.drawRows(out.Iterations)
		split := false
		for k := range base {
			if err := f.growTree(ctx, k, fitted, root); err != nil {
				return nil, err
			}
			split = split || len(f.grower.leaves) > 1
		}
		if !split && f.RowSample == 1 && f.ColumnSample == 1 {
			out.Converged = true
			break
		}
		var loss float64
		if f.fused {
			root, loss = f.advance()
		} else {
			loss = f.refresh(f.rows)
		}
		if err := f.diverged(loss / weight); err != nil {
			return nil, err
		}
		out.Loss = append(out.Loss, loss/weight)
		out.Iterations++
		if f.EarlyStopping == 0 {
			continue
		}
		out.Validation = append(out.Validation, f.refresh(f.validation)/heldWeight)
		if out.Stopped = len(out.Validation)-bestIteration(out.Validation) >= f.EarlyStopping; out.Stopped {
			break
		}
	}
	if len(out.Validation) > 0 {
		out.Iterations = bestIteration(out.Validation)
	}
	var err error
	out.Ensemble, err = f.ensemble(base, f.kept[:out.Iterations*len(base)])
	return out, err
}

// bestIteration is the number of iterations with the lowest loss.
func bestIteration(loss []float64) int { return 1 + slices.Index(loss, slices.Min(loss)) }

func (f *fit) diverged(loss float64) error {
	e, ok := f.state.(*exact)
	if math.IsNaN(loss) || math.IsInf(loss, 0) || (ok && math.Sqrt(loss)*e.scale > math.Ldexp(1, 61-2*int(e.counts))) {
		return perennial.Errorf(perennial.CodeInvalid, "", "the training loss grew to %g", loss).WithHint("Lower learning_rate, or look for targets far off.")
	}
	return nil
}

// growTree grows one tree on the first rows of the grower's index and updates
// the scores, those of the rows that it is fitted on only where advance doesn't.
func (f *fit) growTree(ctx context.Context, score, fitted, root int) error {
	if !f.fused {
		f.pieces(len(f.rows), func(lo, hi int) float64 { f.state.gradients(score, f.rows[lo:hi]); return 0 })
	}
	g := f.grower
	if err := g.grow(ctx, fitted, root); err != nil {
		return err
	}
	tree := make([]kept, len(g.nodes))
	for i, n := range g.nodes {
		tree[i] = kept{child: n.child, column: int32(n.split.column), bin: int32(n.split.bin), missingLeft: n.split.missingLeft, set: n.split.set}
	}
	value := func(i int) {
		l := &g.leaves[i]
		tree[l.node].value = f.state.value(g.index[l.lo:l.hi], g.rules.value(l.sum)*f.unit, f.LearningRate)
	}
	if f.team.workers(fitted) > 1 {
		f.team.run(len(g.leaves), value)
	} else {
		for i := range g.leaves {
			value(i)
		}
	}
	f.current, f.kept = tree, append(f.kept, tree)
	slices.SortFunc(g.leaves, func(a, b leaf) int { return a.lo - b.lo })
	if !f.fused {
		f.pieces(fitted, func(lo, hi int) float64 {
			f.eachRun(lo, hi, func(rows []int32, value float64) { f.state.shift(score, rows, value) })
			return 0
		})
	}
	f.pieces(len(f.others), func(lo, hi int) float64 {
		for i := lo; i < hi; i++ {
			f.state.shift(score, f.others[i:i+1], tree[g.route(f.others[i])].value)
		}
		return 0
	})
	return ctx.Err()
}

// advance adds the current tree to the scores of its rows, writes their next
// gradients, sums them into the next root's histogram, all while a block of rows
// is in the cache, and gives the histogram's slot and the summed loss.
func (f *fit) advance() (slot int, loss float64) {
	rows := len(f.rows)
	slot = f.grower.take()
	sums := make([]float64, (rows+piece-1)/piece)
	f.hist.parallel(slot, f.team.workers(rows*len(f.hist.data.groups)), len(sums), func(to []int64, p int) {
		for at := p * piece; at < min((p+1)*piece, rows); at += block {
			f.eachRun(at, min(at+block, rows), func(rows []int32, value float64) {
				f.state.shift(0, rows, value)
				sums[p] += f.state.refresh(rows)
				f.hist.add(to, rows, f.grower.active)
			})
		}
	})
	for _, s := range sums {
		loss += s
	}
	return slot, loss
}

// eachRun calls do with the rows at positions lo…hi−1 of the grower's index, one
// leaf after another, and the leaf's value. The leaves are in the order of their
// rows.
func (f *fit) eachRun(lo, hi int, do func(rows []int32, value float64)) {
	g := f.grower
	at, _ := slices.BinarySearchFunc(g.leaves, lo, func(l leaf, p int) int {
		if l.hi <= p {
			return -1
		}
		return 0
	})
	for ; lo < hi; at++ {
		l := &g.leaves[at]
		end := min(l.hi, hi)
		if lo < end {
			do(g.index[lo:end], f.current[l.node].value)
			lo = end
		}
	}
}

// refresh brings rows up to date with the scores and gives their summed loss.
func (f *fit) refresh(rows []int32) float64 {
	return f.pieces(len(rows), func(lo, hi int) float64 { return f.state.refresh(rows[lo:hi]) })
}

// pieces runs do on pieces of 0…n−1 and adds up what it gives, in their order.
func (f *fit) pieces(n int, do func(lo, hi int) float64) float64 {
	sums := make([]float64, (n+piece-1)/piece)
	run := func(p int) { sums[p] = do(p*piece, min((p+1)*piece, n)) }
	if f.team.workers(n) > 1 {
		f.team.run(len(sums), run)
	} else {
		for p := range sums {
			run(p)
		}
	}
	sum := 0.0
	for _, s := range sums {
		sum += s
	}
	return sum
}

// ensemble makes the trees that are kept an ensemble.
func (f *fit) ensemble(base []float64, trees [][]kept) (*tree.Ensemble, error) {
	outputs, combine := 1, tree.Sum
	switch {
	case f.table.Classes == 2:
		outputs, combine = 2, tree.SumLogistic
	case f.table.Classes > 2:
		outputs, combine = f.table.Classes, tree.SumSoftmax
	}
	b := tree.NewBuilder(f.table.Cols, outputs, len(base), combine, base)
	for i, t := range trees {
		at := make([]int32, len(t)) // its nodes in the builder; parents come first
		at[0] = b.Tree(i % len(base))
		for k, n := range t {
			if n.child == 0 {
				b.Leaf(at[k], n.value)
			} else {
				at[n.child], at[n.child+1] = b.Split(at[k], f.hist.data.split(&n))
			}
		}
	}
	return b.Ensemble()
}

// split turns a split of bins into one of values.
func (d *binned) split(n *kept) tree.Split {
	c := &d.columns[n.column]
	s := tree.Split{Feature: c.feature, NaNRight: !n.missingLeft}
	if n.set == nil {
		s.Threshold = math.Inf(1) // all values against the missing ones
		if int(n.bin) <= len(c.edges) {
			s.Threshold = c.edges[n.bin-1]
		}
		return s
	}
	s.Set = make([]uint64, (len(c.codes)+63)/64)
	for code, b := range c.codes {
		if b != missing && n.set[b/64]>>(b%64)&1 == 1 {
			s.Set[code/64] |= 1 << (code % 64)
		}
	}
	return s
}
