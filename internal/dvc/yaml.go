package dvc

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/perennial-ml/perennial"
)

// lineWidth is the column at which DVC's YAML writer begins a new line.
const lineWidth = 80

// later compiles an expression when it is needed first: most commands need none of
// those that are for writing, and compiling takes as long as all the rest.
func later(expr string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}

// notText matches plain scalars that YAML 1.2 reads as something other than a
// string, in the reading of DVC's YAML library.
var notText = later(`^(?:` + strings.Join([]string{
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

// checkText refuses control characters and line breaks, which no path or command
// of a pipeline needs.
func checkText(what, s string) error {
	if s == "" || !utf8.ValidString(s) || strings.ContainsFunc(s, escaped) {
		return perennial.Errorf(perennial.CodeInvalid, "", "%s %q can't be written to a DVC file", what, s).
			WithHint("Use a name without control characters.")
	}
	return nil
}

// escaped reports whether a character stands in double quotes only, as an escape.
// DVC writes line breaks other than \n as they are, and loses one of them (U+0085)
// on reading; they are escaped here, which reads the same.
func escaped(c rune) bool {
	return unicode.IsControl(c) || c == '\u2028' || c == '\u2029' || c == '\uFEFF' || c == '\uFFFE' || c == '\uFFFF'
}

// shortEscapes are the escapes that have a letter of their own.
var shortEscapes = map[rune]string{
	'"': `\"`, '\\': `\\`, 0: `\0`, '\a': `\a`, '\b': `\b`, '\t': `\t`, '\n': `\n`, '\v': `\v`, '\f': `\f`, '\r': `\r`, 0x1B: `\e`,
	0x85: `\N`, '\u2028': `\L`, '\u2029': `\P`,
}

// doubleQuoted writes any string on one line.
func doubleQuoted(s string) string {
	b := []byte{'"'}
	for _, c := range s {
		switch short := shortEscapes[c]; {
		case short != "":
			b = append(b, short...)
		case escaped(c) && c <= 0xFF:
			b = fmt.Appendf(b, `\x%02X`, c)
		case escaped(c):
			b = fmt.Appendf(b, `\u%04X`, c)
		default:
			b = utf8.AppendRune(b, c)
		}
	}
	return string(append(b, '"'))
}

// plain reports whether a string may stand without quotes.
func plain(s string) bool {
	if s == "" || strings.ContainsFunc(s, escaped) || notText().MatchString(s) || strings.HasPrefix(s, " ") || strings.HasSuffix(s, " ") ||
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
	case strings.Contains(s, "  ") || quoted(s):
		return inline(s)
	case plain(s):
		return fold(s, column+1, indent, true)
	default:
		return "'" + fold(s, column+2, indent, false) + "'"
	}
}

// quoted reports whether a string stands in double quotes.
func quoted(s string) bool {
	return !plain(s) && (strings.Contains(s, "'") || strings.ContainsFunc(s, escaped))
}

// inline writes a string on one line, as DVC writes keys and hashes.
func inline(s string) string {
	switch {
	case plain(s):
		return s
	case quoted(s):
		return doubleQuoted(s)
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
		switch {
		case v == "":
			return " ''", nil
		case !utf8.ValidString(v):
			return "", perennial.Errorf(perennial.CodeInvalid, "", "the parameter %q can't be written to dvc.lock", v).
				WithHint("Write it in UTF-8.")
		}
		return " " + text(v, column, indent), nil
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
