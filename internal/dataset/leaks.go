package dataset

import (
	"cmp"
	"context"
	"fmt"
	"hash/maphash"
	"math"
	"slices"

	"github.com/perennial-ml/perennial"
)

// Leaks looks for signs that a model will score better on these rows than it can
// in service, and gives a sentence for each; none where all is well. They are
// warnings: each may be right as it is.
//
//   - held-out rows that have the same features as a training row, though another
//     key (an id) or group: equal keys can't stand on both sides
//   - a single feature that explains the target on the training rows: an R² above
//     0.99, or an area under the ROC curve above 0.999 for every class
//
// It stops between features once ctx has ended.
func Leaks(ctx context.Context, t *perennial.Table, by perennial.SplitKind, task perennial.Task, train, test []int) ([]string, error) {
	var told []string
	if _, named := t.Schema.ID(); named || by == perennial.SplitGroup { // else equal rows have equal keys
		if s := duplicates(t, train, test); s != "" {
			told = append(told, s)
		}
	}
	y, classes := targets(t, task)
	if y == nil {
		return told, nil
	}
	sample := thin(train, maxSample)
	for i, c := range t.Schema.Columns {
		if c.Role != perennial.RoleFeature {
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, perennial.Wrap("dataset.Leaks", err)
		}
		if len(told) == maxLeaks {
			return append(told, "There may be more of this kind."), nil
		}
		if how := explains(&t.Columns[i], sample, y, classes); how != "" {
			told = append(told, fmt.Sprintf("The feature %s alone explains the target (%s on training rows): is it known when a prediction is asked for? If not, give it role: ignore in the schema.", c.Name, how))
		}
	}
	return told, nil
}

// maxLeaks bounds what is told of one data set.
const maxLeaks = 10

// maxSample is how many training rows are looked at for each feature.
const maxSample = 100_000

// thin keeps at most n of the rows, evenly spaced.
func thin(rows []int, n int) []int {
	if len(rows) <= n {
		return rows
	}
	out := make([]int, n)
	for i := range out {
		out[i] = rows[i*len(rows)/n]
	}
	return out
}

// duplicates says how many held-out rows have the features of a training row.
func duplicates(t *perennial.Table, train, test []int) string {
	h := newRowHash(t)
	trained := make([]uint64, len(train))
	for i, r := range train {
		trained[i] = h.sum(r)
	}
	slices.Sort(trained)
	count, first := 0, -1
	for _, r := range test {
		if _, found := slices.BinarySearch(trained, h.sum(r)); found {
			if count++; first < 0 {
				first = r
			}
		}
	}
	if count == 0 {
		return ""
	}
	want, twin := h.sum(first), 0
	for _, r := range train {
		if h.sum(r) == want {
			twin = r
			break
		}
	}
	what := "rows have"
	if count == 1 {
		what = "row has"
	}
	return fmt.Sprintf("%d held-out %s the same features as a training row under another key (rows %d and %d of the data, counted from 0): the scores flatter the model on them. Split by group where they belong together.", count, what, first, twin)
}

// rowHash hashes the features of a row.
type rowHash struct {
	seed    maphash.Seed
	columns []*perennial.Series
}

func newRowHash(t *perennial.Table) *rowHash {
	h := &rowHash{seed: maphash.MakeSeed()}
	for i, c := range t.Schema.Columns {
		if c.Role == perennial.RoleFeature {
			h.columns = append(h.columns, &t.Columns[i])
		}
	}
	return h
}

func (h *rowHash) sum(r int) uint64 {
	sum := uint64(0)
	for _, s := range h.columns {
		bits := uint64(math.MaxUint64) // null
		switch {
		case s.Numbers == nil:
			bits = uint64(s.Codes[r]) //nolint:gosec // -1 is null
		case !math.IsNaN(s.Numbers[r]):
			bits = math.Float64bits(s.Numbers[r] + 0) // -0 and 0 are one value
		}
		sum = maphash.Comparable(h.seed, [2]uint64{sum, bits})
	}
	return sum
}

// targets gives the target of every row, classes as numbers from 0 (null is −1);
// nil where it is of another kind.
func targets(t *perennial.Table, task perennial.Task) (y []float64, classes int) {
	for i, c := range t.Schema.Columns {
		s := &t.Columns[i]
		switch {
		case c.Role != perennial.RoleTarget:
		case task == perennial.Regression:
			return s.Numbers, 0
		case s.Numbers == nil:
			y = make([]float64, len(s.Codes))
			for r, code := range s.Codes {
				y[r] = float64(code)
			}
			return y, len(s.Dict)
		}
	}
	return nil, 0
}

const (
	minExplained   = 50    // rows below which nothing is said
	maxBins        = 256   // of a number
	rowsPerBin     = 8     // at least, on average
	minClass       = 10    // rows of a class below which nothing is said
	explainedR2    = 0.99  // of the target's variance
	explainedAUC   = 0.999 // area under the ROC curve
	manyClasses    = 20    // above it nothing is said
	explainedHalfs = 2
)

// explains says how well a feature predicts the target by itself, "" for no better
// than it may. The feature is cut into bins; the mean target of each, learned on
// one half of the rows, predicts the other half, and the other way round, so that
// a feature with a value for each row explains nothing.
func explains(s *perennial.Series, rows []int, y []float64, classes int) string {
	rows = slices.DeleteFunc(slices.Clone(rows), func(r int) bool { return math.IsNaN(y[r]) || (classes > 0 && y[r] < 0) })
	if len(rows) < minExplained || classes > manyClasses {
		return ""
	}
	bins, n := binned(s, rows)
	if classes == 0 {
		if r2 := max(crossR2(bins, n, rows, y), correlation2(s, rows, y)); r2 > explainedR2 {
			return fmt.Sprintf("R² %.4f", r2)
		}
		return ""
	}
	least, looked := 1.0, 0
	for class := range classes {
		hit := make([]bool, len(rows))
		hits := 0
		for i, r := range rows {
			if hit[i] = y[r] == float64(class); hit[i] {
				hits++
			}
		}
		if hits == 0 {
			continue
		}
		if hits < minClass || len(rows)-hits < minClass {
			return ""
		}
		looked++
		if least = min(least, crossAUC(bins, n, hit)); least <= explainedAUC {
			return ""
		}
	}
	if looked < 2 {
		return ""
	}
	return fmt.Sprintf("AUC %.4f", least)
}

