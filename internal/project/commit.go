package project

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// gitWait bounds how long git may take; a training doesn't wait for it longer.
const gitWait = 5 * time.Second

// Commit gives the git commit of a project (40 or 64 hexadecimal digits), and
// whether files in it differ from that commit or are new to git. Without git,
// without a commit, or in a directory that the repository around it ignores, as
// it does the extracted demo project, the commit is "": not knowing it is no
// error.
func Commit(ctx context.Context, dir string) (commit string, dirty bool) {
	ctx, cancel := context.WithTimeout(ctx, gitWait)
	defer cancel()
	head, err := git(ctx, dir, "rev-parse", "--verify", "--quiet", "HEAD")
	if err != nil {
		return "", false
	}
	if _, err := git(ctx, dir, "check-ignore", "--quiet", "."); err == nil {
		return "", false
	}
	changes, err := git(ctx, dir, "status", "--porcelain", "--", ".")
	if err != nil {
		return "", false
	}
	return string(bytes.TrimSpace(head)), len(bytes.TrimSpace(changes)) > 0
}

// git runs git in a directory. It sees no GIT_ variables, which a hook around us
// would set for another repository, takes no lock and starts no helper.
func git(ctx context.Context, dir string, args ...string) ([]byte, error) {
	c := exec.CommandContext(ctx, "git", append([]string{"-C", dir, "-c", "core.fsmonitor=false"}, args...)...) //nolint:gosec // the arguments are ours
	c.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "GIT_") }), "GIT_OPTIONAL_LOCKS=0")
	return c.Output()
}
