package tracking_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial/internal/mlflow"
	"github.com/perennial-ml/perennial/internal/tracking"
)

// remote is a server on an empty database, spoken to in MLflow's words.
type remote struct {
	suite

	*tracking.Server
}

// now is when everything happens here.
var now = time.UnixMilli(1_700_000_000_000)

func eachRemote(t *testing.T, f func(t *testing.T, w remote)) {
	t.Helper()
	each(t, func(t *testing.T, s suite) {
		f(t, remote{suite: s, Server: tracking.NewServer(s.Store, nil, tracking.Hooks{}, func() time.Time { return now })})
	})
}

// rpc calls one RPC, which must succeed. A GET's request is a query, else it is
// JSON: a text or something to encode.
func rpc[Out any](t *testing.T, w remote, call string, in any) Out {
	t.Helper()
	status, body := w.call(t, call, in)
	require.Equal(t, 200, status, "%s: %s", call, body)
	var out Out
	require.NoError(t, json.Unmarshal([]byte(body), &out), body)
	return out
}

// do calls an RPC whose answer doesn't matter.
func (w remote) do(t *testing.T, call string, in any) {
	t.Helper()
	status, body := w.call(t, call, in)
	require.Equal(t, 200, status, "%s: %s", call, body)
}

func (w remote) call(t *testing.T, call string, in any) (int, string) {
	t.Helper()
	method, path, _ := strings.Cut(call, " ")
	path = "/api/2.0/mlflow/" + path
	text, isText := in.(string)
	if in != nil && !isText {
		b, err := json.Marshal(in)
		require.NoError(t, err)
		text = string(b)
	}
	if method == "GET" {
		return ask(t, w.Server, method, path+"?"+text, "")
	}
	return ask(t, w.Server, method, path, text)
}

// refused calls an RPC that must fail, and gives the message.
func (w remote) refused(t *testing.T, code, call string, in any) string {
	t.Helper()
	status, body := w.call(t, call, in)
	var e mlflow.Error
	require.NoError(t, json.Unmarshal([]byte(body), &e), body)
	require.Equal(t, code, e.Code, "%s: %s", call, body)
	require.Equal(t, e.Status(), status)
	require.Less(t, status, 500)
	return e.Message
}

func (w remote) experiment(t *testing.T, name string) string {
	t.Helper()
	return rpc[mlflow.ExperimentID](t, w, "POST experiments/create", object{"name": name}).ExperimentID
}

// newRun makes a run and gives its id.
func (w remote) newRun(t *testing.T, experiment string) string {
	t.Helper()
	return rpc[mlflow.RunAnswer](t, w, "POST runs/create", object{"experiment_id": experiment, "start_time": 5}).Run.Info.RunID
}

func (w remote) getRun(t *testing.T, id string) mlflow.Run {
	t.Helper()
	return rpc[mlflow.RunAnswer](t, w, "GET runs/get", "run_id="+id).Run
}

func tagsOf(tags []mlflow.Tag) map[string]string {
	m := map[string]string{}
	for _, t := range tags {
		m[t.Key] = t.Value
	}
	return m
}

