package tracking_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial/internal/mlflow"
)

// seed makes twelve runs, run-00 to run-11, like a small study.
func (w remote) seed(t *testing.T) (experiment string, ids []string) {
	t.Helper()
	experiment = w.experiment(t, "seed")
	for k := range 12 {
		fold, stage := fmt.Sprint(k%3), "dev"
		if k >= 6 {
			stage = "prod"
		}
		id := rpc[mlflow.RunAnswer](t, w, "POST runs/create", object{
			"experiment_id": experiment, "start_time": 1_700_000_000_000 + k, "run_name": fmt.Sprintf("run-%02d", k),
			"tags": []object{{"key": "fold", "value": fold}, {"key": "stage", "value": stage}},
		}).Run.Info.RunID
		metrics := []object{{"key": "acc", "value": float64(k) / 10, "timestamp": 1}, {"key": "val loss", "value": 10 - k, "timestamp": 1}}
		switch k {
		case 2, 7:
			metrics = append(metrics, object{"key": "rare", "value": k, "timestamp": 1})
		case 3, 8:
			metrics = append(metrics, object{"key": "rare", "value": "NaN", "timestamp": 1})
		}
		w.do(t, "POST runs/log-batch", object{
			"run_id": id, "metrics": metrics,
			"params": []object{{"key": "depth", "value": fmt.Sprint(k % 4)}, {"key": "algo", "value": []string{"rf", "gb", "Lr"}[k%3]}},
		})
		if status := "FINISHED"; k != 4 {
			if k == 5 {
				status = "FAILED"
			}
			w.do(t, "POST runs/update", object{"run_id": id, "status": status, "end_time": 1_700_000_001_000 + k})
		}
		ids = append(ids, id)
	}
	return experiment, ids
}

// found searches the seeded runs and gives their numbers.
func (w remote) found(t *testing.T, in object) string {
	t.Helper()
	var numbers []string
	for _, r := range rpc[mlflow.Runs](t, w, "POST runs/search", in).Runs {
		numbers = append(numbers, strings.TrimPrefix(strings.TrimPrefix(r.Info.RunName, "run-"), "0"))
	}
	return strings.Join(numbers, " ")
}

