package models

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"slices"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/models/preprocess"
)

// The model file, little-endian: the 8 bytes of magic, the uint32 format
// version, the sections in this order, each with its four-letter name, the
// uint64 length of its body and the body, and last the sha256 of everything
// before it. HEAD (JSON): task, resolved schema, preparation as configured,
// algorithm, parameters. PROV (JSON): provenance. PREP (JSON): fitted
// preparation. ALGO: the algorithm's own bytes. PROF (JSON): reference profile.
const (
	magic         = "PERENNML"
	formatVersion = 1
	nameSize      = 4
)

var sectionNames = []string{"HEAD", "PROV", "PREP", "ALGO", "PROF"}

// Encode gives the model file. Equal models give equal bytes; it holds data
// only, and neither time nor host.
func (m *Model) Encode() ([]byte, error) {
	const op = "models.Encode"
	prep, err := m.prep.Encode()
	if err != nil {
		return nil, perennial.Wrap(op, err)
	}
	algo, err := m.predictor.Encode()
	if err != nil {
		return nil, perennial.Wrap(op, err)
	}
	bodies := [][]byte{nil, nil, prep, algo, nil}
	for i, v := range m.documents() {
		if v == nil {
			continue
		}
		if bodies[i], err = json.Marshal(v); err != nil {
			return nil, perennial.Errorf(perennial.CodeInternal, op, "the section %s can't be written", sectionNames[i]).Because(err)
		}
	}
	b := binary.LittleEndian.AppendUint32([]byte(magic), formatVersion)
	for i, body := range bodies {
		b = append(b, sectionNames[i]...)
		b = binary.LittleEndian.AppendUint64(b, uint64(len(body)))
		b = append(b, body...)
	}
	sum := sha256.Sum256(b)
	return append(b, sum[:]...), nil
}

// sectionContents says what each section holds, for people.
var sectionContents = []string{"schema, preparation and parameters as configured", "provenance", "the fitted preparation", "the fitted algorithm", "the reference profile"}

// Difference names the first section in which two model files differ, with what
// it holds; "" where they are equal.
func Difference(a, b []byte) string {
	if bytes.Equal(a, b) {
		return ""
	}
	x, errX := sections(a)
	y, errY := sections(b)
	if errX != nil || errY != nil {
		return "the file's frame"
	}
	for i, name := range sectionNames {
		if !bytes.Equal(x[i], y[i]) {
			return name + " (" + sectionContents[i] + ")"
		}
	}
	return "the file's frame"
}

// Decode reads a model file. Anything but a whole, unchanged file is an error of
// code malformed that says what is wrong; a newer format or an algorithm unknown
// to this build is code invalid. It never panics, and its memory is bounded by a
// multiple of len(b).
func Decode(b []byte) (*Model, error) {
	const op = "models.Decode"
	bodies, err := sections(b)
	if err != nil {
		return nil, perennial.Wrap(op, err)
	}
	m := &Model{}
	for i, v := range m.documents() {
		if v == nil {
			continue
		}
		dec := json.NewDecoder(bytes.NewReader(bodies[i]))
		dec.DisallowUnknownFields()
		if err := dec.Decode(v); err != nil {
			return nil, malformed("its section %s can't be read", sectionNames[i]).Because(err)
		}
	}
	e, err := m.checkHead()
	if err != nil {
		return nil, perennial.Wrap(op, err)
	}
	if m.prep, err = preprocess.Decode(bodies[2], m.features); err != nil {
		return nil, perennial.Wrap(op, err)
	}
	if m.predictor, err = e.decode(bodies[3], m.prep.Width(), max(len(m.classes), 1)); err != nil {
		return nil, perennial.Wrap(op, err)
	}
	return m, nil
}

// documents gives the sections that are JSON; nil for the others.
func (m *Model) documents() []any { return []any{&m.head, &m.prov, nil, nil, &m.profile} }

func malformed(format string, args ...any) *perennial.Error {
	return perennial.Errorf(perennial.CodeMalformed, "models.Decode", "the model file is damaged: "+format, args...).
		WithHint("Fetch it again from where it was stored; a model file is never repaired.")
}

// sections checks the frame and cuts the file, without copying it.
func sections(b []byte) ([][]byte, error) {
	if len(b) < len(magic)+4+sha256.Size || string(b[:len(magic)]) != magic {
		return nil, perennial.Errorf(perennial.CodeMalformed, "", "these %d bytes are no Perennial model file", len(b))
	}
	rest, sum := b[:len(b)-sha256.Size], b[len(b)-sha256.Size:]
	if want := sha256.Sum256(rest); !bytes.Equal(sum, want[:]) {
		return nil, malformed("its checksum doesn't match its content")
	}
	rest = rest[len(magic):]
	if v := binary.LittleEndian.Uint32(rest); v != formatVersion {
		return nil, perennial.Errorf(perennial.CodeInvalid, "", "the model file has format %d, and this build reads format %d", v, formatVersion).
			WithHint("Use the version of Perennial that wrote it, or a newer one.")
	}
	rest = rest[4:]
	bodies := make([][]byte, len(sectionNames))
	for i, name := range sectionNames {
		if len(rest) < nameSize+8 || string(rest[:nameSize]) != name {
			return nil, malformed("its section %s is missing", name)
		}
		size := binary.LittleEndian.Uint64(rest[nameSize:])
		rest = rest[nameSize+8:]
		if size > uint64(len(rest)) {
			return nil, malformed("its section %s is cut off", name)
		}
		bodies[i], rest = rest[:size], rest[size:]
	}
	if len(rest) > 0 {
		return nil, malformed("%d bytes follow its last section", len(rest))
	}
	return bodies, nil
}

// checkHead validates what the head claims, resolves the parameters into their
// kinds and finds the algorithm.
func (m *Model) checkHead() (*entry, error) {
	e, ok := lookupAny(m.head.Algorithm)
	if !ok {
		return nil, perennial.Errorf(perennial.CodeInvalid, "", "this build has no algorithm %q, which the model file needs", m.head.Algorithm).
			WithHint("Use the version of Perennial that wrote it, or a newer one.")
	}
	if !slices.Contains(e.Tasks, m.head.Task) {
		return nil, malformed("%s isn't for %s", e.Name, m.head.Task)
	}
	params, faults := e.resolve(m.head.Params)
	if len(faults) > 0 {
		return nil, malformed("%s", faults[0].Message)
	}
	m.head.Params = params
	if t := m.head.Threshold; t < 0 || t > 1 {
		return nil, malformed("its threshold is %g", t)
	}
	if err := m.derive(); err != nil {
		return nil, malformed("its positive class is not one of two classes").Because(err)
	}
	if m.head.Task == perennial.Classification && len(m.classes) < 2 {
		return nil, malformed("it has %d classes", len(m.classes))
	}
	if !m.profile.fits(m.features) {
		return nil, malformed("its profile doesn't fit its schema")
	}
	return e, nil
}
