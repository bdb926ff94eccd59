package tracking_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/mlflow"
	"github.com/perennial-ml/perennial/internal/tracking"
)

const (
	invalid = "INVALID_PARAMETER_VALUE"
	missing = "RESOURCE_DOES_NOT_EXIST"
	taken   = "RESOURCE_ALREADY_EXISTS"
)

func search(path, filter string, more ...string) string {
	q := url.Values{"filter": {filter}}
	for i := 0; i+1 < len(more); i += 2 {
		q.Add(more[i], more[i+1])
	}
	return path + "?" + q.Encode()
}

// logged makes a ready logged model of a new run, and gives both ids.
func (w wire) logged(t *testing.T, name string) (model, run string) {
	t.Helper()
	r := w.run(t)
	out := w.post(t, "logged-models", object{"experiment_id": r.ExperimentID, "name": name, "source_run_id": r.ID, "params": []object{{"key": "C", "value": "1.0"}}})
	model, _ = at(t, out, "model", "info", "model_id").(string)
	w.call(t, 200, http.MethodPatch, "logged-models/"+model, object{"model_id": model, "status": "LOGGED_MODEL_READY"})
	return model, r.ID
}

// version registers a version of a logged model, and the model where it is new.
func (w wire) version(t *testing.T, name, model string, more object) string {
	t.Helper()
	in := object{"name": name, "source": "models:/" + model, "model_id": model}
	maps.Copy(in, more)
	v, _ := at(t, w.post(t, "model-versions/create", in), "model_version", "version").(string)
	return v
}

func TestRegisteredModels(t *testing.T) {
	t.Parallel()
	eachWire(t, tracking.Hooks{}, func(t *testing.T, w wire) {
		made := w.post(t, "registered-models/create", object{"name": "iris", "description": "d1", "tags": []object{{"key": "k", "value": "v"}}})
		require.Equal(t, made, w.get(t, "registered-models/get?name=iris"))
		require.NotContains(t, made["registered_model"], "latest_versions", "empty lists are left out")
		require.Equal(t, "Registered Model (name=iris) already exists.", w.refuse(t, taken, http.MethodPost, "registered-models/create", object{"name": "iris"}))
		for _, bad := range []string{"", " ", ".", "..", "..x", "a/b", "a:b", "\ufffd", strings.Repeat("x", 257)} {
			w.refuse(t, invalid, http.MethodPost, "registered-models/create", object{"name": bad})
		}
		w.refuse(t, invalid, http.MethodPost, "registered-models/create", object{"name": "x", "tags": []object{{"key": "../up", "value": ""}}})
		w.refuse(t, missing, http.MethodGet, "registered-models/get?name=x", nil)
		w.refuse(t, invalid, http.MethodGet, "registered-models/get", nil)

		changed := w.call(t, 200, http.MethodPatch, "registered-models/update", object{"name": "iris", "description": "d2"})
		require.Equal(t, "d2", at(t, changed, "registered_model", "description"))
		require.Greater(t, at(t, changed, "registered_model", "last_updated_timestamp"), at(t, made, "registered_model", "last_updated_timestamp"))

		w.post(t, "registered-models/set-tag", object{"name": "iris", "key": "k", "value": "w"})
		w.post(t, "registered-models/set-tag", object{"name": "iris", "key": "empty", "value": ""})
		require.Equal(t, []any{object{"key": "empty", "value": ""}, object{"key": "k", "value": "w"}}, at(t, w.get(t, "registered-models/get?name=iris"), "registered_model", "tags"))
		w.call(t, 200, http.MethodDelete, "registered-models/delete-tag", object{"name": "iris", "key": "k"})
		w.call(t, 200, http.MethodDelete, "registered-models/delete-tag", object{"name": "iris", "key": "k"})
		w.refuse(t, missing, http.MethodPost, "registered-models/set-tag", object{"name": "x", "key": "k", "value": "v"})
		w.refuse(t, invalid, http.MethodPost, "registered-models/set-tag", object{"name": "iris", "key": "k", "value": strings.Repeat("x", 100_001)})

		w.call(t, 200, http.MethodDelete, "registered-models/delete", object{"name": "iris"})
		w.refuse(t, missing, http.MethodGet, "registered-models/get?name=iris", nil)
		w.refuse(t, missing, http.MethodDelete, "registered-models/delete", object{"name": "iris"})
		w.post(t, "registered-models/create", object{"name": "iris"})
	})
}

