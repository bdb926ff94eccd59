package dvc

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/perennial-ml/perennial"
)

// Read gives a data file's present content: the work tree's, changed or not, or
// where the file is missing there, the version that its pointer names. It
// writes nothing. A file that is in neither place is not_found; the errors of
// Open come through.
func (r *Repo) Read(ctx context.Context, dataPath string) ([]byte, error) {
	const op = "dvc.Read"
	file, err := r.abs(dataPath)
	if err != nil {
		return nil, perennial.Wrap(op, err)
	}
	b, err := os.ReadFile(file) //nolint:gosec // abs keeps it inside the project
	switch {
	case err == nil:
		return b, nil
	case !errors.Is(err, fs.ErrNotExist):
		return nil, perennial.Errorf(perennial.CodeUnavailable, op, "can't read %s", dataPath).Because(err)
	}
	p, err := r.Pointer(ctx, dataPath)
	if perennial.CodeOf(err) == perennial.CodeNotFound {
		return nil, perennial.Errorf(perennial.CodeNotFound, op, "there is no data at %s, and no %s.dvc that says where to get it", dataPath, dataPath).
			WithHint("Put the file there, or name another one under data.path in the pipeline file.")
	}
	if err != nil {
		return nil, perennial.Wrap(op, err)
	}
	b, err = r.get(ctx, p.MD5, r.source(p, Transfer{}))
	return b, perennial.Wrap(op, err)
}

// Restore pulls those of the data files that are missing in the work tree and
// have a pointer, and says which. Files that are there are left alone.
func (r *Repo) Restore(ctx context.Context, dataPaths ...string) (pulled []string, err error) {
	const op = "dvc.Restore"
	var missing []string
	outs := r.outputsOnce(ctx)
	for _, path := range dataPaths {
		file, err := r.abs(path)
		if err != nil {
			return nil, perennial.Wrap(op, err)
		}
		if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if _, err := r.pointer(path, outs); err == nil {
			missing = append(missing, path)
		} else if perennial.CodeOf(err) != perennial.CodeNotFound {
			return nil, perennial.Wrap(op, err)
		}
	}
	if len(missing) == 0 {
		return nil, nil
	}
	pulled, err = r.Pull(ctx, missing...)
	return pulled, perennial.Wrap(op, err)
}
