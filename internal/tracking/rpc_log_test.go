package tracking_test

import (
	"fmt"
	"maps"
	"math"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial/internal/db"
	"github.com/perennial-ml/perennial/internal/mlflow"
	"github.com/perennial-ml/perennial/internal/tracking"
)

func TestRemoteParams(t *testing.T) {
	t.Parallel()
	eachRemote(t, func(t *testing.T, w remote) {
		id := w.newRun(t, "0")
		w.do(t, "POST runs/log-parameter", object{"run_id": id, "key": "lr", "value": "0.01"})
		w.do(t, "POST runs/log-parameter", object{"run_id": id, "key": "lr", "value": "0.01"})
		w.do(t, "POST runs/log-parameter", object{"run_id": id, "key": "long", "value": strings.Repeat("x", 6001)})
		require.Equal(t, "Changing param values is not allowed. Param with key='lr' was already logged with value='0.01' for run ID='"+id+"'. Attempted logging new value '2'.",
			w.refused(t, mlflow.CodeInvalid, "POST runs/log-parameter", object{"run_id": id, "key": "lr", "value": "2"}))
		require.Contains(t, w.refused(t, mlflow.CodeInvalid, "POST runs/log-batch", object{"run_id": id, "params": []object{{"key": "ok1", "value": "1"}, {"key": "lr", "value": "3"}}}),
			"[{'key': 'lr', 'old_value': '0.01', 'new_value': '3'}]")
		require.Contains(t, w.refused(t, mlflow.CodeInvalid, "POST runs/log-batch", object{"run_id": id, "params": []object{{"key": "dup", "value": "1"}, {"key": "dup", "value": "1"}}}),
			"Duplicate parameter keys have been submitted: ['dup']")
		w.refused(t, mlflow.CodeInvalid, "POST runs/log-parameter", object{"run_id": id, "value": "2"})
		params := tagsOf(w.getRun(t, id).Data.Params)
		require.Equal(t, map[string]string{"lr": "0.01", "long": strings.Repeat("x", 6000)}, params)
	})
}

func TestRemoteMetrics(t *testing.T) {
	t.Parallel()
	eachRemote(t, func(t *testing.T, w remote) {
		id := w.newRun(t, "0")
		for step, v := range []string{"0.9", "0.5", `"0.25"`} {
			w.do(t, "POST runs/log-metric", fmt.Sprintf(`{"run_id":%q,"key":"val loss","value":%s,"timestamp":"%d","step":%d}`, id, v, 10+step, step))
		}
		for key, v := range map[string]string{"nan": `"NaN"`, "inf": `"Infinity"`, "minus": `"-Infinity"`} {
			w.do(t, "POST runs/log-metric", fmt.Sprintf(`{"run_id":%q,"key":%q,"value":%s,"timestamp":1}`, id, key, v))
		}
		latest := map[string]float64{}
		for _, m := range w.getRun(t, id).Data.Metrics {
			latest[m.Key] = float64(m.Value)
		}
		require.True(t, math.IsNaN(latest["nan"]))
		delete(latest, "nan")
		require.Equal(t, map[string]float64{"val loss": 0.25, "inf": math.MaxFloat64, "minus": -math.MaxFloat64}, latest)
		_, body := w.call(t, "GET runs/get", "run_id="+id)
		require.Contains(t, body, `{"key":"nan","value":"NaN","timestamp":1,"step":0}`)

		w.do(t, "POST runs/log-metric", `{"run_id":"`+id+`","key":"python NaN","value":NaN,"timestamp":1700000000000.7}`)
		w.do(t, "POST runs/log-metric", `{"run_id":"`+id+`","key":"inf","value":-Infinity,"timestamp":2}`)
		history := rpc[mlflow.Metrics](t, w, "GET metrics/get-history", "run_id="+id+"&metric_key=inf").Metrics
		require.Equal(t, mlflow.Number(-math.MaxFloat64), history[1].Value)

		for text, message := range map[string]string{
			`{"key":"a","value":"abc","timestamp":1}`:                "Invalid value for parameter 'value' supplied: string where a number is wanted.",
			`{"key":"a","value":1e999,"timestamp":1}`:                "Invalid value for parameter 'value' supplied: 1e999 is beyond the range of numbers of 64 bits (±1.8e308).",
			`{"key":"a","value":null,"timestamp":1}`:                 "Missing value for required parameter 'value'",
			`{"key":"a","timestamp":1}`:                              "Missing value for required parameter 'value'",
			`{"key":"a","value":1}`:                                  "Missing value for required parameter 'timestamp'",
			`{"value":1,"timestamp":1}`:                              "Missing value for required parameter 'key'",
			`{"key":"a;b","value":1,"timestamp":1}`:                  "Invalid metric name: 'a;b'. Names may only contain",
			`{"key":"../x","value":1,"timestamp":1}`:                 "This name would resolve to '../x'",
			`{"key":"a","value":1,"timestamp":-1}`:                   "Timestamp must be a nonnegative long",
			`{"key":"a","value":1,"timestamp":1,"step":"x"}`:         "Invalid value for parameter 'step'",
			`{"key":"a","value":true,"timestamp":1}`:                 "Invalid value for parameter 'value' supplied: bool where a number is wanted.",
			`{"key":"a","value":1,"timestamp":99999999999999999999}`: "Invalid value for parameter 'timestamp' supplied: 99999999999999999999 is beyond the range of whole numbers of 64 bits.",
			`[]`:      "The body must be a JSON object, not array.",
			`{"key":`: "The body is no JSON",
			`"x"`:     "The body must be a JSON object",
		} {
			text := strings.Replace(text, "{", `{"run_id":"`+id+`",`, 1)
			require.Contains(t, w.refused(t, mlflow.CodeInvalid, "POST runs/log-metric", text), message, text)
		}
		w.refused(t, mlflow.CodeNotFound, "POST runs/log-metric", object{"run_id": strings.Repeat("f", 32), "key": "a", "value": 1, "timestamp": 1})
		w.refused(t, mlflow.CodeInvalid, "POST runs/log-metric", object{"key": "a", "value": 1, "timestamp": 1})
	})
}

