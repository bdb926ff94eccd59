package tracking_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/mlflow"
	"github.com/perennial-ml/perennial/internal/tracking"
)

// ask sends one request and gives status and body.
func ask(t *testing.T, s *tracking.Server, method, path, body string) (int, string) {
	t.Helper()
	var content io.Reader
	if body != "" {
		content = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, "http://mlflow"+path, content)
	require.NoError(t, err)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := s.RoundTrip(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(b)
}

func TestServerWithoutAStore(t *testing.T) {
	t.Parallel()
	s := tracking.NewServer(nil, nil, tracking.Hooks{}, nil)
	for _, c := range []struct {
		method, path string
		status       int
		body         string
	}{
		{"GET", "/health", 200, "OK"},
		{"GET", "/version", 200, mlflow.Version},
		{"GET", "/api/2.0/mlflow/nothing", 404, "ENDPOINT_NOT_FOUND"},
		{"DELETE", "/health", 405, "ENDPOINT_NOT_FOUND"},
		{"GET", "/api/3.0/mlflow/server-info", 200, `"multipart_uploads_enabled":false`},
		{"GET", "/ajax-api/3.0/mlflow/server-info", 200, `"store_type":"SqlStore"`},
	} {
		status, body := ask(t, s, c.method, c.path, "")
		require.Equal(t, c.status, status, c.path)
		require.Contains(t, body, c.body, c.path)
		require.True(t, s.Owns(c.path), c.path)
	}
	require.False(t, s.Owns("/models"))

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	req, err := http.NewRequestWithContext(ended, http.MethodGet, "http://mlflow/health", nil)
	require.NoError(t, err)
	_, err = s.RoundTrip(req)
	require.ErrorIs(t, err, context.Canceled)
}

func TestServerRoles(t *testing.T) {
	t.Parallel()
	s := tracking.NewServer(nil, nil, tracking.Hooks{}, nil)
	for _, c := range []struct {
		method, path string
		want         perennial.AccessRole
	}{
		{"GET", "/health", ""},
		{"GET", "/version", ""},
		{"GET", "/api/2.0/mlflow/runs/get", perennial.AccessReader},
		{"POST", "/ajax-api/2.0/mlflow/runs/search", perennial.AccessReader},
		{"POST", "/api/2.0/mlflow/runs/create", perennial.AccessTrainer},
		{"POST", "/api/2.0/mlflow/runs/delete-tag", perennial.AccessTrainer},
		{"POST", "/api/2.0/mlflow/runs/delete", perennial.AccessOperator},
		{"POST", "/api/2.0/mlflow/registered-models/alias", perennial.AccessOperator},
		{"DELETE", "/api/2.0/mlflow/model-versions/delete", perennial.AccessOperator},
	} {
		require.Equal(t, c.want, s.Role(c.method, c.path), c.path)
	}
}

func TestErrorsHaveMLflowsStatus(t *testing.T) {
	t.Parallel()
	for code, status := range map[string]int{
		mlflow.CodeInvalid: 400, mlflow.CodeExists: 400, mlflow.CodeNotFound: 404, mlflow.CodeNotLoggedIn: 401,
		mlflow.CodeDenied: 403, mlflow.CodeUnavailable: 503, mlflow.CodeInternal: 500, "NEVER_HEARD": 500,
	} {
		require.Equal(t, status, mlflow.Errorf(code, "x").Status(), code)
	}
	b, err := json.Marshal(mlflow.Invalid("bad %d", 1))
	require.NoError(t, err)
	require.JSONEq(t, `{"error_code":"INVALID_PARAMETER_VALUE","message":"bad 1"}`, string(b))
}
