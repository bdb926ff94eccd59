package dvc

import (
	"context"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/blob"
)

// Push copies the objects that pointers name from the cache into the default
// remote and says which files' content it copied. Without paths it does so for
// every pointer, and for the outputs in dvc.lock that the cache has. What the remote has is left alone, so repeating it is safe. An
// object that the cache lacks is not_found; a project without a remote that this
// version can use is a precondition error.
func (r *Repo) Push(ctx context.Context, paths ...string) (pushed []string, err error) {
	const op = "dvc.Push"
	if r.remote.store == nil {
		return nil, perennial.Wrap(op, r.remote.err)
	}
	ps, err := r.pointers(ctx, paths)
	if err == nil && len(paths) == 0 {
		ps, err = r.withOutputs(ctx, ps)
	}
	if err != nil {
		return nil, perennial.Wrap(op, err)
	}
	faults := make([]error, len(ps))
	for i, p := range ps {
		if faults[i] = onlyFiles(p); faults[i] != nil {
			continue
		}
		var had bool
		if had, faults[i] = r.remote.store.Has(ctx, p.key()); had || faults[i] != nil {
			continue
		}
		if faults[i] = r.upload(ctx, storeRemote(r.remote), p.MD5); faults[i] == nil {
			pushed = append(pushed, p.Path)
		}
	}
	return pushed, perennial.Wrap(op, together(ps, faults))
}

// upload copies an object from the cache into a remote.
func (r *Repo) upload(ctx context.Context, to Remote, oid string) error {
	from, err := r.cache.Reader(ctx, blob.MD5+oid)
	if err != nil {
		return err
	}
	defer from.Close() //nolint:errcheck // only read from
	return to.Put(ctx, oid, from, 0)
}

// withOutputs adds the stages' outputs that are files in the cache. Metrics and
// the like, which dvc.yaml keeps out of it, belong to git.
func (r *Repo) withOutputs(ctx context.Context, ps []Pointer) ([]Pointer, error) {
	stages, err := r.Stages()
	if err != nil {
		return nil, err
	}
	for _, s := range stages {
		for _, out := range s.Outs {
			p := Pointer{Path: out.Path, MD5: out.MD5, Size: out.Size, Executable: out.Executable}
			if !md5RE.MatchString(p.MD5) {
				continue // a directory, or an output without a hash
			}
			cached, err := r.cache.Has(ctx, p.key())
			if err != nil {
				return nil, err
			}
			if cached {
				ps = append(ps, p)
			}
		}
	}
	return ps, nil
}
