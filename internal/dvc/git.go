package dvc

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
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

// git runs git in the project. It sees no GIT_ variables, which a hook around us
// would set for another repository, takes no lock and starts no helper.
func (r *Repo) git(ctx context.Context, in []byte, args ...string) ([]byte, error) {
	c := exec.CommandContext(ctx, "git", append([]string{"-C", r.root, "-c", "core.fsmonitor=false"}, args...)...) //nolint:gosec // the arguments are ours
	c.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "GIT_") }), "GIT_OPTIONAL_LOCKS=0")
	c.Stdin = bytes.NewReader(in)
	return c.Output()
}
