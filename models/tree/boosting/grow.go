package boosting

import (
	"context"
)

// node is a node of the tree that grows.
type node struct {
	child int32 // its left child, the right one follows; 0: a leaf
	split split
	left  *[256]uint8 // 1 for the bins that go left
	leaf  uint16      // of a leaf: its index in grower.leaves
}

// leaf is an end of the tree, which may be split further.
type leaf struct {
	node   int32
	lo, hi int // its rows are grower.index[lo:hi]
	depth  int // edges from the root
	slot   int // its histogram, −1: none
	sum    totals
	best   split
}

// limits bound a tree.
type limits struct {
	leaves int
	depth  int // edges from the root; 0: no limit
}

// grower grows trees leaf by leaf, always at the leaf whose split gains most
// (Shi, "Best-first Decision Tree Learning", 2007; Ke et al., 2017), of equal
// ones the oldest. Only the smaller child's histogram is summed; its sibling's
// is the parent's less that.
type grower struct {
	hist   *histograms
	rules  rules
	limits limits

	index, spare []int32
	nodes        []node
	leaves       []leaf
	tables       [][256]uint8
	allowed      []bool // per column
	active       []bool // per group: it has an allowed column
}

func newGrower(h *histograms, l limits) *grower {
	d := h.data
	return &grower{
		hist: h, limits: l,
		index: make([]int32, d.rows), spare: make([]int32, d.rows),
		nodes: make([]node, 0, 2*l.leaves), leaves: make([]leaf, 0, l.leaves), tables: make([][256]uint8, l.leaves),
		allowed: make([]bool, len(d.columns)), active: make([]bool, len(d.groups)),
	}
}

// allow sets the columns that the next trees may split.
func (g *grower) allow(allowed func(feature int) bool) {
	clear(g.active)
	for c := range g.allowed {
		g.allowed[c] = allowed(g.hist.data.columns[c].feature)
		g.active[c/lanes] = g.active[c/lanes] || g.allowed[c]
	}
}

// grow grows a tree on the first rows of index, whose histogram is in root (−1:
// it has to be summed). It leaves nodes, leaves, and in index the rows by leaf.
// All slots are free afterwards. It gives ctx's error where that ends, soon also
// within a tree of many rows.
func (g *grower) grow(ctx context.Context, rows, root int) error {
	g.nodes, g.leaves = append(g.nodes[:0], node{}), append(g.leaves[:0], leaf{hi: rows, slot: root})
	first := &g.leaves[0]
	group := 0
	for group < len(g.active) && !g.active[group] {
		group++
	}
	if group == len(g.active) {
		first.sum.rows = int64(rows)
		return ctx.Err()
	}
	if root < 0 {
		first.slot = g.take()
		g.hist.build(first.slot, g.index[:rows], g.active)
	}
	first.sum = g.hist.total(first.slot, group)
	g.search(first)
	for len(g.leaves) < g.limits.leaves {
		if err := ctx.Err(); err != nil {
			return err
		}
		at := 0
		for i := range g.leaves {
			if g.leaves[i].best.gain > g.leaves[at].best.gain {
				at = i
			}
		}
		if g.leaves[at].best.gain <= 0 {
			break
		}
		g.split(at)
	}
	for i := range g.leaves {
		g.release(&g.leaves[i])
	}
	return nil
}

// split makes two leaves of one: the left child takes its place, the right one
// comes last.
func (g *grower) split(at int) {
	parent := g.leaves[at]
	n := &g.nodes[parent.node]
	n.split, n.child = parent.best, int32(len(g.nodes))
	n.left = &g.tables[len(g.leaves)-1]
	n.split.fill(n.left)
	g.nodes = append(g.nodes, node{}, node{})
	mid := parent.lo + g.partition(parent.lo, parent.hi, g.hist.data.byColumn[parent.best.column], n.left)
	left := leaf{node: n.child, lo: parent.lo, hi: mid, depth: parent.depth + 1, slot: -1, sum: parent.best.left}
	right := leaf{node: n.child + 1, lo: mid, hi: parent.hi, depth: parent.depth + 1, slot: -1, sum: parent.sum.minus(parent.best.left)}
	g.leaves[at].best, g.leaves[at].slot = split{}, -1 // so that take doesn't evict it
	if len(g.leaves)+1 < g.limits.leaves && (g.splittable(&left) || g.splittable(&right)) {
		g.sum(&parent, &left, &right)
		g.search(&left)
		g.search(&right)
	} else {
		g.release(&parent)
	}
	g.leaves[at] = left
	g.leaves = append(g.leaves, right)
}

