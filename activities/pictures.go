package activities

import (
	"context"
	"encoding/json"
	"math"
	"slices"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/models"
	"github.com/perennial-ml/perennial/models/evaluate"
	"github.com/perennial-ml/perennial/models/evaluate/plots"
)

// PicturesDir is the folder of a run's pictures. Each is a PNG beside a JSON with
// its numbers.
const PicturesDir = "evaluation"

// How many predictions the permutation importance may take: about 5 s and half a
// second with a deep forest.
const (
	importanceBudget          = 200_000
	importanceBudgetBootstrap = 20_000
)

func numbersPath(name string) string { return PicturesDir + "/" + name + ".json" }
func picturePath(name string) string { return PicturesDir + "/" + name + ".png" }

// logNumbers keeps the numbers behind each picture of a training; they are drawn
// when it ends, which keeps drawing from standing before the first prediction.
// What has no meaning for the task or the rows is left out. The learning curve
// takes fits of its own, for which the bootstrap budget has no time.
func (a *Activities) logNumbers(ctx context.Context, in ScoreInput, m *material, model *models.Model, o evaluate.Observed) error {
	target, _ := model.Schema().Target()
	seed, names := m.bundle.Spec.Pipeline.Tuning.Seed, model.Classes()
	found := map[string]any{}
	put := func(name string) func(numbers any, ok bool) {
		return func(numbers any, ok bool) {
			if ok {
				found[name] = numbers
			}
		}
	}
	put(plots.ConfusionMatrix)(evaluate.NewConfusionMatrix(o, names))
	put(plots.ROC)(evaluate.NewROC(o, names))
	put(plots.PrecisionRecall)(evaluate.NewPrecisionRecall(o, names))
	put(plots.Calibration)(evaluate.NewCalibration(o, names))
	put(plots.PredictedActual)(evaluate.NewPredicted(o, target.Name, seed))
	put(plots.Residuals)(evaluate.NewResiduals(o, target.Name, seed))
	importance, ok, err := a.importance(ctx, m, model)
	if err != nil {
		return err
	}
	put(plots.Importance)(importance, ok)
	candidates, ok, err := a.candidates(ctx, in.RunID, m)
	if err != nil {
		return err
	}
	put(plots.Candidates)(candidates, ok)
	if m.bundle.Budget != perennial.BudgetBootstrap {
		learning, ok, err := a.learningCurve(ctx, in.RunID, m)
		if err != nil {
			return err
		}
		put(plots.LearningCurve)(learning, ok)
	}
	for _, name := range sortedKeys(found) {
		if err := a.logJSON(ctx, in.RunID, numbersPath(name), found[name]); err != nil {
			return err
		}
	}
	return nil
}

// importance shuffles one column of the evaluated rows at a time.
func (a *Activities) importance(ctx context.Context, m *material, model *models.Model) (evaluate.Importance, bool, error) {
	p := m.bundle.Spec.Pipeline
	metric, ok := evaluate.Lookup(p.Select.Metric)
	if !ok {
		return evaluate.Importance{}, false, nil
	}
	in := evaluate.Shuffling{Metric: metric, Rows: len(m.evaluate), Seed: p.Tuning.Seed, Budget: importanceBudget}
	if m.bundle.Budget == perennial.BudgetBootstrap {
		in.Budget = importanceBudgetBootstrap
	}
	columns := map[string]int{}
	for i, c := range m.table.Schema.Columns {
		columns[c.Name] = i
	}
	for _, f := range model.Schema().Features() {
		in.Features = append(in.Features, f.Name)
	}
	var few *perennial.Table // the rows that are shuffled
	var all []int            // of few
	in.Observe = func(rows []int, feature int, order []int) (evaluate.Observed, error) {
		if few == nil {
			few, all = takeRows(m.table, pick(m.evaluate, rows)), make([]int, len(rows))
			for i := range all {
				all[i] = i
			}
		}
		if feature < 0 {
			return observe(model, few, all)
		}
		shuffled, column := *few, columns[in.Features[feature]]
		shuffled.Columns = slices.Clone(few.Columns)
		shuffled.Columns[column] = takeCells(&m.table.Columns[column], pick(m.evaluate, order))
		return observe(model, &shuffled, all)
	}
	return evaluate.Permutation(ctx, in)
}

// takeRows gives a table of some rows of a table.
func takeRows(t *perennial.Table, rows []int) *perennial.Table {
	out := &perennial.Table{Schema: t.Schema, Rows: len(rows), Columns: make([]perennial.Series, len(t.Columns))}
	for i := range t.Columns {
		out.Columns[i] = takeCells(&t.Columns[i], rows)
	}
	return out
}

// takeCells gives some cells of a column; a column that was ignored stays empty.
func takeCells(s *perennial.Series, rows []int) perennial.Series {
	out := perennial.Series{Dict: s.Dict}
	if s.Numbers != nil {
		out.Numbers = pick(s.Numbers, rows)
	}
	if s.Codes != nil {
		out.Codes = pick(s.Codes, rows)
	}
	return out
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// logJSON keeps a document as a file of a run.
func (a *Activities) logJSON(ctx context.Context, runID, path string, doc any) error {
	b, err := json.Marshal(doc)
	if err != nil {
		return err
	}
	return a.logFile(ctx, runID, path, append(b, '\n'))
}

// logFile keeps bytes as a file of a run.
func (a *Activities) logFile(ctx context.Context, runID, path string, b []byte) error {
	key, err := a.Blobs.Put(ctx, b)
	if err != nil {
		return err
	}
	return a.Tracker.LogArtifact(ctx, runID, perennial.Artifact{Path: path, Blob: key, Size: int64(len(b))})
}
