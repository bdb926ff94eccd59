package tree

import (
	"encoding/binary"
	"math"
	"slices"

	"github.com/perennial-ml/perennial"
)

// The binary form, little-endian, varint being unsigned LEB128:
//
//	uint32  2, the form's version
//	uint8   Combine
//	varints features, outputs, scores, trees, nodes
//	float64 base, one per score
//	per feature: varint count, then so many float64: its distinct thresholds, ascending
//	varint count, then so many float64: the distinct values of one-score leaves, ascending
//	varint count, then count × scores float64: the rows of values
//	per tree: varint score+1
//	the nodes of each tree in preorder:
//	  leaf   varint 0, varint index of its value or row
//	  split  varint 1 + 4·feature + 2·NaN right + categorical,
//	         then varint index of its threshold, or varint words and so many uint64
//
// Thresholds and values repeat, so that a node takes about 4 bytes instead of
// 16. Version 1, which is read but no longer written, is in encode1.go.
const encodeVersion = 2

// Encode writes the ensemble for the model file, lossless: Decode gives an equal
// one, and equal ensembles give equal bytes. It fails on none that Builder or
// Decode gave.
func (e *Ensemble) Encode() ([]byte, error) {
	d := e.dictionaries()
	b := binary.LittleEndian.AppendUint32(make([]byte, 0, 1024+6*len(e.Nodes)+8*d.size+8*len(e.Values)), encodeVersion)
	b = append(b, byte(e.Combine))
	for _, n := range []int{e.Features, e.Outputs, e.Scores, len(e.Trees), len(e.Nodes)} {
		b = appendInt(b, n)
	}
	b = appendFloats(b, e.Base)
	for _, t := range d.thresholds {
		b = appendFloats(appendInt(b, len(t)), t)
	}
	b = appendFloats(appendInt(b, len(d.values)), d.values)
	b = appendFloats(appendInt(b, len(e.Values)/e.Scores), e.Values)
	for _, t := range e.Trees {
		b = appendInt(b, int(t.Score)+1)
	}
	var pending []int32
	for _, t := range e.Trees {
		for pending = append(pending, t.Root); len(pending) > 0; {
			n := &e.Nodes[pending[len(pending)-1]]
			pending = pending[:len(pending)-1]
			if n.Feature != leaf {
				pending = append(pending, n.Child+1, n.Child)
			}
			b = e.appendNode(b, n, t.Score, d)
		}
	}
	return b, nil
}

func (e *Ensemble) appendNode(b []byte, n *Node, score int32, d *dictionaries) []byte {
	if n.Feature == leaf {
		if b = append(b, 0); score == allScores {
			return appendInt(b, int(n.Child))
		}
		return appendInt(b, indexOf(d.values, n.Threshold))
	}
	f := n.feature()
	tag := 1 + 4*f
	if n.Feature&nanRight != 0 {
		tag += 2
	}
	if n.Feature&isSet == 0 {
		return appendInt(appendInt(b, tag), indexOf(d.thresholds[f], n.Threshold))
	}
	set := e.set(n)
	b = appendInt(appendInt(b, tag+1), len(set))
	for _, w := range set {
		b = binary.LittleEndian.AppendUint64(b, w)
	}
	return b
}

// dictionaries are an ensemble's distinct numbers, each list ascending.
type dictionaries struct {
	thresholds [][]float64 // per feature
	values     []float64   // of one-score leaves
	size       int
}

func (e *Ensemble) dictionaries() *dictionaries {
	d := &dictionaries{thresholds: make([][]float64, e.Features)}
	for i, t := range e.Trees {
		for j := int(t.Root); j < e.end(i); j++ {
			n := &e.Nodes[j]
			switch {
			case n.Feature != leaf && n.Feature&isSet == 0:
				d.thresholds[n.feature()] = append(d.thresholds[n.feature()], n.Threshold)
			case n.Feature == leaf && t.Score != allScores:
				d.values = append(d.values, n.Threshold)
			}
		}
	}
	for f, t := range d.thresholds {
		slices.Sort(t)
		d.thresholds[f] = slices.Compact(t)
		d.size += len(d.thresholds[f])
	}
	slices.Sort(d.values)
	d.values = slices.Compact(d.values)
	d.size += len(d.values)
	return d
}

// end is where a tree's nodes end.
func (e *Ensemble) end(tree int) int {
	if tree+1 < len(e.Trees) {
		return int(e.Trees[tree+1].Root)
	}
	return len(e.Nodes)
}

// indexOf finds a number that is there.
func indexOf(sorted []float64, v float64) int {
	i, _ := slices.BinarySearch(sorted, v)
	return i
}

func appendInt(b []byte, n int) []byte { return binary.AppendUvarint(b, uint64(n)) }

func appendFloats(b []byte, values []float64) []byte {
	for _, v := range values {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
	}
	return b
}

// Decode reads what Encode wrote and checks it against the numbers of features
// and outputs, so that no prediction can leave an array or run for ever.
// Anything else is an error of code malformed. It allocates no more than a small
// multiple of len(b).
func Decode(b []byte, features, outputs int) (*Ensemble, error) {
	const op = "tree.Decode"
	if len(b) < 4 {
		return nil, perennial.Errorf(perennial.CodeMalformed, op, "the trees end in their header")
	}
	switch v := binary.LittleEndian.Uint32(b); v {
	case 1:
		e, err := decode1(b, features, outputs)
		return e, perennial.Wrap(op, err)
	case encodeVersion:
	default:
		return nil, perennial.Errorf(perennial.CodeMalformed, op, "the trees have form %d, and this build reads forms 1 and %d", v, encodeVersion)
	}
	d := decoder{b: b[4:]}
	e := d.header(features, outputs)
	if !d.bad {
		d.trees(e)
	}
	if d.bad || len(d.b) > 0 {
		return nil, perennial.Errorf(perennial.CodeMalformed, op, "the trees are broken or don't belong to a model of %d features and %d outputs", features, outputs)
	}
	return e, nil
}

