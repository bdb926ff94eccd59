package boosting

import "math"

// split is the best way found to cut a node in two.
type split struct {
	gain   float64 // what the objective falls by, in fixed-point units; 0: there is none
	column int     // in lane order
	bin    int     // numeric: bins 1…bin go left
	left   totals
	// missingLeft says where missing values go; where the node has none, with
	// the child of more rows.
	missingLeft bool
	set         *[4]uint64 // categorical: bins that go left, missing values among them; nil: numeric
}

// rules are what a split must keep to. The regularisers are in the units of the
// fixed-point sums.
type rules struct {
	minRows    int64
	minHessian int64
	minGain    float64
	l1, l2     float64
	catL2      float64 // added to l2 where a set of categories splits
	minGroup   int64   // rows that a further category must bring along
}

// The second-order gain of a split with sums G (of negative gradients) and H (of
// hessians), from Chen and Guestrin, "XGBoost: A Scalable Tree Boosting System"
// (2016), equation 7 without the factor ½, and with L1 as in LightGBM:
//
//	s(GL)²/(HL+λ2) + s(GR)²/(HR+λ2) − s(G)²/(H+λ2),  s(x) = sign(x)·max(|x|−λ1, 0)
func (r *rules) score(gradient, hessian int64, l2 float64) float64 {
	g := r.soft(float64(gradient))
	return g * g / (float64(hessian) + l2)
}

func (r *rules) soft(g float64) float64 {
	switch {
	case g > r.l1:
		return g - r.l1
	case g < -r.l1:
		return g + r.l1
	default:
		return 0
	}
}

// gain is the formula above.
func (r *rules) gain(all, left totals, l2 float64) float64 {
	right := all.minus(left)
	return r.score(left.gradient, left.hessian, l2) + r.score(right.gradient, right.hessian, l2) - r.score(all.gradient, all.hessian, r.l2)
}

// better orders splits; of equal ones the lower feature wins, so that neither
// the grouping of columns nor the order of the search shows in the model.
func (d *binned) better(a, b *split) bool {
	if a.gain != b.gain {
		return a.gain > b.gain
	}
	return a.gain > 0 && d.columns[a.column].feature < d.columns[b.column].feature
}

// best searches the histogram of a node for its best split over the columns that
// are allowed.
func (h *histograms) best(slot int, all totals, r *rules, allowed []bool, active []bool) split {
	groups := h.data.groups
	found := make([]split, len(groups))
	search := func(g int) {
		if active[g] {
			found[g] = h.bestOfGroup(slot, g, all, r, allowed)
		}
	}
	if len(groups) >= 2*parallelGroups {
		h.team.run(len(groups), search)
	} else {
		for g := range groups {
			search(g)
		}
	}
	var best split
	for g := range found {
		if h.data.better(&found[g], &best) {
			best = found[g]
		}
	}
	return best
}

// parallelGroups is how many groups' searches are worth a hand-over.
const parallelGroups = 8

func (h *histograms) bestOfGroup(slot, g int, all totals, r *rules, allowed []bool) split {
	group := &h.data.groups[g]
	words := h.slot(slot)[group.offset : group.offset+group.bins*lanes*h.layout.words]
	var scans groupScan
	scanned := h.scanGroup(words, group.bins, all, r, &scans)
	var best split
	for k := range group.columns {
		c := g*lanes + k
		if !allowed[c] {
			continue
		}
		col := &h.data.columns[c]
		var found split
		if col.codes != nil {
			found = h.bestSet(words[k*h.layout.words:], col, all, r)
		} else {
			found = h.bestEdge(words, k, all, r, scanned)
		}
		found.column = c
		if found.gain > r.minGain && h.data.better(&found, &best) {
			best = found
		}
	}
	return best
}

// bestEdge searches the edges of the numeric column in a lane, with missing values
// left and, where there are any, right.
func (h *histograms) bestEdge(words []int64, lane int, all totals, r *rules, scanned *groupScan) split {
	at := lane * h.layout.words
	none := h.unpack(words[at], words[at+h.layout.words-1]).rows
	best := h.scan(words, lane, all, r, scanned, true)
	best.missingLeft = true
	if none > 0 {
		if found := h.scan(words, lane, all, r, scanned, false); found.gain > best.gain {
			best = found
		}
	} else if best.gain > 0 {
		best.missingLeft = 2*best.left.rows >= all.rows
	}
	return best
}

