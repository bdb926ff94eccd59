// Package blobtest is the suite that every kind of object store has to pass.
package blobtest

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // DVC's content hash
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/blob"
)

// Conformance checks a kind of store. open gives an empty store, and a function
// that puts other bytes in the place of an object behind the store's back.
func Conformance(t *testing.T, open func(t *testing.T) (s *blob.Store, damage func(key string, b []byte))) {
	t.Helper()
	cases := map[string]func(t *testing.T, s *blob.Store, damage func(string, []byte)){
		"what was put is read again":            roundTrip,
		"a damaged object is named and mended":  damaged,
		"a missing object is not found":         missing,
		"what is no key is refused":             noKey,
		"puts at the same time agree":           concurrent,
		"a broken source leaves nothing behind": brokenSource,
		"an ended context stops":                ended,
		"a copy is whole or not there":          copies,
		"a stream can be read in part":          streams,
		"a known key takes only its content":    known,
	}
	for name, f := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, damage := open(t)
			f(t, s, damage)
		})
	}
}

func roundTrip(t *testing.T, s *blob.Store, _ func(string, []byte)) {
	ctx := t.Context()
	for _, b := range [][]byte{{}, []byte("a"), bytes.Repeat([]byte("perennial"), 100_000)} {
		key, err := s.Put(ctx, b)
		require.NoError(t, err)
		require.Equal(t, blob.Key(b), key)
		md5Key, size, err := s.PutMD5(ctx, bytes.NewReader(b))
		require.NoError(t, err)
		sum := md5.Sum(b) //nolint:gosec // DVC's content hash
		require.Equal(t, blob.MD5+hex.EncodeToString(sum[:]), md5Key)
		require.EqualValues(t, len(b), size)
		for _, k := range []string{key, md5Key} {
			came, err := s.Get(ctx, k)
			require.NoError(t, err)
			require.True(t, bytes.Equal(b, came))
			has, err := s.Has(ctx, k)
			require.NoError(t, err)
			require.True(t, has)
		}
		again, err := s.Put(ctx, b)
		require.NoError(t, err)
		require.Equal(t, key, again)
	}
}

func damaged(t *testing.T, s *blob.Store, damage func(string, []byte)) {
	ctx := t.Context()
	good := []byte("setosa,versicolor,virginica")
	key, err := s.Put(ctx, good)
	require.NoError(t, err)
	md5Key, _, err := s.PutMD5(ctx, bytes.NewReader(good))
	require.NoError(t, err)
	for name, bad := range map[string][]byte{"changed": []byte("setosa,versicolor,virginicA"), "cut": good[:5], "empty": {}} {
		for _, k := range []string{key, md5Key} {
			damage(k, bad)
			_, err := s.Get(ctx, k)
			require.Equal(t, perennial.CodeInternal, perennial.CodeOf(err), name)
			message, hint, _ := perennial.Explain(err)
			require.Contains(t, message, k, name)
			require.NotEmpty(t, hint)
		}
		_, err = s.Put(ctx, good)
		require.NoError(t, err)
		_, _, err = s.PutMD5(ctx, bytes.NewReader(good))
		require.NoError(t, err)
		for _, k := range []string{key, md5Key} {
			came, err := s.Get(ctx, k)
			require.NoError(t, err, name)
			require.Equal(t, good, came)
		}
	}
}

func missing(t *testing.T, s *blob.Store, _ func(string, []byte)) {
	key := blob.Key([]byte("never put"))
	has, err := s.Has(t.Context(), key)
	require.NoError(t, err)
	require.False(t, has)
	_, err = s.Get(t.Context(), key)
	require.Equal(t, perennial.CodeNotFound, perennial.CodeOf(err))
	require.ErrorContains(t, err, key)
}

func noKey(t *testing.T, s *blob.Store, _ func(string, []byte)) {
	hex64 := strings.Repeat("a", 64)
	for _, key := range []string{"", "sha256:", "md5:../../../../etc/passwd", "sha256:" + hex64[:63], "sha256:" + strings.ToUpper(hex64), "sha1:" + hex64[:40], "md5:" + hex64[:32] + "\n", " md5:" + hex64[:32]} {
		require.Empty(t, s.Path(key), key)
		_, err := s.Get(t.Context(), key)
		require.Equal(t, perennial.CodeInvalid, perennial.CodeOf(err), key)
		_, err = s.Has(t.Context(), key)
		require.Equal(t, perennial.CodeInvalid, perennial.CodeOf(err), key)
	}
}

func concurrent(t *testing.T, s *blob.Store, _ func(string, []byte)) {
	b := bytes.Repeat([]byte("0123456789abcdef"), 20_000)
	want := blob.Key(b)
	var g errgroup.Group
	for range 16 {
		g.Go(func() error {
			key, err := s.Put(t.Context(), b)
			if err != nil || key != want {
				return errors.Join(err, errors.New("put gave "+key))
			}
			if _, _, err := s.PutMD5(t.Context(), bytes.NewReader(b)); err != nil {
				return err
			}
			came, err := s.Get(t.Context(), key)
			if err == nil && !bytes.Equal(came, b) {
				err = errors.New("other bytes came back")
			}
			return err
		})
	}
	require.NoError(t, g.Wait())
}

