package api_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial/api"
	"github.com/perennial-ml/perennial/internal/blob"
	"github.com/perennial-ml/perennial/internal/db"
	"github.com/perennial-ml/perennial/internal/mlflow"
	"github.com/perennial-ml/perennial/internal/tracking"
)

const (
	files = "/api/2.0/mlflow-artifacts/artifacts"
	root  = "1/0123456789abcdef0123456789abcdef/artifacts/"
)

// mlflowServer is an API with MLflow's routes on its address.
type mlflowServer struct {
	*api.Server
	client *http.Client
	url    string
	dir    string // of the artifacts
}

func startMLflow(t *testing.T, change func(*api.Options, *world)) mlflowServer {
	t.Helper()
	g, err := db.Open(t.Context(), db.Options{URL: "sqlite:" + filepath.Join(t.TempDir(), "test.db")})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close(g)) })
	require.NoError(t, db.Migrate(t.Context(), g, tracking.Component, tracking.Migrations))
	dir := t.TempDir()
	blobs, err := blob.Open(dir)
	require.NoError(t, err)
	secure := false
	s, c := startWith(t, func(o *api.Options, w *world) {
		o.MaxBody = 1 << 16
		if change != nil {
			change(o, w)
		}
		secure = o.TLS != nil
	}, func(s *api.Server) { s.Mount(tracking.NewServer(tracking.NewStore(g), blobs, tracking.Hooks{}, nil)) })
	if secure {
		c.Transport.(*http.Transport).TLSClientConfig = &tls.Config{InsecureSkipVerify: true} //nolint:gosec // a test's own certificate
		return mlflowServer{s, c, "https://" + s.Addr(), dir}
	}
	return mlflowServer{s, c, "http://" + s.Addr(), dir}
}

// do sends a request; chunked leaves its length open.
func (s mlflowServer) do(t *testing.T, method, path, token string, body []byte, chunked bool) (int, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.url+path, bytes.NewReader(body))
	require.NoError(t, err)
	if chunked {
		req.Body, req.ContentLength = io.NopCloser(io.MultiReader(bytes.NewReader(body))), -1
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer token-of-"+token)
	}
	if !strings.HasPrefix(path, files) {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := s.client.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, b
}

func TestUploadsStream(t *testing.T) {
	t.Parallel()
	s := startMLflow(t, nil)
	for _, size := range []int{0, 10, 8 << 10, 8<<10 + 1, 1 << 16, 1<<16 + 1, 20 << 20} {
		for _, chunked := range []bool{false, true} {
			name := fmt.Sprintf("%s/%s%d-%t", files, root, size, chunked)
			content := bytes.Repeat([]byte("0123456789abcdef"), size/16+1)[:size]
			status, b := s.do(t, http.MethodPut, name, "", content, chunked)
			require.Equal(t, 200, status, "%s", b)
			require.Empty(t, b)
			status, b = s.do(t, http.MethodGet, name, "", nil, false)
			require.Equal(t, 200, status)
			require.True(t, bytes.Equal(content, b), "%d bytes", size)
			status, b = s.do(t, http.MethodHead, name, "", nil, false)
			require.Equal(t, 200, status)
			require.Empty(t, b)
		}
	}
	// The client gets to read why, however much it has to send before.
	for _, size := range []int{10, 100_000, 20 << 20, 100 << 20} {
		for _, chunked := range []bool{false, true} {
			status, b := s.do(t, http.MethodPut, files+"/%2e%2e/x", "", make([]byte, size), chunked)
			require.Equal(t, 400, status)
			require.JSONEq(t, `{"error_code":"INVALID_PARAMETER_VALUE","message":"Invalid path"}`, string(b))
		}
	}
	// Nothing else takes such bodies.
	for _, path := range []string{"/predict", "/api/2.0/mlflow/runs/log-batch", "/api/2.0/mlflow/registered-models/create"} {
		status, _ := s.do(t, http.MethodPost, path, "", make([]byte, 1<<16+1), false)
		require.Equal(t, 413, status, path)
	}
}

