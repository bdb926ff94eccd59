package dvc_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/dvc"
)

func states(t *testing.T, r *dvc.Repo) map[string]dvc.State {
	t.Helper()
	all, err := r.Status(t.Context())
	require.NoError(t, err)
	out := map[string]dvc.State{}
	for _, s := range all {
		out[s.Path] = s.State
	}
	return out
}

func TestPullRestoresAClone(t *testing.T) {
	t.Parallel()
	r, dir := setup(t)
	for path, s := range states(t, r) {
		require.Equal(t, dvc.StateNotInCache, s, path)
	}
	pulled, err := r.Pull(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"data/- a: b", "data/empty", "data/iris.csv", "data/run.sh", "data/we#i[r]d! na*me.bin"}, pulled)
	for name, text := range readReference(t).Project.Data {
		require.Equal(t, text, read(t, dir, "data/"+name))
	}
	for path, s := range states(t, r) {
		require.Equal(t, dvc.StateUpToDate, s, path)
	}
	info, err := os.Stat(filepath.Join(dir, "data/run.sh"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o755), info.Mode())

	again, err := r.Pull(t.Context())
	require.NoError(t, err)
	require.Empty(t, again)

	require.NoError(t, os.RemoveAll(filepath.Join(dir, "data/remote")))
	require.NoError(t, os.Remove(filepath.Join(dir, "data/iris.csv")))
	pulled, err = r.Pull(t.Context(), "data/iris.csv", "data/iris.csv.dvc", "data/empty")
	require.NoError(t, err)
	require.Equal(t, []string{"data/iris.csv"}, pulled, "from the cache")
}

func TestStatusSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	r, dir := setup(t)
	_, err := r.Pull(t.Context())
	require.NoError(t, err)
	write(t, dir, "data/iris.csv", "a,b\n1,3\n")
	require.NoError(t, os.Remove(filepath.Join(dir, "data/empty")))
	require.NoError(t, os.Remove(filepath.Join(dir, cacheObject("9dd4e461268c8034f5c8564e155c67a6"))))
	require.Equal(t, map[string]dvc.State{
		"data/- a: b": dvc.StateUpToDate, "data/empty": dvc.StateDeleted, "data/iris.csv": dvc.StateModified,
		"data/run.sh": dvc.StateUpToDate, "data/we#i[r]d! na*me.bin": dvc.StateNotInCache,
	}, states(t, r))
	all, err := r.Status(t.Context())
	require.NoError(t, err)
	require.NoError(t, r.CloudStatus(t.Context(), all))
	require.Equal(t, dvc.StateDeleted, all[4].Cloud, "the remote has it, the cache lacks it")
	require.Equal(t, dvc.StateUpToDate, all[0].Cloud)
	require.False(t, all[4].InCache)
	require.NotEqual(t, all[2].MD5, all[2].CameMD5)
}

func TestPullKeepsAChangedFile(t *testing.T) {
	t.Parallel()
	r, dir := setup(t)
	_, err := r.Pull(t.Context())
	require.NoError(t, err)
	write(t, dir, "data/iris.csv", "mine")
	require.NoError(t, os.Remove(filepath.Join(dir, "data/empty")))
	pulled, err := r.Pull(t.Context())
	requireCode(t, perennial.CodeConflict, err, "data/iris.csv", "perennial data add data/iris.csv")
	require.Equal(t, "mine", read(t, dir, "data/iris.csv"))
	require.Equal(t, []string{"data/empty"}, pulled, "the others come all the same")

	pulled, err = r.PullWith(t.Context(), dvc.Transfer{Force: true}, "data/iris.csv")
	require.NoError(t, err)
	require.Equal(t, []string{"data/iris.csv"}, pulled)
	require.Equal(t, "a,b\n1,2\n", read(t, dir, "data/iris.csv"))
}

