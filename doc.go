// Package perennial is the domain of Perennial: what a pipeline, a schema, a
// data set, a run, a version, a traffic row, a decision and a prediction are,
// and which rules hold for each of them.
//
// It imports the standard library only and does no I/O: no clock, no files, no
// network, no database. Adapters under internal/ are named after the technology
// they adapt; numeric code lives under models/, stats/ and judge/.
//
// Start reading at Pipeline (what a user writes), then Schema (the contract of
// training, serving, batch and drift), Traffic (who answers a request) and
// Prediction (what is remembered of an answer).
package perennial
