package boosting

import "golang.org/x/sys/cpu"

// hasLanes says that the processor has the instructions of the scans.
var hasLanes = cpu.X86.HasAVX512F && cpu.X86.HasAVX512DQ

// scanNarrowAVX512 is histograms.scanNarrow for the eight columns of a group at
// once, a lane each: the same operations in the same order, so the same bits.
//
//go:noescape
func scanNarrowAVX512(s *laneScan)

// scanWideAVX512 is histograms.scanWide in the same way.
//
//go:noescape
func scanWideAVX512(s *laneScan)