// scan searches the edges with missing values on one side.
func (h *histograms) scan(words []int64, lane int, all totals, r *rules, scanned *groupScan, missingLeft bool) split {
	var bin int
	var left totals
	words = words[lane*h.layout.words:]
	switch {
	case scanned != nil:
		bin, left = scanned[side(missingLeft)].found(h.layout, lane)
	case r.l1 > 0:
		bin, left = h.scanL1(words, all, r, missingLeft)
	case h.layout.words == narrow:
		bin, left = h.scanNarrow(words, all, r, missingLeft)
	default:
		bin, left = h.scanWide(words, all, r, missingLeft)
	}
	if bin == 0 {
		return split{}
	}
	return split{gain: r.gain(all, left, r.l2), bin: bin, left: left}
}

// scanNarrow finds the bin after which to cut, 0 where there is none. With
// a = HL+λ, b = HR+λ, A = a+b and d = GL − a·G/A, the gain is d²·A/(a·b) plus what
// is the same for every edge of a node, so that two edges compare by d²/(a·b)
// without a division.
func (h *histograms) scanNarrow(words []int64, all totals, r *rules, missingLeft bool) (int, totals) {
	shift, mask := h.counts, h.mask()
	whole := float64(all.hessian) + 2*r.l2
	mean := float64(all.gradient) / whole
	sum, bestSum, bestBin, bestNum, bestDen := int64(0), int64(0), 0, 0.0, 1.0
	if missingLeft {
		sum = words[0]
	}
	most := all.rows - r.minRows
	for b, at := 1, lanes; at < len(words); b, at = b+1, at+lanes {
		sum += words[at]
		n := sum & mask
		if n < r.minRows {
			continue
		}
		if n > most {
			break
		}
		a := float64(n) + r.l2
		d := float64(sum>>shift) - float64(mean*a)
		num, den := float64(d*d), float64(a*(whole-a))
		if float64(num*bestDen) > float64(bestNum*den) {
			bestNum, bestDen, bestBin, bestSum = num, den, b, sum
		}
	}
	return bestBin, h.unpack(bestSum, 0)
}

// scanWide is scanNarrow with hessians of their own.
func (h *histograms) scanWide(words []int64, all totals, r *rules, missingLeft bool) (int, totals) {
	shift, mask := h.counts, h.mask()
	whole := float64(all.hessian) + 2*r.l2
	mean := float64(all.gradient) / whole
	var first, second, bestFirst, bestSecond int64
	if missingLeft {
		first, second = words[0], words[1]
	}
	bestBin, bestNum, bestDen := 0, 0.0, 1.0
	mostRows, mostHessian := all.rows-r.minRows, all.hessian-r.minHessian
	for b, at := 1, 2*lanes; at < len(words); b, at = b+1, at+2*lanes {
		first += words[at]
		second += words[at+1]
		n, hessian := second&mask, second>>shift
		if n < r.minRows || hessian < r.minHessian {
			continue
		}
		if n > mostRows || hessian > mostHessian {
			break
		}
		a := float64(hessian) + r.l2
		d := float64(first) - float64(mean*a)
		num, den := float64(d*d), float64(a*(whole-a))
		if float64(num*bestDen) > float64(bestNum*den) {
			bestNum, bestDen, bestBin, bestFirst, bestSecond = num, den, b, first, second
		}
	}
	return bestBin, h.unpack(bestFirst, bestSecond)
}

// scanL1 compares full gains, for any layout.
func (h *histograms) scanL1(words []int64, all totals, r *rules, missingLeft bool) (int, totals) {
	var first, second int64
	best, bestBin, bestGain := totals{}, 0, 0.0
	for b, at := 0, 0; at < len(words); b, at = b+1, at+lanes*h.layout.words {
		if b > missing || missingLeft {
			first += words[at]
			if h.layout.words == wide {
				second += words[at+1]
			}
		}
		left := h.unpack(first, second)
		if b == missing || !r.fits(all, left) {
			continue
		}
		if gain := r.gain(all, left, r.l2); gain > bestGain {
			best, bestBin, bestGain = left, b, gain
		}
	}
	return bestBin, best
}

// fits reports whether both sides of a split have enough rows and hessian.
func (r *rules) fits(all, left totals) bool {
	right := all.minus(left)
	return min(left.rows, right.rows) >= r.minRows && min(left.hessian, right.hessian) >= r.minHessian
}

// value is the leaf value that minimises the second-order objective: −g/(h+λ2)
// with the gradient shrunk towards 0 by λ1, in fixed-point units.
func (r *rules) value(t totals) float64 {
	den := float64(t.hessian) + r.l2
	if den <= 0 || math.IsInf(den, 0) {
		return 0
	}
	return r.soft(float64(t.gradient)) / den
}
