package blob_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/blob"
	"github.com/perennial-ml/perennial/internal/blob/blobtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestFileStoreConforms(t *testing.T) {
	t.Parallel()
	blobtest.Conformance(t, func(t *testing.T) (*blob.Store, func(string, []byte)) {
		t.Helper()
		dir := t.TempDir()
		s, err := blob.Open("file:" + dir)
		require.NoError(t, err)
		t.Cleanup(func() { requireNoTemps(t, dir) })
		return s, func(key string, b []byte) {
			require.NoError(t, os.Remove(s.Path(key)))
			require.NoError(t, os.WriteFile(s.Path(key), b, 0o600))
		}
	})
}

func requireNoTemps(t *testing.T, dir string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		require.NotContains(t, path, ".tmp")
		return err
	}))
}

func TestLayoutIsDVCs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := blob.Open(dir)
	require.NoError(t, err)
	key, _, err := s.PutMD5(t.Context(), strings.NewReader("abc"))
	require.NoError(t, err)
	require.Equal(t, filepath.Join(dir, "files/md5/90/0150983cd24fb0d6963f7d28e17f72"), s.Path(key))
	info, err := os.Stat(s.Path(key))
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o444), info.Mode())
	key, err = s.Put(t.Context(), []byte("abc"))
	require.NoError(t, err)
	require.Equal(t, filepath.Join(dir, "sha256/ba/7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"), s.Path(key))
}

func TestOpenRefusesWhatIsNoDirectory(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"", "file:", "gs://bucket/prefix", "https://example.org/x"} {
		_, err := blob.Open(url)
		require.Equal(t, perennial.CodeInvalid, perennial.CodeOf(err), url)
	}
	s, err := blob.Open("file:///srv/objects")
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(s.Path(blob.Key(nil)), "/srv/objects/sha256/"))
}

func TestSweepTakesWhatNobodyWrites(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := blob.Open(dir)
	require.NoError(t, err)
	key, err := s.Put(t.Context(), []byte("x"))
	require.NoError(t, err)
	long := time.Now().Add(-2 * time.Hour)
	for _, name := range []string{".perennial-1.tmp", ".perennial-2.tmp", "other.tmp"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600))
	}
	for _, name := range []string{filepath.Join(dir, ".perennial-1.tmp"), filepath.Join(dir, "other.tmp"), s.Path(key)} {
		require.NoError(t, os.Chtimes(name, long, long))
	}
	require.NoError(t, s.Sweep())
	require.NoFileExists(t, filepath.Join(dir, ".perennial-1.tmp"))
	require.FileExists(t, filepath.Join(dir, ".perennial-2.tmp"), "it is being written")
	require.FileExists(t, filepath.Join(dir, "other.tmp"))
	require.NoError(t, s.Verify(t.Context(), key))
	nowhere, err := blob.Open(filepath.Join(dir, "nowhere"))
	require.NoError(t, err)
	require.NoError(t, nowhere.Sweep())
}

func TestUnwritableStoreIsUnavailable(t *testing.T) {
	t.Parallel()
	blocked := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(blocked, nil, 0o600))
	s, err := blob.Open(filepath.Join(blocked, "store"))
	require.NoError(t, err)
	_, err = s.Put(t.Context(), []byte("x"))
	require.Equal(t, perennial.CodeUnavailable, perennial.CodeOf(err))
	_, hint, _ := perennial.Explain(err)
	require.Contains(t, hint, "disk")
	_, _, err = s.PutMD5(t.Context(), strings.NewReader("x"))
	require.Equal(t, perennial.CodeUnavailable, perennial.CodeOf(err))
}
