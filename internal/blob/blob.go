// Package blob keeps immutable objects under the hash of their content:
// artifacts, model files, bundles and data share it. An object is written once,
// appears whole or not at all, and is verified each time it is read.
//
// A store is a directory or a prefix of an S3 bucket. sha256 objects lie in
// <root>/sha256/ab/cdef…, md5 objects in <root>/files/md5/ab/cdef…, so that a
// store is also a DVC cache or a DVC remote. In a directory objects are read-only
// files (mode 0444), as DVC keeps them.
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
	"hash"
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"strings"

	"github.com/perennial-ml/perennial"
)

// The prefixes of a key, before the hash in lower-case hexadecimal.
const (
	SHA256 = "sha256:"
	MD5    = "md5:"
)

// dirExt ends the key of a DVC directory's manifest, whose hash is that of its
// bytes all the same.
const dirExt = ".dir"

// ValidKey reports whether a key is "sha256:" or "md5:" and a hash; an md5 may
// end in ".dir".
func ValidKey(key string) bool {
	digits, n := strings.TrimPrefix(key, SHA256), 64
	if md5, ok := strings.CutPrefix(key, MD5); ok {
		digits, n = strings.TrimSuffix(md5, dirExt), 32
	}
	return len(digits) == n && len(digits) < len(key) && strings.Trim(digits, "0123456789abcdef") == ""
}

// Key gives the sha256 key of some content.
func Key(b []byte) string {
	sum := sha256.Sum256(b)
	return SHA256 + hex.EncodeToString(sum[:])
}

// nameOf gives the place of an object below a store's root, with slashes.
func nameOf(key string) string {
	if strings.HasPrefix(key, MD5) {
		return path.Join("files", "md5", key[4:6], key[6:])
	}
	return path.Join("sha256", key[7:9], key[9:])
}

// hashOf gives a new hash of a key's kind, and the sum that the key names.
func hashOf(key string) (h hash.Hash, kind, sum string) {
	kind, sum, _ = strings.Cut(strings.TrimSuffix(key, dirExt), ":")
	return hasher(kind + ":"), kind, sum
}

// Store holds objects by content. It is safe for use by any number of
// goroutines and processes at once.
type Store struct {
	place place
}

// place is where objects lie. Names are those of nameOf. A missing object is an
// error that wraps fs.ErrNotExist; every other one is ready to be shown.
type place interface {
	// open reads an object from an offset on, for at most length bytes (< 0: all).
	open(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error)
	// stat looks an object up without reading it.
	stat(ctx context.Context, name string) (info, error)
	// spool is the directory where a new object is written before it has a name.
	spool() string
	// keep gives a finished file its name, whole or not at all; the file is gone
	// afterwards. sum is that of the content, by the kind of hash.
	keep(ctx context.Context, t temp, name, kind, sum string) error
	// where names an object for people: a file or an address.
	where(name string) string
}

// info is what a place knows of an object without reading it.
type info struct {
	size        int64
	md5, sha256 string // in hexadecimal, "" where it doesn't say
}

// Open gives the store at an address: "file:<dir>" or a plain directory, or
// "s3://bucket/prefix" with what the environment says of S3. It reaches for
// nothing: a directory is made by the first write, so that a store can be opened
// where nothing may be written. Any other kind of address is invalid.
func Open(url string) (*Store, error) { return OpenWith(url, S3Options{}) }

// OpenWith is Open with settings for S3, which a directory needs none of.
func OpenWith(url string, o S3Options) (*Store, error) {
	const op = "blob.Open"
	dir, isFile := strings.CutPrefix(url, "file:")
	if isFile {
		dir = strings.TrimPrefix(dir, "//")
	} else if scheme, rest, ok := strings.Cut(url, "://"); ok {
		if scheme != "s3" {
			return nil, perennial.Errorf(perennial.CodeInvalid, op, "%s: this version has no support for %s: stores", url, scheme).
				WithHint("Name a directory, as file:<dir>, or a bucket, as s3://bucket/prefix.")
		}
		b, err := openBucket(rest, o)
		if err != nil {
			return nil, perennial.Wrap(op, err)
		}
		return &Store{place: b}, nil
	}
	if dir == "" {
		return nil, perennial.Errorf(perennial.CodeInvalid, op, "the object store has no directory").WithHint("Name a directory, as file:<dir>.")
	}
	root, err := filepath.Abs(dir)
	if err != nil {
		return nil, perennial.Wrap(op, err)
	}
	return &Store{place: directory(root)}, nil
}

// Path gives the file of an object in a directory, whether it exists or not, and
// "" for something that is no key, or where the store is no directory.
func (s *Store) Path(key string) string {
	dir, ok := s.place.(directory)
	if !ok || !ValidKey(key) {
		return ""
	}
	return dir.where(nameOf(key))
}

// Where names an object's place for people: its file, or its address in S3.
func (s *Store) Where(key string) string {
	if !ValidKey(key) {
		return ""
	}
	return s.place.where(nameOf(key))
}

