package dvc_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/dvc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// reference is what real DVC wrote; testdata/reference.py made it.
type reference struct {
	DVC     string
	Texts   []struct{ Text, Lock string }
	Params  string
	Project struct {
		Config   string
		Data     map[string]string
		Files    map[string]string
		LockOne  string `json:"lock_one"`
		LockBoth string `json:"lock_both"`
	}
}

func readReference(t testing.TB) reference {
	t.Helper()
	b, err := os.ReadFile("testdata/reference.json")
	require.NoError(t, err)
	var ref reference
	require.NoError(t, json.Unmarshal(b, &ref))
	return ref
}

const irisMD5 = "e5ebd4c02cefbe7955977c67ada242b7" // of iris.csv in the reference project

// setup gives the reference project as a clone has it: pointers and remote
// objects, no data files and no cache.
func setup(t *testing.T) (*dvc.Repo, string) {
	t.Helper()
	ref := readReference(t).Project
	dir := t.TempDir()
	write(t, dir, ".dvc/config", ref.Config)
	for name, text := range ref.Files {
		write(t, dir, name, text)
	}
	return open(t, dir), dir
}

func open(t *testing.T, dir string) *dvc.Repo {
	t.Helper()
	r, err := dvc.Open(dir)
	require.NoError(t, err)
	return r
}

func write(t testing.TB, dir, name, text string) {
	t.Helper()
	file := filepath.Join(dir, name)
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
	_ = os.Remove(file) // objects are read-only
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
}

func read(t *testing.T, dir, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	require.NoError(t, err)
	return string(b)
}

func remoteObject(md5 string) string { return "data/remote/files/md5/" + md5[:2] + "/" + md5[2:] }
func cacheObject(md5 string) string  { return ".dvc/cache/files/md5/" + md5[:2] + "/" + md5[2:] }

func requireCode(t *testing.T, code perennial.Code, err error, says ...string) {
	t.Helper()
	require.Equal(t, code, perennial.CodeOf(err), "%v", err)
	message, hint, fields := perennial.Explain(err)
	for _, f := range fields {
		message += "\n" + f.Message
	}
	for _, s := range says {
		require.Contains(t, message+"\n"+hint, s)
	}
}

func TestOpenNeedsAProject(t *testing.T) {
	t.Parallel()
	for _, dir := range []string{t.TempDir(), "/nowhere/at/all"} {
		_, err := dvc.Open(dir)
		requireCode(t, perennial.CodeNotFound, err, "perennial init")
	}
}

func TestConfiguration(t *testing.T) {
	t.Parallel()
	const object = "files/md5/90/0150983cd24fb0d6963f7d28e17f72"
	const abc = "900150983cd24fb0d6963f7d28e17f72"
	cases := map[string]struct {
		config, local string
		at            string // where the object is, relative to the project
		code          perennial.Code
		says          string
	}{
		"remote relative to .dvc":        {config: "[core]\n    remote = r\n['remote \"r\"']\n    url = ../store\n", at: "store"},
		"local settings win":             {config: "[core]\n    remote = r\n['remote \"r\"']\n    url = ../store\n", local: "['remote \"r\"']\n    url = ../other\n", at: "other"},
		"default remote in local config": {config: "['remote \"a\"']\nurl = ../a\n['remote \"b\"']\nurl = ../b # comment\n", local: "[core]\nremote = b\n", at: "b"},
		"spaces in a name":               {config: "[core]\n    remote = r\n['remote \"r\"']\n    url = \"../my store\"\n", at: "my store"},
		"cache elsewhere":                {config: "[cache]\n    dir = ../pool\n", at: "pool"},
		"no remote":                      {code: perennial.CodeNotFound, says: "no default remote"},
		"ssh":                            {config: "[core]\n    remote = r\n['remote \"r\"']\n    url = ssh://host/x\n", code: perennial.CodeNotFound, says: "no support for ssh remotes"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			write(t, dir, ".dvc/config", c.config)
			write(t, dir, ".dvc/config.local", c.local)
			if c.at != "" {
				write(t, dir, c.at+"/"+object, "abc")
			}
			b, err := open(t, dir).Open(t.Context(), abc, "")
			if c.code != "" {
				requireCode(t, c.code, err, c.says, abc)
				return
			}
			require.NoError(t, err)
			require.Equal(t, "abc", string(b))
		})
	}
	for name, config := range map[string]string{"no INI": "[core\nx", "a remote without url": "[core]\n    remote = gone\n"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			write(t, dir, ".dvc/config", config)
			_, err := dvc.Open(dir)
			requireCode(t, perennial.CodeInvalid, err, ".dvc/config")
		})
	}
}

func TestHashFileReadsEveryByte(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := strings.Repeat("0123456789", 300_000)
	write(t, dir, "a", text)
	before, size, err := dvc.HashFile(filepath.Join(dir, "a"))
	require.NoError(t, err)
	require.EqualValues(t, len(text), size)
	write(t, dir, "a", text[:len(text)-1]+"X")
	after, _, err := dvc.HashFile(filepath.Join(dir, "a"))
	require.NoError(t, err)
	require.NotEqual(t, before, after)

	_, _, err = dvc.HashFile(filepath.Join(dir, "b"))
	requireCode(t, perennial.CodeNotFound, err)
	_, _, err = dvc.HashFile(dir)
	requireCode(t, perennial.CodeInvalid, err)
}
