package pipeline

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/models"
	"github.com/perennial-ml/perennial/models/evaluate"
	"github.com/perennial-ml/perennial/models/preprocess"
	"github.com/perennial-ml/perennial/models/tune"
)

// against runs all checks of a pipeline that need its schema, the algorithms or
// the metrics. Faults are the pipeline file's.
func (v validator) against(p *perennial.Pipeline, s *perennial.Schema) {
	v.columns(p, s)
	for _, f := range preprocess.Check(p.Preprocess, s) {
		v.check(f)
	}
	if p.Task != perennial.Classification && p.Task != perennial.Regression {
		return // which metrics and algorithms there are isn't known, nor what metrics default to
	}
	target, ok := v.target(p, s)
	if ok {
		v.positive(p, target)
		v.metrics(p, target)
	}
	for i, c := range p.Candidates {
		for _, f := range models.CheckCandidate(p.Task, c) {
			f.Path = fmt.Sprintf("/candidates/%d%s", i, f.Path)
			v.check(f)
		}
		for _, f := range models.CheckPreparation(c.Algorithm, p.Preprocess, s) {
			v.check(f)
		}
	}
	if len(v.faults) == 0 { // its size is checked: a plan is made in no time
		_, err := tune.New(p.Tuning, p.Candidates, perennial.BudgetFull, false)
		if plan, ok := errors.AsType[*perennial.Error](err); ok {
			for _, f := range plan.Fields {
				v.check(f)
			}
		}
	}
}

// target finds the target column and checks it against the task.
func (v validator) target(p *perennial.Pipeline, s *perennial.Schema) (*perennial.Column, bool) {
	c, ok := s.Column(p.Data.Target)
	if !ok {
		v.missing("/data/target", p.Data.Target, s)
		return nil, false
	}
	if c.Role != perennial.RoleTarget {
		v.badf("/data/target", RuleReference, c.Name, nil, "In the schema %s is no target: give it role: target there.", shorten(c.Name))
		return nil, false
	}
	switch {
	case p.Task == perennial.Classification && c.Type != perennial.TypeCategorical:
		v.badf("/data/target", RuleApplies, string(c.Type), nil, "Classification needs a categorical target, and in the schema %s is %s: make it categorical and list its values.", shorten(c.Name), c.Type)
	case p.Task == perennial.Regression && c.Type != perennial.TypeNumeric && c.Type != perennial.TypeInteger:
		v.badf("/data/target", RuleApplies, string(c.Type), nil, "Regression needs a numeric or integer target, and in the schema %s is %s.", shorten(c.Name), c.Type)
	}
	for _, value := range c.Values {
		if slices.Contains(p.Data.CSV.NullValues, value) {
			v.badf("/data/csv/null_values", RuleApplies, value, nil, "%q is read as null, but it is a value of the target %s.", value, shorten(c.Name))
		}
	}
	return &c, true
}

func (v validator) positive(p *perennial.Pipeline, target *perennial.Column) {
	const at = "/data/positive"
	two := len(target.Values) == 2 || len(target.Values) == 0 // learned values are seen in training
	switch {
	case p.Threshold != nil && p.Task == perennial.Classification && !two:
		v.badf("/threshold", RuleApplies, nil, nil, "threshold is for two classes, and %s has %d: the most probable class is the answer.", shorten(target.Name), len(target.Values))
	case p.Data.Positive == "":
		if p.Threshold != nil {
			v.badf(at, perennial.RuleRequired, nil, target.Values, "data.positive is missing: threshold needs to know the positive class.")
		}
	case p.Task == perennial.Regression:
		v.badf(at, RuleApplies, p.Data.Positive, nil, "data.positive belongs to classification.")
	case !two:
		v.badf(at, RuleApplies, p.Data.Positive, nil, "data.positive is for two classes, and %s has %d.", shorten(target.Name), len(target.Values))
	case len(target.Values) == 2 && !slices.Contains(target.Values, p.Data.Positive):
		v.badf(at, RuleChoice, p.Data.Positive, target.Values, "data.positive must be one of the values of %s: %s; not %q.", shorten(target.Name), strings.Join(target.Values, ", "), shorten(p.Data.Positive))
	}
}