// sum gives both children their histograms, the parent's slot included.
func (g *grower) sum(parent, left, right *leaf) {
	small, large := left, right
	if right.hi-right.lo < left.hi-left.lo {
		small, large = right, left
	}
	small.slot = g.take()
	g.hist.build(small.slot, g.index[small.lo:small.hi], g.active)
	if parent.slot < 0 {
		large.slot = g.take()
		g.hist.build(large.slot, g.index[large.lo:large.hi], g.active)
		return
	}
	large.slot = parent.slot
	g.hist.subtract(large.slot, small.slot, g.active)
}

// search finds the leaf's best split; where it has none, its slot is free.
func (g *grower) search(l *leaf) {
	if g.splittable(l) {
		l.best = g.hist.best(l.slot, l.sum, &g.rules, g.allowed, g.active)
	}
	if l.best.gain <= 0 {
		g.release(l)
	}
}

// splittable reports whether a leaf is large and high enough to be split.
func (g *grower) splittable(l *leaf) bool {
	return l.sum.rows >= 2*g.rules.minRows && (g.limits.depth == 0 || l.depth < g.limits.depth)
}

// take gives a free slot; where there is none, the leaf that gains least loses
// its own, and its children will be summed in full.
func (g *grower) take() int {
	if len(g.hist.free) == 0 {
		var least *leaf
		for i := range g.leaves {
			if l := &g.leaves[i]; l.slot >= 0 && (least == nil || l.best.gain < least.best.gain) {
				least = l
			}
		}
		g.release(least)
	}
	last := len(g.hist.free) - 1
	slot := g.hist.free[last]
	g.hist.free = g.hist.free[:last]
	return slot
}

func (g *grower) release(l *leaf) {
	if l.slot >= 0 {
		g.hist.free = append(g.hist.free, l.slot)
		l.slot = -1
	}
}

// fill sets for every bin whether it goes left.
func (s *split) fill(left *[256]uint8) {
	if s.set != nil {
		for b := range left {
			left[b] = uint8(s.set[b/64] >> (b % 64) & 1)
		}
		return
	}
	for b := range left {
		left[b] = 0
		if b <= s.bin {
			left[b] = 1
		}
	}
	if !s.missingLeft {
		left[missing] = 0
	}
}

// partition moves the rows of index[lo:hi] that go left to its front, keeps the
// order within both sides, and gives their number.
func (g *grower) partition(lo, hi int, bins []uint8, left *[256]uint8) int {
	rows, spare := g.index[lo:hi], g.spare[lo:hi]
	parts := g.hist.team.workers(hi - lo)
	if parts == 1 {
		n := partition(rows, spare, bins, left)
		copy(rows[n:], spare[:len(rows)-n])
		return n
	}
	counts := make([]int, parts)
	cut := func(part int) int { return part * len(rows) / parts }
	g.hist.team.run(parts, func(part int) {
		counts[part] = partition(rows[cut(part):cut(part+1)], spare[cut(part):cut(part+1)], bins, left)
	})
	n := 0
	for part, m := range counts {
		copy(rows[n:], rows[cut(part):cut(part)+m])
		n += m
	}
	at := n
	for part, m := range counts {
		at += copy(rows[at:], spare[cut(part):cut(part+1)-m])
	}
	return n
}

// partition puts the rows that go left to the front of rows and the others to
// the front of spare. It has no branch to mispredict.
func partition(rows, spare []int32, bins []uint8, left *[256]uint8) int {
	l, r := 0, 0
	spare = spare[:len(rows)]
	for _, row := range rows {
		goes := int(left[bins[row]])
		rows[l] = row
		spare[r] = row
		l += goes
		r += 1 - goes
	}
	return l
}

// route gives the leaf that a row falls into.
func (g *grower) route(row int32) uint16 {
	n := &g.nodes[0]
	for n.child != 0 {
		n = &g.nodes[n.child+1-int32(n.left[g.hist.data.byColumn[n.split.column][row]])]
	}
	return n.leaf
}
