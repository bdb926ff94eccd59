package api_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/api"
	"github.com/perennial-ml/perennial/internal/access"
	"github.com/perennial-ml/perennial/internal/client"
)

// shownOnce is what the fake gives out, once.
const shownOnce = "prn_c2VjcmV0"

func fakeToken() client.TokenView {
	return client.TokenView{TokenID: "t1", Name: "ci", Role: perennial.AccessTrainer, CreatedAt: now, CreatedBy: "admin", ExpiresAt: new(now.Add(time.Hour))}
}

func (w *world) CreateToken(_ context.Context, req client.TokenRequest) (client.NewTokenView, error) {
	t := fakeToken()
	t.Name, t.Role = req.Name, req.Role
	return client.NewTokenView{TokenView: t, Token: shownOnce}, nil
}

func (w *world) RevokeToken(ctx context.Context, id, reason string) (client.TokenView, error) {
	if id != "t1" {
		return client.TokenView{}, notFound("token")
	}
	w.cancels = append(w.cancels, [3]string{id, reason, perennial.ActorOf(ctx).Name})
	t := fakeToken()
	t.RevokedAt = new(now)
	return t, nil
}

func (w *world) Tokens(context.Context) ([]client.TokenView, error) {
	return []client.TokenView{fakeToken()}, nil
}

type auditFake struct{}

func (auditFake) Entries(_ context.Context, _ int, token string) ([]perennial.AuditEntry, string, error) {
	if token == "1" {
		return nil, "", nil
	}
	return []perennial.AuditEntry{
		{Seq: 2, At: now.UnixMilli(), Actor: "ann", Action: "token.revoke", Target: "ci", Before: json.RawMessage(`{"a":1}`), Reason: "gone", RequestID: "r", Previous: "aa", Hash: "bb"},
		{Seq: 1, At: now.UnixMilli(), Actor: "ann", Action: "train.start", Target: "iris", WorkflowID: "train:iris", Hash: "aa"},
	}, "1", nil
}

func (auditFake) Verify(context.Context) (access.Verified, error) {
	return access.Verified{Entries: 3, Hash: "bb", Broken: 4, Reason: "it was changed"}, nil
}

// keys lets each role in with a token of its name.
type keys struct{}

func (keys) Authenticate(token string) (perennial.Actor, error) {
	role := perennial.AccessRole(strings.TrimPrefix(token, "token-of-"))
	if !role.Holds(perennial.AccessReader) {
		return perennial.Actor{}, perennial.Errorf(perennial.CodeUnauthorized, "fake", "This token is unknown, revoked or expired.")
	}
	return perennial.Actor{Name: string(role) + "-bot", Role: role}, nil
}

func locked(o *api.Options, _ *world) { o.Access = keys{} }

// contract is CONTRACTS §5 written out by hand, by the program's table unseen:
// who may ask for a route, in Fiber's words, at the least. A route that isn't
// here fails the test.
var contract = map[string]string{
	"GET /healthz": "open", "GET /readyz": "open",

	"GET /": "reader", "GET /docs": "reader", "GET /openapi.json": "reader", "GET /metrics": "reader", "GET /status": "reader",
	"GET /predictions": "reader", "GET /predictions/:id": "reader",
	"GET /models": "reader", "GET /models/:model": "reader", "GET /models/:model/versions": "reader", "GET /models/:model/versions/:version": "reader",
	"GET /models/:model/schema": "reader", "GET /models/:model/history": "reader", "GET /models/:model/stream": "reader", "GET /models/:model/rollout": "reader",
	"GET /pipelines": "reader", "GET /pipelines/:pipeline": "reader", "GET /schedules": "reader", "GET /schedules/:pipeline": "reader",
	"GET /datasets": "reader", "GET /datasets/:path": "reader", "GET /workflows": "reader", "GET /workflows/:id": "reader",
	"GET /runs": "reader", "GET /runs/:run": "reader", "GET /runs/:run/artifacts": "reader", "GET /runs/:run/artifacts/+": "reader",
	"GET /decisions/:id": "reader", "GET /lineage/data/:md5": "reader",

	"POST /predict": "predictor",

	"POST /retrain": "trainer", "POST /pipelines/:pipeline/train": "trainer", "PUT /pipelines/:pipeline": "trainer", "PUT /datasets/:path": "trainer",
	"POST /workflows/:id/cancel": "trainer", "POST /runs/:run/reproduce": "trainer", "POST /models/:model/versions": "trainer",

	"POST /models/:model/rollout": "operator", "POST /models/:model/rollout/pause": "operator", "POST /models/:model/rollout/resume": "operator",
	"POST /models/:model/rollout/promote": "operator", "POST /models/:model/rollout/abort": "operator", "POST /models/:model/rollback": "operator",
	"DELETE /models/:model/versions/:version": "operator", "DELETE /pipelines/:pipeline": "operator", "PUT /schedules/:pipeline": "operator", "DELETE /schedules/:pipeline": "operator",
	"POST /freeze": "operator", "DELETE /freeze": "operator",

	"GET /tokens": "admin", "POST /tokens": "admin", "DELETE /tokens/:id": "admin", "GET /audit": "admin", "GET /audit/verify": "admin",
}

