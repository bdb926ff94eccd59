package dvc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/blob"
)

// Pointer says which content a data file has: the one output of a .dvc file.
type Pointer struct {
	Path       string // of the data file: relative to the project, with slashes
	MD5        string // of its whole content, lower-case hexadecimal
	Size       int64  // bytes
	Executable bool
}

const pointerExt = ".dvc"

// key is the object's name in cache and remote.
func (p Pointer) key() string { return blob.MD5 + p.MD5 }

// pointerFile is a .dvc file as far as Perennial reads it.
type pointerFile struct {
	Outs []struct {
		MD5    string `yaml:"md5"`
		Size   int64  `yaml:"size"`
		IsExec bool   `yaml:"isexec"`
		Hash   string `yaml:"hash"`
		Path   string `yaml:"path"`
	} `yaml:"outs"`
	Wdir string `yaml:"wdir"`
}

var md5RE = regexp.MustCompile(`^[0-9a-f]{32}$`)

// Pointers gives every pointer of the project, by path. It looks into every
// directory but hidden ones, caches and remotes; .dvcignore is not read. One bad
// pointer file is an error (invalid) that names it.
func (r *Repo) Pointers(ctx context.Context) ([]Pointer, error) {
	var all []Pointer
	err := filepath.WalkDir(r.root, func(file string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return perennial.Errorf(perennial.CodeUnavailable, "", "can't read %s", file).Because(err)
		case ctx.Err() != nil:
			return perennial.Errorf(perennial.CodeDeadline, "", "stopped while looking for pointers").Because(context.Cause(ctx))
		case d.IsDir() && r.skipped(file):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(file, pointerExt):
			return nil
		}
		ps, err := r.readPointer(file)
		all = append(all, ps...)
		return err
	})
	slices.SortFunc(all, func(a, b Pointer) int { return strings.Compare(a.Path, b.Path) })
	return all, perennial.Wrap("dvc.Pointers", err)
}

// Pointer gives the pointer of one data file, named by its project-relative
// path. A file without one is not_found.
func (r *Repo) Pointer(dataPath string) (Pointer, error) {
	const op = "dvc.Pointer"
	dataPath = path.Clean(filepath.ToSlash(dataPath))
	file, err := r.abs(dataPath)
	if err != nil {
		return Pointer{}, perennial.Wrap(op, err)
	}
	ps, err := r.readPointer(file + pointerExt)
	if errors.Is(err, fs.ErrNotExist) {
		return Pointer{}, perennial.Errorf(perennial.CodeNotFound, op, "%s has no pointer file %s.dvc", dataPath, dataPath).
			WithHint("Put the file under DVC: perennial data add %s.", dataPath)
	}
	if err != nil {
		return Pointer{}, perennial.Wrap(op, err)
	}
	for _, p := range ps {
		if p.Path == dataPath {
			return p, nil
		}
	}
	return Pointer{}, perennial.Errorf(perennial.CodeInvalid, op, "%s.dvc points at another file than %s", dataPath, dataPath)
}

// readPointer reads one .dvc file. Keys that Perennial has no use for are passed
// over; what it needs must be right.
func (r *Repo) readPointer(file string) ([]Pointer, error) {
	rel, err := filepath.Rel(r.root, file)
	if err != nil {
		return nil, err
	}
	rel = filepath.ToSlash(rel)
	b, err := os.ReadFile(file) //nolint:gosec // found inside the project
	if err != nil {
		return nil, perennial.Errorf(perennial.CodeUnavailable, "", "can't read %s", rel).Because(err)
	}
	bad := func(format string, args ...any) *perennial.Error {
		return perennial.Errorf(perennial.CodeInvalid, "", "%s: %s", rel, fmt.Sprintf(format, args...))
	}
	var f pointerFile
	if err := yaml.Unmarshal(b, &f); err != nil {
		return nil, bad("it is no pointer file: %v", err).WithHint("Restore it from git, or write it anew with perennial data add.").Because(err)
	}
	if len(f.Outs) == 0 {
		return nil, bad("it names no file (outs is empty)").WithHint("Restore it from git, or write it anew with perennial data add.")
	}
	var ps []Pointer
	for _, o := range f.Outs {
		p := Pointer{Path: path.Join(path.Dir(rel), f.Wdir, o.Path), MD5: o.MD5, Size: o.Size, Executable: o.IsExec}
		switch {
		case o.Path == "":
			return nil, bad("an output has no path")
		case strings.HasSuffix(o.MD5, ".dir"):
			return nil, bad("%s is a directory, and this version handles single files", o.Path).WithHint("Run dvc pull for it, or point at one file.")
		case o.Hash != "md5":
			return nil, bad("it was written by DVC 2, whose hashes differ").WithHint("Run dvc cache migrate --dvc-files.")
		case !md5RE.MatchString(o.MD5):
			return nil, bad("%q is no md5", o.MD5).WithHint("Restore it from git, or write it anew with perennial data add.")
		case o.Size < 0:
			return nil, bad("the size %d is negative", o.Size)
		case path.IsAbs(o.Path) || filepath.IsAbs(o.Path):
			return nil, bad("%v", outside(o.Path))
		}
		if _, err := r.abs(p.Path); err != nil {
			return nil, bad("%v", err).Because(err)
		}
		ps = append(ps, p)
	}
	return ps, nil
}

// encode gives the pointer file, byte for byte as dvc add writes it.
func (p Pointer) encode() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "outs:\n- md5: %s\n  size: %d\n", inline(p.MD5), p.Size)
	if p.Executable {
		b.WriteString("  isexec: true\n")
	}
	fmt.Fprintf(&b, "  hash: md5\n  path: %s\n", text(path.Base(p.Path), 7, 4))
	return b.Bytes()
}
