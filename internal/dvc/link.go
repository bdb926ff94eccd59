package dvc

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/perennial-ml/perennial"
)

// linkTypes reads cache.type: how a file of the work tree gets its content from
// the cache, the first way that works.
func linkTypes(value string) ([]string, error) {
	types := strings.Split(value, ",")
	for i, t := range types {
		types[i] = strings.TrimSpace(t)
		if !slices.Contains([]string{"reflink", "hardlink", "symlink", "copy"}, types[i]) {
			return nil, perennial.Errorf(perennial.CodeInvalid, "", ".dvc/config: cache.type has %q", types[i]).
				WithHint("It lists reflink, hardlink, symlink and copy.")
		}
	}
	return types, nil
}

// link puts links to the objects in the place of a file or a directory's files
// that were just added, where cache.type asks for links before copies. A file
// that is the object already, or that can't be linked, stays as it is.
func (r *Repo) link(ctx context.Context, p Pointer, file string) error {
	if !p.IsDir() {
		return r.linkFile(ctx, file, p.MD5)
	}
	if !r.linked() {
		return nil
	}
	files, err := r.objects.manifest(p.MD5)
	for _, f := range files {
		if err == nil {
			err = r.linkFile(ctx, filepath.Join(file, filepath.FromSlash(f.Path)), f.MD5)
		}
	}
	return err
}

// linked reports whether files of the work tree may be links to the cache.
func (r *Repo) linked() bool {
	return slices.Contains(r.links, "hardlink") || slices.Contains(r.links, "symlink")
}

// linkFile replaces one file by a link to its object, if it still has that
// content.
func (r *Repo) linkFile(ctx context.Context, file, md5 string) error {
	if !r.linked() {
		return nil
	}
	object := r.objects.path(md5)
	a, errA := os.Stat(file)
	b, errB := os.Stat(object)
	if errA != nil || errB != nil || os.SameFile(a, b) || a.Size() != b.Size() {
		return nil //nolint:nilerr // nothing to replace
	}
	if sum, err := hashFile(ctx, r.hashes, file); err != nil || sum != md5 {
		return nil //nolint:nilerr // changed since it was added
	}
	dir := filepath.Dir(file)
	for _, t := range r.links {
		makeLink := os.Link
		switch t {
		case "symlink":
			makeLink = os.Symlink
		case "reflink":
			clones, asked := r.clones.Load(dir)
			if !asked {
				clones = cloneable(object, dir)
				r.clones.Store(dir, clones)
			}
			if clones == true {
				return nil // the file is a clone already
			}
			continue
		case "copy":
			return nil // as it is
		}
		f, err := newTemp(dir)
		if err != nil {
			return err
		}
		discard(f) // leaves a name that nobody has
		if makeLink(object, f.Name()) != nil {
			continue
		}
		if err := os.Rename(f.Name(), file); err != nil {
			_ = os.Remove(f.Name())
			return cantWrite(dir, err)
		}
		return nil
	}
	return nil
}

// cloneable reports whether the file system can clone an object into a directory.
func cloneable(object, dir string) bool {
	from, err := os.Open(object) //nolint:gosec // of the cache
	if err != nil {
		return false
	}
	defer from.Close() //nolint:errcheck // only read from
	to, err := newTemp(dir)
	if err != nil {
		return false
	}
	defer discard(to)
	return clone(to, from)
}
