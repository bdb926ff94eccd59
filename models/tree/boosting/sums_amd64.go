package boosting

// hasAhead says that the sums below are there; they need SSE2, which every amd64
// processor has.
const hasAhead = true

// addNarrowAhead is addNarrow, and addNarrow4 for few columns. While it adds a row
// it has the record of a later one fetched, so rows up to the slice's capacity
// must be rows of the table.
//
//go:noescape
func addNarrowAhead(h *[fullSlot]int64, records []uint64, stride, group int, rows []int32, few bool)

// addWideAhead is addWide, with both words of a row added at once, in the same way.
//
//go:noescape
func addWideAhead(h *[2 * fullSlot]int64, records []uint64, stride, group int, rows []int32, few bool)
