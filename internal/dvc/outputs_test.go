package dvc_test

import (
	"os"
	"path/filepath"
	"strings"
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

func TestDiffCountsTheOutputsOfStages(t *testing.T) {
	t.Parallel()
	repo, dir := twoRemotes(t)
	write(t, dir, "inner/.dvc/config", "")
	write(t, dir, "inner/x.dvc", "outs:\n- md5: "+abcMD5+"\n  size: 3\n  hash: md5\n  path: x\n") // of another project
	git(t, dir, "init", "-q")
	git(t, dir, "add", "dvc.yaml", "dvc.lock", "inner")
	git(t, dir, "commit", "-qm", "one")
	diff := func() map[string]string {
		t.Helper()
		changes, err := repo.Diff(t.Context(), "HEAD")
		require.NoError(t, err)
		out := map[string]string{}
		for _, c := range changes {
			out[c.Path] = strings.TrimSpace(string(c.Kind) + " " + c.OldPath + " " + c.OldRemote)
		}
		return out
	}
	require.Empty(t, diff())
	for _, name := range []string{"m", "o", "r"} {
		write(t, dir, "sub/"+name, "other")
	}
	require.NoError(t, os.Remove(filepath.Join(dir, "sub/n")))
	require.Equal(t, map[string]string{"sub/m": "modified", "sub/n": "deleted", "sub/o": "modified  b"}, diff(), "git has r")

	write(t, dir, "dvc.yaml", "vars: [p.toml]\nstages:\n  s:\n    cmd: x\n    outs: ['${p}']\n")
	require.Empty(t, diff(), "what is known of one side only is no change")
}

// At a revision the variables have the values of the revision.
func TestDiffReadsVariablesAtTheRevision(t *testing.T) {
	t.Parallel()
	r, dir := emptyRepo(t)
	git(t, dir, "init", "-q")
	write(t, dir, "dvc.yaml", "vars: [v.json]\nstages:\n  s:\n    cmd: x\n    outs: ['${p}']\n")
	write(t, dir, "v.json", `{"p": "old"}`)
	write(t, dir, "dvc.lock", lockOf("s old"))
	git(t, dir, "add", "dvc.yaml", "v.json", "dvc.lock")
	git(t, dir, "commit", "-qm", "one")
	write(t, dir, "v.json", `{"p": "new"}`)
	write(t, dir, "dvc.lock", lockOf("s new"))
	write(t, dir, "new", "abc")
	changes, err := r.Diff(t.Context(), "HEAD")
	require.NoError(t, err)
	require.Equal(t, []dvc.Change{{Kind: dvc.ChangeRenamed, Path: "new", OldPath: "old", OldMD5: abcMD5, NewMD5: abcMD5}}, changes)
}

// stagesOf gives the stages' data by path, with what dvc.lock files name.
func stagesOf(t *testing.T, repo *dvc.Repo) map[string]string {
	t.Helper()
	all, err := repo.Status(t.Context())
	require.NoError(t, err)
	stages := map[string]string{}
	for _, s := range all {
		stages[s.Path] = s.Stage
	}
	return stages
}

// lockOf is a dvc.lock that names a content for outputs of stages, "stage path"
// each.
func lockOf(outs ...string) string {
	text := "schema: '2.0'\nstages:\n"
	for _, out := range outs {
		stage, path, _ := strings.Cut(out, " ")
		text += "  " + stage + ":\n    cmd: x\n    outs:\n    - path: " + path + "\n      hash: md5\n      md5: " + abcMD5 + "\n      size: 3\n"
	}
	return text
}

// The paths are those that dvc 3.67 gives in dvc ls --dvc-only -R.
func TestStagesOfEveryForm(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		yaml string
		lock string
		want map[string]string
	}{
		"wdir with a variable": {
			"vars: [v.json, {d: {out: w}}]\nstages:\n  s:\n    cmd: x\n    wdir: ${d.out}/${n}\n    outs: [out.txt]\n",
			lockOf("s out.txt"), map[string]string{"w/1.5/out.txt": "s"},
		},
		"foreach": {
			"stages:\n  s:\n    foreach: [a, 2, true]\n    do:\n      cmd: x\n      wdir: w/${item}\n      outs: ['${p}-${item}']\n",
			lockOf("s@a m-a", "s@2 m-2", "s@true m-true"), map[string]string{"w/a/m-a": "s@a", "w/2/m-2": "s@2", "w/true/m-true": "s@true"},
		},
		"foreach of mappings": {
			"stages:\n  s:\n    foreach: ${list}\n    do:\n      cmd: x\n      outs: ['${item.o}']\n  t:\n    foreach: {a: {o: x}, b: {o: y}}\n    do:\n      cmd: x\n      outs: ['${key}/${item[o]}']\n",
			lockOf("s@0 l0", "s@1 l1", "t@a a/x", "t@b b/y"), map[string]string{"l0": "s@0", "l1": "s@1", "a/x": "t@a", "b/y": "t@b"},
		},
		"matrix": {
			"stages:\n  s:\n    matrix:\n      m: [a, b]\n      n: [1, {k: v}]\n    cmd: x\n    outs: ['${item.m}-${key}']\n",
			lockOf("s@a-1 a-a-1", "s@b-n1 b-b-n1"), map[string]string{"a-a-1": "s@a-1", "b-b-n1": "s@b-n1"},
		},
		"aliases and merged keys": {
			"stages:\n  s: &s\n    cmd: x\n    wdir: w\n    outs: &o [a]\n  t:\n    <<: *s\n    wdir: v\n  u: {cmd: x, wdir: u, outs: *o}\n",
			lockOf("s a", "t a", "u a"), map[string]string{"w/a": "s", "v/a": "t", "u/a": "u"},
		},
		"what dvc.yaml doesn't name any more": {
			"stages:\n  s:\n    cmd: x\n    outs: [a]\n",
			lockOf("gone b", "s a"), map[string]string{"a": "s"},
		},
		"outside": {"stages:\n  s:\n    cmd: x\n    outs: [../a, /b, 's3://c/d': {cache: false}]\n", lockOf("s ../a"), map[string]string{}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, dir := emptyRepo(t)
			write(t, dir, "params.yaml", "p: m\nlist:\n- o: l0\n- o: l1\n")
			write(t, dir, "v.json", `{"n": 1.50}`)
			write(t, dir, "dvc.yaml", c.yaml)
			write(t, dir, "dvc.lock", c.lock)
			require.Equal(t, c.want, stagesOf(t, r))
		})
	}
}

