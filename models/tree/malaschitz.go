package tree

import (
	"context"
	"fmt"
	"math"
	"slices"

	randomforest "github.com/malaschitz/randomForest"

	"github.com/perennial-ml/perennial"
)

// Data is what a forest is fitted on: Rows × Cols finite values, row by row, and
// one class index 0…Classes−1 per row.
type Data struct {
	X          []float64
	Y          []float64
	Rows, Cols int
	Classes    int
}

// MalaschitzSettings sets FitMalaschitz. A zero field means its default.
type MalaschitzSettings struct {
	Trees       int // default 100
	MaxDepth    int // nodes from root to leaf, both counted; default 10
	LeafSize    int // a node of at most so many rows is a leaf; default: rows/20, within 1 and 50
	MaxFeatures int // features tried per split, at most Cols; default ⌊√Cols⌋
	Threads     int // trees grown at once; default 1, at most the machine's processors
}

// maxTreeWork bounds rows × features tried × levels (at most 20 of which hold
// many rows): the library can't be stopped inside a tree, and at this bound one
// tree takes half a second to a second of processor time (measured, 2 cores).
const maxTreeWork = 2_000_000

// FitMalaschitz grows a classification forest with the library
// github.com/malaschitz/randomForest and flattens its trees, losslessly.
//
// What is not reproducible: all of it. The library draws each tree's bootstrap
// sample and the features tried at each split from math/rand's global, unseeded
// source, shared by all goroutines, so two fits on equal data differ in every
// tree, and no seed changes that. Only prediction is exact: a fitted forest
// always gives the same votes.
//
// What to know of its trees: without settings they stop at depth 10 and at
// leaves of a twentieth of the rows (at most 50), which is shallower than
// scikit-learn's; thresholds are data values, not midpoints; where none of the
// tried features can split a node, it splits at feature 0 above 0, which can
// make a leaf without rows, whose votes are all 0. The votes of a row then sum
// to less than 1.
//
// It trains Threads trees at a time and looks at the context in between, so it
// stops within one tree's time, about a second of processor time at most: data
// on which a tree could take longer is refused with code too_large (at depth 10
// and 2 features tried that is more than 100,000 rows). Other errors are code
// invalid (targets out of range), internal, and ctx's own. The library's global
// NumWorkers stays as it is: no chunk starts more goroutines than Threads.
func FitMalaschitz(ctx context.Context, d Data, s MalaschitzSettings) (*Ensemble, error) {
	const op = "tree.FitMalaschitz"
	data, err := libraryData(&d)
	if err != nil {
		return nil, perennial.Wrap(op, err)
	}
	if s.Trees == 0 {
		s.Trees = 100
	}
	if s.MaxFeatures == 0 {
		s.MaxFeatures = max(1, int(math.Sqrt(float64(d.Cols))))
	}
	if s.MaxDepth == 0 {
		s.MaxDepth = 10
	}
	s.MaxFeatures = min(s.MaxFeatures, d.Cols)
	if most := maxTreeWork / (s.MaxFeatures * min(s.MaxDepth, 20)); d.Rows > most {
		return nil, perennial.Errorf(perennial.CodeTooLarge, op, "malaschitz_forest takes at most %d rows with %d features tried per split and depth %d, and these are %d", most, s.MaxFeatures, s.MaxDepth, d.Rows).
			WithHint("Lower max_features or max_depth, or use another algorithm: this library can't be interrupted inside a tree.")
	}
	trees := make([]randomforest.Tree, 0, s.Trees)
	for len(trees) < s.Trees {
		if err := ctx.Err(); err != nil {
			return nil, perennial.Wrap(op, err)
		}
		forest := randomforest.Forest{Data: data, LeafSize: s.LeafSize, MFeatures: s.MaxFeatures, MaxDepth: s.MaxDepth}
		forest.Train(min(max(s.Threads, 1), s.Trees-len(trees)))
		trees = append(trees, forest.Trees...)
	}
	if err := ctx.Err(); err != nil {
		return nil, perennial.Wrap(op, err)
	}
	e, err := Flatten(trees, d.Cols, d.Classes)
	return e, perennial.Wrap(op, err)
}

// libraryData gives the rows as the library wants them, without copying values,
// and checks what would make it panic.
func libraryData(d *Data) (randomforest.ForestData, error) {
	var out randomforest.ForestData
	if d.Rows < 1 || d.Cols < 1 || len(d.X) != d.Rows*d.Cols || len(d.Y) != d.Rows {
		return out, perennial.Errorf(perennial.CodeInternal, "", "%d values and %d targets for %d rows of %d columns", len(d.X), len(d.Y), d.Rows, d.Cols)
	}
	out.X, out.Class = make([][]float64, d.Rows), make([]int, d.Rows)
	for i, y := range d.Y {
		// Written so that NaN fails too.
		if !(y >= 0 && y < float64(d.Classes)) || y != math.Trunc(y) {
			return out, perennial.Errorf(perennial.CodeInvalid, "", "the target of row %d is no class index: %g of %d classes", i, y, d.Classes)
		}
		out.X[i], out.Class[i] = d.X[i*d.Cols:(i+1)*d.Cols], int(y)
	}
	return out, nil
}

// Flatten turns the library's trees into an Ensemble whose Predict equals the
// library's Vote bit for bit. classes may be more than the library saw: it
// counts only up to the largest class among its rows, and the missing ones get
// vote 0. A tree that can't have come from the library is an error of code
// internal.
func Flatten(trees []randomforest.Tree, features, classes int) (*Ensemble, error) {
	b := NewBuilder(features, classes, classes, Mean, nil)
	for i := range trees {
		if err := flatten(b, &trees[i].Root, b.Tree(allScores), classes); err != nil {
			return nil, perennial.Errorf(perennial.CodeInternal, "tree.Flatten", "tree %d of the library is broken", i).Because(err)
		}
	}
	return b.Ensemble()
}

// flatten writes a branch to a node and what is below it. Depth is bounded by
// the library's MaxDepth.
func flatten(to *Builder, b *randomforest.Branch, at int32, classes int) error {
	if b.IsLeaf {
		if len(b.LeafValue) > classes {
			return fmt.Errorf("a leaf has %d classes of %d", len(b.LeafValue), classes)
		}
		to.Leaf(at, append(slices.Clone(b.LeafValue), make([]float64, classes-len(b.LeafValue))...)...)
		return nil
	}
	if b.Branch0 == nil || b.Branch1 == nil {
		return fmt.Errorf("a split on feature %d without children", b.Attribute)
	}
	left, right := to.Split(at, Split{Feature: b.Attribute, Threshold: b.Value})
	if err := flatten(to, b.Branch0, left, classes); err != nil {
		return err
	}
	return flatten(to, b.Branch1, right, classes)
}
