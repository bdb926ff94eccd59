package dvc_test

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/gofrs/flock"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/dvc"
)

func emptyRepo(t *testing.T) (*dvc.Repo, string) {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, ".dvc/config", "")
	return open(t, dir), dir
}

func TestLockHoldsTextsAsDVCWritesThem(t *testing.T) {
	t.Parallel()
	for _, c := range readReference(t).Texts {
		t.Run(c.Text, func(t *testing.T) {
			t.Parallel()
			r, dir := emptyRepo(t)
			const empty = "d41d8cd98f00b204e9800998ecf8427e"
			want := dvc.Stage{Name: "s", Cmd: c.Text, Deps: []dvc.Entry{{Path: c.Text, MD5: empty}}, Outs: []dvc.Entry{{Path: c.Text + ".out", MD5: empty, Size: 3}}}
			require.NoError(t, r.WriteLock(want))
			require.Equal(t, c.Lock, read(t, dir, "dvc.lock"))
			came, err := r.Stages()
			require.NoError(t, err)
			require.Equal(t, []dvc.Stage{want}, came)
		})
	}
}

func TestLockHoldsParametersAsDVCWritesThem(t *testing.T) {
	t.Parallel()
	r, dir := emptyRepo(t)
	require.NoError(t, r.WriteLock(dvc.Stage{Name: "s", Cmd: "x", Params: []dvc.ParamsFile{
		{Path: "a.yaml", Values: map[string]any{"z": 1}},
		{Path: "params.yaml", Values: map[string]any{
			"a.b": 0.8, "c": nil, "d": true, "e": 1e-5, "f": 1e16, "g": 2.0, "h": "x: y", "i": uint64(12345678901234567890), "j": math.Inf(-1),
			"k": 1e22, "l": 0.0001, "m": "yes", "n": math.Copysign(0, -1), "o": 123456789012345.6, "p": "", "q": math.NaN(), "r": int64(-7),
		}},
	}}))
	require.Equal(t, readReference(t).Params, read(t, dir, "dvc.lock"))
	err := r.WriteLock(dvc.Stage{Name: "s", Cmd: "x", Params: []dvc.ParamsFile{{Path: "a", Values: map[string]any{"l": []int{1}}}}})
	requireCode(t, perennial.CodeInvalid, err, "[]int")
}

func TestLockOfAProjectIsDVCs(t *testing.T) {
	t.Parallel()
	ref := readReference(t).Project
	r, dir := setup(t)
	_, err := r.Pull(t.Context())
	require.NoError(t, err)
	stage := func(item string) dvc.Stage {
		write(t, dir, item+".model", ref.Data["iris.csv"])
		write(t, dir, item+".json", "1\n")
		track := func(path string, cache bool) dvc.Entry {
			e, err := r.Track(t.Context(), path, cache)
			require.NoError(t, err)
			return e
		}
		return dvc.Stage{
			Name: "train@" + item, Cmd: "sh data/run.sh > " + item + ".model && echo 1 > " + item + ".json",
			Deps: []dvc.Entry{track("data/run.sh", false), track("data/iris.csv", false)},
			Outs: []dvc.Entry{track(item+".model", true), track(item+".json", false)},
		}
	}
	iris, empty := stage("iris"), stage("empty")
	require.FileExists(t, filepath.Join(dir, cacheObject(irisMD5)))
	require.NoError(t, r.WriteLock(iris))
	require.Equal(t, ref.LockOne, read(t, dir, "dvc.lock"))
	require.NoError(t, r.WriteLock(empty))
	require.Equal(t, ref.LockBoth, read(t, dir, "dvc.lock"))
	require.NoError(t, r.WriteLock(iris))
	require.Equal(t, ref.LockBoth, read(t, dir, "dvc.lock"), "the same stage again")

	changed := iris
	changed.Cmd = "other"
	require.NoError(t, r.WriteLock(changed))
	require.Equal(t, strings.Replace(ref.LockBoth, iris.Cmd, "other", 1), read(t, dir, "dvc.lock"))
}

func TestLockKeepsWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	const other = "  other:\n    cmd: a\n    deps:\n    - path: x   # odd\n      hash: etag\n      future: {a: [1]}\n"
	const mine = "  s:\n    cmd: new\n"
	cases := map[string]struct{ old, want string }{
		"no file":            {"", "schema: '2.0'\nstages:\n" + mine},
		"a stage after it":   {"schema: '2.0'\nstages:\n  s:\n    cmd: old\n" + other, "schema: '2.0'\nstages:\n" + mine + other},
		"a stage before it":  {"schema: '2.0'\nstages:\n" + other + "  s:\n    cmd: old\n", "schema: '2.0'\nstages:\n" + other + mine},
		"not there yet":      {"schema: '2.0'\nstages:\n" + other, "schema: '2.0'\nstages:\n" + other + mine},
		"other keys after":   {"schema: '2.0'\nstages:\n" + other + "datasets:\n- name: d\n", "schema: '2.0'\nstages:\n" + other + mine + "datasets:\n- name: d\n"},
		"no stages":          {"schema: '2.0'\n", "schema: '2.0'\nstages:\n" + mine},
		"empty stages":       {"schema: '2.0'\nstages: {}\n", "schema: '2.0'\nstages:\n" + mine},
		"no end of the line": {"schema: '2.0'\nstages:\n  a:\n    cmd: b", "schema: '2.0'\nstages:\n  a:\n    cmd: b\n" + mine},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, dir := emptyRepo(t)
			write(t, dir, "dvc.lock", c.old)
			require.NoError(t, r.WriteLock(dvc.Stage{Name: "s", Cmd: "new"}))
			require.Equal(t, c.want, read(t, dir, "dvc.lock"))
			_, err := r.Stages()
			require.NoError(t, err)
		})
	}
}

