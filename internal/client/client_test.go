package client_test

import (
	"context"
	"encoding/json"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/client"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve gives a client of a handler.
func serve(t *testing.T, token string, h http.HandlerFunc) *client.Client {
	t.Helper()
	s := httptest.NewServer(h)
	c := client.New(s.URL+"/", token)
	c.Poll = time.Microsecond
	t.Cleanup(func() { c.Close(); s.Close() })
	return c
}

func reply(t *testing.T, w http.ResponseWriter, status int, kind string, body any) {
	t.Helper()
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(status)
	switch body := body.(type) {
	case string:
		_, err := w.Write([]byte(body))
		require.NoError(t, err)
	default:
		require.NoError(t, json.NewEncoder(w).Encode(body))
	}
}

func TestAProblemBecomesAnError(t *testing.T) {
	t.Parallel()
	c := serve(t, "", func(w http.ResponseWriter, _ *http.Request) {
		reply(t, w, 422, "application/problem+json; charset=utf-8", client.Problem{
			Code: perennial.CodeInvalid, Status: 422, Detail: "1 field is wrong.", Hint: "Look at the schema.", RequestID: "r1",
			Errors: []perennial.FieldError{{Path: "/features/plan", Rule: "category", Came: "gold", Message: "plan is unknown"}},
		})
	})
	_, err := c.Predict(t.Context(), client.PredictRequest{Model: "churn"})
	require.Equal(t, perennial.CodeInvalid, perennial.CodeOf(err))
	message, hint, fields := perennial.Explain(err)
	require.Equal(t, "1 field is wrong.", message)
	require.Equal(t, "Look at the schema.", hint)
	require.Equal(t, "/features/plan", fields[0].Path)
	require.ErrorContains(t, err, "request r1")
}

func TestForeignAnswers(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		status int
		kind   string
		body   string
		code   perennial.Code
		text   string
	}{
		"a page instead of JSON":       {200, "text/html", "<html>", perennial.CodeInternal, "no Perennial"},
		"an error page":                {502, "text/html", "<html>bad gateway", perennial.CodeUnavailable, "502"},
		"not found elsewhere":          {404, "text/plain", "404 page not found", perennial.CodeNotFound, "404"},
		"a problem without our code":   {400, "application/problem+json", `{"title":"x"}`, perennial.CodeInternal, "400"},
		"a problem that is no JSON":    {503, "application/problem+json", `{`, perennial.CodeUnavailable, "503"},
		"a token is wanted by a proxy": {401, "text/plain", "", perennial.CodeUnauthorized, "401"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := serve(t, "", func(w http.ResponseWriter, _ *http.Request) { reply(t, w, tc.status, tc.kind, tc.body) })
			_, err := c.Status(t.Context())
			require.Equal(t, tc.code, perennial.CodeOf(err))
			message, _, _ := perennial.Explain(err)
			require.Contains(t, message, tc.text)
			require.NotContains(t, message, "<html>")
		})
	}
}

func TestNothingListens(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := ln.Addr().String()
	require.NoError(t, ln.Close())
	_, err = client.New(addr, "").Status(t.Context())
	require.Equal(t, perennial.CodeUnavailable, perennial.CodeOf(err))
	message, hint, _ := perennial.Explain(err)
	require.Equal(t, "nothing answers at http://"+addr+": is `perennial up` running?", message)
	require.Contains(t, hint, "--api")
}

func TestAnAddressThatIsNone(t *testing.T) {
	t.Parallel()
	_, err := client.New("http://a b", "").Status(t.Context())
	require.Equal(t, perennial.CodeInvalid, perennial.CodeOf(err))
}

func TestUnknownFieldsAreIgnoredAndTheTokenTravels(t *testing.T) {
	t.Parallel()
	c := serve(t, "secret", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer secret" {
			reply(t, w, 401, "text/plain", "")
			return
		}
		reply(t, w, 200, "application/json", `{"items":[{"model":"iris","colour":"blue"}],"next_page_token":"n","more":1}`)
	})
	list, err := c.Models(t.Context())
	require.NoError(t, err)
	require.Equal(t, "iris", list.Items[0].Model)
	require.Equal(t, "n", list.NextPageToken)
}

