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
		Doc:          "Logistic regression with an L2, L1 or elastic-net penalty or none, multinomial for three and more classes; scikit-learn's objective, fitted by Newton's method or, where there are many parameters, L-BFGS.",
		Params: []Param{
			{Name: "penalty", Kind: ParamString, Default: "l2", Choices: []string{"l2", "l1", "elastic_net", "none"}, Doc: "What keeps the coefficients small."},
			{Name: "c", Kind: ParamFloat, Default: 1.0, Min: 1e-9, Max: 1e9, Doc: "Inverse strength of the penalty."},
			{Name: "l1_ratio", Kind: ParamFloat, Default: 0.5, Min: 0, Max: 1, Doc: "The L1 part of elastic_net: 0 is l2, 1 is l1."},
			{Name: "class_weight", Kind: ParamString, Default: "none", Choices: []string{"none", "balanced"}, Doc: "balanced weights each class by the inverse of its share."},
			{Name: "max_iter", Kind: ParamInt, Default: 1000, Min: 1, Max: 1e6, Doc: "Iterations at most."},
			{Name: "tol", Kind: ParamFloat, Default: 1e-6, Min: 1e-12, Max: 1, Doc: "Stops where no element of the gradient (of the mean loss, for scaled columns) is larger."},
		},
	},
	fit: func(ctx context.Context, p Params, t Training) (Fitted, error) {
		m, err := linear.FitLogistic(ctx, linearData(t), linear.LogisticSettings{
			Penalty: linear.Penalty(p.Text("penalty")), C: p.Float("c"), L1Ratio: p.Float("l1_ratio"), Balanced: p.Text("class_weight") == "balanced",
			MaxIterations: p.Int("max_iter"), Tolerance: p.Float("tol"),
		})
		if err != nil {
			return Fitted{}, err
		}
		return Fitted{Predictor: m, Trace: Trace{Status: string(m.Status), Iterations: m.Iterations, Loss: m.Loss}}, nil
	},
	decode: func(b []byte, width, outputs int) (Predictor, error) { return linear.DecodeLogistic(b, width, outputs) },
}

var linearRegression = entry{
	Algorithm: Algorithm{
		Name:         "linear_regression",
		Tasks:        []perennial.Task{perennial.Regression},
		Reproducible: true,
		Doc:          "Ordinary least squares; the solution of least norm where columns depend on each other, as scikit-learn's LinearRegression.",
		Params: []Param{
			{Name: "tol", Kind: ParamFloat, Default: 1e-6, Min: 1e-15, Max: 1, Doc: "Singular values below this share of the largest count as 0."},
		},
	},
	fit: func(ctx context.Context, p Params, t Training) (Fitted, error) {
		return fittedRegression(linear.FitLeastSquares(ctx, linearData(t), linear.LeastSquaresSettings{Cutoff: p.Float("tol")}))
	},
	decode: decodeRegression,
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
		return fittedRegression(linear.FitLeastSquares(ctx, linearData(t), linear.LeastSquaresSettings{Alpha: p.Float("alpha")}))
	},
	decode: decodeRegression,
}

var lasso = entry{
	Algorithm: Algorithm{
		Name:         "lasso",
		Tasks:        []perennial.Task{perennial.Regression},
		Reproducible: true,
		Doc:          "Linear regression with an L1 penalty, which leaves features out; scikit-learn's Lasso, by coordinate descent.",
		Params:       descentParams(),
	},
	fit: func(ctx context.Context, p Params, t Training) (Fitted, error) {
		return fittedRegression(linear.FitElasticNet(ctx, linearData(t), linear.ElasticNetSettings{
			Alpha: p.Float("alpha"), L1Ratio: 1, MaxIterations: p.Int("max_iter"), Tolerance: p.Float("tol"),
		}))
	},
	decode: decodeRegression,
}

var elasticNet = entry{
	Algorithm: Algorithm{
		Name:         "elastic_net",
		Tasks:        []perennial.Task{perennial.Regression},
		Reproducible: true,
		Doc:          "Linear regression with an L1 and an L2 penalty; scikit-learn's ElasticNet, by coordinate descent.",
		Params: append(descentParams(),
			Param{Name: "l1_ratio", Kind: ParamFloat, Default: 0.5, Min: 0, Max: 1, Doc: "The L1 part of the penalty: 0 is ridge (with alpha times the rows), 1 is lasso."}),
	},
	fit: func(ctx context.Context, p Params, t Training) (Fitted, error) {
		return fittedRegression(linear.FitElasticNet(ctx, linearData(t), linear.ElasticNetSettings{
			Alpha: p.Float("alpha"), L1Ratio: p.Float("l1_ratio"), MaxIterations: p.Int("max_iter"), Tolerance: p.Float("tol"),
		}))
	},
	decode: decodeRegression,
}

func descentParams() []Param {
	return []Param{
		{Name: "alpha", Kind: ParamFloat, Default: 1.0, Min: 0, Max: 1e12, Doc: "Strength of the penalty beside the mean squared error; 0 is ordinary least squares."},
		{Name: "max_iter", Kind: ParamInt, Default: 10000, Min: 1, Max: 1e7, Doc: "Sweeps over the coefficients at most."},
		{Name: "tol", Kind: ParamFloat, Default: 1e-6, Min: 1e-14, Max: 1, Doc: "Stops where the duality gap is below it, as a share of the target's sum of squares."},
	}
}

func linearData(t Training) linear.Data {
	return linear.Data{X: t.X, Y: t.Y, Rows: t.Rows, Cols: t.Cols, Classes: t.Classes, Threads: t.Threads}
}

func fittedRegression(m *linear.Regression, err error) (Fitted, error) {
	if err != nil {
		return Fitted{}, err
	}
	return Fitted{Predictor: m, Trace: Trace{Status: string(m.Status), Iterations: m.Iterations, Loss: m.Loss}}, nil
}

func decodeRegression(b []byte, width, _ int) (Predictor, error) {
	return linear.DecodeRegression(b, width)
}
