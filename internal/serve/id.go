package serve

import (
	"encoding/binary"
	"math/rand/v2"
	"strings"
	"time"
)

// appendIDs adds n prediction ids made at the given time: UUIDv7 (RFC 9562 §5.7)
// with the sub-millisecond part in rand_a (§6.2, method 3) and 62 random bits.
// The ids are parts of one string, so that they cost one allocation together.
func appendIDs(ids []string, at time.Time, n int) []string {
	const size = 36
	var text strings.Builder
	text.Grow(n * size)
	ms := uint64(at.UnixMilli())
	fraction := uint64(at.Nanosecond()%1e6) << 12 / 1e6 //nolint:gosec // never negative
	var id [16]byte
	for range n {
		binary.BigEndian.PutUint64(id[:8], ms<<16|7<<12|fraction)
		binary.BigEndian.PutUint64(id[8:], rand.Uint64()&(1<<62-1)|1<<63) //nolint:gosec // an id is no secret: access is checked where it is used
		writeID(&text, id)
	}
	all := text.String()
	for i := range n {
		ids = append(ids, all[i*size:(i+1)*size])
	}
	return ids
}

func writeID(text *strings.Builder, id [16]byte) {
	const digits = "0123456789abcdef"
	for i, b := range id {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			text.WriteByte('-')
		}
		text.WriteByte(digits[b>>4])
		text.WriteByte(digits[b&15])
	}
}
