package pipeline

import (
	"bytes"

	"go.yaml.in/yaml/v3"
)

// Looking for a line reads the beginning of the file over and over: only of a
// file as people write it, and only so often.
const (
	maxLooked = 64 << 10
	maxLooks  = 100
	lookAhead = 20 // lines of one value
)

// brokenLine gives the line, from 1, that makes a YAML file unreadable: the one
// after its longest beginning that can be read. 0: it wasn't found.
//
// A beginning that ends within a value of several lines can't be read either, so
// that a search by halves may end too early: it goes on from the next one that
// can be.
func brokenLine(b []byte) int {
	if len(b) > maxLooked {
		return 0
	}
	ends := []int{0} // of the first n lines
	for line := range bytes.Lines(b) {
		ends = append(ends, ends[len(ends)-1]+len(line))
	}
	looks, last := 0, len(ends)-1
	readable := func(lines int) bool {
		looks++
		return yaml.Unmarshal(b[:ends[lines]], new(yaml.Node)) == nil
	}
	good := 0
	for next := good; next >= 0 && looks < maxLooks; {
		good = next
		for bad := last; bad-good > 1; {
			if middle := (good + bad) / 2; readable(middle) {
				good = middle
			} else {
				bad = middle
			}
		}
		next = -1
		for n := good + 2; n < last && n <= good+lookAhead; n++ {
			if readable(n) {
				next = n
				break
			}
		}
	}
	if looks >= maxLooks {
		return 0
	}
	return good + 1
}
