package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/client"
)

// retraining is a fake whose retraining of iris came out as it says.
func retraining(t *testing.T, result client.WorkflowResult) *fake {
	t.Helper()
	last := irisWorkflow(perennial.WorkflowCompleted)
	last.WorkflowID, last.Type, last.Result = "retrain:iris:k", "Retrain", &result
	return newFake(t, map[string]any{
		"POST /retrain":                 client.TrainResponse{WorkflowID: "retrain:iris:k", WorkflowRunID: "wr3", Started: true, StatusURL: "/workflows/retrain:iris:k"},
		"GET /workflows/retrain:iris:k": last,
		"GET /workflows/train:iris":     irisWorkflow(perennial.WorkflowCompleted),
	})
}

func TestRetrainAsksForAllThatWasSaid(t *testing.T) {
	t.Parallel()
	f := retraining(t, client.WorkflowResult{})
	got := perennialCLI(t, "", "retrain", "iris", "--reason", "prices", "--force", "--key", "k", "--api", f.url)
	require.Equal(t, exitDone, got.code, got.err)
	require.Contains(t, got.out, "perennial workflow show retrain:iris:k")
	require.Equal(t, []string{`POST /retrain {"pipeline":"iris","reason":"prices","idempotency_key":"k","force":true}`}, f.requests())
}

func TestRetrainSaysHowItCameOut(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		args   []string
		result client.WorkflowResult
		out    string
		err    string
	}{
		"unchanged": {
			[]string{"--wait"}, client.WorkflowResult{Outcome: perennial.OutcomeUnchanged, Reason: "as version 2", Version: "2"},
			"pipeline:  iris\noutcome:   unchanged\nreason:    as version 2\nversion:   2\n", "",
		},
		"a dry run is waited for": {
			[]string{"--dry-run"}, client.WorkflowResult{Outcome: perennial.OutcomeWouldTrain, Reason: "the data are others"},
			"pipeline:  iris\noutcome:   would_train\nreason:    the data are others\n", "",
		},
		"joins the one that runs": {
			[]string{"--wait"}, client.WorkflowResult{Outcome: perennial.OutcomeAlreadyRunning, WorkflowID: "train:iris"},
			"pipeline:  iris\nversion:   2\nrun:       run2\ndecision:  d1\ntook:      4.2s\n", "train:iris is running already; this joins it.\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := retraining(t, tc.result)
			got := perennialCLI(t, "", append([]string{"retrain", "iris", "--project", t.TempDir(), "--api", f.url}, tc.args...)...)
			require.Equal(t, result{exitDone, tc.out, tc.err}, got)
		})
	}
}
