package dvc

import (
	"context"
	"io"
)

// Remote is a place outside the cache that keeps objects: a directory or a
// bucket. An oid is an object's md5 in lower-case hexadecimal, with ".dir"
// behind it for the manifest of a directory. It is safe for use by any number of
// goroutines and processes at once.
//
// Where the place can't be reached or doesn't let us in, every method answers
// unavailable, forbidden or precondition, and says which setting to mend.
type Remote interface {
	// Has gives those of some objects that the remote lacks, in their order. It
	// doesn't read them.
	Has(ctx context.Context, oids []string) (missing []string, err error)
	// Open gives an object to read, which the caller closes. A missing one is
	// not_found. The reading ends with an internal error instead of io.EOF where
	// the content isn't what the oid says, so nothing that was read may be used
	// before its end.
	Open(ctx context.Context, oid string) (io.ReadCloser, error)
	// Put keeps size bytes under an oid: whole and verified, or not at all. An
	// object that is there stays. Content that isn't what the oid says is
	// internal. Safe to repeat.
	Put(ctx context.Context, oid string, r io.Reader, size int64) error
	// Name says in messages which remote it is: its name and its url.
	Name() string
}
