package tracking_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial/internal/tracking"
)

// oddTexts are what no client sends: no database may be asked for them unchecked.
var oddTexts = []string{
	"", "a\x00b", "\u202e🙂", "'\"`", `\`, "%_", "..", "-1", "1.5", "99999999999999999999",
	strings.Repeat("é", 3000), strings.Repeat("x", 200_000), "models:/", "models:/x/1", "runs:/", "mlflow-artifacts:/", "m-" + strings.Repeat("0", 32),
	"name = 'a\x00'", "name LIKE '%\\'", "tags.`a\x00` = 'x'", "version_number > 99999999999999999999", "version_number = 1.5", "name ASC", "creation_timestamp DESC", "x; DROP TABLE runs",
}

// TestWhatACallerSendsIsNeverOurFault sends odd texts, and values of other types, in
// every field of every RPC of the registry.
func TestWhatACallerSendsIsNeverOurFault(t *testing.T) {
	t.Parallel()
	eachWire(t, tracking.Hooks{}, func(t *testing.T, w wire) {
		model, run := w.logged(t, "clf")
		w.post(t, "registered-models/create", object{"name": "iris"})
		w.version(t, "iris", model, nil)
		tags := []object{{"key": "k", "value": "v"}}
		for _, c := range []struct {
			method, path string
			good         object
		}{
			{"POST", "registered-models/create", object{"name": "iris", "description": "d", "tags": tags}},
			{"GET", "registered-models/get", object{"name": "iris"}},
			{"PATCH", "registered-models/update", object{"name": "iris", "description": "d"}},
			{"POST", "registered-models/rename", object{"name": "iris", "new_name": "iris"}},
			{"GET", "registered-models/search", object{"filter": "", "order_by": "name", "max_results": "5", "page_token": ""}},
			{"POST", "registered-models/get-latest-versions", object{"name": "iris", "stages": []string{"None"}}},
			{"POST", "registered-models/set-tag", object{"name": "iris", "key": "k", "value": "v"}},
			{"DELETE", "registered-models/delete-tag", object{"name": "iris", "key": "k"}},
			{"POST", "registered-models/alias", object{"name": "iris", "alias": "a", "version": "1"}},
			{"GET", "registered-models/alias", object{"name": "iris", "alias": "a"}},
			{"DELETE", "registered-models/alias", object{"name": "iris", "alias": "b"}},
			{"POST", "model-versions/create", object{"name": "iris", "source": "runs:/" + run, "run_id": run, "model_id": model, "run_link": "l", "description": "d", "tags": tags}},
			{"GET", "model-versions/get", object{"name": "iris", "version": "1"}},
			{"GET", "model-versions/get-download-uri", object{"name": "iris", "version": "1"}},
			{"PATCH", "model-versions/update", object{"name": "iris", "version": "1", "description": "d"}},
			{"GET", "model-versions/search", object{"filter": "", "order_by": "name", "max_results": "5", "page_token": ""}},
			{"POST", "model-versions/set-tag", object{"name": "iris", "version": "1", "key": "k", "value": "v"}},
			{"DELETE", "model-versions/delete-tag", object{"name": "iris", "version": "1", "key": "k"}},
			{"POST", "model-versions/transition-stage", object{"name": "iris", "version": "1", "stage": "None", "archive_existing_versions": false}},
			{"DELETE", "model-versions/delete", object{"name": "iris", "version": "77"}},
			{"DELETE", "registered-models/delete", object{"name": "nobody"}},
			{"POST", "logged-models", object{"experiment_id": "1", "name": "n", "model_type": "t", "source_run_id": run, "params": tags, "tags": tags}},
			{"POST", "logged-models/search", object{"experiment_ids": []string{"1"}, "filter": "", "order_by": []object{{"field_name": "name"}}, "datasets": []object{{"dataset_name": "d"}}, "max_results": 5, "page_token": ""}},
			{"PATCH", "logged-models/" + model, object{"status": "LOGGED_MODEL_READY"}},
			{"PATCH", "logged-models/" + model + "/tags", object{"tags": tags}},
			{"POST", "logged-models/" + model + "/params", object{"params": tags}},
			{"GET", "artifacts/list", object{"run_id": run, "path": "a"}},
		} {
			for field := range c.good {
				values := []any{nil, 5, -1.5, true, []any{}, []any{1}, []any{object{}}, object{}}
				for _, odd := range oddTexts {
					switch c.good[field].(type) {
					case []string:
						values = append(values, []string{odd})
					case []object:
						values = append(values, []object{{"key": odd, "value": "v", "field_name": odd, "dataset_name": odd}}, []object{{"key": "k", "value": odd, "dataset_digest": odd}})
					default:
						values = append(values, odd)
					}
				}
				for _, v := range values {
					w.survives(t, c.method, c.path, c.good, field, v)
				}
			}
		}
		for _, odd := range oddTexts {
			for _, p := range []string{"logged-models/" + url.PathEscape(odd), "logged-models/" + url.PathEscape(odd) + "/artifacts/directories", "logged-models/" + model + "/artifacts/directories?artifact_directory_path=" + url.QueryEscape(odd)} {
				resp, b := w.send(t, http.MethodGet, "/api/2.0/mlflow/"+p, nil)
				require.Less(t, resp.StatusCode, 500, "%q: %s", odd, b)
			}
			for _, p := range []string{files + "?path=" + url.QueryEscape(odd), files + "/" + url.PathEscape(odd), "/get-artifact?run_id=" + run + "&path=" + url.QueryEscape(odd), "/model-versions/get-artifact?name=iris&version=1&path=" + url.QueryEscape(odd)} {
				resp, b := w.send(t, http.MethodGet, p, nil)
				require.Less(t, resp.StatusCode, 500, "%q: %s", odd, b)
			}
			resp, b := w.send(t, http.MethodPut, files+"/1/"+run+"/artifacts/"+url.PathEscape(odd), []byte("x"))
			require.Less(t, resp.StatusCode, 500, "%q: %s", odd, b)
		}
	})
}

// survives sends a request in which one field has an odd value.
func (w wire) survives(t *testing.T, method, path string, good object, field string, value any) {
	t.Helper()
	in := object{field: value}
	for k, v := range good {
		if k != field {
			in[k] = v
		}
	}
	var body []byte
	if method == http.MethodGet {
		q := url.Values{}
		for k, v := range in {
			if text, ok := v.(string); ok {
				q.Set(k, text)
			}
		}
		path += "?" + q.Encode()
	} else {
		var err error
		body, err = json.Marshal(in)
		require.NoError(t, err)
	}
	resp, b := w.send(t, method, "/api/2.0/mlflow/"+path, body, "Content-Type", "application/json")
	require.Less(t, resp.StatusCode, 500, "%s %s with %s = %.60q: %s", method, path, field, value, b)
	require.NotEqual(t, 429, resp.StatusCode)
	require.True(t, json.Valid(b), "%s", b)
}
