package dvc_test

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial/internal/dvc"
)

// rules is what dvc, git and configobj made of some files; testdata/rules.py made
// it.
type rules struct {
	Paths     []string
	DVCIgnore []struct {
		File    string
		Ignored []string
	} `json:"dvcignore"`
	GitIgnore []struct {
		File    string
		Ignored []string
	} `json:"gitignore"`
	Configs []struct {
		File   string
		Values map[string]string
		Error  bool
	}
}

func readRules(t testing.TB) rules {
	t.Helper()
	b, err := os.ReadFile("testdata/rules.json")
	require.NoError(t, err)
	var r rules
	require.NoError(t, json.Unmarshal(b, &r))
	return r
}

func ignoredOf(paths []string, dir, name string) []string {
	ignored := []string{}
	for _, p := range paths {
		if dvc.Ignored(dir, name, p) {
			ignored = append(ignored, p)
		}
	}
	return ignored
}

func TestIgnoreRulesAreDVCs(t *testing.T) {
	t.Parallel()
	r := readRules(t)
	for _, c := range r.DVCIgnore {
		t.Run(c.File, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			write(t, dir, ".dvcignore", c.File)
			require.ElementsMatch(t, c.Ignored, ignoredOf(r.Paths, dir, ".dvcignore"))
		})
	}
}

func TestIgnoreRulesAreGits(t *testing.T) {
	t.Parallel()
	r := readRules(t)
	for _, c := range r.GitIgnore {
		t.Run(c.File, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			write(t, dir, ".gitignore", c.File)
			require.ElementsMatch(t, c.Ignored, ignoredOf(r.Paths, dir, ".gitignore"))
		})
	}
}

func TestIgnoreFilesBelow(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, ".dvcignore", "*.csv\n")
	write(t, dir, "d/.dvcignore", "!/x.csv\n/a\n")
	for file, want := range map[string]bool{"x.csv": true, "d/x.csv": false, "d/e/x.csv": true, "d/a": true, "a": false, "d/e/a": false, ".git/x": true, "d/.dvc/x": true} {
		require.Equal(t, want, dvc.Ignored(dir, ".dvcignore", file), file)
	}
}

func TestConfigurationIsReadAsDVCReadsIt(t *testing.T) {
	t.Parallel()
	for _, c := range readRules(t).Configs {
		t.Run(c.File, func(t *testing.T) {
			t.Parallel()
			came, err := dvc.ParseSettings([]byte(c.File))
			if c.Error {
				require.Error(t, err)
				return
			}
			require.NoError(t, err)
			want := c.Values
			if want == nil {
				want = map[string]string{}
			}
			require.Equal(t, want, came)
		})
	}
}

func FuzzSettings(f *testing.F) {
	for _, c := range readRules(f).Configs {
		f.Add(c.File)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := dvc.ParseSettings([]byte(text)); err != nil {
			require.NotEmpty(t, err.Error())
		}
	})
}

func FuzzIgnore(f *testing.F) {
	for _, c := range readRules(f).GitIgnore {
		f.Add(c.File, "d/e/a")
	}
	f.Fuzz(func(t *testing.T, text, path string) {
		dir := t.TempDir()
		write(t, dir, ".dvcignore", text)
		dvc.Ignored(dir, ".dvcignore", path)
	})
}
