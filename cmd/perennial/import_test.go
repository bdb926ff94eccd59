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
)

func TestImport(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	model, schema, broken := filepath.Join(dir, "churn.txt"), filepath.Join(dir, "churn.schema.yaml"), filepath.Join(dir, "broken.yaml")
	require.NoError(t, os.WriteFile(model, []byte("tree\n"), 0o600))
	require.NoError(t, os.WriteFile(schema, []byte("version: 1\ncolumns:\n  x: {type: numeric}\n  y: {role: target, type: boolean}\n"), 0o600))
	require.NoError(t, os.WriteFile(broken, []byte("version: 1\ncolumns:\n  x: {type: number}\n"), 0o600))
	lineage := perennial.ImportLineage{File: "churn.txt", SHA256: "aa11", Library: "lightgbm", Format: "v4", Objective: "binary", Trees: 58, Iterations: 58, Dropped: 10}
	out := client.ImportResponse{
		Model: "churn", Version: "1", Created: true, RunID: "run9", Task: perennial.Classification, Classes: []string{"false", "true"}, Features: []string{"x"}, Imported: lineage,
	}
	var sent client.ImportRequest
	f := newFake(t, map[string]any{
		"POST /models/churn/versions": func(body []byte) any {
			require.NoError(t, json.Unmarshal(body, &sent))
			return out
		},
		"GET /models/churn/versions/1": client.VersionView{
			Model: "churn", Version: "1", RunID: "run9", Algorithm: "lightgbm", Status: "READY", CreatedAt: at,
			Lineage: perennial.Lineage{RunID: "run9", ModelSHA256: "bb22", SchemaSHA256: "cc33", Build: "v1", Imported: &lineage},
		},
	})
	got := perennialCLI(t, "", "import", "churn", model, "--schema", schema, "--reason", "from the old system", "--api", f.url)
	require.Equal(t, exitDone, got.code, got.err)
	golden(t, "import", got.out+got.err)
	require.Equal(t, "churn.txt", sent.Name)
	require.Equal(t, "tree\n", string(sent.File))
	require.Contains(t, sent.Schema, "role: target")
	require.Equal(t, "from the old system", sent.Reason)

	shown := perennialCLI(t, "", "version", "show", "churn", "1", "--api", f.url)
	golden(t, "version_imported", shown.out+shown.err)

	out.Incompatible = "Version 1 would refuse what the champion accepts: /features/x: x is new and required."
	got = perennialCLI(t, "", "import", "churn", model, "--schema", schema, "--api", f.url)
	require.Equal(t, exitDone, got.code, "it is imported")
	require.Contains(t, got.out, "Warning: its rollout would be refused. Version 1 would refuse what the champion accepts: /features/x: x is new and required.")
	require.NotContains(t, got.out, "Next: ")

	asked, empty := len(f.requests()), filepath.Join(dir, "empty.txt")
	require.NoError(t, os.WriteFile(empty, []byte("\n"), 0o600))
	for line, says := range map[string]string{
		model + " --schema " + broken:     "broken.yaml:3:",
		model + " --schema /nowhere":      "there is no file /nowhere",
		"/nowhere.txt --schema " + schema: "there is no file /nowhere.txt",
		dir + " --schema " + schema:       "can't be read",
		empty + " --schema " + schema:     "this file is empty",
	} {
		got := perennialCLI(t, "", append([]string{"import", "churn", "--api", f.url}, strings.Fields(line)...)...)
		require.Equal(t, exitFailed, got.code)
		require.Contains(t, got.err, says)
	}
	require.Len(t, f.requests(), asked, "nothing was sent")
}

func TestARefusedRolloutFails(t *testing.T) {
	t.Parallel()
	answer := client.RolloutResponse{Outcome: perennial.OutcomeIncompatibleSchema, Reason: "Version 2 would refuse what the champion accepts.", WorkflowID: "rollout:churn"}
	f := newFake(t, map[string]any{"POST /models/churn/rollout": func([]byte) any { return answer }})
	got := perennialCLI(t, "", "rollout", "start", "churn", "2", "--api", f.url)
	require.Equal(t, exitFailed, got.code)
	require.Contains(t, got.out, "Version 2 would refuse what the champion accepts.")
	require.NotContains(t, got.out, "follow")
	answer.Outcome = perennial.OutcomeOffered
	require.Equal(t, exitDone, perennialCLI(t, "", "rollout", "start", "churn", "2", "--api", f.url).code)
}
