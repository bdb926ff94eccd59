// Command folds cross-validates one algorithm on one of the sample data sets, as
// ../samples.py asks: stratified where the target has classes, with the
// preparation of the pipeline file and every row of the data.
//
//	folds PROJECT PIPELINE PARAMS FOLDS SEEDS
//
// PARAMS are a run's parameters as JSON, texts by name, algorithm among them.
// It prints the mean of the metric over all folds of each seed 0…SEEDS−1, as a
// JSON array: accuracy for classification, RMSE for regression.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/dataset"
	"github.com/perennial-ml/perennial/internal/pipeline"
	"github.com/perennial-ml/perennial/models"
	"github.com/perennial-ml/perennial/models/evaluate"
	"github.com/perennial-ml/perennial/models/tune"
)

func main() {
	if len(os.Args) != 6 {
		fmt.Fprintln(os.Stderr, "folds PROJECT PIPELINE PARAMS FOLDS SEEDS")
		os.Exit(2)
	}
	means, err := run(os.Args[1], os.Args[2], os.Args[3], os.Args[4], os.Args[5])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	b, _ := json.Marshal(means) //nolint:errchkjson // finite numbers
	fmt.Println(string(b))      //nolint:forbidigo // the answer
}

func run(project, name, params, folds, seeds string) ([]float64, error) {
	k, err := strconv.Atoi(folds)
	if err != nil {
		return nil, err
	}
	n, err := strconv.Atoi(seeds)
	if err != nil {
		return nil, err
	}
	s, table, err := load(project, name)
	if err != nil {
		return nil, err
	}
	if err := choose(&s, params); err != nil {
		return nil, err
	}
	means := make([]float64, n)
	for seed := range means {
		if means[seed], err = validate(s, table, k, int64(seed)); err != nil {
			return nil, err
		}
	}
	return means, nil
}

// choose takes the algorithm and its parameters out of a run's.
func choose(s *models.Spec, params string) error {
	var texts map[string]string
	if err := json.Unmarshal([]byte(params), &texts); err != nil {
		return err
	}
	s.Algorithm, s.Params = texts["algorithm"], map[string]any{}
	for _, a := range models.Algorithms() {
		if a.Name != s.Algorithm {
			continue
		}
		for _, p := range a.Params {
			text, ok := texts[p.Name]
			if !ok {
				continue
			}
			var err error
			switch p.Kind {
			case models.ParamFloat, models.ParamInt:
				s.Params[p.Name], err = strconv.ParseFloat(text, 64)
			case models.ParamBool:
				s.Params[p.Name], err = strconv.ParseBool(text)
			case models.ParamString:
				s.Params[p.Name] = text
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func load(project, name string) (models.Spec, *perennial.Table, error) {
	file := filepath.Join(project, "pipelines", name+".yaml")
	spec, err := pipeline.Load(project, file)
	if err != nil {
		return models.Spec{}, nil, err
	}
	p := spec.Pipeline
	b, err := os.ReadFile(filepath.Join(project, filepath.FromSlash(p.Data.Path))) //nolint:gosec // the caller's own project
	if err != nil {
		return models.Spec{}, nil, err
	}
	table, _, err := dataset.Read(context.Background(), p.Data.Path, b, &spec.Schema, p.Data.CSV)
	return models.Spec{
		Task: p.Task, Schema: spec.Schema, Preprocess: p.Preprocess, Seed: p.Tuning.Seed, Threads: runtime.GOMAXPROCS(0), Positive: p.Data.Positive,
	}, table, err
}

// validate gives the mean over the folds of accuracy, or of RMSE.
func validate(s models.Spec, table *perennial.Table, k int, seed int64) (float64, error) {
	all := make([]int, table.Rows)
	for i := range all {
		all[i] = i
	}
	metric, _ := evaluate.Lookup("rmse")
	var classes []float64
	if s.Task == perennial.Classification {
		metric, _ = evaluate.Lookup("accuracy")
		var err error
		if classes, err = models.Targets(table, &s.Schema, all); err != nil {
			return 0, err
		}
	}
	sum := 0.0
	for _, test := range tune.Folds(table.Rows, classes, nil, k, seed) {
		score, err := fold(s, table, all, test, metric)
		if err != nil {
			return 0, err
		}
		sum += score
	}
	return sum / float64(k), nil
}

func fold(s models.Spec, table *perennial.Table, all, test []int, metric evaluate.Metric) (float64, error) {
	out := make([]bool, len(all))
	for _, r := range test {
		out[r] = true
	}
	var train []int
	for _, r := range all {
		if !out[r] {
			train = append(train, r)
		}
	}
	model, err := models.Fit(context.Background(), s, table, train)
	if err != nil {
		return 0, err
	}
	y, err := models.Targets(table, model.Schema(), test)
	if err != nil {
		return 0, err
	}
	p, err := model.PredictTable(table, test)
	if err != nil {
		return 0, err
	}
	score, _ := metric.Measure(evaluate.Observed{Task: s.Task, Classes: p.Classes, Y: y, Values: p.Values, Proba: p.Proba, Positive: -1})
	return score, nil
}