func TestRemoteHistory(t *testing.T) {
	t.Parallel()
	eachRemote(t, func(t *testing.T, w remote) {
		id := w.newRun(t, "0")
		var points []object
		for i := range 250 {
			points = append(points, object{"key": "m", "value": float64(i) / 4, "timestamp": 1000 + i, "step": i / 2})
		}
		points = append(points, object{"key": "m", "value": "NaN", "timestamp": 1, "step": 500}, points[0])
		w.do(t, "POST runs/log-batch", object{"run_id": id, "metrics": points})
		all := rpc[mlflow.Metrics](t, w, "GET metrics/get-history", "run_id="+id+"&run_uuid="+id+"&metric_key=m")
		require.Len(t, all.Metrics, 251)
		require.Empty(t, all.NextPageToken)
		require.Equal(t, mlflow.Metric{Key: "m", Value: 0.25, Timestamp: 1001}, all.Metrics[2])
		require.True(t, math.IsNaN(float64(all.Metrics[0].Value)), "time comes before the step")
		all.Metrics[0].Value = 0
		var paged []mlflow.Metric
		for token, pages := "", 0; ; pages++ {
			page := rpc[mlflow.Metrics](t, w, "GET metrics/get-history", "run_id="+id+"&metric_key=m&max_results=50&page_token="+token)
			paged = append(paged, page.Metrics...)
			if token = page.NextPageToken; token == "" {
				require.Equal(t, 5, pages)
				break
			}
		}
		paged[0].Value = 0
		require.Equal(t, all.Metrics, paged)
		status, body := w.call(t, "GET metrics/get-history", "run_id="+id+"&metric_key=none&max_results=25000")
		require.Equal(t, 200, status)
		require.Equal(t, "{}", body)
		status, body = w.call(t, "GET metrics/get-history", "run_id=nope&metric_key=m")
		require.Equal(t, 200, status, "as MLflow does")
		require.Equal(t, "{}", body)
		for _, bad := range []string{"run_id=" + id, "metric_key=m", "run_id=" + id + "&metric_key=m&max_results=0", "run_id=" + id + "&metric_key=m&max_results=x", "run_id=" + id + "&metric_key=m&page_token=eyJv"} {
			w.refused(t, mlflow.CodeInvalid, "GET metrics/get-history", bad)
		}

		other := w.newRun(t, "0")
		bulk := rpc[mlflow.Metrics](t, w, "GET metrics/get-history-bulk", "run_id="+id+"&run_id="+other+"&metric_key=m&max_results=7").Metrics
		require.Len(t, bulk, 7)
		require.Equal(t, id, bulk[0].RunID)
		require.Equal(t, []mlflow.Int{1, 1000, 1001}, []mlflow.Int{bulk[0].Timestamp, bulk[1].Timestamp, bulk[2].Timestamp})
		interval := rpc[mlflow.Metrics](t, w, "GET metrics/get-history-bulk-interval", "run_ids="+id+"&run_ids="+other+"&metric_key=m&start_step=10&end_step=20&max_results=5").Metrics
		require.Len(t, interval, 5)
		require.Equal(t, mlflow.Int(10), interval[0].Step)
		require.Equal(t, mlflow.Int(20), interval[4].Step)
		require.Len(t, rpc[mlflow.Metrics](t, w, "GET metrics/get-history-bulk-interval", "run_ids="+id+"&metric_key=m").Metrics, 251)
		for _, bad := range []string{"metric_key=m", "run_ids=" + id, "run_ids=" + id + "&metric_key=m&start_step=1", "run_ids=" + id + "&metric_key=m&start_step=2&end_step=1", "metric_key=m" + strings.Repeat("&run_ids=x", 101)} {
			w.refused(t, mlflow.CodeInvalid, "GET metrics/get-history-bulk-interval", bad)
		}
	})
}