// binned gives the bin of each row: the category, or one of at most 256 parts of
// a number's range that hold about as many rows each; null is a bin of its own.
func binned(s *perennial.Series, rows []int) (bins []int, n int) {
	bins = make([]int, len(rows))
	if s.Numbers == nil {
		for i, r := range rows {
			bins[i] = int(s.Codes[r]) + 1
		}
		return bins, len(s.Dict) + 1
	}
	values := make([]float64, 0, len(rows))
	for _, r := range rows {
		if v := s.Numbers[r]; !math.IsNaN(v) {
			values = append(values, v)
		}
	}
	slices.Sort(values)
	parts := max(2, min(maxBins, len(values)/rowsPerBin))
	var edges []float64 // the first value of each bin but the first
	for p := 1; p < parts && len(values) > 0; p++ {
		if v := values[p*len(values)/parts]; v > values[0] && (len(edges) == 0 || v > edges[len(edges)-1]) {
			edges = append(edges, v)
		}
	}
	for i, r := range rows {
		if v := s.Numbers[r]; !math.IsNaN(v) {
			at, found := slices.BinarySearch(edges, v)
			if found {
				at++
			}
			bins[i] = at + 1
		}
	}
	return bins, len(edges) + 2
}

// crossR2 is the share of the target's variance that the bins' means explain,
// each half by the other's; a bin without rows predicts the half's mean.
func crossR2(bins []int, n int, rows []int, y []float64) float64 {
	sums, counts := [explainedHalfs][]float64{make([]float64, n), make([]float64, n)}, [explainedHalfs][]float64{make([]float64, n), make([]float64, n)}
	var total, size [explainedHalfs]float64
	for i, r := range rows {
		h := half(i)
		sums[h][bins[i]] += y[r]
		counts[h][bins[i]]++
		total[h] += y[r]
		size[h]++
	}
	mean := (total[0] + total[1]) / (size[0] + size[1])
	left, whole := 0.0, 0.0
	for i, r := range rows {
		o := 1 - half(i)
		guess := total[o] / size[o]
		if c := counts[o][bins[i]]; c > 0 {
			guess = sums[o][bins[i]] / c
		}
		left += (y[r] - guess) * (y[r] - guess)
		whole += (y[r] - mean) * (y[r] - mean)
	}
	if !(whole > 0) {
		return 0 // a constant target needs no explanation
	}
	return 1 - left/whole
}

// correlation2 is the squared correlation of a number with the target, which finds
// a straight line where rows are too few for bins; 0 for a category or with null.
func correlation2(s *perennial.Series, rows []int, y []float64) float64 {
	if s.Numbers == nil {
		return 0
	}
	n, mx, my := float64(len(rows)), 0.0, 0.0
	for _, r := range rows {
		mx += s.Numbers[r]
		my += y[r]
	}
	mx, my = mx/n, my/n
	xx, xy, yy := 0.0, 0.0, 0.0
	for _, r := range rows {
		dx, dy := s.Numbers[r]-mx, y[r]-my
		xx += dx * dx
		xy += dx * dy
		yy += dy * dy
	}
	if !(xx > 0 && yy > 0) { // NaN too
		return 0
	}
	return xy / xx * (xy / yy)
}

// half deals rows to two halves; rows in order of anything are mixed enough, as a
// bin is met in both.
func half(i int) int { return int(uint32(i) * 2654435761 >> 31) } //nolint:gosec // Knuth's multiplicative hash

// crossAUC is the mean over both halves of the area under the ROC curve of the
// share of hits in a row's bin, as the other half has it.
func crossAUC(bins []int, n int, hit []bool) float64 {
	var hits, counts [explainedHalfs][]float64
	for h := range hits {
		hits[h], counts[h] = make([]float64, n), make([]float64, n)
	}
	for i, b := range bins {
		h := half(i)
		counts[h][b]++
		if hit[i] {
			hits[h][b]++
		}
	}
	sum := 0.0
	for h := range hits {
		sum += auc(hits[h], counts[h], hits[1-h], counts[1-h])
	}
	return sum / explainedHalfs
}

// auc ranks bins by the share of hits that another half has in them.
func auc(hits, counts, otherHits, otherCounts []float64) float64 {
	all, total := 0.0, 0.0
	for b := range otherCounts {
		all += otherHits[b]
		total += otherCounts[b]
	}
	order, score := make([]int, len(counts)), make([]float64, len(counts))
	for b := range order {
		order[b], score[b] = b, all/total
		if otherCounts[b] > 0 {
			score[b] = otherHits[b] / otherCounts[b]
		}
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(score[a], score[b]) })
	below, area, positives := 0.0, 0.0, 0.0
	for i := 0; i < len(order); {
		tiedHits, tied := 0.0, 0.0
		for at := score[order[i]]; i < len(order) && score[order[i]] == at; i++ {
			tiedHits += hits[order[i]]
			tied += counts[order[i]] - hits[order[i]]
		}
		area += tiedHits * (below + tied/2)
		below += tied
		positives += tiedHits
	}
	if positives == 0 || below == 0 {
		return 0
	}
	return area / (positives * below)
}
