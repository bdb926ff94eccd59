package dvc

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/perennial-ml/perennial"
)

// Verification is what Verify found.
type Verification struct {
	Objects int   // that were read
	Bytes   int64 // in them
	Bad     []BadObject
}

// BadObject is a cache object whose content isn't what its name says, or one that
// data needs and nobody has: neither the cache nor the remote.
type BadObject struct {
	OID      string
	Missing  bool     // nobody has it
	CameMD5  string   // of its content; "" where it is missing
	Paths    []string // the data that needs it: project-relative, a directory's file with the directory before it
	Repaired string   // where the good content came from: "work tree", or a remote's name and url; "" where there was none
	Aside    string   // the project-relative file where the bad content lies now; "" where it is replaced, or nothing was to be changed
	Fault    error    // why it wasn't repaired

	from Remote
}

// Verify reads every object of the cache again and names the bad ones, and those
// that data needs and nobody has. With repair it replaces them by what the work
// tree or the remote has; a bad one that neither has it puts aside, so that nothing
// uses it. It is safe to repeat and to kill. Where it can't ask the remote for what
// the cache lacks, it ends with that error after all else is done.
func (r *Repo) Verify(ctx context.Context, repair bool) (Verification, error) {
	var v Verification
	work := func() error {
		oids, err := r.objects.list()
		if err != nil {
			return err
		}
		if v, err = r.findBad(ctx, oids); err != nil {
			return err
		}
		needs, err := r.needs(ctx)
		if err != nil {
			return err
		}
		for i := range v.Bad {
			b := &v.Bad[i]
			b.from = r.remote // of one that nothing needs any more
			if n := needs[b.OID]; n != nil {
				b.Paths, b.from = n.paths, n.from
				delete(needs, b.OID)
			}
		}
		if repair {
			if err := r.repair(ctx, v.Bad); err != nil {
				return err
			}
		}
		missing, err := r.findMissing(ctx, needs)
		if repair {
			err = cmp.Or(err, r.repair(ctx, missing))
		}
		v.Bad = append(v.Bad, missing...)
		return err
	}
	var err error
	if repair {
		err = r.locked(ctx, work)
	} else {
		err = work()
	}
	r.hashes.save()
	return v, perennial.Wrap("dvc.Verify", err)
}

// list gives every object of the cache, by oid. What no object is called like is
// passed over.
func (o *objects) list() ([]string, error) {
	root := filepath.Join(o.dir, "files", "md5")
	var oids []string
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			if file == root && errors.Is(err, fs.ErrNotExist) {
				return fs.SkipAll
			}
			return perennial.Errorf(perennial.CodeUnavailable, "", "can't read %s", file).Because(err)
		}
		oid := filepath.Base(filepath.Dir(file)) + d.Name()
		if d.Type().IsRegular() && isOID(oid) && o.path(oid) == file {
			oids = append(oids, oid)
		}
		return nil
	})
	return oids, err
}

// findBad reads objects, whatever is remembered of them.
func (r *Repo) findBad(ctx context.Context, oids []string) (Verification, error) {
	var v Verification
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for _, oid := range oids {
		g.Go(func() error {
			file := r.objects.path(oid)
			r.hashes.forget(file)
			sum, err := hashFile(ctx, r.hashes, file)
			if perennial.CodeOf(err) == perennial.CodeNotFound {
				return nil // gone since it was listed
			}
			if err != nil {
				return err
			}
			info, err := os.Stat(file)
			if err != nil {
				return nil // gone since it was read
			}
			mu.Lock()
			defer mu.Unlock()
			v.Objects++
			v.Bytes += info.Size()
			if sum != strings.TrimSuffix(oid, dirExt) {
				v.Bad = append(v.Bad, BadObject{OID: oid, CameMD5: sum})
				r.hashes.keep(file, identify(info), sum) // over what was remembered of it
			}
			return nil
		})
	}
	err := g.Wait()
	slices.SortFunc(v.Bad, func(a, b BadObject) int { return strings.Compare(a.OID, b.OID) })
	return v, err
}

// need is why an object is kept.
type need struct {
	paths []string // of the data that is made of it
	from  Remote   // that holds it
	local bool     // it stays out of remotes, so a clone hasn't got it
}

