package dvc

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/blob"
)

// Pull is PullWith in the usual way.
func (r *Repo) Pull(ctx context.Context, paths ...string) (pulled []string, err error) {
	return r.PullWith(ctx, Transfer{}, paths...)
}

// PullWith gives data files and directories the content their pointers name, from
// the cache or else from a remote, and says which it wrote. Without paths it does
// so for every pointer, and for what dvc.lock says that stages made. Every object
// is verified, a file appears whole or not at all, and objects that came stay in
// the cache: it is safe to repeat, and to go on with after it was killed.
//
// Data with other content is replaced where the cache or the remote holds that
// content too, as after switching branches; otherwise it is a conflict and stays
// as it is, unless t.Force is set. So it is with files that a directory has and
// its pointer doesn't know. A missing object is not_found and a damaged one
// internal; the error names object, file and place. The faults of all data come
// together.
func (r *Repo) PullWith(ctx context.Context, t Transfer, paths ...string) (pulled []string, err error) {
	const op = "dvc.Pull"
	ps, err := r.pointers(ctx, paths...)
	if err != nil {
		return nil, perennial.Wrap(op, err)
	}
	r.sweep()
	defer r.hashes.save()
	plans, faults := make([]plan, len(ps)), make([]error, len(ps))
	each(faults, func(i int) (err error) {
		plans[i], err = r.plan(ctx, t, ps[i])
		return err
	})
	lostObjects := r.fetch(ctx, t, r.lacking(ctx, plans, faults))
	each(faults, func(i int) error { return r.carryOut(ctx, t, plans[i], lostObjects) })
	for i, p := range ps {
		if faults[i] == nil && plans[i].changes() {
			pulled = append(pulled, p.Path)
		}
	}
	return pulled, perennial.Wrap(op, together(ps, faults))
}

// each does something for every place without a fault, several at once.
func each(faults []error, do func(i int) error) {
	var g errgroup.Group
	g.SetLimit(parallel)
	for i, fault := range faults {
		if fault == nil {
			g.Go(func() error {
				faults[i] = do(i)
				return nil
			})
		}
	}
	_ = g.Wait() // the errors are in faults
}

// plan is what a pull does for one pointer.
type plan struct {
	Pointer
	from   Remote
	root   string     // of the data, a file or a directory
	mkdir  bool       // a directory that isn't there yet
	write  []treeFile // files to write, with the content they get
	remove []treeFile // files that the directory's pointer doesn't know
}

func (p *plan) changes() bool { return p.mkdir || len(p.write)+len(p.remove) > 0 }

// plan compares data with its pointer. What is as it should be goes into the
// cache, where it isn't there: nothing has to come for it.
func (r *Repo) plan(ctx context.Context, t Transfer, p Pointer) (plan, error) {
	out := plan{Pointer: p, from: r.source(p, t)}
	if p.NoCache {
		return out, nil // it belongs to git
	}
	if p.MD5 == "" {
		return out, perennial.Errorf(perennial.CodePrecondition, "", "the pointer of %s names no content yet", p.Path).WithHint("perennial data add %s gives it one.", p.Path)
	}
	var err error
	if out.root, err = r.abs(p.Path); err != nil {
		return out, err
	}
	came, have, err := r.present(ctx, p, out.root)
	if err != nil {
		return out, err
	}
	if came == p.MD5 {
		if _, missing := r.objectsOf(p); len(missing) > 0 {
			_, err = r.store(ctx, p.Path, out.root)
		}
		return out, err
	}
	want := []ManifestFile{{MD5: p.MD5}}
	if p.IsDir() {
		if want, err = r.manifest(ctx, out); err != nil {
			return out, err
		}
		out.mkdir = came == ""
	}
	var changed []treeFile
	if changed, err = out.compare(r, want, have); err != nil || t.Force {
		return out, err
	}
	return out, r.keptElsewhere(ctx, out, changed)
}

