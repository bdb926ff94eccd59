package mlflow_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/mlflow"
)

func TestRunsOfAnExperimentThatWasRenamedOrDeleted(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		ctx, id := t.Context(), w.run(t, "train").ExperimentID
		_, _, err := w.SearchRuns(ctx, w.name, 2, "")
		require.NoError(t, err)

		w.post(t, "experiments/update", mlflow.UpdateExperiment{ExperimentID: id, NewName: w.name + "-old"})
		_, _, err = w.SearchRuns(ctx, w.name, 2, "")
		require.Equal(t, perennial.CodePrecondition, perennial.CodeOf(err))
		message, hint, _ := perennial.Explain(err)
		require.Contains(t, message, "the experiment "+w.name+" was renamed to "+w.name+"-old")
		require.Contains(t, hint, fmt.Sprintf("MlflowClient().rename_experiment(%q, %q)", id, w.name))

		w.post(t, "experiments/update", mlflow.UpdateExperiment{ExperimentID: id, NewName: w.name})
		w.post(t, "experiments/delete", mlflow.ExperimentID{ExperimentID: id})
		_, _, err = w.SearchRuns(ctx, w.name, 2, "")
		require.Equal(t, perennial.CodePrecondition, perennial.CodeOf(err))
		message, hint, _ = perennial.Explain(err)
		require.Contains(t, message, "the experiment "+w.name+" is deleted")
		require.Contains(t, hint, fmt.Sprintf("MlflowClient().restore_experiment(%q)", id))

		w.post(t, "experiments/restore", mlflow.ExperimentID{ExperimentID: id})
		runs, _, err := w.SearchRuns(ctx, w.name, 2, "")
		require.NoError(t, err)
		require.Len(t, runs, 1)
	})
}

// post asks the server as somebody else would.
func (w *world) post(t *testing.T, path string, body any) {
	t.Helper()
	b, err := json.Marshal(body)
	require.NoError(t, err)
	w.ask(t, http.MethodPost, path, bytes.NewReader(b), &mlflow.Void{})
}

// history gives every point of a metric.
func (w *world) history(t *testing.T, runID, key string) []mlflow.Metric {
	t.Helper()
	var out mlflow.Metrics
	w.ask(t, http.MethodGet, "metrics/get-history?run_id="+runID+"&metric_key="+key, nil, &out)
	return out.Metrics
}

func (w *world) ask(t *testing.T, method, path string, body io.Reader, out any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, w.o.URI+"/api/2.0/mlflow/"+path, body)
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	c := http.Client{Transport: w.o.Transport}
	defer c.CloseIdleConnections()
	resp, err := c.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.NoError(t, json.NewDecoder(resp.Body).Decode(out))
}
