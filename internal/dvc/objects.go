package dvc

import (
	"context"
	"crypto/md5" //nolint:gosec // DVC's content hash; not used for security
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/perennial-ml/perennial"
)

const objectMode = 0o444

// objects is the cache: each object is a file under the md5 of its content. One
// appears whole or not at all, and is used only if its content was seen to be
// what its name says. It isn't synced: after a power failure an object may be
// cut, which its name shows, and then it is made anew from the work tree or the
// remote.
type objects struct {
	dir    string // the cache
	hashes *hashCache
}

// path gives an object's file, whether it exists or not. oid must be valid.
func (o *objects) path(oid string) string {
	return filepath.Join(o.dir, "files", "md5", oid[:2], oid[2:])
}

// has reports whether there is an object under a name, without reading it.
func (o *objects) has(oid string) bool {
	info, err := os.Stat(o.path(oid))
	return err == nil && info.Mode().IsRegular()
}

// sound reports whether an object is there with the content that its name says.
// It reads the object only if that wasn't seen before.
func (o *objects) sound(ctx context.Context, oid string) (bool, error) {
	sum, err := hashFile(ctx, o.hashes, o.path(oid))
	if perennial.CodeOf(err) == perennial.CodeNotFound {
		return false, nil
	}
	return sum == strings.TrimSuffix(oid, dirExt), err
}

// read gives the content of an object, verified. Errors are those of blob's Get.
func (o *objects) read(oid string) ([]byte, error) {
	b, err := os.ReadFile(o.path(oid))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, perennial.Errorf(perennial.CodeNotFound, "", "object md5:%s is not in the cache", oid).Because(err)
	case err != nil:
		return nil, perennial.Errorf(perennial.CodeUnavailable, "", "can't read object md5:%s", oid).Because(err)
	}
	if sum := md5.Sum(b); hex.EncodeToString(sum[:]) != strings.TrimSuffix(oid, dirExt) { //nolint:gosec // DVC's content hash
		return nil, perennial.Errorf(perennial.CodeInternal, "", "object md5:%s is corrupt: its content has the md5 %x", oid, sum).
			WithHint("Run perennial data verify.")
	}
	return b, nil
}

// manifest gives the files of a directory. Errors are those of read, and invalid.
func (o *objects) manifest(oid string) ([]ManifestFile, error) {
	b, err := o.read(oid)
	if err != nil {
		return nil, err
	}
	return ParseManifest(b)
}

// putFile keeps a file's content, which is read once, and gives its md5 and
// size.
func (o *objects) putFile(ctx context.Context, file string) (sum string, size int64, err error) {
	if sum, id, known := knownHash(o.hashes, file); known {
		if ok, err := o.sound(ctx, sum); ok || err != nil {
			return sum, id.size, err
		}
	}
	return o.hashes.learn(file, func(f *os.File) (string, error) { return o.copyIn(ctx, f) })
}

// copyIn keeps the content of an open file.
func (o *objects) copyIn(ctx context.Context, from *os.File) (sum string, err error) {
	to, err := newTemp(o.dir)
	if err != nil {
		return "", err
	}
	if sum, err = copyFile(ctx, to, from); err != nil {
		discard(to)
		return "", err
	}
	return sum, o.name(ctx, to, sum)
}

// putBytes keeps some bytes under an oid that is known to be theirs.
func (o *objects) putBytes(ctx context.Context, oid string, b []byte) error {
	if ok, err := o.sound(ctx, oid); ok || err != nil {
		return err
	}
	to, err := newTemp(o.dir)
	if err != nil {
		return err
	}
	if _, err := to.Write(b); err != nil {
		discard(to)
		return cantWrite(o.dir, err)
	}
	return o.name(ctx, to, oid)
}

// name makes an object of a complete temporary file. A sound object of that name
// stays, and a damaged one is replaced.
func (o *objects) name(ctx context.Context, f *os.File, oid string) error {
	if ok, err := o.sound(ctx, oid); ok || err != nil {
		discard(f)
		return err
	}
	file := o.path(oid)
	if err := settle(f, file, objectMode); err != nil {
		return err
	}
	if info, err := os.Stat(file); err == nil {
		o.hashes.keep(file, identify(info), strings.TrimSuffix(oid, dirExt))
	}
	return nil
}

// stableTries is how often a file is read that changes while it is read.
const stableTries = 3

// stable reads a regular file, once more where it changes meanwhile, and gives the
// identity that it had all the while.
func stable(file string, read func(*os.File) (sum string, err error)) (sum string, id identity, err error) {
	for range stableTries {
		f, before, err := openStable(file)
		if err != nil {
			return "", identity{}, err
		}
		sum, err := read(f)
		after, serr := f.Stat()
		if err = errors.Join(err, serr, f.Close()); err != nil {
			return "", identity{}, err
		}
		if identify(after) == before {
			return sum, before, nil
		}
	}
	return "", identity{}, perennial.Errorf(perennial.CodeUnavailable, "", "%s changes while it is read", file).
		WithHint("Wait until the program that writes it has ended.")
}

// openStable opens a regular file and gives its identity.
func openStable(file string) (*os.File, identity, error) {
	f, err := os.Open(file) //nolint:gosec // reading the caller's file is its purpose
	var info fs.FileInfo
	if err == nil {
		info, err = f.Stat()
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, identity{}, perennial.Errorf(perennial.CodeNotFound, "", "%s doesn't exist", file).Because(err)
	case err != nil:
		return nil, identity{}, perennial.Errorf(perennial.CodeUnavailable, "", "can't read %s", file).Because(err)
	case !info.Mode().IsRegular():
		return nil, identity{}, errors.Join(perennial.Errorf(perennial.CodeInvalid, "", "%s is no regular file", file), f.Close())
	}
	return f, identify(info), nil
}

// knownHash gives a regular file's hash if it is remembered.
func knownHash(c *hashCache, file string) (sum string, id identity, known bool) {
	info, err := os.Stat(file)
	if err != nil || !info.Mode().IsRegular() {
		return "", identity{}, false
	}
	id = identify(info)
	sum, known = c.get(file, id)
	return sum, id, known
}

// hashFile gives a file's md5, and reads the file only if it isn't
// remembered. A missing file is not_found, anything but a regular one invalid.
func hashFile(ctx context.Context, c *hashCache, file string) (sum string, err error) {
	if sum, _, known := knownHash(c, file); known {
		return sum, nil
	}
	sum, _, err = c.learn(file, func(f *os.File) (string, error) { return stream(ctx, nil, f) })
	return sum, err
}
