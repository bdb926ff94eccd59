package models

import (
	"context"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/models/linear"
)

var logisticRegression = entry{
	Algorithm: Algorithm{
		Name:         "logistic_regression",
		Tasks:        []perennial.Task{perennial.Classification},
		Reproducible: true,
		Doc:          "Logistic regression with an L2 penalty, multinomial for three and more classes; scikit-learn's objective, fitted by L-BFGS.",
		Params: []Param{
			{Name: "c", Kind: ParamFloat, Default: 1.0, Min: 1e-9, Max: 1e9, Doc: "Inverse strength of the penalty."},
			{Name: "class_weight", Kind: ParamString, Default: "none", Choices: []string{"none", "balanced"}, Doc: "balanced weights each class by the inverse of its share."},
			{Name: "max_iter", Kind: ParamInt, Default: 1000, Min: 1, Max: 1e6, Doc: "Iterations at most."},
			{Name: "tol", Kind: ParamFloat, Default: 1e-6, Min: 1e-12, Max: 1, Doc: "Stops where no element of the gradient is larger."},
		},
	},
	fit: func(ctx context.Context, p Params, t Training) (Fitted, error) {
		m, err := linear.FitLogistic(ctx, linear.Data{X: t.X, Y: t.Y, Rows: t.Rows, Cols: t.Cols, Classes: t.Classes}, linear.LogisticSettings{
			C: p.Float("c"), Balanced: p.Text("class_weight") == "balanced", MaxIterations: p.Int("max_iter"), Tolerance: p.Float("tol"),
		})
		if err != nil {
			return Fitted{}, err
		}
		return Fitted{Predictor: m, Trace: Trace{Status: string(m.Status), Iterations: m.Iterations}}, nil
	},
	decode: func(b []byte, width, outputs int) (Predictor, error) { return linear.DecodeLogistic(b, width, outputs) },
}

var ridge = entry{
	Algorithm: Algorithm{
		Name:         "ridge",
		Tasks:        []perennial.Task{perennial.Regression},
		Reproducible: true,
		Doc:          "Linear regression with an L2 penalty, solved in closed form; scikit-learn's Ridge.",
		Params: []Param{
			{Name: "alpha", Kind: ParamFloat, Default: 1.0, Min: 0, Max: 1e12, Doc: "Strength of the penalty; 0 is ordinary least squares."},
		},
	},
	fit: func(ctx context.Context, p Params, t Training) (Fitted, error) {
		m, err := linear.FitRidge(ctx, linear.Data{X: t.X, Y: t.Y, Rows: t.Rows, Cols: t.Cols}, linear.RidgeSettings{Alpha: p.Float("alpha")})
		if err != nil {
			return Fitted{}, err
		}
		return Fitted{Predictor: m}, nil
	},
	decode: func(b []byte, width, _ int) (Predictor, error) { return linear.DecodeRidge(b, width) },
}
