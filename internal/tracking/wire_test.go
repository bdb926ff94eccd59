package tracking_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/blob"
	"github.com/perennial-ml/perennial/internal/tracking"
)

// object is any JSON.
type object = map[string]any

// wire is a client of a server over HTTP, in process.
type wire struct {
	suite
	server *tracking.Server
	blobs  *blob.Store
}

// eachWire runs a conformance test of the REST API on every database.
func eachWire(t *testing.T, hooks tracking.Hooks, f func(t *testing.T, w wire)) {
	t.Helper()
	each(t, func(t *testing.T, s suite) {
		blobs, err := blob.Open(t.TempDir())
		require.NoError(t, err)
		var clock atomic.Int64
		clock.Store(1_700_000_000_000)
		now := func() time.Time { return time.UnixMilli(clock.Add(1)) }
		f(t, wire{s, tracking.NewServer(s.Store, blobs, hooks, now), blobs})
	})
}

// send sends a request and gives the answer.
func (w wire) send(t *testing.T, method, path string, body []byte, header ...string) (*http.Response, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://mlflow"+path, bytes.NewReader(body))
	require.NoError(t, err)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := w.server.RoundTrip(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp, b
}

// call sends an RPC, whose answer must have a status.
func (w wire) call(t *testing.T, status int, method, path string, in object) object {
	t.Helper()
	body, err := json.Marshal(in)
	require.NoError(t, err)
	if in == nil {
		body = nil
	}
	resp, b := w.send(t, method, "/api/2.0/mlflow/"+path, body, "Content-Type", "application/json")
	require.Equal(t, status, resp.StatusCode, "%s %s: %s", method, path, b)
	out := object{}
	require.NoError(t, json.Unmarshal(b, &out), "%s", b)
	return out
}

// run creates a run in the experiment iris.
func (w wire) run(t *testing.T) perennial.Run {
	t.Helper()
	resp, _ := w.send(t, http.MethodGet, "/api/2.0/mlflow/experiments/get-by-name?experiment_name=iris", nil)
	if resp.StatusCode != http.StatusOK {
		w.post(t, "experiments/create", object{"name": "iris"})
	}
	experiment, _ := at(t, w.get(t, "experiments/get-by-name?experiment_name=iris"), "experiment", "experiment_id").(string)
	id, _ := at(t, w.post(t, "runs/create", object{"experiment_id": experiment}), "run", "info", "run_id").(string)
	return perennial.Run{ID: id, ExperimentID: experiment}
}

func (w wire) get(t *testing.T, path string) object {
	t.Helper()
	return w.call(t, 200, http.MethodGet, path, nil)
}

func (w wire) post(t *testing.T, path string, in object) object {
	t.Helper()
	return w.call(t, 200, http.MethodPost, path, in)
}

// refuse sends an RPC that must fail with a code, and gives the message.
func (w wire) refuse(t *testing.T, code, method, path string, in object) string {
	t.Helper()
	status := map[string]int{"RESOURCE_DOES_NOT_EXIST": 404, "INVALID_PARAMETER_VALUE": 400, "RESOURCE_ALREADY_EXISTS": 400, "PERMISSION_DENIED": 403, "ENDPOINT_NOT_FOUND": 404}[code]
	out := w.call(t, status, method, path, in)
	require.Equal(t, code, out["error_code"], "%v", out)
	message, _ := out["message"].(string)
	require.NotEmpty(t, message)
	return message
}

// at walks into JSON by keys and indexes.
func at(t *testing.T, v any, steps ...any) any {
	t.Helper()
	for _, s := range steps {
		switch s := s.(type) {
		case string:
			o, ok := v.(object)
			require.True(t, ok, "%v has no %s", v, s)
			v = o[s]
		case int:
			l, ok := v.([]any)
			require.True(t, ok && s < len(l), "%v has no item %d", v, s)
			v = l[s]
		}
	}
	return v
}

// names collects one field of a list.
func names(list any, field string) []string {
	var out []string
	items, _ := list.([]any)
	for _, item := range items {
		if o, ok := item.(object); ok {
			s, _ := o[field].(string)
			out = append(out, s)
		}
	}
	return out
}
