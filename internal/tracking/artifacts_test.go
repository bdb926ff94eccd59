package tracking_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial/internal/blob"
	"github.com/perennial-ml/perennial/internal/mlflow"
	"github.com/perennial-ml/perennial/internal/tracking"
)

const files = "/api/2.0/mlflow-artifacts/artifacts"

func (w wire) put(t *testing.T, path string, content []byte) {
	t.Helper()
	resp, b := w.send(t, http.MethodPut, files+"/"+path, content, "Content-Type", "application/octet-stream")
	require.Equal(t, 200, resp.StatusCode, "%s: %s", path, b)
	require.Empty(t, b)
}

// list gives what is in a folder: name, or name/ for a folder.
func (w wire) list(t *testing.T, folder string) []string {
	t.Helper()
	resp, b := w.send(t, http.MethodGet, files+"?path="+url.QueryEscape(folder), nil)
	require.Equal(t, 200, resp.StatusCode, "%s", b)
	var answer mlflow.ArtifactList
	require.NoError(t, json.Unmarshal(b, &answer))
	var list []string
	for _, f := range answer.Files {
		if f.IsDir {
			require.Nil(t, f.FileSize)
			f.Path += "/"
		}
		list = append(list, f.Path)
	}
	return list
}

func TestArtifacts(t *testing.T) {
	t.Parallel()
	eachWire(t, tracking.Hooks{}, func(t *testing.T, w wire) {
		run := w.run(t)
		root := "1/" + run.ID + "/artifacts"
		w.put(t, root+"/a.txt", []byte("first"))
		w.put(t, root+"/a.txt", []byte("second"))
		w.put(t, root+"/sub/dir/a%20%C3%A9%23.bin", []byte{0, 1, 2})
		w.put(t, root+"/sub/empty", nil)
		model, _ := w.logged(t, "clf")
		w.put(t, "1/models/"+model+"/artifacts/MLmodel", []byte("flavors: {}"))

		resp, b := w.send(t, http.MethodGet, files+"/"+root+"/a.txt", nil)
		require.Equal(t, "second", string(b))
		require.Equal(t, `"`+strings.TrimPrefix(blob.Key(b), "sha256:")+`"`, resp.Header.Get("ETag"))
		require.Contains(t, resp.Header.Get("Content-Disposition"), "attachment")
		require.NotEmpty(t, resp.Header.Get("Last-Modified"))
		_, b = w.send(t, http.MethodGet, files+"/"+root+"/sub/dir/a%20%C3%A9%23.bin", nil)
		require.Equal(t, []byte{0, 1, 2}, b)
		resp, b = w.send(t, http.MethodGet, files+"/"+root+"/sub/empty", nil)
		require.Equal(t, 200, resp.StatusCode)
		require.Empty(t, b)

		require.Equal(t, []string{"a.txt", "sub/"}, w.list(t, root))
		require.Equal(t, []string{"dir/", "empty"}, w.list(t, root+"/sub/"))
		require.Equal(t, []string{"a é#.bin"}, w.list(t, root+"/sub/dir"))
		require.Equal(t, []string{"1/"}, w.list(t, ""))
		require.Equal(t, []string{run.ID + "/", "models/"}, w.list(t, "1"))
		for _, nothing := range []string{root + "/a.txt", root + "/nope", "7", root + "/su"} {
			require.Empty(t, w.list(t, nothing), nothing)
		}

		out := w.get(t, "artifacts/list?run_id="+run.ID)
		require.Equal(t, "mlflow-artifacts:/"+root, out["root_uri"])
		require.Equal(t, []any{object{"path": "a.txt", "is_dir": false, "file_size": 6.0}, object{"path": "sub", "is_dir": true}}, out["files"])
		require.Equal(t, []string{"sub/dir", "sub/empty"}, names(w.get(t, "artifacts/list?run_uuid="+run.ID+"&path=sub")["files"], "path"))
		require.Equal(t, []string{"MLmodel"}, names(w.get(t, "logged-models/"+model+"/artifacts/directories")["files"], "path"))
		for _, p := range []string{"/get-artifact?run_uuid=" + run.ID + "&path=a.txt", "/ajax-api/2.0/mlflow/get-artifact?run_id=" + run.ID + "&path=a.txt"} {
			_, b = w.send(t, http.MethodGet, p, nil)
			require.Equal(t, "second", string(b), p)
		}
		w.post(t, "registered-models/create", object{"name": "iris"})
		w.version(t, "iris", model, nil)
		for _, p := range []string{"/model-versions/get-artifact?name=iris&version=1&path=MLmodel", "/ajax-api/2.0/mlflow/logged-models/" + model + "/artifacts/files?artifact_file_path=MLmodel"} {
			_, b = w.send(t, http.MethodGet, p, nil)
			require.Equal(t, "flavors: {}", string(b), p)
		}

		w.put(t, root+"/model/x", []byte("second"))

		resp, _ = w.send(t, http.MethodDelete, files+"/"+root+"/sub", nil)
		require.Equal(t, 200, resp.StatusCode)
		require.Equal(t, []string{"a.txt", "model/"}, w.list(t, root))
		for _, gone := range []string{root + "/sub", root + "/sub/empty", root + "/nope"} {
			for _, method := range []string{http.MethodGet, http.MethodDelete} {
				resp, b = w.send(t, method, files+"/"+gone, nil)
				require.Equal(t, 404, resp.StatusCode, gone)
				require.Contains(t, string(b), "No such artifact", gone)
			}
		}
		w.refuse(t, missing, http.MethodGet, "artifacts/list?run_id="+strings.Repeat("0", 32), nil)
		w.refuse(t, invalid, http.MethodGet, "artifacts/list", nil)
	})
}