func TestRemoteExperiments(t *testing.T) {
	t.Parallel()
	eachRemote(t, func(t *testing.T, w remote) {
		zero := rpc[mlflow.ExperimentAnswer](t, w, "GET experiments/get", "experiment_id=0").Experiment
		require.Equal(t, "Default", zero.Name)
		id := rpc[mlflow.ExperimentID](t, w, "POST experiments/create", object{"name": "Ünï", "unknown": 1, "tags": []object{{"key": "team", "value": "ml"}, {"key": "k.v", "value": "1"}}}).ExperimentID
		require.Equal(t, "1", id)
		want := mlflow.Experiment{
			ExperimentID: "1", Name: "Ünï", ArtifactLocation: "mlflow-artifacts:/1", LifecycleStage: "active", Workspace: "default",
			LastUpdateTime: 1_700_000_000_000, CreationTime: 1_700_000_000_000, Tags: []mlflow.Tag{{Key: "k.v", Value: "1"}, {Key: "team", Value: "ml"}},
		}
		require.Equal(t, want, rpc[mlflow.ExperimentAnswer](t, w, "GET experiments/get", "experiment_id=1").Experiment)
		require.Equal(t, want, rpc[mlflow.ExperimentAnswer](t, w, "GET experiments/get-by-name", "experiment_name="+url.QueryEscape("Ünï")).Experiment)

		w.refused(t, mlflow.CodeExists, "POST experiments/create", object{"name": "Ünï"})
		w.refused(t, mlflow.CodeInvalid, "POST experiments/create", `{}`)
		w.refused(t, mlflow.CodeInvalid, "POST experiments/create", object{"name": " "})
		w.refused(t, mlflow.CodeInvalid, "POST experiments/create", object{"name": strings.Repeat("n", 501)})
		w.refused(t, mlflow.CodeInvalid, "POST experiments/create", object{"name": "x", "artifact_location": "mlflow-artifacts:/0/../../etc"})
		w.refused(t, mlflow.CodeNotFound, "GET experiments/get", "experiment_id=77")
		w.refused(t, mlflow.CodeInvalid, "GET experiments/get", "")
		require.Contains(t, w.refused(t, mlflow.CodeNotFound, "GET experiments/get-by-name", "experiment_name=none"), "Could not find experiment with name 'none'")

		w.do(t, "POST experiments/update", object{"experiment_id": "1", "new_name": "iris"})
		w.refused(t, mlflow.CodeExists, "POST experiments/update", object{"experiment_id": "1", "new_name": "Default"})
		w.do(t, "POST experiments/set-experiment-tag", object{"experiment_id": "1", "key": "team", "value": ""})
		w.do(t, "POST experiments/delete-experiment-tag", object{"experiment_id": "1", "key": "k.v"})
		w.refused(t, mlflow.CodeNotFound, "POST experiments/delete-experiment-tag", object{"experiment_id": "1", "key": "k.v"})
		w.refused(t, mlflow.CodeInvalid, "POST experiments/set-experiment-tag", object{"experiment_id": "1", "key": "long", "value": strings.Repeat("v", 20_001)})
		got := rpc[mlflow.ExperimentAnswer](t, w, "GET experiments/get-by-name", "experiment_name=iris").Experiment
		require.Equal(t, []mlflow.Tag{{Key: "team"}}, got.Tags)
		require.Equal(t, "elsewhere:/x", rpc[mlflow.ExperimentAnswer](t, w, "GET experiments/get", "experiment_id="+
			rpc[mlflow.ExperimentID](t, w, "POST experiments/create", object{"name": "loc", "artifact_location": "elsewhere:/x"}).ExperimentID).Experiment.ArtifactLocation)
	})
}

func TestRemoteExperimentDeleteAndRestore(t *testing.T) {
	t.Parallel()
	eachRemote(t, func(t *testing.T, w remote) {
		id := w.experiment(t, "gone")
		kept, dropped := w.newRun(t, id), w.newRun(t, id)
		w.do(t, "POST runs/delete", object{"run_id": dropped})
		w.do(t, "POST experiments/delete", object{"experiment_id": id})
		w.refused(t, mlflow.CodeNotFound, "POST experiments/delete", object{"experiment_id": id})
		require.Equal(t, "deleted", rpc[mlflow.ExperimentAnswer](t, w, "GET experiments/get", "experiment_id="+id).Experiment.LifecycleStage)
		require.Equal(t, "deleted", w.getRun(t, kept).Info.LifecycleStage)
		w.refused(t, mlflow.CodeExists, "POST experiments/create", object{"name": "gone"})
		require.Equal(t, "The experiment 1 must be in the 'active' state. Current state is deleted.", w.refused(t, mlflow.CodeInvalid, "POST runs/create", object{"experiment_id": id}))
		w.refused(t, mlflow.CodeInvalid, "POST experiments/update", object{"experiment_id": id, "new_name": "x"})
		w.refused(t, mlflow.CodeInvalid, "POST experiments/set-experiment-tag", object{"experiment_id": id, "key": "a", "value": "b"})
		w.do(t, "POST runs/restore", object{"run_id": kept}) // as in MLflow, whose experiment doesn't matter
		w.refused(t, mlflow.CodeInvalid, "POST experiments/delete", object{"experiment_id": "0"})
		w.refused(t, mlflow.CodeNotFound, "POST experiments/delete", object{"experiment_id": "999999999"})

		w.do(t, "POST experiments/restore", object{"experiment_id": id})
		w.refused(t, mlflow.CodeNotFound, "POST experiments/restore", object{"experiment_id": id})
		require.Equal(t, "active", w.getRun(t, kept).Info.LifecycleStage)
	})
}

