package api_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial/api"
)

// dial opens a connection and sends the head of a prediction request, and as
// much of its body as given.
func dial(t *testing.T, s *api.Server, announced int, body string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", s.Addr())
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	_, err = fmt.Fprintf(conn, "POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", announced, body)
	require.NoError(t, err)
	return conn
}

// read takes one answer from a connection.
func read(t *testing.T, r *bufio.Reader) (int, string) {
	t.Helper()
	resp, err := http.ReadResponse(r, nil)
	require.NoError(t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(b)
}

// padded is a request of a given size.
func padded(size int) string {
	const head, tail = `{"model":"iris","pad":"`, `"}`
	return head + strings.Repeat("x", size-len(head)-len(tail)) + tail
}

func TestBodiesOfAllSizesOnOneConnection(t *testing.T) {
	t.Parallel()
	s, _ := start(t, func(o *api.Options, _ *world) { o.MaxBody = 1 << 20 })
	conn, err := net.Dial("tcp", s.Addr())
	require.NoError(t, err)
	defer conn.Close()
	r := bufio.NewReader(conn)
	for _, size := range []int{40, 8 << 10, 8<<10 + 1, 16 << 10, 16<<10 + 1, 100_000, 1 << 20, 40} {
		for _, chunked := range []bool{false, true} {
			req, err := http.NewRequest(http.MethodPost, "http://127.0.0.1/predict", bytes.NewReader([]byte(padded(size))))
			require.NoError(t, err)
			req.Header.Set("Content-Type", "application/json")
			if chunked {
				req.ContentLength, req.TransferEncoding = -1, []string{"chunked"}
			}
			require.NoError(t, req.Write(conn))
			status, body := read(t, r)
			require.Equal(t, 200, status, "%d bytes: %s", size, body)
		}
	}
	// huma reads its bodies the same way.
	req, err := http.NewRequest(http.MethodPost, "http://127.0.0.1/pipelines/iris/train", strings.NewReader(`{"reason":"x"}`+strings.Repeat(" ", 50_000)))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	require.NoError(t, req.Write(conn))
	status, _ := read(t, r)
	require.Equal(t, 202, status)
}

func TestAnnouncedBodiesTakeNoMemory(t *testing.T) {
	t.Parallel()
	s, _ := start(t, nil)
	const connections, size = 200, 8 << 20
	for range connections {
		dial(t, s, size, `{"model"`+strings.Repeat(" ", 10_000))
	}
	require.Eventually(t, func() bool { return s.App().Server().GetCurrentConcurrency() >= connections }, 10*time.Second, 5*time.Millisecond)
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	require.Less(t, m.HeapAlloc, uint64(connections*size/4))
}

func TestModelFilesMayBeLarger(t *testing.T) {
	t.Parallel()
	s, c := start(t, func(o *api.Options, _ *world) { o.MaxBody = 1 << 16 })
	ask := func(path string, size int) int {
		body := `{"schema":"version: 1","file":"` + strings.Repeat("AAAA", size/4) + `"}`
		resp, err := c.Post("http://"+s.Addr()+path, "application/json", strings.NewReader(body))
		require.NoError(t, err)
		defer resp.Body.Close()
		return resp.StatusCode
	}
	for range 3 { // there is memory for one of the greatest size, and it is given back
		require.Equal(t, 201, ask("/models/prices/versions", 9<<20))
	}
	require.Equal(t, 413, ask("/retrain", 1<<17))
	conn, err := net.Dial("tcp", s.Addr())
	require.NoError(t, err)
	defer conn.Close()
	_, err = fmt.Fprintf(conn, "POST /models/prices/versions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n{%s", 1<<30, strings.Repeat(" ", 10_000))
	require.NoError(t, err)
	status, _ := read(t, bufio.NewReader(conn))
	require.Equal(t, 413, status)
}

func TestManyLargeBodiesAtOnce(t *testing.T) {
	t.Parallel()
	const size = 1 << 16
	s, c := start(t, func(o *api.Options, _ *world) { o.MaxBody = size })
	large := padded(size)
	var waiting []net.Conn
	for range 40 { // more than there is memory for; the last byte is kept back
		waiting = append(waiting, dial(t, s, size, large[:size-1]))
	}
	ask := func(body string) int {
		resp, err := c.Post("http://"+s.Addr()+"/predict", "application/json", strings.NewReader(body))
		if err != nil {
			return 0 // refused while it was still being sent
		}
		defer resp.Body.Close()
		if resp.StatusCode == http.StatusServiceUnavailable {
			require.Equal(t, "1", resp.Header.Get("Retry-After"))
		}
		return resp.StatusCode
	}
	require.Eventually(t, func() bool { return ask(large) == 503 }, 10*time.Second, 5*time.Millisecond)
	require.Equal(t, 200, ask(padded(40)), "a small one has room")
	for _, conn := range waiting {
		require.NoError(t, conn.Close())
	}
	require.Eventually(t, func() bool { return ask(large) == 200 }, 10*time.Second, 5*time.Millisecond)
}
