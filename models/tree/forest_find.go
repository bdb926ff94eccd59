package tree

import "math"

// find looks for the best split of a node, in g.best, and reports whether there
// is one: features are drawn until enough are seen and one isn't constant.
func (g *grower) find(s span) bool {
	f := g.f
	g.n = s.to - s.from
	g.totals(g.idx[0][s.from:s.to])
	g.best = candidate{num: -1, den: 1, feature: -1}
	varied := false
	for i := range g.features {
		if i >= f.try && varied {
			break
		}
		c := g.draw(i)
		if f.s.Extra {
			varied = g.random(c, g.idx[0][s.from:s.to]) || varied
			continue
		}
		varied = g.scanFeature(c, g.idx[c][s.from:s.to]) || varied
		if g.n > 4096 && f.stop.Load() {
			return false
		}
	}
	if g.best.feature < 0 {
		return false
	}
	g.locate(s)
	return true
}

// totals sums up a node.
func (g *grower) totals(rows []uint32) {
	switch {
	case g.words != nil:
		g.sum = 0
		for _, r := range rows {
			g.sum += g.words[r]
		}
		g.weight = float64(g.sum & (1<<g.f.countBits - 1))
		g.total[0] = float64(g.sum >> g.f.countBits)
	case g.wy != nil:
		g.weight, g.total[0] = 0, 0
		for _, r := range rows {
			g.weight += g.w[r]
			g.total[0] += g.wy[r]
		}
	default:
		clear(g.total)
		g.weight = 0
		for _, r := range rows {
			g.total[g.f.class[r]] += g.w[r]
			g.weight += g.w[r]
		}
	}
}

// scanFeature tries every split of a feature, whose order the rows are in. It
// reports whether the feature isn't constant.
func (g *grower) scanFeature(c int, rows []uint32) bool {
	f := g.f
	x, cols := f.t.X[c:], f.t.Cols
	missing := 0
	if f.missing[c] {
		for missing < len(rows) {
			if v := x[int(rows[len(rows)-1-missing])*cols]; v == v {
				break
			}
			missing++
		}
	}
	present := rows[:len(rows)-missing]
	if len(present) == 0 {
		return false
	}
	if missing == 0 && x[int(present[0])*cols] == x[int(present[len(present)-1])*cols] {
		return false
	}
	if f.t.Categories != nil && f.t.Categories[c] > 0 {
		g.scanCategories(c, present, rows[len(present):])
		return true
	}
	least := f.s.MinLeaf
	hi := min(len(present), g.n-least)
	if missing == 0 {
		hi = min(hi, len(present)-1)
	}
	g.scan(c, present, nil, least-1, hi, true)
	if missing > 0 {
		g.scan(c, present, rows[len(present):], max(0, least-1-missing), min(len(present)-1, g.n-least-missing), false)
	}
	return true
}

// scan tries the splits after present[pos] for lo ≤ pos < hi, with the rows of
// before on the left too.
func (g *grower) scan(c int, present, before []uint32, lo, hi int, nanRight bool) {
	if lo >= hi {
		return
	}
	was := g.best
	switch {
	case g.words != nil:
		g.scanPacked(c, present, before, lo, hi)
	case g.wy != nil:
		g.scanWeighted(c, present, before, lo, hi)
	case g.f.s.Entropy:
		g.scanEntropy(c, present, before, lo, hi)
	default:
		g.scanGini(c, present, before, lo, hi)
	}
	if g.best.num != was.num || g.best.den != was.den {
		g.best.feature, g.best.nanRight, g.best.set = c, nanRight, nil
	}
}

// apart reports whether a split after present[pos] is one: the next value is
// another one, or missing.
func (g *grower) apart(c int, present []uint32, pos int) bool {
	x, cols := g.f.t.X[c:], g.f.t.Cols
	return pos+1 >= len(present) || x[int(present[pos])*cols] != x[int(present[pos+1])*cols]
}

// scanPacked is the scan of regression by words. With d = Sₗ − Wₗ·S/W, the
// decrease of the squared error is d²·W/(Wₗ·Wᵣ), so gains compare as d²/(Wₗ·Wᵣ)
// without a division. Equal values are told apart only where a split would be
// the best one, which is rare.
func (g *grower) scanPacked(c int, present, before []uint32, lo, hi int) {
	words, shift := g.words, g.f.countBits&63
	mask := int64(1)<<shift - 1
	s := int64(0)
	for _, r := range before {
		s += words[r]
	}
	for _, r := range present[:lo] {
		s += words[r]
	}
	weight := g.weight
	mean := g.total[0] / weight
	num, den := g.best.num, g.best.den
	for i, r := range present[lo:hi] {
		s += words[r]
		w := float64(s & mask)
		d := float64(s>>shift) - float64(mean*w)
		n, m := d*d, w*(weight-w)
		if float64(n*den) > float64(num*m) && g.apart(c, present, lo+i) {
			num, den = n, m
			g.best.pos = lo + i
		}
	}
	g.best.num, g.best.den = num, den
}