func TestRemoteExperimentSearch(t *testing.T) {
	t.Parallel()
	eachRemote(t, func(t *testing.T, w remote) {
		for i, x := range []string{"b", "a", "c"} {
			w.do(t, "POST experiments/create", object{"name": "s-" + x, "tags": []object{{"key": "x", "value": x}, {"key": "n", "value": fmt.Sprint(i)}}})
		}
		names := func(in object) string {
			if _, ok := in["max_results"]; !ok {
				in["max_results"] = 10
			}
			var list []string
			for _, e := range rpc[mlflow.Experiments](t, w, "POST experiments/search", in).Experiments {
				list = append(list, e.Name)
			}
			return strings.Join(list, " ")
		}
		require.Equal(t, "s-c s-a s-b Default", names(object{}))
		require.Equal(t, "s-a s-b s-c", names(object{"filter": "name LIKE 's-%'", "order_by": []string{"name ASC"}}))
		require.Equal(t, "s-c s-b s-a", names(object{"filter": "attribute.name ILIKE 'S-_'", "order_by": []string{"name DESC"}}))
		require.Empty(t, names(object{"filter": "name LIKE 'S-%'"}))
		require.Equal(t, "s-a", names(object{"filter": "tags.x = 'a' AND tags.`n` = '1'"}))
		require.Equal(t, "Default", names(object{"filter": "tags.`mlflow.experiment.isGateway` IS NULL AND tags.x IS NULL"}))
		require.Equal(t, "s-c s-a s-b", names(object{"filter": "creation_time >= 1700000000000"}))
		require.Equal(t, "Default s-b s-a s-c", names(object{"order_by": []string{"experiment_id"}}))
		require.Equal(t, "s-a s-b", names(object{"filter": "experiment_id IN ('2', '1') AND experiment_id NOT IN ('0')", "order_by": []string{"name"}}))
		require.Empty(t, names(object{"view_type": "DELETED_ONLY"}))
		w.do(t, "POST experiments/delete", object{"experiment_id": "2"})
		require.Equal(t, "s-a", names(object{"view_type": "DELETED_ONLY"}))
		require.Equal(t, "s-c s-a s-b Default", names(object{"view_type": "ALL"}))

		first := rpc[mlflow.Experiments](t, w, "GET experiments/search", "max_results=2&order_by=name+DESC&filter=")
		require.Len(t, first.Experiments, 2)
		rest := rpc[mlflow.Experiments](t, w, "GET experiments/search", "max_results=2&order_by=name+DESC&page_token="+first.NextPageToken)
		require.Equal(t, "Default", rest.Experiments[0].Name)
		require.Empty(t, rest.NextPageToken)
		for _, bad := range []object{
			{"max_results": 0}, {"max_results": 50_001}, {"max_results": "many"}, {"page_token": "!"}, {"view_type": "SOME"}, {"order_by": []string{"tags.x"}},
			{"filter": "params.x = '1'"}, {"filter": "name = 3"}, {"order_by": "name"}, {"page_token": first.NextPageToken}, {"order_by": []string{"size"}},
		} {
			w.refused(t, mlflow.CodeInvalid, "POST experiments/search", bad)
		}
	})
}

