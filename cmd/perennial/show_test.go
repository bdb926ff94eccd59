package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/client"
	"github.com/perennial-ml/perennial/judge"
)

// answers are what the fake gives to the commands that only look.
func answers() map[string]any {
	lineage := irisLineage()
	other := irisRun()
	other.RunID, other.Algorithm, other.Version, other.DataMD5 = "run3", "malaschitz_forest", "3", "99887766"
	other.Metrics = map[string]*float64{"accuracy": new(0.9333), "f1": new(0.9)}
	moved := &client.DivergenceView{Alias: "champion", Version: "7", Actor: "ann", Reason: "Version 7 holds a pickle.", At: at}
	traffic := irisTraffic()
	traffic.Alias = moved
	version := client.VersionView{Model: "iris", Version: "2", RunID: "run2", Status: "READY", Algorithm: "logistic_regression", CreatedAt: at, Aliases: []string{"champion"}, Lineage: lineage}
	model := client.ModelView{Model: "iris", CreatedAt: at, UpdatedAt: at, Aliases: map[string]string{"champion": "2"}, Traffic: traffic}
	prediction := client.PredictionView{
		PredictionID: "p1", Model: "iris", Version: "2", Variant: perennial.VariantChampion, Kind: perennial.KindLive, Status: "ok", UnitID: "u", Key: "k", At: at,
		LatencyMicros: 41.5, Features: map[string]any{"sepal_length": 5.1}, Redacted: []string{"email"}, Prediction: "setosa",
		Probabilities: map[string]float64{"setosa": 0.9, "versicolor": 0.1}, Lineage: &lineage,
	}
	failed := prediction
	failed.PredictionID, failed.Prediction, failed.Status = "p0", nil, "error"
	shown := irisRun()
	shown.Artifacts = []client.ArtifactView{{Path: "card.md", Size: 700}, {Path: "evaluation/roc.png", Size: 34567}, {Path: "model/model.perennial", Size: 3 << 20}}
	return map[string]any{
		"GET /status": client.StatusView{
			Version: "v1", StartedAt: at, Ready: true, Degraded: []client.Degraded{{Part: "temporal", Message: "no answer"}}, UIURL: "http://127.0.0.1:8233",
			Models: []client.TrafficView{traffic}, Pipelines: []string{"iris", "california-housing"}, Workflows: []client.WorkflowView{irisWorkflow(perennial.WorkflowRunning)},
			PipelineFaults: []client.PipelineFault{{Pipeline: "iris", InForce: true, File: "pipelines/iris.yaml", Message: "pipelines/iris.yaml:3: taks is no key."}},
		},
		"GET /models":                       list(model),
		"GET /models/iris":                  model,
		"GET /models/iris/versions":         list(version),
		"GET /models/iris/versions/2":       version,
		"GET /models/iris/history":          list(irisTraffic()),
		"GET /workflows":                    list(irisWorkflow(perennial.WorkflowRunning), irisWorkflow(perennial.WorkflowCompleted), irisWorkflow(perennial.WorkflowFailed)),
		"GET /workflows/train:iris":         irisWorkflow(perennial.WorkflowRunning),
		"GET /workflows/broken":             irisWorkflow(perennial.WorkflowFailed),
		"POST /workflows/train:iris/cancel": client.CancelResponse{WorkflowID: "train:iris"},
		"GET /runs":                         list(irisRun()),
		"GET /runs/run2":                    shown,
		"GET /runs/run3":                    other,
		"GET /predictions":                  client.List[client.PredictionView]{Items: []client.PredictionView{prediction, failed}, NextPageToken: "5.p0"},
		"GET /predictions/p1":               prediction,
		"GET /pipelines":                    list(client.PipelineView{Pipeline: "iris", Task: perennial.Classification, Revision: "dd44dd44dd44"}),
		"GET /pipelines/iris":               client.PipelineView{Pipeline: "iris", Source: "name: iris # as written\n", Spec: &perennial.Pipeline{Name: "iris", Task: perennial.Classification}},
		"GET /tokens":                       list(irisToken()),
		"POST /tokens":                      client.NewTokenView{TokenView: irisToken(), Token: "prn_once"},
		"DELETE /tokens/t1":                 irisToken(),
		"GET /audit": list(
			client.AuditView{Seq: 2, At: at, Actor: "ann", Action: "token.revoke", Target: "ci", Before: map[string]any{"role": "trainer"}, Reason: "gone", Hash: "bb"},
			client.AuditView{Seq: 1, At: at, Actor: "ci", Action: "train.start", Target: "iris", WorkflowID: "train:iris", Hash: "aa"}),
		"GET /models/iris/rollout": client.RolloutView{
			Model: "iris", Phase: "none", Mode: perennial.ModeServing, Epoch: 4, Champion: "2", Reason: "first version", WorkflowID: "rollout:iris",
			Alias: moved,
		},
		"GET /lineage/data/013d0da08d6506664ce640459139176b": client.DataLineageView{
			MD5: "013d0da08d6506664ce640459139176b", Paths: []string{"data/raw/iris.csv"}, Predictions: 42,
			Runs:     []client.LineageRunView{{RunID: "run2", Pipeline: "iris", Kind: "train", Status: perennial.RunFinished, Outcome: "trained", StartedAt: at, ProjectCommit: "c0ffee"}},
			Versions: []client.LineageModelView{{Model: "iris", Version: "2", RunID: "run2", Algorithm: "logistic_regression", Aliases: []string{"champion"}, CreatedAt: at, Predictions: 42}},
		},
		"DELETE /models/iris/versions/3": nil,
		"GET /audit/verify":              client.AuditReport{Whole: true, Entries: 2, Hash: "bb"},
		"GET /decisions/d1": client.DecisionView{
			DecisionID: "d1", Kind: perennial.DecisionGate, Model: "iris", RunID: "run2", At: at, Verdict: perennial.VerdictPass, Passed: true, Reason: "all 1 gates passed",
			Checks: []perennial.Check{{Name: "accuracy vs baseline", Verdict: perennial.VerdictPass, N: 30, Value: 0.9667, Reference: 0.33, Effect: 0.6333, Interval: &[2]float64{0.5, 0.8}, Limit: 0.5, Message: "0.6333 better than the baseline"}},
		},
	}
}

