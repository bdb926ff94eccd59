package mlflow_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/mlflow"
)

// stub is a server that answers every request the same way, after so many faults.
func stub(t *testing.T, faults int, fault, answer http.HandlerFunc) (*httptest.Server, *atomic.Int64) {
	t.Helper()
	var calls atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if calls.Add(1) <= int64(faults) {
			fault(w, r)
			return
		}
		answer(w, r)
	}))
	t.Cleanup(s.Close)
	return s, &calls
}

func status(code int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		_, _ = io.WriteString(w, body)
	}
}

// broken hangs up before it answers.
func broken(w http.ResponseWriter, _ *http.Request) {
	hijacker, _ := w.(http.Hijacker)
	conn, _, err := hijacker.Hijack()
	if err == nil {
		_ = conn.Close()
	}
}

const aRun = `{"run":{"info":{"run_id":"r","status":"RUNNING","start_time":"17","artifact_uri":"mlflow-artifacts:/1/r/artifacts"},"data":{"metrics":[{"key":"m","value":"NaN"}]}}}`

func TestReadsAreTriedAgainWhileThatMayHelp(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		fault  http.HandlerFunc
		faults int
		calls  int64
		code   perennial.Code
	}{
		"once":                    {nil, 0, 1, ""},
		"too many requests":       {status(429, `{"error_code":"REQUEST_LIMIT_EXCEEDED","message":"slow down"}`), 2, 3, ""},
		"unavailable":             {status(503, "<html>"), 3, 4, ""},
		"a connection that ends":  {broken, 1, 2, ""},
		"unavailable for good":    {status(503, "<html>"), 9, 4, perennial.CodeUnavailable},
		"a fault of the server's": {status(500, `{"error_code":"INTERNAL_ERROR","message":"boom\n[SQL: secret]"}`), 9, 1, perennial.CodeInternal},
		"a missing run":           {status(404, `{"error_code":"RESOURCE_DOES_NOT_EXIST","message":"Run with id=r not found"}`), 9, 1, perennial.CodeNotFound},
		"no MLflow":               {status(404, "nginx"), 9, 1, perennial.CodePrecondition},
		"no token":                {status(401, "who?"), 9, 1, perennial.CodeUnauthorized},
		"no right":                {status(403, `{"error_code":"PERMISSION_DENIED","message":"no"}`), 9, 1, perennial.CodeForbidden},
		"a page":                  {status(200, "<html>"), 9, 1, perennial.CodePrecondition},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, calls := stub(t, c.faults, c.fault, status(200, aRun))
			w := newWorld(t, mlflow.Options{URI: s.URL, Pause: time.Millisecond})
			run, err := w.GetRun(t.Context(), "r")
			require.Equal(t, c.code, perennial.CodeOf(err), err)
			require.Equal(t, c.calls, calls.Load())
			if err == nil {
				require.EqualValues(t, 17, run.StartedAt)
				return
			}
			message, hint, _ := perennial.Explain(err)
			require.Contains(t, message, s.URL)
			require.NotContains(t, message, "secret")
			if c.code != perennial.CodeNotFound && c.code != perennial.CodeInternal {
				require.Contains(t, message+hint, "MLFLOW_TRACKING_")
			}
			require.Equal(t, c.code == perennial.CodeUnavailable, errors.Is(err, mlflow.ErrAway))
		})
	}
}

func TestAServerThatIsNotThere(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.NotFoundHandler())
	s.Close()
	w := newWorld(t, mlflow.Options{URI: s.URL, Pause: time.Millisecond})
	_, err := w.GetRun(t.Context(), "r")
	require.Equal(t, perennial.CodeUnavailable, perennial.CodeOf(err))
	require.ErrorIs(t, err, mlflow.ErrAway)
	message, hint, _ := perennial.Explain(err)
	require.Contains(t, message, s.URL+" doesn't answer")
	require.Contains(t, hint, "MLFLOW_TRACKING_URI")
	require.Error(t, w.Ping(t.Context()))

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = w.GetRun(ctx, "r")
	require.ErrorIs(t, err, context.Canceled)
	require.NotErrorIs(t, err, mlflow.ErrAway)
}

