//go:build !amd64

package boosting

const hasLanes, hasAhead = false, false

func scanNarrowAVX512(*laneScan) {}
func scanWideAVX512(*laneScan)   {}

func addAhead(*int64, []uint64, int, int, []int32, bool, bool) {}
