package api_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// scenario is one request and what must and must not come back.
type scenario struct {
	name    string // also of the golden file
	do      string // method and path
	body    string
	header  map[string]string
	status  int
	headers map[string]string // of the answer
	absent  []string          // besides secret
}

func jsonType() map[string]string { return map[string]string{"Content-Type": "application/json"} }

func (sc scenario) request(t *testing.T) *http.Request {
	t.Helper()
	method, target, _ := strings.Cut(sc.do, " ")
	var body io.Reader
	if sc.body != "" {
		body = strings.NewReader(sc.body)
	}
	req := httptest.NewRequest(method, "http://127.0.0.1:8080", body)
	req.URL.Opaque = target
	req.RequestURI = target
	req.Header.Set("X-Request-Id", "test-1")
	if sc.body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for k, v := range sc.header {
		req.Header.Set(k, v)
		if k == "Host" {
			req.Host = v
		}
		if v == "" {
			req.Header.Del(k)
		}
	}
	return req
}

func run(t *testing.T, list []scenario) {
	t.Helper()
	for _, sc := range list {
		t.Run(sc.name, func(t *testing.T) {
			t.Parallel()
			s, _ := setup(t)
			resp, err := s.App().Test(sc.request(t), -1)
			require.NoError(t, err)
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.Equal(t, sc.status, resp.StatusCode, string(body))
			require.Equal(t, "test-1", resp.Header.Get("X-Request-Id"))
			for k, v := range sc.headers {
				require.Equal(t, v, resp.Header.Get(k), k)
			}
			if sc.status >= 400 {
				require.Equal(t, "application/problem+json", resp.Header.Get("Content-Type"))
			}
			for _, text := range append(sc.absent, secret, "goroutine") {
				require.NotContains(t, string(body), text)
			}
			golden(t, sc.name, body)
		})
	}
}

// golden compares an answer with testdata/<name>.json.
func golden(t *testing.T, name string, body []byte) {
	t.Helper()
	var pretty bytes.Buffer
	if json.Indent(&pretty, body, "", "  ") != nil {
		pretty.Reset()
		pretty.Write(body)
	}
	b := append(bytes.TrimSpace(pretty.Bytes()), '\n')
	file := filepath.Join("testdata", strings.ReplaceAll(name, " ", "_")+".json")
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(file, b, 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err, "run with -update")
	require.Equal(t, string(want), string(b))
}

func TestReads(t *testing.T) {
	t.Parallel()
	run(t, []scenario{
		{name: "prediction", do: "GET /predictions/" + predictionID, status: 200},
		{name: "predictions of a regression", do: "GET /predictions?model=california-housing&limit=2", status: 200, absent: []string{"lineage"}},
		{name: "no predictions", do: "GET /predictions?model=quiet", status: 200},
		{name: "models", do: "GET /models", status: 200, absent: []string{"pepper"}},
		{name: "model", do: "GET /models/iris", status: 200},
		{name: "versions newest first", do: "GET /models/iris/versions", status: 200},
		{name: "version", do: "GET /models/iris/versions/1", status: 200},
		{name: "schema", do: "GET /models/iris/schema", status: 200},
		{name: "stream", do: "GET /models/iris/stream", status: 200, absent: []string{"setosa", "6.2"}},
		{name: "history", do: "GET /models/iris/history", status: 200},
		{name: "pipelines", do: "GET /pipelines", status: 200},
		{name: "pipeline", do: "GET /pipelines/iris", status: 200},
		{name: "datasets", do: "GET /datasets", status: 200},
		{name: "dataset", do: "GET /datasets/data%2Fraw%2Firis.csv", status: 200},
		{name: "dataset", do: "GET /datasets/data/raw/iris.csv", status: 200},
		{name: "workflows", do: "GET /workflows?pipeline=iris", status: 200},
		{name: "no workflows", do: "GET /workflows?pipeline=nothing", status: 200},
		{name: "workflow", do: "GET /workflows/train:iris", status: 200},
		{name: "workflow percent encoded", do: "GET /workflows/train%3Airis?run=" + workflowRunID, status: 200},
		{name: "workflow with a slash", do: "GET /workflows/odd%2Fid", status: 200},
		{name: "runs", do: "GET /runs?pipeline=iris", status: 200},
		{name: "run", do: "GET /runs/run1", status: 200},
		{name: "artifacts", do: "GET /runs/run1/artifacts", status: 200},
		{name: "artifact", do: "GET /runs/run1/artifacts/report/a%20b.json", status: 200, headers: map[string]string{"Content-Type": "application/json", "X-Content-Type-Options": "nosniff"}},
		{name: "artifact of no known type", do: "GET /runs/run1/artifacts/model.bin", status: 200, headers: map[string]string{"Content-Type": "application/octet-stream"}},
		{
			name: "artifact that is a page", do: "GET /runs/run1/artifacts/card.html", status: 200,
			headers: map[string]string{"Content-Type": "text/html; charset=utf-8", "X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'; form-action 'none'; base-uri 'none'"},
		},
		{name: "schedules", do: "GET /schedules", status: 200},
		{name: "schedule", do: "GET /schedules/iris", status: 200},
		{name: "decision", do: "GET /decisions/d1", status: 200},
		{name: "status", do: "GET /status", status: 200},
		{name: "ready", do: "GET /readyz", status: 200},
	})
}

