package tracking_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial/internal/db"
	"github.com/perennial-ml/perennial/internal/mlflow"
	"github.com/perennial-ml/perennial/internal/tracking"
)

// BenchmarkRequests measures the requests that trainings make most, in process and
// on SQLite. Against MLflow's own server: bench/tracking.
func BenchmarkRequests(b *testing.B) {
	g, err := db.Open(b.Context(), db.Options{URL: "sqlite:" + filepath.Join(b.TempDir(), "bench.db")})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, db.Close(g)) })
	require.NoError(b, db.Migrate(b.Context(), g, tracking.Component, tracking.Migrations))
	s := tracking.NewServer(tracking.NewStore(g), nil, tracking.Hooks{}, nil)
	send := func(b *testing.B, call, body string) []byte {
		b.Helper()
		method, path, _ := strings.Cut(call, " ")
		req, err := http.NewRequestWithContext(b.Context(), method, "http://x/api/2.0/mlflow/"+path, strings.NewReader(body))
		require.NoError(b, err)
		req.Header.Set("Content-Type", "application/json")
		resp, err := s.RoundTrip(req)
		require.NoError(b, err)
		require.Equal(b, 200, resp.StatusCode)
		answer := make([]byte, resp.ContentLength)
		_, _ = resp.Body.Read(answer)
		return answer
	}
	run := func(b *testing.B) string {
		b.Helper()
		var made mlflow.RunAnswer
		require.NoError(b, json.Unmarshal(send(b, "POST runs/create", `{"experiment_id":"0"}`), &made))
		return made.Run.Info.RunID
	}
	batch := func(run string, first int) string {
		points := make([]mlflow.Metric, 1000)
		for i := range points {
			points[i] = mlflow.Metric{Key: "m", Value: mlflow.Number(i) / 7, Timestamp: 1_700_000_000_000, Step: mlflow.Int(first + i)}
		}
		text, err := json.Marshal(mlflow.LogBatch{RunRef: mlflow.RunRef{RunID: run}, Metrics: points})
		require.NoError(b, err)
		return string(text)
	}
	b.Run("log_metric", func(b *testing.B) {
		id, step := run(b), 0
		for b.Loop() {
			step++
			send(b, "POST runs/log-metric", fmt.Sprintf(`{"run_id":%q,"key":"m","value":0.25,"timestamp":1700000000000,"step":%d}`, id, step))
		}
	})
	b.Run("create_run", func(b *testing.B) {
		for b.Loop() {
			run(b)
		}
	})
	b.Run("log_batch", func(b *testing.B) {
		id, first := run(b), 0
		for b.Loop() {
			send(b, "POST runs/log-batch", batch(id, first))
			first += 1000
		}
	})
	b.Run("history", func(b *testing.B) {
		id := run(b)
		for i := range 10 {
			send(b, "POST runs/log-batch", batch(id, i*1000))
		}
		for b.Loop() {
			send(b, "GET metrics/get-history?run_id="+id+"&metric_key=m&max_results=25000", "")
		}
	})
	b.Run("search", func(b *testing.B) {
		for k := range 300 {
			send(b, "POST runs/log-batch", fmt.Sprintf(`{"run_id":%q,"metrics":[{"key":"acc","value":%d,"timestamp":1},{"key":"loss","value":1,"timestamp":1}],"params":[{"key":"d","value":"1"},{"key":"lr","value":"0.1"}]}`, run(b), k))
		}
		for b.Loop() {
			send(b, "POST runs/search", `{"experiment_ids":["0"],"filter":"metrics.acc > 100","order_by":["metrics.acc DESC"],"max_results":100}`)
		}
	})
}
