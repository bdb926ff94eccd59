package models

import (
	"context"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/models/tree"
	"github.com/perennial-ml/perennial/models/tree/boosting"
)

var gradientBoosting = entry{
	Algorithm: Algorithm{
		Name:         "gradient_boosting",
		Tasks:        []perennial.Task{perennial.Classification, perennial.Regression},
		Reproducible: true,
		Doc:          "Gradient-boosted trees on histograms, grown leaf by leaf; takes null and categories as they are.",
		Params: []Param{
			{Name: "trees", Kind: ParamInt, Default: 100, Min: 1, Max: 100000, Doc: "Boosting iterations at most, each a tree, or one per class for three and more."},
			{Name: "learning_rate", Kind: ParamFloat, Default: 0.1, Min: 1e-6, Max: 1, Doc: "What each tree's answer is multiplied by."},
			{Name: "leaves", Kind: ParamInt, Default: 31, Min: 2, Max: 4096, Doc: "Leaves per tree at most."},
			{Name: "max_depth", Kind: ParamInt, Default: 0, Min: 0, Max: 1000, Doc: "Splits from root to leaf at most; 0 is no limit."},
			{Name: "min_leaf", Kind: ParamInt, Default: 20, Min: 1, Max: 1e9, Doc: "Training rows per leaf at least."},
			{Name: "min_gain", Kind: ParamFloat, Default: 0.0, Min: 0, Max: 1e300, Doc: "Gain of a split at least, in LightGBM's measure (min_gain_to_split)."},
			{Name: "l1", Kind: ParamFloat, Default: 0.0, Min: 0, Max: 1e12, Doc: "L1 penalty on leaf values."},
			{Name: "l2", Kind: ParamFloat, Default: 0.0, Min: 0, Max: 1e12, Doc: "L2 penalty on leaf values."},
			{Name: "row_sample", Kind: ParamFloat, Default: 1.0, Min: 1e-3, Max: 1, Doc: "Share of the rows that each iteration draws, without replacement."},
			{Name: "column_sample", Kind: ParamFloat, Default: 1.0, Min: 1e-3, Max: 1, Doc: "Share of the prepared features that each iteration draws."},
			{Name: "max_bins", Kind: ParamInt, Default: 255, Min: 2, Max: 255, Doc: "Bins per feature at most, null apart."},
			{Name: "loss", Kind: ParamString, Default: "auto", Choices: []string{"auto", "squared_error", "absolute_error", "log_loss"},
				Only: map[string]perennial.Task{"squared_error": perennial.Regression, "absolute_error": perennial.Regression, "log_loss": perennial.Classification},
				Doc:  "What is minimised; auto is squared_error for numbers and log_loss for classes."},
			{Name: "early_stopping", Kind: ParamInt, Default: 0, Min: 0, Max: 1e6, Doc: "Ends after so many iterations in which the loss on validation_share of the training rows hasn't fallen, and keeps the best; 0 is off."},
			{Name: "validation_share", Kind: ParamFloat, Default: 0.1, Min: 1e-3, Max: 0.9, Doc: "Share of the training rows that early_stopping looks at; no tree sees them."},
			{Name: "class_weight", Kind: ParamString, Default: "none", Choices: []string{"none", "balanced"}, Only: map[string]perennial.Task{"balanced": perennial.Classification}, Doc: "balanced weights each class by the inverse of its share; of classification."},
		},
	},
	takesNull: true, takesCategories: true, trees: true,
	fit:    fitBoosting,
	decode: decodeTrees,
}

func fitBoosting(ctx context.Context, p Params, t Training) (Fitted, error) {
	table := &tree.Table{X: t.X, Y: t.Y, Rows: t.Rows, Cols: t.Cols, Classes: t.Classes, Categories: t.Categories}
	if t.Classes > 0 && p.Text("class_weight") == "balanced" {
		table.Weights = balanced(t.Y, t.Classes)
	}
	loss := boosting.Loss(p.Text("loss"))
	if loss == "auto" {
		loss = ""
	}
	r, err := boosting.Fit(ctx, table, boosting.Settings{
		Loss: loss, Trees: p.Int("trees"), LearningRate: p.Float("learning_rate"),
		Leaves: p.Int("leaves"), MaxDepth: p.Int("max_depth"), MinLeaf: p.Int("min_leaf"), MinGain: p.Float("min_gain"),
		L1: p.Float("l1"), L2: p.Float("l2"), RowSample: p.Float("row_sample"), ColumnSample: p.Float("column_sample"),
		MaxBins: p.Int("max_bins"), EarlyStopping: p.Int("early_stopping"), ValidationShare: p.Float("validation_share"),
		Seed: t.Seed, Threads: t.Threads,
	})
	if err != nil {
		return Fitted{}, err
	}
	trace := Trace{Status: "completed", Iterations: len(r.Loss), Loss: r.Loss, Validation: r.Validation}
	switch {
	case r.Stopped:
		trace.Status = "early_stopped"
	case r.Converged:
		trace.Status = "converged"
	}
	return Fitted{Predictor: compileTrees(r.Ensemble), Trace: trace}, nil
}

// balanced weights rows as scikit-learn's class_weight does: by rows over classes
// that occur times rows of the class, so that the mean weight is 1.
func balanced(y []float64, classes int) []float64 {
	counts, occurring := make([]float64, classes), 0.0
	for _, v := range y {
		if counts[int(v)]++; counts[int(v)] == 1 {
			occurring++
		}
	}
	out := make([]float64, len(y))
	for i, v := range y {
		out[i] = float64(len(y)) / (occurring * counts[int(v)])
	}
	return out
}
