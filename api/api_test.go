package api_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/api"
	"github.com/perennial-ml/perennial/internal/client"
)

func TestEveryCodeHasAStatusAndAPage(t *testing.T) {
	t.Parallel()
	want := map[perennial.Code]int{
		"malformed": 400, "unauthorized": 401, "forbidden": 403, "not_found": 404, "not_yet": 404, "conflict": 409, "precondition": 412,
		"too_large": 413, "unsupported_media": 415, "invalid": 422, "rate_limited": 429, "internal": 500, "unavailable": 503, "deadline": 504,
	}
	require.ElementsMatch(t, slices.Collect(maps.Keys(want)), perennial.Codes())
	s, _ := setup(t)
	for _, code := range perennial.Codes() {
		status, body := get(t, s, "/docs/problems/"+string(code))
		require.Equal(t, 200, status, code)
		require.Contains(t, body, "<h1>")
		require.Contains(t, body, fmt.Sprintf("Code %s, HTTP %d.", code, want[code]))
	}
}

func get(t *testing.T, s *api.Server, path string) (int, string) {
	t.Helper()
	resp, err := s.App().Test(httptest.NewRequest(http.MethodGet, "http://localhost:8080"+path, nil), -1)
	require.NoError(t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(b)
}

func TestOpenAPIListsEveryRoute(t *testing.T) {
	t.Parallel()
	s, _ := setup(t)
	var document struct {
		Paths map[string]map[string]json.RawMessage `json:"paths"`
	}
	require.NoError(t, json.Unmarshal(s.OpenAPI(), &document))
	var documented []string
	for path, item := range document.Paths {
		for method := range item {
			documented = append(documented, strings.ToUpper(method)+" "+path)
		}
	}
	pages := map[string]bool{"/": true, "/docs": true, "/openapi.json": true}
	var served []string
	for _, r := range s.App().GetRoutes(true) {
		if r.Method == http.MethodHead || pages[r.Path] || strings.HasPrefix(r.Path, "/docs/problems/") {
			continue
		}
		parts := strings.Split(r.Path, "/")
		for i, p := range parts {
			if name, ok := strings.CutPrefix(p, ":"); ok {
				parts[i] = "{" + name + "}"
			}
			if p == "+" {
				parts[i] = "{path}"
			}
		}
		served = append(served, r.Method+" "+strings.Join(parts, "/"))
	}
	require.ElementsMatch(t, served, documented)
	status, body := get(t, s, "/openapi.json")
	require.Equal(t, 200, status)
	require.JSONEq(t, string(s.OpenAPI()), body)
	golden(t, "openapi", s.OpenAPI())
}

func TestDocsListEveryRouteAndRootLeadsThere(t *testing.T) {
	t.Parallel()
	s, _ := setup(t)
	status, body := get(t, s, "/docs")
	require.Equal(t, 200, status)
	for _, path := range []string{"/predict", "/models/{model}/history", "/workflows/{id}/cancel", "/docs/problems/not_yet"} {
		require.Contains(t, body, path)
	}
	resp, err := s.App().Test(httptest.NewRequest(http.MethodGet, "http://localhost/", nil), -1)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, "/docs", resp.Header.Get("Location"))
}

func TestTrainHandsTheOrderOnAndJoinsARunningOne(t *testing.T) {
	t.Parallel()
	s, w := setup(t)
	for i, status := range []int{202, 200} {
		resp, err := s.App().Test(scenario{do: "POST /pipelines/iris/train", body: `{"reason":"why not"}`}.request(t), -1)
		require.NoError(t, err)
		var out client.TrainResponse
		require.NoError(t, json.NewDecoder(resp.Body).Decode(&out))
		require.NoError(t, resp.Body.Close())
		require.Equal(t, status, resp.StatusCode)
		require.Equal(t, i == 0, out.Started)
	}
	require.Equal(t, client.TrainOrder{Pipeline: "iris", Budget: perennial.BudgetFull, Reason: "why not", Trigger: "manual"}, w.orders[0])
	require.Equal(t, perennial.Actor{Name: "api", Role: perennial.AccessAdmin, RequestID: "test-1"}, w.actors[0])
}