// decoder reads the binary form. Once something is wrong it is bad, and what it
// gives means nothing.
type decoder struct {
	b   []byte
	bad bool

	thresholds [][]float64
	values     []float64
}

// int reads a count or an index below limit.
func (d *decoder) int(limit int) int {
	v, n := binary.Uvarint(d.b)
	if n <= 0 || v >= uint64(max(limit, 0)) {
		d.bad = true
		return 0
	}
	d.b = d.b[n:]
	return int(v)
}

// combine reads a byte.
func (d *decoder) combine() Combine {
	if len(d.b) == 0 {
		d.bad = true
		return Mean
	}
	c := Combine(d.b[0])
	d.b = d.b[1:]
	return c
}

// count reads the number of things that follow, of at least size bytes each.
func (d *decoder) count(size int) int { return d.int(len(d.b)/size + 1) }

// floats reads finite numbers, or any but NaN.
func (d *decoder) floats(n int, finite bool) []float64 {
	if d.bad || n > len(d.b)/8 {
		d.bad = true
		return nil
	}
	out := make([]float64, n)
	for i := range out {
		v := math.Float64frombits(binary.LittleEndian.Uint64(d.b[8*i:]))
		d.bad = d.bad || math.IsNaN(v) || (finite && math.IsInf(v, 0)) || (v == 0 && math.Signbit(v))
		out[i] = v
	}
	d.b = d.b[8*n:]
	return out
}

// ascending reads a dictionary.
func (d *decoder) ascending(finite bool) []float64 {
	out := d.floats(d.count(8), finite)
	for i := 1; i < len(out); i++ {
		d.bad = d.bad || out[i-1] >= out[i]
	}
	return out
}

// header reads everything before the nodes.
func (d *decoder) header(features, outputs int) *Ensemble {
	e := &Ensemble{Combine: d.combine()}
	e.Features, e.Outputs, e.Scores = d.int(maxFeature+1), d.int(math.MaxInt32), d.int(math.MaxInt32)
	trees, nodes := d.count(1), d.count(1)
	if d.bad || e.Features != features || e.Outputs != outputs || trees > nodes || nodes > math.MaxInt32 || (trees == 0 && e.Combine == Mean) {
		d.bad = true
		return e
	}
	if e.Base = d.floats(e.Scores, true); d.bad || e.shapeFault() != "" {
		d.bad = true
		return e
	}
	// Each feature takes a byte at least.
	for range min(features, len(d.b)) {
		d.thresholds = append(d.thresholds, d.ascending(false))
	}
	d.bad = d.bad || len(d.thresholds) != features
	d.values = d.ascending(true)
	if rows := d.count(8 * e.Scores); rows > 0 {
		e.Values = d.floats(rows*e.Scores, true)
	}
	if d.bad {
		return e
	}
	e.Trees = make([]Tree, trees)
	for i := range e.Trees {
		e.Trees[i].Score = int32(d.int(e.Scores+1) - 1)
		all := e.Trees[i].Score == allScores
		d.bad = d.bad || (all && e.Scores == 1) || (!all && e.Scores > 1 && e.Combine == Mean)
	}
	e.Nodes = make([]Node, 0, nodes)
	return e
}

// trees reads the nodes. A node is a byte at least, which bounds them.
func (d *decoder) trees(e *Ensemble) {
	var pending []int32
	rows := len(e.Values) / e.Scores
	for i := range e.Trees {
		t := &e.Trees[i]
		t.Root = int32(len(e.Nodes))
		if !d.place(e, 1) {
			return
		}
		for pending = append(pending, t.Root); len(pending) > 0; {
			n := &e.Nodes[pending[len(pending)-1]]
			pending = pending[:len(pending)-1]
			tag := d.int(4*e.Features + 1)
			if tag == 0 {
				n.Feature = leaf
				if t.Score == allScores {
					n.Child = int32(d.int(rows))
				} else if v := d.int(len(d.values)); !d.bad {
					n.Threshold = d.values[v]
				}
				continue
			}
			d.split(e, n, tag-1)
			n.Child = int32(len(e.Nodes))
			pending = append(pending, n.Child+1, n.Child)
			if !d.place(e, 2) {
				return
			}
		}
	}
	d.bad = d.bad || len(e.Nodes) != cap(e.Nodes)
}

// place makes room for nodes, unless there are more than announced or something
// is wrong.
func (d *decoder) place(e *Ensemble, n int) bool {
	if d.bad = d.bad || len(e.Nodes)+n > cap(e.Nodes); d.bad {
		return false
	}
	e.Nodes = e.Nodes[:len(e.Nodes)+n]
	return true
}

// split reads a split after its tag.
func (d *decoder) split(e *Ensemble, n *Node, tag int) {
	f := tag >> 2
	n.Feature = int32(f)
	if tag&2 != 0 {
		n.Feature |= nanRight
	}
	if tag&1 == 0 {
		if v := d.int(len(d.thresholds[f])); !d.bad {
			n.Threshold = d.thresholds[f][v]
		}
		return
	}
	n.Feature |= isSet
	words := d.count(8)
	if d.bad = d.bad || words >= maxSetWords || 8*words > len(d.b); d.bad {
		return
	}
	n.Threshold = setAt(len(e.Sets), words)
	for i := range words {
		e.Sets = append(e.Sets, binary.LittleEndian.Uint64(d.b[8*i:]))
	}
	d.b = d.b[8*words:]
}