func TestRenameTakesEverythingAlong(t *testing.T) {
	t.Parallel()
	eachWire(t, tracking.Hooks{}, func(t *testing.T, w wire) {
		model, _ := w.logged(t, "clf")
		for _, name := range []string{"old", "other"} {
			w.post(t, "registered-models/create", object{"name": name, "tags": []object{{"key": "k", "value": "v"}}})
		}
		w.version(t, "old", model, object{"tags": []object{{"key": "q", "value": "gold"}}})
		w.post(t, "registered-models/alias", object{"name": "old", "alias": "best", "version": "1"})
		w.refuse(t, taken, http.MethodPost, "registered-models/rename", object{"name": "old", "new_name": "other"})
		w.refuse(t, invalid, http.MethodPost, "registered-models/rename", object{"name": "old", "new_name": ""})
		out := w.post(t, "registered-models/rename", object{"name": "old", "new_name": "new"})
		require.Equal(t, out, w.get(t, "registered-models/get?name=new"))
		require.Equal(t, []any{object{"alias": "best", "version": "1"}}, at(t, out, "registered_model", "aliases"))
		require.Equal(t, "new", at(t, out, "registered_model", "latest_versions", 0, "name"))
		v := at(t, w.get(t, "model-versions/get?name=new&version=1"), "model_version")
		require.Equal(t, []any{object{"key": "q", "value": "gold"}}, at(t, v, "tags"))
		require.Equal(t, []any{"best"}, at(t, v, "aliases"))
		w.refuse(t, missing, http.MethodGet, "registered-models/get?name=old", nil)
		w.post(t, "registered-models/create", object{"name": "old"})
	})
}

