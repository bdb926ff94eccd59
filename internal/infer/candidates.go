package infer

import (
	"slices"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/models"
	"github.com/perennial-ml/perennial/models/tune"
)

// wish is a parameter that a candidate should have where its algorithm does.
type wish struct {
	name      string
	fixed     any
	kind      perennial.SearchKind
	low, high float64
}

// wishes are the candidates in the order of the file; of each row the first
// algorithm that there is.
var wishes = []struct {
	algorithms []string
	why        string
	params     []wish
}{
	{[]string{"logistic_regression"}, "quick, and easy to explain", []wish{{name: "c", kind: perennial.SearchLog, low: 0.01, high: 100}}},
	{[]string{"ridge", "linear_regression"}, "quick, and easy to explain", []wish{{name: "alpha", kind: perennial.SearchLog, low: 0.01, high: 1000}}},
	{[]string{"random_forest", "extra_trees"}, "bends where a line can't, and hardly needs tuning", []wish{
		{name: "trees", fixed: 200},
		{name: "min_leaf", kind: perennial.SearchIntLog, low: 1, high: 20},
		{name: "max_features", kind: perennial.SearchFloat, low: 0.2, high: 0.9},
	}},
	{[]string{"gradient_boosting"}, "often the most accurate on tables", []wish{
		{name: "trees", kind: perennial.SearchIntLog, low: 50, high: 500},
		{name: "learning_rate", kind: perennial.SearchLog, low: 0.02, high: 0.2},
		{name: "leaves", kind: perennial.SearchIntLog, low: 4, high: 63},
		{name: "min_leaf", kind: perennial.SearchIntLog, low: 3, high: 50},
	}},
}

// candidate is a candidate with the reason why it stands in the file.
type candidate struct {
	perennial.Candidate
	why string
}

// manyRows is from how many rows on a search takes fewer trials and folds, and
// leaves forests out: full-depth trees of so many rows take minutes each to grow.
const manyRows = 200_000

// candidates gives the algorithms of this version that suit the task.
func candidates(a *aim) []candidate {
	algorithms := models.Algorithms()
	var out []candidate
	for _, w := range wishes {
		for _, name := range w.algorithms {
			i := slices.IndexFunc(algorithms, func(m models.Algorithm) bool {
				return m.Name == name && slices.Contains(m.Tasks, a.task)
			})
			if i < 0 || (a.rows > manyRows && slices.Contains([]string{"random_forest", "extra_trees"}, name)) {
				continue
			}
			c := candidate{Candidate: perennial.Candidate{Algorithm: name, Params: map[string]any{}}, why: w.why}
			for _, p := range w.params {
				c.wish(&algorithms[i], a.task, p)
			}
			if a.rows > manyRows && name == "gradient_boosting" {
				c.why += "; a forest of so many rows takes too long"
			}
			out = append(out, c)
			break
		}
	}
	return out
}

// wish adds a parameter where the algorithm has it and takes the values.
func (c *candidate) wish(m *models.Algorithm, task perennial.Task, w wish) {
	i := slices.IndexFunc(m.Params, func(p models.Param) bool { return p.Name == w.name })
	if i < 0 {
		return
	}
	one := perennial.Candidate{Algorithm: c.Algorithm}
	if w.fixed != nil {
		one.Params = map[string]any{w.name: w.fixed}
	} else {
		one.Search = []perennial.SearchParam{{Name: w.name, Kind: w.kind, Low: w.low, High: w.high}}
	}
	if len(models.CheckCandidate(task, one)) > 0 {
		return
	}
	if w.fixed != nil {
		c.Params[w.name] = w.fixed
	}
	c.Search = append(c.Search, one.Search...)
}

// tuning gives the search for so many rows.
func tuning(a *aim, cs []candidate) perennial.Tuning {
	t := perennial.Tuning{Strategy: tune.StrategyTPE, Trials: 8 * len(cs), Folds: 5, Seed: 42}
	switch {
	case a.rows < 300:
		t.Folds = 10
	case a.rows > manyRows:
		t.Folds, t.Trials = 3, 4*len(cs)
	}
	for _, n := range a.counts {
		if n >= learnable || len(a.counts) == 2 { // a class needs a row in each fold of the training side
			t.Folds = max(2, min(t.Folds, n*8/10))
		}
	}
	return t
}