func TestLookingCommands(t *testing.T) {
	t.Parallel()
	f := newFake(t, answers())
	for name, line := range map[string]string{ //nolint:gosec // token is a command here
		"status":            "status",
		"status_model":      "status iris",
		"models":            "models",
		"versions":          "versions iris",
		"version_show":      "version show iris 2",
		"version_delete":    "version delete iris 3 --yes --reason old",
		"history":           "history iris",
		"rollout_status":    "rollout status iris",
		"data_lineage":      "data lineage 013d0da08d6506664ce640459139176b",
		"workflow_list":     "workflow list iris",
		"workflow_show":     "workflow show train:iris",
		"workflow_failed":   "workflow show broken",
		"workflow_cancel":   "workflow cancel train:iris --reason enough",
		"runs":              "runs iris",
		"run_show":          "run show run2",
		"run_compare":       "run compare run2 run3",
		"prediction_show":   "prediction show p1",
		"prediction_list":   "prediction list iris",
		"pipeline_list":     "pipeline list",
		"pipeline_show":     "pipeline show iris",
		"pipeline_defaults": "pipeline show iris --defaults",
		"decision_show":     "decision show d1",
		"token_list":        "token list",
		"token_revoke":      "token revoke t1 --reason gone",
		"audit_list":        "audit list",
		"audit_verify":      "audit verify",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := append(strings.Fields(line), "--api", f.url)
			got := perennialCLI(t, "", args...)
			require.Equal(t, exitDone, got.code, got.err)
			golden(t, name, strings.ReplaceAll(got.out+got.err, f.url, "http://API"))

			asJSON := perennialCLI(t, "", append(args, "--json")...)
			require.Equal(t, exitDone, asJSON.code, asJSON.err)
			require.True(t, json.Valid([]byte(asJSON.out)), asJSON.out)
			require.Empty(t, asJSON.err)
		})
	}
}

func TestErrorsAreASentenceWithAHint(t *testing.T) {
	t.Parallel()
	refused := perennial.Errorf(perennial.CodeInvalid, "", "1 field is wrong.").WithHint("Look at the schema.")
	refused.Fields = []perennial.FieldError{{Path: "/features/plan", Rule: "category", Message: "plan is unknown."}}
	f := newFake(t, map[string]any{"GET /models": refused})
	got := perennialCLI(t, "", "models", "--api", f.url)
	require.Equal(t, result{exitFailed, "", "perennial: 1 field is wrong.\n  /features/plan: plan is unknown.\nLook at the schema.\n"}, got)

	got = perennialCLI(t, "", "models", "--api", f.url, "--json")
	require.Equal(t, exitFailed, got.code)
	require.JSONEq(t, `{"code":"invalid","detail":"1 field is wrong.","hint":"Look at the schema.","errors":[{"path":"/features/plan","rule":"category","message":"plan is unknown."}]}`, got.err)

	fault := perennial.Errorf(perennial.CodeInvalid, "", "iris.yaml:3: There is no key.")
	fault.Fields = []perennial.FieldError{{File: "iris.yaml", Line: 3, Message: "There is no key."}}
	f = newFake(t, map[string]any{"GET /models": fault})
	got = perennialCLI(t, "", "models", "--api", f.url)
	require.Equal(t, "perennial: iris.yaml:3: There is no key.\n", got.err, "said once")

	got = perennialCLI(t, "", "models", "--api", "127.0.0.1:1")
	require.Equal(t, exitFailed, got.code)
	require.Contains(t, got.err, "nothing answers at http://127.0.0.1:1: is `perennial up` running?")

	got = perennialCLI(t, "", "models", "--api", f.url, "--token-file", "/nowhere")
	require.Equal(t, exitFailed, got.code)
	require.Contains(t, got.err, "the token file /nowhere can't be read")
}

