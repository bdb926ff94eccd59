package dvc

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/perennial-ml/perennial"
)

// Add puts a data file under DVC, as dvc add does: its content goes into the
// cache, a pointer file beside it says which content that is, and .gitignore
// keeps the file itself out of git. The path is relative to the project. A
// second Add after a change moves the pointer.
//
// A missing file is not_found; anything but a regular file inside the project is
// invalid; a pointer file that holds more than Perennial writes (a description,
// an import) is a conflict, and dvc add moves it. One that can't be read is
// written anew.
func (r *Repo) Add(ctx context.Context, dataPath string) (Pointer, error) {
	dataPath = path.Clean(filepath.ToSlash(dataPath))
	var p Pointer
	err := r.locked(ctx, func() (err error) {
		p, err = r.add(ctx, dataPath)
		return err
	})
	return p, perennial.Wrap("dvc.Add", err)
}

func (r *Repo) add(ctx context.Context, dataPath string) (Pointer, error) {
	file, err := r.abs(dataPath)
	if err != nil {
		return Pointer{}, err
	}
	if err := checkText("the file name", path.Base(dataPath)); err != nil {
		return Pointer{}, err
	}
	old, err := os.ReadFile(file + pointerExt) //nolint:gosec // abs keeps it inside the project
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Pointer{}, perennial.Errorf(perennial.CodeUnavailable, "", "can't read %s.dvc", dataPath).Because(err)
	}
	if was, err := r.readPointer(file + pointerExt); err == nil && (len(was) != 1 || !bytes.Equal(was[0].encode(), old)) {
		return Pointer{}, perennial.Errorf(perennial.CodeConflict, "", "%s.dvc holds more than Perennial writes", dataPath).
			WithHint("Move it with dvc add %s.", dataPath)
	}
	p, err := r.store(ctx, dataPath, file)
	if err != nil {
		return Pointer{}, err
	}
	if b := p.encode(); !bytes.Equal(b, old) {
		if err := writeFile(file+pointerExt, b); err != nil {
			return Pointer{}, err
		}
	}
	return p, ignore(file)
}

// store hashes a file into the cache.
func (r *Repo) store(ctx context.Context, dataPath, file string) (Pointer, error) {
	info, err := os.Lstat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Pointer{}, perennial.Errorf(perennial.CodeNotFound, "", "%s doesn't exist", dataPath).Because(err)
	case err != nil:
		return Pointer{}, perennial.Errorf(perennial.CodeUnavailable, "", "can't read %s", dataPath).Because(err)
	case !info.Mode().IsRegular():
		return Pointer{}, perennial.Errorf(perennial.CodeInvalid, "", "%s is no regular file", dataPath).
			WithHint("This version handles single files; dvc add takes directories.")
	}
	f, err := os.Open(file) //nolint:gosec // abs keeps it inside the project
	if err != nil {
		return Pointer{}, perennial.Errorf(perennial.CodeUnavailable, "", "can't read %s", dataPath).Because(err)
	}
	defer f.Close() //nolint:errcheck // only read from
	key, size, err := r.cache.PutMD5(ctx, f)
	if err != nil {
		return Pointer{}, err
	}
	_, md5, _ := strings.Cut(key, ":")
	return Pointer{Path: dataPath, MD5: md5, Size: size, Executable: info.Mode()&0o100 != 0}, nil
}

// ignoreEscapes are the characters with a meaning in .gitignore, as DVC escapes
// them.
var ignoreEscapes = strings.NewReplacer("[", `\[`, "]", `\]`, "!", `\!`, "*", `\*`, "#", `\#`, "?", `\?`)

// ignore adds a file to the .gitignore beside it, unless its line is there.
func ignore(file string) error {
	name := filepath.Join(filepath.Dir(file), ".gitignore")
	b, err := os.ReadFile(name) //nolint:gosec // beside a file of the project
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return perennial.Errorf(perennial.CodeUnavailable, "", "can't read %s", name).Because(err)
	}
	line := ignoreEscapes.Replace("/" + filepath.Base(file))
	for old := range bytes.Lines(b) {
		if strings.TrimRight(string(old), "\r\n") == line {
			return nil
		}
	}
	if len(b) > 0 && !bytes.HasSuffix(b, []byte("\n")) {
		b = append(b, '\n')
	}
	return writeFile(name, append(b, line+"\n"...))
}
