package tree

import (
	"math"
	"math/rand/v2"

	"github.com/perennial-ml/perennial/stats"
)

// grower grows trees of one forest, one after another, with memory of its own.
type grower struct {
	f   *forest
	rng *rand.Rand

	draws    []uint32   // per row: how often the tree drew it
	idx      [][]uint32 // rows of the tree; per feature, in the feature's order, or (Extra) once
	tmp      []uint32
	right    []uint8 // per row: 1 where the split that is carried out sends it right
	features []int   // a permutation, drawn anew for every split
	stack    []span
	out      grown
	rows     interner

	words []int64   // as forest.words, times draws
	w     []float64 // weight, times draws; nil with words
	wy    []float64 // of regression: w · target

	// Of the node that is split.
	n        int
	sum      int64     // of words
	weight   float64   // total
	total    []float64 // weight per class, or the weighted target
	left     []float64
	rest     []float64
	shares   []float64
	codes    []code
	perClass []float64 // of codes
	sets     []uint64
	seen     []int32
	best     candidate
}

// span is a node that waits: its rows are idx[…][from:to].
type span struct {
	node     int32
	from, to int
	depth    int
	final    bool // a leaf, whatever could be found
}

// candidate is the best split so far: gain is num/den, which only grows. A
// feature's rows up to pos, in its order, go left, or the codes of a set; the
// missing ones go as nanRight says.
type candidate struct {
	num, den  float64
	feature   int // −1: none
	pos       int
	threshold float64
	set       []uint64 // nil: numeric
	nanRight  bool
}

func newGrower(f *forest) *grower {
	t := f.t
	g := &grower{
		f: f, draws: make([]uint32, t.Rows), idx: make([][]uint32, max(len(f.order), 1)), tmp: make([]uint32, t.Rows),
		right: make([]uint8, t.Rows), features: make([]int, t.Cols), rows: interner{width: t.Classes},
	}
	for c := range g.idx {
		g.idx[c] = make([]uint32, t.Rows)
	}
	for c := range g.features {
		g.features[c] = c
	}
	if f.words != nil {
		g.words = make([]int64, t.Rows)
	} else {
		g.w = make([]float64, t.Rows)
		if t.Classes == 0 {
			g.wy = make([]float64, t.Rows)
		}
	}
	outputs := max(t.Classes, 1)
	g.total, g.left, g.rest, g.shares = make([]float64, outputs), make([]float64, outputs), make([]float64, outputs), make([]float64, outputs)
	return g
}

// tree grows tree k.
func (g *grower) tree(k int) grown {
	f := g.f
	g.rng = stats.NewRand(f.s.Seed, uint64(k))
	for c := range g.features { // or the last tree's order would go on
		g.features[c] = c
	}
	n := g.sample()
	g.out = grown{nodes: append(g.out.nodes[:0], Node{}), sets: g.out.sets[:0]}
	g.rows.reset()
	g.stack = append(g.stack[:0], span{to: n, final: g.final(0, n, 0)})
	for len(g.stack) > 0 {
		s := g.stack[len(g.stack)-1]
		g.stack = g.stack[:len(g.stack)-1]
		switch {
		case f.stop.Load():
			return grown{}
		case s.final:
			g.leaf(s)
		case s.to-s.from == 2:
			g.pair(s)
		case g.find(s):
			g.split(s)
		default:
			g.leaf(s)
		}
	}
	if f.oob != nil {
		f.oob.add(g)
	}
	return grown{
		nodes: append(make([]Node, 0, len(g.out.nodes)), g.out.nodes...),
		rows:  append(make([]float64, 0, len(g.rows.values)), g.rows.values...),
		sets:  append(make([]uint64, 0, len(g.out.sets)), g.out.sets...),
	}
}

// sample draws the tree's rows and gives how many distinct ones there are.
func (g *grower) sample() int {
	f := g.f
	rows := f.t.Rows
	if f.s.NoBootstrap {
		for i := range g.draws {
			g.draws[i] = 1
		}
	} else {
		clear(g.draws)
		for range rows {
			g.draws[g.rng.IntN(rows)]++
		}
	}
	if f.weights != nil && !g.weigh() {
		// Nothing but rows of weight 0: every row then.
		for i := range g.draws {
			g.draws[i] = 1
		}
		g.weigh()
	}
	for i, d := range g.draws {
		switch {
		case g.words != nil:
			g.words[i] = f.words[i] * int64(d)
			continue
		case f.weights == nil:
			g.w[i] = float64(d)
		default:
			g.w[i] = float64(d) * f.weights[i]
		}
		if g.wy != nil {
			g.wy[i] = g.w[i] * f.target(i)
		}
	}
	n := 0
	for c := range g.idx {
		n = 0
		to := g.idx[c]
		if f.order == nil {
			for i, d := range g.draws {
				to[n] = uint32(i)
				n += int(min(d, 1))
			}
			continue
		}
		for _, r := range f.order[c] {
			to[n] = r
			n += int(min(g.draws[r], 1))
		}
	}
	return n
}

// weigh leaves out rows of weight 0, and reports whether others are left.
func (g *grower) weigh() bool {
	some := false
	for i, w := range g.f.weights {
		if w == 0 {
			g.draws[i] = 0
		}
		some = some || g.draws[i] > 0
	}
	return some
}

// final reports whether rows make a leaf without looking for a split.
func (g *grower) final(from, to, depth int) bool {
	f, n := g.f, to-from
	if n < f.s.MinSplit || n < 2*f.s.MinLeaf || depth >= f.s.MaxDepth {
		return true
	}
	rows := g.idx[0][from:to]
	y := f.t.Y[rows[0]]
	for _, r := range rows[1:] {
		if f.t.Y[r] != y {
			return false
		}
	}
	return true
}

