package tracking_test

import (
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial/internal/tracking"
)

func TestLoggedModels(t *testing.T) {
	t.Parallel()
	eachWire(t, tracking.Hooks{}, func(t *testing.T, w wire) {
		run := w.run(t)
		in := object{"experiment_id": run.ExperimentID, "name": "clf", "model_type": "agent", "source_run_id": run.ID,
			"params": []object{{"key": "C", "value": "1.0"}}, "tags": []object{{"key": "mlflow.user", "value": "me"}}}
		made := w.post(t, "logged-models", in)
		id, _ := at(t, made, "model", "info", "model_id").(string)
		require.Regexp(t, `^m-[0-9a-f]{32}$`, id)
		info := at(t, made, "model", "info")
		require.Equal(t, "LOGGED_MODEL_PENDING", at(t, info, "status"))
		require.Equal(t, "mlflow-artifacts:/1/models/"+id+"/artifacts", at(t, info, "artifact_uri"))
		require.Equal(t, object{"params": []any{object{"key": "C", "value": "1.0"}}}, at(t, made, "model", "data"))
		require.Equal(t, made, w.get(t, "logged-models/"+id))

		ready := w.call(t, 200, http.MethodPatch, "logged-models/"+id, object{"model_id": "another", "status": "LOGGED_MODEL_READY"})
		require.Equal(t, "LOGGED_MODEL_READY", at(t, ready, "model", "info", "status"), "the path's id counts")
		w.refuse(t, invalid, http.MethodPatch, "logged-models/"+id, object{"status": "DONE"})

		w.call(t, 200, http.MethodPatch, "logged-models/"+id+"/tags", object{"tags": []object{{"key": "q", "value": "gold"}, {"key": "a/b", "value": "1"}}})
		w.call(t, 200, http.MethodDelete, "logged-models/"+id+"/tags/a%2Fb", nil)
		require.Equal(t, []string{"mlflow.user", "q"}, names(at(t, w.get(t, "logged-models/"+id), "model", "info", "tags"), "key"))
		w.refuse(t, missing, http.MethodDelete, "logged-models/"+id+"/tags/none", nil)
		w.refuse(t, invalid, http.MethodPatch, "logged-models/"+id+"/tags", object{"tags": []object{{"key": "../x", "value": ""}}})

		w.post(t, "logged-models/"+id+"/params", object{"params": []object{{"key": "C", "value": "1.0"}, {"key": "D", "value": strings.Repeat("x", 7000)}}})
		require.Contains(t, w.refuse(t, invalid, http.MethodPost, "logged-models/"+id+"/params", object{"params": []object{{"key": "C", "value": "2"}}}), "Changing param values")
		twice := []object{{"key": "E", "value": "1"}, {"key": "E", "value": "2"}}
		require.Contains(t, w.refuse(t, invalid, http.MethodPost, "logged-models/"+id+"/params", object{"params": twice}), "Param with key='E' was already logged with value='1'")
		long, _ := at(t, w.get(t, "logged-models/"+id), "model", "data", "params", 1, "value").(string)
		require.Len(t, long, 6000)

		unnamed := w.post(t, "logged-models", object{"experiment_id": "0"})
		require.Regexp(t, `^[a-z]+-[a-z]+-\d+$`, at(t, unnamed, "model", "info", "name"))
		for _, bad := range []object{{"experiment_id": "0", "name": "a/b"}, {"experiment_id": "0", "name": "a.b"}, {"experiment_id": "0", "name": `"`}} {
			w.refuse(t, invalid, http.MethodPost, "logged-models", bad)
		}
		w.refuse(t, missing, http.MethodPost, "logged-models", object{"experiment_id": "77", "name": "x"})
		none := "m-" + strings.Repeat("0", 32)
		require.Equal(t, "Logged model with ID '"+none+"' not found.", w.refuse(t, missing, http.MethodGet, "logged-models/"+none, nil))

		w.call(t, 200, http.MethodDelete, "logged-models/"+id, object{"model_id": id})
		w.refuse(t, missing, http.MethodGet, "logged-models/"+id, nil)
		require.Equal(t, id, at(t, w.get(t, "logged-models/"+id+"?allow_deleted=true"), "model", "info", "model_id"))
		for _, c := range [][2]string{{http.MethodDelete, ""}, {http.MethodPatch, ""}, {http.MethodPatch, "/tags"}, {http.MethodPost, "/params"}} {
			w.call(t, 200, c[0], "logged-models/"+id+c[1], object{"status": "LOGGED_MODEL_READY"}) // a deleted one takes changes, as in MLflow
			w.refuse(t, missing, c[0], "logged-models/"+none+c[1], object{"status": "LOGGED_MODEL_READY"})
		}
		w.refuse(t, missing, http.MethodGet, "logged-models/"+id, nil)
	})
}

