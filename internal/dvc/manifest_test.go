package dvc_test

import (
	"crypto/md5" //nolint:gosec // DVC's content hash
	"encoding/hex"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/dvc"
)

func TestManifestsReadBackToThemselves(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfDistinct(rapid.StringMatching(`(n[^/\x00]{1,5}/){0,2}x[^/\x00]{0,5}`), rapid.ID).Draw(t, "names")
		files := make([]dvc.ManifestFile, len(names))
		for i, name := range names {
			if rapid.Bool().Draw(t, "bytes") {
				name += string(rapid.SliceOf(rapid.ByteRange(0x80, 0xFF)).Draw(t, "tail"))
			}
			files[i] = dvc.ManifestFile{MD5: irisMD5, Path: "d/" + name}
		}
		seen := map[string]bool{}
		for _, f := range files {
			if seen[f.Path] {
				t.Skip("two of one name")
			}
			seen[f.Path] = true
		}
		b, oid := dvc.EncodeManifest(files)
		sum := md5.Sum(b) //nolint:gosec // DVC's content hash
		require.Equal(t, hex.EncodeToString(sum[:])+".dir", oid)
		require.True(t, json.Valid(b))
		came, err := dvc.ParseManifest(b)
		require.NoError(t, err)
		if len(files) > 0 {
			require.Equal(t, files, came)
		}
	})
}

func TestManifestsAreSortedByCodePoints(t *testing.T) {
	t.Parallel()
	names := []string{"a", "\U0001F600", "\xff", "\uFFFD", "\uE000", "B", "a/b", "a-"}
	var files []dvc.ManifestFile
	for _, n := range names {
		files = append(files, dvc.ManifestFile{MD5: irisMD5, Path: n})
	}
	dvc.EncodeManifest(files)
	var came []string
	for _, f := range files {
		came = append(came, f.Path)
	}
	require.Equal(t, []string{"B", "a", "a-", "a/b", "\xff", "\uE000", "\uFFFD", "\U0001F600"}, came)
}

func TestBadManifestsAreRefused(t *testing.T) {
	t.Parallel()
	file := func(path string) string { return `{"md5": "` + irisMD5 + `", "relpath": "` + path + `"}` }
	for name, text := range map[string]string{
		"no list": "{}", "null": "null", "no JSON": "[", "a number": "[1]", "no path": `[{"md5": "` + irisMD5 + `"}]`, "no md5": `[{"relpath": "x"}]`,
		"a directory's md5": `[{"md5": "` + irisMD5 + `.dir", "relpath": "x"}]`, "up": "[" + file("../x") + "]", "up inside": "[" + file("a/../../x") + "]",
		"absolute": "[" + file("/x") + "]", "empty": "[" + file("") + "]", "dot": "[" + file(".") + "]", "twice": "[" + file("x") + ", " + file("x") + "]",
		"half a character": "[" + file(`\ud83d`) + "]", "escaped up": "[" + file(`\u002e\u002e/x`) + "]", "a zero byte": "[" + file(`a\u0000`) + "]",
	} {
		_, err := dvc.ParseManifest([]byte(text))
		require.Equal(t, perennial.CodeInvalid, perennial.CodeOf(err), name)
	}
}

func FuzzManifest(f *testing.F) {
	f.Add([]byte(`[{"md5": "` + irisMD5 + `", "relpath": "a/\u00e9\ud83d\ude00\udcff"}]`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		files, err := dvc.ParseManifest(b)
		if err != nil {
			require.Equal(t, perennial.CodeInvalid, perennial.CodeOf(err))
			return
		}
		again, _ := dvc.EncodeManifest(files)
		came, err := dvc.ParseManifest(again)
		require.NoError(t, err)
		require.Equal(t, files, came)
	})
}
