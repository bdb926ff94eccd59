package dvc_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestTreesAsDVC adds generated trees with our Add and with real dvc, twice each
// with changes in between, and compares every byte that was written. It needs a
// Python with dvc in PERENNIAL_TEST_DVC (make interop-dvc-trees); PERENNIAL_TEST_DVC_TREES
// says how many trees (default 10).
//
//nolint:paralleltest // one dvc after the other
func TestTreesAsDVC(t *testing.T) {
	python := os.Getenv("PERENNIAL_TEST_DVC")
	if python == "" {
		t.Skip("PERENNIAL_TEST_DVC names no Python with dvc")
	}
	trees := 10
	if s := os.Getenv("PERENNIAL_TEST_DVC_TREES"); s != "" {
		var err error
		trees, err = strconv.Atoi(s)
		require.NoError(t, err)
	}
	dvcProcess := startDVC(t, python)
	for seed := range trees {
		t.Run(strconv.Itoa(seed), func(t *testing.T) {
			plan := treeGen.Example(seed)
			ours, theirs := filepath.Join(t.TempDir(), "ours"), filepath.Join(t.TempDir(), "theirs")
			for _, dir := range []string{ours, theirs} {
				require.NoError(t, os.MkdirAll(dir, 0o755))
				out, err := exec.CommandContext(t.Context(), "git", "init", "-q", dir).CombinedOutput()
				require.NoError(t, err, "%s", out)
			}
			dvcProcess.run(t, ours, "init", "-q")
			dvcProcess.run(t, theirs, "init", "-q")
			for i, step := range plan.steps {
				for _, dir := range []string{ours, theirs} {
					for _, do := range step.changes {
						do(t, dir)
					}
				}
				_, err := open(t, ours).AddAll(t.Context(), step.add...)
				code, said := dvcProcess.try(t, theirs, append([]string{"add", "--"}, step.add...)...)
				require.Equal(t, code == 0, err == nil, "step %d: %q: we: %v, dvc: %s", i, step.add, err, said)
				if err != nil {
					t.Logf("both refuse: %v", err)
					return
				}
				require.Equal(t, snapshot(t, theirs), snapshot(t, ours), "step %d: %q", i, step.add)
			}
		})
	}
}

// realDVC is a process that runs dvc's commands.
type realDVC struct {
	in  io.Writer
	out *bufio.Scanner
	err *os.File
}

func startDVC(t *testing.T, python string) *realDVC {
	t.Helper()
	c := exec.CommandContext(t.Context(), python, "testdata/dvc_serve.py")
	c.Env = append(os.Environ(), "DVC_NO_ANALYTICS=1", "DVC_SITE_CACHE_DIR="+t.TempDir(), "CI=1", "GIT_CONFIG_GLOBAL=/dev/null")
	in, err := c.StdinPipe()
	require.NoError(t, err)
	out, err := c.StdoutPipe()
	require.NoError(t, err)
	said, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	require.NoError(t, err)
	c.Stderr = said
	require.NoError(t, c.Start())
	t.Cleanup(func() { _, _, _ = in.Close(), c.Wait(), said.Close() })
	return &realDVC{in: in, out: bufio.NewScanner(out), err: said}
}

// run runs a command that must succeed.
func (d *realDVC) run(t *testing.T, dir string, args ...string) {
	t.Helper()
	code, said := d.try(t, dir, args...)
	require.Zero(t, code, "dvc %q: %s", args, said)
}

// try runs a command and gives its exit code and what it said.
func (d *realDVC) try(t *testing.T, dir string, args ...string) (code int, said string) {
	t.Helper()
	require.NoError(t, d.err.Truncate(0))
	require.NoError(t, json.NewEncoder(d.in).Encode(map[string]any{"dir": dir, "args": args}))
	var answer struct{ Code int }
	require.True(t, d.out.Scan(), "dvc ended")
	require.NoError(t, json.Unmarshal(d.out.Bytes(), &answer))
	b, err := os.ReadFile(d.err.Name())
	require.NoError(t, err)
	return answer.Code, strings.Trim(string(b), "\x00")
}

// snapshot gives everything in a project but what belongs to one machine.
func snapshot(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		require.NoError(t, err)
		rel, err := filepath.Rel(dir, file)
		require.NoError(t, err)
		switch {
		case rel == ".git" || rel == filepath.Join(".dvc", "tmp"):
			return fs.SkipDir
		case d.IsDir():
			all[rel+"/"] = ""
			return nil
		}
		info, err := d.Info()
		require.NoError(t, err)
		b, err := os.ReadFile(file) //nolint:gosec // the test's own tree
		require.NoError(t, err)
		mode := ""
		if strings.HasPrefix(rel, filepath.Join(".dvc", "cache")) {
			mode = info.Mode().String() + " "
		}
		all[rel] = mode + string(b)
		return nil
	}))
	return all
}

// plan is what happens to one generated project.
type plan struct{ steps []step }

type step struct {
	changes []func(t *testing.T, dir string)
	add     []string
}

func put(name, text string, mode fs.FileMode) func(t *testing.T, dir string) {
	return func(t *testing.T, dir string) {
		t.Helper()
		file := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
		require.NoError(t, os.Chmod(file, mode))
	}
}

func makeDir(name string) func(t *testing.T, dir string) {
	return func(t *testing.T, dir string) {
		t.Helper()
		require.NoError(t, os.MkdirAll(filepath.Join(dir, name), 0o755))
	}
}

// note adds keys and comments to a pointer file, as people do.
func note(name, top, inOut string) func(t *testing.T, dir string) {
	return func(t *testing.T, dir string) {
		t.Helper()
		b := read(t, dir, name+".dvc")
		put(name+".dvc", top+b+inOut, 0o644)(t, dir)
	}
}

