package dvc_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/dvc"
)

func TestPushTakesWhatAddPutIntoTheCache(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, ".dvc/config", "")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "x.csv"), []byte("a\n1\n"), 0o600))
	repo, err := dvc.Open(dir)
	require.NoError(t, err)
	p, err := repo.Add(t.Context(), "x.csv")
	require.NoError(t, err)
	_, err = repo.Push(t.Context(), "x.csv")
	require.Equal(t, perennial.CodePrecondition, perennial.CodeOf(err), "no remote yet")

	require.NoError(t, os.WriteFile(filepath.Join(dir, ".dvc", "config"), []byte("[core]\n    remote = here\n['remote \"here\"']\n    url = ../remote\n"), 0o600))
	repo, err = dvc.Open(dir)
	require.NoError(t, err)
	pushed, err := repo.Push(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"x.csv"}, pushed)
	b, err := os.ReadFile(filepath.Join(dir, "remote", "files", "md5", p.MD5[:2], p.MD5[2:]))
	require.NoError(t, err)
	require.Equal(t, "a\n1\n", string(b))
	pushed, err = repo.Push(t.Context(), "x.csv")
	require.NoError(t, err)
	require.Empty(t, pushed, "it is there")

	require.NoError(t, os.RemoveAll(filepath.Join(dir, ".dvc", "cache")))
	require.NoError(t, os.RemoveAll(filepath.Join(dir, "remote")))
	_, err = repo.Push(t.Context(), "x.csv")
	require.Equal(t, perennial.CodeNotFound, perennial.CodeOf(err))
}

func TestPushTakesTheOutputsOfStages(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, ".dvc/config", "")
	require.NoError(t, os.WriteFile(filepath.Join(dir, ".dvc", "config"), []byte("[core]\n    remote = here\n['remote \"here\"']\n    url = ../remote\n"), 0o600))
	repo, err := dvc.Open(dir)
	require.NoError(t, err)
	write(t, dir, "dvc.yaml", "stages: {train: {cmd: x, outs: [m.model, m.json, d]}}\n")
	stage := dvc.Stage{Name: "train", Cmd: "x"}
	for name, cached := range map[string]bool{"m.model": true, "m.json": false} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(name), 0o600))
		e, err := repo.Track(t.Context(), name, cached)
		require.NoError(t, err)
		stage.Outs = append(stage.Outs, e)
	}
	stage.Outs = append(stage.Outs, dvc.Entry{Path: "d", MD5: "013d0da08d6506664ce640459139176b.dir", Size: 1, Files: 1})
	require.NoError(t, repo.WriteLock(stage))
	pushed, err := repo.Push(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"m.model"}, pushed)
	pushed, err = repo.Push(t.Context())
	require.NoError(t, err)
	require.Empty(t, pushed)
}
