package main

import (
	"cmp"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/perennial-ml/perennial"
)

// What marks the directory of a project.
const (
	dvcDir       = ".dvc"
	pipelinesDir = "pipelines"
)

// projectFlag adds --project, the directory that a command works in. Where neither
// the flag nor PERENNIAL_PROJECT is given that is the nearest one upward from the
// working directory that has one of the marks, as dvc and git look for theirs; where
// none has, the working directory itself. The value is right once the command runs.
func projectFlag(cmd *cobra.Command, marks ...string) *string {
	dir := cmd.Flags().String("project", cmp.Or(os.Getenv(projectEnv), "."), "directory of the project (PERENNIAL_PROJECT)")
	cmd.PreRun = func(cmd *cobra.Command, _ []string) {
		if !namesProject(cmd) {
			*dir = nearest(marks)
		}
	}
	return dir
}

const projectEnv = "PERENNIAL_PROJECT"

// namesProject reports whether the user says which project is meant.
func namesProject(cmd *cobra.Command) bool {
	return os.Getenv(projectEnv) != "" || cmd.Flags().Changed("project")
}

// nearest gives the nearest directory upward that has one of the marks: "." or an
// absolute one; "." where none has.
func nearest(marks []string) string {
	if marked(".", marks) {
		return "."
	}
	dir := physical(".")
	for filepath.Dir(dir) != dir {
		if dir = filepath.Dir(dir); marked(dir, marks) {
			return dir
		}
	}
	return "."
}

func marked(dir string, marks []string) bool {
	for _, mark := range marks {
		if info, err := os.Stat(filepath.Join(dir, mark)); err == nil && info.IsDir() {
			return true
		}
	}
	return false
}

// physical gives the absolute path without links of a file that needn't exist.
func physical(file string) string {
	file, err := filepath.Abs(file)
	if err != nil {
		return file
	}
	if target, err := filepath.EvalSymlinks(file); err == nil || filepath.Dir(file) == file {
		return cmp.Or(target, file)
	}
	return filepath.Join(physical(filepath.Dir(file)), filepath.Base(file))
}

// location translates between the project's paths and those that a user types and
// reads: relative to the working directory where the project was found upward from
// there, else to the project that is named.
type location struct {
	root string // of the project, absolute
	sub  string // the working directory in it; "" at its top, and in a project that is named
}

func locate(cmd *cobra.Command, dir string) location {
	l := location{root: physical(dir)}
	if namesProject(cmd) {
		return l
	}
	if sub, err := filepath.Rel(l.root, physical(".")); err == nil && filepath.IsLocal(sub) && sub != "." {
		l.sub = sub
	}
	return l
}

// inProject gives the project's paths of arguments, relative or absolute. One that
// leads out of the project is invalid.
func (l location) inProject(args []string) ([]string, error) {
	out := make([]string, len(args))
	for i, arg := range args {
		in := filepath.Join(l.sub, arg)
		if filepath.IsAbs(arg) {
			if in, _ = filepath.Rel(l.root, arg); !filepath.IsLocal(in) { // by a link it may still be in it
				in, _ = filepath.Rel(l.root, filepath.Join(physical(filepath.Dir(arg)), filepath.Base(arg)))
			}
		}
		if !filepath.IsLocal(in) {
			return nil, perennial.Errorf(perennial.CodeInvalid, "cli.inProject", "%s is outside of the project %s", arg, l.root).
				WithHint("Name a file in the project; --project names another one.")
		}
		out[i] = filepath.ToSlash(in)
	}
	return out, nil
}

// shown gives a project's path as a user reads it.
func (l location) shown(path string) string {
	rel, err := filepath.Rel(l.sub, filepath.FromSlash(path))
	if l.sub == "" || err != nil {
		return path
	}
	if strings.HasSuffix(path, "/") {
		rel += "/"
	}
	return filepath.ToSlash(rel)
}

func (l location) shownAll(paths []string) []string {
	out := make([]string, len(paths))
	for i, path := range paths {
		out[i] = l.shown(path)
	}
	return out
}

// pathsHelp says in a command's help what its paths mean.
const pathsHelp = "Paths are absolute, or relative to the working directory; with --project or PERENNIAL_PROJECT, to the project."
