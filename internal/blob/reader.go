package blob

import (
	"context"
	"encoding/hex"
	"errors"
	"hash"
	"io"

	"github.com/perennial-ml/perennial"
)

// Reader gives an object as a stream, which the caller closes. The stream ends
// with an error of code internal instead of io.EOF where the content isn't what
// the key says; so use nothing of it before its end. Other errors are those of
// Get.
func (s *Store) Reader(ctx context.Context, key string) (io.ReadCloser, error) {
	const op = "blob.Reader"
	if !ValidKey(key) {
		return nil, invalidKey(op, key)
	}
	r, err := s.open(ctx, op, key, 0, -1)
	if err != nil {
		return nil, err
	}
	h, kind, want := hashOf(key)
	return &verified{ReadCloser: r, h: h, want: want, fault: func(came string) error {
		return perennial.Errorf(perennial.CodeInternal, "", "object %s is corrupt: its content has the %s %s", key, kind, came).
			WithHint("Delete %s and restore it from a good copy.", s.Where(key))
	}}, nil
}

// Range gives length bytes of an object from an offset on (length < 0: all that
// follow), which the caller closes. A part can't be verified: ask Verify before,
// or Reader for the whole.
func (s *Store) Range(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	const op = "blob.Range"
	if !ValidKey(key) {
		return nil, invalidKey(op, key)
	}
	if offset < 0 {
		return nil, perennial.Errorf(perennial.CodeInvalid, op, "the offset %d is negative", offset)
	}
	return s.open(ctx, op, key, offset, length)
}

func (s *Store) open(ctx context.Context, op, key string, offset, length int64) (io.ReadCloser, error) {
	r, err := s.place.open(ctx, nameOf(key), offset, length)
	if isMissing(err) {
		return nil, s.missing(op, key, err)
	}
	return r, perennial.Wrap(op, err)
}

// verified compares what was read with a hash when it is at the end.
type verified struct {
	io.ReadCloser
	h     hash.Hash
	want  string
	fault func(came string) error
}

func (v *verified) Read(p []byte) (int, error) {
	n, err := v.ReadCloser.Read(p)
	v.h.Write(p[:n])
	if errors.Is(err, io.EOF) {
		if came := hex.EncodeToString(v.h.Sum(nil)); came != v.want {
			return n, v.fault(came)
		}
	}
	return n, err
}
