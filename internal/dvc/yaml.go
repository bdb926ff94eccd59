package dvc

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/perennial-ml/perennial"
)

// lineWidth is the column at which DVC's YAML writer begins a new line.
const lineWidth = 80

// notText matches plain scalars that YAML 1.2 reads as something other than a
// string, in the reading of DVC's YAML library.
var notText = regexp.MustCompile(`^(?:` + strings.Join([]string{
	`true|True|TRUE|false|False|FALSE`,
	`~|null|Null|NULL`,
	`[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?`,
	`[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+`,
	`[-+]?\.[0-9_]+(?:[eE][-+][0-9]+)?`,
	`[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)`,
	`[-+]?0b[01_]+|[-+]?0o?[0-7_]+|[-+]?0x[0-9a-fA-F_]+`,
	`[-+][0-9_]+|[0-9][0-9_]*`,
	`[0-9]{4}-[0-9]{2}-[0-9]{2}`,
	`[0-9]{4}-[0-9][0-9]?-[0-9][0-9]?(?:[Tt]|[ \t]+)[0-9][0-9]?:[0-9]{2}:[0-9]{2}(?:\.[0-9]*)?(?:[ \t]*(?:Z|[-+][0-9][0-9]?(?::[0-9]{2})?))?`,
	`<<|=`,
}, "|") + `)$`)

// checkText refuses what can't be written on one line: control characters and
// line breaks, which no path or command of a pipeline needs.
func checkText(what, s string) error {
	if s == "" || !utf8.ValidString(s) || strings.ContainsFunc(s, func(c rune) bool {
		return unicode.IsControl(c) || c == '\u2028' || c == '\u2029' || c == '\uFEFF'
	}) {
		return perennial.Errorf(perennial.CodeInvalid, "", "%s %q can't be written to a DVC file", what, s).
			WithHint("Use a name without control characters.")
	}
	return nil
}

// plain reports whether a string may stand without quotes.
func plain(s string) bool {
	if s == "" || notText.MatchString(s) || strings.HasPrefix(s, " ") || strings.HasSuffix(s, " ") ||
		strings.HasPrefix(s, "---") || strings.HasPrefix(s, "...") ||
		strings.ContainsRune("#,[]{}&*!|>'\"%@`", rune(s[0])) {
		return false
	}
	if strings.ContainsRune("?:-", rune(s[0])) && (len(s) == 1 || s[1] == ' ') {
		return false
	}
	return !strings.Contains(s, ": ") && !strings.HasSuffix(s, ":") && !strings.Contains(s, " #")
}

// text writes a string as DVC writes it after a key that ends at the given
// column, and goes on with the given indent where the line is full. Two kinds of
// long strings stay on one line, where DVC would break it: those in double
// quotes, and those with two spaces in a row, of which DVC loses one.
func text(s string, column, indent int) string {
	switch {
	case strings.Contains(s, "  ") || !plain(s) && strings.Contains(s, "'"):
		return inline(s)
	case plain(s):
		return fold(s, column+1, indent, true)
	default:
		return "'" + fold(s, column+2, indent, false) + "'"
	}
}

// inline writes a string on one line, as DVC writes keys and hashes.
func inline(s string) string {
	switch {
	case plain(s):
		return s
	case strings.Contains(s, "'"):
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
	default:
		return "'" + s + "'"
	}
}

// fold breaks a string at its spaces. A plain word that would cross the width
// goes to the next line, and the space before it stays behind; in quotes a line
// ends after the word that crossed it.
func fold(s string, column, indent int, isPlain bool) string {
	var b strings.Builder
	write := func(part string) {
		b.WriteString(part)
		column += utf8.RuneCountInString(part)
	}
	newline := func() {
		b.WriteString("\n" + strings.Repeat(" ", indent))
		column = indent
	}
	words := strings.Split(s, " ")
	for i, word := range words {
		switch {
		case i == 0:
		case isPlain && column >= lineWidth, !isPlain && column > lineWidth && (i < len(words)-1 || word != ""):
			newline()
		default:
			write(" ")
		}
		if isPlain && column+utf8.RuneCountInString(word) > lineWidth && column > indent {
			newline()
		}
		write(word)
	}
	return b.String()
}

// value writes a parameter: null, a boolean, a number or a string.
func value(v any, column, indent int) (string, error) {
	switch v := v.(type) {
	case nil:
		return "", nil
	case bool, int, int64, uint64:
		return " " + fmt.Sprint(v), nil
	case float64:
		return " " + float(v), nil
	case string:
		if v == "" {
			return " ''", nil
		}
		return " " + text(v, column, indent), checkText("the parameter", v)
	default:
		return "", perennial.Errorf(perennial.CodeInvalid, "", "a parameter of the type %T can't be written to dvc.lock", v).
			WithHint("Name single values in dvc.yaml's params.")
	}
}

// float writes a number as Python does: the shortest text that reads back to it,
// with an exponent below 1e-4 and from 1e16 on.
func float(v float64) string {
	switch a := math.Abs(v); {
	case math.IsNaN(v):
		return ".nan"
	case math.IsInf(v, 0):
		return strings.Replace(strings.TrimPrefix(fmt.Sprint(v), "+"), "Inf", ".inf", 1)
	case a != 0 && (a < 1e-4 || a >= 1e16):
		return strconv.FormatFloat(v, 'e', -1, 64)
	default:
		s := strconv.FormatFloat(v, 'f', -1, 64)
		if !strings.Contains(s, ".") {
			s += ".0"
		}
		return s
	}
}
