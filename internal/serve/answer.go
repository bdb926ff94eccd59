package serve

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"strings"

	"github.com/perennial-ml/perennial"
)

// answer writes the response of a good attempt, in memory of its own.
func (r *request) answer(a *attempt) []byte {
	b := r.out[:0]
	b = append(b, '{')
	if !r.many {
		b = appendID(b, r.ids[0])
		b = append(append(b, ','), a.seat.head...)
		b = append(b, ',')
		b = a.appendPrediction(b, 0)
	} else {
		b = append(b, a.seat.head...)
		b = append(b, `,"predictions":[`...)
		for i := range r.objects {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendID(append(b, '{'), r.ids[i]), ',')
			b = append(a.appendPrediction(b, i), '}')
		}
		b = append(b, ']')
	}
	if r.warnings.n > 0 {
		b = appendWarnings(b, &r.warnings)
	}
	b = append(b, '}')
	r.out = b
	return bytes.Clone(b)
}

func appendID(b []byte, id string) []byte {
	b = append(b, `"prediction_id":"`...)
	return append(append(b, id...), '"')
}

// appendPrediction writes the members prediction and, for a classification,
// probabilities in class order.
func (a *attempt) appendPrediction(b []byte, i int) []byte {
	v := a.seat.version
	b = append(b, `"prediction":`...)
	k := len(v.classes)
	if k == 0 {
		return appendFloat(b, a.values[i])
	}
	b = append(b, v.quoted[int(a.values[i])]...)
	b = append(b, `,"probabilities":{`...)
	for c, p := range a.proba[i*k : (i+1)*k] {
		if c > 0 {
			b = append(b, ',')
		}
		b = append(append(b, v.quoted[c]...), ':')
		b = appendFloat(b, p)
	}
	return append(b, '}')
}

// appendWarnings writes the warnings, and how many more there were.
func appendWarnings(b []byte, w *faults) []byte {
	b = append(b, `,"warnings":[`...)
	for i, f := range w.list {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendWarning(b, f)
	}
	if more := w.n - len(w.list); more > 0 {
		b = append(b, ',')
		b = appendWarning(b, perennial.FieldError{Rule: "more", Came: more, Message: strconv.Itoa(more) + " more warnings are not listed."})
	}
	return append(b, ']')
}

func appendWarning(b []byte, f perennial.FieldError) []byte {
	b = append(append(b, `{"path":`...), quote(f.Path)...)
	b = append(append(b, `,"rule":`...), quote(f.Rule)...)
	if n, ok := f.Came.(int); ok { // how many more there are; a value that came is in the request
		b = strconv.AppendInt(append(b, `,"came":`...), int64(n), 10)
	}
	b = append(append(b, `,"message":`...), quote(f.Message)...)
	return append(b, '}')
}

// appendFloat writes the shortest number that reads back as f, in the notation
// of ECMAScript, as encoding/json does.
func appendFloat(b []byte, f float64) []byte {
	format := byte('f')
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(b, f, format, -1, 64)
}

// quote gives a string as JSON, with <, > and & as they are.
func quote(s string) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		return `""` // can't happen: strings are always encodable
	}
	return strings.TrimSuffix(b.String(), "\n")
}