func TestStagesOfADirectory(t *testing.T) {
	t.Parallel()
	r, dir := emptyRepo(t)
	const stages = "stages:\n  s:\n    cmd: x\n    wdir: ..\n    outs: ['a/${o}']\n"
	for _, in := range []string{"a", "ignored", "nested"} {
		write(t, dir, in+"/dvc.yaml", stages)
		write(t, dir, in+"/params.yaml", "o: out\n")
		write(t, dir, in+"/dvc.lock", lockOf("s a/out"))
	}
	write(t, dir, ".dvcignore", "ignored\n")
	write(t, dir, "nested/.dvc/config", "")
	write(t, dir, "a/out", "abc")
	require.Equal(t, map[string]string{"a/out": "a/dvc.yaml:s"}, stagesOf(t, r))
	p, err := r.Pointer(t.Context(), "a/out")
	require.NoError(t, err)
	require.Equal(t, dvc.Pointer{Path: "a/out", MD5: abcMD5, Size: 3, Stage: "a/dvc.yaml:s"}, p)
	_, err = r.Add(t.Context(), "a")
	requireCode(t, perennial.CodeConflict, err, "the stage s of a/dvc.yaml makes a/out in it")
	_, err = r.Add(t.Context(), "a/out")
	requireCode(t, perennial.CodeConflict, err, "dvc repro a/dvc.yaml:s")
	write(t, dir, "a/dvc.lock", "schema: '3.0'\n")
	_, err = r.Status(t.Context())
	requireCode(t, perennial.CodePrecondition, err, "a/dvc.lock")
	require.NoError(t, os.Remove(filepath.Join(dir, "a/dvc.lock")))
	require.Empty(t, stagesOf(t, r))
	_, err = r.Pull(t.Context(), "a/out")
	requireCode(t, perennial.CodeNotFound, err, "the stage s of a/dvc.yaml makes a/out", "dvc repro a/dvc.yaml:s")
}