func TestWireVersions(t *testing.T) {
	t.Parallel()
	eachWire(t, tracking.Hooks{}, func(t *testing.T, w wire) {
		model, run := w.logged(t, "clf")
		w.post(t, "registered-models/create", object{"name": "iris"})
		out := w.post(t, "model-versions/create", object{"name": "iris", "source": "models:/" + model, "model_id": model, "description": "v1", "tags": []object{{"key": "k", "value": "0"}}})
		v := at(t, out, "model_version")
		fields := object{"version": "1", "current_stage": "None", "status": "READY", "run_id": run, "run_link": "", "description": "v1", "source": "models:/" + model}
		for field, want := range fields {
			require.Equal(t, want, at(t, v, field), field)
		}
		require.Equal(t, out, w.get(t, "model-versions/get?name=iris&version=1"))
		require.Equal(t, "2", w.version(t, "iris", model, nil))
		require.Equal(t, "3", w.version(t, "iris", model, object{"run_link": "http://x"}))
		noted, _ := at(t, w.get(t, "logged-models/"+model), "model", "info", "tags", 0, "value").(string)
		require.JSONEq(t, `[{"name":"iris","version":1},{"name":"iris","version":2},{"name":"iris","version":3}]`, noted, "the logged model knows its versions")
		require.Equal(t, "mlflow-artifacts:/1/models/"+model+"/artifacts", w.get(t, "model-versions/get-download-uri?name=iris&version=2")["artifact_uri"])

		w.call(t, 200, http.MethodPatch, "model-versions/update", object{"name": "iris", "version": "2", "description": "new"})
		require.Equal(t, "new", at(t, w.get(t, "model-versions/get?name=iris&version=2"), "model_version", "description"))
		w.post(t, "model-versions/set-tag", object{"name": "iris", "version": "2", "key": "ok", "value": "yes"})
		require.Equal(t, "yes", at(t, w.get(t, "model-versions/get?name=iris&version=2"), "model_version", "tags", 0, "value"))
		w.call(t, 200, http.MethodDelete, "model-versions/delete-tag", object{"name": "iris", "version": "2", "key": "ok"})
		require.Nil(t, at(t, w.get(t, "model-versions/get?name=iris&version=2"), "model_version", "tags"))

		require.Equal(t, "Model Version (name=iris, version=99) not found", w.refuse(t, missing, http.MethodGet, "model-versions/get?name=iris&version=99", nil))
		w.refuse(t, invalid, http.MethodGet, "model-versions/get?name=iris&version=x", nil)
		w.refuse(t, missing, http.MethodPost, "model-versions/set-tag", object{"name": "iris", "version": "99", "key": "k", "value": "v"})
		w.refuse(t, missing, http.MethodPost, "model-versions/create", object{"name": "nobody", "source": "models:/" + model, "model_id": model})

		w.post(t, "registered-models/alias", object{"name": "iris", "alias": "best", "version": "3"})
		w.call(t, 200, http.MethodDelete, "model-versions/delete", object{"name": "iris", "version": "3"})
		w.refuse(t, missing, http.MethodGet, "model-versions/get?name=iris&version=3", nil)
		w.refuse(t, missing, http.MethodDelete, "model-versions/delete", object{"name": "iris", "version": "3"})
		require.Equal(t, "Registered model alias best not found.", w.refuse(t, invalid, http.MethodGet, "registered-models/alias?name=iris&alias=best", nil))
		require.Equal(t, "4", w.version(t, "iris", model, nil), "a number is never used twice")
	})
}

func TestVersionsMadeAtOnce(t *testing.T) {
	t.Parallel()
	eachWire(t, tracking.Hooks{}, func(t *testing.T, w wire) {
		model, _ := w.logged(t, "clf")
		for _, name := range []string{"iris", "wine"} {
			w.post(t, "registered-models/create", object{"name": name})
		}
		const n = 12
		servers := []*tracking.Server{w.server, tracking.NewServer(w.other, w.blobs, tracking.Hooks{}, nil)}
		made := make([]string, n)
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() {
				v := wire{suite: w.suite, server: servers[i%2]}
				made[i] = []string{"iris ", "wine "}[i/2%2] + v.version(t, []string{"iris", "wine"}[i/2%2], model, nil)
			})
		}
		wg.Wait()
		var want []string
		for i := range n / 2 {
			want = append(want, fmt.Sprintf("iris %d", i+1), fmt.Sprintf("wine %d", i+1))
		}
		require.ElementsMatch(t, want, made)
		noted, _ := at(t, w.get(t, "logged-models/"+model), "model", "info", "tags", 0, "value").(string)
		require.Equal(t, n, strings.Count(noted, `"name"`), noted)
	})
}