func TestRemoteSearchFilters(t *testing.T) {
	t.Parallel()
	eachRemote(t, func(t *testing.T, w remote) {
		experiment, ids := w.seed(t)
		w.do(t, "POST runs/log-inputs", object{"run_id": ids[3], "datasets": []object{{
			"dataset": object{"name": "churn", "digest": "abc", "source_type": "code", "source": "{}"}, "tags": []object{{"key": "mlflow.data.context", "value": "training"}},
		}}})
		for filter, want := range map[string]string{
			"":                   "0 1 2 3 4 5 6 7 8 9 10 11",
			"metrics.acc > 0.75": "8 9 10 11",
			"metrics.acc >= 0.8 and params.algo = 'rf'":                   "9",
			"metric.acc = 0.5":                                            "5",
			"metrics.acc != 0.5 and metrics.acc < 0.7":                    "0 1 2 3 4 6",
			"metrics.rare != 2":                                           "3 7 8",
			"metrics.rare > -1e9":                                         "2 7",
			"metrics.none != 1":                                           "",
			"params.algo != 'rf' and metrics.`val loss` <= 2":             "8 10 11",
			"params.none != 'y'":                                          "",
			"params.algo LIKE 'l%'":                                       "",
			"params.algo ILIKE 'l_'":                                      "2 5 8 11",
			"params.algo IS NULL":                                         "",
			"metrics.rare < 5 and params.depth IS NOT NULL":               "2",
			"tags.stage = 'dev' AND tags.fold != '0'":                     "1 2 4 5",
			"tags.`none` IS NULL and run_name = 'run-03'":                 "3",
			"attributes.status = 'FAILED'":                                "5",
			"status != 'FINISHED'":                                        "4 5",
			"attributes.run_name LIKE 'run-0%' and metrics.acc < 0.2":     "0 1",
			"run_name ILIKE 'RUN-11'":                                     "11",
			"run_name LIKE 'RUN-11'":                                      "",
			"`Run name` LIKE '%[1]%'":                                     "",
			"run_id IN ('" + ids[2] + "','" + ids[4] + "')":               "2 4",
			"attributes.run_id = '" + ids[6] + "'":                        "6",
			"run_id NOT IN ('" + strings.Join(ids[1:], "','") + "')":      "0",
			"attributes.start_time >= 1700000000010":                      "10 11",
			"Created < 1700000000000.5":                                   "0",
			"end_time > 1700000001009":                                    "10 11",
			"dataset.name = 'churn'":                                      "3",
			"datasets.digest LIKE 'a%'":                                   "3",
			"dataset.context IN ('training','x') and dataset.name != 'x'": "3",
			"dataset.name = 'other'":                                      "",
			"user_id = ''":                                                "0 1 2 3 4 5 6 7 8 9 10 11",
		} {
			in := object{"experiment_ids": []string{experiment}, "filter": filter, "order_by": []string{"run_name"}}
			require.Equal(t, want, w.found(t, in), filter)
			in["order_by"] = []string{"metrics.acc"}
			require.Equal(t, want, w.found(t, in), filter)
			in["experiment_ids"] = []string{experiment, "0"}
			require.Equal(t, want, w.found(t, in), filter)
		}
		noValues, wrongValue := base64.RawURLEncoding.EncodeToString([]byte(`{"o":"","v":[]}`)), base64.RawURLEncoding.EncodeToString([]byte(`{"o":"","v":["x"]}`))
		for _, bad := range []object{
			{"filter": "metrics.a > 'x'"}, {"filter": "params.algo IN ('gb')"}, {"filter": "metrics.a > 1 OR metrics.b > 1"}, {"order_by": []string{"metrics.a UP"}},
			{"max_results": 50_001}, {"max_results": 0}, {"max_results": -1}, {"page_token": "abc"}, {"page_token": noValues}, {"page_token": wrongValue},
			{"run_view_type": "NONE"}, {"experiment_ids": []int{0}}, {"filter": 3},
		} {
			if bad["experiment_ids"] == nil {
				bad["experiment_ids"] = []string{experiment}
			}
			w.refused(t, mlflow.CodeInvalid, "POST runs/search", bad)
		}
		status, body := w.call(t, "POST runs/search", `{}`)
		require.Equal(t, 200, status)
		require.Equal(t, "{}", body)
	})
}

func TestRemoteSearchOrdersPageByPage(t *testing.T) {
	t.Parallel()
	eachRemote(t, func(t *testing.T, w remote) {
		experiment, _ := w.seed(t)
		for _, c := range []struct {
			order  []string
			filter string
			want   string
		}{
			{nil, "", "11 10 9 8 7 6 5 4 3 2 1 0"},
			{[]string{"start_time ASC"}, "", "0 1 2 3 4 5 6 7 8 9 10 11"},
			{[]string{"metrics.acc DESC"}, "", "11 10 9 8 7 6 5 4 3 2 1 0"},
			{[]string{"metrics.acc ASC"}, "metrics.acc > 0.35", "4 5 6 7 8 9 10 11"},
			{[]string{"metrics.`val loss`"}, "", "11 10 9 8 7 6 5 4 3 2 1 0"},
			{[]string{"metrics.rare"}, "", "2 7 8 3 11 10 9 6 5 4 1 0"},
			{[]string{"metrics.rare DESC", "start_time"}, "", "7 2 3 8 0 1 4 5 6 9 10 11"},
			{[]string{"metrics.rare DESC", "start_time"}, "metrics.rare != 7", "2 3 8"},
			{[]string{"metrics.rare DESC"}, "metrics.rare < 7", "2"},
			{[]string{"params.algo ASC", "metrics.acc DESC"}, "", "11 8 5 2 10 7 4 1 9 6 3 0"},
			{[]string{"tags.stage DESC", "metrics.rare", "attributes.run_name ASC"}, "", "7 8 6 9 10 11 2 3 0 1 4 5"},
			{[]string{"params.none", "status", "end_time DESC"}, "", "5 11 10 9 8 7 6 3 2 1 0 4"},
			{[]string{"end_time ASC"}, "", "0 1 2 3 5 6 7 8 9 10 11 4"},
			{[]string{"metrics.none DESC"}, "", "11 10 9 8 7 6 5 4 3 2 1 0"},
		} {
			for _, experiments := range [][]string{{experiment}, {"0", experiment}} {
				in := object{"experiment_ids": experiments, "filter": c.filter, "order_by": c.order}
				require.Equal(t, c.want, w.found(t, in), "%v", c.order)
				for _, size := range []int{1, 5} {
					var got []string
					delete(in, "page_token")
					in["max_results"] = size
					for range 13 {
						page := rpc[mlflow.Runs](t, w, "POST runs/search", in)
						require.LessOrEqual(t, len(page.Runs), size)
						for _, r := range page.Runs {
							got = append(got, strings.TrimPrefix(strings.TrimPrefix(r.Info.RunName, "run-"), "0"))
						}
						if page.NextPageToken == "" {
							break
						}
						in["page_token"] = page.NextPageToken
					}
					require.Equal(t, c.want, strings.Join(got, " "), "%v by %d", c.order, size)
				}
			}
		}
	})
}

