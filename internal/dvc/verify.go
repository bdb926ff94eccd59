package dvc

import (
	"context"
	"errors"
	"io/fs"
	"os"
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

// BadObject is a cache object whose content isn't what its name says.
type BadObject struct {
	OID      string
	CameMD5  string   // of its content
	Paths    []string // the data that needs it: project-relative, a directory's file with the directory before it
	Repaired string   // where the good content came from: "work tree", or a remote's name and url; "" where there was none
	Aside    string   // the project-relative file where the bad content lies now; "" where it is replaced, or nothing was to be changed
	Fault    error    // why it wasn't repaired
}

// Verify reads every object of the cache again and names the bad ones. With
// repair it replaces them by what the work tree or the default remote has; one
// that neither has it puts aside, so that nothing uses it. It is safe to repeat
// and to kill.
func (r *Repo) Verify(ctx context.Context, repair bool) (Verification, error) {
	const op = "dvc.Verify"
	var v Verification
	work := func() error {
		oids, err := r.objects.list()
		if err != nil {
			return err
		}
		if v, err = r.findBad(ctx, oids); err != nil || len(v.Bad) == 0 {
			return err
		}
		if err := r.explainBad(ctx, v.Bad); err != nil {
			return err
		}
		if repair {
			return r.repair(ctx, v.Bad)
		}
		return nil
	}
	var err error
	if repair {
		err = r.locked(ctx, work)
	} else {
		err = work()
	}
	r.hashes.save()
	return v, perennial.Wrap(op, err)
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
		if d.Type().IsRegular() && oidRE.MatchString(oid) && o.path(oid) == file {
			oids = append(oids, oid)
		}
		return nil
	})
	return oids, err
}

// findBad reads objects, whatever is remembered of them.
func (r *Repo) findBad(ctx context.Context, oids []string) (Verification, error) {
	v := Verification{Objects: len(oids)}
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

// explainBad fills in which data needs the bad objects.
func (r *Repo) explainBad(ctx context.Context, bad []BadObject) error {
	ps, err := r.Pointers(ctx)
	if err != nil {
		return err
	}
	stages, err := r.Stages()
	if err != nil {
		return err
	}
	for _, s := range stages {
		for _, out := range s.Outs {
			ps = append(ps, Pointer{Path: out.Path, MD5: out.MD5})
		}
	}
	paths := map[string][]string{}
	for _, p := range ps {
		paths[p.MD5] = append(paths[p.MD5], p.Path)
		if !p.IsDir() {
			continue
		}
		if b, err := r.objects.read(p.MD5); err == nil {
			files, _ := ParseManifest(b) // a bad one has no files to name
			for _, f := range files {
				paths[f.MD5] = append(paths[f.MD5], p.Path+"/"+f.Path)
			}
		}
	}
	for i := range bad {
		bad[i].Paths = paths[bad[i].OID]
	}
	return nil
}

// repair replaces bad objects or puts them aside.
func (r *Repo) repair(ctx context.Context, bad []BadObject) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for i := range bad {
		g.Go(func() error {
			b := &bad[i]
			if b.Repaired, b.Fault = r.restore(ctx, b.OID, b.Paths); b.Fault == nil {
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
// default remote, and says from where.
func (r *Repo) restore(ctx context.Context, oid string, paths []string) (from string, err error) {
	for _, p := range paths {
		file := filepath.Join(r.root, filepath.FromSlash(p))
		if sum, err := r.contentHash(ctx, file); err == nil && sum == oid {
			if _, err := r.store(ctx, p, file, 0); err == nil {
				return "work tree", nil
			}
		}
	}
	remote, err := r.Remote("")
	if err != nil {
		return "", err
	}
	body, err := remote.Open(ctx, oid)
	if err != nil {
		return "", err
	}
	defer body.Close() //nolint:errcheck // only read from
	return "remote " + remote.Name(), r.objects.putStream(ctx, oid, body)
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
