package models

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/models/preprocess"
)

// The rules a candidate can break, as they stand in FieldError.Rule.
const (
	ruleUnknown = "unknown" // no such algorithm or parameter
	ruleTask    = "task"    // the algorithm is for another task
	ruleType    = perennial.RuleType
	ruleRange   = perennial.RuleRange
	ruleChoice  = "choice" // not one of the allowed texts
	ruleSearch  = "search" // a range of the wrong kind, empty or upside down
)

// CheckCandidate validates a candidate's algorithm, parameters and search ranges
// and gives every fault at once, none where it is sound. Paths are relative to
// the candidate: "/algorithm", "/params/c", "/search/c".
func CheckCandidate(task perennial.Task, c perennial.Candidate) []perennial.FieldError {
	e, ok := lookup(c.Algorithm)
	if _, foreign := lookupForeign(c.Algorithm); foreign {
		return []perennial.FieldError{{Path: "/algorithm", Rule: ruleUnknown, Came: c.Algorithm, Allowed: namesFor(task),
			Message: fmt.Sprintf("%s models can be imported (perennial import), not trained; for %s there are %s.", c.Algorithm, task, strings.Join(namesFor(task), ", "))}}
	}
	if !ok {
		return []perennial.FieldError{{Path: "/algorithm", Rule: ruleUnknown, Came: c.Algorithm, Allowed: namesFor(task),
			Message: fmt.Sprintf("There is no algorithm %q; for %s there are %s.", c.Algorithm, task, strings.Join(namesFor(task), ", "))}}
	}
	if !slices.Contains(e.Tasks, task) {
		return []perennial.FieldError{{Path: "/algorithm", Rule: ruleTask, Came: c.Algorithm, Allowed: namesFor(task),
			Message: fmt.Sprintf("%s is for %s only; for %s there are %s.", c.Algorithm, tasks(e.Tasks), task, strings.Join(namesFor(task), ", "))}}
	}
	params, faults := e.resolve(c.Params)
	for i := range e.Params {
		faults = append(faults, e.Params[i].checkTask("/params/"+pointer(e.Params[i].Name), task, params[e.Params[i].Name])...)
	}
	seen := map[string]bool{}
	for _, s := range c.Search {
		path := "/search/" + pointer(s.Name)
		p, ok := e.param(s.Name)
		switch {
		case !ok:
			faults = append(faults, e.unknownParam(path, s.Name))
		case seen[s.Name]:
			faults = append(faults, perennial.FieldError{Path: path, Rule: "duplicate", Message: fmt.Sprintf("%s is searched twice.", s.Name)})
		default:
			faults = append(faults, p.checkSearch(path, s)...)
			for _, v := range s.Choices {
				faults = append(faults, p.checkTask(path, task, v)...)
			}
		}
		seen[s.Name] = true
	}
	return faults
}

func tasks(list []perennial.Task) string {
	names := make([]string, len(list))
	for i, t := range list {
		names[i] = string(t)
	}
	return strings.Join(names, " and ")
}

// CheckPreparation gives a fault for each setting of the preprocessing that makes
// of a column what the algorithm doesn't take, as nulls that nothing replaces;
// none for an unknown algorithm. Paths start at the pipeline file's root.
func CheckPreparation(algorithm string, p perennial.Preprocess, schema *perennial.Schema) []perennial.FieldError {
	e, ok := lookup(algorithm)
	if !ok {
		return nil
	}
	return preprocess.Refuses(p, e.takes(), algorithm, schema)
}

// resolve fills in the defaults and brings every value into its kind.
func (e *entry) resolve(given map[string]any) (Params, []perennial.FieldError) {
	out := Params{}
	for _, p := range e.Params {
		out[p.Name] = p.Default
	}
	var faults []perennial.FieldError
	for _, name := range slices.Sorted(maps.Keys(given)) {
		path := "/params/" + pointer(name)
		p, ok := e.param(name)
		if !ok {
			faults = append(faults, e.unknownParam(path, name))
			continue
		}
		v, fault := p.value(path, given[name])
		if fault != nil {
			faults = append(faults, *fault)
			continue
		}
		out[name] = v
	}
	return out, faults
}

