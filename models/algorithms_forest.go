package models

import (
	"context"
	"math"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/models/tree"
)

var randomForest = entry{
	Algorithm: Algorithm{
		Name:         "random_forest",
		Tasks:        []perennial.Task{perennial.Classification, perennial.Regression},
		Reproducible: true,
		Doc:          "Random forest: the mean of deep trees, each grown on a bootstrap sample with random features per split; scikit-learn's rules, with missing values and categories split as they are.",
		Params:       forestParams(true),
	},
	takesNull: true, takesCategories: true, trees: true,
	fit: func(ctx context.Context, p Params, t Training) (Fitted, error) {
		return fitForest(ctx, p, t, tree.ForestSettings{})
	},
	decode: decodeTrees,
}

var extraTrees = entry{
	Algorithm: Algorithm{
		Name:         "extra_trees",
		Tasks:        []perennial.Task{perennial.Classification, perennial.Regression},
		Reproducible: true,
		Doc:          "Extremely randomised trees: as random_forest, but each feature tried gets one random threshold, and every tree sees every row.",
		Params:       forestParams(false),
	},
	takesNull: true, takesCategories: true, trees: true,
	fit: func(ctx context.Context, p Params, t Training) (Fitted, error) {
		return fitForest(ctx, p, t, tree.ForestSettings{Extra: true})
	},
	decode: decodeTrees,
}

func forestParams(bootstrap bool) []Param {
	return []Param{
		{Name: "trees", Kind: ParamInt, Default: 100, Min: 1, Max: 10000, Doc: "Number of trees."},
		{Name: "max_depth", Kind: ParamInt, Default: 0, Min: 0, Max: 1000, Doc: "Splits from the root to a leaf at most; 0 is no limit."},
		{Name: "min_leaf", Kind: ParamInt, Default: 0, Min: 0, Max: 1e9, Doc: "Rows in a leaf at least; 0 is 1, or on large data what keeps the forest within 8 million nodes."},
		{Name: "min_split", Kind: ParamInt, Default: 2, Min: 2, Max: 1e9, Doc: "A node of fewer rows is a leaf."},
		{Name: "max_features", Kind: ParamFloat, Default: 0.0, Min: 0, Max: 1e6, Share: true,
			Doc: "Prepared features tried per split: up to 1 a share of them (1 is all; at least one feature is tried), above 1 a number, at most all; 0 is all for regression and the square root of their number for classification."},
		{Name: "bootstrap", Kind: ParamBool, Default: bootstrap, Doc: "Each tree is grown on as many rows drawn with replacement, instead of on every row."},
		{Name: "criterion", Kind: ParamString, Default: "auto", Choices: []string{"auto", "gini", "entropy", "squared"},
			Only: map[string]perennial.Task{"gini": perennial.Classification, "entropy": perennial.Classification, "squared": perennial.Regression},
			Doc:  "What splits reduce: gini or entropy for classification, squared for regression; auto is gini or squared."},
		{Name: "class_weight", Kind: ParamString, Default: "none", Choices: []string{"none", "balanced"}, Only: map[string]perennial.Task{"balanced": perennial.Classification}, Doc: "balanced weights each class by the inverse of its share; of classification."},
	}
}

func fitForest(ctx context.Context, p Params, t Training, s tree.ForestSettings) (Fitted, error) {
	s.Trees, s.MaxDepth, s.MinLeaf, s.MinSplit = p.Int("trees"), p.Int("max_depth"), p.Int("min_leaf"), p.Int("min_split")
	s.MaxFeatures, s.NoBootstrap = p.Float("max_features"), !p.Bool("bootstrap")
	s.Entropy, s.Balanced = p.Text("criterion") == "entropy", p.Text("class_weight") == "balanced"
	s.Seed, s.Threads = t.Seed, t.Threads
	f, err := tree.FitForest(ctx, tree.Table{X: t.X, Y: t.Y, Rows: t.Rows, Cols: t.Cols, Classes: t.Classes, Categories: t.Categories}, s)
	if err != nil {
		return Fitted{}, err
	}
	trace := Trace{Status: "completed", Iterations: s.Trees}
	if !math.IsNaN(f.OutOfBag) {
		trace.OutOfBag = &f.OutOfBag
	}
	return Fitted{Predictor: compileTrees(f.Ensemble), Trace: trace}, nil
}

var malaschitzForest = entry{
	Algorithm: Algorithm{
		Name:  "malaschitz_forest",
		Tasks: []perennial.Task{perennial.Classification},
		Doc:   "Random forest of the library malaschitz/randomForest, for classification only. Not reproducible: it draws from Go's global, unseeded random source, so every fit differs and no seed changes that.",
		Params: []Param{
			{Name: "trees", Kind: ParamInt, Default: 100, Min: 1, Max: 10000, Doc: "Number of trees."},
			{Name: "max_depth", Kind: ParamInt, Default: 10, Min: 1, Max: 64, Doc: "Nodes from root to leaf, both counted."},
			{Name: "leaf_size", Kind: ParamInt, Default: 0, Min: 0, Max: 1e9, Doc: "A node of at most so many rows is a leaf; 0 is the library's rule, a twentieth of the rows within 1 and 50."},
			{Name: "max_features", Kind: ParamInt, Default: 0, Min: 0, Max: 1e6, Doc: "Prepared features tried per split, at most all; 0 is the square root of their number."},
		},
	},
	trees: true,
	fit: func(ctx context.Context, p Params, t Training) (Fitted, error) {
		e, err := tree.FitMalaschitz(ctx, tree.Data{X: t.X, Y: t.Y, Rows: t.Rows, Cols: t.Cols, Classes: t.Classes}, tree.MalaschitzSettings{
			Trees: p.Int("trees"), MaxDepth: p.Int("max_depth"), LeafSize: p.Int("leaf_size"), MaxFeatures: p.Int("max_features"), Threads: t.Threads,
		})
		if err != nil {
			return Fitted{}, err
		}
		return Fitted{Predictor: votes{compileTrees(e)}}, nil
	},
	decode: func(b []byte, width, outputs int) (Predictor, error) {
		e, err := tree.Decode(b, width, outputs)
		if err != nil {
			return nil, err
		}
		return votes{compileTrees(e)}, nil
	},
}

// votes makes probabilities of a forest's votes, whose sum is below 1 where
// trees ended in leaves without rows: they are divided by their sum then, and
// equal where no tree voted at all.
type votes struct{ compiledTrees }

// Predict writes the probability of every class.
func (v votes) Predict(x, out []float64) {
	v.compiledTrees.Predict(x, out)
	toShares(out)
}

// PredictBatch writes the probabilities of many rows.
func (v votes) PredictBatch(x, out []float64, rows int) {
	v.compiledTrees.PredictBatch(x, out, rows)
	for classes := len(out) / max(rows, 1); rows > 0; rows-- {
		toShares(out[(rows-1)*classes : rows*classes])
	}
}

func toShares(out []float64) {
	sum := 0.0
	for _, p := range out {
		sum += p
	}
	const rounding = 1e-9
	switch {
	case sum <= 0:
		for k := range out {
			out[k] = 1 / float64(len(out))
		}
	case sum < 1-rounding || sum > 1+rounding:
		for k := range out {
			out[k] /= sum
		}
	}
}
