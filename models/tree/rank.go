package tree

import (
	"math"
	"math/bits"
	"slices"
)

// ranker replaces values by ranks. Only features that the trees ask for take
// part.
type ranker struct {
	features []int     // ascending
	keys     [][]int64 // of each: orderKey of its distinct thresholds, ascending
	place    []int32   // of every feature: where it is in features
	sets     bool      // some splits are by categories
}

// mostThresholds keeps a rank below 2²⁴−1.
const mostThresholds = 1<<24 - 2

// newRanker collects the thresholds: of numeric splits, and where membership of
// a set changes. ok is false where there are too many.
func newRanker(e *Ensemble) (r ranker, ok bool) {
	r.place = make([]int32, e.Features)
	keys := make([][]int64, e.Features)
	edges := make([]edges, e.Features)
	for i := range e.Nodes {
		n := &e.Nodes[i]
		if n.Feature == leaf {
			continue
		}
		f := n.feature()
		if n.Feature&isSet == 0 {
			keys[f] = append(keys[f], orderKey(n.Threshold))
			continue
		}
		r.sets = true
		edges[f].add(e.set(n))
	}
	for f, k := range keys {
		if k = edges[f].keys(k); len(k) == 0 {
			continue
		}
		slices.Sort(k)
		k = slices.Clip(slices.Compact(k))
		if len(k) > mostThresholds {
			return ranker{}, false
		}
		r.place[f] = int32(len(r.features))
		r.features, r.keys = append(r.features, f), append(r.keys, k)
	}
	return r, true
}

// edges collects where membership of any of a feature's sets changes, a bit per
// code, since many sets share most of their boundaries.
type edges struct {
	bits  []uint64
	asked bool // by a set, maybe one without a boundary
}

func (d *edges) add(set []uint64) {
	d.asked = true
	for len(d.bits) <= len(set) {
		d.bits = append(d.bits, 0)
	}
	carry := uint64(0)
	for i, w := range set {
		d.bits[i] |= w ^ (w<<1 | carry)
		carry = w >> 63
	}
	d.bits[len(set)] |= carry
}

// keys appends the boundaries' keys; a feature that is asked for has at least one.
func (d *edges) keys(k []int64) []int64 {
	for i, w := range d.bits {
		for ; w != 0; w &= w - 1 {
			k = append(k, boundary(64*i+bits.TrailingZeros64(w)))
		}
	}
	if d.asked && len(k) == 0 { // for NaN
		k = append(k, orderKey(math.Inf(1)))
	}
	return k
}

// boundary is the key of the greatest value below a code. Values are truncated to
// codes, so code c starts above the number before c, and code 0 above −1.
func boundary(c int) int64 {
	if c == 0 {
		return orderKey(-1)
	}
	return orderKey(math.Nextafter(float64(c), -1))
}

// boundaries gives the keys between which all values are in a set or all are
// not: the first range is outside of it, the next inside, and so on.
func boundaries(set []uint64) []int64 {
	d := edges{}
	d.add(set)
	d.asked = false
	return d.keys(nil)
}

// rank counts the keys below v, which isn't NaN.
func rank(keys []int64, v float64) int {
	k := orderKey(v)
	at := 0
	for n := len(keys); n > 1; {
		half := n >> 1
		if keys[at+half-1] < k {
			at += half
		}
		n -= half
	}
	if keys[at] < k {
		at++
	}
	return at
}

// rankOf finds the rank of a threshold, which is among the keys: a value goes
// right where its rank is larger.
func (r *ranker) rankOf(n *Node) int {
	i, _ := slices.BinarySearch(r.keys[r.place[n.feature()]], orderKey(n.Threshold))
	return i
}