func TestRemoteSearchViewsAndContent(t *testing.T) {
	t.Parallel()
	eachRemote(t, func(t *testing.T, w remote) {
		experiment, ids := w.seed(t)
		w.do(t, "POST runs/delete", object{"run_id": ids[7]})
		in := object{"experiment_ids": []string{experiment}, "filter": "metrics.acc > 0.65", "order_by": []string{"metrics.acc"}}
		for view, want := range map[string]string{"ACTIVE_ONLY": "8 9 10 11", "DELETED_ONLY": "7", "ALL": "7 8 9 10 11"} {
			in["run_view_type"] = view
			require.Equal(t, want, w.found(t, in), view)
		}
		one := rpc[mlflow.Runs](t, w, "POST runs/search", object{"experiment_ids": []string{experiment}, "max_results": 1}).Runs[0]
		require.Equal(t, w.getRun(t, ids[11]), one)
		require.Len(t, one.Data.Metrics, 2)
		require.Len(t, one.Data.Params, 2)
		require.Len(t, one.Data.Tags, 3)
	})
}

// TestRemoteSearchBeginsWithFew checks that a search gives the same wherever it
// begins: with the few runs of a condition, or in the order of a metric.
func TestRemoteSearchBeginsWithFew(t *testing.T) {
	t.Parallel()
	eachRemote(t, func(t *testing.T, w remote) {
		experiment := w.experiment(t, "many")
		const n = 1100 // more than fewRuns
		require.NoError(t, w.db.Exec(`INSERT INTO runs SELECT 'r' || n, ?, 'run-' || n, '', 'RUNNING', n, NULL, '', 'active', NULL
FROM (WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < ?) SELECT n FROM c) c`, experiment, n).Error)
		require.NoError(t, w.db.Exec(`INSERT INTO latest_metrics SELECT run_id, 'm', start_time % 7, 1, 0, FALSE, experiment_id FROM runs`).Error)
		require.NoError(t, w.db.Exec(`INSERT INTO params SELECT run_id, 'p', CASE WHEN start_time < 6 THEN 'few' ELSE 'many' END FROM runs`).Error)
		search := func(filter string, limit int) string {
			return w.found(t, object{"experiment_ids": []string{experiment}, "filter": filter, "order_by": []string{"metrics.m DESC"}, "max_results": limit})
		}
		require.Equal(t, "5 4 3 2 1", search("params.p = 'few'", 100))
		require.Equal(t, "5 4 3 2 1", search("params.p LIKE 'few' AND metrics.m >= 0", 100))
		require.Equal(t, "1098 1091 1084", search("params.p = 'many' AND metrics.m > -1", 3))
		require.Equal(t, "1098 1091 1084", search("metrics.m > 5", 3))
		require.Equal(t, "1099 1092", search("metrics.m <= 0", 2))
	})
}
