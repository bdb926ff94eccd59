package dvc

import (
	"context"
	"crypto/md5" //nolint:gosec // DVC's content hash; not used for security
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sync/errgroup"

	"github.com/perennial-ml/perennial"
)

// State is where a data file stands against its pointer.
type State string

// The states, best first. A file that is both modified and not in the cache is
// modified.
const (
	StateUpToDate   State = "up_to_date"   // the content the pointer names
	StateNotInCache State = "not_in_cache" // the same, but the cache has no copy of it
	StateModified   State = "modified"     // other content
	StateDeleted    State = "deleted"      // no file
)

// FileStatus is one data file's state.
type FileStatus struct {
	Pointer
	State    State
	CameMD5  string // of the file as it is; "" where it is deleted
	InCache  bool   // the pointer's object is in the cache
	InRemote bool   // and in the default remote
}

// parallel is how many files are hashed or copied at once.
const parallel = 4

// HashFile gives the md5 over a file's whole content, and its size in bytes. A
// missing file is not_found, anything but a regular file invalid.
func HashFile(path string) (sum string, size int64, err error) {
	const op = "dvc.HashFile"
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", 0, perennial.Errorf(perennial.CodeNotFound, op, "%s doesn't exist", path).Because(err)
	case err != nil:
		return "", 0, perennial.Errorf(perennial.CodeUnavailable, op, "can't read %s", path).Because(err)
	case !info.Mode().IsRegular():
		return "", 0, perennial.Errorf(perennial.CodeInvalid, op, "%s is no regular file", path)
	}
	f, err := os.Open(path) //nolint:gosec // reading the caller's file is its purpose
	if err != nil {
		return "", 0, perennial.Errorf(perennial.CodeUnavailable, op, "can't read %s", path).Because(err)
	}
	defer f.Close() //nolint:errcheck // only read from
	h := md5.New()  //nolint:gosec // DVC's content hash
	size, err = io.Copy(h, f)
	if err != nil {
		return "", 0, perennial.Errorf(perennial.CodeUnavailable, op, "can't read %s", path).Because(err)
	}
	return hex.EncodeToString(h.Sum(nil)), size, nil
}

// Status compares every data file with its pointer, by content.
func (r *Repo) Status(ctx context.Context) ([]FileStatus, error) {
	ps, err := r.Pointers(ctx)
	if err != nil {
		return nil, perennial.Wrap("dvc.Status", err)
	}
	out := make([]FileStatus, len(ps))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for i, p := range ps {
		g.Go(func() (err error) {
			out[i], err = r.status(ctx, p)
			return err
		})
	}
	return out, perennial.Wrap("dvc.Status", g.Wait())
}

func (r *Repo) status(ctx context.Context, p Pointer) (FileStatus, error) {
	s := FileStatus{Pointer: p}
	file, err := r.abs(p.Path)
	if err != nil {
		return s, err
	}
	if s.InCache, err = r.cache.Has(ctx, p.key()); err != nil {
		return s, err
	}
	if r.remote.store != nil {
		if s.InRemote, err = r.remote.store.Has(ctx, p.key()); err != nil {
			return s, err
		}
	}
	s.CameMD5, _, err = HashFile(file)
	switch {
	case perennial.CodeOf(err) == perennial.CodeNotFound:
		s.State = StateDeleted
	case err != nil:
		return s, err
	case s.CameMD5 != p.MD5:
		s.State = StateModified
	case !s.InCache:
		s.State = StateNotInCache
	default:
		s.State = StateUpToDate
	}
	return s, nil
}
