package dvc_test

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
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
			r := open(t, dir).Remote("")
			missing, err := r.Has(ctx, []string{abcMD5, emptyDir})
			require.NoError(t, err)
			require.Equal(t, []string{abcMD5, emptyDir}, missing)
			_, err = r.Open(ctx, abcMD5)
			requireCode(t, perennial.CodeNotFound, err, abcMD5)
			requireCode(t, perennial.CodeInternal, r.Put(ctx, abcMD5, strings.NewReader("abd")), abcMD5)
			for range 2 {
				require.NoError(t, r.Put(ctx, abcMD5, strings.NewReader("abc")))
				require.NoError(t, r.Put(ctx, emptyDir, strings.NewReader("[]")))
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
	require.Equal(t, `"near" (near)`, open(t, dir).Remote("near").Name())
	require.NoError(t, open(t, dir).Remote("far").Put(t.Context(), abcMD5, strings.NewReader("abc")), "config.local wins")
	require.Equal(t, map[string]bool{"dvc/files/md5/" + abcMD5[:2] + "/" + abcMD5[2:]: true}, server.Names())
	for name, says := range map[string]string{"absent": "closed, cloud, far, near, old", "old": "version_aware", "closed": "sse_customer_key", "cloud": "no support for gs"} {
		_, err := open(t, dir).Remote(name).Open(t.Context(), abcMD5)
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

// far makes a project on a server's S3.
func far(t *testing.T, server *blobtest.S3) string {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, ".dvc/config", s3Config(server.URL))
	return dir
}

func TestDirectoriesThroughS3(t *testing.T) {
	t.Parallel()
	ctx, server := t.Context(), blobtest.NewS3(t)
	here, there := far(t, server), far(t, server)
	files := map[string]string{"a.txt": "a", "sub/b.txt": "b", "sub/deep/ü.txt": "a", "empty": ""}
	for name, text := range files {
		write(t, here, "data/imgs/"+name, text)
	}
	_, err := open(t, here).Add(ctx, "data/imgs")
	require.NoError(t, err)
	var told [][2]int
	pushed, err := open(t, here).PushWith(ctx, dvc.Transfer{Jobs: 2, Progress: func(done, total int) { told = append(told, [2]int{done, total}) }})
	require.NoError(t, err)
	require.Equal(t, []string{"data/imgs"}, pushed)
	require.Equal(t, [][2]int{{1, 4}, {2, 4}, {3, 4}, {4, 4}}, told, "equal contents once, and the manifest")

	write(t, there, "data/imgs.dvc", read(t, here, "data/imgs.dvc"))
	for _, want := range [][]string{{"data/imgs"}, nil} {
		pulled, err := open(t, there).Pull(ctx)
		require.NoError(t, err)
		require.Equal(t, want, pulled)
	}
	for name, text := range files {
		require.Equal(t, text, read(t, there, "data/imgs/"+name))
	}
	all, err := open(t, there).Status(ctx)
	require.NoError(t, err)
	require.Equal(t, dvc.StateUpToDate, all[0].State)

	write(t, there, "data/imgs/mine.txt", "mine")
	require.NoError(t, os.Remove(filepath.Join(there, "data/imgs/a.txt")))
	_, err = open(t, there).Pull(ctx)
	requireCode(t, perennial.CodeConflict, err, "data/imgs/mine.txt was changed and is kept nowhere else")
	require.NoFileExists(t, filepath.Join(there, "data/imgs/a.txt"), "all of a directory or nothing")
	pulled, err := open(t, there).PullWith(ctx, dvc.Transfer{Force: true})
	require.NoError(t, err)
	require.Equal(t, []string{"data/imgs"}, pulled)
	require.NoFileExists(t, filepath.Join(there, "data/imgs/mine.txt"))
	require.Equal(t, "a", read(t, there, "data/imgs/a.txt"))
}

// A push whose connection breaks leaves no manifest without its files, and the
// next one finishes.
func TestPushGoesOnWhereItStopped(t *testing.T) {
	t.Parallel()
	ctx, server := t.Context(), blobtest.NewS3(t)
	dir := far(t, server)
	for _, name := range []string{"a", "b", "c"} {
		write(t, dir, "imgs/"+name, name)
	}
	p, err := open(t, dir).Add(ctx, "imgs")
	require.NoError(t, err)
	const b = "92eb5ffee6ae2fec3ad71c777531578f" // md5 of b
	server.Refuse(func(r *http.Request) int {
		if r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, b[2:]) {
			return http.StatusForbidden
		}
		return 0
	})
	pushed, err := open(t, dir).Push(ctx)
	requireCode(t, perennial.CodeForbidden, err, b[2:])
	require.Empty(t, pushed)
	require.Len(t, server.Names(), 2, "a and c")
	server.Refuse(nil)
	pushed, err = open(t, dir).Push(ctx)
	require.NoError(t, err)
	require.Equal(t, []string{"imgs"}, pushed)
	require.Len(t, server.Names(), 4)
	require.True(t, server.Names()["dvc/files/md5/"+p.MD5[:2]+"/"+p.MD5[2:]])
}

