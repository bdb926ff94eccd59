package imported

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"strconv"
)

// isUBJSON reports whether bytes are XGBoost's binary form, Universal Binary
// JSON: an object whose first key begins with the type of its length.
func isUBJSON(file []byte) bool {
	return len(file) > 1 && file[0] == '{' && ubjsonSize(file[1]) > 0
}

// ubjsonSize is the length of a number by its type, 0 for what is no number.
func ubjsonSize(kind byte) int {
	switch kind {
	case 'i', 'U':
		return 1
	case 'I':
		return 2
	case 'l', 'd':
		return 4
	case 'L', 'D':
		return 8
	}
	return 0
}

// ubjsonDepth bounds nesting; XGBoost's files have 8 levels.
const ubjsonDepth = 64

// ubjsonToJSON writes Universal Binary JSON as JSON, float32 numbers in the
// shortest text that reads back to the same float32. Only numbers may stand in
// arrays of one type, so that every element takes a byte in the file.
func ubjsonToJSON(file []byte) ([]byte, error) {
	u := &ubjson{in: file, out: make([]byte, 0, 2*len(file))}
	u.value(u.kind(), 0)
	if u.bad || len(u.in) > 0 {
		return nil, malformedf("its binary JSON breaks off or is wrong after %d bytes", len(file)-len(u.in))
	}
	return u.out, nil
}

// ubjson reads in and writes out; once something is wrong it is bad and in is
// empty.
type ubjson struct {
	in, out []byte
	bad     bool
}

func (u *ubjson) fail() { u.bad, u.in = true, nil }

// take gives the next n bytes, n zeros where there are none.
func (u *ubjson) take(n int) []byte {
	if n < 0 || n > len(u.in) {
		u.fail()
		return make([]byte, min(max(n, 0), 8))
	}
	b := u.in[:n]
	u.in = u.in[n:]
	return b
}

func (u *ubjson) kind() byte { return u.take(1)[0] }

func (u *ubjson) peek() byte {
	if len(u.in) == 0 {
		u.fail()
		return 0
	}
	return u.in[0]
}

// integer reads a whole number of a type.
func (u *ubjson) integer(kind byte) int64 {
	b := u.take(ubjsonSize(kind))
	switch kind {
	case 'i':
		return int64(int8(b[0])) //nolint:gosec // two's complement
	case 'U':
		return int64(b[0])
	case 'I':
		return int64(int16(binary.BigEndian.Uint16(b))) //nolint:gosec // two's complement
	case 'l':
		return int64(int32(binary.BigEndian.Uint32(b))) //nolint:gosec // two's complement
	case 'L':
		return int64(binary.BigEndian.Uint64(b)) //nolint:gosec // two's complement
	}
	u.fail()
	return 0
}

// length reads a length, which never exceeds what is left.
func (u *ubjson) length() int {
	n := u.integer(u.kind())
	if n < 0 || n > int64(len(u.in)) {
		u.fail()
		return 0
	}
	return int(n)
}

func (u *ubjson) value(kind byte, depth int) {
	if depth > ubjsonDepth || u.bad {
		u.fail()
		return
	}
	switch kind {
	case 'Z':
		u.out = append(u.out, "null"...)
	case 'T':
		u.out = append(u.out, "true"...)
	case 'F':
		u.out = append(u.out, "false"...)
	case 'S':
		u.text()
	case 'C':
		u.quote(u.take(1))
	case 'd':
		u.float(float64(math.Float32frombits(binary.BigEndian.Uint32(u.take(4)))), 32)
	case 'D':
		u.float(math.Float64frombits(binary.BigEndian.Uint64(u.take(8))), 64)
	case 'i', 'U', 'I', 'l', 'L':
		u.out = strconv.AppendInt(u.out, u.integer(kind), 10)
	case '[':
		u.array(depth)
	case '{':
		u.object(depth)
	default:
		u.fail()
	}
}

func (u *ubjson) text() { u.quote(u.take(u.length())) }

func (u *ubjson) quote(b []byte) {
	quoted, err := json.Marshal(string(b))
	if err != nil {
		u.fail()
	}
	u.out = append(u.out, quoted...)
}

// float writes a number, and null for what isn't finite.
func (u *ubjson) float(v float64, bits int) {
	if !finite(v) {
		u.out = append(u.out, "null"...)
		return
	}
	u.out = strconv.AppendFloat(u.out, v, 'g', -1, bits)
}

func (u *ubjson) array(depth int) {
	kind, counted, n := byte(0), false, 0
	if u.peek() == '$' {
		u.take(1)
		if kind = u.kind(); ubjsonSize(kind) == 0 || u.peek() != '#' {
			u.fail()
		}
	}
	if u.peek() == '#' {
		u.take(1)
		counted, n = true, u.length()
	}
	u.out = append(u.out, '[')
	for i := 0; !u.bad; i++ {
		if counted && i == n || !counted && u.peek() == ']' {
			break
		}
		if i > 0 {
			u.out = append(u.out, ',')
		}
		if kind != 0 {
			u.value(kind, depth+1)
		} else {
			u.value(u.kind(), depth+1)
		}
	}
	if !counted {
		u.take(1)
	}
	u.out = append(u.out, ']')
}

func (u *ubjson) object(depth int) {
	u.out = append(u.out, '{')
	for i := 0; !u.bad && u.peek() != '}'; i++ {
		if i > 0 {
			u.out = append(u.out, ',')
		}
		u.text()
		u.out = append(u.out, ':')
		u.value(u.kind(), depth+1)
	}
	u.take(1)
	u.out = append(u.out, '}')
}
