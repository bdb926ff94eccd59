package dataset

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/perennial-ml/perennial"
)

// RuleHoldoutLeak is the rule that CheckLeak guards.
const RuleHoldoutLeak = "holdout_leak"

// Sides gives the side of every unit that was ever seen. A unit is what Units
// gives for a row: its group where the split is by group, else its key. A side
// is decided once and never changed.
type Sides map[string]perennial.Side

// Extend gives base and a side for every unit that base doesn't know: train or,
// for a share test of all units, holdout (perennial.LaterSide). Base is left as
// it is.
func Extend(base Sides, units []string, seed int64, test float64) Sides {
	out := make(Sides, len(base)+len(units))
	maps.Copy(out, base)
	for _, u := range units {
		if _, known := out[u]; !known {
			out[u] = perennial.LaterSide(seed, u, test)
		}
	}
	return out
}

// Rows gives the rows, in their order, whose unit is on one of the sides. A unit
// without a side is on none.
func (s Sides) Rows(units []string, side ...perennial.Side) []int {
	var rows []int
	for r, u := range units {
		if have, ok := s[u]; ok && slices.Contains(side, have) {
			rows = append(rows, r)
		}
	}
	return rows
}

// escapes keep a line a line whatever an id holds.
var (
	escape   = strings.NewReplacer(`\`, `\\`, "\t", `\t`, "\n", `\n`, "\r", `\r`)
	unescape = strings.NewReplacer(`\\`, `\`, `\t`, "\t", `\n`, "\n", `\r`, "\r")
)

// Encode gives the side table's one canonical form: a line "unit, tab, side" for
// each unit, sorted by the bytes of the line's unit; backslash, tab and line
// ends in a unit are written \\, \t, \n and \r.
func (s Sides) Encode() []byte {
	units := make([]string, 0, len(s))
	for u := range s {
		units = append(units, escape.Replace(u))
	}
	slices.Sort(units)
	var b bytes.Buffer
	for _, u := range units {
		b.WriteString(u)
		b.WriteByte('\t')
		b.WriteString(string(s[unescape.Replace(u)]))
		b.WriteByte('\n')
	}
	return b.Bytes()
}

// SHA256 gives the hash of the encoded table, in hexadecimal.
func (s Sides) SHA256() string { return hash(s.Encode()) }

// DecodeSides reads what Encode wrote, and nothing else: another order, a unit
// twice or an unknown side is an error of code invalid.
func DecodeSides(b []byte) (Sides, error) {
	const op = "dataset.DecodeSides"
	s, last := make(Sides, bytes.Count(b, []byte{'\n'})), ""
	for line := 1; len(b) > 0; line++ {
		text, rest, ended := bytes.Cut(b, []byte{'\n'})
		unit, side, ok := strings.Cut(string(text), "\t")
		if !ended || !ok {
			return nil, perennial.Errorf(perennial.CodeInvalid, op, "line %d of the side table is no unit, tab, side and line end", line)
		}
		switch perennial.Side(side) {
		case perennial.SideTrain, perennial.SideHoldout, perennial.SideStream:
		default:
			return nil, perennial.Errorf(perennial.CodeInvalid, op, "line %d of the side table has the unknown side %q", line, shorten(side))
		}
		plain := unescape.Replace(unit)
		if line > 1 && unit <= last || escape.Replace(plain) != unit {
			return nil, perennial.Errorf(perennial.CodeInvalid, op, "line %d of the side table isn't in its canonical form: units sorted, each once", line)
		}
		s[plain], last, b = perennial.Side(side), unit, rest
	}
	return s, nil
}

// CheckLeak refuses to go on where training and evaluation rows share a unit:
// code precondition, rule holdout_leak, naming the first five of them, sorted.
func CheckLeak(train, evaluation []string) error {
	trained := make(map[string]bool, len(train))
	for _, u := range train {
		trained[u] = true
	}
	shared := map[string]bool{}
	for _, u := range evaluation {
		if trained[u] {
			shared[u] = true
		}
	}
	if len(shared) == 0 {
		return nil
	}
	names := slices.Sorted(maps.Keys(shared))
	listed := make([]string, 0, 5)
	for _, u := range names[:min(5, len(names))] {
		listed = append(listed, shorten(u))
	}
	message := fmt.Sprintf("%d keys are in the training rows and in the evaluation rows: %s", len(names), strings.Join(listed, ", "))
	if len(names) > len(listed) {
		message += ", …"
	}
	e := perennial.Errorf(perennial.CodePrecondition, "dataset.CheckLeak", "%s", message).
		WithHint("A model must not be judged on rows it was trained on; make the side table anew from the base data.")
	e.Fields = []perennial.FieldError{{Path: "/rows", Rule: RuleHoldoutLeak, Came: listed, Message: message}}
	return e
}

func hash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
