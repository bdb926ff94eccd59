// Package stats holds the statistics behind Perennial's verdicts: seeded random
// numbers, percentiles and bootstrap intervals.
//
// It is pure: no clock, no I/O, no global randomness, no goroutines. Equal
// arguments give equal bits on every run and for any number of callers at once.
// Reference values come from SciPy and NumPy (testdata/reference.py).
//
// Start reading at Bootstrap.
package stats