func TestRemoteBatches(t *testing.T) {
	t.Parallel()
	eachRemote(t, func(t *testing.T, w remote) {
		id := w.newRun(t, "0")
		list := func(n int, value any, more object) []object {
			out := make([]object, n)
			for i := range out {
				out[i] = object{"key": fmt.Sprintf("k%03d", i), "value": value}
				maps.Copy(out[i], more)
			}
			return out
		}
		point := object{"timestamp": 1, "step": 2}
		w.do(t, "POST runs/log-batch", object{"run_id": id, "metrics": list(800, 0.5, point), "params": list(100, "p", nil), "tags": list(100, "t", nil)})
		got := w.getRun(t, id)
		require.Len(t, got.Data.Metrics, 800)
		require.Len(t, got.Data.Params, 100)
		require.Len(t, got.Data.Tags, 101)
		for _, bad := range []object{
			{"metrics": list(1001, 1, point)}, {"params": list(101, "x", nil)}, {"tags": list(101, "x", nil)},
			{"metrics": list(900, 1, point), "params": list(100, "p", nil), "tags": list(1, "x", nil)},
			{"metrics": list(1, 1, nil)}, {"metrics": list(1, "x", point)}, {"metrics": "x"}, {"params": []object{{"value": "x"}}}, {"tags": []object{{"key": "a\x00"}}},
			{"tags": []object{{"key": "new", "value": "x"}}, "params": []object{{"key": "k000", "value": "other"}}},
			{"tags": []object{{"key": "new", "value": strings.Repeat("x", 1_000_001)}}},
		} {
			bad["run_id"] = id
			w.refused(t, mlflow.CodeInvalid, "POST runs/log-batch", bad)
		}
		require.Contains(t, w.refused(t, mlflow.CodeInvalid, "POST runs/log-batch", object{"run_id": id, "metrics": []object{{"key": "a", "value": 1, "timestamp": 1}, {"key": "b", "timestamp": 1}}}), "metrics[1].value")
		require.Equal(t, got, w.getRun(t, id), "a refused batch leaves nothing")
		w.do(t, "POST runs/log-batch", object{"run_id": id})
		w.refused(t, mlflow.CodeInvalid, "POST runs/log-batch", `{}`)
	})
}

