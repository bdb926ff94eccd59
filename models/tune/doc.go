// Package tune plans a study: which trials to run, on which folds, and which of
// them won.
//
// A plan is made before the first trial runs and depends on the pipeline alone,
// so the number of workers changes nothing but time. The package is pure: no
// I/O, no clock, no global randomness.
//
// Start reading at Plan.
package tune
