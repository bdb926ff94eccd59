package dvc_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/dvc"
)

func TestAddTakesADirectory(t *testing.T) {
	t.Parallel()
	r, dir := emptyRepo(t)
	write(t, dir, "data/imgs/1.txt", "a")
	write(t, dir, "data/imgs/sub/é😀.txt", "a")
	write(t, dir, "data/imgs/\xff", "")
	write(t, dir, "data/imgs/note.tmp", "left out")
	write(t, dir, ".dvcignore", "*.tmp\n")
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "data/imgs/empty"), 0o700))
	p, err := r.Add(t.Context(), "data/imgs/")
	require.NoError(t, err)
	const a, none = "0cc175b9c0f1b6a831c399e269772661", "d41d8cd98f00b204e9800998ecf8427e"
	require.Equal(t, dvc.Pointer{Path: "data/imgs", MD5: p.MD5, Size: 2, Files: 3}, p)
	require.Equal(t, "outs:\n- md5: "+p.MD5+"\n  size: 2\n  nfiles: 3\n  hash: md5\n  path: imgs\n", read(t, dir, "data/imgs.dvc"))
	require.Equal(t, "/imgs\n", read(t, dir, "data/.gitignore"))
	manifest := read(t, dir, cacheObject(p.MD5))
	for i, name := range []string{`1.txt`, `sub/\u00e9\ud83d\ude00.txt`, `\udcff`} {
		md5 := a
		if i == 2 {
			md5 = none
		}
		require.Contains(t, manifest, `{"md5": "`+md5+`", "relpath": "`+name+`"}`)
	}
	require.FileExists(t, filepath.Join(dir, cacheObject(a)))
	require.Equal(t, map[string]dvc.State{"data/imgs": dvc.StateUpToDate}, states(t, r))

	write(t, dir, "data/imgs/2.txt", "b")
	require.Equal(t, map[string]dvc.State{"data/imgs": dvc.StateModified}, states(t, r))
	require.NoError(t, os.Remove(filepath.Join(dir, "data/imgs/2.txt")))
	require.NoError(t, os.Remove(filepath.Join(dir, cacheObject(a))))
	require.Equal(t, map[string]dvc.State{"data/imgs": dvc.StateNotInCache}, states(t, r))
	_, err = r.Add(t.Context(), "data/imgs")
	require.NoError(t, err)
	require.Equal(t, map[string]dvc.State{"data/imgs": dvc.StateUpToDate}, states(t, r))
}

func TestAddRefusesWhatOverlaps(t *testing.T) {
	t.Parallel()
	r, dir := emptyRepo(t)
	write(t, dir, "data/imgs/1.txt", "a")
	write(t, dir, "data/x.csv", "a")
	write(t, dir, "model", "m")
	_, err := r.AddAll(t.Context(), "data/imgs", "data/imgs/1.txt")
	requireCode(t, perennial.CodeConflict, err, "data/imgs and data/imgs/1.txt, which lies in it", "Name data/imgs alone")
	_, err = r.AddAll(t.Context(), "data/imgs", "data/x.csv", "data/imgs")
	require.NoError(t, err)
	_, err = r.Add(t.Context(), "data")
	requireCode(t, perennial.CodeConflict, err, "data can't be versioned as a whole: data/imgs in it", "Delete data/imgs.dvc first")
	_, err = r.Add(t.Context(), "data/imgs/1.txt")
	requireCode(t, perennial.CodeConflict, err, "lies in data/imgs, which data/imgs.dvc versions as a whole", "perennial data add data/imgs takes in", "dvc add data/imgs/1.txt")
	require.NoFileExists(t, filepath.Join(dir, "data/imgs/1.txt.dvc"))

	write(t, dir, "dvc.yaml", "stages:\n  train:\n    cmd: x\n    outs: [model, out/a]\n") // before it ran: there is no dvc.lock
	_, err = r.Add(t.Context(), "model")
	requireCode(t, perennial.CodeConflict, err, "stage train", "dvc repro train")
	write(t, dir, "out/a/b", "b")
	_, err = r.Add(t.Context(), "out/a/b")
	requireCode(t, perennial.CodeConflict, err, "out/a/b lies in out/a, which the stage train of dvc.yaml makes", "dvc repro train")
	_, err = r.Add(t.Context(), "out")
	requireCode(t, perennial.CodeConflict, err, "the stage train of dvc.yaml makes out/a in it")
}

