package dvc_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/dvc"
)

// lockParams writes a stage with all parameters of p.yaml and gives dvc.lock.
func lockParams(t *testing.T, dir string) string {
	t.Helper()
	r := open(t, dir)
	p, err := r.ReadParams("p.yaml", nil)
	require.NoError(t, err)
	require.NoError(t, r.WriteLock(dvc.Stage{Name: "s", Cmd: "x", Params: []dvc.ParamsFile{p}}))
	return read(t, dir, "dvc.lock")
}

func TestParamsAreWrittenAsDVCWritesThem(t *testing.T) {
	t.Parallel()
	for name, count := range map[string]int{"params": 60, "escapes": 6} {
		b, err := os.ReadFile("testdata/" + name + ".json")
		require.NoError(t, err)
		var cases []struct{ JSON, Lock string }
		require.NoError(t, json.Unmarshal(b, &cases))
		require.Len(t, cases, count)
		dir := t.TempDir()
		write(t, dir, ".dvc/config", "")
		for _, c := range cases {
			write(t, dir, "p.yaml", c.JSON)
			c.Lock = replaceOnce(t, c.Lock, "p.json:", "p.yaml:")
			require.Equal(t, c.Lock, lockParams(t, dir), c.JSON)
		}
	}
}

// DVC reads them back as they were, and would lose U+0085 if it wrote it itself.
func TestUnicodeLineBreaksAreEscaped(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, ".dvc/config", "")
	write(t, dir, "p.yaml", `{"k": "a\u0085b\u2028c\u2029"}`)
	require.Contains(t, lockParams(t, dir), `k: "a\Nb\Lc\P"`)
}

func TestParamsByName(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, ".dvc/config", "")
	write(t, dir, "p.yaml", "tuning: {seed: 7, space: {c: [0.1, 1e3]}}\nname: iris # comment\nnone:\n")
	r := open(t, dir)
	p, err := r.ReadParams("p.yaml", []string{"tuning.seed", "tuning.space", "name", "none"})
	require.NoError(t, err)
	require.Equal(t, map[string]any{
		"tuning.seed": 7, "tuning.space": dvc.Mapping{{Name: "c", Value: []any{0.1, 1e3}}}, "name": "iris", "none": nil,
	}, p.Values)
	for name, code := range map[string]perennial.Code{"p.yaml": perennial.CodeNotFound, "q.yaml": perennial.CodeNotFound, "../p.yaml": perennial.CodeInvalid} {
		_, err = r.ReadParams(name, []string{"absent"})
		requireCode(t, code, err)
	}
}

func TestParamsThatAreReadDifferently(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, ".dvc/config", "")
	for text, says := range map[string]string{
		"a: 010\n": "010", "a: 0x1F\n": "0x1F", "a: 1_000\n": "1_000", "a: 2026-01-01\n": "timestamp", "1: a\n": "key 1",
		"a: &x 1\nb: *x\n": "anchor", "- a\n": "no mapping", "a: [\n": "can't be read", "a: !!binary aGk=\n": "binary", "a: !!int \"5\"\n": "5",
	} {
		write(t, dir, "p.yaml", text)
		_, err := open(t, dir).ReadParams("p.yaml", nil)
		requireCode(t, perennial.CodeInvalid, err, says)
	}
	write(t, dir, "p.toml", "a = 1\n")
	_, err := open(t, dir).ReadParams("p.toml", nil)
	requireCode(t, perennial.CodeInvalid, err, "dvc commit")
}

// What is written reads back to what was read.
func FuzzParams(f *testing.F) {
	f.Add("a: {b: [1, 2.5, x, null]}\n")
	f.Add("{\"k\": [[], {}, [[1]], \"two  spaces\"]}")
	f.Fuzz(func(t *testing.T, text string) {
		dir := t.TempDir()
		write(t, dir, ".dvc/config", "")
		write(t, dir, "p.yaml", text)
		r := open(t, dir)
		p, err := r.ReadParams("p.yaml", nil)
		if err != nil || len(p.Values) == 0 {
			return
		}
		if r.WriteLock(dvc.Stage{Name: "s", Cmd: "x", Params: []dvc.ParamsFile{p}}) != nil {
			return // a text that can't stand in a DVC file
		}
		var want any
		require.NoError(t, yaml.Unmarshal([]byte(text), &want))
		var came struct {
			Stages struct {
				S struct{ Params map[string]any }
			}
		}
		require.NoError(t, yaml.Unmarshal([]byte(read(t, dir, "dvc.lock")), &came))
		require.Equal(t, normal(t, want), normal(t, came.Stages.S.Params["p.yaml"]))
	})
}

// normal gives a value in one form: YAML 1.1 and 1.2 agree on it.
func normal(t *testing.T, v any) string {
	t.Helper()
	b, err := yaml.Marshal(v)
	require.NoError(t, err)
	return string(b)
}

func replaceOnce(t *testing.T, s, old, replacement string) string {
	t.Helper()
	require.Equal(t, 1, strings.Count(s, old))
	return strings.Replace(s, old, replacement, 1)
}

// Whatever stands in dvc.yaml, a push ends without a panic, and never pushes what
// is plainly kept out of the cache.
func FuzzOutputs(f *testing.F) {
	f.Add("stages: {t: {cmd: x, metrics: [{m.json: {cache: false}}]}}", "m.json")
	f.Add("stages: {t: {foreach: [a], do: {cmd: x, outs: ['${item}/\\\\x', {'${item': {cache: false}}]}}}", "a")
	f.Fuzz(func(t *testing.T, stages, name string) {
		dir := t.TempDir()
		write(t, dir, ".dvc/config", "[core]\n    remote = r\n['remote \"r\"']\n    url = ../r\n")
		write(t, dir, "dvc.yaml", stages)
		r := open(t, dir)
		if r.WriteLock(dvc.Stage{Name: "t", Cmd: "x", Outs: []dvc.Entry{{Path: name, MD5: abcMD5, Size: 3}}}) != nil {
			return
		}
		pushed, err := r.Push(t.Context())
		require.Empty(t, pushed, "there is nothing in the cache: %v", err)
	})
}
