package boosting

// laneScan is what the assembly reads and writes; it knows the offsets. Sums are
// the gradient words, or where a row has one word, that.
type laneScan struct {
	words       *int64
	bins        int64
	minRows     int64
	mostRows    int64
	mask        int64
	shift       int64
	l2          float64
	whole, mean float64
	sum         [lanes]int64 // the sums to start with
	bestSum     [lanes]int64
	bestBin     [lanes]int64 // 0: none

	// Where a row has two words:
	minHessian  int64
	mostHessian int64
	hessian     [lanes]int64 // the sums of the second word to start with
	bestHessian [lanes]int64
}

// groupScan holds the scans of a group with missing values left and right.
type groupScan [2]laneScan

func side(missingLeft bool) int {
	if missingLeft {
		return 0
	}
	return 1
}

// place is where the assembly keeps a column of its group: two words are told
// apart by instructions that take turns between the halves of a group.
func (l layout) place(lane int) int {
	if l.words == narrow {
		return lane
	}
	return lane%(lanes/2)*2 + lane/(lanes/2)
}

// found gives the bin after which to cut a column, 0 where there is none.
func (s *laneScan) found(l layout, lane int) (bin int, left totals) {
	k := l.place(lane)
	return int(s.bestBin[k]), l.unpack(s.bestSum[k], s.bestHessian[k])
}

// scanGroup scans all columns of a group at once; nil where the processor or the
// rules need it one by one.
func (h *histograms) scanGroup(words []int64, bins int, all totals, r *rules, s *groupScan) *groupScan {
	if !h.lanes || r.l1 > 0 {
		return nil
	}
	whole := float64(all.hessian) + 2*r.l2
	left, right := &s[side(true)], &s[side(false)]
	*left = laneScan{
		words: &words[0], bins: int64(bins), minRows: r.minRows, mostRows: all.rows - r.minRows, mask: h.mask(), shift: int64(h.counts),
		l2: r.l2, whole: whole, mean: float64(all.gradient) / whole, minHessian: r.minHessian, mostHessian: all.hessian - r.minHessian,
	}
	*right = *left
	width := h.layout.words
	var some int64
	for lane := range lanes {
		k, at := h.place(lane), lane*width
		left.sum[k], left.hessian[k] = words[at], words[at+width-1]
		some |= words[at+width-1] & h.mask()
	}
	left.run(h.layout)
	if some != 0 {
		right.run(h.layout)
	}
	return s
}

func (s *laneScan) run(l layout) {
	if l.words == narrow {
		scanNarrowAVX512(s)
	} else {
		scanWideAVX512(s)
	}
}