// Where both hold, the advice is what helps: git keeps .gitignore, and must.
func TestAddNamesOverlapsBeforeWhatGitKeeps(t *testing.T) {
	t.Parallel()
	r, dir := emptyRepo(t)
	write(t, dir, "data/x", "x")
	git(t, dir, "init", "-q")
	_, err := r.Add(t.Context(), "data/x")
	require.NoError(t, err)
	git(t, dir, "add", ".")
	_, err = r.Add(t.Context(), "data")
	requireCode(t, perennial.CodeConflict, err, "data/x in it is versioned by itself")
}

func TestAddRefusesOddEntries(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		spoil func(t *testing.T, dir string)
		says  string
	}{
		"a .dvcignore inside": {func(t *testing.T, dir string) { write(t, dir, "data/d/.dvcignore", "x") }, "data/d/.dvcignore"},
		"a link to nowhere": {func(t *testing.T, dir string) {
			require.NoError(t, os.Symlink("nowhere", filepath.Join(dir, "data/d/l")))
		}, "data/d/l"},
		"ignored by .dvcignore": {func(t *testing.T, dir string) { write(t, dir, ".dvcignore", "d/\n") }, ".dvcignore"},
		"a link to a directory": {func(t *testing.T, dir string) {
			require.NoError(t, os.Rename(filepath.Join(dir, "data/d"), filepath.Join(dir, "real")))
			require.NoError(t, os.Symlink("../real", filepath.Join(dir, "data/d")))
		}, "a link to a directory"},
		"git ignores the pointer": {func(t *testing.T, dir string) { write(t, dir, ".gitignore", "*.dvc\n") }, "data/d.dvc"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, dir := emptyRepo(t)
			write(t, dir, "data/d/x", "a")
			c.spoil(t, dir)
			_, err := r.Add(t.Context(), "data/d")
			requireCode(t, perennial.CodeInvalid, err, c.says)
			require.NoFileExists(t, filepath.Join(dir, "data/d.dvc"))
		})
	}
}

func TestAddRefusesWhatGitKeeps(t *testing.T) {
	t.Parallel()
	r, dir := emptyRepo(t)
	write(t, dir, "data/x.csv", "a")
	for _, args := range [][]string{{"init", "-q"}, {"add", "data/x.csv"}} {
		require.NoError(t, exec.CommandContext(t.Context(), "git", append([]string{"-C", dir}, args...)...).Run())
	}
	_, err := r.Add(t.Context(), "data/x.csv")
	requireCode(t, perennial.CodeConflict, err, "git keeps data/x.csv", "git rm -r --cached")
	require.NoFileExists(t, filepath.Join(dir, "data/.gitignore"))
}