func TestAFileIsNoFolder(t *testing.T) {
	t.Parallel()
	eachWire(t, tracking.Hooks{}, func(t *testing.T, w wire) {
		root := "1/" + strings.Repeat("a", 32) + "/artifacts"
		w.put(t, root+"/a/b", []byte("x"))
		for path, want := range map[string]string{root + "/a": "is a folder", root + "/a/b/c": "is a file", root: "Invalid path"} {
			resp, b := w.send(t, http.MethodPut, files+"/"+path, []byte("x"))
			require.Contains(t, string(b), want)
			require.Equal(t, 400, resp.StatusCode, path)
		}
	})
}

// badPaths are ways out of the artifact root, and what only looks like one.
var badPaths = []string{
	"../x", "a/../../x", "a/..", "..", ".", "./a", "a/./b", "a//b", "/etc/passwd", "//etc/passwd", `..\x`, `a\b`, `\\host\share`, "C:/x", "c:x",
	"%2e%2e/x", "..%2fx", "%2e%2e%2fx", "%252e%252e%252fx", "%25252e%25252e/x", "a%5c..%5cx", "a%00b", "a%0ab", "%ff", "a%7fb", "%c0%ae%c0%ae/x", "%", "%zz", "%2fetc%2fpasswd", strings.Repeat("x", 1001),
}

func TestPathsOutOfTheRootAreRefused(t *testing.T) {
	t.Parallel()
	s := tracking.NewServer(nil, nil, tracking.Hooks{}, nil) // a path that got through would meet no store
	for _, bad := range badPaths {
		for _, prefix := range []string{"", "1/" + strings.Repeat("a", 32) + "/artifacts/"} {
			if prefix != "" && strings.Trim(bad, "cC:x/") == "" {
				continue // within a folder these are names
			}
			for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete} {
				req := &http.Request{Method: method, URL: &url.URL{Scheme: "http", Host: "x", Opaque: "//x" + files + "/" + prefix + bad}, Header: http.Header{}}
				resp, err := s.RoundTrip(req.WithContext(t.Context()))
				require.NoError(t, err, bad)
				b, err := io.ReadAll(resp.Body)
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
				require.Equal(t, 400, resp.StatusCode, "%s %s%s: %s", method, prefix, bad, b)
			}
		}
	}
}

