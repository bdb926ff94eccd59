// Package dvc reads and writes DVC 3's formats, so that a project works with
// Perennial, with dvc and with both in turn: the configuration, the pointer
// files (*.dvc), the cache, remotes in a directory or on S3, and dvc.lock. What it
// writes is byte for byte what DVC 3.67 writes.
//
// It runs no stage (that is dvc repro) and changes nothing in git, but for the
// index where core.autostage asks for that. A file's version is the md5 of its whole
// content; which file had which is remembered, so that unchanged files aren't read
// again, in a file that may be deleted (hashCache).
//
// Start reading at Repo; the formats are in pointer.go, manifest.go and lock.go,
// and the YAML dialect is in yaml.go.
package dvc

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/gofrs/flock"

	"github.com/perennial-ml/perennial"
)

// Repo is a project that DVC knows. It is safe for use by any number of
// goroutines; writers of one project wait for each other, and for dvc itself.
type Repo struct {
	root      string   // absolute, without symlinks
	objects   *objects // the cache
	hashes    *hashCache
	links     []string // how data comes into the work tree: cache.type
	noSCM     bool     // core.no_scm: there is no .gitignore to keep
	autostage bool     // core.autostage: what add writes is staged
	remotes   remotes
	remote    Remote   // the default one
	others    sync.Map // of the other remotes, those that were opened: Remote by name
	clones    sync.Map // whether the file system clones objects into a directory: bool by its path
	skip      []string // directories that hold no pointers: objects, and Perennial's own state
}

// Open reads the configuration of a project (.dvc/config, then
// .dvc/config.local). A directory without .dvc is not_found. A remote that this
// version can't use is no error until an object is needed from it.
func Open(projectDir string) (*Repo, error) {
	const op = "dvc.Open"
	root, err := filepath.Abs(projectDir)
	if err == nil {
		root, err = filepath.EvalSymlinks(root)
	}
	var info fs.FileInfo
	if err == nil {
		info, err = os.Stat(filepath.Join(root, ".dvc"))
	}
	if err != nil || !info.IsDir() {
		return nil, perennial.Errorf(perennial.CodeNotFound, op, "%s is no DVC project: it has no .dvc directory", projectDir).
			WithHint("Run perennial init there, or name another directory.").Because(err)
	}
	c, err := readConfig(filepath.Join(root, ".dvc"))
	if err != nil {
		return nil, perennial.Wrap(op, err)
	}
	r := &Repo{
		root: root, remotes: c.remotes, remote: c.remote, hashes: newHashCache(root), links: c.links, noSCM: c.noSCM, autostage: c.stage,
		skip: []string{c.cacheDir, filepath.Join(root, ".perennial")},
	}
	r.objects = &objects{dir: c.cacheDir, hashes: r.hashes}
	if c.remote.dir != "" {
		r.skip = append(r.skip, c.remote.dir)
	}
	return r, nil
}

func (r *Repo) dvcDir() string { return filepath.Join(r.root, ".dvc") }

// abs gives the file behind a project-relative path (with slashes). It refuses a
// path that leads out of the project, by itself or through a link, or into .git
// or .dvc: pointers come from elsewhere, and Pull writes where they say.
func (r *Repo) abs(rel string) (string, error) {
	local := filepath.FromSlash(rel)
	first, _, _ := strings.Cut(filepath.ToSlash(filepath.Clean(local)), "/")
	if !filepath.IsLocal(local) || strings.EqualFold(first, ".git") || strings.EqualFold(first, ".dvc") || first == "." {
		return "", outside(rel)
	}
	dir := r.root // has no links in it
	for part := range strings.SplitSeq(filepath.ToSlash(filepath.Dir(local)), "/") {
		dir = filepath.Join(dir, part)
		info, err := os.Lstat(dir)
		target := dir
		if err == nil && info.Mode()&fs.ModeSymlink != 0 {
			target, err = filepath.EvalSymlinks(dir)
		}
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return filepath.Join(r.root, local), nil
		case err != nil:
			return "", perennial.Errorf(perennial.CodeUnavailable, "", "can't read %s", dir).Because(err)
		case target != r.root && !strings.HasPrefix(target, r.root+string(filepath.Separator)):
			return "", outside(rel)
		}
	}
	return filepath.Join(r.root, local), nil
}

func outside(rel string) error {
	return perennial.Errorf(perennial.CodeInvalid, "", "%s is not a file of the project", rel).
		WithHint("Data lies inside the project, and not in .git or .dvc.")
}

// lockWait is how long a writer waits for another one, or for dvc.
const lockWait = 10 * time.Second

// locked runs f while it holds the lock that dvc itself takes, .dvc/tmp/lock.
// dvc gives it up while a stage's command runs, so perennial train can be one.
func (r *Repo) locked(ctx context.Context, f func() error) error {
	dir := filepath.Join(r.root, ".dvc", "tmp")
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // DVC's mode
		return cantWrite(dir, err)
	}
	l := flock.New(filepath.Join(dir, "lock"))
	ctx, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	_, err := l.TryLockContext(ctx, 20*time.Millisecond)
	switch {
	case err != nil && ctx.Err() == nil:
		return cantWrite(dir, err)
	case err != nil:
		return perennial.Errorf(perennial.CodeUnavailable, "", "another program holds the project's DVC lock").
			WithHint("Wait until it has ended: %s.", l.Path()).Because(err)
	}
	return errors.Join(f(), l.Close())
}
