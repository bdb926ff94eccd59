package processtest_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial/internal/blob"
	"github.com/perennial-ml/perennial/internal/project"
)

// A kill in the middle of an upload leaves no file of the run and no object; the
// next upload brings it, and a later start takes away what was written.
func TestKilledWhileAFileIsUploaded(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "project")
	require.NoError(t, project.Init(dir, false))
	p := setup(t, dir, "--no-bootstrap")
	const files = "/api/2.0/mlflow-artifacts/artifacts"
	const file = files + "/1/0123456789abcdef0123456789abcdef/artifacts/model.bin"
	conn, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
	require.NoError(t, err)
	defer conn.Close()
	content := strings.Repeat("0123456789abcdef", 1<<16)
	_, err = fmt.Fprintf(conn, "PUT %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n%s", file, 2*len(content), content)
	require.NoError(t, err)
	begun := func() []string {
		left, err := filepath.Glob(filepath.Join(p.home, "artifacts", ".perennial-*.tmp"))
		require.NoError(t, err)
		return left
	}
	require.Eventually(t, func() bool { return len(begun()) == 1 }, slow*time.Minute, 5*time.Millisecond)
	p.kill()
	left := begun()
	require.Len(t, left, 1)
	long := time.Now().Add(-2 * time.Hour)
	require.NoError(t, os.Chtimes(left[0], long, long))

	p.start()
	require.Empty(t, begun())
	objects, err := filepath.Glob(filepath.Join(p.home, "artifacts", "sha256", "*", "*"))
	require.NoError(t, err)
	require.Empty(t, objects)
	c := &http.Client{Timeout: slow * time.Minute}
	t.Cleanup(c.CloseIdleConnections)
	ask := func(method, path, body string) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), method, p.url+path, strings.NewReader(body))
		require.NoError(t, err)
		resp, err := c.Do(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return resp.StatusCode, string(b)
	}
	status, _ := ask(http.MethodGet, file, "")
	require.Equal(t, 404, status)
	_, list := ask(http.MethodGet, files+"?path=1", "")
	require.Equal(t, "{}", list)
	status, _ = ask(http.MethodPut, file, content+content)
	require.Equal(t, 200, status)
	status, got := ask(http.MethodGet, file, "")
	require.Equal(t, 200, status)
	require.Equal(t, blob.Key([]byte(content+content)), blob.Key([]byte(got)))
	p.stop()
}
