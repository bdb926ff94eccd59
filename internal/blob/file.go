package blob

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/perennial-ml/perennial"
)

// temp is a finished file that still waits for its name.
type temp struct {
	name string
	size int64
}

// tempPattern names files that are being written.
const tempPattern = ".perennial-*.tmp"

// staleAfter is how long such a file may stand still: one that was touched longer
// ago was left by a process that was killed.
const staleAfter = time.Hour

// Sweep removes what killed processes left of objects that they were writing. It
// takes none away from a process that is still at work.
func (s *Store) Sweep() error {
	left, err := filepath.Glob(filepath.Join(s.place.spool(), tempPattern))
	for _, name := range left {
		found, serr := os.Stat(name)
		if serr == nil && time.Since(found.ModTime()) > staleAfter {
			serr = os.Remove(name)
		}
		if serr != nil && !isMissing(serr) { // another process may sweep, too
			err = errors.Join(err, serr)
		}
	}
	return perennial.Wrap("blob.Sweep", err)
}

// writeTemp writes and syncs a new file in dir, which is made where it is
// missing. Nothing is left behind after an error.
func writeTemp(dir string, fill func(io.Writer) error) (temp, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // DVC's mode
		return temp{}, cantWrite(dir, err)
	}
	f, err := os.CreateTemp(dir, tempPattern)
	if err != nil {
		return temp{}, cantWrite(dir, err)
	}
	w := &fileWriter{f: f}
	err = fill(w)
	if serr := f.Sync(); err == nil && serr != nil {
		err = cantWrite(dir, serr)
	}
	if cerr := f.Close(); err == nil && cerr != nil {
		err = cantWrite(dir, cerr)
	}
	t := temp{name: f.Name(), size: w.size}
	if err != nil {
		t.remove()
	}
	return t, err
}

// moveTo gives the file its name and mode, and syncs the directory, so that the
// name outlives a power failure. After an error the file is gone.
func (t temp) moveTo(file string, mode fs.FileMode) error {
	dir := filepath.Dir(file)
	err := os.MkdirAll(dir, 0o755) //nolint:gosec // DVC's mode
	if err == nil {
		err = os.Chmod(t.name, mode)
	}
	if err == nil {
		err = os.Rename(t.name, file)
	}
	if err == nil {
		err = syncDir(dir)
	}
	if err != nil {
		t.remove()
		return cantWrite(dir, err)
	}
	return nil
}

// remove deletes the file. That it can't is no news for the caller, who has an
// error about the same directory already.
func (t temp) remove() { _ = os.Remove(t.name) }

func syncDir(dir string) error {
	d, err := os.Open(dir) //nolint:gosec // a directory of the store
	if err != nil {
		return err
	}
	defer d.Close() //nolint:errcheck // only synced
	return d.Sync()
}

// fileWriter counts what it writes and names the directory in its errors.
type fileWriter struct {
	f    *os.File
	size int64
}

func (w *fileWriter) Write(p []byte) (int, error) {
	n, err := w.f.Write(p)
	w.size += int64(n)
	if err != nil {
		err = cantWrite(filepath.Dir(w.f.Name()), err)
	}
	return n, err
}

func cantWrite(dir string, err error) error {
	return perennial.Errorf(perennial.CodeUnavailable, "", "can't write to %s", dir).
		WithHint("Check that the directory may be written and that the disk isn't full.").Because(err)
}

// copyContext copies until the end or until its context ends.
func copyContext(ctx context.Context, w io.Writer, r io.Reader) error {
	_, err := io.Copy(w, contextReader{ctx, r})
	var known *perennial.Error
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return perennial.Errorf(perennial.CodeDeadline, "", "stopped before the object was complete").Because(context.Cause(ctx))
	case !errors.As(err, &known):
		return perennial.Errorf(perennial.CodeUnavailable, "", "the content could not be read to its end").Because(err)
	default:
		return err
	}
}

type contextReader struct {
	ctx context.Context //nolint:containedctx // lives for one copy
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