func TestHeadIsGetWithoutABody(t *testing.T) {
	t.Parallel()
	s, _ := setup(t)
	for path, status := range map[string]int{"/models": 200, "/models/nope": 404, "/healthz": 200, "/metrics": 200, "/docs": 200, "/predict": 405, "/nowhere": 404} {
		resp, err := s.App().Test(scenario{do: "HEAD " + path}.request(t), -1)
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, status, resp.StatusCode, path)
		require.Empty(t, body, path)
	}
	_, body := get(t, s, "/metrics")
	require.Contains(t, body, `perennial_api_requests_total{method="HEAD",route="/models/{model}",status="404"} 1`)
}

func TestNotReadyAndDegraded(t *testing.T) {
	t.Parallel()
	s, w := setup(t)
	w.down = []client.Degraded{{Part: "temporal", Message: "no answer"}}
	status, body := get(t, s, "/readyz")
	require.Equal(t, 200, status, "a dependency that is down leaves it ready")
	require.Contains(t, body, "temporal")
	w.ready = false
	status, body = get(t, s, "/readyz")
	require.Equal(t, 503, status)
	require.Contains(t, body, `"code":"unavailable"`)
}

func TestMetricsAreByRoutePattern(t *testing.T) {
	t.Parallel()
	s, _ := setup(t)
	for _, path := range []string{"/models/iris", "/models/nope", "/nowhere", "/runs/run1/artifacts/model.bin", "/workflows/train:iris"} {
		get(t, s, path)
	}
	_, body := get(t, s, "/metrics")
	for _, line := range []string{
		`perennial_api_requests_total{method="GET",route="/models/{model}",status="200"} 1`,
		`perennial_api_requests_total{method="GET",route="/models/{model}",status="404"} 1`,
		`perennial_api_requests_total{method="GET",route="none",status="404"} 1`,
		`perennial_api_requests_total{method="GET",route="/runs/{run}/artifacts/{path}",status="200"} 1`,
		`perennial_api_request_duration_seconds_count{route="/workflows/{id}"} 1`,
	} {
		require.Contains(t, body, line)
	}
}

func TestInternalCausesGoToTheLogOnly(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	o := newWorld().options()
	o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	s := api.New(o)
	for _, model := range []string{"panics", "broken"} {
		resp, err := s.App().Test(scenario{do: "POST /predict", body: `{"model":"` + model + `"}`}.request(t), -1)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
	}
	require.Equal(t, 2, strings.Count(log.String(), "level=WARN"))
	require.Equal(t, 2, strings.Count(log.String(), "request_id=test-1"))
	require.Contains(t, log.String(), secret)
	require.Contains(t, log.String(), "goroutine")
}

func TestRequestIDs(t *testing.T) {
	t.Parallel()
	s, _ := setup(t)
	for name, came := range map[string]string{"none": "", "too long": strings.Repeat("x", 65), "odd letters": "a b\"c"} {
		req := scenario{do: "GET /healthz"}.request(t)
		req.Header.Set("X-Request-Id", came)
		resp, err := s.App().Test(req, -1)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.NoError(t, uuid.Validate(resp.Header.Get("X-Request-Id")), name)
	}
}

func TestHostsBesidesLoopback(t *testing.T) {
	t.Parallel()
	o := newWorld().options()
	o.Hosts = []string{"Models.Example"}
	s := api.New(o)
	for host, status := range map[string]int{
		"models.example:8080": 200, "localhost": 200, "127.0.0.9:1": 200, "[::1]:8080": 200, "LOCALHOST.": 200, "other.example": 403, "127.0.0.1.evil.example": 403,
	} {
		req := scenario{do: "GET /models"}.request(t)
		req.Host = host
		resp, err := s.App().Test(req, -1)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, status, resp.StatusCode, "host %q", host)
	}
}