var (
	// pieces of names: what YAML, JSON, git, the shell or Unicode treat specially.
	pieceGen = rapid.SampledFrom([]string{
		"a", "b", "data", "1", "0x1F", "1e5", "true", "null", "~", "-", "--", "=", "2020-01-01", ".5", "1_0", "é", "e\u0301", "\u65e5\u672c", "😀", "𝒳", "\u200d", "ﬀ",
		" ", "'", `"`, "#", "!", "[", "]", "*", "?", ":", "%", "@", "&", "|", ">", "{", "}", ",", "`", "$", ";", "(", ")", "+", "^", ".", "_", ".csv", ".tar.gz",
	})
	contentGen = rapid.OneOf(rapid.Just(""), rapid.SampledFrom([]string{"a,b\n1,2\n", "x", "same", "a\r\nb\r\n", "\x00\xff"}), rapid.StringN(0, 200, -1))
	modeGen    = rapid.SampledFrom([]fs.FileMode{0o644, 0o644, 0o644, 0o755, 0o600, 0o654, 0o645})
)

// nameGen makes names for the entries of a directory; deep ones may hold what no
// pointer file can name.
func nameGen(deep bool) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		pieces := rapid.SliceOfN(pieceGen, 1, 6).Draw(t, "pieces")
		if deep {
			pieces = append(pieces, rapid.SampledFrom([]string{"", "", "\n", "\t", "\x7f", `\`, "\u2028", "\u00a0", "\uFEFF"}).Draw(t, "odd"))
		}
		name := strings.Join(pieces, "")
		if !deep {
			name = strings.TrimSpace(name)
		}
		return name
	}).Filter(func(name string) bool {
		return name != "" && name != "." && name != ".." && name != ".git" && name != ".dvc" && name != ".hg" && name != ".dvcignore" && name != ".gitignore" &&
			!strings.HasSuffix(name, ".dvc") && !strings.HasPrefix(name, "-") && !strings.Contains(name, "://")
	})
}

// treeGen makes a project: some data files and directories, perhaps ignore files,
// an add of all, changes, and an add of some.
var treeGen = rapid.Custom(func(t *rapid.T) plan {
	first, second := step{}, step{}
	where := rapid.SampledFrom([]string{"", "data/", "data/raw äö/"}).Draw(t, "where")
	if text := rapid.SampledFrom([]string{"", "*.pyc\n", "x", "a", "# mine\r\n/other\r\n", "/a*\n!/ab\n"}).Draw(t, "gitignore"); text != "" {
		first.changes = append(first.changes, put(where+".gitignore", text, 0o644))
	}
	first.changes = append(first.changes, put(".dvcignore", rapid.SampledFrom([]string{
		"", "# none\n", "*.tmp\n!keep.tmp\n", "/data/**/x\n", "cache/\n**/b?\n", "[!a]x\n  spaced  \n", "sub/**\n",
	}).Draw(t, "dvcignore"), 0o644))
	names := rapid.SliceOfNDistinct(nameGen(false), 1, 4, strings.ToLower).Draw(t, "names")
	for _, name := range names {
		path := where + name
		if rapid.Bool().Draw(t, "file") {
			first.changes = append(first.changes, put(path, contentGen.Draw(t, "content"), modeGen.Draw(t, "mode")))
		} else {
			first.changes = append(first.changes, makeDir(path))
			first.changes = append(first.changes, inDir(t, path)...)
		}
		first.add = append(first.add, path)
	}
	for _, path := range first.add[:rapid.IntRange(1, len(names)).Draw(t, "again")] {
		if i := slices.Index(first.add, path); rapid.Bool().Draw(t, "noted") {
			second.changes = append(second.changes, note(first.add[i],
				rapid.SampledFrom([]string{"", "# about it\n", "frozen: true\n", "desc: what it is\n"}).Draw(t, "top"),
				rapid.SampledFrom([]string{"", "  push: false\n", "  desc: 'true'\n", "  labels:\n  - a\n  - b\n", "meta:\n  owner: me # yes\n"}).Draw(t, "in out")))
		}
		second.add = append(second.add, path)
		second.changes = append(second.changes, change(path, contentGen.Draw(t, "content"), modeGen.Draw(t, "mode"), nameGen(true).Draw(t, "name")))
	}
	return plan{steps: []step{first, second}}
})

// inDir makes files and directories in a directory.
func inDir(t *rapid.T, dir string) []func(*testing.T, string) {
	var out []func(*testing.T, string)
	subs := []string{"", "sub/", "sub/" + nameGen(true).Draw(t, "sub") + "/", "x/y/"}
	for _, name := range rapid.SliceOfNDistinct(nameGen(true), 0, 6, strings.ToLower).Draw(t, "files") {
		sub := rapid.SampledFrom(subs).Draw(t, "in")
		out = append(out, put(dir+"/"+sub+"f"+name, contentGen.Draw(t, "content"), modeGen.Draw(t, "mode")))
	}
	for _, name := range rapid.SampledFrom([][]string{nil, {"empty"}, {"keep.tmp", "some.tmp"}, {".hidden", "cache/x", "bx", "ax"}}).Draw(t, "more") {
		if name == "empty" {
			out = append(out, makeDir(dir+"/"+name))
		} else {
			out = append(out, put(dir+"/"+name, name, 0o644))
		}
	}
	return out
}

// change gives a file another content, and a directory another file.
func change(path, text string, mode fs.FileMode, name string) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		t.Helper()
		if info, err := os.Stat(filepath.Join(dir, path)); err == nil && info.IsDir() {
			path = fmt.Sprintf("%s/new%s", path, name)
		}
		put(path, text, mode)(t, dir)
	}
}