// Each of them is what dvc 3.67 refuses too.
func TestPipelinesThatAreRefused(t *testing.T) {
	t.Parallel()
	const s = "stages:\n  s:\n    cmd: x\n"
	cases := map[string]struct{ yaml, says string }{
		"no YAML":              {"stages:\n  s: a: b\n", "line 2"},
		"a key twice":          {s + "    cmd: y\n", "line 4"},
		"a list":               {"- a\n", "sub/dvc.yaml:1"},
		"stages is a list":     {"stages:\n- a\n", "sub/dvc.yaml:2: stages"},
		"no cmd":               {"stages:\n  s:\n    outs: [a]\n", "sub/dvc.yaml:3: the stage s has no cmd"},
		"no such variable":     {s + "    outs:\n    - ${nothing.at}\n", "sub/dvc.yaml:5: ${nothing.at} is not defined"},
		"one in the command":   {"stages:\n  s:\n    cmd: x ${nothing}\n", "sub/dvc.yaml:3: ${nothing}"},
		"no such item":         {"stages:\n  s:\n    foreach: [{a: 1}]\n    do: {cmd: '${item.b}'}\n", "sub/dvc.yaml:4: ${item.b}"},
		"no file of variables": {"vars:\n- none.yaml\n" + s, "sub/dvc.yaml:2: vars names sub/none.yaml"},
		"no such key":          {"vars: ['v.yaml:b']\n" + s, "b of sub/v.yaml"},
		"a bad file":           {"vars: [bad.yaml]\n" + s, "sub/bad.yaml can't be read: line 1"},
		"defined twice":        {"vars: [{a: {b: 1}}, {a: {b: 2}}]\n" + s, "a.b is defined twice"},
		"an option":            {s + "    outs:\n    - a:\n        push: maybe\n", "sub/dvc.yaml:6: the options of a"},
		"outs is a text":       {s + "    outs: a\n", "sub/dvc.yaml:4: outs"},
		"an out is a list":     {s + "    outs: [[a]]\n", "sub/dvc.yaml:4: an output"},
		"foreach is a number":  {"stages:\n  s:\n    foreach: 1\n    do: {cmd: x}\n", "sub/dvc.yaml:3: foreach"},
		"foreach without do":   {"stages:\n  s:\n    foreach: [1]\n", "no do"},
		"matrix of a text":     {"stages:\n  s:\n    matrix: {a: b}\n    cmd: x\n", "sub/dvc.yaml:3: a of the matrix"},
		"vars is a text":       {"vars: a\n" + s, "sub/dvc.yaml:1: vars"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, dir := twoRemotes(t)
			write(t, dir, "sub/v.yaml", "a: 1\n")
			write(t, dir, "sub/bad.yaml", "a: b: c\n")
			write(t, dir, "sub/dvc.yaml", c.yaml)
			_, err := r.Push(t.Context())
			requireCode(t, perennial.CodeInvalid, err, c.says)
			_, err = r.Status(t.Context())
			requireCode(t, perennial.CodeInvalid, err, c.says)
		})
	}
}

// What depends on values that aren't read here is never guessed, and named data
// moves all the same.
func TestStagesThatAreNotUnderstood(t *testing.T) {
	t.Parallel()
	const other = "  t:\n    cmd: x ${unread}\n    outs: [known]\n"
	cases := map[string]string{
		"a file in another form": "vars: [p.toml]\nstages:\n  s:\n    cmd: x\n    wdir: ${w}\n    outs: [o, '${w}-o']\n" + other,
		"foreach of it":          "vars: [p.toml]\nstages:\n  s:\n    foreach: ${list}\n    do:\n      cmd: x\n      outs: [o]\n" + other,
	}
	for name, text := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, dir := emptyRepo(t)
			write(t, dir, "p.toml", "w = 'w'\n")
			write(t, dir, "dvc.yaml", text)
			write(t, dir, "known", "abc")
			write(t, dir, "x", "x")
			e, err := r.Track(t.Context(), "known", true)
			require.NoError(t, err)
			require.NoError(t, r.WriteLock(dvc.Stage{Name: "t", Cmd: "x", Outs: []dvc.Entry{e}}))
			_, err = r.Pull(t.Context())
			requireCode(t, perennial.CodePrecondition, err, "p.toml", "dvc pull")
			require.NoError(t, os.Remove(filepath.Join(dir, "known")))
			pulled, err := r.Pull(t.Context(), "known")
			require.NoError(t, err)
			require.Equal(t, []string{"known"}, pulled)
			_, err = r.Add(t.Context(), "x")
			require.NoError(t, err)
			write(t, dir, "o", "o")
			_, err = r.Add(t.Context(), "o")
			require.NoError(t, err, "o of another directory is another file")
		})
	}
}
