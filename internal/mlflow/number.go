package mlflow

import (
	"bytes"
	"encoding/json"
	"math"
	"reflect"
	"strconv"
	"strings"
)

// Number is a float64 whose JSON form knows NaN and the infinities, as the strings
// "NaN", "Infinity" and "-Infinity". A finite number may come as a string too.
type Number float64

// AppendJSON appends the JSON form.
func (n Number) AppendJSON(b []byte) []byte {
	switch v := float64(n); {
	case math.IsNaN(v):
		return append(b, `"NaN"`...)
	case math.IsInf(v, 1):
		return append(b, `"Infinity"`...)
	case math.IsInf(v, -1):
		return append(b, `"-Infinity"`...)
	default:
		return strconv.AppendFloat(b, v, 'g', -1, 64)
	}
}

// MarshalJSON gives the JSON form.
func (n Number) MarshalJSON() ([]byte, error) { return n.AppendJSON(nil), nil }

// UnmarshalJSON reads the JSON form. A number that a float64 can't hold, and a
// string that is none, are refused.
func (n *Number) UnmarshalJSON(b []byte) error {
	text, isText := unquote(b)
	if text == "null" && !isText {
		return nil
	}
	v, ok := parseNumber(text)
	if !ok {
		return wrongType(b, reflect.TypeFor[float64]())
	}
	*n = Number(v)
	return nil
}

// ParseNumber reads a number as it stands in a query string.
func ParseNumber(text string) (Number, bool) {
	v, ok := parseNumber(text)
	return Number(v), ok
}

func parseNumber(text string) (float64, bool) {
	switch strings.ToLower(text) { // the words of JSON for Python's own
	case "nan":
		return math.NaN(), true
	case "infinity", "inf":
		return math.Inf(1), true
	case "-infinity", "-inf":
		return math.Inf(-1), true
	}
	if !plainNumber(text) {
		return 0, false
	}
	v, err := strconv.ParseFloat(text, 64)
	return v, err == nil
}

// plainNumber reports whether a text has only the characters of a decimal number:
// Go would also read hexadecimal, "inf" and digits in groups.
func plainNumber(text string) bool {
	for _, c := range []byte(text) {
		if (c < '0' || c > '9') && c != '-' && c != '+' && c != '.' && c != 'e' && c != 'E' {
			return false
		}
	}
	return text != ""
}

// Int is an int64: a JSON number when written; read from a number in whatever
// notation, of which a fraction is dropped, or a string with a number.
type Int int64

// UnmarshalJSON reads the JSON form.
func (n *Int) UnmarshalJSON(b []byte) error {
	text, isText := unquote(b)
	if text == "null" && !isText {
		return nil
	}
	v, ok := ParseInt(text)
	if !ok {
		return wrongType(b, reflect.TypeFor[int64]())
	}
	*n = v
	return nil
}

// ParseInt reads a whole number as it stands in a query string.
func ParseInt(text string) (Int, bool) {
	if v, err := strconv.ParseInt(text, 10, 64); err == nil {
		return Int(v), true
	}
	if !plainNumber(text) {
		return 0, false
	}
	const exact = 1 << 53 // up to here a float64 tells whole numbers apart
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || math.Abs(v) > exact {
		return 0, false
	}
	return Int(math.Trunc(v)), true
}

// unquote gives the content of a JSON string without escapes, and anything else as
// it is. A text with escapes is no number.
func unquote(b []byte) (text string, isText bool) {
	if len(b) >= 2 && b[0] == '"' && bytes.IndexByte(b, '\\') < 0 {
		return string(b[1 : len(b)-1]), true
	}
	return string(b), false
}

// wrongType is an error to which encoding/json adds the path of the field.
func wrongType(b []byte, want reflect.Type) error {
	came := "string"
	if len(b) > 0 {
		switch b[0] {
		case '"':
		case '{':
			came = "object"
		case '[':
			came = "array"
		case 't', 'f':
			came = "bool"
		default:
			came = "number " + string(b)
		}
	}
	return &json.UnmarshalTypeError{Value: came, Type: want}
}
