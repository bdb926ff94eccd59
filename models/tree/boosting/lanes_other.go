//go:build !amd64

package boosting

const hasLanes = false

func scanAVX512(*laneScan) {}