func (e *entry) param(name string) (*Param, bool) {
	i := slices.IndexFunc(e.Params, func(p Param) bool { return p.Name == name })
	if i < 0 {
		return nil, false
	}
	return &e.Params[i], true
}

func (e *entry) unknownParam(path, name string) perennial.FieldError {
	names := make([]string, len(e.Params))
	for i, p := range e.Params {
		names[i] = p.Name
	}
	return perennial.FieldError{Path: path, Rule: ruleUnknown, Came: name, Allowed: names,
		Message: fmt.Sprintf("%s has no parameter %q; it has %s.", e.Name, name, strings.Join(names, ", "))}
}

// value brings a value, as YAML or JSON decodes it, into the parameter's kind.
func (p *Param) value(path string, v any) (any, *perennial.FieldError) {
	switch p.Kind {
	case ParamString:
		s, ok := v.(string)
		if !ok {
			return nil, p.wrongType(path, v, "a string")
		}
		if !slices.Contains(p.Choices, s) {
			return nil, &perennial.FieldError{Path: path, Rule: ruleChoice, Came: s, Allowed: p.Choices,
				Message: fmt.Sprintf("%s can't be %q; it is one of %s.", p.Name, s, strings.Join(p.Choices, ", "))}
		}
		return s, nil
	case ParamBool:
		b, ok := v.(bool)
		if !ok {
			return nil, p.wrongType(path, v, "true or false")
		}
		return b, nil
	default:
		x, ok := number(v)
		if !ok {
			return nil, p.wrongType(path, v, "a number")
		}
		if p.Kind == ParamInt && x != math.Trunc(x) {
			return nil, p.wrongType(path, v, "a whole number")
		}
		if !(x >= p.Min && x <= p.Max) { // NaN fails too
			return nil, &perennial.FieldError{Path: path, Rule: ruleRange, Came: showable(v), Message: fmt.Sprintf("%s is outside %g to %g.", p.Name, p.Min, p.Max)}
		}
		if p.Kind == ParamInt {
			return int(x), nil
		}
		return x, nil
	}
}

// checkTask refuses a choice that is for another task.
func (p *Param) checkTask(path string, task perennial.Task, v any) []perennial.FieldError {
	choice, _ := v.(string)
	if only, ok := p.Only[choice]; !ok || only == task {
		return nil
	}
	rest := slices.DeleteFunc(slices.Clone(p.Choices), func(c string) bool { only, ok := p.Only[c]; return ok && only != task })
	return []perennial.FieldError{{Path: path, Rule: ruleTask, Came: choice, Allowed: rest,
		Message: fmt.Sprintf("%s can't be %s for %s; it is one of %s.", p.Name, choice, task, strings.Join(rest, ", "))}}
}

func (p *Param) wrongType(path string, v any, want string) *perennial.FieldError {
	return &perennial.FieldError{Path: path, Rule: ruleType, Came: showable(v), Message: fmt.Sprintf("%s must be %s.", p.Name, want)}
}

// showable replaces numbers that JSON can't write by their text.
func showable(v any) any {
	if x, ok := v.(float64); ok && (math.IsNaN(x) || math.IsInf(x, 0)) {
		return fmt.Sprint(x)
	}
	return v
}

func number(v any) (float64, bool) {
	switch n := v.(type) {
	case float64:
		return n, true
	case float32:
		return float64(n), true
	case int:
		return float64(n), true
	case int32:
		return float64(n), true
	case int64:
		return float64(n), true
	case uint64:
		return float64(n), true
	case json.Number:
		x, err := n.Float64()
		return x, err == nil
	default:
		return 0, false
	}
}