func TestRecomputeADecision(t *testing.T) {
	t.Parallel()
	policy := judge.CanaryPolicy{MinRequests: 500, ErrorRate: perennial.ErrorRateGuardrail{MaxIncrease: 0.01}}
	d := judge.Canary(policy, judge.CanaryEvidence{Reference: judge.CanarySide{N: 9500, P99: 1<<60 + 1}, Challenger: judge.CanarySide{N: 500}})
	view := func(d perennial.Decision) client.DecisionView {
		return client.DecisionView{DecisionID: "d1", Kind: d.Kind, Verdict: d.Verdict, Passed: d.Passed, Reason: d.Reason, Checks: d.Checks,
			Policy: d.Policy, Evidence: d.Evidence, InputsSHA256: d.InputsSHA256}
	}
	f := newFake(t, map[string]any{"GET /decisions/d1": view(d)})
	got := perennialCLI(t, "", "decision", "show", "d1", "--recompute", "--api", f.url)
	require.Equal(t, result{exitDone, "decision:    d1\nverdict:     inconclusive\nrecomputed:  same\n", ""}, got)
	got = perennialCLI(t, "", "decision", "show", "d1", "--recompute", "--json", "--api", f.url)
	require.JSONEq(t, `{"decision_id":"d1","same":true,"verdict":"inconclusive","differences":[]}`, got.out)

	d.Passed = false
	f = newFake(t, map[string]any{"GET /decisions/d1": view(d)})
	got = perennialCLI(t, "", "decision", "show", "d1", "--recompute", "--api", f.url)
	require.Equal(t, exitFailed, got.code)
	require.Contains(t, got.out, "recomputed:  differs\npassed: recorded false, recomputed true\n")
	require.Contains(t, got.err, "decision d1 doesn't recompute to itself")

	d.Evidence = []byte(`{"epoch":1}`)
	f = newFake(t, map[string]any{"GET /decisions/d1": view(d)})
	got = perennialCLI(t, "", "decision", "show", "d1", "--recompute", "--api", f.url)
	require.Equal(t, exitFailed, got.code)
	require.Contains(t, got.err, "The record was changed after the decision.")
}

func TestStatusOfAModelThatCantBeRead(t *testing.T) {
	t.Parallel()
	for code, want := range map[perennial.Code]int{perennial.CodeNotFound: exitDone, perennial.CodeUnavailable: exitFailed} {
		f := newFake(t, map[string]any{
			"GET /workflows":   client.List[client.WorkflowView]{Items: []client.WorkflowView{irisWorkflow(perennial.WorkflowRunning)}},
			"GET /models/iris": perennial.Errorf(code, "", "No iris."),
		})
		got := perennialCLI(t, "", "status", "iris", "--api", f.url)
		require.Equal(t, want, got.code, got.out)
	}
}

func TestFetchingAFileOfARun(t *testing.T) {
	t.Parallel()
	f := newFake(t, map[string]any{"GET /runs/run2/artifacts/evaluation/roc.png": []byte("\x89PNG")})
	got := perennialCLI(t, "", "run", "show", "run2", "--artifact", "evaluation/roc.png", "--api", f.url)
	require.Equal(t, exitDone, got.code, got.err)
	require.Equal(t, "\x89PNG", got.out)

	file := filepath.Join(t.TempDir(), "roc.png")
	got = perennialCLI(t, "", "run", "show", "run2", "--artifact", "evaluation/roc.png", "--output", file, "--api", f.url)
	require.Equal(t, exitDone, got.code, got.err)
	require.Empty(t, got.out)
	require.Contains(t, got.err, "evaluation/roc.png (4 B) is in "+file)
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, "\x89PNG", string(content))

	require.Equal(t, exitUsage, perennialCLI(t, "", "run", "show", "run2", "--output", file, "--api", f.url).code)
	require.Equal(t, exitFailed, perennialCLI(t, "", "run", "show", "run2", "--artifact", "nope", "--api", f.url).code)
}
