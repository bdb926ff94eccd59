package tracking_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gofiber/fiber/v2"
	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/tracking"
)

// outside sends an RPC the way that others come, as an administrator, and gives the
// answer.
func (w wire) outside(t *testing.T, method, path string, in object) (int, object) {
	t.Helper()
	app := fiber.New(fiber.Config{DisableStartupMessage: true, ErrorHandler: func(c *fiber.Ctx, err error) error {
		w.server.Refuse(c, err)
		return nil
	}})
	app.Use(func(c *fiber.Ctx) error {
		c.SetUserContext(perennial.WithActor(context.Background(), perennial.Actor{Name: "ann", Role: perennial.AccessAdmin}))
		return c.Next()
	})
	w.server.Mount(app)
	body, err := json.Marshal(in)
	require.NoError(t, err)
	req := httptest.NewRequest(method, "/api/2.0/mlflow/"+path, bytes.NewReader(body))
	req.Header.Set("Content-Type", "application/json")
	resp, err := app.Test(req, -1)
	require.NoError(t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	out := object{}
	require.NoError(t, json.Unmarshal(b, &out), "%s", b)
	return resp.StatusCode, out
}

func TestPerennialsTagsAreItsOwn(t *testing.T) {
	t.Parallel()
	eachWire(t, tracking.Hooks{}, func(t *testing.T, w wire) {
		refused := func(method, path string, in object) {
			t.Helper()
			status, out := w.outside(t, method, path, in)
			require.Equal(t, 400, status, "%s %s: %v", method, path, out)
			require.Equal(t, invalid, out["error_code"])
			require.Contains(t, out["message"], "Perennial's own")
		}
		allowed := func(method, path string, in object) object {
			t.Helper()
			status, out := w.outside(t, method, path, in)
			require.Equal(t, 200, status, "%s %s: %v", method, path, out)
			return out
		}
		model, run := w.logged(t, "clf")
		lineage := []object{{"key": "perennial.lineage", "value": `{"run_id":"r"}`}, {"key": "perennial.op", "value": "1"}}
		w.post(t, "registered-models/create", object{"name": "iris"})
		v := w.version(t, "iris", model, object{"tags": lineage})
		tag := func(key, value string) object {
			return object{"name": "iris", "version": v, "key": key, "value": value}
		}
		refused("POST", "model-versions/set-tag", tag("perennial.lineage", "{}"))
		refused("POST", "model-versions/set-tag", tag("perennial.model_sha256", strings.Repeat("0", 64)))
		refused("DELETE", "model-versions/delete-tag", tag("perennial.lineage", ""))
		allowed("POST", "model-versions/set-tag", tag("mine", "1"))
		allowed("DELETE", "model-versions/delete-tag", tag("mine", ""))
		w.post(t, "model-versions/set-tag", tag("perennial.model_sha256", "abc")) // Perennial's own call

		made := at(t, w.get(t, "model-versions/get?name=iris&version="+v), "model_version", "tags")
		require.Equal(t, []any{lineage[0], object{"key": "perennial.model_sha256", "value": "abc"}, lineage[1]}, made)
		refused("POST", "model-versions/create", object{"name": "iris", "source": "models:/" + model, "model_id": model, "tags": lineage})
		copied := object{"name": "iris", "source": "models:/iris/" + v, "tags": made}
		require.Equal(t, made, at(t, allowed("POST", "model-versions/create", copied), "model_version", "tags"), "a copy keeps its tags")
		copied["tags"] = []object{{"key": "perennial.lineage", "value": "{}"}}
		refused("POST", "model-versions/create", copied)

		mine := object{"run_id": run, "key": "perennial.data_md5", "value": "x"}
		allowed("POST", "runs/set-tag", mine) // what a notebook says of its own run
		w.post(t, "runs/set-tag", object{"run_id": run, "key": perennial.TagKind, "value": perennial.KindTrain})
		refused("POST", "runs/set-tag", mine)
		refused("POST", "runs/delete-tag", mine)
		refused("POST", "runs/log-batch", object{"run_id": run, "tags": []object{{"key": "a", "value": "b"}, {"key": perennial.TagKind, "value": "x"}}})
		refused("POST", "runs/log-inputs", object{"run_id": run, "datasets": []object{{
			"dataset": object{"name": "d", "digest": "1", "source_type": "local", "source": "x"}, "tags": []object{{"key": "perennial.data", "value": "{}"}},
		}}})
		allowed("POST", "runs/set-tag", object{"run_id": run, "key": "note", "value": "x"})
		w.post(t, "runs/set-tag", mine)

		refused("PATCH", "logged-models/"+model+"/tags", object{"tags": []object{{"key": "perennial.model_sha256", "value": "x"}}})
		refused("DELETE", "logged-models/"+model+"/tags/perennial.model_sha256", nil)
		refused("POST", "logged-models", object{"name": "x", "tags": []object{{"key": "perennial.model_sha256", "value": "x"}}})
	})
}

func TestFilesOfAHeldVersionStayAsTheyAre(t *testing.T) {
	t.Parallel()
	hooks := tracking.Hooks{Held: func(_ context.Context, model, _ string) error {
		if model == "held" {
			return perennial.Errorf(perennial.CodePrecondition, "x", "it is held")
		}
		return nil
	}}
	eachWire(t, hooks, func(t *testing.T, w wire) {
		put := func(status int, path string) {
			t.Helper()
			resp, body := w.send(t, http.MethodPut, "/api/2.0/mlflow-artifacts/artifacts/"+path, []byte("x"))
			require.Equal(t, status, resp.StatusCode, "%s: %s", path, body)
		}
		model, run := w.logged(t, "clf")
		uri, _ := at(t, w.get(t, "logged-models/"+model), "model", "info", "artifact_uri").(string)
		folder := strings.TrimPrefix(uri, "mlflow-artifacts:/")
		uri, _ = at(t, w.get(t, "runs/get?run_id="+run), "run", "info", "artifact_uri").(string)
		ofRun := strings.TrimPrefix(uri, "mlflow-artifacts:/")
		put(200, folder+"/MLmodel")
		put(200, ofRun+"/card.md")
		for _, name := range []string{"free", "held"} {
			w.post(t, "registered-models/create", object{"name": name})
		}
		w.version(t, "free", model, nil)
		put(200, folder+"/MLmodel")
		put(200, folder+"/more")
		w.post(t, "model-versions/create", object{"name": "held", "source": "models:/free/1"})
		put(400, folder+"/MLmodel")
		put(400, folder+"/new")
		put(400, ofRun+"/card.md")
		put(200, ofRun+"/new.png")
		put(400, ofRun+"/new.png")
	})
}

func TestTheAliasLatest(t *testing.T) {
	t.Parallel()
	eachWire(t, tracking.Hooks{}, func(t *testing.T, w wire) {
		model, run := w.logged(t, "clf")
		w.post(t, "registered-models/create", object{"name": "iris"})
		w.refuse(t, missing, http.MethodGet, "registered-models/alias?name=iris&alias=latest", nil)
		for range 2 {
			w.version(t, "iris", model, nil)
		}
		w.post(t, "model-versions/transition-stage", object{"name": "iris", "version": "1", "stage": "Production", "archive_existing_versions": false})
		require.Equal(t, "2", at(t, w.get(t, "registered-models/alias?name=iris&alias=Latest"), "model_version", "version"))
		w.call(t, 200, http.MethodDelete, "registered-models/alias", object{"name": "iris", "alias": "latest"})
		w.refuse(t, invalid, http.MethodPost, "registered-models/alias", object{"name": "iris", "alias": "latest", "version": "1"})

		for _, source := range []string{"models:/iris@latest", "models:/iris/2"} {
			made := w.post(t, "model-versions/create", object{"name": "iris", "source": source})
			require.Equal(t, run, at(t, made, "model_version", "run_id"), "a copy has the run of what it was made of")
			require.Regexp(t, "^models:/iris/[0-9]$", at(t, made, "model_version", "source"))
		}
		w.refuse(t, invalid, http.MethodPost, "model-versions/create", object{"name": "iris", "source": "models:/iris/1", "run_id": "other"})
		w.refuse(t, invalid, http.MethodPost, "model-versions/create", object{"name": "iris", "source": "models:/iris/9"})
		w.refuse(t, invalid, http.MethodPost, "model-versions/create", object{"name": "iris", "source": "models:/iris@nobody"})
	})
}
