package boosting

// laneScan is what scanAVX512 reads and writes; the assembly knows its offsets.
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
}

// groupScan holds the scans of a group with missing values left and right.
type groupScan [2]laneScan

func side(missingLeft bool) int {
	if missingLeft {
		return 0
	}
	return 1
}

// scanGroup scans all columns of a group at once; nil where the processor, the
// layout or the rules need it one by one.
func (h *histograms) scanGroup(words []int64, bins int, all totals, r *rules, s *groupScan) *groupScan {
	if !h.lanes || h.layout.words != narrow || r.l1 > 0 {
		return nil
	}
	whole := float64(all.hessian) + 2*r.l2
	left := &s[side(true)]
	*left = laneScan{
		words: &words[0], bins: int64(bins), minRows: r.minRows, mostRows: all.rows - r.minRows, mask: h.mask(), shift: int64(h.counts),
		l2: r.l2, whole: whole, mean: float64(all.gradient) / whole,
	}
	right := &s[side(false)]
	*right = *left
	var some int64
	for k := range left.sum {
		left.sum[k] = words[k]
		some |= words[k] & h.mask()
	}
	scanAVX512(left)
	if some != 0 {
		scanAVX512(right)
	}
	return s
}
