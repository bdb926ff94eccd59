package boosting

import (
	"sync/atomic"
)

// A gradient word is a fixed-point number: sums of integers are exact and don't
// depend on their order, so a histogram is the same for any number of threads,
// and parent minus child is the sibling to the last bit.
//
// Where every row's hessian is 1, one word holds both: the gradient in the high
// bits, the number of rows in the low bits. Otherwise a row has two words,
// the gradient alone and the hessian above the number of rows.
const (
	narrow = 1
	wide   = 2
)

const (
	block    = 512         // rows per turn of a group: their records stay in the first-level cache
	fullSlot = 256 * lanes // int64 words of a group's histogram with all bins, narrow
)

// layout says how gradient words are packed.
type layout struct {
	words  int  // narrow or wide
	counts uint // low bits that count rows
}

func (l layout) mask() int64 { return 1<<l.counts - 1 }

// totals are the sums over a node's rows, in fixed point.
type totals struct{ gradient, hessian, rows int64 }

func (a totals) minus(b totals) totals {
	return totals{a.gradient - b.gradient, a.hessian - b.hessian, a.rows - b.rows}
}

// unpack splits summed words; narrow has no second one.
func (l layout) unpack(first, second int64) totals {
	if l.words == narrow {
		n := first & l.mask()
		return totals{first >> l.counts, n, n}
	}
	return totals{first, second >> l.counts, second & l.mask()}
}

// histograms holds slots, each with the histogram of one node.
type histograms struct {
	layout
	data    *binned
	team    *team
	lanes   bool // eight columns may be scanned at once
	ahead   bool // sums fetch the records of later rows themselves
	words   []int64
	scratch []int64 // one slot per worker but the first
	free    []int
}

func newHistograms(d *binned, l layout, team *team, slots int) *histograms {
	pad := fullSlot * l.words // so that a kernel may see every group as one of 256 bins
	h := &histograms{layout: l, data: d, team: team, words: make([]int64, slots*d.slot+pad), scratch: make([]int64, (team.size-1)*d.slot+pad)}
	for s := range slots {
		h.free = append(h.free, slots-1-s)
	}
	return h
}

// slot gives a slot's words and the padding behind them.
func (h *histograms) slot(s int) []int64 { return h.words[s*h.data.slot:] }

// build sums the words of rows into a slot, for the groups that are active.
func (h *histograms) build(slot int, rows []int32, active []bool) {
	workers := h.team.workers(len(rows) * len(h.data.groups))
	h.parallel(slot, workers, (len(rows)+block-1)/block, func(to []int64, b int) {
		h.gather(to, rows[b*block:min((b+1)*block, len(rows))], active)
	})
}

// gather is add for rows that lie apart: where sums don't fetch ahead, and records
// have several groups and don't fit the second-level cache, it copies them first,
// so that many fetches from memory are under way at once.
func (h *histograms) gather(to []int64, rows []int32, active []bool) {
	const most = 8 // words of a record
	stride := h.data.stride
	if h.ahead || stride < 3 || stride > most || len(h.data.records) < 1<<16 {
		h.add(to, h.data.records, rows, active)
		return
	}
	var buffer [block * most]uint64
	for i, r := range rows {
		from := h.data.records[int(r)*stride:][:stride]
		to := buffer[i*stride:][:stride]
		for k, word := range from { //nolint:staticcheck // copy is a call, and slower for so few words
			to[k] = word
		}
	}
	h.add(to, buffer[:], oneByOne[:len(rows)], active)
}

// oneByOne is 0…block−1.
var oneByOne = func() (out [block]int32) {
	for i := range out {
		out[i] = int32(i)
	}
	return out
}()

// parallel clears a slot and lets workers sum pieces into it, each into words of
// its own that are added up at the end.
func (h *histograms) parallel(slot, workers, pieces int, f func(to []int64, piece int)) {
	var next atomic.Int64
	h.team.run(workers, func(worker int) {
		to := h.slot(slot)
		if worker > 0 {
			to = h.scratch[(worker-1)*h.data.slot:]
		}
		clear(to[:h.data.slot])
		for i := next.Add(1) - 1; i < int64(pieces); i = next.Add(1) - 1 {
			f(to, int(i))
		}
	})
	to := h.slot(slot)[:h.data.slot]
	for w := range workers - 1 {
		from := h.scratch[w*h.data.slot:][:len(to)]
		for i := range to {
			to[i] += from[i]
		}
	}
}