func TestSearchLoggedModels(t *testing.T) {
	t.Parallel()
	eachWire(t, tracking.Hooks{}, func(t *testing.T, w wire) {
		ids, run := map[string]string{}, ""
		for _, name := range []string{"a", "b", "c"} {
			ids[name], run = w.logged(t, name)
			w.call(t, 200, http.MethodPatch, "logged-models/"+ids[name]+"/tags", object{"tags": []object{{"key": "name", "value": name}}})
		}
		measure := func(model, metric string, value any, step int, more object) {
			in := object{"run_id": run, "key": metric, "value": value, "timestamp": 1, "step": step, "model_id": model}
			maps.Copy(in, more)
			w.post(t, "runs/log-metric", in)
		}
		measure(ids["a"], "auc", 0.7, 0, object{"dataset_name": "old", "dataset_digest": "d1"})
		measure(ids["a"], "auc", 0.9, 1, object{"dataset_name": "new", "dataset_digest": "d2"})
		measure(ids["b"], "auc", 0.8, 0, nil)
		measure(ids["c"], "auc", "NaN", 0, nil)
		find := func(in object) []string {
			in["experiment_ids"] = []string{"1"}
			var found []string
			models, _ := w.post(t, "logged-models/search", in)["models"].([]any)
			for _, m := range models {
				name, _ := at(t, m, "info", "name").(string)
				found = append(found, name)
			}
			return found
		}
		order := func(field string, up bool, more ...string) object {
			o := object{"field_name": field, "ascending": up}
			for i := 0; i+1 < len(more); i += 2 {
				o[more[i]] = more[i+1]
			}
			return object{"order_by": []object{o}}
		}
		require.Equal(t, []string{"c", "b", "a"}, find(object{}), "newest first")
		require.Equal(t, []string{"b"}, find(object{"filter": "name = 'b'"}))
		require.Empty(t, w.post(t, "logged-models/search", object{"experiment_ids": []string{"0"}, "filter": "name = 'b'"}))
		require.Empty(t, w.post(t, "logged-models/search", object{}))
		require.Equal(t, []string{"a"}, find(object{"filter": "metrics.auc > 0.85 AND tags.name = 'a' AND params.C = '1.0'"}))
		require.Equal(t, []string{"b", "a"}, find(object{"filter": "metrics.auc < 0.85"}))
		require.Equal(t, []string{"a"}, find(object{"filter": "metrics.auc < 0.85", "datasets": []object{{"dataset_name": "old"}}}))
		require.Empty(t, find(object{"filter": "metrics.auc < 0.85", "datasets": []object{{"dataset_name": "old", "dataset_digest": "d9"}}}))
		require.Equal(t, []string{"a"}, find(object{"datasets": []object{{"dataset_name": "new", "dataset_digest": "d2"}, {"dataset_name": "x"}}}))
		require.Len(t, find(object{"filter": "status = 'READY'"}), 3)
		require.Len(t, find(object{"filter": "attributes.status = 'LOGGED_MODEL_READY' AND creation_timestamp > 5"}), 3)
		require.Equal(t, []string{"c"}, find(object{"filter": "model_id IN ('" + ids["c"] + "', 'x')"}))
		require.Equal(t, []string{"c", "a"}, find(object{"filter": "name IN ('c', 'a')"}))
		require.Equal(t, []string{"b"}, find(object{"filter": "name NOT IN ('c', 'a')"}))
		require.Equal(t, []string{"a"}, find(object{"filter": "tags.name IN ('a', 'x') AND status IN ('LOGGED_MODEL_READY')"}))
		require.Empty(t, find(object{"filter": "params.C = 1"}), "a number is a text there")
		require.Equal(t, []string{"a"}, find(object{"filter": "params.C = 1.0 AND name = 'a'"}))
		require.Equal(t, []string{"a", "b", "c"}, find(order("metrics.auc", false)), "the last point counts; NaN and none come last")
		require.Equal(t, []string{"b", "a", "c"}, find(order("metrics.auc", true)))
		require.Equal(t, "a", find(order("metrics.auc", true, "dataset_name", "old"))[0])
		require.Equal(t, []string{"a", "b", "c"}, find(order("creation_timestamp", true)))
		require.Equal(t, []string{"c", "b", "a"}, find(order("tags.name", false)))

		page := w.post(t, "logged-models/search", object{"experiment_ids": []string{"1"}, "max_results": 2})
		require.Len(t, page["models"], 2)
		page = w.post(t, "logged-models/search", object{"experiment_ids": []string{"1"}, "max_results": 2, "page_token": page["next_page_token"]})
		require.Len(t, page["models"], 1)
		require.NotContains(t, page, "next_page_token")

		metric := at(t, w.get(t, "logged-models/"+ids["a"]), "model", "data", "metrics", 1)
		require.Equal(t, object{"key": "auc", "value": 0.9, "timestamp": 1.0, "step": 1.0, "model_id": ids["a"], "run_id": run, "dataset_name": "new", "dataset_digest": "d2"}, metric)
		require.Equal(t, "NaN", at(t, w.get(t, "logged-models/"+ids["c"]), "model", "data", "metrics", 0, "value"))

		for _, bad := range []object{
			{"filter": "foo = 'x'"}, {"filter": "metrics.auc > 'x'"}, {"filter": "name = 'a' OR name = 'b'"}, {"max_results": 0}, {"max_results": 1_000_000},
			{"page_token": "?"}, {"datasets": []object{{}}}, order("foo", true), order("metrics.", true),
		} {
			bad["experiment_ids"] = []string{"1"}
			w.refuse(t, invalid, http.MethodPost, "logged-models/search", bad)
		}
		w.refuse(t, missing, http.MethodPost, "runs/log-metric", object{"run_id": run, "key": "m", "value": 1, "timestamp": 1, "model_id": "m-none"})
	})
}

