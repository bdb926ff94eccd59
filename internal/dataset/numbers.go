package dataset

import (
	"strings"

	"github.com/perennial-ml/perennial"
)

// Numbers says how numbers are written in a file, besides Go's own way. The zero
// value is Go's own way, with a decimal point.
type Numbers struct {
	Comma     bool     // the decimal sign is a comma, and a point is none
	Thousands string   // between groups of three digits before the decimal sign; "": none
	Strip     []string // texts taken away before and after the number, with the spaces there
}

// NumbersOf gives the form of numbers that the options describe.
func NumbersOf(o perennial.CSVOptions) Numbers {
	return Numbers{Comma: o.Decimal == ",", Thousands: o.Thousands, Strip: o.Strip}
}

func (n *Numbers) plain() bool { return !n.Comma && n.Thousands == "" && len(n.Strip) == 0 }

// Plain gives a number's text as Go writes it: "-$1,234.50" is "-1234.50" where
// $ is stripped and the comma separates thousands. ok is false where the
// separators don't stand between groups of three digits, or the text has the
// other decimal sign. What is left needn't be a number: ParseFloat tells.
func (n *Numbers) Plain(s string) (plain string, ok bool) {
	sign := ""
	if s != "" && (s[0] == '-' || s[0] == '+') && len(n.Strip) > 0 {
		sign, s = s[:1], s[1:]
	}
	for _, text := range n.Strip {
		s = strings.TrimSpace(strings.TrimSuffix(strings.TrimPrefix(s, text), text))
	}
	s = sign + s
	point := "."
	if n.Comma {
		point = ","
	}
	whole, fraction, cut := strings.Cut(s, point)
	if n.Comma && (strings.Contains(fraction, ".") || n.Thousands != "." && strings.Contains(whole, ".")) {
		return "", false
	}
	if n.Thousands != "" {
		if whole, ok = ungroup(whole, n.Thousands); !ok || strings.Contains(fraction, n.Thousands) {
			return "", false
		}
	}
	if !cut {
		return whole, true
	}
	return whole + "." + fraction, true
}

// ungroup takes the separators out of 1,234,567; a number without any stays.
func ungroup(s, separator string) (string, bool) {
	groups := strings.Split(s, separator)
	if len(groups) == 1 {
		return s, true
	}
	first := strings.TrimLeft(groups[0], "+-")
	if len(first) < 1 || len(first) > 3 {
		return "", false
	}
	for _, g := range groups[1:] {
		if len(g) != 3 || strings.Trim(g, "0123456789") != "" {
			return "", false
		}
	}
	return strings.Join(groups, ""), true
}

// String says it to a person whose number isn't of this form.
func (n *Numbers) String() string {
	var parts []string
	switch {
	case n.Comma && n.Thousands == "":
		parts = append(parts, "with a decimal comma and no point")
	case n.Comma:
		parts = append(parts, "with a decimal comma")
	}
	if n.Thousands != "" {
		parts = append(parts, "with "+quoteSeparator(n.Thousands)+" between groups of three digits only")
	}
	return strings.Join(parts, " and ")
}

func quoteSeparator(s string) string {
	if strings.TrimSpace(s) == "" {
		return "a space"
	}
	return s
}
