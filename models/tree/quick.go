package tree

import "math/bits"

// table is QuickScorer's form. The leaves of a tree are numbered from left to
// right. A split that sends a row right takes the leaves below its left child
// from those that the row can reach, and the leftmost one left is the row's. So
// for each feature and rank a table row keeps, tree by tree, a word with a bit
// per leaf that the feature's splits leave; their AND over the features is what
// is left at all.
type table struct {
	wide   bool       // a word of 64 bits per tree; otherwise two trees share one
	words  int        // per table row
	rows   [][]uint64 // per feature: one table row after another, ranks 0…keys, then NaN
	leaves []float64  // leafValue of 64 or 32 leaves per tree
}

const (
	tableBytes   = 32 << 20
	bytesPerNode = 512
	tableCols    = 64
)

// newTable builds the tables, nil where they would be too large or too slow.
func newTable(e *Ensemble, r *ranker) *table {
	most := 0
	for i, t := range e.Trees {
		most = max(most, (e.end(i)-int(t.Root)+1)/2)
	}
	if most > 64 || len(r.features) > tableCols || len(e.Trees) == 0 {
		return nil
	}
	t := &table{wide: most > 32, words: (len(e.Trees) + 1) / 2}
	if t.wide {
		t.words = len(e.Trees)
	}
	size := 0
	for _, k := range r.keys {
		size += 8 * t.words * (len(k) + 2)
	}
	if size > tableBytes || size > bytesPerNode*len(e.Nodes)+1<<14 {
		return nil
	}
	for _, k := range r.keys {
		rows := make([]uint64, t.words*(len(k)+2))
		for i := range rows {
			rows[i] = ^uint64(0)
		}
		t.rows = append(t.rows, rows)
	}
	t.leaves = make([]float64, len(e.Trees)*t.stride())
	for i := range e.Trees {
		t.addTree(e, r, i)
	}
	// A numeric split was noted at the first rank that it sends right, and holds
	// for all above it.
	for c, k := range r.keys {
		rows := t.rows[c]
		for i := t.words; i < t.words*(len(k)+1); i++ {
			rows[i] &= rows[i-t.words]
		}
	}
	t.addSets(e, r)
	return t
}

func (t *table) stride() int {
	if t.wide {
		return 64
	}
	return 32
}

// clears gives the word that takes the leaves from first to end from a tree.
func (t *table) clears(tree, first, end int) (word int, mask uint64) {
	gone := (^uint64(0) << first) &^ (^uint64(0) << end)
	if t.wide {
		return tree, ^gone
	}
	return tree / 2, ^(gone << (32 * (tree & 1)))
}

// addTree numbers the leaves of a tree and notes its numeric splits.
func (t *table) addTree(e *Ensemble, r *ranker, i int) {
	t.eachSplit(e, i, func(n *Node, first, end int) {
		c := r.place[n.feature()]
		keys, rows := len(r.keys[c]), t.rows[c]
		word, mask := t.clears(i, first, end)
		if n.Feature&nanRight != 0 {
			rows[(keys+1)*t.words+word] &= mask
		}
		if n.Feature&isSet == 0 {
			rows[(r.rankOf(n)+1)*t.words+word] &= mask
		}
	})
}

// addSets notes the splits by categories, rank by rank.
func (t *table) addSets(e *Ensemble, r *ranker) {
	if !r.sets {
		return
	}
	for i := range e.Trees {
		t.eachSplit(e, i, func(n *Node, first, end int) {
			if n.Feature&isSet == 0 {
				return
			}
			c := r.place[n.feature()]
			word, mask := t.clears(i, first, end)
			inside, at := false, 0
			bounds := boundaries(e.set(n))
			for k := 0; k <= len(r.keys[c]); k++ {
				if !inside {
					t.rows[c][k*t.words+word] &= mask
				}
				if at < len(bounds) && k < len(r.keys[c]) && r.keys[c][k] == bounds[at] {
					inside, at = !inside, at+1
				}
			}
		})
	}
}

