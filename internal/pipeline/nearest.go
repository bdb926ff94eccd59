package pipeline

import "strings"

// nearest gives the candidate that is closest to what was written, by edit
// distance without regard to case; ok is false where none is close: more than
// two of its letters, or more than a third of them, would have to change.
func nearest(written string, candidates []string) (near string, ok bool) {
	if len(written) > 64 {
		return "", false
	}
	best := 3
	for _, c := range candidates {
		if d := distance(strings.ToLower(written), strings.ToLower(c)); d < best && d <= max(1, len(c)/3) && d < len(c) {
			near, best = c, d
		}
	}
	return near, near != ""
}

// distance is the optimal string alignment distance of two byte strings:
// insertions, deletions, replacements and swaps of neighbours (Damerau 1964).
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

// Nearest gives the candidate that is closest to what was written, for a
// question like "did you mean …?"; ok is false where none is close.
func Nearest(written string, candidates []string) (near string, ok bool) {
	return nearest(written, candidates)
}
