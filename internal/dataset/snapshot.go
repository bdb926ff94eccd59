package dataset

import (
	"bytes"
	"encoding/json"

	"github.com/perennial-ml/perennial"
)

// Snapshot is the document that names one training's data completely: the
// content, the base beneath the feedback, the schema that read it and who may see which
// row. Its hash stands in DataRef.Snapshot.
type Snapshot struct {
	Data perennial.DataRef      `json:"data"` // Snapshot left empty
	Seed int64                  `json:"seed"` // of the split
	Rows map[perennial.Side]int `json:"rows"` // rows per side
}

// NewSnapshot fills in what follows from the rows: Data.Rows, Data.Sides (the
// hash of sides, where it isn't known yet) and the rows per side. Data.Schema is
// set from the schema.
func NewSnapshot(data perennial.DataRef, schema *perennial.Schema, seed int64, units []string, sides Sides) Snapshot {
	data.Snapshot, data.Rows, data.Schema = "", len(units), SchemaSHA256(schema)
	if data.Sides == "" { // a second or two on a million rows
		data.Sides = sides.SHA256()
	}
	if data.BaseMD5 == "" {
		data.BaseMD5 = data.MD5
	}
	rows := map[perennial.Side]int{perennial.SideTrain: 0, perennial.SideHoldout: 0, perennial.SideStream: 0}
	for _, u := range units {
		if side, ok := sides[u]; ok {
			rows[side]++
		}
	}
	return Snapshot{Data: data, Seed: seed, Rows: rows}
}

// Encode gives the canonical form: JSON in the order of the fields, no spaces,
// one line end.
func (s Snapshot) Encode() []byte { return append(canonical(s), '\n') }

// SHA256 gives the hash of the encoded document, in hexadecimal.
func (s Snapshot) SHA256() string { return hash(s.Encode()) }

// DecodeSnapshot reads what Encode wrote, and nothing else; anything that isn't
// in the canonical form is an error of code invalid.
func DecodeSnapshot(b []byte) (Snapshot, error) {
	var s Snapshot
	if err := json.Unmarshal(b, &s); err != nil {
		return Snapshot{}, perennial.Errorf(perennial.CodeInvalid, "dataset.DecodeSnapshot", "the snapshot document can't be read").Because(err)
	}
	if !bytes.Equal(s.Encode(), b) {
		return Snapshot{}, perennial.Errorf(perennial.CodeInvalid, "dataset.DecodeSnapshot", "the snapshot document isn't in its canonical form")
	}
	return s, nil
}

// SchemaSHA256 gives the hash of a schema's canonical JSON, in hexadecimal.
func SchemaSHA256(s *perennial.Schema) string { return hash(canonical(s)) }

// canonical is encoding/json's form: fields in declaration order, map keys
// sorted. The types that are hashed here hold nothing it can't write.
func canonical(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("dataset: " + err.Error()) // a number that JSON can't hold: refused by the decoder of schemas
	}
	return b
}
