package dvc

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/perennial-ml/perennial"
)

// putStream keeps what a reader gives under an oid, if it is what the oid says;
// else the error is internal, and nothing changes.
func (o *objects) putStream(ctx context.Context, oid string, r io.Reader) error {
	to, err := newTemp(o.dir)
	if err != nil {
		return err
	}
	came, err := stream(ctx, to, r)
	if err == nil && came != strings.TrimSuffix(oid, dirExt) {
		err = perennial.Errorf(perennial.CodeInternal, "", "what came for object md5:%s has the md5 %s", oid, came)
	}
	if err != nil {
		discard(to)
		return err
	}
	return o.name(ctx, to, oid)
}

// checkout gives a file of the work tree the content of an object, whole or not
// at all. It is verified once more while it is copied. Where the copy lies on the
// way a kill leaves it outside of the data, unless that is on a file system of its
// own.
func (r *Repo) checkout(ctx context.Context, oid, file string, mode os.FileMode) error {
	err := r.checkoutBy(ctx, r.tempDir(), oid, file, mode)
	if errors.Is(err, syscall.EXDEV) {
		err = r.checkoutBy(ctx, filepath.Dir(file), oid, file, mode)
	}
	if err != nil {
		return err
	}
	if info, err := os.Stat(file); err == nil {
		r.hashes.keep(file, identify(info), oid)
	}
	return r.linkFile(ctx, file, oid)
}

// checkoutBy is checkout by a temporary file in a directory.
func (r *Repo) checkoutBy(ctx context.Context, dir, oid, file string, mode os.FileMode) error {
	from, err := os.Open(r.objects.path(oid))
	if err != nil {
		return perennial.Errorf(perennial.CodeUnavailable, "", "can't read object md5:%s", oid).Because(err)
	}
	defer from.Close() //nolint:errcheck // only read from
	to, err := newTemp(dir)
	if err != nil {
		return err
	}
	came, err := copyFile(ctx, to, from)
	if err == nil && came != oid {
		err = perennial.Errorf(perennial.CodeInternal, "", "object md5:%s is corrupt in the cache: its content has the md5 %s", oid, came).
			WithHint("Run perennial data verify.")
	}
	if err != nil {
		discard(to)
		return err
	}
	return settle(to, file, mode)
}