func TestRemoteInputsAndOutputs(t *testing.T) {
	t.Parallel()
	eachRemote(t, func(t *testing.T, w remote) {
		experiment := w.experiment(t, "data")
		id := w.newRun(t, experiment)
		set := object{"name": "churn", "digest": "87b268f0", "source_type": "code", "source": "{}", "schema": `{"mlflow_colspec":[]}`, "profile": `{"num_rows":3}`}
		input := func(purpose string) object {
			return object{"dataset": set, "tags": []object{{"key": "split", "value": "a"}, {"key": "mlflow.data.context", "value": purpose}}}
		}
		for range 2 {
			w.do(t, "POST runs/log-inputs", object{"run_id": id, "datasets": []object{input("training")}, "models": []object{{"model_id": "m-1"}}})
		}
		w.do(t, "POST runs/log-inputs", object{"run_id": id, "datasets": []object{input("validation")}})
		w.do(t, "POST runs/log-inputs", object{"run_id": id, "datasets": []object{{"dataset": set}}}) // log_metric(…, dataset=…)
		w.do(t, "POST runs/outputs", object{"run_id": id, "models": []object{{"model_id": "m-2", "step": 3}, {"model_id": "m-1", "step": "4"}}})
		got := w.getRun(t, id)
		require.Len(t, got.Inputs.DatasetInputs, 2)
		require.Equal(t, mlflow.DatasetInput{
			Dataset: mlflow.Dataset{Name: "churn", Digest: "87b268f0", SourceType: "code", Source: "{}", Schema: `{"mlflow_colspec":[]}`, Profile: `{"num_rows":3}`},
			Tags:    []mlflow.Tag{{Key: "split", Value: "a"}, {Key: "mlflow.data.context", Value: "training"}},
		}, got.Inputs.DatasetInputs[0])
		require.Equal(t, []mlflow.ModelInput{{ModelID: "m-1"}}, got.Inputs.ModelInputs)
		require.Equal(t, []mlflow.ModelOutput{{ModelID: "m-2", Step: 3}, {ModelID: "m-1", Step: 4}}, got.Outputs.ModelOutputs)
		require.Equal(t, []mlflow.DatasetSummary{
			{ExperimentID: experiment, Name: "churn", Digest: "87b268f0", Context: "training"},
			{ExperimentID: experiment, Name: "churn", Digest: "87b268f0", Context: "validation"},
		}, rpc[mlflow.DatasetSummaries](t, w, "POST experiments/search-datasets", object{"experiment_ids": []string{experiment}}).DatasetSummaries)

		// A metric names the data set first, log_input says afterwards what it was for.
		later := w.newRun(t, experiment)
		w.do(t, "POST runs/log-inputs", object{"run_id": later, "datasets": []object{{"dataset": set}}})
		for range 2 {
			w.do(t, "POST runs/log-inputs", object{"run_id": later, "datasets": []object{input("training")}})
		}
		require.Equal(t, got.Inputs.DatasetInputs[:1], w.getRun(t, later).Inputs.DatasetInputs)
		w.do(t, "POST runs/log-inputs", object{"run_id": later, "datasets": []object{input("validation")}})
		require.Equal(t, got.Inputs.DatasetInputs, w.getRun(t, later).Inputs.DatasetInputs)

		w.refused(t, mlflow.CodeInvalid, "POST experiments/search-datasets", `{}`)
		for _, field := range []string{"name", "digest"} {
			bad := object{"schema": ""}
			maps.Copy(bad, set)
			bad[field] = ""
			w.refused(t, mlflow.CodeInvalid, "POST runs/log-inputs", object{"run_id": id, "datasets": []object{{"dataset": bad}}})
		}
		set["digest"] = strings.Repeat("d", 37)
		w.refused(t, mlflow.CodeInvalid, "POST runs/log-inputs", object{"run_id": id, "datasets": []object{{"dataset": set}}})
		w.refused(t, mlflow.CodeInvalid, "POST runs/outputs", object{"run_id": id, "models": []object{{}}})
		w.refused(t, mlflow.CodeInvalid, "POST runs/outputs", `{"models":[]}`)
	})
}

func TestABodyMustBeJSON(t *testing.T) {
	t.Parallel()
	eachRemote(t, func(t *testing.T, w remote) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://x/api/2.0/mlflow/runs/create", strings.NewReader("experiment_id=0"))
		require.NoError(t, err)
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		resp, err := w.RoundTrip(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, 400, resp.StatusCode)
	})
}

// FuzzBodies sends any bytes to the routes that take most: nothing may be our fault.
func FuzzBodies(f *testing.F) {
	for _, seed := range []string{`{"run_id":"x","metrics":[{"key":"a","value":"NaN","timestamp":1}]}`, `{"experiment_ids":["0"],"filter":"metrics.a > 1","order_by":["tags.b"]}`, `[]`, `{"tags":[{"key":"` + "\xff" + `"}]}`} {
		f.Add(seed)
	}
	g, err := db.Open(f.Context(), db.Options{URL: "sqlite:" + filepath.Join(f.TempDir(), "fuzz.db")})
	require.NoError(f, err)
	f.Cleanup(func() { require.NoError(f, db.Close(g)) })
	require.NoError(f, db.Migrate(f.Context(), g, tracking.Component, tracking.Migrations))
	w := remote{Server: tracking.NewServer(tracking.NewStore(g), nil, tracking.Hooks{}, nil)}
	f.Fuzz(func(t *testing.T, body string) {
		for _, call := range []string{"runs/log-batch", "runs/create", "runs/search", "runs/log-inputs", "experiments/create", "experiments/search"} {
			status, answer := ask(t, w.Server, http.MethodPost, "/api/2.0/mlflow/"+call, body)
			require.Less(t, status, 500, "%s: %s", call, answer)
		}
	})
}
