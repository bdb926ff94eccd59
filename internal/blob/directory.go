package blob

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/perennial-ml/perennial"
)

const objectMode fs.FileMode = 0o444

// directory is a place on a file system, by its absolute path.
type directory string

func isMissing(err error) bool { return errors.Is(err, fs.ErrNotExist) }

func (d directory) where(name string) string {
	return filepath.Join(string(d), filepath.FromSlash(name))
}

func (d directory) spool() string { return string(d) }

func (d directory) open(_ context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	f, err := os.Open(d.where(name))
	if isMissing(err) {
		return nil, err
	}
	if err == nil && offset > 0 {
		_, err = f.Seek(offset, io.SeekStart)
	}
	if err != nil {
		return nil, perennial.Errorf(perennial.CodeUnavailable, "", "can't read object %s", d.where(name)).Because(err)
	}
	if length < 0 {
		return f, nil
	}
	return part{io.LimitReader(f, length), f}, nil
}

// part reads some of what it closes.
type part struct {
	io.Reader
	io.Closer
}

func (d directory) stat(_ context.Context, name string) (info, error) {
	found, err := os.Stat(d.where(name))
	switch {
	case isMissing(err):
		return info{}, err
	case err != nil:
		return info{}, perennial.Errorf(perennial.CodeUnavailable, "", "can't look up object %s", d.where(name)).Because(err)
	case !found.Mode().IsRegular():
		return info{}, fs.ErrNotExist
	}
	return info{size: found.Size()}, nil
}

func (d directory) keep(_ context.Context, t temp, name, _, _ string) error {
	return t.moveTo(d.where(name), objectMode)
}
