package tree

import (
	"context"
	"math"
	"sync"
	"sync/atomic"

	"github.com/perennial-ml/perennial"
)

// ForestSettings sets FitForest. A zero field means its default.
type ForestSettings struct {
	Trees       int     // default 100
	MaxDepth    int     // splits from the root to a leaf at most; 0: no limit
	MinLeaf     int     // rows in a leaf at least; 0: 1, or on large data what keeps the forest within 8 million nodes
	MinSplit    int     // a node of fewer rows is a leaf; default 2
	MaxFeatures float64 // features tried per split: up to 1 a share of them, at least one, else a number, at most all; 0: all for regression, their square root for classification
	NoBootstrap bool    // every tree sees every row once, instead of as many rows drawn with replacement
	Extra       bool    // extremely randomised: one random threshold per feature tried
	Entropy     bool    // of classification: information gain instead of Gini's impurity
	Balanced    bool    // of classification: a class weighs rows / (classes · its rows)
	Seed        int64
	Threads     int // trees grown at once; default 1; changes nothing but time
}

// Bounds on memory. A node takes 16 bytes in the model and as much again in its
// compiled form.
const (
	autoNodes  = 1 << 23 // what MinLeaf 0 keeps within
	mostNodes  = 1 << 24 // where growing fails
	workMemory = 1 << 30 // bytes of index arrays that the threads may take together
)

// Forest is what FitForest gives.
type Forest struct {
	*Ensemble
	// OutOfBag is scikit-learn's oob_score_: R², or the accuracy, of predicting
	// each row by the trees that didn't draw it. NaN without bootstrap, where no
	// row was left out, and above 4 million rows × classes.
	OutOfBag float64
}

// FitForest grows a random forest (Breiman, "Random Forests", Machine Learning
// 45, 2001) or, with Extra, extremely randomised trees (Geurts, Ernst and
// Wehenkel, Machine Learning 63, 2006), for regression where the table has no
// classes and for classification otherwise; the prediction is the mean over the
// trees of a leaf's mean target, or of its class shares. The rules are
// scikit-learn's:
//
// A tree is grown on Rows rows drawn with replacement (n rows of which count c
// times). A node with m features to try draws features without replacement until
// m have been seen and one of them isn't constant in the node; the best split
// maximises, over sums of the weights w,
//
//	regression  S²ₗ/Wₗ + S²ᵣ/Wᵣ              S = Σ w·y, the squared error's decrease
//	Gini        Σₖ W²ₗₖ/Wₗ + Σₖ W²ᵣₖ/Wᵣ      Wₖ the weight of class k
//	entropy     Σₖ Wₗₖ·log(Wₗₖ/Wₗ) + the same of the right
//
// over all thresholds between neighbouring distinct values, of which it takes
// the midpoint; ties go to the first one seen. Extra draws one threshold per
// feature, uniformly between the node's extremes. A node is a leaf where its
// targets are equal, or MaxDepth, MinSplit or MinLeaf say so.
//
// Missing values are tried on both sides of each threshold (Extra: on one drawn
// side); a split that saw none sends them to the side of more rows. Categories
// are split by sets: ordered by mean target or, one after another, by each
// class's share, which for regression and two classes gives the best of all
// sets (Fisher, 1958); Extra draws a set. A category that the node hasn't seen
// goes to the side of more rows.
//
// Splits are exact: each feature is sorted once and the orders are partitioned
// from node to node, so a level costs O(rows · features). Tree t draws from
// stats.NewRand(Seed, t), so the forest is the same for any number of threads.
// It looks at ctx in every node and between features.
//
// Errors: ctx's own; code invalid as Table.Check and CheckSums; too_large where the forest
// would outgrow 16 million nodes, which take 270 MB, and as much again to serve.
func FitForest(ctx context.Context, t Table, s ForestSettings) (*Forest, error) {
	const op = "tree.FitForest"
	if err := t.Check(); err != nil {
		return nil, perennial.Wrap(op, err)
	}
	if t.Rows > math.MaxInt32 {
		return nil, perennial.Errorf(perennial.CodeTooLarge, op, "%d rows", t.Rows)
	}
	f := newForest(&t, s)
	if err := t.CheckSums(f.s.Trees); err != nil {
		return nil, perennial.Wrap(op, err)
	}
	defer context.AfterFunc(ctx, func() { f.stop.Store(true) })()
	if err := ctx.Err(); err != nil {
		return nil, perennial.Wrap(op, err)
	}
	f.prepare()
	f.oob = newOutOfBag(f)
	trees := f.grow()
	if err := ctx.Err(); err != nil {
		return nil, perennial.Wrap(op, err)
	}
	if f.nodes.Load() > mostNodes {
		return nil, perennial.Errorf(perennial.CodeTooLarge, op, "%d trees on %d rows make more than %d million nodes", f.s.Trees, t.Rows, mostNodes/1_000_000).
			WithHint("Set min_leaf higher, or to 0, which chooses it by the number of rows; or max_depth, or fewer trees.")
	}
	out := &Forest{OutOfBag: math.NaN()}
	if f.oob != nil {
		if score, ok := f.oob.score(f); ok {
			out.OutOfBag = score
		}
	}
	out.Ensemble = f.join(trees)
	return out, nil
}

