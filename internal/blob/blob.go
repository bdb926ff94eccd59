// Package blob keeps immutable objects under the hash of their content:
// artifacts, model files, bundles and data share it. An object is written once,
// appears whole or not at all, and is verified each time it is read.
//
// A store is a directory. sha256 objects lie in <root>/sha256/ab/cdef…, md5
// objects in <root>/files/md5/ab/cdef…, so that a store is also a DVC cache or a
// DVC remote. Objects are read-only files (mode 0444), as DVC keeps them.
//
// The package knows nothing of what the bytes mean. Start reading at Store; the
// suite every kind of store has to pass is in blobtest.
package blob

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // DVC's content hash; not used for security
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/perennial-ml/perennial"
)

// The prefixes of a key, before the hash in lower-case hexadecimal.
const (
	SHA256 = "sha256:"
	MD5    = "md5:"
)

const objectMode fs.FileMode = 0o444

var keyRE = regexp.MustCompile(`^(sha256:[0-9a-f]{64}|md5:[0-9a-f]{32})$`)

// ValidKey reports whether a key is "sha256:" or "md5:" and a hash.
func ValidKey(key string) bool { return keyRE.MatchString(key) }

// Key gives the sha256 key of some content.
func Key(b []byte) string {
	sum := sha256.Sum256(b)
	return SHA256 + hex.EncodeToString(sum[:])
}

// Store holds objects by content. It is safe for use by any number of
// goroutines and processes at once.
type Store struct {
	root string
}

// Open gives the store in a directory, written "file:<dir>" or plainly. The
// directory is made by the first write, so that a store can be opened where
// nothing may be written. Any other kind of address is invalid.
func Open(url string) (*Store, error) {
	dir, isFile := strings.CutPrefix(url, "file:")
	if isFile {
		dir = strings.TrimPrefix(dir, "//")
	} else if scheme, _, ok := strings.Cut(url, "://"); ok {
		return nil, perennial.Errorf(perennial.CodeInvalid, "blob.Open", "%s: this version has no support for %s: stores", url, scheme).
			WithHint("Name a directory, as file:<dir>.")
	}
	if dir == "" {
		return nil, perennial.Errorf(perennial.CodeInvalid, "blob.Open", "the object store has no directory").WithHint("Name a directory, as file:<dir>.")
	}
	root, err := filepath.Abs(dir)
	if err != nil {
		return nil, perennial.Wrap("blob.Open", err)
	}
	return &Store{root: root}, nil
}

// Path gives the file of an object, whether it exists or not, and "" for
// something that is no key.
func (s *Store) Path(key string) string {
	switch {
	case !ValidKey(key):
		return ""
	case strings.HasPrefix(key, MD5):
		return filepath.Join(s.root, "files", "md5", key[4:6], key[6:])
	default:
		return filepath.Join(s.root, "sha256", key[7:9], key[9:])
	}
}

// Put keeps some bytes under their sha256. An object that is there already and
// sound is left alone; a damaged one is replaced. Where the store can't be
// written the error is unavailable.
func (s *Store) Put(ctx context.Context, b []byte) (key string, err error) {
	key = Key(b)
	if s.Verify(ctx, key) == nil {
		return key, nil
	}
	tmp, err := writeTemp(s.root, func(w io.Writer) error { return copyContext(ctx, w, bytes.NewReader(b)) })
	if err != nil {
		return "", perennial.Wrap("blob.Put", err)
	}
	return key, perennial.Wrap("blob.Put", tmp.moveTo(s.Path(key), objectMode))
}

// PutMD5 keeps what a reader gives under its md5, and also says how many bytes
// that was. The content is streamed; otherwise it is as Put.
func (s *Store) PutMD5(ctx context.Context, r io.Reader) (key string, size int64, err error) {
	h := hasher(MD5)
	tmp, err := writeTemp(s.root, func(w io.Writer) error { return copyContext(ctx, io.MultiWriter(w, h), r) })
	if err != nil {
		return "", 0, perennial.Wrap("blob.PutMD5", err)
	}
	key = MD5 + hex.EncodeToString(h.Sum(nil))
	if s.Verify(ctx, key) == nil {
		tmp.remove()
		return key, tmp.size, nil
	}
	return key, tmp.size, perennial.Wrap("blob.PutMD5", tmp.moveTo(s.Path(key), objectMode))
}

// Get gives an object, verified against its key. A missing object is not_found;
// one whose content has another hash is internal, and the error names it.
func (s *Store) Get(ctx context.Context, key string) ([]byte, error) {
	var buf bytes.Buffer
	if err := s.read(ctx, key, &buf); err != nil {
		return nil, perennial.Wrap("blob.Get", err)
	}
	return buf.Bytes(), nil
}

// CopyTo writes an object to a file with the given mode, whole or not at all,
// and replaces a file that is there. Errors are those of Get, and unavailable
// where the file can't be written.
func (s *Store) CopyTo(ctx context.Context, key, file string, mode fs.FileMode) error {
	tmp, err := writeTemp(filepath.Dir(file), func(w io.Writer) error { return s.read(ctx, key, w) })
	if err != nil {
		return perennial.Wrap("blob.CopyTo", err)
	}
	return perennial.Wrap("blob.CopyTo", tmp.moveTo(file, mode))
}

// Verify reads an object and gives nil where it is what its key says, and the
// error of Get otherwise.
func (s *Store) Verify(ctx context.Context, key string) error {
	return perennial.Wrap("blob.Verify", s.read(ctx, key, io.Discard))
}

// Has reports whether there is an object under a key, without reading it.
func (s *Store) Has(_ context.Context, key string) (bool, error) {
	if !ValidKey(key) {
		return false, invalidKey("blob.Has", key)
	}
	info, err := os.Stat(s.Path(key))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, perennial.Errorf(perennial.CodeUnavailable, "blob.Has", "can't look up object %s", key).Because(err)
	}
	return info.Mode().IsRegular(), nil
}

// read streams an object to w and gives an error at the end if it was not what
// its key says.
func (s *Store) read(ctx context.Context, key string, w io.Writer) error {
	if !ValidKey(key) {
		return invalidKey("", key)
	}
	f, err := os.Open(s.Path(key))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return perennial.Errorf(perennial.CodeNotFound, "", "object %s is not in the store %s", key, s.root).Because(err)
	case err != nil:
		return perennial.Errorf(perennial.CodeUnavailable, "", "can't read object %s", key).Because(err)
	}
	defer f.Close() //nolint:errcheck // only read from
	prefix, want, _ := strings.Cut(key, ":")
	h := hasher(prefix + ":")
	if err := copyContext(ctx, io.MultiWriter(w, h), f); err != nil {
		return err
	}
	if came := hex.EncodeToString(h.Sum(nil)); came != want {
		return perennial.Errorf(perennial.CodeInternal, "", "object %s is corrupt: its content has the %s %s", key, prefix, came).
			WithHint("Delete %s and restore it from a good copy.", s.Path(key))
	}
	return nil
}

func invalidKey(op, key string) error {
	return perennial.Errorf(perennial.CodeInvalid, op, "%q is no object key", key).WithHint("Keys are sha256:<hex> or md5:<hex>.")
}

func hasher(prefix string) hash.Hash {
	if prefix == MD5 {
		return md5.New() //nolint:gosec // DVC's content hash
	}
	return sha256.New()
}
