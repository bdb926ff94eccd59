package boosting

import "golang.org/x/sys/cpu"

// hasLanes says that the processor has the instructions of scanAVX512.
var hasLanes = cpu.X86.HasAVX512F && cpu.X86.HasAVX512DQ

// scanAVX512 is histograms.scanNarrow for the eight columns of a group at once, a
// lane each: the same operations in the same order, so the same bits.
//
//go:noescape
func scanAVX512(s *laneScan)
