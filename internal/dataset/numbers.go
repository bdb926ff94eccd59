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
	Parens    bool     // (12) is -12
}

// NumbersOf gives the form of numbers that the options describe.
func NumbersOf(o perennial.CSVOptions) Numbers {
	return Numbers{Comma: o.Decimal == ",", Thousands: o.Thousands, Strip: o.Strip, Parens: o.Negative == perennial.NegativeParentheses}
}

func (n *Numbers) plain() bool {
	return !n.Comma && n.Thousands == "" && len(n.Strip) == 0 && !n.Parens
}

// Plain gives a number's text as Go writes it: "-$1,234.50" is "-1234.50" where
// $ is stripped and the comma separates thousands. ok is false where the
// separators don't stand between groups of three digits, or the text has the
// other decimal sign. What is left needn't be a number: ParseFloat tells.
func (n *Numbers) Plain(s string) (plain string, ok bool) {
	if n.Parens {
		if inner, ok := Unparenthesise(s, n.Strip); ok {
			if plain, ok = n.Plain(inner); !ok || strings.IndexAny(plain, "+-") == 0 {
				return "", false
			}
			return "-" + plain, true
		}
	}
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

// Unparenthesise gives what stands in the parentheses of an accountant's negative
// number, units around them taken in: "($5)" and "$(5)" are "$5". ok is false for
// any other text.
func Unparenthesise(s string, units []string) (inner string, ok bool) {
	if !strings.HasSuffix(s, ")") && !strings.HasPrefix(s, "(") {
		return "", false // most numbers
	}
	before, after := "", ""
	for _, u := range units {
		if rest, cut := strings.CutPrefix(s, u); cut && before == "" {
			before, s = u, strings.TrimSpace(rest)
		}
		if rest, cut := strings.CutSuffix(s, u); cut && after == "" {
			after, s = u, strings.TrimSpace(rest)
		}
	}
	if len(s) < 3 || s[0] != '(' || s[len(s)-1] != ')' {
		return "", false
	}
	return before + strings.TrimSpace(s[1:len(s)-1]) + after, true
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