func TestLockRefuses(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		old  string
		code perennial.Code
		says string
	}{
		"a future schema":  {"schema: '3.0'\nstages:\n  a:\n    cmd: b\n", perennial.CodePrecondition, `"3.0"`},
		"an old schema":    {"a:\n  cmd: b\n", perennial.CodePrecondition, `""`},
		"flow form":        {"{schema: '2.0', stages: {a: {cmd: b}}}\n", perennial.CodeInvalid, "block form"},
		"flow stages":      {"schema: '2.0'\nstages: {a: {cmd: b}}\n", perennial.CodeInvalid, "block form"},
		"no YAML":          {"<<<<<<< HEAD\n\t{", perennial.CodeInvalid, "restore"},
		"odd indents":      {"  schema: '2.0'\n  stages:\n    a:\n      cmd: b\n", perennial.CodeInvalid, "laid out"},
		"a list":           {"- a\n", perennial.CodeInvalid, "no mapping"},
		"stages is a text": {"schema: '2.0'\nstages: x\n", perennial.CodeInvalid, "block form"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, dir := emptyRepo(t)
			write(t, dir, "dvc.lock", c.old)
			err := r.WriteLock(dvc.Stage{Name: "s", Cmd: "new"})
			requireCode(t, c.code, err, "dvc.lock")
			if name != "odd indents" {
				_, err = r.Stages()
				requireCode(t, c.code, err, "dvc.lock")
			}
			require.Equal(t, c.old, read(t, dir, "dvc.lock"))
		})
	}
	r, dir := emptyRepo(t)
	write(t, dir, "dvc.lock", "schema: '2.0'\nstages:\n  a:\n    cmd: b\n    outs:\n    - path: x\n      md5: "+irisMD5+"\n      size: 8\n")
	_, err := r.Stages()
	requireCode(t, perennial.CodePrecondition, err, "x of the stage a", "dvc cache migrate")
	require.NoError(t, os.Remove(filepath.Join(dir, "dvc.lock")))
	for _, s := range []dvc.Stage{
		{Name: "", Cmd: "x"}, {Name: "a: b", Cmd: "x"}, {Name: "s"}, {Name: "s", Cmd: "a\nb"},
		{Name: "s", Cmd: "x", Deps: []dvc.Entry{{Path: "p", MD5: "nothing"}}}, {Name: "s", Cmd: "x", Outs: []dvc.Entry{{MD5: irisMD5}}},
	} {
		requireCode(t, perennial.CodeInvalid, r.WriteLock(s))
	}
	require.NoFileExists(t, filepath.Join(dir, "dvc.lock"))
	_, err = r.Track(t.Context(), "none", false)
	requireCode(t, perennial.CodeNotFound, err, "none")
	_, err = r.Track(t.Context(), "../x", true)
	requireCode(t, perennial.CodeInvalid, err)
}

func TestWritersWaitForEachOtherAndForDVC(t *testing.T) {
	t.Parallel()
	_, dir := emptyRepo(t)
	write(t, dir, ".dvc/tmp/lock", "")
	held := flock.New(filepath.Join(dir, ".dvc/tmp/lock"))
	require.NoError(t, held.Lock())
	var g errgroup.Group
	for i := range 12 {
		g.Go(func() error {
			r, err := dvc.Open(dir)
			if err != nil {
				return err
			}
			return r.WriteLock(dvc.Stage{Name: "train@p" + strconv.Itoa(i), Cmd: "x"})
		})
	}
	_, err := os.Stat(filepath.Join(dir, "dvc.lock"))
	require.ErrorIs(t, err, os.ErrNotExist, "nobody writes while the lock is held")
	require.NoError(t, held.Unlock())
	require.NoError(t, g.Wait())
	stages, err := open(t, dir).Stages()
	require.NoError(t, err)
	require.Len(t, stages, 12)
}

func FuzzLock(f *testing.F) {
	ref := readReference(f)
	f.Add(ref.Project.LockBoth)
	f.Add(ref.Params)
	f.Add("schema: '2.0'\nstages: {}\n")
	dir := f.TempDir()
	write(f, dir, ".dvc/config", "")
	r, err := dvc.Open(dir)
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, text string) {
		write(t, dir, "dvc.lock", text)
		before, err := r.Stages()
		if err != nil {
			return
		}
		if err := r.WriteLock(dvc.Stage{Name: "mine", Cmd: "x"}); err != nil {
			return
		}
		after, err := r.Stages()
		require.NoError(t, err)
		var kept []dvc.Stage
		for _, s := range after {
			if s.Name != "mine" {
				kept = append(kept, s)
			}
		}
		before = slices.DeleteFunc(before, func(s dvc.Stage) bool { return s.Name == "mine" })
		require.Len(t, kept, len(before))
		for i := range kept {
			require.Equal(t, fmt.Sprint(before[i]), fmt.Sprint(kept[i])) // NaN is unlike itself
		}
	})
}
