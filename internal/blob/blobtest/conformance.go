// Package blobtest is the suite that every kind of object store has to pass.
package blobtest

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // DVC's content hash
	"encoding/hex"
	"errors"
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
