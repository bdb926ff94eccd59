package mlflow_test

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial/internal/mlflow"
)

func TestNumbers(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]float64{
		"1": 1, "-0.25": -0.25, "1e-7": 1e-7, `"0.5"`: 0.5, `"Infinity"`: math.Inf(1), `"-Infinity"`: math.Inf(-1), `"inf"`: math.Inf(1), "1.7976931348623157e308": math.MaxFloat64,
	} {
		var n mlflow.Number
		require.NoError(t, json.Unmarshal([]byte(text), &n), text)
		require.Equal(t, want, float64(n), text)
		b, err := json.Marshal(n)
		require.NoError(t, err)
		var again mlflow.Number
		require.NoError(t, json.Unmarshal(b, &again))
		require.Equal(t, n, again)
	}
	var n mlflow.Number
	require.NoError(t, json.Unmarshal([]byte(`"NaN"`), &n))
	require.True(t, math.IsNaN(float64(n)))
	b, err := json.Marshal(n)
	require.NoError(t, err)
	require.JSONEq(t, `"NaN"`, string(b))
	for _, bad := range []string{`"abc"`, `""`, "true", "{}", "[]", "1e999", `"0x10"`, `"1_000"`} {
		require.Error(t, json.Unmarshal([]byte(bad), &n), bad)
	}
}

func TestWholeNumbers(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{"7": 7, `"7"`: 7, "-3": -3, "5.0": 5, "1.7e12": 1_700_000_000_000, "1700000000000.9": 1_700_000_000_000, "9223372036854775807": math.MaxInt64} {
		var n mlflow.Int
		require.NoError(t, json.Unmarshal([]byte(text), &n), text)
		require.Equal(t, want, int64(n), text)
	}
	var n mlflow.Int
	for _, bad := range []string{`"x"`, `""`, "true", "{}", "1e300", "99999999999999999999", `"0x10"`} {
		require.Error(t, json.Unmarshal([]byte(bad), &n), bad)
	}
}

// TestLongAnswersWriteTheSameJSON compares with what encoding/json writes.
func TestLongAnswersWriteTheSameJSON(t *testing.T) {
	t.Parallel()
	end := mlflow.Int(9)
	run := mlflow.Run{
		Info: mlflow.RunInfo{RunUUID: "r", RunID: "r", ExperimentID: "1", RunName: "ü \"x\"\n\u2028", UserID: "<a&b>", Status: "RUNNING", StartTime: -1, EndTime: &end, ArtifactURI: "a\\b", LifecycleStage: "active"},
		Data: mlflow.RunData{
			Metrics: []mlflow.Metric{{Key: "m", Value: 0.1, Timestamp: 1, Step: 2}, {Key: "n", Value: mlflow.Number(math.Inf(1)), ModelID: "m-1", DatasetName: "d", DatasetDigest: "e", RunID: "r"}},
			Params:  []mlflow.Tag{{Key: "p", Value: ""}},
			Tags:    []mlflow.Tag{{Key: "t", Value: "\x00\xff"}},
		},
		Inputs:  mlflow.RunInputs{DatasetInputs: []mlflow.DatasetInput{{Dataset: mlflow.Dataset{Name: "d"}}}},
		Outputs: mlflow.RunOutputs{ModelOutputs: []mlflow.ModelOutput{{ModelID: "m-1"}}},
	}
	for _, answer := range []interface{ AppendJSON(b []byte) []byte }{
		&mlflow.Runs{}, &mlflow.Runs{Runs: []mlflow.Run{run, {}}, NextPageToken: "n"}, &mlflow.RunAnswer{Run: run}, &mlflow.Metrics{}, &mlflow.Metrics{Metrics: run.Data.Metrics, NextPageToken: "n"},
	} {
		want, err := json.Marshal(answer)
		require.NoError(t, err)
		require.JSONEq(t, string(want), string(answer.AppendJSON(nil)))
	}
}
