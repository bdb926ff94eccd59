package dvc

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/perennial-ml/perennial"
)

const (
	tempPrefix = ".perennial-"
	tempSuffix = ".tmp"
	// abandoned is how old a temporary file must be before it is taken for the
	// leftover of a process that was killed: longer than any file waits between
	// its last byte and its name.
	abandoned = 24 * time.Hour
)

// newTemp makes a file that waits for its name, and its directory.
func newTemp(dir string) (*os.File, error) {
	err := os.MkdirAll(dir, 0o755) //nolint:gosec // DVC's mode
	var f *os.File
	if err == nil {
		f, err = os.CreateTemp(dir, tempPrefix+"*"+tempSuffix)
	}
	if err != nil {
		return nil, cantWrite(dir, err)
	}
	return f, nil
}

// settle gives a complete temporary file its mode and its name, whose directory it
// makes. After an error the file is gone.
func settle(f *os.File, file string, mode fs.FileMode) error {
	dir := filepath.Dir(file)
	err := errors.Join(f.Chmod(mode), f.Close())
	if err == nil {
		err = os.MkdirAll(dir, 0o755) //nolint:gosec // DVC's mode
	}
	if err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return cantWrite(dir, err)
	}
	return nil
}

// tempDir is where files wait that come into the work tree.
func (r *Repo) tempDir() string { return filepath.Join(r.dvcDir(), "tmp", "perennial") }

// sweep removes what killed processes left behind, by the clock that stamps the
// files: others may use the cache too, and a server's clock isn't ours.
func (r *Repo) sweep() {
	for _, dir := range []string{r.objects.dir, r.tempDir()} {
		left, _ := filepath.Glob(filepath.Join(dir, tempPrefix+"*"+tempSuffix)) // the pattern is ours
		if len(left) == 0 {
			continue
		}
		clock, err := newTemp(dir)
		if err != nil {
			continue
		}
		now, err := clock.Stat()
		discard(clock)
		for _, file := range left {
			if info, lerr := os.Lstat(file); err == nil && lerr == nil && now.ModTime().Sub(info.ModTime()) > abandoned {
				_ = os.Remove(file)
			}
		}
	}
}

func discard(f *os.File) {
	_ = f.Close()
	_ = os.Remove(f.Name())
}

// writeFile writes a file whole or not at all, and makes its directory.
func writeFile(file string, b []byte) error {
	f, err := newTemp(filepath.Dir(file))
	if err != nil {
		return err
	}
	if _, err = f.Write(b); err == nil {
		err = f.Sync()
	}
	if err != nil {
		discard(f)
		return cantWrite(filepath.Dir(file), err)
	}
	return settle(f, file, 0o644)
}

func cantWrite(dir string, err error) error {
	return perennial.Errorf(perennial.CodeUnavailable, "", "can't write to %s", dir).
		WithHint("Check that the directory may be written and that the disk isn't full.").Because(err)
}
