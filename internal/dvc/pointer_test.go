package dvc_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/dvc"
)

func TestPointers(t *testing.T) {
	t.Parallel()
	r, dir := setup(t)
	write(t, dir, "data/remote/odd.dvc", "not looked at")
	write(t, dir, ".perennial/odd.dvc", "not looked at")
	ps, err := r.Pointers(t.Context())
	require.NoError(t, err)
	require.Equal(t, []dvc.Pointer{
		{Path: "data/- a: b", MD5: "415290769594460e2e485922904f345d", Size: 1},
		{Path: "data/empty", MD5: "d41d8cd98f00b204e9800998ecf8427e"},
		{Path: "data/iris.csv", MD5: irisMD5, Size: 8},
		{Path: "data/run.sh", MD5: "a8ff438757054bf3126d50933de3883a", Size: 28, Executable: true},
		{Path: "data/we#i[r]d! na*me.bin", MD5: "9dd4e461268c8034f5c8564e155c67a6", Size: 1},
	}, ps)
	p, err := r.Pointer(t.Context(), "data/iris.csv")
	require.NoError(t, err)
	require.Equal(t, ps[2], p)
	_, err = r.Pointer(t.Context(), "data/none.csv")
	requireCode(t, perennial.CodeNotFound, err, "there is no data at data/none.csv", "perennial data status")
	write(t, dir, "data/plain.csv", "a")
	_, err = r.Pointer(t.Context(), "data/plain.csv")
	requireCode(t, perennial.CodeNotFound, err, "perennial data add data/plain.csv")
	write(t, dir, "data/imgs/a", "a")
	write(t, dir, "data/imgs.dvc", "outs:\n- md5: "+emptyDir+"\n  size: 0\n  nfiles: 0\n  hash: md5\n  path: imgs\n")
	_, err = r.Pointer(t.Context(), "data/imgs/a")
	requireCode(t, perennial.CodeNotFound, err, "lies in data/imgs", "Name data/imgs.")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = r.Pointers(ctx)
	requireCode(t, perennial.CodeDeadline, err)
}

func TestPointerKeysThatOnlyDVCUses(t *testing.T) {
	t.Parallel()
	r, dir := setup(t)
	write(t, dir, "imports/x.dvc", "desc: from elsewhere\nfrozen: true\ndeps:\n- path: ../y\nwdir: ../data\nouts:\n- md5: "+irisMD5+
		"\n  size: 8\n  hash: md5\n  path: sub/x.csv\n  desc: text\n  labels: [a]\n  push: false\n")
	ps, err := r.Pointers(t.Context())
	require.NoError(t, err)
	require.Contains(t, ps, dvc.Pointer{Path: "data/sub/x.csv", MD5: irisMD5, Size: 8, NoPush: true})
}

func TestBadPointersAreRefused(t *testing.T) {
	t.Parallel()
	out := func(path string) string {
		return "outs:\n- md5: " + irisMD5 + "\n  size: 8\n  hash: md5\n  path: " + path + "\n"
	}
	cases := map[string]struct{ text, says string }{
		"out of the project":   {out("../../evil.csv"), "not a file of the project"},
		"by wdir":              {"wdir: ../..\n" + out("evil.csv"), "not a file of the project"},
		"absolute":             {out("/etc/cron.d/evil"), "not a file of the project"},
		"into .git":            {out("../.git/hooks/post-checkout"), "not a file of the project"},
		"into .GIT":            {out("../.GIT/config"), "not a file of the project"},
		"into .dvc":            {out("../.dvc/config"), "not a file of the project"},
		"the project itself":   {out("../"), "not a file of the project"},
		"through a link":       {out("link/evil.csv"), "not a file of the project"},
		"no outputs":           {"outs: []\n", "names no file"},
		"empty":                {"", "names no file"},
		"merge conflict":       {"<<<<<<< HEAD\nouts:\n=======\n", "no pointer file"},
		"no YAML":              {"\t{", "no pointer file"},
		"no path":              {"outs:\n- md5: " + irisMD5 + "\n  hash: md5\n", "no path"},
		"hash of another kind": {"outs:\n- md5: ../../../x\n  hash: md5\n  path: x\n", "is no md5"},
		"short hash":           {"outs:\n- md5: e5eb\n  hash: md5\n  path: x\n", "is no md5"},
		"DVC 2":                {"outs:\n- md5: " + irisMD5 + "\n  path: x\n", "dvc cache migrate"},
		"a negative size":      {"outs:\n- md5: " + irisMD5 + "\n  size: -1\n  hash: md5\n  path: x\n", "negative"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, dir := setup(t)
			elsewhere := t.TempDir()
			require.NoError(t, os.Symlink(elsewhere, filepath.Join(dir, "data", "link")))
			write(t, dir, "data/bad.dvc", c.text)
			_, err := r.Pull(t.Context())
			requireCode(t, perennial.CodeInvalid, err, "data/bad.dvc", c.says)
			for _, d := range []string{elsewhere, filepath.Dir(dir)} {
				require.NoFileExists(t, filepath.Join(d, "evil.csv"))
			}
			_, err = r.Status(t.Context())
			requireCode(t, perennial.CodeInvalid, err)
		})
	}
}

