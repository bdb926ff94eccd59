package boosting

import "slices"

// LightGBM's defaults (docs/Parameters.rst: max_cat_to_onehot, cat_smooth,
// cat_l2, max_cat_threshold, min_data_per_group) for splits by category.
const (
	oneAgainstRest = 4   // up to so many categories, each is tried against the others
	catSmooth      = 10  // rows that a category must have, and hessian that its mean is shrunk by
	catL2          = 10  // added to l2
	mostInSet      = 32  // categories on the smaller side
	leastPerGroup  = 100 // rows that a further category must bring along; fewer on small data
)

// bestSet searches the sets of categories of a column. Sorted by mean gradient,
// the best set is a prefix (Fisher, "On Grouping for Maximum Homogeneity", 1958),
// so a node needs one sort instead of 2^k sets; as in Ke et al., "LightGBM: A
// Highly Efficient Gradient Boosting Decision Tree" (2017), the means are
// smoothed, prefixes from both ends are tried and kept short. Missing values are
// a category; codes that share a bin for being rare never are in a set.
func (h *histograms) bestSet(words []int64, col *column, all totals, r *rules) split {
	var buffer [256]category
	cs, occurring := h.categories(words, col, r, buffer[:0])
	var best split
	try := func(left totals, l2 float64, bins []category) {
		if !r.fits(all, left) {
			return
		}
		if gain := r.gain(all, left, l2); gain > best.gain {
			best = split{gain: gain, left: left, set: new([4]uint64)}
			for _, c := range bins {
				best.set[c.bin/64] |= 1 << (c.bin % 64)
			}
			best.missingLeft = best.set[0]&1 != 0
		}
	}
	if occurring <= oneAgainstRest {
		for i := range cs {
			try(cs[i].sum, r.l2, cs[i:i+1])
		}
		return best
	}
	cs = slices.DeleteFunc(cs, func(c category) bool { return c.sum.rows < catSmooth })
	slices.SortFunc(cs, func(a, b category) int {
		switch {
		case a.mean < b.mean:
			return -1
		case a.mean > b.mean:
			return 1
		default:
			return a.bin - b.bin
		}
	})
	for range 2 {
		var left totals
		held := int64(0)
		for i := range min(mostInSet, (len(cs)+1)/2) {
			s := cs[i].sum
			left = totals{left.gradient + s.gradient, left.hessian + s.hessian, left.rows + s.rows}
			held += s.rows
			if all.rows-left.rows < max(r.minGroup, r.minRows) {
				break
			}
			if held < r.minGroup || left.rows < r.minRows {
				continue
			}
			held = 0
			try(left, r.l2+r.catL2, cs[:i+1])
		}
		slices.Reverse(cs)
	}
	return best
}

// category is a bin of a categorical column in one node.
type category struct {
	bin  int
	sum  totals
	mean float64 // gradient over hessian, smoothed
}

// categories appends those of a node that may be in a set, and counts all that
// occur.
func (h *histograms) categories(words []int64, col *column, r *rules, cs []category) (_ []category, occurring int) {
	for b := range col.bins {
		at := b * lanes * h.layout.words
		var second int64
		if h.layout.words == wide {
			second = words[at+1]
		}
		sum := h.unpack(words[at], second)
		if sum.rows == 0 {
			continue
		}
		occurring++
		if b == missing || b != col.other {
			cs = append(cs, category{b, sum, float64(sum.gradient) / (float64(sum.hessian) + r.catSmooth())})
		}
	}
	return cs, occurring
}

// catSmooth is the smoothing in the units of the hessian: catL2 is the same
// number in those units.
func (r *rules) catSmooth() float64 { return r.catL2 * catSmooth / catL2 }
