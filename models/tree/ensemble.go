// Package tree holds tree ensembles as flat arrays, their predictor, and the
// engines that grow them.
//
// Everything that grows or imports trees ends in one representation, Ensemble,
// which a Builder makes, Encode and Decode keep in model files, and Compile
// turns into the fast predictor. The package works on plain dense rows
// (row-major; NaN is missing, a category is its code) and knows nothing of
// tables, schemas or files. Start reading at Ensemble, then Builder and Compile.
package tree

import "math"

// Combine says how an ensemble's trees make an answer. The values stand in
// model files.
type Combine uint8

// The ways to combine trees. Scores is what trees add up to, Outputs what
// Predict writes.
const (
	Mean         Combine = iota // each score divided by the number of trees; Scores = Outputs
	Sum                         // base + sum; Scores = Outputs
	SumLogistic                 // base + sum of 1 score s; outputs 1/(1+eˢ) and 1/(1+e⁻ˢ)
	SumSoftmax                  // base + sum of k scores; outputs e^sₖ / Σ e^sⱼ
	SumExp                      // base + sum; outputs eˢ, each score by itself; Scores = Outputs
	SumLogistics                // base + sum; outputs 1/(1+e⁻ˢ), each score by itself; Scores = Outputs
)

// Single is added to a way of combining to make it XGBoost's arithmetic: the sum is
// rounded to float32 after every tree, and outputs are computed in float32
// (single.go). It has no type because it is no way by itself.
const Single = 1 << 7

// Node is one node of a tree, 16 bytes.
//
// A numeric split sends a row left, to node Child, where its feature is at most
// Threshold, and right, to node Child+1, where it is above. A categorical split
// has a set of codes in Ensemble.Sets instead, and the bits of Threshold say
// where. A leaf has Feature −1; in a tree of one score Threshold is its value,
// in a tree of all scores Child is the row of Ensemble.Values.
type Node struct {
	Threshold float64
	Feature   int32 // with flags, see Split
	Child     int32
}

const (
	leaf = -1
	// Flags of Node.Feature, of nodes that aren't leaves.
	nanRight   = 1 << 30
	isSet      = 1 << 29
	maxFeature = isSet - 1
	// allScores as Tree.Score: a leaf holds a value per score.
	allScores = -1
)

// Tree is where a tree starts in Nodes, and which score it adds to: −1 is all,
// its leaves then hold one value per score.
type Tree struct {
	Root, Score int32
}

// Ensemble is an ensemble of trees. It is immutable once built and safe for
// concurrent use.
//
// Nodes holds the trees one after another, each in preorder but for siblings,
// which are adjacent: a tree's root comes first, a split's children are the
// next two free places, and all below its left child precedes all below its
// right one. So children follow their parents, every walk ends, and equal trees
// are equal arrays.
type Ensemble struct {
	Features int // length of a row
	Outputs  int // numbers that Predict writes: classes, or 1
	Scores   int // numbers that trees add to
	Combine  Combine
	Base     []float64 // per score; zeros for Mean
	Trees    []Tree
	Nodes    []Node
	Values   []float64 // rows of Scores numbers, each row once
	Sets     []uint64  // of categorical splits
}

// Split gives the split at a node, ok false for a leaf.
func (e *Ensemble) Split(node int32) (s Split, ok bool) {
	n := &e.Nodes[node]
	if n.Feature == leaf {
		return Split{}, false
	}
	s = Split{Feature: n.feature(), NaNRight: n.Feature&nanRight != 0}
	if n.Feature&isSet != 0 {
		s.Set = append(make([]uint64, 0), e.set(n)...) // empty, not nil, where it has no words
	} else {
		s.Threshold = n.Threshold
	}
	return s, true
}

func (n *Node) feature() int { return int(n.Feature & maxFeature) }

// setAt packs where a set is: Sets[first:first+words]. words is below 2¹⁹, so
// the number is never NaN.
func setAt(first, words int) float64 {
	return math.Float64frombits(uint64(first) | uint64(words)<<32)
}

