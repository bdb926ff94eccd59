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
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	"golang.org/x/sync/errgroup"

	"github.com/perennial-ml/perennial"
)

// Pointer says which content a data file or a directory has: one output of a
// .dvc file, or of a stage in dvc.lock.
type Pointer struct {
	Path       string // of the data: relative to the project, with slashes
	MD5        string // of its whole content, lower-case hexadecimal; of a directory's manifest, with ".dir" behind it; "" where it has none yet
	Size       int64  // bytes; of a directory those of its files together
	Files      int    // of a directory
	Executable bool   // a file that somebody may execute
	NoCache    bool   // "cache: false": it belongs to git, and no object is kept
	NoPush     bool   // "push: false": its objects stay out of the remote
	Remote     string // the name of the remote that holds it, "" for the default one
	Stage      string // of dvc.yaml that makes it, by dvc.lock; "" where a .dvc file says so
}

const (
	pointerExt   = ".dvc"
	pipelineName = "dvc.yaml"
	lockName     = "dvc.lock"
	paramsName   = "params.yaml"
)

// IsDir reports whether the data is a directory.
func (p Pointer) IsDir() bool { return strings.HasSuffix(p.MD5, dirExt) }

// pointerFile is a .dvc file as far as Perennial reads it.
type pointerFile struct {
	Outs []struct {
		MD5    string `yaml:"md5"`
		Size   int64  `yaml:"size"`
		Files  int    `yaml:"nfiles"`
		IsExec bool   `yaml:"isexec"`
		Hash   string `yaml:"hash"`
		Path   string `yaml:"path"`
		Cache  *bool  `yaml:"cache"`
		Push   *bool  `yaml:"push"`
		Remote string `yaml:"remote"`
	} `yaml:"outs"`
	Wdir string `yaml:"wdir"`
}

// isMD5 reports whether s is an md5 in lower-case hexadecimal.
func isMD5(s string) bool { return len(s) == 32 && strings.Trim(s, "0123456789abcdef") == "" }

// isOID reports whether s names an object: an md5, of a manifest with ".dir" behind
// it.
func isOID(s string) bool { return isMD5(strings.TrimSuffix(s, dirExt)) }

// Pointers gives every pointer of the project, by path. It looks where dvc looks:
// not into what .dvcignore or .gitignore name, nor into data directories, caches
// and remotes. One bad pointer file is an error (invalid) that names it.
func (r *Repo) Pointers(ctx context.Context) ([]Pointer, error) {
	files, err := r.dvcFiles(ctx)
	if err != nil {
		return nil, perennial.Wrap("dvc.Pointers", err)
	}
	found, err := r.readPointers(ctx, files.pointers)
	if err != nil {
		return nil, perennial.Wrap("dvc.Pointers", err)
	}
	all := make([]Pointer, len(found))
	for i, p := range found {
		all[i] = p.Pointer
	}
	return all, nil
}

// located is a pointer with its file.
type located struct {
	Pointer
	file string
}

