package dvc_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/blob/blobtest"
	"github.com/perennial-ml/perennial/internal/dvc"
)

const (
	abcMD5   = "900150983cd24fb0d6963f7d28e17f72"
	emptyDir = "d751713988987e9331980363e24189ce.dir" // of the manifest []
)

// s3Config names a bucket of a test's server as the default remote.
func s3Config(endpoint string) string {
	return "[core]\n    remote = far\n['remote \"far\"']\n    url = s3://bucket/dvc\n    endpointurl = " + endpoint + "\n    region = eu-central-1\n    access_key_id = test\n    secret_access_key = secret\n"
}

func remote(t *testing.T, dir, name string) dvc.Remote {
	t.Helper()
	r, err := open(t, dir).Remote(name)
	require.NoError(t, err)
	return r
}

func TestRemotesKeepObjects(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]func(*testing.T) string{
		"a directory": func(*testing.T) string { return "[core]\n    remote = r\n['remote \"r\"']\n    url = ../store\n" },
		"S3":          func(t *testing.T) string { t.Helper(); return s3Config(blobtest.NewS3(t).URL) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, dir := t.Context(), t.TempDir()
			write(t, dir, ".dvc/config", config(t))
			r := remote(t, dir, "")
			missing, err := r.Has(ctx, []string{abcMD5, emptyDir})
			require.NoError(t, err)
			require.Equal(t, []string{abcMD5, emptyDir}, missing)
			_, err = r.Open(ctx, abcMD5)
			requireCode(t, perennial.CodeNotFound, err, abcMD5)
			requireCode(t, perennial.CodeInternal, r.Put(ctx, abcMD5, strings.NewReader("abd"), 3), abcMD5)
			for range 2 {
				require.NoError(t, r.Put(ctx, abcMD5, strings.NewReader("abc"), 3))
				require.NoError(t, r.Put(ctx, emptyDir, strings.NewReader("[]"), 2))
			}
			missing, err = r.Has(ctx, []string{abcMD5, strings.Repeat("0", 32), emptyDir})
			require.NoError(t, err)
			require.Equal(t, []string{strings.Repeat("0", 32)}, missing)
			from, err := r.Open(ctx, emptyDir)
			require.NoError(t, err)
			b, err := io.ReadAll(from)
			require.NoError(t, err)
			require.NoError(t, from.Close())
			require.Equal(t, "[]", string(b))
			require.Contains(t, r.Name(), `"`)
		})
	}
}

func TestRemotesByName(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	server := blobtest.NewS3(t)
	write(t, dir, ".dvc/config", s3Config("http://127.0.0.1:1")+"['remote \"near\"']\n    url = ../near\n['remote \"old\"']\n    url = s3://bucket/x\n    version_aware = true\n['remote \"closed\"']\n    url = s3://bucket/x\n    sse_customer_key = k\n['remote \"cloud\"']\n    url = gs://bucket/x\n")
	write(t, dir, ".dvc/config.local", "['remote \"far\"']\n    endpointurl = "+server.URL+"\n")
	require.Equal(t, `"near" (near)`, remote(t, dir, "near").Name())
	require.NoError(t, remote(t, dir, "far").Put(t.Context(), abcMD5, strings.NewReader("abc"), 3), "config.local wins")
	require.Equal(t, map[string]bool{"dvc/files/md5/" + abcMD5[:2] + "/" + abcMD5[2:]: true}, server.Names())
	for name, says := range map[string]string{"absent": "closed, cloud, far, near, old", "old": "version_aware", "closed": "sse_customer_key", "cloud": "no support for gs"} {
		_, err := open(t, dir).Remote(name)
		requireCode(t, perennial.CodePrecondition, err, says)
	}
}

func TestPushAndPullThroughS3(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	server := blobtest.NewS3(t)
	here, there := t.TempDir(), t.TempDir()
	for _, dir := range []string{here, there} {
		write(t, dir, ".dvc/config", s3Config(server.URL))
	}
	write(t, here, "data/x.csv", "a,b\n1,2\n")
	_, err := open(t, here).Add(ctx, "data/x.csv")
	require.NoError(t, err)
	pushed, err := open(t, here).Push(ctx)
	require.NoError(t, err)
	require.Equal(t, []string{"data/x.csv"}, pushed)
	pushed, err = open(t, here).Push(ctx)
	require.NoError(t, err)
	require.Empty(t, pushed)
	write(t, there, "data/x.csv.dvc", read(t, here, "data/x.csv.dvc"))
	pulled, err := open(t, there).Pull(ctx)
	require.NoError(t, err)
	require.Equal(t, []string{"data/x.csv"}, pulled)
	require.Equal(t, "a,b\n1,2\n", read(t, there, "data/x.csv"))
}

func TestPullThroughS3SaysWhatFails(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		config func(*blobtest.S3) string
		refuse int
		code   perennial.Code
		says   string
	}{
		"a bucket that isn't there": {func(s *blobtest.S3) string { return strings.Replace(s3Config(s.URL), "//bucket", "//other", 1) }, 0, perennial.CodePrecondition, "no bucket other"},
		"no rights":                 {func(s *blobtest.S3) string { return s3Config(s.URL) }, http.StatusForbidden, perennial.CodeForbidden, "doesn't let us"},
		"nobody there":              {func(*blobtest.S3) string { return s3Config("http://127.0.0.1:1") }, 0, perennial.CodeUnavailable, "can't reach"},
		"no such object":            {func(s *blobtest.S3) string { return s3Config(s.URL) }, 0, perennial.CodeNotFound, `the remote "far" (s3://bucket/dvc)`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, dir := blobtest.NewS3(t), t.TempDir()
			server.Refuse(func(*http.Request) int { return c.refuse })
			write(t, dir, ".dvc/config", c.config(server))
			write(t, dir, "x.csv.dvc", "outs:\n- md5: "+abcMD5+"\n  size: 3\n  hash: md5\n  path: x.csv\n")
			_, err := open(t, dir).Pull(t.Context())
			requireCode(t, c.code, err, c.says)
		})
	}
}
