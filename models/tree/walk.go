package tree

// rankRow writes a row's shifted ranks to the slots.
func (p *packed) rankRow(r *ranker, x []float64, slots []uint32) {
	for i, f := range r.features {
		left, right := p.left[i], p.right[i]
		v := x[f]
		if v != v {
			if left >= 0 {
				slots[left] = 0
			}
			if right >= 0 {
				slots[right] = topRank << 8
			}
			continue
		}
		k := uint32(rank(r.keys[i], v)) << 8
		if left >= 0 {
			slots[left] = k
		}
		if right >= 0 {
			slots[right] = k
		}
	}
}

// step gives where a row goes from a node.
func step(n uint64, slots *[mostSlots]uint32) uint32 {
	key := n >> 32
	return uint32(n) + uint32((key-uint64(slots[uint8(key)]))>>63)
}

// walkRow answers one row, eight trees at a time.
func (c *Compiled) walkRow(x, out []float64) {
	p := c.walk
	var slots [mostSlots]uint32
	p.rankRow(&c.ranks, x, slots[:])
	copy(out, c.e.Base)
	i := 0
	var at [8]uint32
	for ; i+8 <= len(p.roots); i += 8 {
		p.walk8((*[8]uint32)(p.roots[i:]), &slots, &at)
		if c.plain {
			s := out[0]
			for _, n := range &at {
				s += p.value[n]
			}
			out[0] = s
			continue
		}
		for j, n := range &at {
			c.e.addValue(c.e.Trees[i+j], p.value[n], out)
		}
	}
	for ; i < len(p.roots); i++ {
		n := p.roots[i]
		for next := step(p.nodes[n], &slots); next != n; next = step(p.nodes[n], &slots) {
			n = next
		}
		c.e.addValue(c.e.Trees[i], p.value[n], out)
	}
	c.e.finish(out)
}

// walk8 walks eight trees down to their leaves.
func (p *packed) walk8(roots *[8]uint32, slots *[mostSlots]uint32, at *[8]uint32) {
	nodes := p.nodes
	a, b, c, d := roots[0], roots[1], roots[2], roots[3]
	e, f, g, h := roots[4], roots[5], roots[6], roots[7]
	for {
		a1, b1 := step(nodes[a], slots), step(nodes[b], slots)
		c1, d1 := step(nodes[c], slots), step(nodes[d], slots)
		e1, f1 := step(nodes[e], slots), step(nodes[f], slots)
		g1, h1 := step(nodes[g], slots), step(nodes[h], slots)
		moved := (a ^ a1) | (b ^ b1) | (c ^ c1) | (d ^ d1) | (e ^ e1) | (f ^ f1) | (g ^ g1) | (h ^ h1)
		if moved == 0 {
			break
		}
		a, b, c, d, e, f, g, h = a1, b1, c1, d1, e1, f1, g1, h1
	}
	*at = [8]uint32{a, b, c, d, e, f, g, h}
}

// batchRanks is how many ranks of a batch are at hand at a time, within 32 and
// 1024 rows' ones: 64 KiB.
const batchRanks = 1 << 14

// walkRows answers many rows, tree by tree and eight rows at a time.
func (c *Compiled) walkRows(x, out []float64, rows int) {
	p, f, o := c.walk, c.e.Features, c.e.Outputs
	batchOf := min(max(batchRanks/max(p.slots, 1), 32), 1024, rows)
	ranks := make([]uint32, batchOf*p.slots+mostSlots)
	for from := 0; from < rows; from += batchOf {
		n := min(batchOf, rows-from)
		to := out[from*o : (from+n)*o]
		for i := range n {
			p.rankRow(&c.ranks, x[(from+i)*f:(from+i+1)*f], ranks[i*p.slots:(i+1)*p.slots])
			copy(to[i*o:(i+1)*o], c.e.Base)
		}
		for t := range p.roots {
			c.walkTree(t, ranks, to, n)
		}
		for i := range n {
			c.e.finish(to[i*o : (i+1)*o])
		}
	}
}

// walkTree adds one tree to the scores of n rows.
func (c *Compiled) walkTree(t int, ranks []uint32, out []float64, n int) {
	p, o := c.walk, c.e.Outputs
	tree, root := c.e.Trees[t], p.roots[t]
	var at [8]uint32
	i := 0
	for ; i+8 <= n; i += 8 {
		p.walk8Rows(root, ranks[i*p.slots:], &at)
		if c.plain {
			for j, n := range &at {
				out[(i+j)*o] += p.value[n]
			}
			continue
		}
		for j, n := range &at {
			c.e.addValue(tree, p.value[n], out[(i+j)*o:(i+j+1)*o])
		}
	}
	for ; i < n; i++ {
		r, at := (*[mostSlots]uint32)(ranks[i*p.slots:]), root
		for next := step(p.nodes[at], r); next != at; next = step(p.nodes[at], r) {
			at = next
		}
		c.e.addValue(tree, p.value[at], out[i*o:(i+1)*o])
	}
}

// walk8Rows walks eight rows, whose ranks follow each other, down one tree.
func (p *packed) walk8Rows(root uint32, ranks []uint32, at *[8]uint32) {
	nodes, s := p.nodes, uint64(p.slots)
	a, b, c, d, e, f, g, h := root, root, root, root, root, root, root, root
	for {
		a1, b1 := stepAt(nodes[a], ranks, 0), stepAt(nodes[b], ranks, s)
		c1, d1 := stepAt(nodes[c], ranks, 2*s), stepAt(nodes[d], ranks, 3*s)
		e1, f1 := stepAt(nodes[e], ranks, 4*s), stepAt(nodes[f], ranks, 5*s)
		g1, h1 := stepAt(nodes[g], ranks, 6*s), stepAt(nodes[h], ranks, 7*s)
		moved := (a ^ a1) | (b ^ b1) | (c ^ c1) | (d ^ d1) | (e ^ e1) | (f ^ f1) | (g ^ g1) | (h ^ h1)
		if moved == 0 {
			break
		}
		a, b, c, d, e, f, g, h = a1, b1, c1, d1, e1, f1, g1, h1
	}
	*at = [8]uint32{a, b, c, d, e, f, g, h}
}

// stepAt is step for a row whose ranks start at row.
func stepAt(n uint64, ranks []uint32, row uint64) uint32 {
	key := n >> 32
	return uint32(n) + uint32((key-uint64(ranks[row+key&0xff]))>>63)
}