func TestRemoteRuns(t *testing.T) {
	t.Parallel()
	eachRemote(t, func(t *testing.T, w remote) {
		id := w.experiment(t, "runs")
		made := rpc[mlflow.RunAnswer](t, w, "POST runs/create", object{
			"experiment_id": id, "user_id": "ann", "run_name": "first", "start_time": "1700000000123", "tags": []object{{"key": "t1", "value": "v1"}},
		}).Run
		require.Regexp(t, `^[0-9a-f]{32}$`, made.Info.RunID)
		require.Equal(t, mlflow.RunInfo{
			RunUUID: made.Info.RunID, RunID: made.Info.RunID, ExperimentID: id, RunName: "first", UserID: "ann", Status: "RUNNING", StartTime: 1_700_000_000_123,
			ArtifactURI: "mlflow-artifacts:/1/" + made.Info.RunID + "/artifacts", LifecycleStage: "active",
		}, made.Info)
		require.Equal(t, map[string]string{"t1": "v1", "mlflow.runName": "first"}, tagsOf(made.Data.Tags))
		got := w.getRun(t, made.Info.RunID)
		require.Equal(t, made.Info, got.Info)
		require.Equal(t, tagsOf(made.Data.Tags), tagsOf(got.Data.Tags))
		require.Equal(t, got, rpc[mlflow.RunAnswer](t, w, "GET runs/get", "run_uuid="+made.Info.RunID).Run)

		invented := rpc[mlflow.RunAnswer](t, w, "POST runs/create", `{"experiment_id":"0"}`).Run
		require.Equal(t, "0", invented.Info.ExperimentID)
		require.Equal(t, mlflow.Int(now.UnixMilli()), invented.Info.StartTime)
		require.Regexp(t, `^[a-z]+-[a-z]+-\d{1,3}$`, invented.Info.RunName)
		require.Equal(t, invented.Info.RunName, tagsOf(invented.Data.Tags)["mlflow.runName"])
		tagged := rpc[mlflow.RunAnswer](t, w, "POST runs/create", object{"experiment_id": "0", "tags": []object{{"key": "mlflow.runName", "value": "tagged"}}}).Run
		w.refused(t, mlflow.CodeInvalid, "POST runs/create", `{}`)
		for _, call := range []string{"GET experiments/get", "POST experiments/update", "POST experiments/delete", "POST experiments/restore", "POST runs/create"} {
			message := w.refused(t, mlflow.CodeInvalid, call, map[bool]any{true: "experiment_id=nope", false: object{"experiment_id": "nope", "new_name": "x"}}[strings.HasPrefix(call, "GET")])
			require.Contains(t, message, "Experiment ID must be a valid integer.", call)
		}
		for _, call := range []string{"runs/search", "logged-models/search", "experiments/search-datasets"} {
			w.refused(t, mlflow.CodeInvalid, "POST "+call, object{"experiment_ids": []string{"0", "nope"}})
		}
		w.refused(t, mlflow.CodeInvalid, "POST experiments/create", `{"name":"a\ud800"}`)
		require.Equal(t, "tagged", tagged.Info.RunName)
		w.refused(t, mlflow.CodeInvalid, "POST runs/create", object{"run_name": "a", "tags": []object{{"key": "mlflow.runName", "value": "b"}}})
		w.refused(t, mlflow.CodeNotFound, "POST runs/create", object{"experiment_id": "99"})
		w.refused(t, mlflow.CodeInvalid, "POST runs/create", object{"tags": []object{{"key": "../x", "value": "b"}}})
		w.refused(t, mlflow.CodeInvalid, "POST runs/create", object{"start_time": "soon"})

		end := rpc[mlflow.RunInfoAnswer](t, w, "POST runs/update", object{"run_id": made.Info.RunID, "run_uuid": made.Info.RunID, "status": "FINISHED", "end_time": 9, "run_name": "renamed"}).RunInfo
		require.Equal(t, "FINISHED", end.Status)
		require.Equal(t, mlflow.Int(9), *end.EndTime)
		got = w.getRun(t, made.Info.RunID)
		require.Equal(t, end, got.Info)
		require.Equal(t, "renamed", tagsOf(got.Data.Tags)["mlflow.runName"])
		again := rpc[mlflow.RunInfoAnswer](t, w, "POST runs/update", object{"run_id": made.Info.RunID, "status": "RUNNING"}).RunInfo
		require.Equal(t, mlflow.Int(9), *again.EndTime)
		w.refused(t, mlflow.CodeInvalid, "POST runs/update", object{"run_id": made.Info.RunID, "status": "DONE"})
		w.refused(t, mlflow.CodeNotFound, "POST runs/update", object{"run_id": strings.Repeat("0", 32), "status": "FAILED"})
		w.refused(t, mlflow.CodeInvalid, "POST runs/update", `{}`)
		require.Equal(t, "Run with id=nope not found", w.refused(t, mlflow.CodeNotFound, "GET runs/get", "run_id=nope"))
	})
}

func TestRemoteCreateWithAnOpIsSafeToRepeat(t *testing.T) {
	t.Parallel()
	eachRemote(t, func(t *testing.T, w remote) {
		in := object{"experiment_id": "0", "tags": []object{{"key": "perennial.op", "value": "train:1"}}}
		first := rpc[mlflow.RunAnswer](t, w, "POST runs/create", in).Run
		w.do(t, "POST runs/log-metric", object{"run_id": first.Info.RunID, "key": "m", "value": 1, "timestamp": 1})
		second := rpc[mlflow.RunAnswer](t, w, "POST runs/create", in).Run
		require.Equal(t, first.Info, second.Info)
		require.Len(t, second.Data.Metrics, 1)
		in["experiment_id"] = w.experiment(t, "other")
		w.refused(t, mlflow.CodeInvalid, "POST runs/create", in)
	})
}