func TestListsTakeNoWayOut(t *testing.T) {
	t.Parallel()
	eachWire(t, tracking.Hooks{}, func(t *testing.T, w wire) {
		run := w.run(t)
		for _, bad := range []string{"/", "..", "../..", "a/../..", `..\x`, "%2e%2e", "/etc", "a//b"} {
			resp, _ := w.send(t, http.MethodGet, files+"?path="+url.QueryEscape(bad), nil)
			require.Equal(t, 400, resp.StatusCode, bad)
			require.Equal(t, "Invalid path", w.refuse(t, invalid, http.MethodGet, "artifacts/list?run_id="+run.ID+"&path="+url.QueryEscape(bad), nil), bad)
			resp, _ = w.send(t, http.MethodGet, "/get-artifact?run_uuid="+run.ID+"&path="+url.QueryEscape(bad), nil)
			require.Equal(t, 400, resp.StatusCode, bad)
		}
		resp, _ := w.send(t, http.MethodPut, files+"/a/", []byte("x"))
		require.Equal(t, 400, resp.StatusCode, "a folder is no file")
		resp, _ = w.send(t, http.MethodGet, files+"/a", nil)
		require.Equal(t, 404, resp.StatusCode)
	})
}

func TestRanges(t *testing.T) {
	t.Parallel()
	eachWire(t, tracking.Hooks{}, func(t *testing.T, w wire) {
		content := bytes.Repeat([]byte("0123456789"), 200_000) // larger than what is checked before the answer
		name := "1/" + strings.Repeat("a", 32) + "/artifacts/big.bin"
		w.put(t, name, content)
		cases := map[string]struct {
			status     int
			from, size int
		}{
			"":                            {200, 0, 2_000_000},
			"bytes=0-9":                   {206, 0, 10},
			"bytes=1999990-":              {206, 1_999_990, 10},
			"bytes=1999990-99999999":      {206, 1_999_990, 10},
			"bytes=-5":                    {206, 1_999_995, 5},
			"bytes=-99999999":             {206, 0, 2_000_000},
			"bytes=100-1500099":           {206, 100, 1_500_000},
			"bytes=0-1,5-6":               {200, 0, 2_000_000},
			"bytes=9-3":                   {200, 0, 2_000_000},
			"lines=0-9":                   {200, 0, 2_000_000},
			"bytes=18446744073709551616-": {200, 0, 2_000_000},
			"bytes=2000000-":              {416, 0, -1},
			"bytes=9223372036854775807-":  {416, 0, -1},
			"bytes=-0":                    {416, 0, -1},
			"bytes=0-9223372036854775807": {206, 0, 2_000_000},
			"bytes=--5":                   {200, 0, 2_000_000},
			"bytes=1-x":                   {200, 0, 2_000_000},
		}
		for header, want := range cases {
			resp, b := w.send(t, http.MethodGet, files+"/"+name, nil, "Range", header)
			require.Equal(t, want.status, resp.StatusCode, header)
			if want.size < 0 {
				require.Equal(t, "bytes */2000000", resp.Header.Get("Content-Range"), header)
				continue
			}
			require.True(t, bytes.Equal(content[want.from:want.from+want.size], b), header)
		}
		resp, b := w.send(t, http.MethodGet, files+"/"+name, nil)
		tag := resp.Header.Get("ETag")
		require.Len(t, b, len(content))
		resp, b = w.send(t, http.MethodGet, files+"/"+name, nil, "If-None-Match", `"x", W/`+tag)
		require.Equal(t, 304, resp.StatusCode)
		require.Empty(t, b)
		resp, _ = w.send(t, http.MethodGet, files+"/"+name, nil, "Range", "bytes=0-9", "If-Range", `"other"`)
		require.Equal(t, 200, resp.StatusCode)
		resp, _ = w.send(t, http.MethodGet, files+"/"+name, nil, "Range", "bytes=0-9", "If-Range", tag)
		require.Equal(t, 206, resp.StatusCode)
	})
}