func TestVersionSources(t *testing.T) {
	t.Parallel()
	eachWire(t, tracking.Hooks{}, func(t *testing.T, w wire) {
		model, run := w.logged(t, "clf")
		other, otherRun := w.logged(t, "clf")
		gone, never := w.run(t).ID, strings.Repeat("f", 32)
		w.post(t, "runs/delete", object{"run_id": gone})
		w.post(t, "registered-models/create", object{"name": "iris"})
		uri := func(id string) string { return "mlflow-artifacts:/1/" + id + "/artifacts" }
		w.version(t, "iris", model, nil)
		w.post(t, "registered-models/alias", object{"name": "iris", "alias": "best", "version": "1"})
		good := map[string]struct {
			in   object
			want string
		}{
			"a run's file":          {object{"source": "runs:/" + run + "/a/b", "run_id": run}, uri(run) + "/a/b"},
			"a run's model":         {object{"source": "runs:/" + run + "/clf", "run_id": run}, uri("models/" + model)},
			"a file of it":          {object{"source": "runs:/" + run + "/clf/a/b", "run_id": run}, uri("models/"+model) + "/a/b"},
			"a run that is deleted": {object{"source": "runs:/" + gone + "/clf", "run_id": gone}, uri(gone) + "/clf"},
			"a run that never was":  {object{"source": "runs:/" + never + "/clf", "run_id": never}, "runs:/" + never + "/clf"},
			"a bucket of no run":    {object{"source": "s3://models/iris/8", "run_id": never}, "s3://models/iris/8"},
			"its URI":               {object{"source": uri(run) + "/clf", "run_id": run}, uri(run) + "/clf"},
			"the run itself":        {object{"source": uri(run), "run_id": run}, uri(run)},
			"a host is passed over": {object{"source": "mlflow-artifacts://localhost:8080/1/" + run + "/artifacts/clf", "run_id": run}, "mlflow-artifacts://localhost:8080/1/" + run + "/artifacts/clf"},
			"a model's URI":         {object{"source": uri("models/" + model), "model_id": model}, uri("models/" + model)},
			"another version":       {object{"source": "models:/iris/1"}, uri("models/" + model)},
			"an alias":              {object{"source": "models:/iris@best"}, uri("models/" + model)},
			"a bucket":              {object{"source": "s3://models/iris/7"}, "s3://models/iris/7"},
			"a prompt":              {object{"source": "dummy-source", "tags": []object{{"key": "mlflow.prompt.is_prompt", "value": "true"}}}, "dummy-source"},
		}
		for name, c := range good {
			c.in["name"] = "iris"
			v, _ := at(t, w.post(t, "model-versions/create", c.in), "model_version", "version").(string)
			require.Equal(t, c.want, w.get(t, "model-versions/get-download-uri?name=iris&version="+v)["artifact_uri"], name)
		}
		bad := map[string]object{
			"none":                    {"source": ""},
			"a model without its id":  {"source": "models:/" + model, "run_id": run},
			"another model's id":      {"source": "models:/" + model, "model_id": other},
			"a run without its id":    {"source": "runs:/" + run + "/clf"},
			"another run's id":        {"source": "runs:/" + run + "/clf", "run_id": otherRun},
			"outside the run":         {"source": uri(otherRun), "run_id": run},
			"a neighbour by prefix":   {"source": uri(run) + "x", "run_id": run},
			"files without an owner":  {"source": "mlflow-artifacts:/1/x"},
			"up":                      {"source": uri(run) + "/../../x", "run_id": run},
			"up, escaped":             {"source": uri(run) + "/%2e%2e/%2e%2e/x", "run_id": run},
			"up, escaped twice":       {"source": uri(run) + "/%252e%252e/x", "run_id": run},
			"up in a run":             {"source": "runs:/" + run + "/../x", "run_id": run},
			"up in a bucket":          {"source": "s3://models/../x"},
			"a backslash":             {"source": uri(run) + `/..\x`, "run_id": run},
			"a local path":            {"source": "/etc/passwd", "run_id": run},
			"a local path as a URI":   {"source": "file:///etc/passwd", "run_id": run},
			"a drive":                 {"source": `C:/x`, "run_id": run},
			"a version that is none":  {"source": "models:/iris/77"},
			"an alias that is none":   {"source": "models:/iris@nobody"},
			"another host":            {"source": "FTP://host/x"},
			"a copy of another run":   {"source": "models:/iris/1", "run_id": otherRun},
			"a model that is nowhere": {"source": "models:/nobody/1"},
		}
		for name, in := range bad {
			in["name"] = "iris"
			require.Contains(t, w.refuse(t, invalid, http.MethodPost, "model-versions/create", in), "source", name)
		}
		w.refuse(t, missing, http.MethodPost, "model-versions/create", object{"name": "iris", "source": "models:/m-" + strings.Repeat("0", 32), "model_id": "m-" + strings.Repeat("0", 32)})
	})
}