// subtract makes of the parent's histogram that of the sibling of child.
func (h *histograms) subtract(parent, child int, active []bool) {
	for g, on := range active {
		if !on {
			continue
		}
		lo := h.data.groups[g].offset
		hi := lo + h.data.groups[g].bins*lanes*h.layout.words
		p := h.slot(parent)[lo:hi]
		c := h.slot(child)[lo:hi][:len(p)]
		for i := range p {
			p[i] -= c[i]
		}
	}
}

// total sums all bins of a column, which is the sum over the node's rows.
func (h *histograms) total(slot, group int) totals {
	var first, second int64
	g := h.data.groups[group]
	for at, b := g.offset, 0; b < g.bins; b++ {
		first += h.slot(slot)[at]
		if h.layout.words == wide {
			second += h.slot(slot)[at+1]
		}
		at += lanes * h.layout.words
	}
	return h.unpack(first, second)
}

// add sums a block of rows of records into one slot.
func (h *histograms) add(to []int64, records []uint64, rows []int32, active []bool) {
	for g, on := range active {
		if !on {
			continue
		}
		at := to[h.data.groups[g].offset:]
		few := h.data.groups[g].columns <= lanes/2
		switch {
		case h.ahead:
			addAhead(&at[:fullSlot*h.layout.words][0], records, h.data.stride, g, rows, few, h.layout.words == wide)
		case h.layout.words == narrow && few:
			addNarrow4((*[fullSlot]int64)(at), records, h.data.stride, g, rows)
		case h.layout.words == narrow:
			addNarrow((*[fullSlot]int64)(at), records, h.data.stride, g, rows)
		default:
			addWide((*[2 * fullSlot]int64)(at), records, h.data.stride, g, rows)
		}
	}
}

// addNarrow adds each row's word to the bins of eight columns. The constant
// masks let the compiler leave out every bounds check of the sums.
func addNarrow(h *[fullSlot]int64, records []uint64, stride, group int, rows []int32) {
	for _, r := range rows {
		record := records[int(r)*stride:][:stride]
		x, w := record[group], int64(record[len(record)-1])
		h[x<<3&0x7f8] += w
		h[x>>5&0x7f8+1] += w
		h[x>>13&0x7f8+2] += w
		h[x>>21&0x7f8+3] += w
		h[x>>29&0x7f8+4] += w
		h[x>>37&0x7f8+5] += w
		h[x>>45&0x7f8+6] += w
		h[x>>53&0x7f8+7] += w
	}
}

// addNarrow4 is addNarrow for a group of at most four columns.
func addNarrow4(h *[fullSlot]int64, records []uint64, stride, group int, rows []int32) {
	for _, r := range rows {
		record := records[int(r)*stride:][:stride]
		x, w := record[group], int64(record[len(record)-1])
		h[x<<3&0x7f8] += w
		h[x>>5&0x7f8+1] += w
		h[x>>13&0x7f8+2] += w
		h[x>>21&0x7f8+3] += w
	}
}

// addWide adds each row's two words to the bins of eight columns.
func addWide(h *[2 * fullSlot]int64, records []uint64, stride, group int, rows []int32) {
	for _, r := range rows {
		record := records[int(r)*stride:][:stride]
		x, g, n := record[group], int64(record[len(record)-2]), int64(record[len(record)-1])
		h[x<<4&0xff0] += g
		h[x<<4&0xff0+1] += n
		h[x>>4&0xff0+2] += g
		h[x>>4&0xff0+3] += n
		h[x>>12&0xff0+4] += g
		h[x>>12&0xff0+5] += n
		h[x>>20&0xff0+6] += g
		h[x>>20&0xff0+7] += n
		h[x>>28&0xff0+8] += g
		h[x>>28&0xff0+9] += n
		h[x>>36&0xff0+10] += g
		h[x>>36&0xff0+11] += n
		h[x>>44&0xff0+12] += g
		h[x>>44&0xff0+13] += n
		h[x>>52&0xff0+14] += g
		h[x>>52&0xff0+15] += n
	}
}
