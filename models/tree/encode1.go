package tree

import (
	"encoding/binary"
	"math"

	"github.com/perennial-ml/perennial"
)

// Version 1 of the binary form, which malaschitz_forest's models were written
// in, little-endian: six uint32 (1, features, outputs, trees, nodes, leaves);
// the roots (int32), the nodes (threshold as float64, feature and left child as
// int32), the leaves' values (float64). Trees are combined as Mean.
const (
	header1 = 6 * 4
	node1   = 16
)

// decode1 reads version 1.
func decode1(b []byte, features, outputs int) (*Ensemble, error) {
	if len(b) < header1 {
		return nil, perennial.Errorf(perennial.CodeMalformed, "", "the trees end in their header")
	}
	var h [6]int
	for i := range h {
		h[i] = int(binary.LittleEndian.Uint32(b[4*i:]))
	}
	trees, nodes, leaves := h[3], h[4], h[5]
	if h[1] != features || h[2] != outputs {
		return nil, perennial.Errorf(perennial.CodeMalformed, "", "trees for %d features and %d outputs don't belong to a model of %d and %d", h[1], h[2], features, outputs)
	}
	// Each count is below 2³², so no sum here overflows an int of 64 bits; a
	// product of leaves and outputs could, and is bounded first.
	body := len(b) - header1
	if leaves > body || outputs > body || body != 4*trees+node1*nodes+8*leaves*outputs {
		return nil, perennial.Errorf(perennial.CodeMalformed, "", "the trees' length doesn't match their header")
	}
	r := reader1{outputs: outputs, count: nodes, nodes: b[header1+4*trees:], values: b[header1+4*trees+node1*nodes:], to: NewBuilder(features, outputs, outputs, Mean, nil)}
	for i := range trees {
		if !r.tree(int(int32(binary.LittleEndian.Uint32(b[header1+4*i:])))) {
			return nil, perennial.Errorf(perennial.CodeMalformed, "", "the trees point outside themselves")
		}
	}
	e, err := r.to.Ensemble()
	if err != nil {
		return nil, perennial.Errorf(perennial.CodeMalformed, "", "the trees are broken").Because(err)
	}
	return e, nil
}

type reader1 struct {
	outputs, count int
	nodes, values  []byte
	to             *Builder
	row            []float64
}

// tree copies the tree at a root. It ends, since children come after their
// parent, and writes no more nodes than there are, since no node has two parents
// in a sound file.
func (r *reader1) tree(root int) bool {
	type step struct {
		from int
		to   int32
	}
	pending := []step{{root, r.to.Tree(allScores)}}
	for len(pending) > 0 {
		s := pending[len(pending)-1]
		pending = pending[:len(pending)-1]
		if s.from < 0 || s.from >= r.count || len(r.to.e.Nodes) > r.count || r.to.err != nil {
			return false
		}
		n := r.nodes[node1*s.from:]
		feature, child := int(int32(binary.LittleEndian.Uint32(n[8:]))), int(int32(binary.LittleEndian.Uint32(n[12:])))
		if feature == leaf {
			if child < 0 || child >= len(r.values)/(8*r.outputs) {
				return false
			}
			r.to.Leaf(s.to, r.leaf(child)...)
			continue
		}
		if child <= s.from {
			return false
		}
		left, right := r.to.Split(s.to, Split{Feature: feature, Threshold: math.Float64frombits(binary.LittleEndian.Uint64(n))})
		pending = append(pending, step{child + 1, right}, step{child, left})
	}
	return true
}

func (r *reader1) leaf(at int) []float64 {
	r.row = r.row[:0]
	for k := range r.outputs {
		r.row = append(r.row, math.Float64frombits(binary.LittleEndian.Uint64(r.values[8*(at*r.outputs+k):])))
	}
	return r.row
}
