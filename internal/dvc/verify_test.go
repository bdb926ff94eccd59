package dvc_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/dvc"
)

func TestVerifyNamesAndRepairs(t *testing.T) {
	t.Parallel()
	r, dir := setup(t)
	_, err := r.Pull(t.Context())
	require.NoError(t, err)
	v, err := r.Verify(t.Context(), true)
	require.NoError(t, err)
	require.Equal(t, 5, v.Objects)
	require.Empty(t, v.Bad)

	const shell = "a8ff438757054bf3126d50933de3883a"
	write(t, dir, "lost", "abc")
	lost, err := r.Add(t.Context(), "lost")
	require.NoError(t, err)
	for _, oid := range []string{irisMD5, shell, lost.MD5} {
		write(t, dir, cacheObject(oid), "damaged")
	}
	require.NoError(t, os.Remove(filepath.Join(dir, "data/iris.csv")))
	require.NoError(t, os.Remove(filepath.Join(dir, "lost")))

	v, err = r.Verify(t.Context(), false)
	require.NoError(t, err)
	require.Len(t, v.Bad, 3)
	require.Equal(t, "damaged", read(t, dir, cacheObject(irisMD5)), "nothing changes")

	v, err = r.Verify(t.Context(), true)
	require.NoError(t, err)
	require.Equal(t, []string{lost.MD5, shell, irisMD5}, []string{v.Bad[0].OID, v.Bad[1].OID, v.Bad[2].OID})
	require.Equal(t, "work tree", v.Bad[1].Repaired)
	require.Equal(t, `remote "local" (data/remote)`, v.Bad[2].Repaired)
	require.Equal(t, []string{"data/iris.csv"}, v.Bad[2].Paths)
	require.Equal(t, "a,b\n1,2\n", read(t, dir, cacheObject(irisMD5)))
	requireCode(t, perennial.CodeInternal, v.Bad[0].Fault, "corrupt in the cache and missing from the remote")
	require.Equal(t, "damaged", read(t, dir, v.Bad[0].Aside))
	require.NoFileExists(t, filepath.Join(dir, cacheObject(lost.MD5)))
	v, err = r.Verify(t.Context(), true)
	require.NoError(t, err)
	require.Len(t, v.Bad, 1)
	require.True(t, v.Bad[0].Missing, "its pointer names it still")
}

// What pointers and dvc.lock need, and nobody has, is named; what only the remote
// has isn't, and nor is what stays out of remotes.
func TestVerifyNamesWhatNobodyHas(t *testing.T) {
	t.Parallel()
	r, dir := setup(t)
	verify := func(repair bool) []dvc.BadObject {
		t.Helper()
		v, err := r.Verify(t.Context(), repair)
		require.NoError(t, err)
		for _, b := range v.Bad {
			require.True(t, b.Missing)
		}
		return v.Bad
	}
	require.Empty(t, verify(true), "a clone: the remote has it all")

	write(t, dir, "imgs/a", "abc")
	write(t, dir, "model", "m")
	p, err := r.Add(t.Context(), "imgs")
	require.NoError(t, err)
	model, err := r.Track(t.Context(), "model", true)
	require.NoError(t, err)
	write(t, dir, "dvc.yaml", "stages: {s: {cmd: x, outs: [model]}}\n")
	require.NoError(t, r.WriteLock(dvc.Stage{Name: "s", Cmd: "x", Outs: []dvc.Entry{model}}))
	_, err = r.Push(t.Context(), "imgs")
	require.NoError(t, err)
	for _, gone := range []string{".dvc/cache", remoteObject(abcMD5), remoteObject(irisMD5)} {
		require.NoError(t, os.RemoveAll(filepath.Join(dir, gone)))
	}
	paths := map[string][]string{}
	for _, b := range verify(false) {
		paths[b.OID] = b.Paths
		require.NoError(t, b.Fault)
	}
	require.Equal(t, map[string][]string{abcMD5: {"imgs/a"}, irisMD5: {"data/iris.csv"}, model.MD5: {"model"}}, paths, "the manifest is in the remote")
	for _, b := range verify(true) {
		if b.OID == irisMD5 {
			requireCode(t, perennial.CodeNotFound, b.Fault, "Run perennial data push on a machine that has it")
		} else {
			require.Equal(t, "work tree", b.Repaired)
		}
	}
	left := verify(false)
	require.Len(t, left, 1)
	require.Equal(t, irisMD5, left[0].OID)
	write(t, dir, "data/iris.csv.dvc", read(t, dir, "data/iris.csv.dvc")+"  push: false\n")
	require.Empty(t, verify(false))
	write(t, dir, "data/z.csv.dvc", "outs:\n- md5: "+irisMD5+"\n  size: 8\n  hash: md5\n  path: z.csv\n")
	require.Len(t, verify(false), 1, "another pointer needs it in the remote")
	require.NoFileExists(t, filepath.Join(dir, cacheObject(p.MD5)), "verify brings nothing that isn't needed to repair")
}