// leaf makes a node a leaf: of the mean target, or of the classes' shares.
func (g *grower) leaf(s span) { g.leafOf(s.node, g.idx[0][s.from:s.to]) }

func (g *grower) leafOf(node int32, rows []uint32) {
	t := g.f.t
	n := &g.out.nodes[node]
	if t.Classes > 0 {
		clear(g.shares)
		sum := 0.0
		for _, r := range rows {
			g.shares[g.f.class[r]] += g.w[r]
			sum += g.w[r]
		}
		for k := range g.shares {
			g.shares[k] /= sum
		}
		*n = Node{Feature: leaf, Child: g.rows.row(g.shares)}
		return
	}
	// Relative to the first target, so that equal targets are met exactly.
	first, sum, weight := t.Y[rows[0]], 0.0, 0.0
	for _, r := range rows {
		w := float64(g.draws[r])
		if g.w != nil {
			w = g.w[r]
		}
		sum += float64(w * (t.Y[r] - first))
		weight += w
	}
	*n = Node{Threshold: first + sum/weight + 0, Feature: leaf}
}

// children appends a split's two children and gives the left one.
func (g *grower) children(node int32, c *candidate) int32 {
	left := int32(len(g.out.nodes))
	n := Node{Threshold: c.threshold + 0, Feature: int32(c.feature), Child: left}
	if c.nanRight {
		n.Feature |= nanRight
	}
	if c.set != nil {
		n.Feature |= isSet
		words := c.set
		for len(words) > 0 && words[len(words)-1] == 0 {
			words = words[:len(words)-1]
		}
		n.Threshold = setAt(len(g.out.sets), len(words))
		g.out.sets = append(g.out.sets, words...)
	}
	g.out.nodes[node] = n
	g.out.nodes = append(g.out.nodes, Node{}, Node{})
	return left
}

// split carries out the best split: it partitions every order, stably.
func (g *grower) split(s span) {
	nl := g.mark(s)
	middle := s.from + nl
	left := g.children(s.node, &g.best)
	g.partition(0, s)
	a := span{node: left, from: s.from, to: middle, depth: s.depth + 1}
	b := span{node: left + 1, from: middle, to: s.to, depth: s.depth + 1}
	a.final, b.final = g.final(a.from, a.to, a.depth), g.final(b.from, b.to, b.depth)
	if !a.final || !b.final {
		for c := 1; c < len(g.idx); c++ {
			g.partition(c, s)
		}
	}
	g.stack = append(g.stack, b, a)
}

// mark notes each row's side and counts those that go left.
func (g *grower) mark(s span) int {
	f, c := g.f, &g.best
	x, cols := f.t.X[c.feature:], f.t.Cols
	at := 0
	if f.order != nil {
		at = c.feature
	}
	rows := g.idx[at][s.from:s.to]
	nl := 0
	for _, r := range rows {
		v := x[int(r)*cols]
		var right bool
		switch {
		case v != v:
			right = c.nanRight
		case c.set != nil:
			right = !inSet(c.set, v)
		default:
			right = v > c.threshold
		}
		g.right[r] = 1
		if !right {
			g.right[r] = 0
			nl++
		}
	}
	return nl
}

// partition brings the rows of one order that go left before those that go
// right, and keeps the order on both sides.
func (g *grower) partition(c int, s span) {
	rows := g.idx[c][s.from:s.to]
	tmp := g.tmp[:len(rows)]
	l, r := 0, 0
	for _, row := range rows {
		side := int(g.right[row])
		rows[l] = row
		tmp[r] = row
		r += side
		l += 1 - side
	}
	copy(rows[l:], tmp[:r])
}

// pair splits a node of two rows with unequal targets: by the first feature
// drawn in which they differ.
func (g *grower) pair(s span) {
	f := g.f
	a, b := g.idx[0][s.from], g.idx[0][s.from+1]
	for i := range g.features {
		c := g.draw(i)
		va, vb := f.t.X[int(a)*f.t.Cols+c], f.t.X[int(b)*f.t.Cols+c]
		if va == vb || (va != va && vb != vb) {
			continue
		}
		if va != va || va > vb {
			a, b, va, vb = b, a, vb, va
		}
		g.best = candidate{feature: c, threshold: between(va, vb), nanRight: vb != vb}
		if f.s.Extra && vb == vb {
			g.best.threshold = g.drawBetween(va, vb)
		}
		if f.t.Categories != nil && f.t.Categories[c] > 0 {
			g.best.set = g.single(va)
			g.best.nanRight = true
		}
		left := g.children(s.node, &g.best)
		g.leafOf(left, []uint32{a})
		g.leafOf(left+1, []uint32{b})
		return
	}
	g.leaf(s)
}

// single is the set of one code.
func (g *grower) single(code float64) []uint64 {
	set := g.emptySet(int(code)/64 + 1)
	set[int(code)>>6] |= 1 << (int(code) & 63)
	return set
}

// emptySet gives words that stay until the next call.
func (g *grower) emptySet(words int) []uint64 {
	if cap(g.sets) < words {
		g.sets = make([]uint64, words)
	}
	g.sets = g.sets[:words]
	clear(g.sets)
	return g.sets
}

// between is the threshold that sends a left and b, which is larger or missing,
// right: the midpoint, or a where no number lies between.
func between(a, b float64) float64 {
	if b != b {
		return math.Inf(1)
	}
	if m := a/2 + b/2; m >= a && m < b {
		return m
	}
	return a
}

// draw gives the i-th feature of a random permutation, drawn as far as it is
// needed (Fisher and Yates).
func (g *grower) draw(i int) int {
	j := i + g.rng.IntN(len(g.features)-i)
	g.features[i], g.features[j] = g.features[j], g.features[i]
	return g.features[i]
}
