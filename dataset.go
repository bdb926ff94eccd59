package perennial

import (
	"crypto/md5" //nolint:gosec // DVC's content hash; not used for security
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"math"
	"strconv"
)

// DataRef names one version of a data set by its whole content.
type DataRef struct {
	Path         string `json:"path"`                    // relative to the project root, slashes
	MD5          string `json:"md5"`                     // the md5 DVC uses, over every byte
	Size         int64  `json:"size"`                    // bytes
	Rows         int    `json:"rows"`                    // data rows
	BaseMD5      string `json:"base_md5"`                // the data file's md5; equal to MD5 without feedback
	FeedbackRows int    `json:"feedback_rows"`           // labelled live predictions among Rows
	Snapshot     string `json:"snapshot,omitempty"`      // sha256 of the snapshot document
	Sides        string `json:"sides_sha256,omitempty"`  // sha256 of the side table
	Schema       string `json:"schema_sha256,omitempty"` // sha256 of the schema that read it
}

// Table is a data set in memory, column by column, in the order of its schema.
type Table struct {
	Schema  Schema
	Columns []Series // one per Schema.Columns; an ignored column is empty
	Rows    int
}

// Series is one column of a Table. Numeric, integer, boolean and date columns
// fill Numbers (NaN is null); categorical and id columns fill Codes, indexes
// into Dict (-1 is null).
type Series struct {
	Numbers []float64
	Codes   []int32
	Dict    []string
}

// Text gives the text of a coded cell; ok is false for null.
func (s *Series) Text(row int) (text string, ok bool) {
	if c := s.Codes[row]; c >= 0 {
		return s.Dict[c], true
	}
	return "", false
}

// Side is where a row may be used, decided once and never changed.
type Side string

// The sides.
const (
	SideTrain   Side = "train"   // fitted and cross-validated on
	SideHoldout Side = "holdout" // scored once per run
	SideStream  Side = "stream"  // what simulate may play; scored with the holdout where no feedback is in the data
)

// LaterSide decides the side of a row that was not in the first version of the
// base data: holdout for a share test (0 to 1) of all keys, train for the rest.
// It is the first 8 bytes, big-endian, of sha256(seed, 0x00, key) modulo 10,000
// against test in basis points, so every process decides alike.
func LaterSide(seed int64, key string, test float64) Side {
	if float64(keyBucket(strconv.FormatInt(seed, 10), key)) < math.Round(test*10000) {
		return SideHoldout
	}
	return SideTrain
}

// StreamSide decides which keys of a first test part are stream rows: a share
// stream (0 to 1), the others are holdout.
func StreamSide(seed int64, key string, stream float64) Side {
	if float64(keyBucket("stream "+strconv.FormatInt(seed, 10), key)) < math.Round(stream*10000) {
		return SideStream
	}
	return SideHoldout
}

// keyBucket maps a key to 0..9999: sha256(salt, 0x00, key), first 8 bytes,
// big-endian, modulo 10,000.
func keyBucket(salt, key string) int {
	h := sha256.New()
	h.Write([]byte(salt))
	h.Write([]byte{0})
	h.Write([]byte(key))
	return int(binary.BigEndian.Uint64(h.Sum(nil)) % 10000)
}

// RowKeyer computes a row's key: the md5, in hexadecimal, over its feature
// values in schema order. Numbers are their shortest text that reads back to
// the same float64, categories their UTF-8 text, null one 0x00 byte; values are
// separated by 0x1F. A row with an id column has that id as its key instead.
type RowKeyer struct {
	h     hash.Hash
	buf   []byte
	later bool
}

// NewRowKeyer gives a keyer; it is used for one row after another.
func NewRowKeyer() *RowKeyer {
	return &RowKeyer{h: md5.New()} //nolint:gosec // a key, not a secret
}

// Number adds a numeric, integer, boolean or date value; NaN is null.
func (k *RowKeyer) Number(v float64) {
	if math.IsNaN(v) {
		k.Null()
		return
	}
	if v == 0 {
		v = 0 // -0 and 0 are one value
	}
	k.buf = strconv.AppendFloat(k.separated(), v, 'g', -1, 64)
}

// Text adds a category.
func (k *RowKeyer) Text(s string) { k.buf = append(k.separated(), s...) }

// Null adds a null.
func (k *RowKeyer) Null() { k.buf = append(k.separated(), 0) }

func (k *RowKeyer) separated() []byte {
	if k.later {
		return append(k.buf, 0x1F)
	}
	k.later = true
	return k.buf
}

// Sum gives the key of the values added since the last Sum.
func (k *RowKeyer) Sum() string {
	k.h.Reset()
	k.h.Write(k.buf)
	k.buf, k.later = k.buf[:0], false
	return hex.EncodeToString(k.h.Sum(nil))
}

// Keys gives the key of every row of a table.
func (t *Table) Keys() []string {
	keys := make([]string, t.Rows)
	for i, c := range t.Schema.Columns {
		if c.Role == RoleID {
			for r := range keys {
				keys[r], _ = t.Columns[i].Text(r)
			}
			return keys
		}
	}
	k := NewRowKeyer()
	for r := range keys {
		for i, c := range t.Schema.Columns {
			if c.Role != RoleFeature {
				continue
			}
			if c.Type == TypeCategorical {
				if s, ok := t.Columns[i].Text(r); ok {
					k.Text(s)
				} else {
					k.Null()
				}
				continue
			}
			k.Number(t.Columns[i].Numbers[r])
		}
		keys[r] = k.Sum()
	}
	return keys
}

func numberText(t ColumnType, v float64) string {
	if t == TypeBoolean {
		return strconv.FormatBool(v != 0)
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

// Texts gives a column as text, one value per row: codes as their text, true and
// false as such, other numbers as their shortest text, null as "". ok is false for
// a column the table doesn't have.
func (t *Table) Texts(column string) (values []string, ok bool) {
	for i, c := range t.Schema.Columns {
		if c.Name != column || c.Role == RoleIgnore {
			continue
		}
		values, s := make([]string, t.Rows), &t.Columns[i]
		for r := range values {
			if s.Numbers == nil {
				values[r], _ = s.Text(r)
			} else if v := s.Numbers[r]; !math.IsNaN(v) {
				values[r] = numberText(c.Type, v)
			}
		}
		return values, true
	}
	return nil, false
}