// forest is what all trees of a fit share.
type forest struct {
	t     *Table
	s     ForestSettings
	try   int // features per split
	stop  atomic.Bool
	nodes atomic.Int64
	oob   *outOfBag // nil: not followed

	order   [][]uint32 // per feature, rows by value, then number, missing ones last; Extra: none
	missing []bool     // per feature
	weights []float64  // per row, nil: 1 each
	class   []uint32   // of classification

	// Of unweighted regression on few rows: the target in fixed point, shifted
	// left by countBits, plus 1. A sum of such words, each times how often its
	// row was drawn, has the number of draws in its low bits and the sum of the
	// targets above them, exactly, for one addition per row.
	words     []int64
	countBits uint
	logs      []float64 // of unweighted entropy: n·log n

	middle, spread float64 // of regression: targets are within middle ± spread
}

// maxPackedRows is up to where words leave a target 26 bits at least.
const maxPackedRows = 1 << 17

func newForest(t *Table, s ForestSettings) *forest {
	if s.Trees == 0 {
		s.Trees = 100
	}
	s.MinSplit = max(s.MinSplit, 2)
	if s.MinLeaf == 0 {
		rows := float64(t.Rows)
		if !s.NoBootstrap {
			rows *= 1 - 1/math.E
		}
		s.MinLeaf = max(1, int(math.Ceil(2*rows*float64(s.Trees)/autoNodes)))
	}
	if s.MaxDepth == 0 {
		s.MaxDepth = math.MaxInt
	}
	f := &forest{t: t, s: s, try: t.Cols}
	switch m := s.MaxFeatures; {
	case m > 1:
		f.try = int(min(m, float64(t.Cols)))
	case m > 0:
		f.try = max(1, int(m*float64(t.Cols)))
	case t.Classes > 0:
		f.try = max(1, int(math.Sqrt(float64(t.Cols))))
	}
	return f
}

// grow grows the trees.
func (f *forest) grow() []grown {
	trees := make([]grown, f.s.Trees)
	threads := min(max(f.s.Threads, 1), f.s.Trees)
	if each := 4 * f.t.Rows * (len(f.order) + 1); each*threads > workMemory {
		threads = max(1, workMemory/each)
	}
	var next atomic.Int64
	var workers sync.WaitGroup
	for range threads {
		workers.Go(func() {
			g := newGrower(f)
			for {
				k := int(next.Add(1)) - 1
				if k >= len(trees) || f.stop.Load() {
					return
				}
				trees[k] = g.tree(k)
				if f.nodes.Add(int64(len(trees[k].nodes))) > mostNodes {
					f.stop.Store(true)
				}
			}
		})
	}
	workers.Wait()
	return trees
}

// grown is one tree: nodes, rows of values and sets count from its own start.
type grown struct {
	nodes []Node
	rows  []float64
	sets  []uint64
}

// join puts the trees one after another, in Ensemble's order: growing is in
// preorder already.
func (f *forest) join(trees []grown) *Ensemble {
	outputs := max(f.t.Classes, 1)
	e := &Ensemble{
		Features: f.t.Cols, Outputs: outputs, Scores: outputs, Combine: Mean, Base: make([]float64, outputs),
		Trees: make([]Tree, len(trees)), Nodes: make([]Node, 0, f.nodes.Load()),
	}
	rows := interner{width: outputs}
	var renamed []int32
	for k := range trees {
		t := &trees[k]
		root := int32(len(e.Nodes))
		e.Trees[k] = Tree{Root: root}
		renamed = renamed[:0]
		if outputs > 1 {
			e.Trees[k].Score = allScores
			for at := 0; at < len(t.rows); at += outputs {
				renamed = append(renamed, rows.row(t.rows[at:at+outputs]))
			}
		}
		for _, n := range t.nodes {
			switch {
			case n.Feature != leaf:
				n.Child += root
				if n.Feature&isSet != 0 {
					bits := math.Float64bits(n.Threshold)
					n.Threshold = setAt(int(uint32(bits))+len(e.Sets), int(bits>>32))
				}
			case outputs > 1:
				n.Child = renamed[n.Child]
			}
			e.Nodes = append(e.Nodes, n)
		}
		e.Sets = append(e.Sets, t.sets...)
		*t = grown{}
	}
	e.Values = rows.values
	return e
}
