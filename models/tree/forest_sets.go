package tree

import (
	"cmp"
	"slices"
)

// code is what a node knows of one category, or of its missing values.
type code struct {
	code   int // −1: missing
	rows   int
	weight float64
	sum    float64 // of regression: the weighted target
	first  int     // of classification: where its weights per class start in g.perClass
	key    float64 // what codes are ordered by
}

// gather fills g.codes from rows in the order of their codes, and missing ones.
func (g *grower) gather(c int, present, missing []uint32) {
	x, cols := g.f.t.X[c:], g.f.t.Cols
	g.codes, g.perClass = g.codes[:0], g.perClass[:0]
	for _, r := range present {
		k := int(x[int(r)*cols])
		if len(g.codes) == 0 || g.codes[len(g.codes)-1].code != k {
			g.newCode(k)
		}
		g.count(&g.codes[len(g.codes)-1], r)
	}
	if len(missing) > 0 {
		g.newCode(-1)
		for _, r := range missing {
			g.count(&g.codes[len(g.codes)-1], r)
		}
	}
}

func (g *grower) newCode(k int) {
	g.codes = append(g.codes, code{code: k, first: len(g.perClass)})
	if g.f.t.Classes > 0 {
		for range g.total {
			g.perClass = append(g.perClass, 0)
		}
	}
}

func (g *grower) count(c *code, r uint32) {
	c.rows++
	switch {
	case g.words != nil:
		c.weight += float64(g.draws[r])
		c.sum += float64(g.words[r] >> g.f.countBits)
	case g.wy != nil:
		c.weight += g.w[r]
		c.sum += g.wy[r]
	default:
		c.weight += g.w[r]
		g.perClass[c.first+int(g.f.class[r])] += g.w[r]
	}
}

// scanCategories tries the sets that an order of the codes gives: by mean
// target, for two classes by the share of the second, for more by the share of
// one class after another.
func (g *grower) scanCategories(c int, present, missing []uint32) {
	g.gather(c, present, missing)
	if g.f.t.Classes == 0 {
		g.scanOrder(c, -1)
		return
	}
	for k := 1; k < len(g.total); k++ {
		if g.total[k] > 0 {
			g.scanOrder(c, k)
		}
	}
	if len(g.total) > 2 && g.total[0] > 0 {
		g.scanOrder(c, 0)
	}
}

// scanOrder tries the prefixes of the codes in the order of one class's share,
// or with −1 of the mean target.
func (g *grower) scanOrder(c, class int) {
	for i := range g.codes {
		k := &g.codes[i]
		if class < 0 {
			k.key = k.sum / k.weight
		} else {
			k.key = g.perClass[k.first+class] / k.weight
		}
	}
	slices.SortFunc(g.codes, func(a, b code) int {
		if a.key != b.key {
			return cmp.Compare(a.key, b.key)
		}
		return cmp.Compare(a.code, b.code)
	})
	g.begin()
	rows, weight, sum, best := 0, 0.0, 0.0, -1
	for i := range len(g.codes) - 1 {
		k := &g.codes[i]
		rows, weight, sum = rows+k.rows, weight+k.weight, sum+k.sum
		g.move(k)
		if rows < g.f.s.MinLeaf || g.n-rows < g.f.s.MinLeaf {
			continue
		}
		if g.better(weight, sum) {
			best = i
		}
	}
	if best >= 0 {
		g.choose(c, best+1)
	}
}

// move takes a code's classes to the left.
func (g *grower) move(k *code) {
	if g.f.t.Classes == 0 {
		return
	}
	for j := range g.left {
		w := g.perClass[k.first+j]
		g.left[j] += w
		g.rest[j] -= w
	}
}

// better takes over the gain of a split, of which g.left and g.rest hold the
// classes, or else the left side has the weighted target sum, where it is the
// best so far.
func (g *grower) better(wl, sum float64) bool {
	wr := g.weight - wl
	var n float64
	m := wl * wr
	switch {
	case g.f.t.Classes == 0:
		d := sum - float64(g.total[0]/g.weight*wl)
		n = d * d
	case g.f.s.Entropy:
		n, m = g.disorder()-g.xlogx(wl)-g.xlogx(wr), 1
		for k, w := range g.left {
			n += g.xlogx(w) + g.xlogx(g.rest[k])
		}
	default:
		al, ar := 0.0, 0.0
		for k, w := range g.left {
			al += float64(w * w)
			ar += float64(g.rest[k] * g.rest[k])
		}
		n = float64(al*wr) + float64(ar*wl)
	}
	if !(m > 0 && float64(n*g.best.den) > float64(g.best.num*m)) {
		return false
	}
	g.best.num, g.best.den = n, m
	return true
}

// choose makes the first codes the best split's set, or all others where the
// first have more rows: so a category that the node hasn't seen goes to the side
// of more rows.
func (g *grower) choose(c, first int) {
	rows, words := 0, 1
	for i, k := range g.codes {
		if i < first {
			rows += k.rows
		}
		words = max(words, k.code/64+1)
	}
	in, out := g.codes[:first], g.codes[first:]
	if 2*rows > g.n {
		in, out = out, in
	}
	set := g.emptySet(words)
	for _, k := range in {
		if k.code >= 0 {
			set[k.code>>6] |= 1 << (k.code & 63)
		}
	}
	isMissing := func(k code) bool { return k.code < 0 }
	g.best.feature, g.best.set = c, set
	g.best.nanRight = slices.ContainsFunc(out, isMissing) || !slices.ContainsFunc(in, isMissing)
}
