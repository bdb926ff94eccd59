package tree

// MinLeafOf gives what MinLeaf 0 means for a forest with bootstrap.
func MinLeafOf(rows, trees int) int {
	return newForest(&Table{Rows: rows, Cols: 1}, ForestSettings{Trees: trees}).s.MinLeaf
}