// metrics checks every metric that the pipeline names.
func (v validator) metrics(p *perennial.Pipeline, target *perennial.Column) {
	type use struct{ at, name string }
	uses := []use{{"/select/metric", p.Select.Metric}, {"/rollout/guardrails/quality/metric", p.Rollout.Guardrails.Quality.Metric}}
	if m := p.Monitor.Performance.Metric; m != "" {
		uses = append(uses, use{"/monitor/performance/metric", m})
	}
	if p.Threshold != nil && p.Threshold.Maximize != "" {
		uses = append(uses, use{"/threshold/maximize", p.Threshold.Maximize})
	}
	for i, g := range p.Gates {
		uses = append(uses, use{fmt.Sprintf("/gates/%d/metric", i), g.Metric})
	}
	var names []string
	for _, m := range evaluate.Metrics(p.Task) {
		names = append(names, m.Name)
	}
	for _, u := range uses {
		m, ok := evaluate.Lookup(u.name)
		switch {
		case !ok:
			v.choice(u.at, u.name, names...)
		case !slices.Contains(m.Tasks, p.Task):
			v.badf(u.at, RuleApplies, u.name, names, "%s doesn't score %s; there are %s.", u.name, p.Task, strings.Join(names, ", "))
		case len(target.Values) > 0 && len(target.Values) < m.MinClasses:
			v.badf(u.at, RuleApplies, u.name, names, "%s is for %d classes and more, and %s has %d.", u.name, m.MinClasses, shorten(target.Name), len(target.Values))
		case u.at == "/threshold/maximize" && m.NeedsProba:
			v.badf(u.at, RuleApplies, u.name, ofDecisions(names), "%s scores probabilities, which no threshold changes; maximize one of %s.", u.name, strings.Join(ofDecisions(names), ", "))
		case m.NeedsPositive && len(target.Values) <= 2 && p.Data.Positive == "":
			v.badf("/data/positive", perennial.RuleRequired, nil, target.Values, "data.positive is missing: %s needs to know the positive class.", u.name)
		}
	}
}

// ofDecisions keeps the metrics that score predicted classes.
func ofDecisions(names []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		m, _ := evaluate.Lookup(name)
		return m.NeedsProba
	})
}

// columns checks the columns that split, slices and gates name.
func (v validator) columns(p *perennial.Pipeline, s *perennial.Schema) {
	read := func(at, name string, why string, types ...perennial.ColumnType) {
		c, ok := s.Column(name)
		switch {
		case !ok:
			v.missing(at, name, s)
		case c.Role == perennial.RoleIgnore:
			v.badf(at, RuleReference, name, nil, "%s has role: ignore in the schema and isn't read.", shorten(name))
		case len(types) > 0 && (c.Role != perennial.RoleFeature || !slices.Contains(types, c.Type)):
			v.badf(at, RuleApplies, name, nil, "%s must be a feature of type %s, %s.", shorten(name), either(types), why)
		case c.Role == perennial.RoleTarget:
			v.badf(at, RuleApplies, name, nil, "%s is the target.", shorten(name))
		}
	}
	switch p.Split.By {
	case perennial.SplitGroup:
		read("/split/column", p.Split.Column, "")
	case perennial.SplitTime:
		read("/split/column", p.Split.Column, "so that it orders the rows in time", perennial.TypeDate, perennial.TypeNumeric, perennial.TypeInteger)
	case perennial.SplitRandom, perennial.SplitStratified, perennial.SplitGiven:
	}
	for i, name := range p.Slices {
		v.slice(fmt.Sprintf("/slices/%d", i), name, s)
	}
	for i, g := range p.Gates {
		if g.Slice != "" && !slices.Contains(p.Slices, g.Slice) {
			v.badf(fmt.Sprintf("/gates/%d/slice", i), RuleReference, g.Slice, p.Slices, "A gate can look at a column of slices only: add %s there.", shorten(g.Slice))
		}
	}
}

// slice checks a column whose values are to be slices.
func (v validator) slice(at, name string, s *perennial.Schema) {
	var can []string
	for _, f := range s.Features() {
		if f.Type == perennial.TypeCategorical || f.Type == perennial.TypeBoolean {
			can = append(can, f.Name)
		}
	}
	c, ok := s.Column(name)
	if !ok {
		v.missing(at, name, s)
		return
	}
	if slices.Contains(can, name) {
		return
	}
	is := "the " + string(c.Role)
	switch c.Role {
	case perennial.RoleIgnore:
		v.badf(at, RuleReference, name, can[:min(20, len(can))], "%s has role: ignore in the schema and isn't read.", shorten(name))
		return
	case perennial.RoleFeature:
		is = string(c.Type)
	case perennial.RoleID, perennial.RoleTarget:
	}
	advice := "The schema has none: make a column categorical there."
	if len(can) > 0 {
		advice = "There are " + strings.Join(can[:min(20, len(can))], ", ") + "."
	}
	v.badf(at, RuleApplies, name, can[:min(20, len(can))], "%s can't be sliced by: each value of a slice's column is a slice, so that it must be a categorical or boolean feature, and it is %s. %s", shorten(name), is, advice)
}

// missing says that a column isn't in the schema, and which was probably meant.
func (v validator) missing(at, name string, s *perennial.Schema) {
	var names []string
	for _, c := range s.Columns {
		names = append(names, c.Name)
	}
	message := fmt.Sprintf("The schema has no column %q", shorten(name))
	if near, ok := nearest(name, names); ok {
		message += fmt.Sprintf("; did you mean %s?", near)
	} else {
		message += "."
	}
	v.badf(at, RuleReference, shorten(name), names[:min(20, len(names))], "%s", message)
}
