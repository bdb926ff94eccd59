package perennial

import (
	"fmt"
	"slices"
)

// Refuses lists what a schema would refuse although another accepts it, by
// feature: every client of the one must be able to go on when the other takes
// over. Empty: it accepts all of it.
func (s *Schema) Refuses(accepted *Schema) []FieldError {
	var out []FieldError
	add := func(c *Column, rule, format string, args ...any) {
		out = append(out, FieldError{Path: "/features/" + c.Name, Rule: rule, Message: fmt.Sprintf(format, args...)})
	}
	for _, c := range s.Features() {
		old, ok := accepted.Column(c.Name)
		if !ok || old.Role != RoleFeature {
			if !c.Nullable {
				add(&c, RuleRequired, "%s is new and required.", c.Name)
			}
			continue
		}
		if rule, message := c.refuses(&old); rule != "" {
			add(&c, rule, "%s", message)
		}
	}
	for _, old := range accepted.Features() {
		if _, ok := s.Column(old.Name); !ok && s.ExtraColumns == ExtraReject {
			add(&old, RuleExtra, "%s is not in the schema any more, which takes no extra columns.", old.Name)
		}
	}
	if s.ExtraColumns == ExtraReject && accepted.ExtraColumns != ExtraReject {
		out = append(out, FieldError{Path: "/features", Rule: RuleExtra, Message: "It takes no extra columns."})
	}
	return out
}

// refuses gives the first rule by which a column refuses a value that another
// accepts, "" for none.
func (c *Column) refuses(old *Column) (rule, message string) {
	widened := c.Type == TypeNumeric && old.Type == TypeInteger
	switch {
	case c.Type != old.Type && !widened:
		return RuleType, fmt.Sprintf("%s must be %s, and was %s.", c.Name, c.TypeLabel(), old.TypeLabel())
	case old.Nullable && !c.Nullable:
		return RuleRequired, fmt.Sprintf("%s can't be null any more.", c.Name)
	case c.Type == TypeDate && c.DateLayout() != old.DateLayout():
		return RuleDate, fmt.Sprintf("%s must be %s.", c.Name, c.TypeLabel())
	case c.Range != nil && c.OutOfRange != RangeWarn && !old.within(*c.Range):
		return RuleRange, fmt.Sprintf("%s must be within %g to %g.", c.Name, c.Range[0], c.Range[1])
	case c.Type == TypeCategorical && c.Unknown != UnknownWarn && c.Unknown != UnknownOther:
		if old.Unknown == UnknownWarn || old.Unknown == UnknownOther {
			return RuleCategory, fmt.Sprintf("%s refuses unknown values.", c.Name)
		}
		for _, v := range old.Values {
			if !slices.Contains(c.Values, v) {
				return RuleCategory, fmt.Sprintf("%s doesn't know %q any more.", c.Name, v)
			}
		}
	}
	return "", ""
}

// within reports whether a column accepts nothing outside a range.
func (c *Column) within(r [2]float64) bool {
	return c.Range != nil && c.OutOfRange != RangeWarn && c.Range[0] >= r[0] && c.Range[1] <= r[1]
}