// readPointers reads pointer files; a fault of one of those in but is passed over.
func (r *Repo) readPointers(ctx context.Context, files []string, but ...string) ([]located, error) {
	found := make([][]located, len(files))
	g, _ := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for i, file := range files {
		g.Go(func() error {
			ps, err := r.readPointer(file)
			for _, p := range ps {
				found[i] = append(found[i], located{p, file})
			}
			if slices.Contains(but, file) {
				return nil
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	all := slices.Concat(found...)
	slices.SortFunc(all, func(a, b located) int { return strings.Compare(a.Path, b.Path) })
	return all, nil
}

// dvcFiles are the files that say what is versioned: *.dvc and dvc.yaml.
type dvcFiles struct{ pointers, pipelines []string }

// dvcFiles lists those of the project.
func (r *Repo) dvcFiles(ctx context.Context) (dvcFiles, error) {
	dvcignore, gitignore := newIgnorer(r.root, ".dvcignore"), newIgnorer(r.gitRoot(), ".gitignore")
	var files dvcFiles
	var walk func(dir string) error
	walk = func(dir string) error {
		entries, err := os.ReadDir(dir)
		switch {
		case err != nil:
			return perennial.Errorf(perennial.CodeUnavailable, "", "can't read %s", dir).Because(err)
		case ctx.Err() != nil:
			return perennial.Errorf(perennial.CodeDeadline, "", "stopped while looking for pointers").Because(context.Cause(ctx))
		}
		data := map[string]bool{} // what pointers stand beside
		for _, e := range entries {
			file := filepath.Join(dir, e.Name())
			name, isPointer := strings.CutSuffix(e.Name(), pointerExt)
			isPointer = isPointer && name != ""
			if e.IsDir() || !isPointer && e.Name() != pipelineName || dvcignore.ignored(file, false) || gitignore.ignored(file, false) {
				continue
			}
			if isPointer {
				data[name] = true
				files.pointers = append(files.pointers, file)
			} else {
				files.pipelines = append(files.pipelines, file)
			}
		}
		for _, e := range entries {
			sub := filepath.Join(dir, e.Name())
			if !e.IsDir() || data[e.Name()] || slices.Contains(r.skip, sub) || dvcignore.ignored(sub, true) || gitignore.ignored(sub, true) || isRepo(sub) {
				continue
			}
			if err := walk(sub); err != nil {
				return err
			}
		}
		return nil
	}
	return files, walk(r.root)
}

// isRepo reports whether a directory is a DVC project of its own.
func isRepo(dir string) bool {
	info, err := os.Stat(filepath.Join(dir, ".dvc"))
	return err == nil && info.IsDir()
}

// gitRoot gives the directory of the git repository that the project lies in, and
// the project itself where there is none.
func (r *Repo) gitRoot() string {
	for dir := r.root; ; dir = filepath.Dir(dir) {
		if _, err := os.Lstat(filepath.Join(dir, ".git")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			return r.root
		}
	}
}

// Pointer gives the pointer of one data file or directory, named by its
// project-relative path, from the .dvc file beside it or else from dvc.lock. Data
// that neither names is not_found.
func (r *Repo) Pointer(ctx context.Context, dataPath string) (Pointer, error) {
	p, err := r.pointer(dataPath, r.outputsOnce(ctx))
	return p, perennial.Wrap("dvc.Pointer", err)
}

// pointer is Pointer, where outs gives what stages make.
func (r *Repo) pointer(dataPath string, outs func() ([]Pointer, error)) (Pointer, error) {
	dataPath = path.Clean(filepath.ToSlash(dataPath))
	file, err := r.abs(dataPath)
	if err != nil {
		return Pointer{}, err
	}
	ps, err := r.readPointer(file + pointerExt)
	if errors.Is(err, fs.ErrNotExist) {
		return r.output(dataPath, file, outs)
	}
	if err != nil {
		return Pointer{}, err
	}
	for _, p := range ps {
		if p.Path == dataPath {
			return p, nil
		}
	}
	return Pointer{}, perennial.Errorf(perennial.CodeInvalid, "", "%s.dvc points at another file than %s", dataPath, dataPath)
}

// readPointer reads one .dvc file.
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
	ps, err := parsePointers(rel, b)
	if err != nil {
		return nil, err
	}
	for _, p := range ps {
		if _, err := r.abs(p.Path); err != nil {
			return nil, perennial.Errorf(perennial.CodeInvalid, "", "%s: %v", rel, err).Because(err)
		}
	}
	return ps, nil
}

// errLegacy is the cause of what is refused because DVC 2 wrote it.
var errLegacy = errors.New("no hash key")

// parsePointers reads the text of the .dvc file at a project-relative path. Keys
// that Perennial has no use for are passed over; what it needs must be right. It
// doesn't look where the paths lead.
func parsePointers(rel string, b []byte) ([]Pointer, error) {
	bad := func(format string, args ...any) *perennial.Error {
		return perennial.Errorf(perennial.CodeInvalid, "", "%s: %s", rel, fmt.Sprintf(format, args...))
	}
	const anew = "Restore it from git, or write it anew with perennial data add."
	var f pointerFile
	if err := yaml.Unmarshal(b, &f); err != nil {
		return nil, bad("it is no pointer file: %v", err).WithHint(anew).Because(err)
	}
	if len(f.Outs) == 0 {
		return nil, bad("it names no file (outs is empty)").WithHint(anew)
	}
	var ps []Pointer
	for _, o := range f.Outs {
		p := Pointer{
			Path: path.Join(path.Dir(rel), f.Wdir, o.Path), MD5: o.MD5, Size: o.Size, Files: o.Files, Executable: o.IsExec,
			NoCache: no(o.Cache), NoPush: no(o.Push), Remote: o.Remote,
		}
		switch {
		case o.Path == "":
			return nil, bad("an output has no path")
		case o.MD5 != "" && o.Hash == "":
			return nil, bad("it was written by DVC 2, whose hashes differ").WithHint("Run dvc cache migrate --dvc-files.").Because(errLegacy)
		case o.Hash != "" && o.Hash != "md5" || o.MD5 != "" && !isOID(o.MD5):
			return nil, bad("%s %q is no md5", o.Hash, o.MD5).WithHint(anew)
		case o.Size < 0 || o.Files < 0:
			return nil, bad("%s has a negative size", o.Path).WithHint(anew)
		case path.IsAbs(o.Path) || filepath.IsAbs(o.Path) || path.IsAbs(f.Wdir):
			return nil, bad("%v", outside(o.Path))
		}
		ps = append(ps, p)
	}
	return ps, nil
}

// encode gives the pointer file, byte for byte as dvc add writes a new one.
func (p Pointer) encode() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "outs:\n- md5: %s\n  size: %d\n", inline(p.MD5), p.Size)
	if p.IsDir() {
		fmt.Fprintf(&b, "  nfiles: %d\n", p.Files)
	}
	if p.Executable {
		b.WriteString("  isexec: true\n")
	}
	fmt.Fprintf(&b, "  hash: md5\n  path: %s\n", text(path.Base(p.Path), 7, 4))
	return b.Bytes()
}