func TestADamagedFileIsNeverWhole(t *testing.T) {
	t.Parallel()
	eachWire(t, tracking.Hooks{}, func(t *testing.T, w wire) {
		for _, size := range []int{10, 3 << 20} {
			content := bytes.Repeat([]byte("x"), size)
			name := "1/" + strings.Repeat("a", 32) + "/artifacts/file"
			w.put(t, name, content)
			file := w.blobs.Path(blob.Key(content))
			require.NoError(t, os.Remove(file))
			content[0] = 'y'
			require.NoError(t, os.WriteFile(file, content, 0o600))
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://x"+files+"/"+name, nil)
			require.NoError(t, err)
			resp, err := w.server.RoundTrip(req)
			require.NoError(t, err)
			b, err := io.ReadAll(resp.Body)
			require.NoError(t, resp.Body.Close())
			require.True(t, resp.StatusCode == http.StatusInternalServerError || err != nil && len(b) < size, "%d bytes, %d, %v", len(b), resp.StatusCode, err)
		}
	})
}

func TestABrokenUploadLeavesNothing(t *testing.T) {
	t.Parallel()
	eachWire(t, tracking.Hooks{}, func(t *testing.T, w wire) {
		for name, body := range map[string]io.Reader{
			"breaks off":   io.MultiReader(strings.NewReader(strings.Repeat("x", 100_000)), iotest.ErrReader(errors.New("gone"))),
			"is too short": strings.NewReader("x"),
		} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://x"+files+"/1/file", body)
			require.NoError(t, err)
			req.ContentLength = 200_000
			resp, err := w.server.RoundTrip(req)
			require.NoError(t, err, name)
			require.NoError(t, resp.Body.Close())
			require.Equal(t, 400, resp.StatusCode, name)
		}
		require.Empty(t, w.list(t, ""))
		left, err := filepath.Glob(path.Dir(path.Dir(path.Dir(w.blobs.Path(blob.Key(nil))))) + "/.perennial-*")
		require.NoError(t, err)
		require.Empty(t, left)
	})
}

func TestUploadsOverTheLimitAreRefused(t *testing.T) {
	t.Parallel()
	s := tracking.NewServer(nil, nil, tracking.Hooks{}, nil)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://x"+files+"/1/file", strings.NewReader("x"))
	require.NoError(t, err)
	req.ContentLength = tracking.MaxUpload + 1
	resp, err := s.RoundTrip(req)
	require.NoError(t, err)
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, 400, resp.StatusCode)
	require.Contains(t, string(b), mlflow.CodeInvalid)
}

func FuzzArtifactPath(f *testing.F) {
	for _, bad := range badPaths {
		f.Add(bad)
	}
	f.Add("1/" + strings.Repeat("a", 32) + "/artifacts/sub/a%20b.txt")
	f.Fuzz(func(t *testing.T, escaped string) {
		root, below, err := tracking.ArtifactPath(escaped)
		if err != nil {
			require.Equal(t, 400, err.Status())
			return
		}
		whole := strings.TrimPrefix(root+"/"+below, "/")
		for form := whole; ; {
			require.True(t, fs.ValidPath(strings.TrimSuffix(form, "/")), "%q", form)
			require.NotContains(t, form, `\`)
			next, err := url.PathUnescape(form)
			if err != nil || next == form {
				break
			}
			form = next
		}
	})
}

func FuzzRange(f *testing.F) {
	for _, header := range []string{"", "bytes=0-9", "bytes=-5", "bytes=5-", "bytes=9-3", "bytes=-", "bytes=0-18446744073709551615"} {
		f.Add(header, int64(10))
	}
	f.Fuzz(func(t *testing.T, header string, size int64) {
		if size < 0 {
			return
		}
		from, length, ok := tracking.ByteRange(header, size)
		if ok {
			require.True(t, from >= 0 && length >= 0 && from+length <= size, "%d+%d of %d", from, length, size)
		}
	})
}
