package tree

import (
	"math"
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
	bounds := 0
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
		before := len(keys[f])
		keys[f] = append(keys[f], boundaries(e.set(n))...)
		if len(keys[f]) == before { // asked for, for NaN
			keys[f] = append(keys[f], orderKey(math.Inf(1)))
		}
		if bounds += len(keys[f]) - before; bounds > maxGrowth*len(e.Nodes)+1024 {
			return ranker{}, false
		}
	}
	for f, k := range keys {
		if len(k) == 0 {
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

// boundaries gives the keys between which all values are in a set or all are
// not: the first range is outside of it, the next inside, and so on. Values are
// truncated to codes, so code c starts above the number before c, and code 0
// above −1.
func boundaries(set []uint64) []int64 {
	var out []int64
	was := uint64(0)
	for c := 0; c <= 64*len(set); c++ {
		is := uint64(0)
		if c < 64*len(set) {
			is = set[c>>6] >> (c & 63) & 1
		}
		if is == was {
			continue
		}
		was = is
		if c == 0 {
			out = append(out, orderKey(-1))
		} else {
			out = append(out, orderKey(math.Nextafter(float64(c), -1)))
		}
	}
	return out
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