func TestPathsAndQueriesAreEscaped(t *testing.T) {
	t.Parallel()
	var seen atomic.Value
	c := serve(t, "", func(w http.ResponseWriter, r *http.Request) {
		seen.Store(r.Method + " " + r.RequestURI)
		reply(t, w, 200, "application/json", `{}`)
	})
	for want, call := range map[string]func() error{
		"GET /workflows/a%2Fb?run=r+1":         func() error { _, err := c.Workflow(t.Context(), "a/b", "r 1"); return err },
		"POST /workflows/train:iris/cancel":    func() error { _, err := c.CancelWorkflow(t.Context(), "train:iris", ""); return err },
		"GET /runs/r1/artifacts/report/a%20b":  func() error { _, err := c.Artifact(t.Context(), "r1", "report/a b"); return err },
		"GET /predictions?limit=5&model=iris":  func() error { _, err := c.Predictions(t.Context(), "iris", client.Page{Limit: 5}); return err },
		"GET /runs?page_token=t&pipeline=iris": func() error { _, err := c.Runs(t.Context(), "iris", client.Page{Token: "t"}); return err },
		"POST /pipelines/iris/train":           func() error { _, err := c.Train(t.Context(), "iris", client.TrainRequest{}); return err },
		"GET /models/iris/versions/1":          func() error { _, err := c.Version(t.Context(), "iris", "1"); return err },
		"GET /workflows":                       func() error { _, err := c.Workflows(t.Context(), "", 0); return err },
		"GET /models/iris/history?limit=3":     func() error { _, err := c.History(t.Context(), "iris", 3); return err },
	} {
		require.NoError(t, call(), want)
		require.Equal(t, want, seen.Load())
	}
}

// steps answers one after another, the last one again and again.
func steps(t *testing.T, answers ...any) http.HandlerFunc {
	t.Helper()
	var n atomic.Int64
	return func(w http.ResponseWriter, _ *http.Request) {
		i := min(int(n.Add(1)), len(answers)) - 1
		if code, ok := answers[i].(int); ok {
			reply(t, w, code, "text/plain", "")
			return
		}
		reply(t, w, 200, "application/json", answers[i])
	}
}

func TestFollowWorkflowSeesEveryStateAndOutlivesARestart(t *testing.T) {
	t.Parallel()
	running := client.WorkflowView{WorkflowID: "train:iris", WorkflowRunID: "r1", State: perennial.WorkflowRunning}
	done := running
	done.State = perennial.WorkflowCompleted
	c := serve(t, "", steps(t, running, 503, 502, running, done))
	var seen []perennial.WorkflowState
	last, err := c.FollowWorkflow(t.Context(), "train:iris", "", func(v client.WorkflowView) { seen = append(seen, v.State) })
	require.NoError(t, err)
	require.Equal(t, perennial.WorkflowCompleted, last.State)
	require.Equal(t, []perennial.WorkflowState{"running", "running", "completed"}, seen)
}

func TestFollowWorkflowEndsWithItsContextAndWithLastingFaults(t *testing.T) {
	t.Parallel()
	c := serve(t, "", steps(t, client.WorkflowView{State: perennial.WorkflowRunning}))
	ctx, cancel := context.WithCancel(t.Context())
	_, err := c.FollowWorkflow(ctx, "w", "", func(client.WorkflowView) { cancel() })
	require.ErrorIs(t, err, context.Canceled)

	_, err = serve(t, "", steps(t, 404)).FollowWorkflow(t.Context(), "w", "", nil)
	require.Equal(t, perennial.CodeNotFound, perennial.CodeOf(err))

	_, err = serve(t, "", steps(t, 503)).FollowWorkflow(t.Context(), "w", "", nil)
	require.Equal(t, perennial.CodeUnavailable, perennial.CodeOf(err), "it gives up in the end")
}

func TestStagesOfGivesSeconds(t *testing.T) {
	t.Parallel()
	b, err := json.Marshal(client.StagesOf([]perennial.Stage{{Name: "validate", State: perennial.StageCompleted, Reused: true, Millis: 400}}))
	require.NoError(t, err)
	require.JSONEq(t, `[{"name":"validate","state":"completed","reused":true,"seconds":0.4}]`, string(b))
	require.NotContains(t, string(b), "millis")
}

func TestFigure(t *testing.T) {
	t.Parallel()
	for v, want := range map[float64]string{
		0: "0", 0.0640312: "0.06403", 0.00001234: "1.234e-05", -1234.56: "-1235", 9999.4: "9999", 9999.6: "10000", 17408.2: "17408", -205001: "-205001", 9999999.9: "10000000", 4.862e10: "4.862e+10",
	} {
		require.Equal(t, want, client.Figure(v))
	}
	require.Equal(t, "NaN", client.Figure(math.NaN()))
}
