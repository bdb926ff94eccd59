package tracking

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/perennial-ml/perennial/internal/mlflow"
)

// tokenKind says what a piece of a filter is.
type tokenKind int

const (
	tokenEnd      tokenKind = iota
	tokenKey                // a word, with dots and quoted parts: metrics.`val loss`; AND, IN and the like too
	tokenString             // '…' or "…"
	tokenNumber             // -1.5e3
	tokenOperator           // = != > >= < <=
	tokenMark               // ( ) ,
)

// token is one piece of a filter.
type token struct {
	kind   tokenKind
	text   string // without quotes
	raw    string // as it stands there
	dot    int    // of a key: where the first dot outside quotes is in text, -1 for none
	quoted bool   // of a key: some of it stands in quotes, so it is no keyword
}

// lexer splits a filter or an order into tokens.
type lexer struct {
	text  string
	at    int
	token token
	err   error
	value bool // a value comes next: "…" is a string then, not a key
}

// failf ends the reading.
func (l *lexer) failf(format string, args ...any) {
	if l.err == nil {
		l.err = mlflow.Invalid(format, args...)
	}
	l.token = token{kind: tokenEnd, raw: "end of the filter", dot: -1}
}

// next reads the next token.
func (l *lexer) next() {
	for l.at < len(l.text) && strings.IndexByte(" \t\r\n", l.text[l.at]) >= 0 {
		l.at++
	}
	if l.err != nil || l.at == len(l.text) {
		l.token = token{kind: tokenEnd, raw: "end of the filter", dot: -1}
		return
	}
	start := l.at
	switch c := l.text[start]; {
	case c == '(' || c == ')' || c == ',':
		l.at++
		l.token = token{kind: tokenMark}
	case strings.IndexByte("=!<>", c) >= 0:
		l.at++
		if l.at < len(l.text) && (l.text[l.at] == '=' || c == '<' && l.text[l.at] == '>') {
			l.at++
		}
		l.token = token{kind: tokenOperator}
	case c == '\'' || c == '"' && l.value:
		text, ok := l.quoted(c)
		if !ok {
			return
		}
		l.token = token{kind: tokenString, text: text}
	case l.number():
		l.token = token{kind: tokenNumber}
	default:
		if !l.key() {
			return
		}
	}
	l.token.raw = l.text[start:l.at]
	if l.token.kind != tokenKey {
		l.token.dot = -1
	}
	if l.token.kind != tokenKey && l.token.kind != tokenString {
		l.token.text = l.token.raw
	}
}

// quoted reads what stands between two quotes; a doubled quote is one.
func (l *lexer) quoted(quote byte) (string, bool) {
	var b strings.Builder
	start := l.at
	for l.at++; l.at < len(l.text); l.at++ {
		if l.text[l.at] != quote {
			b.WriteByte(l.text[l.at])
			continue
		}
		l.at++
		if l.at == len(l.text) || l.text[l.at] != quote {
			return b.String(), true
		}
		b.WriteByte(quote)
	}
	l.failf("The quote %c at position %d of the filter string is never closed.", quote, start+1)
	return "", false
}

// number moves past a number, if one stands here.
func (l *lexer) number() bool {
	i := l.at
	if l.text[i] == '-' || l.text[i] == '+' {
		i++
	}
	digits := 0
	for ; i < len(l.text) && (isDigit(l.text[i]) || l.text[i] == '.'); i++ {
		if isDigit(l.text[i]) {
			digits++
		}
	}
	if digits == 0 {
		return false
	}
	if i < len(l.text) && (l.text[i] == 'e' || l.text[i] == 'E') {
		j := i + 1
		if j < len(l.text) && (l.text[j] == '-' || l.text[j] == '+') {
			j++
		}
		for ; j < len(l.text) && isDigit(l.text[j]); j++ {
			i = j + 1
		}
	}
	if r, _ := utf8.DecodeRuneInString(l.text[i:]); i < len(l.text) && inKey(r) {
		return false // a key that begins with a digit
	}
	l.at = i
	return true
}

// key reads a word with dots; its parts may stand in backticks or double quotes.
func (l *lexer) key() bool {
	var b strings.Builder
	start, dot, quoted := l.at, -1, false
	for l.at < len(l.text) {
		c := l.text[l.at]
		if c == '`' || c == '"' {
			part, ok := l.quoted(c)
			if !ok {
				return false
			}
			b.WriteString(part)
			quoted = true
			continue
		}
		r, size := utf8.DecodeRuneInString(l.text[l.at:])
		if !inKey(r) {
			break
		}
		if r == '.' && dot < 0 {
			dot = b.Len()
		}
		b.WriteString(l.text[l.at : l.at+size])
		l.at += size
	}
	if l.at == start {
		r, _ := utf8.DecodeRuneInString(l.text[start:])
		l.failf("Invalid clause(s) in filter string: the character %q at position %d means nothing here.", r, start+1)
		return false
	}
	l.token = token{kind: tokenKey, text: b.String(), dot: dot, quoted: quoted}
	return true
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// inKey reports whether a key may hold a character outside quotes.
func inKey(r rune) bool {
	return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("_.-/:@", r))
}

// word moves past a keyword, if that is the present token.
func (l *lexer) word(keyword string) bool {
	if l.token.kind != tokenKey || l.token.quoted || !strings.EqualFold(l.token.text, keyword) {
		return false
	}
	l.next()
	return true
}

// operator reads what stands between key and value.
func (l *lexer) operator() (operator, error) {
	l.value = true
	defer func() { l.value = false }()
	t := l.token
	if t.kind == tokenOperator {
		l.next()
		if t.text == "<>" {
			return opNotEqual, l.err
		}
		return operator(t.text), l.err
	}
	switch {
	case l.word("LIKE"):
		return opLike, l.err
	case l.word("ILIKE"):
		return opILike, l.err
	case l.word("IN"):
		return opIn, l.err
	case l.word("NOT"):
		if l.word("IN") {
			return opNotIn, l.err
		}
	case l.word("IS"):
		l.value = false
		not := l.word("NOT")
		if l.word("NULL") {
			if not {
				return opNotNull, l.err
			}
			return opNull, l.err
		}
	}
	if l.err != nil {
		return "", l.err
	}
	return "", mlflow.Invalid("Invalid clause(s) in filter string: a comparison like = or LIKE is expected, not '%s'.", t.raw)
}

// list reads the strings of IN.
func (l *lexer) list() ([]string, error) {
	var list []string
	l.value = true
	defer func() { l.value = false }()
	if l.token.raw != "(" {
		return nil, mlflow.Invalid("Expected a list of strings in parentheses after IN (e.g. ('a', 'b')). Got value %s", l.token.raw)
	}
	for l.next(); l.token.kind == tokenString; l.next() {
		list = append(list, l.token.text)
		if l.next(); l.token.raw != "," {
			break
		}
	}
	if len(list) > 0 && l.token.raw == ")" { // a comma may be the last
		l.value = false
		l.next()
		return list, l.err
	}
	if l.err != nil {
		return nil, l.err
	}
	return nil, mlflow.Invalid("While parsing a list in the query string, expected string value, punctuation, or whitespace, but got '%s'.", l.token.raw)
}
