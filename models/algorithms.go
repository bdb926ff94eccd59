package models

import (
	"context"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/models/tree"
)

// registry holds every algorithm, by name.
var registry = []entry{elasticNet, gradientBoosting, lasso, linearRegression, logisticRegression, malaschitzForest, ridge}

var malaschitzForest = entry{
	Algorithm: Algorithm{
		Name:  "malaschitz_forest",
		Tasks: []perennial.Task{perennial.Classification},
		Doc:   "Random forest of the library malaschitz/randomForest. Not reproducible: it draws from Go's global, unseeded random source, so every fit differs and no seed changes that.",
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
		return Fitted{Predictor: votes{e}}, nil
	},
	decode: func(b []byte, width, outputs int) (Predictor, error) {
		e, err := tree.Decode(b, width, outputs)
		if err != nil {
			return nil, err
		}
		return votes{e}, nil
	},
}

// votes makes probabilities of a forest's votes, whose sum is below 1 where
// trees ended in leaves without rows: they are divided by their sum then, and
// equal where no tree voted at all.
type votes struct{ *tree.Ensemble }

// Predict writes the probability of every class.
func (v votes) Predict(x, out []float64) {
	v.Ensemble.Predict(x, out)
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
