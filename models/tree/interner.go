package tree

import (
	"math"
	"slices"
)

// interner keeps each distinct row of numbers once, numbered in the order in
// which rows first came. The zero value with a width is empty and ready.
type interner struct {
	width  int
	values []float64
	slots  []int32 // open addressing: row+1, 0 is free; a power of two of them
	rows   int
}

// reset empties it and keeps its memory.
func (t *interner) reset() {
	clear(t.slots)
	t.values, t.rows = t.values[:0], 0
}

// at is a row.
func (t *interner) at(row int32) []float64 {
	return t.values[int(row)*t.width:][:t.width]
}

// row gives the number of a row with these values, −0 counting as 0.
func (t *interner) row(values []float64) int32 {
	if 2*t.rows >= len(t.slots) {
		t.rehash(max(16, 4*t.rows))
	}
	i := t.find(values)
	if t.slots[i] == 0 {
		for _, v := range values {
			t.values = append(t.values, v+0)
		}
		t.rows++
		t.slots[i] = int32(t.rows)
	}
	return t.slots[i] - 1
}

// find gives the slot that holds the values, or a free one.
func (t *interner) find(values []float64) uint64 {
	mask := uint64(len(t.slots) - 1)
	i := hashRow(values) & mask
	for t.slots[i] != 0 && !slices.Equal(t.at(t.slots[i]-1), values) {
		i = (i + 1) & mask
	}
	return i
}

func (t *interner) rehash(size int) {
	n := 16
	for n < size {
		n *= 2
	}
	t.slots = make([]int32, n)
	for r := range t.rows {
		t.slots[t.find(t.at(int32(r)))] = int32(r + 1)
	}
}

// hashRow is FNV-1a over whole numbers instead of bytes, with a final mix.
func hashRow(values []float64) uint64 {
	h := uint64(14695981039346656037)
	for _, v := range values {
		h = (h ^ math.Float64bits(v+0)) * 1099511628211
		h ^= h >> 29
	}
	h *= 0xbf58476d1ce4e5b9
	return h ^ h>>32
}
