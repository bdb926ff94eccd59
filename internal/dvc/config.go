package dvc

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/perennial-ml/perennial"
)

// config is what Perennial needs of DVC's configuration.
type config struct {
	cacheDir string
	links    []string
	noSCM    bool
	stage    bool // core.autostage
	remotes  remotes
	remote   Remote // the default one
}

var remoteRE = regexp.MustCompile(`^remote "(.+)"$`)

// readConfig reads .dvc/config and, over it, .dvc/config.local. The settings of
// the machine and of the user, which dvc reads too, are not read: a project
// means the same everywhere.
func readConfig(dvcDir string) (config, error) {
	all := settings{}
	for _, name := range []string{"config", "config.local"} {
		b, err := os.ReadFile(filepath.Join(dvcDir, name)) //nolint:gosec // the project's own configuration
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		var s settings
		if err == nil {
			s, err = parseSettings(b)
		}
		if err != nil {
			return config{}, perennial.Errorf(perennial.CodeInvalid, "", ".dvc/%s can't be read: %v", name, err).
				WithHint("dvc config --list shows what dvc makes of it.").Because(err)
		}
		all.over(s)
	}
	c := config{
		cacheDir: filepath.Join(dvcDir, "cache"), remotes: remotes{},
		links: []string{"reflink", "copy"}, noSCM: strings.EqualFold(all.get("core", "no_scm"), "true"),
		stage: strings.EqualFold(all.get("core", "autostage"), "true"),
	}
	for section, values := range all {
		if m := remoteRE.FindStringSubmatch(section); m != nil {
			c.remotes[m[1]] = values
		}
	}
	if dir := all.get("cache", "dir"); dir != "" {
		c.cacheDir = resolve(dvcDir, dir)
	}
	if types := all.get("cache", "type"); types != "" {
		var err error
		if c.links, err = linkTypes(types); err != nil {
			return config{}, err
		}
	}
	c.remote.name = strings.ToLower(all.get("core", "remote"))
	if c.remote.name == "" {
		c.remote.err = perennial.Errorf(perennial.CodePrecondition, "", "the project has no default remote").
			WithHint("Set one in .dvc/config, as `dvc remote add -d NAME URL` does; `perennial data add --local` needs none.")
		return c, nil
	}
	if c.remotes[c.remote.name] == nil {
		return config{}, perennial.Errorf(perennial.CodeInvalid, "", ".dvc/config names the remote %q and has no url for it", c.remote.name).
			WithHint("Set it: dvc remote add %s URL.", c.remote.name)
	}
	var err error
	c.remote, err = c.remotes.open(c.remote.name, dvcDir)
	return c, err
}

// resolve gives a directory of the configuration, which is relative to .dvc.
func resolve(dvcDir, dir string) string {
	if rest, ok := strings.CutPrefix(dir, "~/"); ok {
		if home, err := os.UserHomeDir(); err == nil {
			return filepath.Join(home, rest)
		}
	}
	if filepath.IsAbs(dir) {
		return filepath.Clean(dir)
	}
	return filepath.Join(dvcDir, filepath.FromSlash(dir))
}