// checkSearch validates a range against the parameter it searches.
func (p *Param) checkSearch(path string, s perennial.SearchParam) []perennial.FieldError {
	fault := func(rule, format string, args ...any) []perennial.FieldError {
		return []perennial.FieldError{{Path: path, Rule: rule, Message: fmt.Sprintf(format, args...)}}
	}
	var kinds []perennial.SearchKind
	switch p.Kind {
	case ParamFloat:
		kinds = []perennial.SearchKind{perennial.SearchFloat, perennial.SearchLog, perennial.SearchChoice}
	case ParamInt:
		kinds = []perennial.SearchKind{perennial.SearchInt, perennial.SearchIntLog, perennial.SearchChoice}
	default:
		kinds = []perennial.SearchKind{perennial.SearchChoice}
	}
	if !slices.Contains(kinds, s.Kind) {
		names := make([]string, len(kinds))
		for i, k := range kinds {
			names[i] = string(k)
		}
		return []perennial.FieldError{{Path: path, Rule: ruleSearch, Came: string(s.Kind), Allowed: names,
			Message: fmt.Sprintf("%s is of kind %s and is searched by %s, not by %q.", p.Name, p.Kind, strings.Join(names, ", "), s.Kind)}}
	}
	if s.Kind == perennial.SearchChoice {
		if len(s.Choices) == 0 {
			return fault(ruleSearch, "%s has no choices.", p.Name)
		}
		var faults []perennial.FieldError
		for i, v := range s.Choices {
			if _, f := p.value(fmt.Sprintf("%s/choice/%d", path, i), v); f != nil {
				faults = append(faults, *f)
			}
		}
		return append(faults, p.checkShares(path, s)...)
	}
	log := s.Kind == perennial.SearchLog || s.Kind == perennial.SearchIntLog
	switch {
	case !(s.Low <= s.High): // NaN fails too
		return fault(ruleSearch, "The range of %s is empty: %g to %g.", p.Name, s.Low, s.High)
	case p.Kind == ParamInt && (s.Low != math.Trunc(s.Low) || s.High != math.Trunc(s.High)):
		return fault(ruleType, "%s takes whole numbers; the range is %g to %g.", p.Name, s.Low, s.High)
	case log && s.Low <= 0:
		return fault(ruleSearch, "A logarithmic range of %s must start above 0.", p.Name)
	case s.Low < p.Min || s.High > p.Max:
		return fault(ruleRange, "The range of %s, %g to %g, is outside %g to %g.", p.Name, s.Low, s.High, p.Min, p.Max)
	}
	return p.checkShares(path, s)
}

// checkShares refuses a search in which 1 could be meant as one or as all: among
// shares it is all, and numbers start above it.
func (p *Param) checkShares(path string, s perennial.SearchParam) []perennial.FieldError {
	if !p.Share {
		return nil
	}
	low, high := s.Low, s.High
	message := fmt.Sprintf("The range of %s, %g to %g, mixes shares and numbers: up to 1 it is a share (1 is all), above 1 a number. Search {float: [0.2, 1]}, or numbers as {choice: [2, 4, 8]}.", p.Name, low, high)
	if s.Kind == perennial.SearchChoice {
		low, high = math.Inf(1), math.Inf(-1)
		for _, v := range s.Choices {
			if x, ok := number(v); ok {
				low, high = min(low, x), max(high, x)
			}
		}
		if !slices.ContainsFunc(s.Choices, func(v any) bool { x, ok := number(v); return ok && x == 1 }) {
			return nil // each says clearly what it is
		}
		message = fmt.Sprintf("The choices of %s hold 1 beside greater numbers: up to 1 it is a share, so that 1 is all and not one. For one alone take a small share, as 0.001.", p.Name)
	}
	if low > 1 || high <= 1 {
		return nil
	}
	return []perennial.FieldError{{Path: path, Rule: ruleSearch, Message: message}}
}

// pointer escapes a name for a JSON pointer (RFC 6901).
func pointer(name string) string { return strings.NewReplacer("~", "~0", "/", "~1").Replace(name) }