// scanWeighted is the scan of weighted regression, or of many rows.
func (g *grower) scanWeighted(c int, present, before []uint32, lo, hi int) {
	w, sum := 0.0, 0.0
	for _, r := range before {
		w, sum = w+g.w[r], sum+g.wy[r]
	}
	for _, r := range present[:lo] {
		w, sum = w+g.w[r], sum+g.wy[r]
	}
	weight := g.weight
	mean := g.total[0] / weight
	num, den := g.best.num, g.best.den
	for i, r := range present[lo:hi] {
		w, sum = w+g.w[r], sum+g.wy[r]
		d := sum - float64(mean*w)
		n, m := d*d, w*(weight-w)
		if m > 0 && float64(n*den) > float64(num*m) && g.apart(c, present, lo+i) {
			num, den = n, m
			g.best.pos = lo + i
		}
	}
	g.best.num, g.best.den = num, den
}

// begin puts the rows that are left of a scan of classes there, and gives the
// weight on the left.
func (g *grower) begin(rows ...[]uint32) float64 {
	clear(g.left)
	copy(g.rest, g.total)
	weight := 0.0
	for _, some := range rows {
		for _, r := range some {
			k, w := g.f.class[r], g.w[r]
			g.left[k] += w
			g.rest[k] -= w
			weight += w
		}
	}
	return weight
}

// scanGini is the scan of classification by Gini's impurity: the larger
// Aₗ/Wₗ + Aᵣ/Wᵣ with A = Σ W²ₖ, compared without a division. Moving weight w of
// class k from right to left changes Aₗ by w·(2·Wₗₖ + w), and Aᵣ likewise.
func (g *grower) scanGini(c int, present, before []uint32, lo, hi int) {
	wl := g.begin(before, present[:lo])
	weight := g.weight
	al, ar := 0.0, 0.0
	for k, w := range g.left {
		al += float64(w * w)
		ar += float64(g.rest[k] * g.rest[k])
	}
	num, den := g.best.num, g.best.den
	left, rest, class, ws := g.left, g.rest[:len(g.left)], g.f.class, g.w
	for i, r := range present[lo:hi] {
		k, w := class[r], ws[r]
		l, o := left[k], rest[k]
		al += float64(w * (2*l + w))
		ar -= float64(w * (2*o - w))
		left[k], rest[k] = l+w, o-w
		wl += w
		wr := weight - wl
		n, m := float64(al*wr)+float64(ar*wl), wl*wr
		if m > 0 && float64(n*den) > float64(num*m) && g.apart(c, present, lo+i) {
			num, den = n, m
			g.best.pos = lo + i
		}
	}
	g.best.num, g.best.den = num, den
}

// xlogx is w·log w, from the table where weights are whole.
func (g *grower) xlogx(w float64) float64 {
	if g.f.logs != nil {
		return g.f.logs[int(w)]
	}
	if w <= 0 {
		return 0
	}
	return w * math.Log(w)
}

// scanEntropy is the scan of classification by entropy: the larger
// Σₖ Wₗₖ·log Wₗₖ − Wₗ·log Wₗ plus the same of the right, less the same of both,
// so that it is W times the information gained and never negative.
func (g *grower) scanEntropy(c int, present, before []uint32, lo, hi int) {
	wl := g.begin(before, present[:lo])
	el, er := 0.0, 0.0
	for k, w := range g.left {
		el += g.xlogx(w)
		er += g.xlogx(g.rest[k])
	}
	whole := g.disorder()
	num := g.best.num / g.best.den
	for i, r := range present[lo:hi] {
		k, w := g.f.class[r], g.w[r]
		l, o := g.left[k], g.rest[k]
		el += g.xlogx(l+w) - g.xlogx(l)
		er += g.xlogx(o-w) - g.xlogx(o)
		g.left[k], g.rest[k] = l+w, o-w
		wl += w
		n := el + er - g.xlogx(wl) - g.xlogx(g.weight-wl) + whole
		if n > num && g.apart(c, present, lo+i) {
			num = n
			g.best.pos = lo + i
		}
	}
	g.best.num, g.best.den = num, 1
}

// disorder is the node's weight times its entropy.
func (g *grower) disorder() float64 {
	sum := g.xlogx(g.weight)
	for _, w := range g.total {
		sum -= g.xlogx(w)
	}
	return sum
}

// locate turns the best position into a threshold, and says where missing values
// go that the node hasn't seen.
func (g *grower) locate(s span) {
	b, f := &g.best, g.f
	if b.set != nil || f.s.Extra {
		return
	}
	rows := g.idx[b.feature][s.from:s.to]
	at := func(i int) float64 { return f.t.X[int(rows[i])*f.t.Cols+b.feature] }
	next := math.NaN()
	if b.pos+1 < len(rows) {
		next = at(b.pos + 1)
	}
	b.threshold = between(at(b.pos), next)
	if last := at(len(rows) - 1); last == last {
		b.nanRight = 2*(b.pos+1) <= len(rows)
	}
}