// needs gives the objects that pointers and dvc.lock name, by oid. What lies in a
// directory is known only where its manifest is in the cache or in the remote.
func (r *Repo) needs(ctx context.Context) (map[string]*need, error) {
	ps, err := r.pointers(ctx)
	if err != nil {
		return nil, err
	}
	all := map[string]*need{}
	for _, p := range ps {
		if p.NoCache || p.MD5 == "" {
			continue
		}
		from := r.source(p, Transfer{})
		files := []ManifestFile{{MD5: p.MD5}}
		if p.IsDir() {
			if b, err := r.get(ctx, p.MD5, from); err == nil {
				in, _ := ParseManifest(b) // a bad one has no files to name
				files = append(files, in...)
			}
		}
		for _, f := range files {
			n := all[f.MD5]
			if n == nil {
				n = &need{from: from, local: p.NoPush}
				all[f.MD5] = n
			} else if n.local && !p.NoPush {
				n.from, n.local = from, false
			}
			n.paths = append(n.paths, path.Join(p.Path, f.Path))
		}
	}
	return all, nil
}

// findMissing gives those of the objects that are neither in the cache nor in the
// remote.
func (r *Repo) findMissing(ctx context.Context, needs map[string]*need) ([]BadObject, error) {
	var missing []BadObject
	var ups []upload
	for _, oid := range slices.Sorted(maps.Keys(needs)) {
		switch n := needs[oid]; {
		case n.local || r.objects.has(oid):
		case n.from.name == "": // there is no remote
			missing = append(missing, BadObject{OID: oid, Missing: true, Paths: n.paths, from: n.from})
		default:
			ups = append(ups, upload{n.from, []string{oid}})
		}
	}
	if err := r.lookUp(ctx, ups); err != nil {
		return missing, err
	}
	for _, u := range ups {
		for _, oid := range u.oids {
			missing = append(missing, BadObject{OID: oid, Missing: true, Paths: needs[oid].paths, from: u.to})
		}
	}
	return missing, nil
}

// repair replaces bad objects or puts them aside.
func (r *Repo) repair(ctx context.Context, bad []BadObject) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for i := range bad {
		g.Go(func() error {
			b := &bad[i]
			if b.Repaired, b.Fault = r.restore(ctx, *b); b.Fault == nil || b.Missing {
				return nil
			}
			if ctx.Err() != nil {
				return perennial.Errorf(perennial.CodeDeadline, "", "stopped before object md5:%s was repaired", b.OID).Because(context.Cause(ctx))
			}
			aside := filepath.Join(r.root, ".dvc", "tmp", "perennial", "bad", b.OID)
			err := os.MkdirAll(filepath.Dir(aside), 0o755) //nolint:gosec // DVC's mode
			if err == nil {
				err = moveFile(r.objects.path(b.OID), aside)
			}
			if err != nil {
				return cantWrite(filepath.Dir(aside), err)
			}
			b.Aside = r.rel(aside)
			return nil
		})
	}
	return g.Wait()
}

// restore gets the content of an object from the work tree, or else from the
// remote, and says from where.
func (r *Repo) restore(ctx context.Context, b BadObject) (from string, err error) {
	for _, p := range b.Paths {
		file := filepath.Join(r.root, filepath.FromSlash(p))
		if sum, err := r.contentHash(ctx, file); err == nil && sum == b.OID {
			if _, err := r.store(ctx, p, file); err == nil {
				return "work tree", nil
			}
		}
	}
	w := wanted{b.OID, b.from}
	if err := r.download(ctx, w); err != nil {
		return "", r.lostError(Pointer{}, w, err)
	}
	return "remote " + b.from.Name(), nil
}

// moveFile moves a file, over a border of file systems too.
func moveFile(from, to string) error {
	if os.Rename(from, to) == nil {
		return nil
	}
	b, err := os.ReadFile(from) //nolint:gosec // an object
	if err == nil {
		err = os.WriteFile(to, b, 0o444) //nolint:gosec // as objects are
	}
	if err == nil {
		err = os.Remove(from)
	}
	return err
}