func TestVerifyWithoutItsRemote(t *testing.T) {
	t.Parallel()
	for config, says := range map[string]string{"": "", "[core]\n    remote = r\n['remote \"r\"']\n    url = gs://b/x\n": "no support for gs"} {
		dir := t.TempDir()
		write(t, dir, ".dvc/config", config)
		write(t, dir, "x", "abc")
		write(t, dir, "y", "y")
		_, err := open(t, dir).AddAll(t.Context(), "x", "y")
		require.NoError(t, err)
		require.NoError(t, os.Remove(filepath.Join(dir, cacheObject(abcMD5))))
		v, err := open(t, dir).Verify(t.Context(), false)
		require.Equal(t, 1, v.Objects)
		if says != "" {
			requireCode(t, perennial.CodePrecondition, err, says)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, abcMD5, v.Bad[0].OID, "without a remote nobody else can have it")
	}
}

func TestVerifyRebuildsADirectory(t *testing.T) {
	t.Parallel()
	r, dir := emptyRepo(t)
	write(t, dir, "d/x", "abc")
	write(t, dir, "d/y", "abcd")
	p, err := r.Add(t.Context(), "d")
	require.NoError(t, err)
	want := read(t, dir, cacheObject(p.MD5))
	write(t, dir, cacheObject(p.MD5), "[]")
	require.Equal(t, map[string]dvc.State{"d": dvc.StateNotInCache}, states(t, r))
	v, err := r.Verify(t.Context(), true)
	require.NoError(t, err)
	require.Equal(t, "work tree", v.Bad[0].Repaired)
	require.Equal(t, want, read(t, dir, cacheObject(p.MD5)))
}

func git(t *testing.T, dir string, args ...string) {
	t.Helper()
	c := exec.CommandContext(t.Context(), "git", append([]string{"-C", dir, "-c", "user.name=a", "-c", "user.email=a@example.com"}, args...)...)
	out, err := c.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

func TestDiffAgainstARevision(t *testing.T) {
	t.Parallel()
	r, dir := emptyRepo(t)
	_, err := r.Diff(t.Context(), "HEAD")
	requireCode(t, perennial.CodePrecondition, err, "no git repository")
	git(t, dir, "init", "-q")
	_, err = r.Diff(t.Context(), "HEAD")
	requireCode(t, perennial.CodeNotFound, err, "HEAD")
	for name, text := range map[string]string{"data/same": "same", "data/mod": "one", "data/gone": "gone", "data/old": "moved", "d/a": "a", "d/b": "b"} {
		write(t, dir, name, text)
	}
	_, err = r.AddAll(t.Context(), "data/same", "data/mod", "data/gone", "data/old", "d")
	require.NoError(t, err)
	git(t, dir, "add", ".")
	git(t, dir, "commit", "-qm", "one")
	changes, err := r.Diff(t.Context(), "HEAD")
	require.NoError(t, err)
	require.Empty(t, changes)

	write(t, dir, "data/mod", "two")
	write(t, dir, "data/new", "moved")
	write(t, dir, "d/a", "a2")
	write(t, dir, "d/c", "c")
	for _, name := range []string{"data/gone", "data/gone.dvc", "data/old", "data/old.dvc", "d/b"} {
		require.NoError(t, os.Remove(filepath.Join(dir, name)))
	}
	_, err = r.Add(t.Context(), "data/new")
	require.NoError(t, err)
	changes, err = r.Diff(t.Context(), "HEAD")
	require.NoError(t, err)
	came := map[string]dvc.ChangeKind{}
	for _, c := range changes {
		came[c.Path] = c.Kind
	}
	require.Equal(t, map[string]dvc.ChangeKind{
		"data/mod": dvc.ChangeModified, "data/gone": dvc.ChangeDeleted, "data/new": dvc.ChangeRenamed,
		"d/a": dvc.ChangeModified, "d/b": dvc.ChangeDeleted, "d/c": dvc.ChangeAdded,
	}, came)

	require.NoError(t, os.RemoveAll(filepath.Join(dir, ".dvc/cache"))) // the directory's earlier files are unknown now
	changes, err = r.Diff(t.Context(), "HEAD")
	require.NoError(t, err)
	came = map[string]dvc.ChangeKind{}
	for _, c := range changes {
		came[c.Path] = c.Kind
	}
	require.Equal(t, dvc.ChangeModified, came["d/"])
	require.NotContains(t, came, "d/c")
}

func FuzzEditPointer(f *testing.F) {
	f.Add("outs:\n- md5: " + irisMD5 + " # x\n  size: 8\n  hash: md5\n  path: x\n  desc: mine\nmeta:\n  b: 1\n")
	f.Add("outs:\n- path: x\n  cache: true")
	f.Add("desc: |\n  a\nouts:\n  - {md5: " + irisMD5 + ", hash: md5, path: x}\n")
	p := dvc.Pointer{Path: "x", MD5: "900150983cd24fb0d6963f7d28e17f72", Size: 3, Executable: true}
	f.Fuzz(func(t *testing.T, text string) {
		b, err := dvc.EditPointer("x.dvc", []byte(text), p)
		if err != nil {
			return
		}
		again, err := dvc.EditPointer("x.dvc", b, p)
		require.NoError(t, err)
		require.Equal(t, string(b), string(again))
	})
}