// neededFor gives the contract's role for a route; each code's page of problems
// is one.
func neededFor(t *testing.T, method, pattern string) string {
	t.Helper()
	if strings.HasPrefix(pattern, "/docs/problems/") {
		pattern = "/docs"
	}
	needed, ok := contract[method+" "+pattern]
	require.True(t, ok, "%s %s is in no row of the contract: say who may ask for it", method, pattern)
	return needed
}

func TestTheContractNamesNoRouteThatIsGone(t *testing.T) {
	t.Parallel()
	s := api.New(newWorld().options())
	there := map[string]bool{}
	for _, r := range s.App().GetRoutes(true) {
		there[r.Method+" "+r.Path] = true
	}
	for route := range contract {
		require.True(t, there[route], route)
	}
}

func TestEveryRouteAndRole(t *testing.T) {
	t.Parallel()
	w := newWorld()
	o := w.options()
	locked(&o, w)
	s := api.New(o)
	routes := s.App().GetRoutes(true)
	require.Greater(t, len(routes), 20)
	for _, r := range routes {
		path := strings.NewReplacer(":", "", "+", "x").Replace(r.Path)
		ask := func(authorization string) (*http.Response, client.Problem) {
			req := httptest.NewRequest(r.Method, "http://127.0.0.1:8080"+path, nil)
			if authorization != "" {
				req.Header.Set("Authorization", authorization)
			}
			resp, err := s.App().Test(req, -1)
			require.NoError(t, err)
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			var p client.Problem
			_ = json.Unmarshal(body, &p) // not every answer is a problem, nor JSON
			return resp, p
		}
		needed := neededFor(t, r.Method, r.Path)
		for _, wrong := range []string{"", "Bearer", "Bearer nobody", "Basic dG9rZW4tb2YtYWRtaW46", "token-of-admin", "Bearer token-of-admin2"} {
			resp, p := ask(wrong)
			if needed == "open" {
				require.Equal(t, 200, resp.StatusCode, r.Path)
				continue
			}
			require.Equal(t, 401, resp.StatusCode, "%s %s with %q", r.Method, r.Path, wrong)
			require.Equal(t, perennial.CodeUnauthorized, p.Code)
			require.Contains(t, resp.Header.Get("WWW-Authenticate"), `Bearer realm="perennial"`)
		}
		for _, role := range perennial.AccessRoles() {
			resp, p := ask("Bearer token-of-" + string(role))
			if needed == "open" || role.Holds(perennial.AccessRole(needed)) {
				require.NotContains(t, []int{401, 403}, resp.StatusCode, "%s %s as %s", r.Method, r.Path, role)
				continue
			}
			require.Equal(t, 403, resp.StatusCode, "%s %s as %s", r.Method, r.Path, role)
			require.Equal(t, perennial.CodeForbidden, p.Code)
			require.Equal(t, `Bearer realm="perennial", error="insufficient_scope", scope="`+needed+`"`, resp.Header.Get("WWW-Authenticate"))
		}
	}
	require.Empty(t, w.orders)
	require.Empty(t, w.cancels, "no refused request reached a handler")
}

func TestWithoutATokenNothingIsToldOfUnknownRoutes(t *testing.T) {
	t.Parallel()
	for _, do := range []string{"GET /nowhere", "GET /healthz/x", "GET /HEALTHZ", "DELETE /models", "BREW /models", "GET /models/%zz", "HEAD /models", "OPTIONS /predict"} {
		w := newWorld()
		o := w.options()
		locked(&o, w)
		resp, err := api.New(o).App().Test(scenario{do: do}.request(t), -1)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, 401, resp.StatusCode, do)
	}
}