func TestStages(t *testing.T) {
	t.Parallel()
	eachWire(t, tracking.Hooks{}, func(t *testing.T, w wire) {
		model, _ := w.logged(t, "clf")
		w.post(t, "registered-models/create", object{"name": "iris"})
		for range 3 {
			w.version(t, "iris", model, nil)
		}
		move := func(version, stage string, archive bool) object {
			return object{"name": "iris", "version": version, "stage": stage, "archive_existing_versions": archive}
		}
		w.post(t, "model-versions/transition-stage", move("1", "staging", false))
		w.post(t, "model-versions/transition-stage", move("2", "Production", false))
		out := w.post(t, "model-versions/transition-stage", move("3", "PRODUCTION", true))
		require.Equal(t, "Production", at(t, out, "model_version", "current_stage"))
		latest := w.post(t, "registered-models/get-latest-versions", object{"name": "iris"})["model_versions"]
		require.Equal(t, []string{"Staging", "Archived", "Production"}, names(latest, "current_stage"))
		require.Equal(t, []string{"1", "2", "3"}, names(latest, "version"))
		require.Equal(t, []string{"3"}, names(w.get(t, "registered-models/get-latest-versions?name=iris&stages=Production&stages=None")["model_versions"], "version"))
		require.Contains(t, w.refuse(t, invalid, http.MethodPost, "model-versions/transition-stage", move("1", "Prod", false)), "Invalid Model Version stage: Prod. Value must be one of None, Staging, Production, Archived.")
		w.refuse(t, invalid, http.MethodPost, "model-versions/transition-stage", move("1", "Archived", true))
		w.refuse(t, invalid, http.MethodPost, "registered-models/get-latest-versions", object{"name": "iris", "stages": []string{"Prod"}})
		w.refuse(t, missing, http.MethodPost, "registered-models/get-latest-versions", object{"name": "nobody"})
	})
}

func TestWireAliases(t *testing.T) {
	t.Parallel()
	eachWire(t, tracking.Hooks{}, func(t *testing.T, w wire) {
		model, _ := w.logged(t, "clf")
		w.post(t, "registered-models/create", object{"name": "iris"})
		for range 2 {
			w.version(t, "iris", model, nil)
		}
		set := func(alias, version string) object { return object{"name": "iris", "alias": alias, "version": version} }
		for _, alias := range []string{"champion", "challenger", "best-of_all", "prüfling"} {
			w.post(t, "registered-models/alias", set(alias, "1"))
		}
		w.post(t, "registered-models/alias", set("champion", "2"))
		require.Equal(t, "2", at(t, w.get(t, "registered-models/alias?name=iris&alias=champion"), "model_version", "version"))
		require.Equal(t, []any{"best-of_all", "challenger", "prüfling"}, at(t, w.get(t, "model-versions/get?name=iris&version=1"), "model_version", "aliases"))
		for _, bad := range []string{"", "v1", "V22", "latest", "LATEST", "a b", "a/b", strings.Repeat("x", 256)} {
			w.refuse(t, invalid, http.MethodPost, "registered-models/alias", set(bad, "1"))
		}
		w.refuse(t, missing, http.MethodPost, "registered-models/alias", set("x", "77"))
		w.refuse(t, missing, http.MethodPost, "registered-models/alias", object{"name": "nobody", "alias": "x", "version": "1"})
		w.refuse(t, invalid, http.MethodPost, "registered-models/alias", set("x", "one"))
		w.call(t, 200, http.MethodDelete, "registered-models/alias", object{"name": "iris", "alias": "champion"})
		w.call(t, 200, http.MethodDelete, "registered-models/alias", object{"name": "iris", "alias": "champion"})
		w.refuse(t, invalid, http.MethodGet, "registered-models/alias?name=iris&alias=champion", nil)
		w.refuse(t, missing, http.MethodGet, "registered-models/alias?name=nobody&alias=champion", nil)
		w.refuse(t, missing, http.MethodDelete, "registered-models/alias", object{"name": "nobody", "alias": "x"})
	})
}

