package perennial

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// ValidName reports whether s may name a pipeline, and with it the registered
// model and the MLflow experiment, which share the name: [a-z][a-z0-9-]{0,62}.
func ValidName(s string) bool {
	return s != "" && len(s) <= 63 && s[0] >= 'a' && s[0] <= 'z' && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// Duration is a time.Duration that is written as Go writes it ("90s", "24h").
type Duration time.Duration

// String gives Go's form.
func (d Duration) String() string { return time.Duration(d).String() }

// MarshalJSON writes Go's form as a string.
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(d.String()) }

// UnmarshalJSON reads Go's form from a string.
func (d *Duration) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("a duration is a string like \"90s\" or \"24h\": %w", err)
	}
	return d.UnmarshalText([]byte(s))
}

// UnmarshalText reads Go's form.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	if err != nil {
		return fmt.Errorf("%q is no duration: write it like 90s, 15m or 24h", b)
	}
	*d = Duration(v)
	return nil
}

// Limit bounds a difference between two metrics, either absolute (0.02) or
// relative to the reference ("2%").
type Limit struct {
	Value    float64
	Relative bool
}

// MarshalJSON writes a number, or a string with a percent sign.
func (l Limit) MarshalJSON() ([]byte, error) {
	if l.Relative {
		return json.Marshal(l.String())
	}
	return json.Marshal(l.Value)
}

// String gives the form that UnmarshalText reads back to the same limit: the
// shortest percentage that divides to Value, so 0.07 is "7%" although
// 0.07*100 is no whole number in floating point.
func (l Limit) String() string {
	if !l.Relative {
		return strconv.FormatFloat(l.Value, 'g', -1, 64)
	}
	percent := strconv.FormatFloat(l.Value*100, 'f', -1, 64)
	for digits := 1; digits < 17; digits++ {
		p, err := strconv.ParseFloat(strconv.FormatFloat(l.Value*100, 'g', digits, 64), 64)
		if err == nil && p/100 == l.Value {
			percent = strconv.FormatFloat(p, 'f', -1, 64)
			break
		}
	}
	return percent + "%"
}

// UnmarshalJSON reads a number, or a string that ends in a percent sign.
func (l *Limit) UnmarshalJSON(b []byte) error {
	var v float64
	if err := json.Unmarshal(b, &v); err == nil {
		*l = Limit{Value: v}
		return nil
	}
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("a limit is a number, or a share of the reference like \"2%%\"")
	}
	return l.UnmarshalText([]byte(s))
}

// UnmarshalText reads "0.02" or "2%".
func (l *Limit) UnmarshalText(b []byte) error {
	number, relative := strings.CutSuffix(string(b), "%")
	v, err := strconv.ParseFloat(number, 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		return fmt.Errorf("%q is no limit: write a number, or a share of the reference like 2%%", b)
	}
	if relative {
		v /= 100
	}
	*l = Limit{Value: v, Relative: relative}
	return nil
}
