package dvc

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"github.com/perennial-ml/perennial"
)

// treeFile is one file of a data directory.
type treeFile struct {
	path string // relative to the directory, with slashes
	file string
	id   identity
	md5  string
}

// tree lists the files of a data directory, as DVC does: those in its
// directories too, but for what .dvcignore names; a link to a file as that file,
// and a link to a directory not at all. A .dvcignore inside is refused, because
// the same directory would then mean two things.
func (r *Repo) tree(ctx context.Context, dir string) ([]treeFile, error) {
	ignore := newIgnorer(r.root, ".dvcignore")
	var files []treeFile
	var walk func(dir, rel string) error
	walk = func(dir, rel string) error {
		entries, err := os.ReadDir(dir)
		switch {
		case err != nil:
			return perennial.Errorf(perennial.CodeUnavailable, "", "can't read %s", r.rel(dir)).Because(err)
		case ctx.Err() != nil:
			return perennial.Errorf(perennial.CodeDeadline, "", "stopped while listing %s", r.rel(dir)).Because(context.Cause(ctx))
		}
		for _, e := range entries {
			file, path := filepath.Join(dir, e.Name()), rel+e.Name()
			switch {
			case ignore.ignored(file, e.IsDir()):
			case e.IsDir() && !isRepo(file):
				if err := walk(file, path+"/"); err != nil {
					return err
				}
			case e.IsDir():
			case e.Name() == ".dvcignore":
				return perennial.Errorf(perennial.CodeInvalid, "", "%s lies in a data directory", r.rel(file)).
					WithHint("Move its patterns to a .dvcignore above the data.")
			default:
				info, err := r.treeInfo(file, e)
				if err != nil {
					return err
				}
				if info != nil {
					files = append(files, treeFile{path: path, file: file, id: identify(info)})
				}
			}
		}
		return nil
	}
	return files, walk(dir, "")
}

// treeInfo looks at one entry of a data directory that is no directory; nil is a
// link to one.
func (r *Repo) treeInfo(file string, e fs.DirEntry) (fs.FileInfo, error) {
	info, err := e.Info()
	if err == nil && e.Type()&fs.ModeSymlink != 0 {
		info, err = os.Stat(file)
	}
	switch {
	case err != nil:
		return nil, perennial.Errorf(perennial.CodeInvalid, "", "can't read %s", r.rel(file)).WithHint("Is it a link to nowhere? Then remove it.").Because(err)
	case info.IsDir():
		return nil, nil //nolint:nilnil // said above
	case !info.Mode().IsRegular():
		return nil, perennial.Errorf(perennial.CodeInvalid, "", "%s is no regular file", r.rel(file)).WithHint("Remove it, or name it in .dvcignore.")
	}
	return info, nil
}

// hashTree fills in the files' hashes that are missing by sum, several at once.
func hashTree(ctx context.Context, files []treeFile, sum func(ctx context.Context, file string) (string, error)) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for i := range files {
		if files[i].md5 == "" {
			g.Go(func() (err error) {
				files[i].md5, err = sum(ctx, files[i].file)
				return err
			})
		}
	}
	return g.Wait()
}

// hashedTree is tree with the files' hashes, of which those that are remembered
// aren't computed.
func (r *Repo) hashedTree(ctx context.Context, dir string) ([]treeFile, error) {
	files, err := r.tree(ctx, dir)
	if err != nil {
		return nil, err
	}
	for i, f := range files {
		files[i].md5, _ = r.hashes.get(f.file, f.id)
	}
	return files, hashTree(ctx, files, func(ctx context.Context, file string) (string, error) { return hashFile(ctx, r.hashes, file) })
}

// pointerOf gives the pointer of a directory with these files, and its manifest.
func pointerOf(dataPath string, files []treeFile) (Pointer, []byte) {
	p := Pointer{Path: dataPath, Files: len(files)}
	list := make([]ManifestFile, len(files))
	for i, f := range files {
		list[i] = ManifestFile{MD5: f.md5, Path: f.path}
		p.Size += f.id.size
	}
	var b []byte
	b, p.MD5 = EncodeManifest(list)
	return p, b
}

// rel names a file of the project for people.
func (r *Repo) rel(file string) string {
	if rel, err := filepath.Rel(r.root, file); err == nil {
		return filepath.ToSlash(rel)
	}
	return file
}

func isDir(file string) bool {
	info, err := os.Stat(file)
	return err == nil && info.IsDir()
}