// What comes damaged is never used, and names itself; what came sound stays.
func TestPullOfADamagedObject(t *testing.T) {
	t.Parallel()
	ctx, server := t.Context(), blobtest.NewS3(t)
	here, there := far(t, server), far(t, server)
	write(t, here, "imgs/a", "a")
	write(t, here, "imgs/b", "b")
	_, err := open(t, here).Add(ctx, "imgs")
	require.NoError(t, err)
	_, err = open(t, here).Push(ctx)
	require.NoError(t, err)
	const b = "92eb5ffee6ae2fec3ad71c777531578f"
	server.Set("dvc/files/md5/"+b[:2]+"/"+b[2:], []byte("x"))
	write(t, there, "imgs.dvc", read(t, here, "imgs.dvc"))
	_, err = open(t, there).Pull(ctx)
	requireCode(t, perennial.CodeInternal, err, b, "of the directory imgs", "corrupt in the remote")
	require.NoDirExists(t, filepath.Join(there, "imgs"))
	require.NoFileExists(t, filepath.Join(there, cacheObject(b)))
	server.Set("dvc/files/md5/"+b[:2]+"/"+b[2:], []byte("b"))
	var total int
	_, err = open(t, there).PullWith(ctx, dvc.Transfer{Progress: func(_, n int) { total = n }})
	require.NoError(t, err)
	require.Equal(t, 1, total, "the other one is in the cache")
	require.Equal(t, "b", read(t, there, "imgs/b"))
}

func TestPullAndPushTakeTheOutputsOfStages(t *testing.T) {
	t.Parallel()
	ctx, server := t.Context(), blobtest.NewS3(t)
	here, there := far(t, server), far(t, server)
	const stages = "stages:\n  t:\n    foreach: [a]\n    do:\n      cmd: x\n      outs: [m.model]\n      metrics:\n        - r-${item}.json: {cache: false}\n"
	write(t, here, "m.model", "model")
	write(t, here, "r-a.json", "{}")
	write(t, here, "dvc.yaml", stages)
	repo := open(t, here)
	stage := dvc.Stage{Name: "t@a", Cmd: "x"}
	for _, name := range []string{"m.model", "r-a.json"} {
		e, err := repo.Track(ctx, name, name == "m.model")
		require.NoError(t, err)
		stage.Outs = append(stage.Outs, e)
	}
	require.NoError(t, repo.WriteLock(stage))
	pushed, err := open(t, here).Push(ctx)
	require.NoError(t, err)
	require.Equal(t, []string{"m.model"}, pushed)
	write(t, there, "dvc.yaml", stages)
	write(t, there, "dvc.lock", read(t, here, "dvc.lock"))
	pulled, err := open(t, there).Pull(ctx, "m.model")
	require.NoError(t, err)
	require.Equal(t, []string{"m.model"}, pulled)
	pulled, err = open(t, there).Pull(ctx)
	require.NoError(t, err)
	require.Empty(t, pulled, "git has the metrics")
	require.Equal(t, "model", read(t, there, "m.model"))
}

func TestARemoteIsOpenedOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, ".dvc/config", "['remote \"b\"']\n    url = ../b\n")
	r := open(t, dir)
	require.True(t, r.Remote("b") == r.Remote("b"), "another store of the same remote") //nolint:testifylint // the very same, not one like it
	_, err := r.Open(t.Context(), abcMD5, "b")
	requireCode(t, perennial.CodeNotFound, err, `missing from the remote "b"`)
}

func TestAPointerCanNameItsRemote(t *testing.T) {
	t.Parallel()
	ctx, dir := t.Context(), t.TempDir()
	write(t, dir, ".dvc/config", "[core]\n    remote = a\n['remote \"a\"']\n    url = ../a\n['remote \"b\"']\n    url = ../b\n['remote \"c\"']\n    url = ../c\n")
	write(t, dir, "x", "abc")
	write(t, dir, "y", "y")
	_, err := open(t, dir).AddAll(ctx, "x", "y")
	require.NoError(t, err)
	write(t, dir, "x.dvc", read(t, dir, "x.dvc")+"  remote: b\n")
	_, err = open(t, dir).PushWith(ctx, dvc.Transfer{Remote: "c"})
	require.NoError(t, err)
	require.NoDirExists(t, filepath.Join(dir, "a"))
	require.FileExists(t, filepath.Join(dir, "b/files/md5", abcMD5[:2], abcMD5[2:]))
	require.DirExists(t, filepath.Join(dir, "c"))
	_, err = open(t, dir).PushWith(ctx, dvc.Transfer{Remote: "none"})
	requireCode(t, perennial.CodePrecondition, err, `no remote "none"`, "a, b, c")
}
