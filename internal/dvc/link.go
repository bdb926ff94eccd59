package dvc

import (
	"errors"
	"io/fs"
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
func (r *Repo) link(p Pointer, file string) error {
	if !p.IsDir() {
		return r.linkFile(file, p.MD5)
	}
	if !r.linked() {
		return nil
	}
	files, err := r.objects.manifest(p.MD5)
	for _, f := range files {
		if err == nil {
			err = r.linkFile(filepath.Join(file, filepath.FromSlash(f.Path)), f.MD5)
		}
	}
	return err
}

// linked reports whether files of the work tree are links to the cache.
func (r *Repo) linked() bool { return r.links[0] == "hardlink" || r.links[0] == "symlink" }

// linkFile replaces one file by a link to its object, if it still has that
// content.
func (r *Repo) linkFile(file, md5 string) error {
	if !r.linked() {
		return nil
	}
	object := r.objects.path(md5)
	a, errA := os.Stat(file)
	b, errB := os.Stat(object)
	if errA != nil || errB != nil || os.SameFile(a, b) || a.Size() != b.Size() {
		return nil //nolint:nilerr // nothing to replace
	}
	for _, t := range r.links {
		makeLink := os.Link
		switch t {
		case "symlink":
			makeLink = os.Symlink
		case "copy", "reflink":
			return nil // as it is
		}
		tmp := filepath.Join(filepath.Dir(file), tempPrefix+md5+tempSuffix)
		if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return cantWrite(filepath.Dir(file), err)
		}
		if makeLink(object, tmp) != nil {
			continue
		}
		if err := os.Rename(tmp, file); err != nil {
			_ = os.Remove(tmp)
			return cantWrite(filepath.Dir(file), err)
		}
		return nil
	}
	return nil
}