func brokenSource(t *testing.T, s *blob.Store, _ func(string, []byte)) {
	cause := errors.New("cable pulled")
	_, _, err := s.PutMD5(t.Context(), iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader("abc"))))
	require.Equal(t, perennial.CodeUnavailable, perennial.CodeOf(err))
	_, _, err = s.PutMD5(t.Context(), iotest.ErrReader(cause))
	require.ErrorIs(t, err, cause)
	sum := md5.Sum([]byte("a")) //nolint:gosec // DVC's content hash
	has, err := s.Has(t.Context(), blob.MD5+hex.EncodeToString(sum[:]))
	require.NoError(t, err)
	require.False(t, has)
}

func ended(t *testing.T, s *blob.Store, _ func(string, []byte)) {
	b := []byte("too late")
	key, err := s.Put(t.Context(), b)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = s.Get(ctx, key)
	require.Equal(t, perennial.CodeDeadline, perennial.CodeOf(err))
	require.ErrorIs(t, err, context.Canceled)
	_, _, err = s.PutMD5(ctx, bytes.NewReader(b))
	require.Equal(t, perennial.CodeDeadline, perennial.CodeOf(err))
}

func copies(t *testing.T, s *blob.Store, damage func(string, []byte)) {
	dir := filepath.Join(t.TempDir(), "new")
	file := filepath.Join(dir, "iris.csv")
	key, err := s.Put(t.Context(), []byte("content"))
	require.NoError(t, err)
	require.NoError(t, s.CopyTo(t.Context(), key, file, 0o600))
	came, err := os.ReadFile(file) //nolint:gosec // the test's own file
	require.NoError(t, err)
	require.Equal(t, "content", string(came))
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o600), info.Mode())

	damage(key, []byte("c0ntent"))
	require.Equal(t, perennial.CodeInternal, perennial.CodeOf(s.CopyTo(t.Context(), key, file, 0o600)))
	require.Equal(t, perennial.CodeNotFound, perennial.CodeOf(s.CopyTo(t.Context(), blob.Key(nil), file, 0o600)))
	came, err = os.ReadFile(file) //nolint:gosec // the test's own file
	require.NoError(t, err)
	require.Equal(t, "content", string(came))
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 1, "a temporary file is left behind")
}

func streams(t *testing.T, s *blob.Store, damage func(string, []byte)) {
	b := bytes.Repeat([]byte("0123456789"), 10_000)
	key, size, err := s.PutStream(t.Context(), bytes.NewReader(b))
	require.NoError(t, err)
	require.Equal(t, blob.Key(b), key)
	require.EqualValues(t, len(b), size)
	size, err = s.Size(t.Context(), key)
	require.NoError(t, err)
	require.EqualValues(t, len(b), size)
	for _, c := range []struct{ offset, length int64 }{{0, -1}, {0, 0}, {3, 4}, {99_990, 100}, {50_000, -1}} {
		r, err := s.Range(t.Context(), key, c.offset, c.length)
		require.NoError(t, err)
		came, err := io.ReadAll(r)
		require.NoError(t, err)
		require.NoError(t, r.Close())
		want := b[c.offset:]
		if c.length >= 0 {
			want = want[:min(c.length, int64(len(want)))]
		}
		require.True(t, bytes.Equal(want, came), "%v", c)
	}
	r, err := s.Reader(t.Context(), key)
	require.NoError(t, err)
	came, err := io.ReadAll(r)
	require.NoError(t, err)
	require.True(t, bytes.Equal(b, came))
	require.NoError(t, r.Close())

	damage(key, b[1:])
	r, err = s.Reader(t.Context(), key)
	require.NoError(t, err)
	_, err = io.ReadAll(r)
	require.Equal(t, perennial.CodeInternal, perennial.CodeOf(err))
	require.NoError(t, r.Close())
	_, err = s.Range(t.Context(), blob.Key(nil), 0, -1)
	require.Equal(t, perennial.CodeNotFound, perennial.CodeOf(err))
	_, err = s.Size(t.Context(), blob.Key(nil))
	require.Equal(t, perennial.CodeNotFound, perennial.CodeOf(err))
}

func known(t *testing.T, s *blob.Store, _ func(string, []byte)) {
	manifest := []byte(`[{"md5": "d41d8cd98f00b204e9800998ecf8427e", "relpath": "empty"}]`)
	sum := md5.Sum(manifest) //nolint:gosec // DVC's content hash
	key := blob.MD5 + hex.EncodeToString(sum[:]) + ".dir"
	err := s.PutAs(t.Context(), key, strings.NewReader("something else"))
	require.Equal(t, perennial.CodeInternal, perennial.CodeOf(err))
	has, err := s.Has(t.Context(), key)
	require.NoError(t, err)
	require.False(t, has)
	for range 2 {
		require.NoError(t, s.PutAs(t.Context(), key, bytes.NewReader(manifest)))
	}
	came, err := s.Get(t.Context(), key)
	require.NoError(t, err)
	require.Equal(t, manifest, came)
	require.Equal(t, perennial.CodeInvalid, perennial.CodeOf(s.PutAs(t.Context(), "md5:x", strings.NewReader(""))))
}