func TestWhoAsksReachesControl(t *testing.T) {
	t.Parallel()
	w := newWorld()
	o := w.options()
	locked(&o, w)
	s := api.New(o)
	for _, scheme := range []string{"Bearer ", "bearer  "} {
		resp, err := s.App().Test(scenario{do: "POST /pipelines/iris/train", body: `{}`, header: map[string]string{"Authorization": scheme + "token-of-operator"}}.request(t), -1)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Less(t, resp.StatusCode, 300)
	}
	ann := perennial.Actor{Name: "operator-bot", Role: perennial.AccessOperator, RequestID: "test-1"}
	require.Equal(t, []perennial.Actor{ann, ann}, w.actors)
}

func TestAccessRoutes(t *testing.T) {
	t.Parallel()
	run(t, []scenario{
		{name: "tokens", do: "GET /tokens", status: 200, absent: []string{shownOnce}},
		{name: "token create", do: "POST /tokens", body: `{"name":"ci","role":"trainer","expires":"720h"}`, status: 201, headers: map[string]string{"Cache-Control": "no-store"}},
		{name: "token create with an unknown role", do: "POST /tokens", body: `{"name":"ci","role":"root"}`, status: 422},
		{name: "token create without a role", do: "POST /tokens", body: `{"name":"ci"}`, status: 422},
		{name: "token revoke", do: "DELETE /tokens/t1", body: `{"reason":"gone"}`, status: 200},
		{name: "token revoke without a body", do: "DELETE /tokens/t1", status: 200},
		{name: "token revoke of an unknown one", do: "DELETE /tokens/t9", status: 404},
		{name: "token revoke with a form", do: "DELETE /tokens/t1", body: "x", header: map[string]string{"Content-Type": "text/plain"}, status: 415},
		{name: "audit", do: "GET /audit?limit=2", status: 200},
		{name: "audit last page", do: "GET /audit?page_token=1", status: 200},
		{name: "audit verify", do: "GET /audit/verify", status: 200},
	})
}

func TestATokenIsInNoLogAndNoProblem(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	w := newWorld()
	o := w.options()
	locked(&o, w)
	o.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s := api.New(o)
	var answers strings.Builder
	for _, token := range []string{"token-of-predictor", "prn_wrong-token"} {
		for _, sc := range []scenario{
			{do: "GET /models"}, {do: "GET /tokens"}, {do: "GET /nowhere"}, {do: "POST /predict", body: `{"model":"panics"}`},
			{do: "POST /predict", body: `{"model":"broken"}`}, {do: "POST /pipelines/iris/train", body: `{`}, {do: "GET /models?colour=red"},
		} {
			sc.header = map[string]string{"Authorization": "Bearer " + token}
			resp, err := s.App().Test(sc.request(t), -1)
			require.NoError(t, err)
			require.NoError(t, resp.Write(&answers))
		}
	}
	require.Contains(t, log.String(), "status=401")
	for _, text := range []string{"token-of-predictor", "prn_wrong-token"} {
		require.NotContains(t, log.String(), text)
		require.NotContains(t, answers.String(), text)
	}
}

func TestARouteWithoutARoleDoesNotStart(t *testing.T) {
	t.Parallel()
	s, _ := setup(t)
	s.App().Get("/secret", func(c *fiber.Ctx) error { return c.SendString("all of it") })
	err := s.Start(t.Context())
	require.Equal(t, perennial.CodeInternal, perennial.CodeOf(err))
	require.ErrorContains(t, err, "/secret")
}

func TestTLS(t *testing.T) {
	t.Parallel()
	pair := httptest.NewUnstartedServer(nil) // its certificate is for 127.0.0.1 and example.com
	pair.StartTLS()
	certificate, root := pair.TLS.Certificates[0], pair.Certificate()
	pair.Close()
	s, _ := start(t, func(o *api.Options, _ *world) {
		o.TLS, o.MaxBody = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}, 1<<10
	})
	pool := x509.NewCertPool()
	pool.AddCert(root)
	c := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}}
	t.Cleanup(c.CloseIdleConnections)
	resp, err := c.Get("https://" + s.Addr() + "/healthz")
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, 200, resp.StatusCode)
	resp, err = c.Post("https://"+s.Addr()+"/predict", "application/json", bytes.NewReader(make([]byte, 1<<20)))
	require.NoError(t, err, "a refused sender sees the answer, here too")
	require.NoError(t, resp.Body.Close())
	require.Equal(t, 413, resp.StatusCode)
}
