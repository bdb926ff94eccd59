package dvc

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/perennial-ml/perennial"
)

// checkGit refuses targets that git keeps: both would write them.
func (r *Repo) checkGit(ctx context.Context, targets []addTarget) error {
	if _, err := os.Lstat(filepath.Join(r.gitRoot(), ".git")); r.noSCM || err != nil {
		return nil //nolint:nilerr // no repository
	}
	args := []string{"ls-files", "-z", "--"}
	for _, t := range targets {
		args = append(args, ":(literal)"+t.path)
	}
	out, err := r.git(ctx, nil, args...)
	if err != nil || len(out) == 0 {
		return nil //nolint:nilerr // without git nobody can have told it to keep them
	}
	kept, _, _ := strings.Cut(string(out), "\x00")
	return perennial.Errorf(perennial.CodeConflict, "", "git keeps %s", kept).
		WithHint("Take it out of git first, which leaves the file: git rm -r --cached %q", kept)
}

// stage adds the pointer files and the .gitignore files to git's index, where the
// configuration asks for it (core.autostage) and there is a repository.
func (a *adding) stage(ctx context.Context) error {
	if _, err := os.Lstat(filepath.Join(a.r.gitRoot(), ".git")); !a.r.autostage || a.r.noSCM || err != nil {
		return nil //nolint:nilerr // no repository
	}
	args := []string{"add", "--"}
	for _, t := range a.targets {
		args = append(args, ":(literal)"+a.r.rel(t.pointer))
	}
	for _, file := range a.ignores {
		args = append(args, ":(literal)"+a.r.rel(file))
	}
	if _, err := a.r.git(ctx, nil, args...); err != nil {
		return perennial.Errorf(perennial.CodeUnavailable, "", "the data is added, but git can't stage its pointer files, as core.autostage asks for").
			WithHint("Run git add for them, or: dvc config core.autostage false").Because(err)
	}
	return nil
}

// git runs git in the project. It sees no GIT_ variables, which a hook around us
// would set for another repository, takes no lock that it can do without and starts no helper.
func (r *Repo) git(ctx context.Context, in []byte, args ...string) ([]byte, error) {
	c := exec.CommandContext(ctx, "git", append([]string{"-C", r.root, "-c", "core.fsmonitor=false"}, args...)...) //nolint:gosec // the arguments are ours
	c.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "GIT_") }), "GIT_OPTIONAL_LOCKS=0")
	c.Stdin = bytes.NewReader(in)
	return c.Output()
}

// filesAt gives those files of the project at a revision that want picks, by
// their project-relative paths, and a way to read the others. A project outside git
// is a precondition error, and a revision that git doesn't know not_found.
func (r *Repo) filesAt(ctx context.Context, rev string, want func(path string) bool) (files map[string][]byte, read texts, err error) {
	commit, err := r.git(ctx, nil, "rev-parse", "--verify", "--quiet", "--end-of-options", rev+"^{commit}")
	if err != nil {
		return nil, nil, r.noRevision(ctx, rev, err)
	}
	list, err := r.git(ctx, nil, "ls-tree", "-r", "-z", strings.TrimSpace(string(commit)))
	if err != nil {
		return nil, nil, r.noRevision(ctx, rev, err)
	}
	var paths []string
	var wanted bytes.Buffer
	ids := map[string]string{}
	for entry := range strings.SplitSeq(string(list), "\x00") {
		meta, path, _ := strings.Cut(entry, "\t")
		if parts := strings.Fields(meta); len(parts) == 3 && parts[1] == "blob" {
			ids[path] = parts[2]
		}
	}
	for _, path := range slices.Sorted(maps.Keys(ids)) {
		if want(path) && !inOther(ids, path) {
			paths = append(paths, path)
			wanted.WriteString(ids[path] + "\n")
		}
	}
	read = func(rel string) ([]byte, error) {
		if b, ok := files[rel]; ok {
			return b, nil
		}
		if ids[rel] == "" {
			return nil, fs.ErrNotExist
		}
		return r.git(ctx, nil, "cat-file", "blob", ids[rel])
	}
	if len(paths) == 0 {
		return nil, read, nil
	}
	out, err := r.git(ctx, wanted.Bytes(), "cat-file", "--batch")
	if err != nil {
		return nil, nil, r.noRevision(ctx, rev, err)
	}
	files, err = splitBatch(out, paths)
	return files, read, err
}

// inOther reports whether a file lies in a DVC project within the project.
func inOther(files map[string]string, file string) bool {
	for dir := path.Dir(file); dir != "."; dir = path.Dir(dir) {
		if files[dir+"/.dvc/config"] != "" {
			return true
		}
	}
	return false
}

// splitBatch takes apart what git cat-file --batch wrote for some paths.
func splitBatch(out []byte, paths []string) (map[string][]byte, error) {
	files := map[string][]byte{}
	for _, path := range paths {
		head, rest, ok := bytes.Cut(out, []byte("\n"))
		parts := bytes.Fields(head)
		if !ok || len(parts) != 3 {
			return nil, perennial.Errorf(perennial.CodeUnavailable, "", "git has no content for %s", path)
		}
		n, err := strconv.Atoi(string(parts[2]))
		if err != nil || n < 0 || n+1 > len(rest) {
			return nil, perennial.Errorf(perennial.CodeUnavailable, "", "git has no content for %s", path)
		}
		files[path], out = rest[:n], rest[n+1:]
	}
	return files, nil
}

// noRevision says why git doesn't give a revision.
func (r *Repo) noRevision(ctx context.Context, rev string, err error) error {
	switch _, outside := r.git(ctx, nil, "rev-parse", "--git-dir"); {
	case errors.Is(err, exec.ErrNotFound):
		return perennial.Errorf(perennial.CodePrecondition, "", "comparing with a revision needs git, which isn't installed").Because(err)
	case outside != nil:
		return perennial.Errorf(perennial.CodePrecondition, "", "%s is in no git repository, so it has no earlier versions", r.root).Because(outside)
	default:
		return perennial.Errorf(perennial.CodeNotFound, "", "git doesn't know the revision %s", rev).
			WithHint("Name a commit, a branch or a tag; git log shows them.").Because(err)
	}
}
