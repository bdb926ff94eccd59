// Package project makes and recognises projects: directories with pipelines/,
// data/, .dvc/ and dvc.yaml that Perennial, dvc and git share. The demo project,
// which Perennial's own repository is, comes out of the binary.
//
// It reads no pipeline and restores no data; internal/pipeline and internal/dvc
// do. Start reading at Init.
package project

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/data"
	"github.com/perennial-ml/perennial/pipelines"
)

// file is one file of a project, by its path with slashes.
type file struct {
	path string
	text []byte
}

// marker is written last, so that a directory that has it is complete.
const marker = ".dvc/config"

const (
	gitignore = "/.perennial/\n"

	dvcGitignore = "/config.local\n/tmp\n/cache\n"

	dvcignore = `# Add patterns of files dvc should ignore, which could improve
# the performance. Learn more at
# https://dvc.org/doc/user-guide/dvcignore
/.perennial
`

	emptyConfig = "[core]\n    analytics = false\n"

	demoConfig = emptyConfig + `    remote = local
['remote "local"']
    url = ../data/remote
`

	// emptyStages has no stage yet; the comment shows the form of one.
	emptyStages = `# Each pipeline is one stage, which dvc repro runs:
#
#   train-NAME:
#     cmd: perennial stage train NAME
#     deps:
#       - data/raw/NAME.csv
#       - pipelines/NAME.schema.yaml
#     params:
#       - pipelines/NAME.yaml:
#     outs:
#       - models/trained/NAME.model
#     metrics:
#       - reports/NAME.json:
#           cache: false
#     plots:
#       - reports/NAME.csv:
#           cache: false
#           x: actual
#           y: predicted
stages: {}
`

	demoStages = `stages:
  train-iris:
    cmd: perennial stage train iris
    deps:
      - data/raw/iris.csv
      - pipelines/iris.schema.yaml
      - pipelines/iris.split.csv
    params:
      - pipelines/iris.yaml:
    outs:
      - models/trained/iris.model
    metrics:
      - reports/iris.json:
          cache: false
    plots:
      - reports/iris.csv:
          cache: false
          template: confusion
          x: actual
          y: predicted
  train-california-housing:
    cmd: perennial stage train california-housing
    deps:
      - data/raw/california-housing.csv
      - pipelines/california-housing.schema.yaml
      - pipelines/california-housing.split.csv
    params:
      - pipelines/california-housing.yaml:
    outs:
      - models/trained/california-housing.model
    metrics:
      - reports/california-housing.json:
          cache: false
    plots:
      - reports/california-housing.csv:
          cache: false
          template: scatter
          x: actual
          y: predicted
`

	demoOutputs = "/iris.model\n/california-housing.model\n"
)

// Find reports whether a directory is a complete project: it has pipelines/ and
// .dvc/.
func Find(dir string) bool {
	pipes, err := os.Stat(filepath.Join(dir, "pipelines"))
	if err != nil || !pipes.IsDir() {
		return false
	}
	config, err := os.Stat(filepath.Join(dir, filepath.FromSlash(marker)))
	return err == nil && config.Mode().IsRegular()
}

// Part names what a directory that is no complete project has of one, "" for
// nothing.
func Part(dir string) string {
	have := func(name string) bool {
		info, err := os.Stat(filepath.Join(dir, name))
		return err == nil && info.IsDir()
	}
	switch {
	case Find(dir):
		return ""
	case have("pipelines"):
		return "pipelines/ but no .dvc/config"
	case have(".dvc"):
		return ".dvc/ but no pipelines/"
	}
	return ""
}

