package tree

import "math"

// random tries one random split of a feature, and reports whether the feature
// isn't constant in the node.
func (g *grower) random(c int, rows []uint32) bool {
	f := g.f
	if f.t.Categories != nil && f.t.Categories[c] > 0 {
		return g.randomSet(c, rows)
	}
	x, cols := f.t.X[c:], f.t.Cols
	low, high, missing := math.Inf(1), math.Inf(-1), 0
	for _, r := range rows {
		v := x[int(r)*cols]
		if v < low {
			low = v
		}
		if v > high {
			high = v
		}
		if v != v {
			missing++
		}
	}
	if low > high || (low == high && missing == 0) {
		return false
	}
	threshold, nanRight := math.Inf(1), true
	if low < high {
		threshold = low + float64(g.rng.Float64()*(high-low))
		if !(threshold < high) { // rounding, or the difference overflowed
			threshold = low
		}
		if missing > 0 {
			nanRight = g.rng.IntN(2) == 0
		}
	}
	g.begin()
	var side tally
	for _, r := range rows {
		v := x[int(r)*cols]
		if v <= threshold || (v != v && !nanRight) {
			g.tally(&side, r)
		}
	}
	if g.take(c, &side) {
		g.best.threshold, g.best.set, g.best.nanRight = threshold, nil, nanRight
		if missing == 0 {
			g.best.nanRight = 2*side.rows <= g.n
		}
	}
	return true
}

// tally sums up the left side of a random split; its classes are in g.left.
type tally struct {
	rows        int
	weight, sum float64
	packed      int64
}

func (g *grower) tally(t *tally, r uint32) {
	t.rows++
	switch {
	case g.words != nil:
		t.packed += g.words[r]
	case g.wy != nil:
		t.weight += g.w[r]
		t.sum += g.wy[r]
	default:
		k, w := g.f.class[r], g.w[r]
		t.weight += w
		g.left[k] += w
		g.rest[k] -= w
	}
}

// take makes a random split the best one where it is.
func (g *grower) take(c int, t *tally) bool {
	if t.rows < g.f.s.MinLeaf || g.n-t.rows < g.f.s.MinLeaf {
		return false
	}
	if g.words != nil {
		t.weight, t.sum = float64(t.packed&(1<<g.f.countBits-1)), float64(t.packed>>g.f.countBits)
	}
	if !g.better(t.weight, t.sum) {
		return false
	}
	g.best.feature = c
	return true
}

// randomSet tries a random set of the codes in the node, neither none nor all.
func (g *grower) randomSet(c int, rows []uint32) bool {
	x, cols := g.f.t.X[c:], g.f.t.Cols
	n := g.f.t.Categories[c]
	if len(g.seen) <= n {
		g.seen = make([]int32, n+1)
	}
	// seen holds 1 + the place in codes; the last one is for missing values.
	g.codes, g.perClass = g.codes[:0], g.perClass[:0]
	for _, r := range rows {
		v, k := x[int(r)*cols], n
		if v == v {
			k = int(v)
		}
		if g.seen[k] == 0 {
			if k == n {
				g.newCode(-1)
			} else {
				g.newCode(k)
			}
			g.seen[k] = int32(len(g.codes))
		}
		g.count(&g.codes[g.seen[k]-1], r)
	}
	for _, k := range g.codes {
		if k.code < 0 {
			g.seen[n] = 0
		} else {
			g.seen[k.code] = 0
		}
	}
	if len(g.codes) < 2 {
		return false
	}
	left := 0
	for i := range g.codes {
		if g.rng.IntN(2) == 0 {
			g.codes[i], g.codes[left] = g.codes[left], g.codes[i]
			left++
		}
	}
	left = min(max(left, 1), len(g.codes)-1) // codes come in the rows' order, which is no order of theirs
	g.begin()
	side := tally{}
	for i := range left {
		k := &g.codes[i]
		side.rows, side.weight, side.sum = side.rows+k.rows, side.weight+k.weight, side.sum+k.sum
		g.move(k)
	}
	if side.rows >= g.f.s.MinLeaf && g.n-side.rows >= g.f.s.MinLeaf && g.better(side.weight, side.sum) {
		g.choose(c, left)
	}
	return true
}