func TestHooks(t *testing.T) {
	t.Parallel()
	var moved []string
	held := true
	hooks := tracking.Hooks{
		MoveAlias: func(_ context.Context, actor, model, alias, version string) error {
			if version == "2" {
				return perennial.Errorf(perennial.CodePrecondition, "x", "rollouts are frozen").WithHint("wait")
			}
			moved = append(moved, strings.Join([]string{actor, model, alias, version}, " "))
			return nil
		},
		Held: func(_ context.Context, model, version string) error {
			if held && model == "iris" && (version == "1" || version == "") {
				return perennial.Errorf(perennial.CodeConflict, "x", "version 1 of iris is in service")
			}
			return nil
		},
	}
	each(t, func(t *testing.T, s suite) {
		moved, held = nil, true
		w := wire{suite: s, server: tracking.NewServer(s.Store, nil, hooks, nil)}
		model, run := w.logged(t, "clf")
		w.post(t, "registered-models/create", object{"name": "iris"})
		for range 2 {
			w.version(t, "iris", model, nil)
		}
		w.post(t, "registered-models/alias", object{"name": "iris", "alias": "champion", "version": "1"})
		w.post(t, "registered-models/alias", object{"name": "iris", "alias": "mine", "version": "2"})
		w.call(t, 200, http.MethodDelete, "registered-models/alias", object{"name": "iris", "alias": "challenger"})
		w.post(t, "registered-models/alias", object{"name": "iris", "alias": "Champion", "version": "1"})
		require.Equal(t, []string{" iris champion 1", " iris challenger ", " iris Champion 1"}, moved)
		require.Equal(t, []any{object{"alias": "mine", "version": "2"}}, at(t, w.get(t, "registered-models/get?name=iris"), "registered_model", "aliases"), "champion is the hook's affair")
		decided := func(method string) {
			body := strings.NewReader(`{"name":"iris","alias":"champion","version":"2"}`)
			own, err := http.NewRequestWithContext(mlflow.Decided(t.Context()), method, "http://x/api/2.0/mlflow/registered-models/alias", body)
			require.NoError(t, err)
			own.Header.Set("Content-Type", "application/json")
			resp, err := w.server.RoundTrip(own)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			require.Equal(t, 200, resp.StatusCode, "what Perennial has decided goes past the hook")
		}
		decided(http.MethodPost)
		require.Equal(t, "2", at(t, w.get(t, "registered-models/alias?name=iris&alias=champion"), "model_version", "version"))
		decided(http.MethodDelete)
		w.refuse(t, invalid, http.MethodGet, "registered-models/alias?name=iris&alias=champion", nil)
		require.Equal(t, "rollouts are frozen. wait", w.refuse(t, invalid, http.MethodPost, "registered-models/alias", object{"name": "iris", "alias": "champion", "version": "2"}))

		refused := map[string]object{
			"DELETE registered-models/delete": {"name": "iris"},
			"POST registered-models/rename":   {"name": "iris", "new_name": "x"},
			"DELETE model-versions/delete":    {"name": "iris", "version": "1"},
			"DELETE logged-models/" + model:   {"model_id": model},
		}
		for path, in := range refused {
			method, path, _ := strings.Cut(path, " ")
			require.Equal(t, "version 1 of iris is in service", w.refuse(t, invalid, method, path, in), path)
		}
		gone, b := w.send(t, http.MethodDelete, "/api/2.0/mlflow-artifacts/artifacts/1/"+run+"/artifacts/x", nil)
		require.Equal(t, 400, gone.StatusCode, "%s", b)
		w.call(t, 200, http.MethodDelete, "model-versions/delete", object{"name": "iris", "version": "2"})
		held = false
		w.call(t, 200, http.MethodDelete, "logged-models/"+model, nil)
		w.call(t, 200, http.MethodDelete, "registered-models/delete", object{"name": "iris"})
	})
}