// Init makes a directory a project, and with demo the demo project: two data
// sets in a DVC remote of its own, and their pipelines. Nothing that exists is
// overwritten, a complete project is left alone, and one that an earlier Init
// did not finish is completed, so repeating it is safe.
//
// Without demo, files that exist stay and the missing ones are added, so a
// directory that git or dvc know already can become a project. With demo, a file
// in the way with other content is a conflict; the error lists every such file,
// and nothing is written. A directory that can't be written is unavailable.
func Init(dir string, demo bool) error {
	const op = "project.Init"
	if Find(dir) {
		return nil
	}
	files, err := skeleton(demo)
	if err != nil {
		return perennial.Wrap(op, err)
	}
	missing, err := compare(dir, files, demo)
	if err != nil {
		return perennial.Wrap(op, err)
	}
	for _, sub := range []string{"pipelines", "data/raw"} {
		path := filepath.Join(dir, filepath.FromSlash(sub))
		if err := os.MkdirAll(path, 0o755); err != nil { //nolint:gosec // a project is shared
			return perennial.Wrap(op, cantWrite(path, err))
		}
	}
	for _, f := range missing {
		if err := write(filepath.Join(dir, filepath.FromSlash(f.path)), f.text); err != nil {
			return perennial.Wrap(op, err)
		}
	}
	return nil
}

// skeleton lists a project's files, the marker last.
func skeleton(demo bool) ([]file, error) {
	files := []file{
		{".gitignore", []byte(gitignore)},
		{".dvcignore", []byte(dvcignore)},
		{".dvc/.gitignore", []byte(dvcGitignore)},
	}
	if !demo {
		return append(files, file{"dvc.yaml", []byte(emptyStages)}, file{marker, []byte(emptyConfig)}), nil
	}
	for name, fsys := range map[string]fs.FS{"data": data.FS, "pipelines": pipelines.FS} {
		err := fs.WalkDir(fsys, ".", func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			b, err := fs.ReadFile(fsys, path)
			files = append(files, file{name + "/" + path, b})
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return append(files,
		file{"dvc.yaml", []byte(demoStages)},
		file{"models/trained/.gitignore", []byte(demoOutputs)},
		file{marker, []byte(demoConfig)}), nil
}

// compare gives the files that are still to be written. A .gitignore in the way
// keeps its lines and gets ours.
func compare(dir string, files []file, strict bool) ([]file, error) {
	var missing []file
	var faults []perennial.FieldError
	for _, f := range files {
		old, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(f.path))) //nolint:gosec // one of the fixed names
		switch {
		case errors.Is(err, fs.ErrNotExist):
			missing = append(missing, f)
		case err != nil:
			return nil, perennial.Errorf(perennial.CodeUnavailable, "", "can't read %s in %s", f.path, dir).Because(err)
		case f.path == ".gitignore":
			if !bytes.Contains(append([]byte("\n"), old...), append([]byte("\n"), f.text...)) {
				missing = append(missing, file{f.path, joinLines(old, f.text)})
			}
		case strict && !bytes.Equal(old, f.text):
			faults = append(faults, perennial.FieldError{Path: f.path, Rule: "exists", File: f.path, Message: f.path + " exists with other content."})
		}
	}
	if len(faults) > 0 {
		e := perennial.Errorf(perennial.CodeConflict, "", "%s has other files where the demo project's belong, first %s", dir, faults[0].Path).
			WithHint("Name an empty directory.")
		e.Fields = faults
		return nil, e
	}
	return missing, nil
}

func joinLines(a, b []byte) []byte {
	if len(a) > 0 && a[len(a)-1] != '\n' {
		a = append(a, '\n')
	}
	return append(a, b...)
}

// write writes a file whole or not at all, and makes its directory.
func write(path string, b []byte) error {
	dir := filepath.Dir(path)
	err := os.MkdirAll(dir, 0o755) //nolint:gosec // a project is shared
	var tmp *os.File
	if err == nil {
		tmp, err = os.CreateTemp(dir, ".perennial-*.tmp")
	}
	if err != nil {
		return cantWrite(dir, err)
	}
	_, err = tmp.Write(b)
	err = errors.Join(err, tmp.Chmod(0o644), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		_ = os.Remove(tmp.Name())
		return cantWrite(dir, err)
	}
	return nil
}

func cantWrite(dir string, err error) error {
	return perennial.Errorf(perennial.CodeUnavailable, "", "can't write to %s", dir).
		WithHint("Check that the directory may be written and that the disk isn't full.").Because(err)
}
