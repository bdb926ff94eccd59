// Package models fits, stores and applies models: one facade over the
// algorithms of models/linear and models/tree and the preparation of
// models/preprocess.
//
// A Model is a resolved schema, a fitted preparation, a fitted algorithm and a
// small reference profile of its training rows. It takes rows encoded by
// perennial.Column (one float64 per feature, in schema order) and answers them
// without allocating; tables go through the very same code. Encode and Decode
// are its file: data only, versioned, checksummed, without time or host, so that
// equal inputs give equal bytes.
//
// The package does no I/O. Algorithms are the entries of registry.go: an entry
// describes its parameters, fits prepared rows and reads its own part of the
// model file; to add one is to add an entry. Start reading at Fit and
// Model.Predict.
package models