func TestPullReplacesAnotherVersionThatIsKept(t *testing.T) {
	t.Parallel()
	r, dir := setup(t)
	write(t, dir, "data/iris.csv", "version 2")
	_, err := r.Add(t.Context(), "data/iris.csv")
	require.NoError(t, err)
	write(t, dir, "data/iris.csv.dvc", readReference(t).Project.Files["data/iris.csv.dvc"]) // as git checkout would
	pulled, err := r.Pull(t.Context(), "data/iris.csv")
	require.NoError(t, err)
	require.Equal(t, []string{"data/iris.csv"}, pulled)
	require.Equal(t, "a,b\n1,2\n", read(t, dir, "data/iris.csv"))
}

func TestRestoreFillsOnlyGaps(t *testing.T) {
	t.Parallel()
	r, dir := setup(t)
	write(t, dir, "data/iris.csv", "mine")
	write(t, dir, "data/plain.csv", "no pointer")
	pulled, err := r.Restore(t.Context(), "data/iris.csv", "data/run.sh", "data/plain.csv", "data/none.csv", "data/run.sh")
	require.NoError(t, err)
	require.Equal(t, []string{"data/run.sh"}, pulled)
	require.Equal(t, "mine", read(t, dir, "data/iris.csv"))
	require.NoFileExists(t, filepath.Join(dir, "data/empty"))

	require.NoError(t, os.Remove(filepath.Join(dir, "data/iris.csv")))
	write(t, dir, remoteObject(irisMD5), "damaged")
	_, err = r.Restore(t.Context(), "data/iris.csv")
	requireCode(t, perennial.CodeInternal, err, irisMD5, "data/iris.csv")
	_, err = r.Restore(t.Context(), "../x")
	requireCode(t, perennial.CodeInvalid, err)
	write(t, dir, "data/iris.csv.dvc", "broken: [")
	_, err = r.Restore(t.Context(), "data/iris.csv")
	requireCode(t, perennial.CodeInvalid, err, "data/iris.csv.dvc")
}

func TestReadGivesWhatIsThere(t *testing.T) {
	t.Parallel()
	r, dir := setup(t)
	b, err := r.Read(t.Context(), "data/iris.csv")
	require.NoError(t, err)
	require.Equal(t, "a,b\n1,2\n", string(b))
	require.NoFileExists(t, filepath.Join(dir, "data/iris.csv"))
	write(t, dir, "data/iris.csv", "mine")
	b, err = r.Read(t.Context(), "data/iris.csv")
	require.NoError(t, err)
	require.Equal(t, "mine", string(b))
	_, err = r.Read(t.Context(), "data/none.csv")
	requireCode(t, perennial.CodeNotFound, err, "data/none.csv")
	_, err = r.Read(t.Context(), "../x")
	requireCode(t, perennial.CodeInvalid, err)
	_, err = r.Read(t.Context(), "data")
	requireCode(t, perennial.CodeUnavailable, err)
}

func TestLostObjectsAreNamed(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		spoil func(t *testing.T, dir string)
		code  perennial.Code
		says  []string
	}{
		"missing everywhere": {func(t *testing.T, dir string) {
			require.NoError(t, os.Remove(filepath.Join(dir, remoteObject(irisMD5))))
		}, perennial.CodeNotFound, []string{"missing from the cache", "missing from the remote", "Run perennial data push on a machine that has it"}},
		"corrupt in the remote": {func(t *testing.T, dir string) {
			write(t, dir, remoteObject(irisMD5), "a,b\n1,9\n")
		}, perennial.CodeInternal, []string{"corrupt in the remote", "at " + remoteObject(irisMD5), "Delete it in the remote first"}},
		"cut in the remote": {func(t *testing.T, dir string) {
			write(t, dir, remoteObject(irisMD5), "")
		}, perennial.CodeInternal, []string{"corrupt in the remote", "at " + remoteObject(irisMD5), "Delete it in the remote first"}},
		"corrupt in the cache, missing from the remote": {func(t *testing.T, dir string) {
			require.NoError(t, os.Remove(filepath.Join(dir, remoteObject(irisMD5))))
			write(t, dir, cacheObject(irisMD5), "x")
		}, perennial.CodeInternal, []string{"corrupt in the cache"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, dir := setup(t)
			c.spoil(t, dir)
			pulled, err := r.Pull(t.Context())
			requireCode(t, c.code, err, append(c.says, "md5:"+irisMD5, "data/iris.csv", `"local" (data/remote)`, "git checkout -- data/remote")...)
			require.Len(t, pulled, 4)
			require.NoFileExists(t, filepath.Join(dir, "data/iris.csv"))
			_, err = r.Open(t.Context(), irisMD5, "")
			requireCode(t, c.code, err, "md5:"+irisMD5)
		})
	}
}

