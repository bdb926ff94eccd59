package boosting

import (
	"context"
	"math"
	"slices"

	"github.com/perennial-ml/perennial/models/tree"
	"github.com/perennial-ml/perennial/stats"
)

// missing is the bin of NaN in every column, numeric or categorical; values
// have bins from 1.
const missing = 0

const (
	lanes      = 8      // features whose bins share a 64-bit word
	edgeSample = 200000 // rows that edges are chosen from at most; LightGBM's bin_construct_sample_cnt
	binBlock   = 4096   // rows binned by one piece of work
)

// column is a feature cut into bins.
type column struct {
	feature int
	bins    int       // bin 0 included
	edges   []float64 // numeric: bin b ≥ 1 holds edges[b−2] < x ≤ edges[b−1], and the last one all above
	keys    []uint64  // the edges as sortable integers, padded to a power of two less one
	codes   []uint8   // categorical: code → bin; nil where numeric
	other   int       // categorical: bin of codes too rare for one of their own, never in a set; 0: none
}

// binned is a table cut into bins, twice: by column for partitions, and by row
// for histograms, where eight columns share a word and the row's gradient words
// stand beside them, so that a row costs one cache line.
type binned struct {
	rows, stride int
	columns      []column  // in lane order: lane k of group g is column 8g+k; most bins first
	byColumn     [][]uint8 // per column, rows bins
	records      []uint64  // rows × stride: a word per group, then the gradient words
	groups       []group
	slot         int // int64 words of a histogram
}

// group is up to eight columns whose histogram is laid out [bin][lane][word].
type group struct {
	offset  int // of its histogram in a slot, in int64 words
	bins    int // of its column with most bins
	columns int
}

// newBinned bins every column that isn't constant. words is the number of
// gradient words per row. It gives ctx's error where that ends.
func newBinned(ctx context.Context, t *tree.Table, maxBins, words int, seed int64, team *team) (*binned, error) {
	columns := make([]column, t.Cols)
	sample := sampleRows(t.Rows, seed)
	team.run(t.Cols, func(c int) {
		if ctx.Err() != nil {
			return
		}
		columns[c] = newColumn(t, c, maxBins, sample)
	})
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	columns = slices.DeleteFunc(columns, func(c column) bool { return c.bins < 3 && !hasMissing(t, c.feature) })
	slices.SortStableFunc(columns, func(a, b column) int { return b.bins - a.bins })
	d := &binned{rows: t.Rows, columns: columns}
	for at := 0; at < len(columns); at += lanes {
		g := group{offset: d.slot, bins: columns[at].bins, columns: min(lanes, len(columns)-at)}
		d.slot += g.bins * lanes * words
		d.groups = append(d.groups, g)
	}
	d.stride = len(d.groups) + words
	d.records = make([]uint64, d.rows*d.stride)
	all := make([]uint8, d.rows*len(columns))
	for c := range columns {
		d.byColumn = append(d.byColumn, all[c*d.rows:(c+1)*d.rows])
	}
	team.run((d.rows+binBlock-1)/binBlock, func(b int) {
		if ctx.Err() == nil {
			d.fill(t, b*binBlock, min((b+1)*binBlock, d.rows))
		}
	})
	return d, ctx.Err()
}

// hasMissing reports whether a column holds NaN.
func hasMissing(t *tree.Table, c int) bool {
	for i := c; i < len(t.X); i += t.Cols {
		if math.IsNaN(t.X[i]) {
			return true
		}
	}
	return false
}

// fill bins rows lo…hi−1.
func (d *binned) fill(t *tree.Table, lo, hi int) {
	for c := range d.columns {
		col, out := &d.columns[c], d.byColumn[c]
		at, shift := c/lanes, 8*(c%lanes)
		for r := lo; r < hi; r++ {
			b := col.bin(t.X[r*t.Cols+col.feature])
			out[r] = b
			d.records[r*d.stride+at] |= uint64(b) << shift
		}
	}
}

// sampleRows picks the rows that edges are chosen from: all, or one at random
// out of each of edgeSample equal stretches.
func sampleRows(rows int, seed int64) []int32 {
	n := min(rows, edgeSample)
	out := make([]int32, n)
	rng := stats.NewRand(seed, streamEdges)
	for i := range out {
		lo, hi := i*rows/n, (i+1)*rows/n
		out[i] = int32(lo + rng.IntN(hi-lo))
	}
	return out
}

func newColumn(t *tree.Table, c, maxBins int, sample []int32) column {
	if t.Categories != nil && t.Categories[c] > 0 {
		return newCategories(t, c, maxBins)
	}
	keys := make([]uint64, 0, len(sample))
	for _, r := range sample {
		if v := t.X[int(r)*t.Cols+c]; !math.IsNaN(v) {
			keys = append(keys, sortable(v))
		}
	}
	sortKeys(keys)
	edges := findEdges(keys, maxBins)
	col := column{feature: c, edges: edges, bins: len(edges) + 2}
	size := 1
	for size-1 < len(edges) {
		size *= 2
	}
	col.keys = make([]uint64, size-1)
	for i := range col.keys {
		col.keys[i] = math.MaxUint64
		if i < len(edges) {
			col.keys[i] = sortable(edges[i])
		}
	}
	return col
}

