// Package tree holds tree ensembles as flat arrays, their predictor, and the
// engines that grow them: for now an adapter around
// github.com/malaschitz/randomForest.
//
// It works on plain dense rows (row-major, finite) and knows nothing of tables,
// schemas or files. Start reading at Ensemble, then FitMalaschitz.
package tree

import (
	"encoding/binary"
	"math"

	"github.com/perennial-ml/perennial"
)

// Node is one node of a tree. A split sends a row left, to node Child, where its
// feature is at most Threshold, and right, to node Child+1, where it is above;
// NaN goes left. A leaf has Feature −1 and Child is the index of its values.
type Node struct {
	Threshold float64
	Feature   int32
	Child     int32
}

const leaf = -1

// Ensemble is an ensemble of trees whose prediction is the mean of its trees'
// leaf values, Outputs numbers each. Children come after their parent in Nodes,
// so every walk ends. It is immutable once built and safe for concurrent use.
type Ensemble struct {
	Features int       // length of a row
	Outputs  int       // values per leaf: classes, or 1
	Roots    []int32   // one node per tree
	Nodes    []Node    // all trees
	Values   []float64 // leaves × Outputs
}

// Predict writes the mean over the trees, in the trees' order, to out, which has
// Outputs elements. It does not allocate.
func (e *Ensemble) Predict(x, out []float64) {
	clear(out)
	for _, root := range e.Roots {
		n := e.Nodes[root]
		for n.Feature != leaf {
			next := n.Child
			if x[n.Feature] > n.Threshold {
				next++
			}
			n = e.Nodes[next]
		}
		at := int(n.Child) * e.Outputs
		for k, v := range e.Values[at : at+e.Outputs] {
			out[k] += v
		}
	}
	trees := float64(len(e.Roots))
	for k := range out {
		out[k] /= trees
	}
}

// The binary form, little-endian: five uint32 (kind, features, outputs, trees,
// nodes) and the uint32 number of leaves; the roots (int32), the nodes
// (threshold as float64, feature and child as int32), the leaves' values
// (float64). kind tells how trees are combined.
const (
	headerSize = 6 * 4
	nodeSize   = 16
	kindMean   = 1
)

// Encode writes the ensemble for the model file, lossless and without padding.
func (e *Ensemble) Encode() ([]byte, error) {
	leaves := 0
	if e.Outputs > 0 {
		leaves = len(e.Values) / e.Outputs
	}
	b := make([]byte, 0, headerSize+4*len(e.Roots)+nodeSize*len(e.Nodes)+8*len(e.Values))
	for _, n := range []int{kindMean, e.Features, e.Outputs, len(e.Roots), len(e.Nodes), leaves} {
		if n < 0 || n > math.MaxInt32 {
			return nil, perennial.Errorf(perennial.CodeTooLarge, "tree.Encode", "the ensemble has %d nodes, and a model file holds at most %d", len(e.Nodes), math.MaxInt32)
		}
		b = binary.LittleEndian.AppendUint32(b, uint32(n))
	}
	for _, r := range e.Roots {
		b = binary.LittleEndian.AppendUint32(b, uint32(r))
	}
	for _, n := range e.Nodes {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(n.Threshold))
		b = binary.LittleEndian.AppendUint32(b, uint32(n.Feature))
		b = binary.LittleEndian.AppendUint32(b, uint32(n.Child))
	}
	for _, v := range e.Values {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
	}
	return b, nil
}

// Decode reads what Encode wrote and checks it against the numbers of features
// and outputs, so that Predict can neither leave an array nor run for ever.
// Anything else is an error of code malformed. It allocates no more than a small
// multiple of len(b).
func Decode(b []byte, features, outputs int) (*Ensemble, error) {
	const op = "tree.Decode"
	if len(b) < headerSize {
		return nil, perennial.Errorf(perennial.CodeMalformed, op, "the trees end in their header")
	}
	var h [6]int
	for i := range h {
		h[i] = int(binary.LittleEndian.Uint32(b[4*i:]))
	}
	trees, nodes, leaves := h[3], h[4], h[5]
	if h[0] != kindMean || h[1] != features || h[2] != outputs {
		return nil, perennial.Errorf(perennial.CodeMalformed, op, "trees of kind %d for %d features and %d outputs don't belong to a model of %d and %d", h[0], h[1], h[2], features, outputs)
	}
	// Each count is below 2³², so no sum here overflows an int of 64 bits; a
	// product of leaves and outputs could, and is bounded first.
	body := len(b) - headerSize
	if leaves > body || outputs > body || body != 4*trees+nodeSize*nodes+8*leaves*outputs {
		return nil, perennial.Errorf(perennial.CodeMalformed, op, "the trees' length doesn't match their header")
	}
	e := &Ensemble{Features: features, Outputs: outputs, Roots: make([]int32, trees), Nodes: make([]Node, nodes), Values: make([]float64, leaves*outputs)}
	e.read(b[headerSize:])
	if !e.sound() {
		return nil, perennial.Errorf(perennial.CodeMalformed, op, "the trees point outside themselves")
	}
	return e, nil
}

func (e *Ensemble) read(b []byte) {
	for i := range e.Roots {
		e.Roots[i] = int32(binary.LittleEndian.Uint32(b[4*i:]))
	}
	b = b[4*len(e.Roots):]
	for i := range e.Nodes {
		n := b[nodeSize*i:]
		e.Nodes[i] = Node{
			Threshold: math.Float64frombits(binary.LittleEndian.Uint64(n)),
			Feature:   int32(binary.LittleEndian.Uint32(n[8:])),
			Child:     int32(binary.LittleEndian.Uint32(n[12:])),
		}
	}
	b = b[nodeSize*len(e.Nodes):]
	for i := range e.Values {
		e.Values[i] = math.Float64frombits(binary.LittleEndian.Uint64(b[8*i:]))
	}
}

// sound reports whether every index stays inside and every walk ends.
func (e *Ensemble) sound() bool {
	if len(e.Roots) == 0 || e.Outputs == 0 {
		return false
	}
	for _, r := range e.Roots {
		if r < 0 || int(r) >= len(e.Nodes) {
			return false
		}
	}
	leaves := len(e.Values) / e.Outputs
	for i, n := range e.Nodes {
		if n.Feature == leaf {
			if n.Child < 0 || int(n.Child) >= leaves {
				return false
			}
			continue
		}
		if n.Feature < 0 || int(n.Feature) >= e.Features || int(n.Child) <= i || int(n.Child)+1 >= len(e.Nodes) {
			return false
		}
	}
	for _, v := range e.Values {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return false
		}
	}
	return true
}