func TestAnObjectThatGitLFSHolds(t *testing.T) {
	t.Parallel()
	r, dir := setup(t)
	write(t, dir, remoteObject(irisMD5), "version https://git-lfs.github.com/spec/v1\noid sha256:1c7b\nsize 8\n")
	_, err := r.Pull(t.Context(), "data/iris.csv")
	requireCode(t, perennial.CodeInternal, err, "git lfs pull")
}

func TestSeveralLostObjectsComeTogether(t *testing.T) {
	t.Parallel()
	r, dir := setup(t)
	require.NoError(t, os.Remove(filepath.Join(dir, remoteObject(irisMD5))))
	write(t, dir, remoteObject("d41d8cd98f00b204e9800998ecf8427e"), "not empty")
	_, err := r.Pull(t.Context())
	_, _, fields := perennial.Explain(err)
	require.Len(t, fields, 2)
	requireCode(t, perennial.CodeInternal, err, "2 files", irisMD5, "d41d8cd98f00b204e9800998ecf8427e", "Delete it in the remote first", "\nRun perennial data push")
}

func TestPullMendsACorruptCache(t *testing.T) {
	t.Parallel()
	r, dir := setup(t)
	write(t, dir, cacheObject(irisMD5), "x")
	b, err := r.Open(t.Context(), irisMD5, "")
	require.NoError(t, err)
	require.Equal(t, "a,b\n1,2\n", string(b))
	_, err = r.Pull(t.Context(), "data/iris.csv")
	require.NoError(t, err)
	require.Equal(t, "a,b\n1,2\n", read(t, dir, "data/iris.csv"))
	require.Equal(t, "a,b\n1,2\n", read(t, dir, cacheObject(irisMD5)))
}

func TestPullWhereNothingCanBeWritten(t *testing.T) {
	t.Parallel()
	r, dir := setup(t)
	write(t, dir, "data/sub.dvc", "wdir: sub\nouts:\n- md5: "+irisMD5+"\n  size: 8\n  hash: md5\n  path: x.csv\n")
	write(t, dir, "data/sub", "a file where a directory should be")
	_, err := r.Pull(t.Context())
	requireCode(t, perennial.CodeUnavailable, err, "data/sub")
}

func TestPullsAtTheSameTimeAgree(t *testing.T) {
	t.Parallel()
	_, dir := setup(t)
	var g errgroup.Group
	for range 8 {
		g.Go(func() error {
			r, err := dvc.Open(dir)
			if err == nil {
				_, err = r.Pull(t.Context())
			}
			return err
		})
	}
	require.NoError(t, g.Wait())
	for path, s := range states(t, open(t, dir)) {
		require.Equal(t, dvc.StateUpToDate, s, path)
	}
}

// A directory's files are made outside of it, so that a kill leaves nothing in the
// data.
func TestPullMakesFilesOutsideOfTheData(t *testing.T) {
	t.Parallel()
	r, dir := emptyRepo(t)
	write(t, dir, "d/x", "abc")
	_, err := r.Add(t.Context(), "d")
	require.NoError(t, err)
	for _, gone := range []string{"d", ".dvc/tmp/perennial"} {
		require.NoError(t, os.RemoveAll(filepath.Join(dir, gone)))
	}
	write(t, dir, ".dvc/tmp/perennial", "a file in the way")
	_, err = open(t, dir).Pull(t.Context(), "d")
	requireCode(t, perennial.CodeUnavailable, err, "can't write to "+filepath.Join(dir, ".dvc/tmp/perennial"))
	require.NoError(t, os.Remove(filepath.Join(dir, ".dvc/tmp/perennial")))
	_, err = open(t, dir).Pull(t.Context(), "d")
	require.NoError(t, err)
	require.Equal(t, "abc", read(t, dir, "d/x"))
}