// bin gives the bin of a value that the column's table holds.
func (c *column) bin(v float64) uint8 {
	if math.IsNaN(v) {
		return missing
	}
	if c.codes != nil {
		return c.codes[int(v)]
	}
	k, at := sortable(v), 0
	for step := (len(c.keys) + 1) / 2; step > 0; step /= 2 {
		next := at + step
		if c.keys[next-1] < k {
			at = next
		}
	}
	return uint8(at + 1)
}

// newCategories gives each code that occurs a bin, in the order of codes. Where
// they are more than maxBins, the rarest share one.
func newCategories(t *tree.Table, c, maxBins int) column {
	counts := make([]int, t.Categories[c])
	for i := c; i < len(t.X); i += t.Cols {
		if v := t.X[i]; !math.IsNaN(v) {
			counts[int(v)]++
		}
	}
	var seen []int
	for code, n := range counts {
		if n > 0 {
			seen = append(seen, code)
		}
	}
	col := column{feature: c, codes: make([]uint8, len(counts)), bins: len(seen) + 1}
	if len(seen) > maxBins {
		slices.SortStableFunc(seen, func(a, b int) int { return counts[b] - counts[a] })
		seen = seen[:maxBins-1]
		slices.Sort(seen)
		col.bins, col.other = maxBins+1, maxBins
		for code := range col.codes {
			col.codes[code] = uint8(maxBins)
		}
	}
	for i, code := range seen {
		col.codes[code] = uint8(i + 1)
	}
	return col
}

// sortable maps a float64 that isn't NaN to an integer of the same order; both
// zeros are one.
func sortable(v float64) uint64 {
	b := math.Float64bits(v + 0) // −0 becomes 0
	return b ^ (uint64(int64(b)>>63) | 1<<63)
}

func fromSortable(k uint64) float64 {
	return math.Float64frombits(k ^ (uint64(^int64(k)>>63) | 1<<63))
}

// sortKeys sorts by the eight bytes of a key, least significant first (LSD radix
// sort), and leaves out bytes that are all equal.
func sortKeys(keys []uint64) {
	if len(keys) < 512 {
		slices.Sort(keys)
		return
	}
	var counts [8][256]int32
	for _, k := range keys {
		for b := range counts {
			counts[b][uint8(k>>(8*b))]++
		}
	}
	from, to := keys, make([]uint64, len(keys))
	for b := range counts {
		if counts[b][uint8(keys[0]>>(8*b))] == int32(len(keys)) {
			continue
		}
		var starts [256]int32
		sum := int32(0)
		for i, n := range counts[b] {
			starts[i] = sum
			sum += n
		}
		for _, k := range from {
			d := uint8(k >> (8 * b))
			to[starts[d]] = k
			starts[d]++
		}
		from, to = to, from
	}
	if &from[0] != &keys[0] {
		copy(keys, from)
	}
}

// findEdges cuts sorted keys into at most maxBins bins of about equally many
// rows, without splitting equal values; an edge lies midway between its
// neighbours. A value with more rows than a bin should have gets a bin of its
// own (LightGBM's GreedyFindBin, src/io/bin.cpp).
func findEdges(keys []uint64, maxBins int) []float64 {
	var values []uint64
	var counts []int
	for i, k := range keys {
		if i == 0 || k != keys[i-1] {
			values, counts = append(values, k), append(counts, 0)
		}
		counts[len(counts)-1]++
	}
	var edges []float64
	cut := func(i int) { edges = append(edges, between(fromSortable(values[i]), fromSortable(values[i+1]))) }
	if len(values) <= maxBins {
		for i := range len(values) - 1 {
			cut(i)
		}
		return edges
	}
	const minInBin = 3
	bins := max(2, min(maxBins, len(keys)/minInBin))
	large := float64(len(keys)) / float64(bins)
	restBins, restRows := bins, len(keys)
	for _, n := range counts {
		if float64(n) >= large {
			restBins--
			restRows -= n
		}
	}
	mean := float64(restRows) / float64(max(restBins, 1))
	held := 0
	for i := 0; i < len(values)-1 && len(edges) < bins-1; i++ {
		alone := float64(counts[i]) >= large
		if !alone {
			restRows -= counts[i]
		}
		held += counts[i]
		if alone || float64(held) >= mean || (float64(counts[i+1]) >= large && float64(held) >= max(1, mean/2)) {
			cut(i)
			held = 0
			if !alone {
				restBins--
				mean = float64(restRows) / float64(max(restBins, 1))
			}
		}
	}
	return edges
}

// between gives a number t with a ≤ t < b, midway where there is one.
func between(a, b float64) float64 {
	t := a/2 + b/2
	if !(t >= a && t < b) {
		return a
	}
	return t
}

// widen makes room for a second gradient word.
func (d *binned) widen() {
	old, stride := d.records, d.stride
	d.stride++
	d.records = make([]uint64, d.rows*d.stride)
	for r := range d.rows {
		copy(d.records[r*d.stride:], old[r*stride:][:len(d.groups)])
	}
	d.slot *= wide
	for g := range d.groups {
		d.groups[g].offset *= wide
	}
}
