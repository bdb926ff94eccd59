package evaluate

import (
	"cmp"
	"slices"
)

// sample is observations of which each row counts so many times: once, or as
// often as a bootstrap drew it. What doesn't depend on the counts (losses, the
// order of the scores) is worked out once.
type sample struct {
	Observed
	counts []float64
	n      float64 // Σ counts

	table  [][]float64      // the confusion of these counts; nil: not counted yet
	orders map[int][]ranked // rows by falling probability of a class
}

// newSample counts every row once.
func newSample(o Observed) *sample {
	s := &sample{Observed: o, counts: make([]float64, len(o.Y)), n: float64(len(o.Y)), orders: map[int][]ranked{}}
	for i := range s.counts {
		s.counts[i] = 1
	}
	return s
}

// recount sets how often each row counts; their sum stays.
func (s *sample) recount(counts []float64) { s.counts, s.table = counts, nil }

func (s *sample) sum(terms []float64) float64 {
	var sum float64
	for i, c := range s.counts {
		sum += float64(c * terms[i])
	}
	return sum
}

func (s *sample) mean(terms []float64) float64 { return s.sum(terms) / s.n }

// confusion counts by true class (outer index) and predicted class. Its values
// are whole numbers, so it doesn't matter in which order they were summed.
func (s *sample) confusion() [][]float64 {
	if s.table != nil {
		return s.table
	}
	k := s.Classes
	flat := make([]float64, k*k)
	for i, c := range s.counts {
		flat[int(s.Y[i])*k+int(s.Values[i])] += c
	}
	s.table = make([][]float64, k)
	for c := range s.table {
		s.table[c] = flat[c*k : (c+1)*k]
	}
	return s.table
}

// actual counts the rows of a class.
func (s *sample) actual(class int) float64 {
	var sum float64
	for _, c := range s.confusion()[class] {
		sum += c
	}
	return sum
}

// ranked is a row at its place in the order of one class's probability.
type ranked struct {
	score      float64
	row, class int32 // class: the true one
}

// order gives the rows by falling probability of a class.
func (s *sample) order(class int) []ranked {
	rows, ok := s.orders[class]
	if !ok {
		rows = make([]ranked, len(s.Y))
		for i, y := range s.Y {
			rows[i] = ranked{score: s.proba(i, class), row: int32(i), class: int32(y)}
		}
		slices.SortStableFunc(rows, func(a, b ranked) int { return cmp.Compare(b.score, a.score) })
		s.orders[class] = rows
	}
	return rows
}

// ordered gives 0…n−1 in an order.
func ordered(n int, compare func(a, b int32) int) []int32 {
	rows := make([]int32, n)
	for i := range rows {
		rows[i] = int32(i)
	}
	slices.SortStableFunc(rows, compare)
	return rows
}

// median is the median of values, whose ascending order is given; of an even
// count the mean of the middle two.
func (s *sample) median(values []float64, order []int32) float64 {
	var seen, low float64
	found := false
	for _, r := range order {
		seen += s.counts[r]
		if !found && seen >= s.n/2 && s.counts[r] > 0 {
			if seen > s.n/2 {
				return values[r]
			}
			low, found = values[r], true
			continue
		}
		if found && s.counts[r] > 0 {
			return (low + values[r]) / 2
		}
	}
	return low
}
