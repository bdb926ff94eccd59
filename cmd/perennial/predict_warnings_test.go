package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/client"
)

// A batch tells what the model warned of: counted by column and rule, and with
// each row that has a place for it.
func TestPredictTellsOfWarnings(t *testing.T) {
	t.Parallel()
	f := newFake(t, map[string]any{"GET /models/churn/schema": churnSchema(), "POST /predict": func(body []byte) any {
		var req client.PredictRequest
		if err := json.Unmarshal(body, &req); err != nil {
			panic(err)
		}
		resp := client.PredictResponse{Model: "churn", Version: "5"}
		for i := range req.Instances {
			resp.Predictions = append(resp.Predictions, client.Answer{PredictionID: "p", Prediction: "no"})
			resp.Warnings = append(resp.Warnings, perennial.FieldError{Path: fmt.Sprintf("/instances/%d/income", i), Rule: "range", Message: "income is outside 0 to 10."})
		}
		resp.Warnings = append(resp.Warnings,
			perennial.FieldError{Path: "/instances/1/a~1b", Rule: "extra", Message: "a/b is not in the schema."},
			perennial.FieldError{Rule: "more", Came: 40, Message: "40 more warnings are not listed."})
		return resp
	}})
	lines := strings.Repeat(`{"plan":"basic"}`+"\n", 502)
	got := perennialCLI(t, lines, "predict", "churn", "--input", "-", "--api", f.url)
	require.Equal(t, exitDone, got.code, got.err)
	require.Equal(t, `warning: income, range: 502 times: income is outside 0 to 10.
warning: a/b, extra: 2 times: a/b is not in the schema.
warning: 80 more that the answers don't list
502 rows predicted by version 5, 0 refused
`, got.err)
	require.Contains(t, got.out, `{"row":502,"prediction_id":"p","prediction":"no","warnings":[{"path":"/income","rule":"range","message":"income is outside 0 to 10."},{"path":"/a~1b","rule":"extra","message":"a/b is not in the schema."}],"version":"5"}`)
}

func TestPredictReadsCompressedInput(t *testing.T) {
	t.Parallel()
	f := churnModel(t)
	packed := func(text string) string {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, err := z.Write([]byte(text))
		require.NoError(t, err)
		require.NoError(t, z.Close())
		return b.String()
	}
	csv, dir := packed("plan\nbasic\nplus\n"), t.TempDir()
	for name, input := range map[string]string{"x.csv.gz": csv, "x.csv": csv, "x.jsonl.gz": packed(`{"plan":"basic"}{"plan":"plus"}`), "x.dat": csv} {
		file := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(file, []byte(input), 0o600))
		got := perennialCLI(t, "", "predict", "churn", "--input", file, "--api", f.url)
		require.Equal(t, exitDone, got.code, got.err)
		require.Equal(t, "2 rows predicted by version 5, 0 refused\n", got.err)
	}
	got := perennialCLI(t, csv, "predict", "churn", "--input", "-", "--api", f.url)
	require.Equal(t, exitDone, got.code, got.err)
	got = perennialCLI(t, csv, "predict", "churn", "--input", "-", "--output", filepath.Join(dir, "out.csv.gz"), "--api", f.url)
	require.Equal(t, exitUsage, got.code)
	require.Contains(t, got.err, "name it without .gz")
	long := packed(strings.Repeat("plan\n"+strings.Repeat("basic\n", 50_000), 1))
	for text, want := range map[string]string{
		csv[:len(csv)-5]:                "no complete gzip file",
		long[:len(long)-5]:              "no complete gzip file",
		csv[:4]:                         "no complete gzip file",
		"PAR1\x15\x04":                  "a Parquet file",
		"PK\x03\x04\x14":                "an Excel workbook",
		packed(""):                      "no rows",
		packed(`{"plan":"basic"}`)[:30]: "no complete gzip file",
	} {
		got := perennialCLI(t, text, "predict", "churn", "--input", "-", "--api", f.url)
		require.Equal(t, exitFailed, got.code)
		require.Contains(t, got.err, want)
	}
}