// set is a categorical split's set.
func (e *Ensemble) set(n *Node) []uint64 {
	b := math.Float64bits(n.Threshold)
	first := int(uint32(b))
	return e.Sets[first : first+int(b>>32)]
}

// Predict writes the answer for one row to out, which has Outputs elements. It
// walks the trees in their order and adds their values in that order, so the
// result is one of bits, not only of numbers; Compiled gives the same bits. It
// does not allocate. x has Features elements: a category that is negative or
// beyond a split's set, or not in it, goes right; −0.5 counts as 0, as codes are
// truncated to whole numbers.
func (e *Ensemble) Predict(x, out []float64) {
	copy(out, e.Base)
	for _, t := range e.Trees {
		e.add(t, e.leaf(t.Root, x), out)
	}
	e.finish(out)
}

// add adds the value of the leaf at a node to the scores.
func (e *Ensemble) add(t Tree, node int32, out []float64) {
	n := &e.Nodes[node]
	if t.Score != allScores {
		out[t.Score] = e.Combine.plus(out[t.Score], n.Threshold)
		return
	}
	at := int(n.Child) * e.Scores
	for k, v := range e.Values[at : at+e.Scores] {
		out[k] = e.Combine.plus(out[k], v)
	}
}

// plus adds a tree's value to a score. The float64 sum of two float32 numbers,
// rounded to float32, is their float32 sum.
func (c Combine) plus(score, v float64) float64 {
	if c&Single != 0 {
		return float64(float32(score + v))
	}
	return score + v
}

// leaf walks down to the leaf of a row.
func (e *Ensemble) leaf(at int32, x []float64) int32 {
	for {
		n := &e.Nodes[at]
		if n.Feature == leaf {
			return at
		}
		at = n.Child
		if e.right(n, x[n.Feature&maxFeature]) {
			at++
		}
	}
}

// right reports whether a split sends v to the right.
func (e *Ensemble) right(n *Node, v float64) bool {
	switch {
	case math.IsNaN(v):
		return n.Feature&nanRight != 0
	case n.Feature&isSet != 0:
		return !inSet(e.set(n), v)
	default:
		return v > n.Threshold
	}
}

// inSet reports whether a code that isn't NaN is in a set.
func inSet(set []uint64, v float64) bool {
	if !(v > -1 && v < float64(64*len(set))) {
		return false
	}
	c := int(v)
	return c>>6 < len(set) && set[c>>6]>>(c&63)&1 != 0
}

// finish makes the answer of the scores in out.
func (e *Ensemble) finish(out []float64) {
	if e.Combine&Single != 0 {
		e.finishSingle(out)
		return
	}
	switch e.Combine {
	case Mean:
		trees := float64(len(e.Trees))
		for k := range out {
			out[k] /= trees
		}
	case Sum:
	case SumLogistic:
		logistic(out)
	case SumSoftmax:
		softmax(out)
	case SumExp:
		for k, s := range out {
			out[k] = math.Exp(s)
		}
	case SumLogistics:
		for k, s := range out {
			out[k] = 1 / (1 + math.Exp(-s))
		}
	}
}

// logistic turns the score out[0] into two probabilities. Each is computed with
// an exponential of a number that isn't positive, so neither overflows and the
// small one keeps its digits.
func logistic(out []float64) {
	t := math.Exp(-math.Abs(out[0]))
	large, small := 1/(1+t), t/(1+t)
	if out[0] >= 0 {
		out[0], out[1] = small, large
	} else {
		out[0], out[1] = large, small
	}
}

// softmax turns scores into probabilities, less their maximum so that nothing
// overflows.
func softmax(out []float64) {
	top := out[0]
	for _, s := range out[1:] {
		top = max(top, s)
	}
	sum := 0.0
	for k, s := range out {
		out[k] = math.Exp(s - top)
		sum += out[k]
	}
	for k := range out {
		out[k] /= sum
	}
}
