package tune

import (
	"fmt"
	"maps"
	"math"

	"github.com/perennial-ml/perennial"
)

// The strategies that a pipeline file may name.
const (
	StrategyGrid   = "grid"
	StrategyRandom = "random"
	StrategyTPE    = "tpe"
	StrategyASHA   = "asha"
)

// Trial is one candidate with one set of parameters. Parameters are the
// candidate's own, overridden by those that were searched; what is in neither is
// left to the algorithm's default. Searched numbers are float64, whole for int
// and int_log, so that they survive JSON unchanged.
type Trial struct {
	Index     int            `json:"index"`     // 0, 1, … in the order of proposal
	Candidate int            `json:"candidate"` // index into the pipeline's candidates
	Params    map[string]any `json:"params"`
}

// firsts is the trial of each candidate with its params and defaults.
func firsts(cs []perennial.Candidate) []Trial {
	out := make([]Trial, len(cs))
	for i, c := range cs {
		out[i] = Trial{Index: i, Candidate: i, Params: with(c, nil)}
	}
	return out
}

// with joins a candidate's params and searched ones.
func with(c perennial.Candidate, searched map[string]any) map[string]any {
	out := make(map[string]any, len(c.Params)+len(searched))
	maps.Copy(out, c.Params)
	maps.Copy(out, searched)
	return out
}

// searchable lists the candidates with a search space.
func searchable(cs []perennial.Candidate) []int {
	var out []int
	for i, c := range cs {
		if len(c.Search) > 0 {
			out = append(out, i)
		}
	}
	return out
}

func check(t perennial.Tuning, cs []perennial.Candidate) error {
	var faults []perennial.FieldError
	add := func(path, rule string, came any, format string, args ...any) {
		faults = append(faults, perennial.FieldError{Path: path, Rule: rule, Came: came, Message: fmt.Sprintf(format, args...)})
	}
	switch t.Strategy {
	case StrategyGrid, StrategyRandom, StrategyTPE, StrategyASHA:
	default:
		faults = append(faults, perennial.FieldError{Path: "/tuning/strategy", Rule: "choice", Came: t.Strategy,
			Allowed: []string{StrategyGrid, StrategyRandom, StrategyTPE, StrategyASHA},
			Message: fmt.Sprintf("There is no strategy %q; grid, random, tpe and asha are available.", t.Strategy)})
	}
	if t.Trials < len(cs) {
		add("/tuning/trials", "range", t.Trials, "%d trials are too few for %d candidates: each needs one.", t.Trials, len(cs))
	}
	if t.Folds < 2 {
		add("/tuning/folds", "range", t.Folds, "Cross-validation needs at least 2 folds.")
	}
	for i, c := range cs {
		for _, p := range c.Search {
			if message := fault(p); message != "" {
				add(fmt.Sprintf("/candidates/%d/search/%s", i, p.Name), "range", nil, "%s", message)
			}
		}
	}
	if faults == nil {
		return nil
	}
	return invalid(faults...)
}

// fault says what is wrong with a range, "" where nothing is.
func fault(p perennial.SearchParam) string {
	switch p.Kind {
	case perennial.SearchChoice:
		if len(p.Choices) == 0 {
			return "A choice needs at least one value."
		}
		return ""
	case perennial.SearchFloat, perennial.SearchLog, perennial.SearchInt, perennial.SearchIntLog:
	default:
		return fmt.Sprintf("There is no kind of range %q.", p.Kind)
	}
	switch {
	case math.IsNaN(p.Low), math.IsNaN(p.High), math.IsInf(p.Low, 0), math.IsInf(p.High, 0), math.IsInf(p.High-p.Low, 0):
		return "Both ends must be finite numbers."
	case p.Low > p.High:
		return fmt.Sprintf("The range starts at %g, above its end %g.", p.Low, p.High)
	case isInt(p.Kind) && (p.Low != math.Trunc(p.Low) || p.High != math.Trunc(p.High)):
		return "Both ends must be whole numbers."
	case isInt(p.Kind) && (math.Abs(p.Low) > maxInt || math.Abs(p.High) > maxInt):
		return "Both ends must be within ±2^53, where every whole number is exact."
	case isLog(p.Kind) && p.Low <= 0:
		return fmt.Sprintf("A logarithmic range must start above 0, not at %g.", p.Low)
	}
	return ""
}

// maxInt is the largest number up to which float64 holds every whole number.
const maxInt = 1 << 53

func isInt(k perennial.SearchKind) bool {
	return k == perennial.SearchInt || k == perennial.SearchIntLog
}
func isLog(k perennial.SearchKind) bool {
	return k == perennial.SearchLog || k == perennial.SearchIntLog
}

func invalid(faults ...perennial.FieldError) error {
	message := faults[0].Message
	if len(faults) > 1 {
		message = fmt.Sprintf("%s (and %d more)", message, len(faults)-1)
	}
	err := perennial.Errorf(perennial.CodeInvalid, "tune.New", "%s", message).WithHint("Mend the pipeline file's tuning and candidates.")
	err.Fields = faults
	return err
}