func TestWhoAsks(t *testing.T) {
	t.Parallel()
	var got atomic.Value
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got.Store(r.Header.Get("Authorization") + " " + r.URL.Path)
		_, _ = io.WriteString(w, aRun)
	}))
	t.Cleanup(s.Close)
	host := strings.TrimPrefix(s.URL, "http://")
	for name, c := range map[string]struct {
		o    mlflow.Options
		want string
	}{
		"nobody":            {mlflow.Options{URI: s.URL}, " /api"},
		"a token":           {mlflow.Options{URI: s.URL, Token: "t", Username: "u"}, "Bearer t /api"},
		"a user":            {mlflow.Options{URI: s.URL, Username: "u", Password: "p"}, "Basic dTpw /api"},
		"a user of the URI": {mlflow.Options{URI: "http://u:p@" + host}, "Basic dTpw /api"},
		"below a path":      {mlflow.Options{URI: s.URL + "/ml/"}, " /ml/api"},
	} {
		w := newWorld(t, c.o)
		_, err := w.GetRun(t.Context(), "r")
		require.NoError(t, err, name)
		require.Equal(t, c.want+"/2.0/mlflow/runs/get", got.Load(), name)
		require.NotContains(t, w.URI(), "p@", name)
	}
}

func TestOnlyServersAreTracked(t *testing.T) {
	t.Parallel()
	for _, uri := range []string{"", "sqlite:///mlflow.db", "./mlruns", "databricks", "http://", "http://user:secret@ho st:1", "postgresql://user:secret@db/x"} {
		_, err := mlflow.NewClient(mlflow.Options{URI: uri})
		require.Equal(t, perennial.CodeInvalid, perennial.CodeOf(err), uri)
		_, hint, _ := perennial.Explain(err)
		require.Contains(t, hint, "MLFLOW_TRACKING_URI")
		require.NotContains(t, err.Error(), "secret")
	}
	_, err := mlflow.NewClient(mlflow.Options{URI: "https://mlflow", CAFile: "/nowhere"})
	require.Equal(t, perennial.CodeInvalid, perennial.CodeOf(err))
}

func TestArtifactsThatTheServerDoesNotPassOn(t *testing.T) {
	t.Parallel()
	for _, uri := range []string{"s3://bucket/1/r/artifacts", "/var/mlruns/1/r/artifacts", "mlflow-artifacts://elsewhere:1/1/r/artifacts", "mlflow-artifacts:/../r"} {
		s, _ := stub(t, 0, nil, status(200, strings.Replace(aRun, "mlflow-artifacts:/1/r/artifacts", uri, 1)))
		w := newWorld(t, mlflow.Options{URI: s.URL})
		err := w.LogArtifact(t.Context(), "r", w.put(t, "a", "b"))
		require.Equal(t, perennial.CodePrecondition, perennial.CodeOf(err), uri)
		message, hint, _ := perennial.Explain(err)
		require.Contains(t, message, uri)
		require.Contains(t, hint, "--serve-artifacts")
	}
}

// lossy loses the answer of one request: it is carried out, and nobody hears of it.
type lossy struct {
	http.RoundTripper

	nth   int64
	calls atomic.Int64
	lost  atomic.Value
}

func (l *lossy) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := l.RoundTripper.RoundTrip(r)
	if l.calls.Add(1) != l.nth || err != nil {
		return answer, err
	}
	l.lost.Store(r.Method + " " + r.URL.Path)
	return nil, errors.Join(answer.Body.Close(), io.ErrUnexpectedEOF)
}

// Whichever answer is lost, there is one run, one model and one version.
func TestALostAnswerMakesNothingTwice(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		transport := w.o.Transport
		if transport == nil {
			own := &http.Transport{}
			t.Cleanup(own.CloseIdleConnections)
			transport = own
		}
		lost := map[string]bool{}
		for n := int64(1); ; n++ {
			l := &lossy{RoundTripper: transport, nth: n}
			o := w.o
			o.Transport, o.Pause = l, time.Millisecond
			v := newWorld(t, o)
			version := v.version(t, "op")
			require.NoError(t, v.SetAlias(t.Context(), v.name, perennial.AliasChampion, version.Version))
			require.NoError(t, v.UpdateRun(t.Context(), version.RunID, perennial.RunFinished, 1700000009000))

			runs, _, err := v.SearchRuns(t.Context(), v.name, 0, "")
			require.NoError(t, err)
			require.Len(t, runs, 1, l.lost.Load())
			versions, err := v.Versions(t.Context(), v.name)
			require.NoError(t, err)
			require.Len(t, versions, 1, l.lost.Load())
			require.Equal(t, []string{perennial.AliasChampion}, versions[0].Aliases)
			b, err := v.ReadArtifact(t.Context(), runs[0].ID, "model/model.perennial")
			require.NoError(t, err, l.lost.Load())
			require.Equal(t, "op", string(b))
			if l.lost.Load() == nil {
				break
			}
			what, _ := l.lost.Load().(string)
			lost[what[:strings.LastIndex(what, "/")]] = true
		}
		require.Greater(t, len(lost), 8, lost)
	})
}
