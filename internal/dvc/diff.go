package dvc

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/perennial-ml/perennial"
)

// ChangeKind says what became of data between two versions.
type ChangeKind string

// The kinds of changes, as dvc diff has them.
const (
	ChangeAdded    ChangeKind = "added"
	ChangeDeleted  ChangeKind = "deleted"
	ChangeModified ChangeKind = "modified"
	ChangeRenamed  ChangeKind = "renamed" // the same content under another path
)

// Change is what became of one data file. A directory stands for itself only
// where its manifest can't be had; else its files do.
type Change struct {
	Kind      ChangeKind
	Path      string // relative to the project, with slashes; of a directory with a slash at the end
	OldPath   string // of what was renamed
	OldMD5    string // "" of what was added
	NewMD5    string // "" of what was deleted
	OldRemote string // the name of the remote that holds the old content of what was modified, "" for the default one
}

// Diff compares the data at a git revision with the work tree: the pointers at
// the revision, and what dvc.lock says there that stages made, with the files as
// they are. Where a dvc.yaml on either side can't be understood here only the
// pointers count. The result is sorted by path. It needs git; a project outside it
// is a precondition error, and an unknown revision not_found.
func (r *Repo) Diff(ctx context.Context, rev string) ([]Change, error) {
	const op = "dvc.Diff"
	was, err := r.pointersAt(ctx, rev)
	unread := errors.Is(err, errUnread)
	if err != nil && !unread {
		return nil, perennial.Wrap(op+" at "+rev, err)
	}
	is, err := r.pointers(ctx)
	unread = unread || errors.Is(err, errUnread)
	if err != nil && !unread {
		return nil, perennial.Wrap(op, err)
	}
	before, remotes := map[string]string{}, map[string]string{}
	for _, p := range was {
		if p.Stage == "" || !unread { // what is known of one side only is no change
			r.expand(ctx, p, before, remotes)
		}
	}
	is = slices.DeleteFunc(is, func(p Pointer) bool { return p.Stage != "" && unread })
	now, err := r.contents(ctx, is)
	r.hashes.save()
	changes := compare(before, now)
	for i, c := range changes {
		if c.Kind == ChangeModified {
			changes[i].OldRemote = remotes[c.Path]
		}
	}
	return changes, perennial.Wrap(op, err)
}

// pointersAt is pointers at a revision.
func (r *Repo) pointersAt(ctx context.Context, rev string) (ps []Pointer, err error) {
	files, read, err := r.filesAt(ctx, rev, func(p string) bool {
		base := path.Base(p)
		return base == pipelineName || base == lockName || base == paramsName || strings.HasSuffix(p, pointerExt) && base != pointerExt
	})
	if err != nil {
		return nil, err
	}
	var pipelines []string
	for name, b := range files {
		switch base := path.Base(name); {
		case base == pipelineName:
			pipelines = append(pipelines, filepath.Join(r.root, filepath.FromSlash(name)))
		case strings.HasSuffix(name, pointerExt):
			in, err := parsePointers(name, b)
			if err != nil {
				return nil, err
			}
			ps = append(ps, in...)
		}
	}
	outs, err := r.outputs(read, pipelines)
	return append(ps, cached(outs)...), err
}

// expand adds what a pointer stands for, a file or a directory's files, and the
// name of the remote that holds each.
func (r *Repo) expand(ctx context.Context, p Pointer, into, remotes map[string]string) {
	if !p.IsDir() {
		into[p.Path], remotes[p.Path] = p.MD5, p.Remote
		return
	}
	var files []ManifestFile
	b, err := r.get(ctx, p.MD5, r.source(p, Transfer{}))
	if err == nil {
		files, err = ParseManifest(b)
	}
	if err != nil {
		into[p.Path+"/"] = p.MD5
		return
	}
	for _, f := range files {
		into[p.Path+"/"+f.Path], remotes[p.Path+"/"+f.Path] = f.MD5, p.Remote
	}
}

// contents gives the hashes of data as it is.
func (r *Repo) contents(ctx context.Context, ps []Pointer) (map[string]string, error) {
	now := map[string]string{}
	for _, p := range ps {
		file, err := r.abs(p.Path)
		if err != nil {
			return nil, err
		}
		info, err := os.Stat(file)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return nil, perennial.Errorf(perennial.CodeUnavailable, "", "can't read %s", p.Path).Because(err)
		case !info.IsDir():
			if now[p.Path], err = hashFile(ctx, r.hashes, file); err != nil {
				return nil, err
			}
			continue
		}
		files, err := r.hashedTree(ctx, file)
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			now[p.Path+"/"+f.path] = f.md5
		}
	}
	return now, nil
}

// compare gives the changes from one set of contents to another.
func compare(before, now map[string]string) []Change {
	var changes []Change
	gone := map[string][]string{} // deleted paths by content
	for p, was := range before {
		switch is, there := now[p]; {
		case strings.HasSuffix(p, "/"):
			if changed := within(now, p); len(changed) > 0 {
				changes = append(changes, Change{Kind: ChangeModified, Path: p, OldMD5: was})
				for _, q := range changed {
					delete(now, q)
				}
			} else {
				changes = append(changes, Change{Kind: ChangeDeleted, Path: p, OldMD5: was})
			}
		case !there:
			gone[was] = append(gone[was], p)
		case is != was:
			changes = append(changes, Change{Kind: ChangeModified, Path: p, OldMD5: was, NewMD5: is})
		}
	}
	for _, paths := range gone {
		slices.Sort(paths)
	}
	var added []string
	for p := range now {
		if _, there := before[p]; !there {
			added = append(added, p)
		}
	}
	slices.Sort(added)
	for _, p := range added {
		c := Change{Kind: ChangeAdded, Path: p, NewMD5: now[p]}
		if old := gone[c.NewMD5]; len(old) > 0 {
			c.Kind, c.OldPath, c.OldMD5 = ChangeRenamed, old[0], c.NewMD5
			gone[c.NewMD5] = old[1:]
		}
		changes = append(changes, c)
	}
	for md5, paths := range gone {
		for _, p := range paths {
			changes = append(changes, Change{Kind: ChangeDeleted, Path: p, OldMD5: md5})
		}
	}
	slices.SortFunc(changes, func(a, b Change) int { return strings.Compare(a.Path, b.Path) })
	return changes
}

// within gives the paths in a directory.
func within(paths map[string]string, dir string) (in []string) {
	for p := range paths {
		if strings.HasPrefix(p, dir) {
			in = append(in, p)
		}
	}
	return in
}
