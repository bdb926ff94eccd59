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
		threshold = g.drawBetween(low, high)
		if missing > 0 {
			nanRight = g.rng.IntN(2) == 0
		}
	}
	side := g.tally(x, cols, rows, threshold, nanRight)
	if side.rows < f.s.MinLeaf || g.n-side.rows < f.s.MinLeaf || !g.better(side.weight, side.sum) {
		return true
	}
	g.best.feature, g.best.threshold, g.best.set, g.best.nanRight = c, threshold, nil, nanRight
	if missing == 0 {
		g.best.nanRight = 2*side.rows <= g.n
	}
	return true
}

// drawBetween draws a threshold that parts low from high, which is larger.
func (g *grower) drawBetween(low, high float64) float64 {
	t := low + float64(g.rng.Float64()*(high-low))
	if !(t < high) { // rounding, or the difference overflowed
		return low
	}
	return t
}

// tally is what a random split sends left; classes are in g.left and g.rest.
type tally struct {
	rows        int
	weight, sum float64
}

// tally sums up the left side of a random split. Half of the rows go left, in no
// order, so it multiplies by 0 or 1 instead of branching.
func (g *grower) tally(x []float64, cols int, rows []uint32, threshold float64, nanRight bool) tally {
	nanLeft := 0
	if !nanRight {
		nanLeft = 1
	}
	t, packed := tally{}, int64(0)
	clear(g.left)
	for _, r := range rows {
		v := x[int(r)*cols]
		in := 0
		if v <= threshold {
			in = 1
		}
		if v != v {
			in = nanLeft
		}
		t.rows += in
		switch {
		case g.words != nil:
			packed += g.words[r] & -int64(in)
		case g.wy != nil:
			t.weight += g.w[r] * float64(in)
			t.sum += g.wy[r] * float64(in)
		default:
			w := g.w[r] * float64(in)
			t.weight += w
			g.left[g.f.class[r]] += w
		}
	}
	if g.words != nil {
		t.weight, t.sum = float64(packed&(1<<g.f.countBits-1)), float64(packed>>g.f.countBits)
	}
	for k := range g.left {
		g.rest[k] = g.total[k] - g.left[k]
	}
	return t
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
