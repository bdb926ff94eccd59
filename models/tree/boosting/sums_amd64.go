package boosting

// hasAhead says that addAhead is there; it needs SSE2, which every amd64
// processor has.
const hasAhead = true

// addAhead is addNarrow and addNarrow4 (few: four columns at most), or addWide with
// both words of a row added at once. h has the words of a group with all bins. While
// it adds a row it has the record of a later one fetched, so rows up to the slice's
// capacity must be rows of the table.
//
//go:noescape
func addAhead(h *int64, records []uint64, stride, group int, rows []int32, few, wide bool)