// present gives the oid of data as it is, "" where there is none, and its files.
func (r *Repo) present(ctx context.Context, p Pointer, root string) (oid string, files []treeFile, err error) {
	info, err := os.Stat(root)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", nil, nil
	case err != nil:
		return "", nil, perennial.Errorf(perennial.CodeUnavailable, "", "can't read %s", p.Path).Because(err)
	case info.IsDir() != p.IsDir():
		return "", nil, perennial.Errorf(perennial.CodeConflict, "", "%s is a file where a directory belongs, or the other way round; it stays as it is", p.Path).
			WithHint("Move it away and pull again.")
	case !p.IsDir():
		oid, err = hashFile(ctx, r.hashes, root)
		return oid, []treeFile{{file: root, md5: oid}}, err
	}
	if files, err = r.hashedTree(ctx, root); err != nil {
		return "", nil, err
	}
	now, _ := pointerOf(p.Path, files)
	return now.MD5, files, nil
}

// manifest gives the files of a directory as its pointer names it.
func (r *Repo) manifest(ctx context.Context, p plan) ([]ManifestFile, error) {
	if ok, err := r.objects.sound(ctx, p.MD5); err != nil || !ok {
		w := wanted{p.MD5, p.from}
		if err == nil {
			err = r.download(ctx, w)
		}
		if err != nil {
			return nil, r.lostError(p.Pointer, w, err)
		}
	}
	return r.objects.manifest(p.MD5)
}

// compare fills in what is to be written and removed, and gives the files of the
// work tree whose content goes by that.
func (p *plan) compare(r *Repo, want []ManifestFile, have []treeFile) (changed []treeFile, err error) {
	now := make(map[string]treeFile, len(have))
	for _, f := range have {
		now[f.path] = f
	}
	for _, w := range want {
		f, there := now[w.Path]
		delete(now, w.Path)
		if there && f.md5 == w.MD5 {
			continue
		}
		if there {
			changed = append(changed, f)
		}
		file := p.root
		if w.Path != "" {
			if file, err = r.abs(p.Path + "/" + w.Path); err != nil {
				return nil, err
			}
		}
		p.write = append(p.write, treeFile{path: w.Path, file: file, md5: w.MD5})
	}
	for _, f := range have {
		if _, extra := now[f.path]; extra {
			p.remove = append(p.remove, f)
		}
	}
	return append(changed, p.remove...), nil
}

// keptElsewhere refuses to lose content of which neither the cache nor the remote
// has a sound copy.
func (r *Repo) keptElsewhere(ctx context.Context, p plan, changed []treeFile) error {
	for _, f := range changed {
		if ok, err := r.objects.sound(ctx, f.md5); ok && err == nil {
			continue
		}
		if p.from.store != nil && p.from.store.Verify(ctx, blob.MD5+f.md5) == nil {
			continue
		}
		return perennial.Errorf(perennial.CodeConflict, "", "%s was changed and is kept nowhere else; it stays as it is", r.rel(f.file)).
			WithHint("Keep the change with perennial data add %s, or delete the file and pull again; --force replaces it.", p.Path)
	}
	return nil
}

// lacking lists the objects that have to come, each once.
func (r *Repo) lacking(ctx context.Context, plans []plan, faults []error) []wanted {
	seen := map[string]bool{}
	var list []wanted
	for i, p := range plans {
		for _, f := range p.write {
			if faults[i] != nil || seen[f.md5] {
				continue
			}
			seen[f.md5] = true
			if ok, err := r.objects.sound(ctx, f.md5); err != nil || !ok {
				list = append(list, wanted{f.md5, p.from})
			}
		}
	}
	return list
}

// carryOut writes and removes what a plan says. Nothing is written where an
// object of it couldn't be had.
func (r *Repo) carryOut(ctx context.Context, t Transfer, p plan, lostObjects map[string]error) error {
	for _, f := range p.write {
		if err := lostObjects[f.md5]; err != nil {
			return r.lostError(p.Pointer, wanted{f.md5, p.from}, err)
		}
	}
	if p.mkdir {
		if err := os.MkdirAll(p.root, 0o755); err != nil { //nolint:gosec // DVC's mode
			return cantWrite(filepath.Dir(p.root), err)
		}
	}
	mode := os.FileMode(0o644)
	if p.Executable {
		mode = 0o755
	}
	var g errgroup.Group
	g.SetLimit(t.jobs())
	for _, f := range p.write {
		g.Go(func() error { return r.checkout(ctx, f.md5, f.file, mode) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for _, f := range slices.Backward(p.remove) {
		if err := os.Remove(f.file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return cantWrite(filepath.Dir(f.file), err)
		}
	}
	return nil
}
