package tree

import "slices"

// packed holds the trees as nodes of 8 bytes: in the high half the threshold's
// rank (24 bits) and a slot (8 bits), in the low half the left child, whose
// right sibling follows it. A row's rank in a slot is shifted like a node's, so
// one comparison tells the side:
//
//	right = rank of the row · 2⁸ > rank of the node · 2⁸ + slot
//
// A slot is a feature with a side for NaN: rank 0 goes left everywhere, the
// highest goes right. A leaf has the highest rank and is its own child, so that
// a walk that has ended stays. A set of categories becomes a small tree of
// ranges, whose ends are copies of the two children's nodes.
type packed struct {
	nodes []uint64
	roots []uint32
	value []float64 // per node; leafValue of leaves
	slots int
	left  []int16 // per feature of the ranker: its slot for NaN left, −1 for none
	right []int16
}

const (
	maxGrowth = 4 // copies may make so many nodes of one
	mostSlots = 256
	topRank   = 1<<24 - 1
)

// packing builds packed.
type packing struct {
	*packed
	e      *Ensemble
	r      *ranker
	todo   []job
	copies [][2]uint32 // to, from
	most   int
}

// job is a node of the ensemble that is to stand at a place. What is below it in
// the ensemble ends before end.
type job struct{ from, to, end uint32 }

// newPacked builds the nodes, nil where there are too many slots or nodes.
func newPacked(e *Ensemble, r *ranker) *packed {
	p := &packing{packed: &packed{}, e: e, r: r, most: min(maxGrowth*len(e.Nodes)+1024, 1<<32-1)}
	if !p.assignSlots() {
		return nil
	}
	extra := 0
	if r.sets {
		extra = len(e.Nodes) / 4
	}
	p.nodes, p.value = make([]uint64, 0, len(e.Nodes)+extra), make([]float64, 0, len(e.Nodes)+extra)
	for i, t := range e.Trees {
		p.roots = append(p.roots, p.place(1))
		p.todo = append(p.todo[:0], job{uint32(t.Root), p.roots[i], uint32(e.end(i))})
		for len(p.todo) > 0 {
			j := p.todo[len(p.todo)-1]
			p.todo = p.todo[:len(p.todo)-1]
			if !p.put(t, j) {
				return nil
			}
		}
		for _, c := range slices.Backward(p.copies) { // what is copied may be a copy made later
			p.nodes[c[0]] = p.nodes[c[1]]
		}
		if p.copies = p.copies[:0]; len(p.nodes) > p.most {
			return nil
		}
	}
	return p.packed
}

func (p *packing) assignSlots() bool {
	p.left, p.right = make([]int16, len(p.r.features)), make([]int16, len(p.r.features))
	for i := range p.left {
		p.left[i], p.right[i] = -1, -1
	}
	for i := range p.e.Nodes {
		n := &p.e.Nodes[i]
		if n.Feature == leaf {
			continue
		}
		slot := &p.left[p.r.place[n.feature()]]
		if n.Feature&(nanRight|isSet) != 0 {
			slot = &p.right[p.r.place[n.feature()]]
		}
		if *slot < 0 {
			if p.slots == mostSlots {
				return false
			}
			*slot = int16(p.slots)
			p.slots++
		}
	}
	return true
}

// place makes room for nodes and says where.
func (p *packing) place(n int) uint32 {
	at := uint32(len(p.nodes))
	for range n {
		p.nodes, p.value = append(p.nodes, 0), append(p.value, 0)
	}
	return at
}

// put writes a node of the ensemble to its place and leaves its children to be
// done; false where a set would take too many nodes.
func (p *packing) put(t Tree, j job) bool {
	n := &p.e.Nodes[j.from]
	if n.Feature == leaf {
		p.nodes[j.to] = topRank<<40 | uint64(j.to)
		p.value[j.to] = p.e.leafValue(t, n)
		return true
	}
	if n.Feature&isSet != 0 {
		return p.putSet(n, j)
	}
	child := p.place(2)
	p.nodes[j.to] = p.split(n, p.r.rankOf(n), child)
	p.below(n, j, child)
	return true
}

// below leaves a split's children to be done, at to and to+1: next the one with
// more nodes below, so that they are near where most walks need them.
func (p *packing) below(n *Node, j job, to uint32) {
	left := job{uint32(n.Child), to, j.end}
	right := job{uint32(n.Child + 1), to + 1, j.end}
	if r := &p.e.Nodes[n.Child+1]; r.Feature != leaf {
		left.end = uint32(r.Child)
	}
	if left.end-left.from < j.end-left.end {
		p.todo = append(p.todo, left, right)
	} else {
		p.todo = append(p.todo, right, left)
	}
}

// split is a node that compares a rank.
func (p *packing) split(n *Node, rank int, child uint32) uint64 {
	slot := p.left[p.r.place[n.feature()]]
	if n.Feature&(nanRight|isSet) != 0 {
		slot = p.right[p.r.place[n.feature()]]
	}
	return uint64(rank)<<40 | uint64(slot)<<32 | uint64(child)
}

// putSet writes a split by categories: ranges of ranks, in which NaN goes right
// and so ends outside of the set, as the last range does. Where NaN belongs to
// the set, a split before them that only NaN passes takes it there.
func (p *packing) putSet(n *Node, j job) bool {
	bounds := boundaries(p.e.set(n))
	if len(p.nodes)+2*len(bounds) > p.most {
		return false
	}
	to, heads := j.to, p.place(2) // in the set, and not
	p.below(n, j, heads)
	keys := p.r.keys[p.r.place[n.feature()]]
	ranks := make([]int, len(bounds))
	for i, b := range bounds {
		ranks[i], _ = slices.BinarySearch(keys, b)
	}
	if n.Feature&nanRight == 0 {
		child := p.place(2)
		p.nodes[to] = p.split(n, topRank-1, child)
		p.copies = append(p.copies, [2]uint32{child + 1, heads})
		to = child
	}
	p.ranges(n, to, heads, ranks, 0, len(ranks))
	return true
}

// ranges writes the tree of the ranges first to last, of which the odd ones are
// in the set; ranks are their upper ends.
func (p *packing) ranges(n *Node, to, heads uint32, ranks []int, first, last int) {
	if first == last {
		p.copies = append(p.copies, [2]uint32{to, heads + uint32(1-first&1)})
		return
	}
	middle := (first + last) / 2
	child := p.place(2)
	p.nodes[to] = p.split(n, ranks[middle], child)
	p.ranges(n, child, heads, ranks, first, middle)
	p.ranges(n, child+1, heads, ranks, middle+1, last)
}
