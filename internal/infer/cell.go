package infer

import (
	"math"
	"strconv"
	"strings"

	"github.com/perennial-ml/perennial/internal/dataset"
)

// number is a cell read as a number in both ways there are: [0] with a decimal
// point, where a comma may separate thousands, and [1] with a decimal comma,
// where a point may. A way that doesn't read the cell is NaN.
type number struct {
	value   [2]float64
	grouped [2]bool // the reading takes the other sign for a thousands separator
	sure    bool    // the cell has a sign that only one reading explains
	spaces  string  // a space or apostrophe separates thousands
	sign    string  // a currency or percent sign beside the number
	whole   bool    // digits only
	padded  bool    // digits with a leading zero, as codes have
	parens  bool    // it stands in parentheses: it is negative
}

// units are the signs that may stand beside a number. Longer ones come first.
var units = []string{"US$", "USD", "EUR", "GBP", "CHF", "JPY", "$", "€", "£", "¥", "₹", "%"}

// groupers separate thousands besides comma and point.
var groupers = []string{" ", "\u00a0", "\u202f", "'", "’"}

// digitsSigns are the bytes that a number may begin with; the first eleven may
// end it.
const digitsSigns = "0123456789.-+"

// parseNumber reads a cell; ok is false for one that is no number in either way.
func parseNumber(s string) (n number, ok bool) {
	if inner, ok := dataset.Unparenthesise(s, units); ok {
		if n, ok = parseNumber(inner); !ok || strings.ContainsAny(inner[:1], "+-(") {
			return n, false
		}
		for way := range n.value {
			n.value[way] = -n.value[way]
		}
		n.parens, n.whole, n.padded = true, false, false
		return n, true
	}
	if s == "" || len(s) > 64 {
		return n, false
	}
	body := s
	if strings.IndexByte(digitsSigns, s[0]) < 0 || strings.IndexByte(digitsSigns[:11], s[len(s)-1]) < 0 || strings.IndexByte(s, '$') == 1 {
		if body, n.sign = withoutUnit(s); n.sign == "" {
			return n, false
		}
	}
	digits, points, commas, others := 0, 0, 0, 0
	for i := range len(body) {
		switch c := body[i]; {
		case c >= '0' && c <= '9':
			digits++
		case c == '.':
			points++
		case c == ',':
			commas++
		case (c == '-' || c == '+') && i == 0:
		default:
			others++
		}
	}
	if digits == 0 {
		return n, false
	}
	if others > 0 {
		return n.unusual(body, commas)
	}
	return n.read(body, points, commas)
}

// withoutUnit takes a currency or percent sign away, from either side.
func withoutUnit(s string) (body, unit string) {
	if !strings.ContainsAny(s, "0123456789") {
		return "", ""
	}
	sign := ""
	if s[0] == '-' || s[0] == '+' {
		sign, s = s[:1], s[1:]
	}
	for _, u := range units {
		for _, cut := range []func(string, string) (string, bool){strings.CutPrefix, strings.CutSuffix} {
			if rest, ok := cut(s, u); ok {
				return sign + strings.TrimSpace(rest), u
			}
		}
	}
	return "", ""
}

// unusual reads exponents and numbers with spaces between their groups.
func (n number) unusual(s string, commas int) (number, bool) {
	if i := strings.IndexAny(s, "eE"); i > 0 {
		v, err := strconv.ParseFloat(strings.Replace(s, ",", ".", 1), 64)
		if err != nil || strings.Trim(s, "0123456789+-.,eE") != "" || math.IsInf(v, 0) {
			return n, false
		}
		n.value, n.sure = [2]float64{v, math.NaN()}, true
		switch mantissa := s[:i]; {
		case commas > 0:
			n.value = [2]float64{math.NaN(), v}
		case !strings.Contains(mantissa, "."):
			n.value, n.sure = [2]float64{v, v}, false
		}
		return n, true
	}
	for _, g := range groupers {
		if !strings.Contains(s, g) {
			continue
		}
		end := len(s)
		if i := strings.IndexAny(s, ".,"); i >= 0 {
			end = i
		}
		whole, ok := ungroup(s[:end], g)
		if !ok {
			return n, false
		}
		rest := whole + s[end:]
		points, commas := strings.Count(rest, "."), strings.Count(rest, ",")
		if n, ok = n.read(rest, points, commas); !ok || n.grouped[0] && n.grouped[1] {
			return n, false
		}
		n.spaces, n.whole = g, false
		for way, grouped := range n.grouped {
			if grouped {
				n.value[way], n.grouped[way], n.sure = math.NaN(), false, true
			}
		}
		return n, true
	}
	return n, false
}

// read reads digits, points and commas in both ways.
func (n number) read(s string, points, commas int) (number, bool) {
	plain := func(t string) float64 {
		v, err := strconv.ParseFloat(t, 64)
		if err != nil {
			return math.NaN()
		}
		return v
	}
	if points == 0 && commas == 0 {
		v := plain(s)
		n.value, n.whole = [2]float64{v, v}, true
		d := strings.TrimLeft(s, "+-")
		n.padded = len(d) > 1 && d[0] == '0' && len(d) == len(s)
		return n, !math.IsInf(v, 0)
	}
	n.value[0], n.grouped[0] = readWay(s, ".", ",", points, commas, plain)
	n.value[1], n.grouped[1] = readWay(s, ",", ".", commas, points, plain)
	us, eu := !math.IsNaN(n.value[0]), !math.IsNaN(n.value[1])
	n.sure = us != eu
	return n, us || eu
}

// readWay reads a number with the given decimal and thousands signs.
func readWay(s, decimal, thousands string, decimals, groups int, plain func(string) float64) (v float64, grouped bool) {
	if decimals > 1 || groups > 0 && decimals == 0 && len(s)-strings.LastIndexByte(s, thousands[0]) != 4 {
		return math.NaN(), false
	}
	whole, fraction, cut := strings.Cut(s, decimal)
	if strings.Contains(fraction, thousands) || cut && fraction == "" && decimal == "," {
		return math.NaN(), false
	}
	if groups > 0 {
		var ok bool
		if whole, ok = ungroup(whole, thousands); !ok {
			return math.NaN(), false
		}
	}
	if cut && whole == "" && decimal == "," {
		return math.NaN(), false
	}
	return plain(whole + "." + fraction), groups > 0
}

// ungroup takes thousands separators out: groups of three digits, the first of
// one to three without a leading zero.
func ungroup(s, separator string) (string, bool) {
	parts := strings.Split(s, separator)
	first := strings.TrimLeft(parts[0], "+-")
	if len(parts) < 2 || len(first) < 1 || len(first) > 3 || first[0] == '0' {
		return "", false
	}
	for _, p := range parts[1:] {
		if len(p) != 3 || strings.Trim(p, "0123456789") != "" {
			return "", false
		}
	}
	return strings.Join(parts, ""), true
}