// What dvc 3.67 made of these files when it added the changed data; its own order
// of keys among them.
func TestAddKeepsWhatStandsInThePointer(t *testing.T) {
	t.Parallel()
	const now = "900150983cd24fb0d6963f7d28e17f72"
	cases := map[string]struct{ before, after string }{
		"keys of people": {
			"# about\ndesc: top\nfrozen: true\ndeps:\n- path: y\nouts:\n- md5: " + irisMD5 + " # x\n  size: 8\n  hash: md5\n  path: x\n  desc: mine\n  meta:\n    a: [1]\n  remote: r\n  push: false\nmeta:\n  b: 1\n",
			"# about\ndesc: top\nfrozen: true\ndeps:\n- path: y\nouts:\n- md5: " + now + " # x\n  size: 3\n  hash: md5\n  path: x\n  desc: mine\n  meta:\n    a: [1]\n  remote: r\n  push: false\n  isexec: true\nmeta:\n  b: 1\n",
		},
		"of a directory": {
			"outs:\n- md5: " + irisMD5 + ".dir\n  size: 8\n  nfiles: 2\n  hash: md5\n  path: x\n",
			"outs:\n- md5: " + now + "\n  size: 3\n  hash: md5\n  path: x\n  isexec: true\n",
		},
		"without content": {"outs:\n- path: x\n  cache: true", "outs:\n- path: x\n  cache: true\n  md5: " + now + "\n  size: 3\n  isexec: true\n  hash: md5\n"},
		"two outputs": {
			"outs:\n- md5: '" + irisMD5 + "'\n  size: 8\n  isexec: true\n  hash: md5\n  path: x\n- md5: " + irisMD5 + "\n  hash: md5\n  path: z\n",
			"outs:\n- md5: " + now + "\n  size: 3\n  isexec: true\n  hash: md5\n  path: x\n- md5: " + irisMD5 + "\n  hash: md5\n  path: z\n",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, dir := emptyRepo(t)
			write(t, dir, "x", "abc")
			require.NoError(t, os.Chmod(filepath.Join(dir, "x"), 0o700)) //nolint:gosec // an executable data file
			write(t, dir, "x.dvc", c.before)
			_, err := r.Add(t.Context(), "x")
			require.NoError(t, err)
			require.Equal(t, c.after, read(t, dir, "x.dvc"))
		})
	}
}

func TestAddFindsThePointerElsewhere(t *testing.T) {
	t.Parallel()
	r, dir := emptyRepo(t)
	write(t, dir, "data/x", "abc")
	write(t, dir, "all.dvc", "outs:\n- md5: "+irisMD5+"\n  size: 8\n  hash: md5\n  path: data/x\n")
	_, err := r.Add(t.Context(), "data/x")
	require.NoError(t, err)
	require.Contains(t, read(t, dir, "all.dvc"), "900150983cd24fb0d6963f7d28e17f72")
	require.NoFileExists(t, filepath.Join(dir, "data/x.dvc"))
}

func TestIgnoreLines(t *testing.T) {
	t.Parallel()
	cases := map[string]struct{ before, root, after string }{
		"none yet":           {"", "", "/x.csv\n"},
		"appended":           {"a\n", "", "a\n/x.csv\n"},
		"no end of the line": {"a", "", "a\n/x.csv\n"},
		"there":              {"/x.csv\nb\n", "", "/x.csv\nb\n"},
		"by a pattern":       {"*.csv\n", "", "*.csv\n"},
		"from above":         {"", "data/*\n!data/*.dvc\n", ""},
		"but for it":         {"*.csv\n!x.csv\n", "", "*.csv\n!x.csv\n/x.csv\n"},
		"Windows":            {"a\r\n/x.csv\r\n", "", "a\r\n/x.csv\r\n"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, dir := emptyRepo(t)
			write(t, dir, "data/x.csv", "a")
			for file, text := range map[string]string{"data/.gitignore": c.before, ".gitignore": c.root} {
				if text != "" {
					write(t, dir, file, text)
				}
			}
			_, err := r.Add(t.Context(), "data/x.csv")
			require.NoError(t, err)
			if c.after == "" {
				require.NoFileExists(t, filepath.Join(dir, "data/.gitignore"))
			} else {
				require.Equal(t, c.after, read(t, dir, "data/.gitignore"))
			}
		})
	}
}

func TestAddLinksWhereTheCacheSaysSo(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"hardlink", "symlink", "reflink,hardlink"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			write(t, dir, ".dvc/config", "")
			write(t, dir, ".dvc/config", "[cache]\n    type = "+kind+",copy\n")
			write(t, dir, "x", "abc")
			write(t, dir, "d/y", "abcd")
			for range 2 {
				_, err := open(t, dir).AddAll(t.Context(), "x", "d")
				require.NoError(t, err)
			}
			for file, oid := range map[string]string{"x": "900150983cd24fb0d6963f7d28e17f72", "d/y": "e2fc714c4727ee9395f324cd2e7f331f"} {
				a, err := os.Stat(filepath.Join(dir, file))
				require.NoError(t, err)
				b, err := os.Stat(filepath.Join(dir, cacheObject(oid)))
				require.NoError(t, err)
				cloned := strings.HasPrefix(kind, "reflink") && dvc.Cloneable(filepath.Join(dir, cacheObject(oid)), dir)
				require.Equal(t, !cloned, os.SameFile(a, b), file)
			}
			require.Equal(t, map[string]dvc.State{"x": dvc.StateUpToDate, "d": dvc.StateUpToDate}, states(t, open(t, dir)))
		})
	}
}