func TestSearchModels(t *testing.T) {
	t.Parallel()
	eachWire(t, tracking.Hooks{}, func(t *testing.T, w wire) {
		for _, name := range []string{"Beta", "alpha", "alpine", "al_ha", "prompt"} {
			w.post(t, "registered-models/create", object{"name": name, "tags": []object{{"key": "first", "value": name[:1]}}})
		}
		w.post(t, "registered-models/set-tag", object{"name": "prompt", "key": "mlflow.prompt.is_prompt", "value": "true"})
		find := func(filter string, more ...string) []string {
			return names(w.get(t, search("registered-models/search", filter, more...))["registered_models"], "name")
		}
		const noPrompt = "tag.`mlflow.prompt.is_prompt` != 'true'"
		require.ElementsMatch(t, []string{"Beta", "alpha", "alpine", "al_ha"}, find(noPrompt), "also models without the tag")
		require.Equal(t, []string{"prompt"}, find("tags.`mlflow.prompt.is_prompt` = 'true'"))
		require.Equal(t, []string{"alpha"}, find("name = 'alpha' AND "+noPrompt))
		require.ElementsMatch(t, []string{"alpha", "alpine"}, find("name LIKE 'alp%'"))
		require.Empty(t, find("name LIKE 'ALP%'"), "LIKE tells capitals")
		require.ElementsMatch(t, []string{"alpha", "alpine"}, find("name ILIKE 'ALP%'"))
		require.ElementsMatch(t, []string{"alpha", "al_ha"}, find("name LIKE 'al_ha'"))
		require.ElementsMatch(t, []string{"Beta", "alpine", "al_ha", "prompt"}, find("name != 'alpha'"))
		require.ElementsMatch(t, []string{"alpha", "alpine", "al_ha", "prompt"}, find("tags.first != 'B'"))
		require.Empty(t, find("tags.second != 'B'"), "models without the key don't match")
		require.Equal(t, []string{"prompt"}, find("tags.`mlflow.prompt.is_prompt` IS NOT NULL"))
		require.Len(t, find("tags.`mlflow.prompt.is_prompt` IS NULL"), 4)
		require.Equal(t, []string{"prompt", "al_ha", "alpine"}, find("", "order_by", "creation_timestamp DESC", "max_results", "3"))

		page := w.get(t, search("registered-models/search", "", "order_by", "creation_timestamp ASC", "max_results", "4"))
		require.Equal(t, []string{"Beta", "alpha", "alpine", "al_ha"}, names(page["registered_models"], "name"))
		token, _ := page["next_page_token"].(string)
		page = w.get(t, search("registered-models/search", "", "order_by", "creation_timestamp ASC", "max_results", "4", "page_token", token))
		require.Equal(t, []string{"prompt"}, names(page["registered_models"], "name"))
		require.NotContains(t, page, "next_page_token")
		require.Empty(t, w.get(t, search("registered-models/search", "name = 'x'")))

		for _, bad := range []string{"foo = 'x'", "name = 'x' OR name = 'y'", "name =", "name > 'x'", "creation_timestamp > 3", "tags = 'x'", "metrics.a > 1", "name = 5", "(name = 'x')"} {
			w.refuse(t, invalid, http.MethodGet, search("registered-models/search", bad), nil)
		}
		for _, more := range [][]string{{"max_results", "1001"}, {"max_results", "0"}, {"max_results", "x"}, {"page_token", "?"}, {"page_token", "eyJvZmZzZXQiOi0xfQ=="}, {"order_by", "foo"}, {"order_by", "tags.first"}, {"order_by", "name DOWN"}} {
			w.refuse(t, invalid, http.MethodGet, search("registered-models/search", "", more...), nil)
		}
	})
}