func TestAddWritesWhatDVCWrites(t *testing.T) {
	t.Parallel()
	ref := readReference(t).Project
	dir := t.TempDir()
	write(t, dir, ".dvc/config", "")
	r := open(t, dir)
	for _, name := range []string{"iris.csv", "empty", "we#i[r]d! na*me.bin", "- a: b", "run.sh"} {
		write(t, dir, "data/"+name, ref.Data[name])
	}
	require.NoError(t, os.Chmod(filepath.Join(dir, "data/run.sh"), 0o700)) //nolint:gosec // an executable data file
	for _, name := range []string{"iris.csv", "empty", "we#i[r]d! na*me.bin", "- a: b", "run.sh", "iris.csv"} {
		_, err := r.Add(t.Context(), "data/"+name)
		require.NoError(t, err)
		require.Equal(t, ref.Files["data/"+name+".dvc"], read(t, dir, "data/"+name+".dvc"))
	}
	require.Equal(t, ref.Files["data/.gitignore"], read(t, dir, "data/.gitignore"))
	info, err := os.Stat(filepath.Join(dir, cacheObject(irisMD5)))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o444), info.Mode())

	write(t, dir, "data/iris.csv", "a,b\n3,4\n")
	p, err := r.Add(t.Context(), "data/iris.csv")
	require.NoError(t, err)
	require.NotEqual(t, irisMD5, p.MD5)
	again, err := r.Pointer(t.Context(), "data/iris.csv")
	require.NoError(t, err)
	require.Equal(t, p, again)
}

func TestAddRefuses(t *testing.T) {
	t.Parallel()
	r, dir := setup(t)
	write(t, dir, "data/iris.csv", "x")
	const legacy = "outs:\n- md5: " + irisMD5 + "\n  size: 8\n  path: iris.csv\n"
	write(t, dir, "data/iris.csv.dvc", legacy)
	_, err := r.Add(t.Context(), "data/iris.csv")
	requireCode(t, perennial.CodeInvalid, err, "data/iris.csv.dvc", "dvc cache migrate")
	require.Equal(t, legacy, read(t, dir, "data/iris.csv.dvc"))
	const flow = "outs: [{md5: " + irisMD5 + ", size: 8, hash: md5, path: iris.csv}]\n"
	write(t, dir, "data/iris.csv.dvc", flow)
	_, err = r.Add(t.Context(), "data/iris.csv")
	requireCode(t, perennial.CodeConflict, err, "dvc add data/iris.csv")
	require.Equal(t, flow, read(t, dir, "data/iris.csv.dvc"))

	write(t, dir, "data/iris.csv.dvc", "<<<<<<< HEAD\n")
	_, err = r.Add(t.Context(), "data/iris.csv")
	require.NoError(t, err)

	for path, code := range map[string]perennial.Code{"data/none": perennial.CodeNotFound, "data": perennial.CodeConflict, "data/iris.csv.dvc": perennial.CodeInvalid, "../x": perennial.CodeInvalid, ".dvc/config": perennial.CodeInvalid, "": perennial.CodeInvalid} {
		_, err := r.Add(t.Context(), path)
		requireCode(t, code, err)
	}
	write(t, dir, "data/a\nb", "x")
	_, err = r.Add(t.Context(), "data/a\nb")
	requireCode(t, perennial.CodeInvalid, err, "control characters")
}

func FuzzPointer(f *testing.F) {
	f.Add("outs:\n- md5: " + irisMD5 + "\n  size: 8\n  hash: md5\n  path: x\n")
	f.Add("wdir: ../..\nouts:\n- {md5: " + irisMD5 + ", hash: md5, path: ../x}\n")
	dir := f.TempDir()
	write(f, dir, ".dvc/config", "")
	r, err := dvc.Open(dir)
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, text string) {
		write(t, dir, "x.dvc", text)
		ps, err := r.Pointers(t.Context())
		if err != nil {
			require.Equal(t, perennial.CodeInvalid, perennial.CodeOf(err))
			return
		}
		for _, p := range ps {
			require.True(t, filepath.IsLocal(p.Path))
			require.Regexp(t, `^([0-9a-f]{32}(\.dir)?)?$`, p.MD5)
		}
	})
}