func TestAddTakesLargeFiles(t *testing.T) {
	t.Parallel()
	r, dir := emptyRepo(t)
	text := strings.Repeat("0123456789abcdef", 1<<17) // eight blocks
	for name, size := range map[string]int{"a": len(text), "b": len(text) - 1, "c": 256 << 10, "d": 256<<10 + 1, "e": 256<<10 - 1} {
		write(t, dir, name, text[:size])
		p, err := r.Add(t.Context(), name)
		require.NoError(t, err)
		sum, n, err := dvc.HashFile(filepath.Join(dir, name))
		require.NoError(t, err)
		require.Equal(t, dvc.Pointer{Path: name, MD5: sum, Size: n}, p)
		require.Equal(t, text[:size], read(t, dir, cacheObject(sum)))
	}
}

func TestADamagedObjectIsNotUsed(t *testing.T) {
	t.Parallel()
	r, dir := emptyRepo(t)
	write(t, dir, "x", "abc")
	p, err := r.Add(t.Context(), "x")
	require.NoError(t, err)
	write(t, dir, cacheObject(p.MD5), "abd")
	_, err = r.Add(t.Context(), "x")
	require.NoError(t, err)
	require.Equal(t, "abc", read(t, dir, cacheObject(p.MD5)))
	left, err := filepath.Glob(filepath.Join(dir, ".dvc/cache/.perennial-*"))
	require.NoError(t, err)
	require.Empty(t, left)
}

// What a killed process left in the cache goes away with the next call of any kind.
func TestLeftoversAreRemoved(t *testing.T) {
	t.Parallel()
	cases := map[string]func(*dvc.Repo) error{
		"add":  func(r *dvc.Repo) error { _, err := r.Add(t.Context(), "x"); return err },
		"push": func(r *dvc.Repo) error { _, err := r.Push(t.Context()); return err },
		"pull": func(r *dvc.Repo) error { _, err := r.Pull(t.Context()); return err },
	}
	for name, call := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, dir := setup(t)
			write(t, dir, "x", "abc")
			for _, in := range []string{".dvc/cache/", ".dvc/tmp/perennial/"} {
				for file, age := range map[string]time.Duration{".perennial-1.tmp": 25 * time.Hour, ".perennial-2.tmp": 23 * time.Hour} {
					write(t, dir, in+file, "ab")
					then := time.Now().Add(-age)
					require.NoError(t, os.Chtimes(filepath.Join(dir, in+file), then, then))
				}
			}
			require.NoError(t, call(r))
			for _, in := range []string{".dvc/cache/", ".dvc/tmp/perennial/"} {
				left, err := filepath.Glob(filepath.Join(dir, in, ".perennial-*"))
				require.NoError(t, err)
				require.Equal(t, []string{filepath.Join(dir, in, ".perennial-2.tmp")}, left, "somebody may be writing that one")
			}
		})
	}
}

func TestAddStagesWhereTheConfigurationSaysSo(t *testing.T) {
	t.Parallel()
	for _, setting := range []string{"true", "false"} {
		t.Run(setting, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			git(t, dir, "init", "-q")
			write(t, dir, ".dvc/config", "[core]\n    autostage = "+setting+"\n")
			write(t, dir, "d/x*", "abc")
			write(t, dir, "d/xy", "other")
			_, err := open(t, dir).Add(t.Context(), "d/x*")
			require.NoError(t, err)
			want := ""
			if setting == "true" {
				want = "d/.gitignore\nd/x*.dvc\n"
			}
			staged, err := exec.CommandContext(t.Context(), "git", "-C", dir, "diff", "--cached", "--name-only").Output()
			require.NoError(t, err)
			require.Equal(t, want, string(staged))
		})
	}
}