// As in MLflow, the times say when something was last changed but for its tags.
func TestTagsLeaveTheTimesAlone(t *testing.T) {
	t.Parallel()
	eachWire(t, tracking.Hooks{}, func(t *testing.T, w wire) {
		model, _ := w.logged(t, "clf")
		w.post(t, "registered-models/create", object{"name": "iris"})
		w.version(t, "iris", model, nil)
		times := func() []any {
			return []any{
				at(t, w.get(t, "experiments/get?experiment_id=0"), "experiment", "last_update_time"),
				at(t, w.get(t, "registered-models/get?name=iris"), "registered_model", "last_updated_timestamp"),
				at(t, w.get(t, "model-versions/get?name=iris&version=1"), "model_version", "last_updated_timestamp"),
				at(t, w.get(t, "logged-models/"+model), "model", "info", "last_updated_timestamp_ms"),
			}
		}
		before := times()
		tag := object{"experiment_id": "0", "name": "iris", "version": "1", "key": "k", "value": "v"}
		for _, what := range []string{"experiments/set-experiment-tag", "experiments/delete-experiment-tag", "registered-models/set-tag", "model-versions/set-tag"} {
			w.post(t, what, tag)
		}
		w.call(t, 200, http.MethodDelete, "registered-models/delete-tag", tag)
		w.call(t, 200, http.MethodDelete, "model-versions/delete-tag", tag)
		w.call(t, 200, http.MethodPatch, "logged-models/"+model+"/tags", object{"tags": []object{{"key": "k", "value": "v"}}})
		w.post(t, "logged-models/"+model+"/params", object{"params": []object{{"key": "k", "value": "v"}}})
		require.Equal(t, before, times())

		w.call(t, 200, http.MethodPatch, "model-versions/update", object{"name": "iris", "version": "1", "description": "d"})
		w.call(t, 200, http.MethodPatch, "logged-models/"+model, object{"status": "LOGGED_MODEL_READY"})
		after := times()
		require.Equal(t, before[:2], after[:2], "the version's time isn't the model's")
		require.Greater(t, after[2], before[2])
		require.Greater(t, after[3], before[3])
	})
}
