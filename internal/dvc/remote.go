package dvc

import (
	"context"
	"fmt"
	"io"

	"golang.org/x/sync/errgroup"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/blob"
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

// Remote gives a remote of the configuration, or with "" the default one. A name
// that isn't there, no default, and a kind that this version doesn't know are
// precondition errors. It sends no request.
func (r *Repo) Remote(name string) (Remote, error) {
	const op = "dvc.Remote"
	if name == "" || name == r.remote.name {
		if r.remote.store == nil {
			return nil, perennial.Wrap(op, r.remote.err)
		}
		return storeRemote(r.remote), nil
	}
	found, err := r.remotes.open(name, r.dvcDir())
	if err == nil {
		err = found.err
	}
	if err != nil {
		return nil, perennial.Wrap(op, err)
	}
	return storeRemote(found), nil
}

// storeRemote is a remote that is laid out as our own stores are.
type storeRemote remote

// lookups is how many objects are looked up at once: each waits for an answer of
// the server and does nothing else.
const lookups = 32

func (s storeRemote) Name() string { return fmt.Sprintf("%q (%s)", s.name, s.url) }

func (s storeRemote) Has(ctx context.Context, oids []string) ([]string, error) {
	has := make([]bool, len(oids))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(lookups)
	for i, oid := range oids {
		g.Go(func() (err error) {
			has[i], err = s.store.Has(ctx, blob.MD5+oid)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	var missing []string
	for i, oid := range oids {
		if !has[i] {
			missing = append(missing, oid)
		}
	}
	return missing, nil
}

func (s storeRemote) Open(ctx context.Context, oid string) (io.ReadCloser, error) {
	return s.store.Reader(ctx, blob.MD5+oid)
}

func (s storeRemote) Put(ctx context.Context, oid string, r io.Reader, _ int64) error {
	if has, err := s.store.Has(ctx, blob.MD5+oid); has || err != nil {
		return err
	}
	return s.store.PutAs(ctx, blob.MD5+oid, r)
}