func TestRemoteDeletedRun(t *testing.T) {
	t.Parallel()
	eachRemote(t, func(t *testing.T, w remote) {
		id := w.newRun(t, "0")
		w.do(t, "POST runs/delete", object{"run_id": id})
		w.do(t, "POST runs/delete", object{"run_id": id})
		for call, in := range map[string]object{
			"runs/log-metric": {"key": "a", "value": 1, "timestamp": 1}, "runs/log-parameter": {"key": "a", "value": "1"}, "runs/set-tag": {"key": "a", "value": "1"},
			"runs/delete-tag": {"key": "mlflow.runName"}, "runs/log-batch": {"params": []object{{"key": "a", "value": "1"}}}, "runs/update": {"status": "FAILED"},
			"runs/log-inputs": {}, "runs/outputs": {}, "runs/log-model": {"model_json": `{"artifact_path":"a","flavors":{},"utc_time_created":"x","run_id":"y"}`},
		} {
			in["run_id"] = id
			require.Equal(t, "The run "+id+" must be in the 'active' state. Current state is deleted.", w.refused(t, mlflow.CodeInvalid, "POST "+call, in), call)
		}
		require.Equal(t, "deleted", w.getRun(t, id).Info.LifecycleStage)
		w.do(t, "POST runs/restore", object{"run_id": id})
		w.do(t, "POST runs/set-tag", object{"run_id": id, "key": "a", "value": "1"})
		w.refused(t, mlflow.CodeNotFound, "POST runs/delete", object{"run_id": "nope"})
		w.refused(t, mlflow.CodeInvalid, "POST runs/restore", `{}`)
	})
}

func TestRemoteTags(t *testing.T) {
	t.Parallel()
	eachRemote(t, func(t *testing.T, w remote) {
		id := w.newRun(t, "0")
		for _, v := range []string{"1", "2"} {
			w.do(t, "POST runs/set-tag", object{"run_uuid": id, "key": "a", "value": v})
		}
		w.do(t, "POST runs/set-tag", object{"run_id": id, "key": "mlflow.runName", "value": "new"})
		w.do(t, "POST runs/set-tag", object{"run_id": id, "key": "long", "value": strings.Repeat("ü", 8001)})
		got := w.getRun(t, id)
		require.Equal(t, "2", tagsOf(got.Data.Tags)["a"])
		require.Equal(t, "new", got.Info.RunName)
		require.Equal(t, strings.Repeat("ü", 8000), tagsOf(got.Data.Tags)["long"])
		w.do(t, "POST runs/delete-tag", object{"run_id": id, "key": "a"})
		require.Equal(t, "No tag with name: a in run with id "+id, w.refused(t, mlflow.CodeNotFound, "POST runs/delete-tag", object{"run_id": id, "key": "a"}))
		for _, bad := range []object{{"value": "a"}, {"key": "a;b", "value": "x"}, {"key": "a/../b", "value": "x"}, {"key": "/a", "value": "x"}, {"key": "a//b", "value": ""}, {"key": ".", "value": ""}, {"key": strings.Repeat("k", 251), "value": "x"}, {"key": 3, "value": "x"}} {
			bad["run_id"] = id
			w.refused(t, mlflow.CodeInvalid, "POST runs/set-tag", bad)
		}
		w.do(t, "POST runs/set-tag", object{"run_id": id, "key": "größe/a b:c-d.e_f", "value": "x"})
		w.do(t, "POST runs/set-tag", object{"run_id": id, "key": "no value"})
		w.do(t, "POST runs/log-model", object{"run_id": id, "model_json": `{"artifact_path":"m","flavors":{},"utc_time_created":"x","run_id":"y","secret":1}`})
		w.do(t, "POST runs/log-model", object{"run_id": id, "model_json": `{"artifact_path":"n","flavors":{},"utc_time_created":"x","run_id":"y","model_uuid":"u"}`})
		require.JSONEq(t, `[{"artifact_path":"m","flavors":{},"utc_time_created":"x","run_id":"y"},{"artifact_path":"n","flavors":{},"utc_time_created":"x","run_id":"y","model_uuid":"u"}]`,
			tagsOf(w.getRun(t, id).Data.Tags)["mlflow.log-model.history"])
		w.refused(t, mlflow.CodeInvalid, "POST runs/log-model", object{"run_id": id, "model_json": `{"artifact_path":"m"}`})
		w.refused(t, mlflow.CodeInvalid, "POST runs/log-model", object{"run_id": id, "model_json": `nonsense`})
	})
}
