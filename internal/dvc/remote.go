package dvc

import (
	"cmp"
	"context"
	"fmt"
	"io"

	"golang.org/x/sync/errgroup"

	"github.com/perennial-ml/perennial/internal/blob"
)

// Remote is a place outside the cache that keeps objects: a directory or a
// bucket. An oid is an object's md5 in lower-case hexadecimal, with ".dir"
// behind it for the manifest of a directory. It is safe for use by any number of
// goroutines and processes at once.
//
// Where the place can't be reached or doesn't let us in, every method answers
// unavailable, forbidden or precondition, and says which setting to mend.
type Remote struct {
	name  string
	url   string      // a local one: its directory, relative to the project where it is inside
	dir   string      // of a local one
	store *blob.Store // nil where there is none or where this version can't use it
	err   error       // why there is no store: a precondition
}

// Remote gives a remote of the configuration, or with "" the default one. It sends
// no request: what is wrong with the configuration is the error of every method.
func (r *Repo) Remote(name string) Remote {
	if name == "" || name == r.remote.name {
		return r.remote
	}
	if opened, ok := r.others.Load(name); ok {
		return opened.(Remote) //nolint:forcetypeassert,errcheck // the map holds nothing else
	}
	found, err := r.remotes.open(name, r.dvcDir())
	if err != nil {
		found = Remote{name: name, err: err}
	}
	opened, _ := r.others.LoadOrStore(name, found)
	return opened.(Remote) //nolint:forcetypeassert,errcheck // as above
}

// source gives the remote that holds a pointer's objects.
func (r *Repo) source(p Pointer, t Transfer) Remote { return r.Remote(cmp.Or(p.Remote, t.Remote)) }

// Name says in messages which remote it is: its name and its url.
func (m Remote) Name() string { return fmt.Sprintf("%q (%s)", m.name, m.url) }

// lookups is how many objects are looked up at once: each waits for an answer of
// the server and does nothing else.
const lookups = 32

// Has gives those of some objects that the remote lacks, in their order. It
// doesn't read them.
func (m Remote) Has(ctx context.Context, oids []string) (missing []string, err error) {
	if m.store == nil {
		return nil, m.err
	}
	has := make([]bool, len(oids))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(lookups)
	for i, oid := range oids {
		g.Go(func() (err error) {
			has[i], err = m.store.Has(ctx, blob.MD5+oid)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	for i, oid := range oids {
		if !has[i] {
			missing = append(missing, oid)
		}
	}
	return missing, nil
}

// Open gives an object to read, which the caller closes. A missing one is
// not_found. The reading ends with an internal error instead of io.EOF where
// the content isn't what the oid says, so nothing that was read may be used
// before its end.
func (m Remote) Open(ctx context.Context, oid string) (io.ReadCloser, error) {
	if m.store == nil {
		return nil, m.err
	}
	return m.store.Reader(ctx, blob.MD5+oid)
}

// Put keeps a content under its oid: whole and verified, or not at all. An object
// that is there stays. Content that isn't what the oid says is internal. Safe to
// repeat.
func (m Remote) Put(ctx context.Context, oid string, r io.Reader) error {
	if m.store == nil {
		return m.err
	}
	if has, err := m.store.Has(ctx, blob.MD5+oid); has || err != nil {
		return err
	}
	return m.store.PutAs(ctx, blob.MD5+oid, r)
}
