package serve

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/perennial-ml/perennial"
)

// Absence says why nothing of a model that there is answers.
type Absence struct {
	Rule string // one of the three below
	What string // a sentence but for the model's name, with which it begins
	Hint string
}

// The rules of a model that doesn't answer, as they stand in FieldError.Rule.
const (
	RuleTraining  = "not_serving" // its first version is yet to be trained: it answers in a while
	RuleLoading   = "loading"     // a version is on its way: it answers in a moment
	RuleNoVersion = "no_version"  // nothing will, until somebody does something
)

// Loading is the absence of a version that is on its way into service.
func Loading(version string) *Absence {
	return &Absence{RuleLoading, "isn't ready yet: version " + version + " is on its way into service.", "Ask again in a second."}
}

// serving finds a model that has a champion.
func (e *Engine) serving(model string) (*served, error) {
	s := e.state.Load()
	m := s.models[model]
	if m != nil && m.champion != nil {
		return m, nil
	}
	if m != nil && m.err != nil && !errors.Is(m.err, errLoading) {
		message, _, _ := perennial.Explain(m.err)
		return nil, unavailable(model, &Absence{RuleTraining, "can't answer: version " + m.failed + " is in service and can't be loaded: " + message + ".",
			"Put the object back from a good copy; it is tried again by itself."})
	}
	if m != nil && m.wanted.Champion != "" {
		return nil, unavailable(model, Loading(m.wanted.Champion))
	}
	if why := e.absent(model); why != nil {
		return nil, unavailable(model, why)
	}
	if m != nil {
		return nil, unavailable(model, &Absence{RuleNoVersion, "has no version in service.", "/models/" + model + " shows what there is."})
	}
	if !s.synced {
		return nil, unavailable(model, &Absence{RuleLoading, "can't be looked up: the traffic state couldn't be read yet.", "Try again in a moment."})
	}
	err := perennial.Errorf(perennial.CodeNotFound, op, "There is no model named %q.", shorten(model))
	if names := slices.Sorted(maps.Keys(s.models)); len(names) > 0 {
		more := ""
		if len(names) > 5 {
			names, more = names[:5], ", …"
		}
		err = err.WithHint("In service: %s%s.", strings.Join(names, ", "), more)
	}
	return nil, err
}

func unavailable(model string, why *Absence) error {
	err := perennial.Errorf(perennial.CodeUnavailable, op, "%s %s", model, why.What).WithHint("%s", why.Hint)
	err.Fields = []perennial.FieldError{{Path: "/model", Rule: why.Rule, Came: model, Message: err.Message}}
	return err
}
