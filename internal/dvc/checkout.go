package dvc

import (
	"context"
	"crypto/md5" //nolint:gosec // DVC's content hash; not used for security
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/perennial-ml/perennial"
)

// putStream keeps what a reader gives under an oid, if it is what the oid says;
// else the error is internal, and nothing changes.
func (o *objects) putStream(ctx context.Context, oid string, r io.Reader) error {
	to, err := o.temp()
	if err != nil {
		return err
	}
	h := md5.New() //nolint:gosec // DVC's content hash
	err = stream(ctx, h, to, r)
	if came := hex.EncodeToString(h.Sum(nil)); err == nil && came != strings.TrimSuffix(oid, dirExt) {
		err = perennial.Errorf(perennial.CodeInternal, "", "what came for object md5:%s has the md5 %s", oid, came)
	}
	if err != nil {
		discard(to)
		return err
	}
	return o.name(ctx, to, oid)
}

// checkout gives a file of the work tree the content of an object, whole or not
// at all. It is verified once more while it is copied.
func (r *Repo) checkout(ctx context.Context, oid, file string, mode os.FileMode) error {
	from, err := os.Open(r.objects.path(oid))
	if err != nil {
		return perennial.Errorf(perennial.CodeUnavailable, "", "can't read object md5:%s", oid).Because(err)
	}
	defer from.Close() //nolint:errcheck // only read from
	dir := filepath.Dir(file)
	err = os.MkdirAll(dir, 0o755) //nolint:gosec // DVC's mode
	var to *os.File
	if err == nil {
		to, err = os.CreateTemp(dir, tempPrefix+"*"+tempSuffix)
	}
	if err != nil {
		return cantWrite(r.rel(dir), err)
	}
	h := md5.New() //nolint:gosec // DVC's content hash
	if clone(to, from) {
		err = stream(ctx, h, nil, to)
	} else {
		err = stream(ctx, h, to, from)
	}
	if came := hex.EncodeToString(h.Sum(nil)); err == nil && came != strings.TrimSuffix(oid, dirExt) {
		err = perennial.Errorf(perennial.CodeInternal, "", "object md5:%s is corrupt in the cache: its content has the md5 %s", oid, came).
			WithHint("Run perennial data verify.")
	}
	if err != nil {
		discard(to)
		return err
	}
	if err = errors.Join(to.Chmod(mode), to.Close()); err == nil {
		err = os.Rename(to.Name(), file)
	}
	if err != nil {
		_ = os.Remove(to.Name())
		return cantWrite(r.rel(dir), err)
	}
	if info, err := os.Stat(file); err == nil {
		r.hashes.keep(file, identify(info), strings.TrimSuffix(oid, dirExt))
	}
	if t := r.links[0]; t == "hardlink" || t == "symlink" {
		return r.linkFile(file, oid)
	}
	return nil
}