// eachSplit calls f for each split of a tree with the range of leaves below its
// left child, and puts the leaves' values where they belong.
func (t *table) eachSplit(e *Ensemble, tree int, f func(n *Node, first, end int)) {
	leaves := 0
	var walk func(at int32)
	walk = func(at int32) {
		n := &e.Nodes[at]
		if n.Feature == leaf {
			t.leaves[tree*t.stride()+leaves] = e.leafValue(e.Trees[tree], n)
			leaves++
			return
		}
		first := leaves
		walk(n.Child)
		f(n, first, leaves)
		walk(n.Child + 1)
	}
	walk(e.Trees[tree].Root)
}

// block is how many words are worked on at a time.
const block = 64

// lookUp answers one row by the tables.
func (c *Compiled) lookUp(x, out []float64) {
	t := c.table
	var at [tableCols]int // where the feature's table row starts
	for i, f := range c.ranks.features {
		keys := c.ranks.keys[i]
		k := len(keys) + 1
		if v := x[f]; v == v {
			k = rank(keys, v)
		}
		at[i] = k * t.words
	}
	copy(out, c.e.Base)
	var left [block]uint64
	for from := 0; from < t.words; from += block {
		n := min(block, t.words-from)
		t.reachable(left[:n], &at, from)
		switch {
		case !c.plain:
			c.addLeaves(left[:n], from, out)
		case t.wide:
			out[0] = t.sumWide(left[:n], from, out[0])
		default:
			out[0] = t.sumNarrow(left[:n], from, out[0])
		}
	}
	c.e.finish(out)
}

// reachable computes the AND of all features' words from the given one on.
func (t *table) reachable(left []uint64, at *[tableCols]int, from int) {
	for i := range left {
		left[i] = ^uint64(0)
	}
	rows, n := t.rows, len(left)
	i := 0
	for ; i+4 <= len(rows); i += 4 {
		a := rows[i][at[i&63]+from:][:n]
		b := rows[i+1][at[(i+1)&63]+from:][:n]
		c := rows[i+2][at[(i+2)&63]+from:][:n]
		d := rows[i+3][at[(i+3)&63]+from:][:n]
		for j := range left {
			left[j] &= a[j] & b[j] & c[j] & d[j]
		}
	}
	for ; i < len(rows); i++ {
		a := rows[i][at[i&63]+from:][:n]
		for j := range left {
			left[j] &= a[j]
		}
	}
}

func (t *table) sumNarrow(left []uint64, from int, sum float64) float64 {
	leaves := t.leaves[64*from:]
	if odd := len(leaves) < 64*len(left); odd {
		sum = t.sumNarrow(left[:len(left)-1], from, sum)
		return sum + leaves[64*(len(left)-1)+bits.TrailingZeros32(uint32(left[len(left)-1]))&31]
	}
	for j, w := range left {
		l := leaves[64*j:][:64]
		sum += l[bits.TrailingZeros32(uint32(w))&31]
		sum += l[32|bits.TrailingZeros32(uint32(w>>32))&31]
	}
	return sum
}

func (t *table) sumWide(left []uint64, from int, sum float64) float64 {
	leaves := t.leaves[64*from:]
	for j, w := range left {
		sum += leaves[64*j:][:64][bits.TrailingZeros64(w)&63]
	}
	return sum
}

// addLeaves adds what the trees of some words say, for any number of scores.
func (c *Compiled) addLeaves(left []uint64, from int, out []float64) {
	t, trees := c.table, c.e.Trees
	for j, w := range left {
		at := from + j
		if t.wide {
			c.e.addValue(trees[at], t.leaves[64*at+bits.TrailingZeros64(w)&63], out)
			continue
		}
		c.e.addValue(trees[2*at], t.leaves[64*at+bits.TrailingZeros32(uint32(w))&31], out)
		if 2*at+1 < len(trees) {
			c.e.addValue(trees[2*at+1], t.leaves[64*at+32+bits.TrailingZeros32(uint32(w>>32))&31], out)
		}
	}
}
