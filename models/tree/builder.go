package tree

import (
	"fmt"
	"math"

	"github.com/perennial-ml/perennial"
)

// Split is the question that an inner node asks.
type Split struct {
	Feature   int
	Threshold float64  // left where x <= Threshold; may be infinite, not NaN
	NaNRight  bool     // where a missing value goes
	Set       []uint64 // categorical: bit c set = code c goes left, every other code right; nil: numeric
}

// Builder makes an Ensemble, tree by tree and node by node, in any order of
// nodes. A fault is kept and told by Ensemble. A Builder isn't safe for
// concurrent use.
type Builder struct {
	e    Ensemble
	rows interner
	open int // nodes of the current tree that are neither split nor leaf
	err  error
}

// pendingChild marks a node that is neither split nor leaf yet.
const pendingChild = -1

// NewBuilder starts an ensemble for rows of the given number of features. base
// has one number per score; nil is zeros, and all that Mean takes.
func NewBuilder(features, outputs, scores int, c Combine, base []float64) *Builder {
	b := &Builder{e: Ensemble{Features: features, Outputs: outputs, Scores: scores, Combine: c, Base: make([]float64, max(scores, 0))}}
	copy(b.e.Base, base)
	for k := range b.e.Base {
		b.e.Base[k] += 0 // −0 becomes 0
	}
	if base != nil && len(base) != scores {
		b.failf("%d base scores of %d", len(base), scores)
	} else if fault := b.e.shapeFault(); fault != "" {
		b.failf("%s", fault)
	}
	b.rows.width = scores
	return b
}

// shapeFault says what is wrong with everything but the trees; "" is nothing.
func (e *Ensemble) shapeFault() string {
	switch {
	case e.Features < 1 || e.Features > maxFeature || e.Outputs < 1 || e.Scores < 1 || e.Outputs > math.MaxInt32 || e.Scores > math.MaxInt32:
		return fmt.Sprintf("%d features, %d outputs and %d scores", e.Features, e.Outputs, e.Scores)
	case e.Combine&^Single > SumLogistics || e.Combine == Mean|Single:
		return fmt.Sprintf("trees combined in the unknown way %d", e.Combine)
	case e.Combine&^Single == SumLogistic && (e.Scores != 1 || e.Outputs != 2),
		e.Combine&^Single != SumLogistic && e.Scores != e.Outputs:
		return fmt.Sprintf("%d scores don't make %d outputs", e.Scores, e.Outputs)
	}
	for _, v := range e.Base {
		if math.IsNaN(v) || math.IsInf(v, 0) || (e.Combine == Mean && v != 0) {
			return fmt.Sprintf("the base score %g", v)
		}
	}
	return ""
}

func (b *Builder) failf(format string, args ...any) {
	if b.err == nil {
		b.err = fmt.Errorf("tree %d: "+format, append([]any{len(b.e.Trees) - 1}, args...)...)
	}
}

// Tree starts the next tree, which adds to the given score, and gives its root.
// With score −1 its leaves hold one value per score. In a Mean of several scores
// every tree has −1, since each score is divided by the number of all trees.
func (b *Builder) Tree(score int) (root int32) {
	if b.open > 0 {
		b.failf("%d nodes are neither split nor leaf", b.open)
	}
	root = int32(len(b.e.Nodes))
	if b.e.Scores == 1 && score == allScores {
		score = 0
	}
	if score < allScores || score >= b.e.Scores || (b.e.Combine == Mean && b.e.Scores > 1 && score != allScores) {
		b.failf("a tree for score %d of %d", score, b.e.Scores)
		score = 0
	}
	b.e.Trees = append(b.e.Trees, Tree{Root: root, Score: int32(score)})
	b.open = 0
	b.grow(1)
	return root
}

// grow adds open nodes.
func (b *Builder) grow(n int) {
	if len(b.e.Nodes)+n > math.MaxInt32 {
		b.failf("more than %d nodes", math.MaxInt32)
		return
	}
	for range n {
		b.e.Nodes = append(b.e.Nodes, Node{Feature: leaf, Child: pendingChild})
	}
	b.open += n
}

// take gives an open node of the current tree to write to, nil after a fault.
func (b *Builder) take(at int32) *Node {
	if len(b.e.Trees) == 0 {
		b.failf("a node before the first tree")
	} else if at < b.e.Trees[len(b.e.Trees)-1].Root || int(at) >= len(b.e.Nodes) || b.e.Nodes[at] != (Node{Feature: leaf, Child: pendingChild}) {
		b.failf("node %d isn't open", at)
	}
	if b.err != nil {
		return nil
	}
	b.open--
	return &b.e.Nodes[at]
}

