package dvc_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial/internal/dvc"
)

const hashes = ".dvc/tmp/perennial/hashes"

// age makes a file look as if it was written an hour ago.
func age(t *testing.T, dir, name string) time.Time {
	t.Helper()
	at := time.Now().Add(-time.Hour).Truncate(time.Second).Add(1234567)
	require.NoError(t, os.Chtimes(filepath.Join(dir, name), at, at))
	return at
}

func TestUnchangedFilesAreNotReadAgain(t *testing.T) {
	t.Parallel()
	r, dir := emptyRepo(t)
	write(t, dir, "x", "abc")
	age(t, dir, "x")
	_, err := r.Add(t.Context(), "x")
	require.NoError(t, err)
	text := read(t, dir, hashes)
	require.Contains(t, text, "900150983cd24fb0d6963f7d28e17f72 3 ")
	require.Contains(t, text, `"x"`)
	require.NoError(t, os.WriteFile(filepath.Join(dir, hashes), []byte(strings.ReplaceAll(text, "900150983cd24fb0d6963f7d28e17f72", irisMD5)), 0o600))
	all, err := open(t, dir).Status(t.Context())
	require.NoError(t, err)
	require.Equal(t, irisMD5, all[0].CameMD5, "from the hash cache")
	for _, bad := range []string{"", "junk\n", text[:len(text)-3], text + "900150983cd24fb0d6963f7d28e17f72 3 4", strings.Replace(text, " 3 ", " x ", 1)} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, hashes), []byte(bad), 0o600))
		require.Equal(t, map[string]dvc.State{"x": dvc.StateUpToDate}, states(t, open(t, dir)), "%q", bad)
	}
}

func TestAChangeIsSeenHoweverItLooks(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(t *testing.T, dir string){
		"rewritten":        func(t *testing.T, dir string) { write(t, dir, "x", "abd") },
		"of the same time": func(t *testing.T, dir string) { write(t, dir, "x", "abd"); age(t, dir, "x") },
		"in place": func(t *testing.T, dir string) {
			require.NoError(t, os.WriteFile(filepath.Join(dir, "x"), []byte("abd"), 0o600))
		},
		"moved over": func(t *testing.T, dir string) {
			write(t, dir, "y", "abd")
			age(t, dir, "y")
			require.NoError(t, os.Rename(filepath.Join(dir, "y"), filepath.Join(dir, "x")))
		},
		"in place and aged": func(t *testing.T, dir string) {
			require.NoError(t, os.WriteFile(filepath.Join(dir, "x"), []byte("abd"), 0o600))
			age(t, dir, "x")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, dir := emptyRepo(t)
			write(t, dir, "x", "abc")
			age(t, dir, "x")
			_, err := r.Add(t.Context(), "x")
			require.NoError(t, err)
			require.Equal(t, map[string]dvc.State{"x": dvc.StateUpToDate}, states(t, open(t, dir)))
			change(t, dir)
			require.Equal(t, map[string]dvc.State{"x": dvc.StateModified}, states(t, open(t, dir)))
		})
	}
}

// A file that is rewritten within a tick of the clock after it was hashed has the
// size, time and inode it had.
func TestAFreshFileIsNotRemembered(t *testing.T) {
	t.Parallel()
	r, dir := emptyRepo(t)
	write(t, dir, "x", "abc")
	later := time.Now().Add(time.Minute)
	require.NoError(t, os.Chtimes(filepath.Join(dir, "x"), later, later))
	_, err := r.Add(t.Context(), "x")
	require.NoError(t, err)
	require.NotContains(t, read(t, dir, hashes), `"x"`)

	second := time.Now().Truncate(time.Second) // as a file system without fractions stamps it
	require.NoError(t, os.Chtimes(filepath.Join(dir, "x"), second, second))
	states(t, r)
	if time.Since(second) < 2*time.Second {
		require.NotContains(t, read(t, dir, hashes), `"x"`)
	}
}

func TestTheHashCacheStaysSmall(t *testing.T) {
	t.Parallel()
	r, dir := emptyRepo(t)
	write(t, dir, "x", "abc")
	_, err := r.Add(t.Context(), "x")
	require.NoError(t, err)
	line := strings.Repeat("900150983cd24fb0d6963f7d28e17f72 1 1 1 1 \"y\"\n", 3000)
	require.NoError(t, os.WriteFile(filepath.Join(dir, hashes), []byte("perennial hashes 1\n"+line), 0o600))
	age(t, dir, "x")
	states(t, open(t, dir))
	require.Less(t, strings.Count(read(t, dir, hashes), "\n"), 10)
}

func FuzzKnown(f *testing.F) {
	f.Add("900150983cd24fb0d6963f7d28e17f72 3 1 2 4 \"x\"\n")
	f.Fuzz(func(t *testing.T, line string) {
		if dvc.ParseKnown(line) {
			require.True(t, strings.HasSuffix(line, "\n"))
		}
	})
}