func TestWrites(t *testing.T) {
	t.Parallel()
	run(t, []scenario{
		{name: "predict", do: "POST /predict", body: `{"model":"iris","features":{}}`, status: 200, headers: map[string]string{"Content-Type": "application/json"}},
		{name: "predict with a charset", do: "POST /predict", body: `{"model":"iris"}`, header: map[string]string{"Content-Type": "application/json; charset=utf-8"}, status: 200},
		{name: "train", do: "POST /pipelines/iris/train", body: `{"budget":"bootstrap","reason":"new prices"}`, status: 202},
		{name: "retrain", do: "POST /retrain", body: `{"pipeline":"iris","reason":"new prices","idempotency_key":"prices-2026-11","force":false,"dry_run":false}`, status: 202},
		{name: "reproduce", do: "POST /runs/run1/reproduce", body: `{"reason":"an audit"}`, status: 202},
		{name: "reproduce again", do: "POST /runs/again/reproduce", body: `{}`, status: 200},
		{name: "retrain again", do: "POST /retrain", body: `{"pipeline":"iris","idempotency_key":"known"}`, status: 200},
		{name: "apply", do: "PUT /pipelines/iris", body: `{"file":"pipelines/iris.yaml","files":{"pipelines/iris.yaml":"name: iris"},"reason":"new split"}`, status: 200},
		{name: "delete pipeline", do: "DELETE /pipelines/iris", body: `{"reason":"gone"}`, status: 204},
		{name: "delete version", do: "DELETE /models/iris/versions/10", body: `{"reason":"old"}`, status: 204},
		{name: "delete a version in service", do: "DELETE /models/iris/versions/1", status: 412},
		{name: "data lineage", do: "GET /lineage/data/013d0da08d6506664ce640459139176b", status: 200},
		{name: "data lineage of nothing", do: "GET /lineage/data/ffffffffffffffffffffffffffffffff.dir", status: 404},
		{name: "data lineage of half a hash", do: "GET /lineage/data/013d", status: 422},
		{name: "register dataset", do: "PUT /datasets/data%2Fraw%2Firis.csv", body: `{"md5":"013d0da08d6506664ce640459139176b","size":2734}`, status: 200},
		{name: "import", do: "POST /models/prices/versions", body: `{"name":"model.txt","file":"dHJlZQ==","schema":"version: 1","reason":"new"}`, status: 201},
		{name: "import again", do: "POST /models/prices/versions", body: `{"file":"a25vd24=","schema":"version: 1"}`, status: 200},
		{name: "set schedule", do: "PUT /schedules/iris", body: `{"cron":"0 4 * * *","reason":"later"}`, status: 200},
		{name: "remove schedule", do: "DELETE /schedules/iris", body: `{"reason":"enough"}`, status: 200},
		{name: "cancel", do: "POST /workflows/train%3Airis/cancel", body: `{"reason":"enough"}`, status: 202},
		{name: "rollout", do: "GET /models/churn/rollout", status: 200},
		{name: "start of a rollout", do: "POST /models/churn/rollout", body: `{"version":"6","reason":"new prices"}`, status: 202},
		{name: "pause", do: "POST /models/churn/rollout/pause", body: `{"reason":"wait"}`, status: 200},
		{name: "rollback", do: "POST /models/churn/rollback", body: `{"to":"5","freeze":"24h"}`, status: 200},
		{name: "freeze", do: "POST /freeze", body: `{"model":"churn","for":"24h"}`, status: 200},
		{name: "unfreeze", do: "DELETE /freeze?model=churn", body: `{}`, status: 200},
	})
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	run(t, []scenario{
		{name: "young prediction", do: "GET /predictions/" + youngID, status: 404, headers: map[string]string{"Retry-After": "1"}},
		{name: "unknown prediction", do: "GET /predictions/019caa00-0000-7000-8000-0000000000ff", status: 404, headers: map[string]string{"Retry-After": ""}},
		{name: "runs without a pipeline", do: "GET /runs", status: 422},
		{name: "limit out of range", do: "GET /predictions?model=iris&limit=0", status: 422},
		{name: "limit of another type", do: "GET /workflows?limit=many", status: 422},
		{name: "unknown query parameter", do: "GET /models?colour=red", status: 422},
		{name: "unknown model", do: "GET /models/nope", status: 404},
		{name: "apply without the file", do: "PUT /pipelines/iris", body: `{"file":"pipelines/iris.yaml","files":{}}`, status: 422},
		{name: "delete unknown pipeline", do: "DELETE /pipelines/nope", body: `{}`, status: 404},
		{name: "import a pickle", do: "POST /models/prices/versions", body: `{"file":"cGlja2xl","schema":"version: 1"}`, status: 422},
		{name: "import no base64", do: "POST /models/prices/versions", body: `{"file":"tree\nversion=v4","schema":""}`, status: 422},
		{name: "register half a hash", do: "PUT /datasets/x.csv", body: `{"md5":"013d","size":1}`, status: 422},
		{name: "unknown dataset", do: "GET /datasets/nope", status: 404},
		{name: "stream of the second page of nothing", do: "GET /models/iris/stream?page_token=x", status: 422},
		{name: "unknown version", do: "GET /models/iris/versions/7", status: 404},
		{name: "unknown workflow", do: "GET /workflows/train:nope", status: 404},
		{name: "unknown artifact", do: "GET /runs/run1/artifacts/nope", status: 404},
		{name: "artifact up the tree", do: "GET /runs/run1/artifacts/report/..%2F..%2Fmodel.bin", status: 404},
		{name: "unknown route", do: "GET /nowhere", status: 404},
		{name: "misspelt route", do: "GET /pipeline/iris", status: 404},
		{name: "workflow of another alphabet", do: "GET /workflows/tr%C3%A4in", status: 404},
		{name: "no rollout", do: "GET /models/nobody/rollout", status: 404},
		{name: "start of nothing", do: "POST /models/churn/rollout", body: `{}`, status: 422},
		{name: "promote at another epoch", do: "POST /models/churn/rollout/promote", body: `{"if_epoch":18}`, status: 412},
		{name: "unknown command", do: "POST /models/churn/rollout/stop", body: `{}`, status: 404},
		{name: "cancel of another alphabet", do: "POST /workflows/tr%C3%A4in/cancel", body: `{}`, status: 404},
		{name: "workflow run that is no id", do: "GET /workflows/train:iris?run=last", status: 404},
		{name: "history of an unknown model", do: "GET /models/nope/history", status: 404},
		{name: "control character in a path", do: "GET /models/iris%00", status: 400},
		{name: "broken UTF-8 in a path", do: "GET /runs/%ff", status: 400},
		{name: "control character in a query", do: "GET /predictions?model=iris%00", status: 400},
		{name: "control character beside a bad escape", do: "GET /predictions?model=iris%00%zz", status: 400},
		{name: "broken UTF-8 in a query", do: "GET /runs?pipeline=%ff", status: 400},
		{name: "runs of an empty name", do: "GET /runs?pipeline=", status: 422},
		{name: "bad escape", do: "GET /models/%zz", status: 404},
		{name: "wrong method", do: "DELETE /models", status: 405, headers: map[string]string{"Allow": "GET"}},
		{name: "unknown method", do: "BREW /models", status: 405, headers: map[string]string{"Allow": "GET"}},
		{name: "unknown method nowhere", do: "BREW /nowhere", status: 404},
		{name: "predict without a content type", do: "POST /predict", body: `{}`, header: map[string]string{"Content-Type": ""}, status: 415},
		{name: "predict as a form", do: "POST /predict", body: `{}`, header: map[string]string{"Content-Type": "text/plain"}, status: 415},
		{name: "predict as a multipart form", do: "POST /predict", body: `{}`, header: map[string]string{"Content-Type": "multipart/form-data; boundary=x"}, status: 415},
		{name: "predict compressed", do: "POST /predict", body: `{}`, header: map[string]string{"Content-Encoding": "gzip"}, status: 415},
		{name: "predict broken JSON", do: "POST /predict", body: `{"model":`, status: 400},
		{name: "predict unknown model", do: "POST /predict", body: `{"model":"nope"}`, status: 404},
		{name: "predict wrong field", do: "POST /predict", body: `{"model":"picky"}`, status: 422},
		{name: "predict without a version", do: "POST /predict", body: `{"model":"rejected"}`, status: 503, headers: map[string]string{"Retry-After": ""}},
		{name: "predict before the first version", do: "POST /predict", body: `{"model":"young"}`, status: 503, headers: map[string]string{"Retry-After": "5"}},
		{name: "predict panics", do: "POST /predict", body: `{"model":"panics"}`, status: 500},
		{name: "predict foreign error", do: "POST /predict", body: `{"model":"broken"}`, status: 500},
		{name: "train unknown pipeline", do: "POST /pipelines/nope/train", body: `{}`, status: 404},
		{name: "train as a form", do: "POST /pipelines/iris/train", body: `{}`, header: map[string]string{"Content-Type": "text/plain"}, status: 415},
		{name: "train compressed", do: "POST /pipelines/iris/train", body: `{}`, header: map[string]string{"Content-Encoding": "gzip"}, status: 415},
		{name: "train empty body", do: "POST /pipelines/iris/train", header: jsonType(), status: 400},
		{name: "train broken JSON", do: "POST /pipelines/iris/train", body: `{"budget":`, status: 400},
		{name: "train list", do: "POST /pipelines/iris/train", body: `[]`, status: 422},
		{name: "train unknown field and budget", do: "POST /pipelines/iris/train", body: `{"budget":"huge","speed":3}`, status: 422},
		{name: "train field in capitals", do: "POST /pipelines/iris/train", body: `{"Budget":"full"}`, status: 422},
		{name: "train for a NUL", do: "POST /pipelines/iris/train", body: `{"reason":"a\u0000b"}`, status: 422},
		{name: "set schedule with unknown fields", do: "PUT /schedules/iris", body: `{"schedule":"0 4 * * *"}`, status: 422},
		{name: "schedule of an unknown pipeline", do: "GET /schedules/nope", status: 404},
		{name: "reproduce a candidate", do: "POST /runs/candidate/reproduce", body: `{}`, status: 412},
		{name: "reproduce an unknown run", do: "POST /runs/nope/reproduce", body: `{}`, status: 404},
		{name: "retrain with a used key", do: "POST /retrain", body: `{"pipeline":"iris","idempotency_key":"taken"}`, status: 409},
		{name: "retrain with unknown fields", do: "POST /retrain", body: `{"pipline":"iris","idempotency_key":"a b"}`, status: 422},
		{name: "retrain unknown pipeline", do: "POST /retrain", body: `{"pipeline":"nope"}`, status: 404},
		{name: "train wrong type", do: "POST /pipelines/iris/train", body: `{"reason":7}`, status: 422},
		{name: "rebound host", do: "GET /models", header: map[string]string{"Host": "evil.example"}, status: 403},
		{name: "foreign origin", do: "POST /predict", body: `{"model":"iris"}`, header: map[string]string{"Origin": "https://evil.example"}, status: 403},
		{name: "null origin", do: "GET /models", header: map[string]string{"Origin": "null"}, status: 403},
	})
}