// Put keeps some bytes under their sha256. An object that is there already and
// sound is left alone; a damaged one is replaced. Where the store can't be
// written the error is unavailable; S3 has errors of its own (see S3Options).
func (s *Store) Put(ctx context.Context, b []byte) (key string, err error) {
	const op = "blob.Put"
	key = Key(b)
	if s.sound(ctx, key) {
		return key, nil
	}
	tmp, err := writeTemp(s.place.spool(), func(w io.Writer) error { return copyContext(ctx, w, bytes.NewReader(b)) })
	if err != nil {
		return "", perennial.Wrap(op, err)
	}
	return key, perennial.Wrap(op, s.keep(ctx, tmp, key))
}

// PutMD5 keeps what a reader gives under its md5, and also says how many bytes
// that was. The content is streamed; otherwise it is as Put.
func (s *Store) PutMD5(ctx context.Context, r io.Reader) (key string, size int64, err error) {
	key, size, err = s.put(ctx, MD5, r)
	return key, size, perennial.Wrap("blob.PutMD5", err)
}

// PutStream is PutMD5 under the sha256.
func (s *Store) PutStream(ctx context.Context, r io.Reader) (key string, size int64, err error) {
	key, size, err = s.put(ctx, SHA256, r)
	return key, size, perennial.Wrap("blob.PutStream", err)
}

// put keeps a stream under its hash of a kind.
func (s *Store) put(ctx context.Context, prefix string, r io.Reader) (string, int64, error) {
	h := hasher(prefix)
	tmp, err := writeTemp(s.place.spool(), func(w io.Writer) error { return copyContext(ctx, io.MultiWriter(w, h), r) })
	if err != nil {
		return "", 0, err
	}
	key := prefix + hex.EncodeToString(h.Sum(nil))
	if s.sound(ctx, key) {
		tmp.remove()
		return key, tmp.size, nil
	}
	return key, tmp.size, s.keep(ctx, tmp, key)
}

// PutAs keeps what a reader gives under a key that is known before. Content that
// isn't what the key says is internal, and nothing is kept. An object that is
// there is not looked at: a sound one is replaced by the same bytes, a damaged one
// mended.
func (s *Store) PutAs(ctx context.Context, key string, r io.Reader) error {
	const op = "blob.PutAs"
	if !ValidKey(key) {
		return invalidKey(op, key)
	}
	h, kind, want := hashOf(key)
	tmp, err := writeTemp(s.place.spool(), func(w io.Writer) error {
		if err := copyContext(ctx, io.MultiWriter(w, h), r); err != nil {
			return err
		}
		if came := hex.EncodeToString(h.Sum(nil)); came != want {
			return perennial.Errorf(perennial.CodeInternal, "", "what came for object %s has the %s %s", key, kind, came).
				WithHint("Its source is damaged, or changed while it was read. Nothing was kept of it.")
		}
		return nil
	})
	if err != nil {
		return perennial.Wrap(op, err)
	}
	return perennial.Wrap(op, s.keep(ctx, tmp, key))
}

// keep gives a finished file its name.
func (s *Store) keep(ctx context.Context, tmp temp, key string) error {
	_, kind, sum := hashOf(key)
	return s.place.keep(ctx, tmp, nameOf(key), kind, sum)
}

// sound reports whether an object is there and what its key says. It is read
// only where the place itself doesn't vouch for its hash. Where it can't be looked
// up it counts as missing: the write that follows says what is wrong.
func (s *Store) sound(ctx context.Context, key string) bool {
	found, err := s.place.stat(ctx, nameOf(key))
	if err != nil {
		return false
	}
	_, kind, want := hashOf(key)
	if kind+":" == MD5 && found.md5 == want || kind+":" == SHA256 && found.sha256 == want {
		return true
	}
	return s.Verify(ctx, key) == nil
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
func (s *Store) Has(ctx context.Context, key string) (bool, error) {
	_, err := s.Size(ctx, key)
	if perennial.CodeOf(err) == perennial.CodeNotFound {
		return false, nil
	}
	return err == nil, perennial.Wrap("blob.Has", err)
}

// Size gives an object's size in bytes without reading it; not_found where there
// is none.
func (s *Store) Size(ctx context.Context, key string) (int64, error) {
	const op = "blob.Size"
	if !ValidKey(key) {
		return 0, invalidKey(op, key)
	}
	found, err := s.place.stat(ctx, nameOf(key))
	if isMissing(err) {
		return 0, s.missing(op, key, err)
	}
	return found.size, perennial.Wrap(op, err)
}

// read streams an object to w and gives an error at the end if it was not what
// its key says.
func (s *Store) read(ctx context.Context, key string, w io.Writer) error {
	r, err := s.Reader(ctx, key)
	if err != nil {
		return err
	}
	defer r.Close() //nolint:errcheck // only read from
	return copyContext(ctx, w, r)
}

func (s *Store) missing(op, key string, err error) error {
	return perennial.Errorf(perennial.CodeNotFound, op, "object %s is not in the store %s", key, s.place.where("")).Because(err)
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