func TestUploadsThatBreakOff(t *testing.T) {
	t.Parallel()
	certificate := httptest.NewUnstartedServer(nil)
	certificate.StartTLS()
	pair := certificate.TLS.Certificates[0]
	certificate.Close()
	pool := x509.NewCertPool()
	pool.AddCert(certificate.Certificate())
	for name, secure := range map[string]*tls.Config{"plain": nil, "encrypted": {RootCAs: pool, ServerName: "example.com"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startMLflow(t, func(o *api.Options, _ *world) {
				if secure != nil {
					o.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
				}
			})
			part := strings.Repeat("x", 50_000)
			for _, begun := range []string{
				"Content-Length: 200000\r\n\r\n" + part,
				"Transfer-Encoding: chunked\r\n\r\n",
				"Transfer-Encoding: chunked\r\n\r\nc350\r\n" + part + "\r\n", // between two chunks
				"Transfer-Encoding: chunked\r\n\r\nc350\r\n" + part,
				"Transfer-Encoding: chunked\r\n\r\nc350\r\n" + part[:100],
				"Transfer-Encoding: chunked\r\n\r\nc350\r\n" + part + "\r\nc3",
			} {
				conn, err := net.Dial("tcp", s.Addr())
				require.NoError(t, err)
				if secure != nil {
					conn = tls.Client(conn, secure)
				}
				_, err = fmt.Fprintf(conn, "PUT %s/%sfile HTTP/1.1\r\nHost: 127.0.0.1\r\n%s", files, root, begun)
				require.NoError(t, err)
				require.NoError(t, conn.Close())
			}
			// Connections are taken in their order: with this one the server has taken all.
			status, _ := s.do(t, http.MethodGet, "/health", "", nil, false)
			require.Equal(t, 200, status)
			s.client.CloseIdleConnections()
			require.Eventually(t, func() bool { return s.App().Server().GetOpenConnectionsCount() == 0 }, 10*time.Second, 5*time.Millisecond)
			status, b := s.do(t, http.MethodGet, files+"?path="+root[:len(root)-1], "", nil, false)
			require.Equal(t, 200, status)
			require.JSONEq(t, `{}`, string(b), "no row")
			for _, pattern := range []string{"sha256/*/*", ".perennial-*"} {
				left, err := filepath.Glob(filepath.Join(s.dir, pattern))
				require.NoError(t, err)
				require.Empty(t, left, "no object")
			}
		})
	}
}

func TestWhoMayDoWhatThroughMLflow(t *testing.T) {
	t.Parallel()
	s := startMLflow(t, locked)
	for _, c := range []struct {
		method, path, body string
		needs              string
	}{
		{"GET", "/health", "", ""},
		{"GET", "/version", "", ""},
		{"GET", "/api/3.0/mlflow/server-info", "", "reader"},
		{"GET", "/api/2.0/mlflow/registered-models/search", "", "reader"},
		{"POST", "/ajax-api/2.0/mlflow/logged-models/search", "{}", "reader"},
		{"GET", files, "", "reader"},
		{"GET", "/get-artifact?run_id=x&path=x", "", "reader"},
		{"PUT", files + "/" + root + "x", "x", "trainer"},
		{"POST", "/api/2.0/mlflow/registered-models/create", `{"name":"x"}`, "trainer"},
		{"DELETE", "/api/2.0/mlflow/registered-models/delete-tag", `{"name":"x","key":"k"}`, "trainer"},
		{"POST", "/api/2.0/mlflow/registered-models/alias", `{"name":"x"}`, "operator"},
		{"POST", "/api/2.0/mlflow/registered-models/alias/", `{"name":"x"}`, "operator"},
		{"DELETE", "/api/2.0/mlflow/registered-models/alias", `{"name":"x"}`, "operator"},
		{"DELETE", "/api/2.0/mlflow/logged-models/m-1", `{}`, "operator"},
		{"DELETE", files + "/" + root + "x", "", "operator"},
		{"DELETE", "/api/2.0/mlflow/registered-models/delete", `{"name":"x"}`, "operator"},
	} {
		let := c.needs == ""
		for _, role := range []string{"", "reader", "labeler", "trainer", "operator"} {
			let = let || role == c.needs
			status, b := s.do(t, c.method, c.path, role, []byte(c.body), false)
			if let {
				require.NotContains(t, []int{401, 403}, status, "%s %s as %s: %s", c.method, c.path, role, b)
				require.Less(t, status, 500, "%s %s as %s: %s", c.method, c.path, role, b)
				continue
			}
			var refusal mlflow.Error
			require.NoError(t, json.Unmarshal(b, &refusal), "%s", b)
			want := map[bool]string{true: mlflow.CodeNotLoggedIn, false: mlflow.CodeDenied}[role == ""]
			require.Equal(t, want, refusal.Code, "%s %s as %s: %d %s", c.method, c.path, role, status, b)
			require.NotEmpty(t, refusal.Message)
		}
	}
}
