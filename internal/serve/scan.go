package serve

import (
	"bytes"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/perennial-ml/perennial"
)

// maxDepth is how deeply a request's values may be nested. Only values that are
// skipped (extra or ignored columns) can be nested at all.
const maxDepth = 32

// kind is the JSON type of a token.
type kind uint8

const (
	kindNone kind = iota // no value: the member is missing
	kindNull
	kindTrue
	kindFalse
	kindNumber
	kindString
	kindObject
	kindArray
)

// label names the JSON type in messages.
func (k kind) label() string {
	switch k {
	case kindNull:
		return "null"
	case kindTrue, kindFalse:
		return "a boolean"
	case kindNumber:
		return "a number"
	case kindString:
		return "a string"
	case kindObject:
		return "an object"
	case kindArray:
		return "an array"
	case kindNone:
	}
	return "nothing"
}

// token is one value of the text: b[start:end], for a string without its quotes.
type token struct {
	kind       kind
	escaped    bool // a string with a backslash in it
	start, end int
}

// scanner reads JSON (RFC 8259) from bytes without allocating. It is strict:
// no NaN, no trailing commas, no control characters or broken UTF-8 in strings,
// no unpaired surrogates. After a failure it stays where it is, with err set.
type scanner struct {
	b   []byte
	i   int
	err error
}

func (s *scanner) fail(at int, message string) {
	if s.err != nil {
		return
	}
	line := 1 + bytes.Count(s.b[:min(at, len(s.b))], []byte{'\n'})
	s.err = perennial.Errorf(perennial.CodeMalformed, "serve.Predict", "The body is not valid JSON: %s at byte %d, line %d.", message, at, line)
}

// unexpected fails at the current byte.
func (s *scanner) unexpected() {
	if s.i >= len(s.b) {
		s.fail(s.i, "it ends too early")
		return
	}
	r, size := utf8.DecodeRune(s.b[s.i:])
	if r == utf8.RuneError && size <= 1 {
		s.fail(s.i, "invalid UTF-8")
		return
	}
	s.fail(s.i, "unexpected "+strconv.QuoteRune(r))
}

// peek skips white space and gives the next byte, 0 at the end.
func (s *scanner) peek() byte {
	for s.i < len(s.b) {
		switch c := s.b[s.i]; c {
		case ' ', '\t', '\r', '\n':
			s.i++
		default:
			return c
		}
	}
	return 0
}

// take skips white space and consumes c, or fails.
func (s *scanner) take(c byte) bool {
	if s.err != nil {
		return false
	}
	if s.peek() != c || s.i >= len(s.b) {
		s.unexpected()
		return false
	}
	s.i++
	return true
}

// done fails if anything but white space is left.
func (s *scanner) done() {
	if s.err != nil {
		return
	}
	s.peek()
	if s.i < len(s.b) {
		s.fail(s.i, "there is more after the end of the value")
	}
}

// member reads the next member of the object that the scanner stands in, first
// being true right after its opening brace. more is false at the closing brace,
// which is consumed, and after a failure.
func (s *scanner) member(first bool, depth int) (key, value token, more bool) {
	if !s.separated(first, '}') {
		return key, value, false
	}
	if s.peek() != '"' {
		s.unexpected()
		return key, value, false
	}
	key = s.str()
	if !s.take(':') {
		return key, value, false
	}
	value = s.value(depth)
	return key, value, s.err == nil
}

// element reads the next element of the array that the scanner stands in.
func (s *scanner) element(first bool, depth int) (value token, more bool) {
	if !s.separated(first, ']') {
		return value, false
	}
	value = s.value(depth)
	return value, s.err == nil
}

// separated reports whether another item follows, and consumes the comma before
// it or the closing byte after the last.
func (s *scanner) separated(first bool, closing byte) bool {
	if s.err != nil {
		return false
	}
	c := s.peek()
	switch {
	case c == closing:
		s.i++
		return false
	case first:
		return true
	default:
		return s.take(',')
	}
}

// value reads any value and checks the whole of it.
func (s *scanner) value(depth int) token {
	if s.err != nil {
		return token{}
	}
	c := s.peek()
	start := s.i
	switch {
	case c == '"':
		return s.str()
	case c == '-' || (c >= '0' && c <= '9'):
		return s.number()
	case c == '{' || c == '[':
		return s.nested(c, depth)
	case c == 't' && s.literal("true"):
		return token{kind: kindTrue, start: start, end: s.i}
	case c == 'f' && s.literal("false"):
		return token{kind: kindFalse, start: start, end: s.i}
	case c == 'n' && s.literal("null"):
		return token{kind: kindNull, start: start, end: s.i}
	}
	s.unexpected()
	return token{}
}

