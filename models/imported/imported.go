// Package imported reads models that other libraries trained: LightGBM's text
// files and XGBoost's JSON and UBJSON files. Parse takes a file's bytes and gives
// its trees, features and objective; Bind fits them to a schema and gives a
// tree.Ensemble, which answers as the library does (Bind says how exactly). What
// Perennial can't read, from pickles to ONNX, is refused with advice on how to
// save the model instead.
//
// The package does no I/O and never runs what a file holds: both formats are
// numbers and names. Start reading at Parse, then Model.Bind.
package imported

import (
	"bytes"
	"fmt"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/models/tree"
)

// Format is the library that a model file comes from; it is the algorithm's name
// of the imported model too.
type Format string

// The formats.
const (
	LightGBM Format = "lightgbm"
	XGBoost  Format = "xgboost"
)

// Model is a parsed model file.
type Model struct {
	Format     Format
	Version    string // of the file's form (LightGBM: v4) or of the library (XGBoost: 3.2.0)
	Objective  string // in the library's words
	Task       perennial.Task
	Classes    int       // 0 for regression
	Features   []Feature // in the model's order
	Named      bool      // the features have names of their own: they are found by name, else by place
	Trees      int       // that answer
	Iterations int       // that answer
	Dropped    int       // iterations in the file after the best one, which don't answer

	shape  shape
	trees  []rawTree
	zero   []bool     // LightGBM's zero_as_missing, by feature
	pandas [][]string // categories of the categorical features in order, where the file doesn't say which those are
}

// Feature is a column that a model was trained on.
type Feature struct {
	Name        string
	Categorical bool     // some split asks for categories, or the file says so
	Categories  []string // by code; nil where the file doesn't tell
}

// shape is how scores become answers.
type shape struct {
	combine tree.Combine
	outputs int
	base    []float64 // per score
}

// rawTree is a tree in a library's own numbering. Its root is nodes[0].
type rawTree struct {
	score int // that it adds to
	nodes []rawNode
}

// rawNode is a node: a leaf, a numeric split (codes nil) that sends x ≤ threshold
// left, or a categorical one that sends the codes left and all others right.
type rawNode struct {
	leaf        bool
	value       float64 // of a leaf
	feature     int
	threshold   float64
	codes       []uint64 // bit c: code c goes left
	nanRight    bool
	missing     uint8 // LightGBM's missing type
	left, right int
}

// Parse reads a model file. What it is shows in its first bytes, never in its
// name. Errors: invalid for a file of another kind, with advice in the hint, and
// for a model that Perennial can't answer for, with the reason; malformed for one
// that is damaged or cut off. It never panics, and its memory is bounded by a
// multiple of len(file).
func Parse(file []byte) (*Model, error) {
	const op = "imported.Parse"
	if err := refuse(file); err != nil {
		return nil, perennial.Wrap(op, err)
	}
	var m *Model
	var err error
	switch text := bytes.TrimLeft(file, " \t\r\n\ufeff"); {
	case bytes.HasPrefix(text, []byte(lightGBMStart)):
		m, err = parseLightGBM(file)
	case isUBJSON(file):
		var document []byte
		if document, err = ubjsonToJSON(file); err == nil {
			m, err = parseXGBoost(document)
		}
	default:
		m, err = parseXGBoost(text)
	}
	if err != nil {
		return nil, perennial.Wrap(op, err)
	}
	m.Trees = len(m.trees)
	return m, perennial.Wrap(op, m.check())
}

// check looks at what both libraries have in common: every tree is a tree, and
// everything it names is there.
func (m *Model) check() error {
	if n := len(m.Features); n < 1 || n > maxFeatures {
		return invalidf("the model has %d features; Perennial takes 1 to %d", n, maxFeatures)
	}
	for i := range m.trees {
		if err := m.trees[i].check(len(m.Features), len(m.shape.base)); err != nil {
			return malformedf("tree %d %s", i, err)
		}
	}
	for i := range m.trees {
		for _, n := range m.trees[i].nodes {
			if !n.leaf && n.codes != nil {
				m.Features[n.feature].Categorical = true
			}
		}
	}
	return nil
}

// maxFeatures is how many columns a schema may have.
const maxFeatures = 10000

// check makes sure that every walk from the root ends in a leaf and no node is
// reached twice. Nodes that none leads to are XGBoost's pruned ones.
func (t *rawTree) check(features, scores int) error {
	if t.score < 0 || t.score >= scores {
		return fmt.Errorf("adds to score %d of %d", t.score, scores)
	}
	if len(t.nodes) == 0 {
		return fmt.Errorf("has no nodes")
	}
	seen := make([]bool, len(t.nodes))
	for next := []int{0}; len(next) > 0; {
		at := next[len(next)-1]
		next = next[:len(next)-1]
		if at < 0 || at >= len(t.nodes) || seen[at] {
			return fmt.Errorf("leads to node %d of %d, or to it twice", at, len(t.nodes))
		}
		seen[at] = true
		n := &t.nodes[at]
		switch {
		case n.leaf && !finite(n.value):
			return fmt.Errorf("has the leaf value %g", n.value)
		case n.leaf:
		case n.feature < 0 || n.feature >= features:
			return fmt.Errorf("splits feature %d of %d", n.feature, features)
		case n.threshold != n.threshold:
			return fmt.Errorf("has a threshold that is no number")
		default:
			next = append(next, n.left, n.right)
		}
	}
	return nil
}

func malformedf(format string, args ...any) *perennial.Error {
	return perennial.Errorf(perennial.CodeMalformed, "", "the model file is damaged: "+format, args...).
		WithHint("Save it again from the library that trained it.")
}

func invalidf(format string, args ...any) *perennial.Error {
	return perennial.Errorf(perennial.CodeInvalid, "", format, args...)
}
