// Package tune plans a study: which trials to run, on which folds, and which of
// them won.
//
// Trials are proposed in fixed rounds of eight. A round depends on the pipeline,
// its seed and the results of the rounds before, read in trial order; so the
// number of workers, and which of them was quick, changes nothing but time. The
// package is pure: no I/O, no clock, no global randomness.
//
// Start reading at Search.
package tune