func (s *scanner) nested(c byte, depth int) token {
	if depth >= maxDepth {
		s.fail(s.i, "values are nested too deeply")
		return token{}
	}
	t := token{kind: kindObject, start: s.i}
	s.i++
	more := true
	for first := true; more; first = false {
		if c == '{' {
			_, _, more = s.member(first, depth+1)
		} else {
			_, more = s.element(first, depth+1)
		}
	}
	if c == '[' {
		t.kind = kindArray
	}
	t.end = s.i
	return t
}

func (s *scanner) literal(word string) bool {
	if len(s.b)-s.i < len(word) || string(s.b[s.i:s.i+len(word)]) != word {
		return false
	}
	s.i += len(word)
	return true
}

// number reads -?(0|[1-9][0-9]*)(.[0-9]+)?([eE][+-]?[0-9]+)?
func (s *scanner) number() token {
	start := s.i
	if s.b[s.i] == '-' {
		s.i++
	}
	if s.i < len(s.b) && s.b[s.i] == '0' {
		s.i++
	} else if !s.digits() {
		return token{}
	}
	if s.i < len(s.b) && s.b[s.i] == '.' {
		s.i++
		if !s.digits() {
			return token{}
		}
	}
	if s.i < len(s.b) && (s.b[s.i] == 'e' || s.b[s.i] == 'E') {
		s.i++
		if s.i < len(s.b) && (s.b[s.i] == '+' || s.b[s.i] == '-') {
			s.i++
		}
		if !s.digits() {
			return token{}
		}
	}
	return token{kind: kindNumber, start: start, end: s.i}
}

// digits consumes one digit or more, or fails.
func (s *scanner) digits() bool {
	start := s.i
	for s.i < len(s.b) && s.b[s.i] >= '0' && s.b[s.i] <= '9' {
		s.i++
	}
	if s.i == start {
		s.unexpected()
		return false
	}
	return true
}

// str reads a string; the scanner stands on its opening quote.
func (s *scanner) str() token {
	s.i++
	t := token{kind: kindString, start: s.i}
	for s.i < len(s.b) {
		switch c := s.b[s.i]; {
		case c == '"':
			t.end = s.i
			s.i++
			return t
		case c == '\\':
			t.escaped = true
			if !s.escape() {
				return token{}
			}
		case c < ' ':
			s.fail(s.i, "a control character in a string")
			return token{}
		case c < utf8.RuneSelf:
			s.i++
		default:
			r, size := utf8.DecodeRune(s.b[s.i:])
			if r == utf8.RuneError && size == 1 {
				s.fail(s.i, "invalid UTF-8")
				return token{}
			}
			s.i += size
		}
	}
	s.unexpected()
	return token{}
}

// escape reads one escape sequence, a surrogate pair as one.
func (s *scanner) escape() bool {
	at := s.i
	s.i++
	if s.i >= len(s.b) {
		s.unexpected()
		return false
	}
	switch s.b[s.i] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.i++
		return true
	case 'u':
		r := hex4(s.b[s.i+1:])
		size := 5
		if utf16.IsSurrogate(r) {
			r = surrogate(r, s.b[s.i+5:])
			size = 11
		}
		if r < 0 || r == utf8.RuneError && size == 11 {
			s.fail(at, "an invalid \\u escape")
			return false
		}
		s.i += size
		return true
	}
	s.fail(at, "an invalid escape")
	return false
}

// surrogate joins a high surrogate with the low one escaped at the start of b;
// U+FFFD where there is none.
func surrogate(high rune, b []byte) rune {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return utf8.RuneError
	}
	return utf16.DecodeRune(high, hex4(b[2:]))
}

// hex4 reads four hexadecimal digits, -1 where there are none.
func hex4(b []byte) rune {
	if len(b) < 4 {
		return -1
	}
	var r rune
	for _, c := range b[:4] {
		switch {
		case c >= '0' && c <= '9':
			r = r<<4 | rune(c-'0')
		case c >= 'a' && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		case c >= 'A' && c <= 'F':
			r = r<<4 | rune(c-'A'+10)
		default:
			return -1
		}
	}
	return r
}

// text gives a string token's characters: a part of the input, or unescaped
// into buf, whose contents are overwritten.
func (s *scanner) text(t token, buf *[]byte) []byte {
	raw := s.b[t.start:t.end]
	if !t.escaped {
		return raw
	}
	out := (*buf)[:0]
	for i := 0; i < len(raw); i++ {
		if raw[i] != '\\' {
			out = append(out, raw[i])
			continue
		}
		i++
		switch raw[i] {
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			r := hex4(raw[i+1:])
			i += 4
			if utf16.IsSurrogate(r) {
				r = surrogate(r, raw[i+1:])
				i += 6
			}
			out = utf8.AppendRune(out, r)
		default:
			out = append(out, raw[i])
		}
	}
	*buf = out
	return out
}
