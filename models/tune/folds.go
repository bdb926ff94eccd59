package tune

import (
	"cmp"
	"math"
	"slices"

	"github.com/perennial-ml/perennial/stats"
)

// Folds splits n rows into k folds for cross-validation and gives the test rows
// of each, ascending; every row is in exactly one fold.
//
// y holds the class of each row, or is nil; with classes each fold gets its
// share of every class (the counts of a class differ by at most one between
// folds where rows aren't grouped). groups holds a group name for each row, or
// is nil; rows of one group always share a fold. With fewer than k groups (or
// rows) there are fewer folds; callers need at least two.
//
// Rows are dealt greedily, as scikit-learn's StratifiedGroupKFold does: groups
// in random order, largest first, each to the fold where the sum over classes of
// (share of the class in the fold)² grows least; on a tie the fold with fewest
// rows, then the first. The result depends on the arguments alone. Folds panics
// where y or groups have another length than n.
func Folds(n int, y []float64, groups []string, k int, seed int64) [][]int {
	members, classes := group(n, groups), classesOf(n, y)
	random := stats.NewRand(seed, 0)
	random.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
	slices.SortStableFunc(members, func(a, b []int) int { return cmp.Compare(len(b), len(a)) })

	k = min(k, len(members))
	if k < 1 {
		return nil
	}
	d := newDealer(k, classes)
	folds := make([][]int, k)
	for _, rows := range members {
		f := d.deal(rows)
		folds[f] = append(folds[f], rows...)
	}
	for _, rows := range folds {
		slices.Sort(rows)
	}
	return folds
}

// group gives the rows of each group in order of appearance; without groups
// every row is its own.
func group(n int, groups []string) [][]int {
	out := make([][]int, 0, n)
	if groups == nil {
		for row := range n {
			out = append(out, []int{row})
		}
		return out
	}
	index := map[string]int{}
	for row := range n {
		g, ok := index[groups[row]]
		if !ok {
			g = len(out)
			index[groups[row]] = g
			out = append(out, nil)
		}
		out[g] = append(out[g], row)
	}
	return out
}

// classesOf numbers the classes in order of appearance; without y all rows are
// of class 0.
func classesOf(n int, y []float64) []int {
	out := make([]int, n)
	if y == nil {
		return out
	}
	index := map[uint64]int{}
	for row := range n {
		bits := math.Float64bits(y[row]) // by bits, so that NaN is a class too
		c, ok := index[bits]
		if !ok {
			c = len(index)
			index[bits] = c
		}
		out[row] = c
	}
	return out
}

// dealer keeps how many rows of each class each fold has.
type dealer struct {
	classes []int   // class of each row
	total   []int   // rows of each class
	folds   [][]int // fold × class
	rows    []int   // rows of each fold
	in      []int   // rows of each class in the group at hand
}

func newDealer(k int, classes []int) *dealer {
	n := slices.Max(classes) + 1
	d := &dealer{classes: classes, total: make([]int, n), folds: make([][]int, k), rows: make([]int, k), in: make([]int, n)}
	for _, c := range classes {
		d.total[c]++
	}
	for f := range d.folds {
		d.folds[f] = make([]int, n)
	}
	return d
}

func (d *dealer) deal(rows []int) int {
	var present []int
	for _, r := range rows {
		c := d.classes[r]
		if d.in[c] == 0 {
			present = append(present, c)
		}
		d.in[c]++
	}
	best, lowest := 0, math.Inf(1)
	for f, has := range d.folds {
		var cost float64
		for _, c := range present {
			before, after, all := float64(has[c]), float64(has[c]+d.in[c]), float64(d.total[c])
			cost += (after*after - before*before) / (all * all)
		}
		if cost < lowest || (cost == lowest && d.rows[f] < d.rows[best]) {
			best, lowest = f, cost
		}
	}
	for _, c := range present {
		d.folds[best][c] += d.in[c]
		d.in[c] = 0
	}
	d.rows[best] += len(rows)
	return best
}