// Split makes an open node a split and gives its children, which are open.
func (b *Builder) Split(at int32, s Split) (left, right int32) {
	n := b.take(at)
	if n == nil {
		return at, at
	}
	if s.Feature < 0 || s.Feature >= b.e.Features || (s.Set == nil && math.IsNaN(s.Threshold)) || len(s.Set) >= maxSetWords {
		b.failf("a split of feature %d of %d at %g, with %d words of categories", s.Feature, b.e.Features, s.Threshold, len(s.Set))
		return at, at
	}
	left = int32(len(b.e.Nodes))
	*n = Node{Threshold: s.Threshold + 0, Feature: int32(s.Feature), Child: left}
	if s.NaNRight {
		n.Feature |= nanRight
	}
	if s.Set != nil {
		n.Feature |= isSet
		if n.Threshold = setAt(len(b.e.Sets), len(s.Set)); len(b.e.Sets)+len(s.Set) > math.MaxInt32 {
			b.failf("more than %d words of categories", math.MaxInt32)
			return at, at
		}
		b.e.Sets = append(b.e.Sets, s.Set...)
	}
	b.grow(2)
	return left, left + 1
}

// maxSetWords bounds the words of one set: 33 million categories.
const maxSetWords = 1 << 19

// Leaf makes an open node a leaf: of one value, or of one per score in a tree of
// all scores. Values are finite.
func (b *Builder) Leaf(at int32, values ...float64) {
	n := b.take(at)
	if n == nil {
		return
	}
	for _, v := range values {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			b.failf("the leaf value %g", v)
			return
		}
	}
	want := 1
	if b.e.Trees[len(b.e.Trees)-1].Score == allScores {
		want = b.e.Scores
	}
	if len(values) != want {
		b.failf("a leaf of %d values instead of %d", len(values), want)
		return
	}
	if want > 1 {
		n.Child = b.rows.row(values)
		return
	}
	*n = Node{Threshold: values[0] + 0, Feature: leaf}
}

// Ensemble gives the finished ensemble, or what was wrong as an error of code
// internal. The Builder can't be used afterwards.
func (b *Builder) Ensemble() (*Ensemble, error) {
	if b.open > 0 {
		b.failf("%d nodes are neither split nor leaf", b.open)
	}
	if len(b.e.Trees) == 0 && b.e.Combine == Mean {
		b.failf("there are no trees")
	}
	if b.err != nil {
		return nil, perennial.Errorf(perennial.CodeInternal, "tree.Builder", "these trees can't be built").Because(b.err)
	}
	return b.renumber(), nil
}

// renumber brings nodes, sets and rows of values into the order that Ensemble
// describes.
func (b *Builder) renumber() *Ensemble {
	out := b.e
	out.Trees = make([]Tree, 0, len(b.e.Trees))
	out.Nodes = make([]Node, 0, len(b.e.Nodes))
	out.Sets = nil
	if len(b.e.Sets) > 0 {
		out.Sets = make([]uint64, 0, len(b.e.Sets))
	}
	rows := interner{width: b.rows.width}
	var from, to []int32
	for _, t := range b.e.Trees {
		out.Trees = append(out.Trees, Tree{Root: int32(len(out.Nodes)), Score: t.Score})
		from = append(from, t.Root)
		to = append(to, int32(len(out.Nodes)))
		out.Nodes = append(out.Nodes, Node{})
		for len(from) > 0 {
			n, at := b.e.Nodes[from[len(from)-1]], to[len(to)-1]
			from, to = from[:len(from)-1], to[:len(to)-1]
			if n.Feature == leaf {
				if t.Score == allScores {
					n.Child = rows.row(b.rows.at(n.Child))
				}
				out.Nodes[at] = n
				continue
			}
			if n.Feature&isSet != 0 {
				set := b.e.set(&n)
				n.Threshold = setAt(len(out.Sets), len(set))
				out.Sets = append(out.Sets, set...)
			}
			from = append(from, n.Child+1, n.Child)
			n.Child = int32(len(out.Nodes))
			to = append(to, n.Child+1, n.Child)
			out.Nodes[at] = n
			out.Nodes = append(out.Nodes, Node{}, Node{})
		}
	}
	out.Values = rows.values
	return &out
}
