package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/client"
)

var update = flag.Bool("update", false, "write the golden outputs anew")

func TestMain(m *testing.M) {
	time.Local = time.UTC //nolint:gosmopolitan // tables show local time
	for _, name := range []string{"PERENNIAL_API", "PERENNIAL_TOKEN", "PERENNIAL_TOKEN_FILE", "PERENNIAL_PROJECT", "DVC_STAGE"} {
		if err := os.Unsetenv(name); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

// fake is an API of fixed answers, by method and path; a function answers for
// itself, an error becomes its problem.
type fake struct {
	url     string
	mu      sync.Mutex
	answers map[string]any
	asked   []string     // method, path and body
	header  func(string) // takes each request's Authorization; nil: nobody asks
}

// busy answers 503 for one reason, with Retry-After in seconds.
type busy struct{ rule, after string }

func newFake(t *testing.T, answers map[string]any) *fake {
	t.Helper()
	f := &fake{answers: answers}
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	f.url = s.URL
	return f
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body bytes.Buffer
	if _, err := body.ReadFrom(r.Body); err != nil {
		panic(err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.header != nil {
		f.header(r.Header.Get("Authorization"))
	}
	f.asked = append(f.asked, strings.TrimSpace(r.Method+" "+r.RequestURI+" "+body.String()))
	answer, ok := f.answers[r.Method+" "+r.URL.Path]
	if !ok {
		answer = perennial.Errorf(perennial.CodeNotFound, "", "There is no %s.", r.URL.Path)
	}
	if reply, ok := answer.(func([]byte) any); ok {
		answer = reply(body.Bytes())
	}
	switch answer := answer.(type) {
	case *perennial.Error:
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusTeapot)
		write(w, client.Problem{Code: answer.Code, Detail: answer.Message, Hint: answer.Hint, Errors: answer.Fields})
	case busy:
		w.Header().Set("Retry-After", answer.after)
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusServiceUnavailable)
		field := perennial.FieldError{Path: "/model", Rule: answer.rule, Message: "churn isn't ready yet."}
		write(w, client.Problem{Code: perennial.CodeUnavailable, Detail: field.Message, Errors: []perennial.FieldError{field}})
	case []byte:
		if _, err := w.Write(answer); err != nil {
			panic(err)
		}
	default:
		write(w, answer)
	}
}

func write(w http.ResponseWriter, v any) {
	if err := json.NewEncoder(w).Encode(v); err != nil {
		panic(err)
	}
}

func (f *fake) requests() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.asked...)
}

// result is what a command line did.
type result struct {
	code     int
	out, err string
}

// perennialCLI runs one command line.
func perennialCLI(t *testing.T, stdin string, args ...string) result {
	t.Helper()
	return runWith(t.Context(), stdin, args...)
}

func runWith(ctx context.Context, stdin string, args ...string) result {
	var out, errs bytes.Buffer
	code := run(ctx, args, streams{strings.NewReader(stdin), &out, &errs})
	return result{code, out.String(), errs.String()}
}

// golden compares a text with testdata/<name>.txt.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".txt")
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err, "run with -update")
	require.Equal(t, string(want), got)
}

var at = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func list[T any](items ...T) client.List[T] { return client.List[T]{Items: items} }

func irisTraffic() client.TrafficView {
	return client.TrafficView{Model: "iris", Mode: perennial.ModeServing, Champion: "2", Previous: "1", Epoch: 3, Reason: "first version", Actor: "train:iris", ChangedAt: &at}
}

func irisLineage() perennial.Lineage {
	return perennial.Lineage{
		RunID: "run2", WorkflowID: "train:iris", WorkflowRunID: "wr2", ModelSHA256: "aa11", Algorithm: "logistic_regression",
		Data:         perennial.DataRef{Path: "data/raw/iris.csv", MD5: "bb22bb22bb22", Rows: 150, BaseMD5: "bb22bb22bb22"},
		SchemaSHA256: "cc33", PipelineRevision: "dd44", ParamsSHA256: "ee55", Seed: 42, ProjectCommit: "ff66", ProjectDirty: true, Build: "v1",
		Rollout: perennial.RolloutLineage{Epoch: 3, DecisionID: "d1"},
	}
}

func irisRun() client.RunView {
	candidate := func(id, algorithm string, score float64, selected string) client.RunView {
		return client.RunView{
			RunID: id, Kind: "candidate", Algorithm: algorithm, Status: perennial.RunFinished, ParentRunID: "run2", StartedAt: at,
			Params: map[string]string{"c": "10"}, Tags: map[string]string{"perennial.selected": selected},
			Metrics: map[string]*float64{"cv_log_loss": new(score), "fold_log_loss": new(0.2), "fit_seconds": new(0.1)},
		}
	}
	ended := at.Add(90 * time.Second)
	return client.RunView{
		RunID: "run2", Name: "calm-lake-7", Kind: "train", Algorithm: "logistic_regression", Status: perennial.RunFinished, Outcome: "trained", Version: "2",
		DecisionID: "d1", WorkflowID: "train:iris", StartedAt: at, EndedAt: &ended, DataMD5: "bb22bb22bb22",
		Params: map[string]string{"task": "classification", "seed": "42", "select": "log_loss"},
		Metrics: map[string]*float64{
			"accuracy": new(0.9667), "accuracy_low": new(0.9), "log_loss": new(0.1234567), "baseline_accuracy": new(0.33), "roc_auc": nil,
		},
		Inputs:     []perennial.DatasetInput{{Context: "training", Data: irisLineage().Data}},
		Candidates: []client.RunView{candidate("cand1", "logistic_regression", 0.11, "true"), candidate("cand2", "malaschitz_forest", 0.2, "false")},
	}
}

func irisWorkflow(state perennial.WorkflowState) client.WorkflowView {
	eta := 65.0
	v := client.WorkflowView{
		WorkflowID: "train:iris", WorkflowRunID: "wr2", Type: "Train", Pipeline: "iris", State: state, Stage: perennial.StageTune,
		StartedBy: "api", Reason: "new flowers", StartedAt: at, UIURL: "http://127.0.0.1:8233/w",
		Stages: []client.StageView{
			{Name: perennial.StageResolve, State: perennial.StageCompleted, Reused: true, Seconds: 0.12},
			{Name: perennial.StageTune, State: perennial.StageRunning, Seconds: 3.5},
			{Name: perennial.StageFit, State: perennial.StagePending},
		},
		Progress: &client.Progress{Done: 4, Total: 9, Unit: "trials", Best: &client.Best{Metric: "log_loss", Value: 0.11}, ETASeconds: &eta},
	}
	if state.Terminal() {
		ended := at.Add(4200 * time.Millisecond)
		v.EndedAt, v.Progress.ETASeconds = &ended, nil
	}
	switch state {
	case perennial.WorkflowCompleted:
		v.Stage = perennial.StageServe
		v.Result = &client.WorkflowResult{Outcome: perennial.OutcomeTrained, RunID: "run2", Version: "2", DecisionID: "d1"}
	case perennial.WorkflowFailed:
		v.Error = &client.WorkflowError{Code: perennial.CodeInvalid, Message: "2 rows are wrong", Hint: "Mend the file.", Errors: []perennial.FieldError{
			{File: "data/raw/iris.csv", Line: 7, Path: "/rows/6/sepal_length", Rule: "range", Message: "sepal_length is outside 0 to 10."},
		}}
	default:
	}
	return v
}
