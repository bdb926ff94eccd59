package dvc_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/dvc"
)

// twoRemotes is a project with a stage of each kind of output, as DVC runs it:
// dvc.lock has their paths as dvc.yaml does.
func twoRemotes(t *testing.T) (*dvc.Repo, string) {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, ".dvc/config", "[core]\n    remote = a\n['remote \"a\"']\n    url = ../a\n['remote \"b\"']\n    url = ../b\n")
	write(t, dir, "dvc.yaml", "stages:\n  s:\n    cmd: x\n    wdir: sub\n    outs:\n    - m\n    - n: {push: false}\n    - o: {remote: b}\n    metrics:\n    - r: {cache: false}\n")
	repo := open(t, dir)
	stage := dvc.Stage{Name: "s", Cmd: "x"}
	for _, name := range []string{"m", "n", "o", "r"} {
		write(t, dir, "sub/"+name, name)
		e, err := repo.Track(t.Context(), "sub/"+name, name != "r")
		require.NoError(t, err)
		e.Path = name
		stage.Outs = append(stage.Outs, e)
	}
	require.NoError(t, repo.WriteLock(stage))
	return repo, dir
}

func TestStatusCountsTheOutputsOfStages(t *testing.T) {
	t.Parallel()
	repo, dir := twoRemotes(t)
	cloud := func() map[string]dvc.State {
		t.Helper()
		all, err := repo.Status(t.Context())
		require.NoError(t, err)
		require.NoError(t, repo.CloudStatus(t.Context(), all))
		out := map[string]dvc.State{}
		for _, s := range all {
			require.Equal(t, "s", s.Stage)
			out[s.Path] = s.Cloud
		}
		return out
	}
	require.Equal(t, map[string]dvc.State{"sub/m": dvc.StateNew, "sub/n": "", "sub/o": dvc.StateNew}, cloud())
	pushed, err := repo.Push(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"sub/m", "sub/o"}, pushed)
	require.DirExists(t, filepath.Join(dir, "b"))
	require.Equal(t, map[string]dvc.State{"sub/m": dvc.StateUpToDate, "sub/n": "", "sub/o": dvc.StateUpToDate}, cloud())

	require.NoError(t, os.RemoveAll(filepath.Join(dir, ".dvc/cache")))
	require.NoError(t, os.RemoveAll(filepath.Join(dir, "b")))
	require.NoError(t, os.Remove(filepath.Join(dir, "sub/m")))
	require.Equal(t, map[string]dvc.State{"sub/m": dvc.StateNotInCache, "sub/n": dvc.StateNotInCache, "sub/o": dvc.StateNotInCache}, states(t, repo))
	require.Equal(t, map[string]dvc.State{"sub/m": dvc.StateDeleted, "sub/n": "", "sub/o": dvc.StateMissing}, cloud())
	pulled, err := repo.Pull(t.Context(), "sub/m")
	require.NoError(t, err)
	require.Equal(t, []string{"sub/m"}, pulled)
	require.Equal(t, "m", read(t, dir, "sub/m"))
}

func TestReadOfWhatAStageMakes(t *testing.T) {
	t.Parallel()
	repo, dir := twoRemotes(t)
	require.NoError(t, os.Remove(filepath.Join(dir, "sub/m")))
	b, err := repo.Read(t.Context(), "sub/m")
	require.NoError(t, err)
	require.Equal(t, "m", string(b))
	_, err = repo.Add(t.Context(), "sub/o")
	requireCode(t, perennial.CodeConflict, err, "sub/o is made by the stage s")
}

// The remote that a pointer names is where its content comes from, whoever asks.
func TestReadFromThePointersRemote(t *testing.T) {
	t.Parallel()
	repo, dir := twoRemotes(t)
	_, err := repo.Push(t.Context())
	require.NoError(t, err)
	for _, gone := range []string{".dvc/cache", "sub/o"} {
		require.NoError(t, os.RemoveAll(filepath.Join(dir, gone)))
	}
	b, err := repo.Read(t.Context(), "sub/o")
	require.NoError(t, err)
	require.Equal(t, "o", string(b))
}
