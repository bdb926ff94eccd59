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
	others     []int32   // rows that the current iteration's trees aren't fitted on
	fused      bool      // scores, gradients and the next root's histogram in one pass
	leaf       []uint16  // per row: its leaf in the current tree
	values     []float64 // of the current tree's leaves
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
	out.Ensemble, err = f.ensemble(ctx, base, f.kept[:out.Iterations*len(base)])
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

// growTree grows one tree on the first rows of the grower's index and adds its
// answers to the scores, but where advance does it.
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
	f.values = f.values[:0]
	for range g.leaves {
		f.values = append(f.values, 0)
	}
	f.each(len(g.leaves), fitted, func(i int) {
		l := &g.leaves[i]
		rows := g.index[l.lo:l.hi]
		f.values[i] = f.state.value(rows, g.rules.value(l.sum)*f.unit, f.LearningRate)
		for _, r := range rows {
			f.leaf[r] = uint16(i)
		}
	})
	for i, l := range g.leaves {
		g.nodes[l.node].leaf, tree[l.node].value = uint16(i), f.values[i]
	}
	f.kept = append(f.kept, tree)
	f.pieces(len(f.others), func(lo, hi int) float64 {
		for _, r := range f.others[lo:hi] {
			f.leaf[r] = g.route(r)
		}
		return 0
	})
	if !f.fused {
		f.shift(score, f.rows)
	}
	f.shift(score, f.validation)
	return ctx.Err()
}

// shift adds the current tree's answers to a score of rows.
func (f *fit) shift(score int, rows []int32) {
	f.pieces(len(rows), func(lo, hi int) float64 { f.state.shift(score, rows[lo:hi], f.leaf, f.values); return 0 })
}

// advance adds the current tree's answers to the score of its rows, writes their
// next gradients and sums them into the next root's histogram, all while a block
// of rows is in the cache, and gives the histogram's slot and the summed loss.
func (f *fit) advance() (slot int, loss float64) {
	n := len(f.rows)
	slot = f.grower.take()
	sums := make([]float64, (n+piece-1)/piece)
	f.hist.parallel(slot, f.team.workers(n*len(f.hist.data.groups)), len(sums), func(to []int64, p int) {
		for at := p * piece; at < min((p+1)*piece, n); at += block {
			rows := f.rows[at:min(at+block, (p+1)*piece, n)]
			f.state.shift(0, rows, f.leaf, f.values)
			sums[p] += f.state.refresh(rows)
			f.hist.add(to, f.hist.data.records, rows, f.grower.active)
		}
	})
	for _, s := range sums {
		loss += s
	}
	return slot, loss
}

// refresh brings rows up to date with the scores and gives their summed loss.
func (f *fit) refresh(rows []int32) float64 {
	return f.pieces(len(rows), func(lo, hi int) float64 { return f.state.refresh(rows[lo:hi]) })
}

// pieces runs do on pieces of 0…n−1 and adds up what it gives, in their order.
func (f *fit) pieces(n int, do func(lo, hi int) float64) float64 {
	sums := make([]float64, (n+piece-1)/piece)
	f.each(len(sums), n, func(p int) { sums[p] = do(p*piece, min((p+1)*piece, n)) })
	sum := 0.0
	for _, s := range sums {
		sum += s
	}
	return sum
}

// each calls do with 0…n−1, by several goroutines where so many steps are worth it.
func (f *fit) each(n, steps int, do func(i int)) {
	if f.team.workers(steps) > 1 {
		f.team.run(n, do)
		return
	}
	for i := range n {
		do(i)
	}
}

// ensemble makes the trees that are kept an ensemble.
func (f *fit) ensemble(ctx context.Context, base []float64, trees [][]kept) (*tree.Ensemble, error) {
	outputs, combine := 1, tree.Sum
	switch {
	case f.table.Classes == 2:
		outputs, combine = 2, tree.SumLogistic
	case f.table.Classes > 2:
		outputs, combine = f.table.Classes, tree.SumSoftmax
	}
	b := tree.NewBuilder(f.table.Cols, outputs, len(base), combine, base)
	for i, t := range trees {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
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
