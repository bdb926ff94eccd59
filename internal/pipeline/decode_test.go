package pipeline_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/pipeline"
)

func file(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	require.NoError(t, err)
	return b
}

// TestDecodeReadsTheContractsExample decodes CONTRACTS §3 as it stands there.
func TestDecodeReadsTheContractsExample(t *testing.T) {
	t.Parallel()
	p, err := pipeline.Decode("churn.yaml", file(t, "testdata/churn.yaml"))
	require.NoError(t, err)
	half, two := 0.10, perennial.Limit{Value: 0.02}
	require.Equal(t, "churn", p.Name)
	require.Equal(t, perennial.Owner{Team: "growth-ml", Contact: "#growth-ml"}, p.Owner)
	require.Equal(t, "yes", p.Data.Positive)
	require.Equal(t, []string{"", "NA", "?"}, p.Data.CSV.NullValues)
	require.Equal(t, perennial.Split{By: perennial.SplitStratified, Test: 0.2, Stream: 0.5, Seed: 42}, p.Split)
	require.Equal(t, []perennial.ColumnPrep{
		{Name: "postcode", Encode: "target", Smoothing: new(20.0)}, {Name: "income", Transform: "log1p", Clip: &[2]float64{0.001, 0.999}},
	}, p.Preprocess.Columns, "in file order")
	require.Equal(t, []perennial.Candidate{
		{Algorithm: "logistic_regression", Params: map[string]any{"class_weight": "balanced"}, Search: []perennial.SearchParam{{Name: "c", Kind: perennial.SearchLog, Low: 0.01, High: 100}}},
		{Algorithm: "random_forest", Params: map[string]any{"trees": 200.0}, Search: []perennial.SearchParam{{Name: "max_depth", Kind: perennial.SearchInt, Low: 2, High: 12}}},
		{Algorithm: "gradient_boosting", Search: []perennial.SearchParam{
			{Name: "learning_rate", Kind: perennial.SearchLog, Low: 0.01, High: 0.3}, {Name: "leaves", Kind: perennial.SearchInt, Low: 15, High: 127},
		}},
	}, p.Candidates)
	require.Equal(t, perennial.Tuning{Strategy: "tpe", Trials: 60, MaxTime: perennial.Duration(20 * time.Minute), Folds: 5, Parallel: 2, Seed: 42}, p.Tuning)
	require.Equal(t, &perennial.Threshold{Maximize: "f1"}, p.Threshold)
	require.Equal(t, perennial.Gate{Metric: "average_precision", Versus: "baseline", MinGain: &half}, p.Gates[0])
	require.Equal(t, perennial.Gate{Metric: "log_loss", Versus: "champion", MaxRegression: &two}, p.Gates[1])
	require.Equal(t, "plan", p.Gates[2].Slice)
	require.Equal(t, []int{5, 25, 50}, p.Rollout.Steps)
	require.Equal(t, perennial.LatencyGuardrail{MaxRatio: 1.5, MinIncrease: perennial.Duration(5 * time.Millisecond)}, p.Rollout.Guardrails.LatencyP99)
	require.InDelta(t, 0.40, *p.Monitor.Performance.Min, 0)
	require.Equal(t, []string{"drift", "degradation", "new_labels"}, p.Retrain.On)
	require.Equal(t, perennial.LogSpec{Features: true, Retention: perennial.Duration(720 * time.Hour)}, p.Log)

	s, err := pipeline.DecodeSchema("churn.schema.yaml", file(t, "testdata/churn.schema.yaml"))
	require.NoError(t, err)
	names := make([]string, len(s.Columns))
	for i, c := range s.Columns {
		names[i] = c.Name
	}
	require.Equal(t, []string{"customer_id", "signup_date", "plan", "postcode", "income", "tenure", "is_student", "notes", "email", "churned"}, names)
	require.Equal(t, perennial.Column{Name: "income", Role: perennial.RoleFeature, Type: perennial.TypeNumeric, Range: &[2]float64{0, 1e6}, OutOfRange: perennial.RangeWarn, Nullable: true, Log: perennial.LogFull}, s.Columns[4])
	require.Equal(t, perennial.Column{Name: "email", Role: perennial.RoleIgnore, Log: perennial.LogNever}, s.Columns[8])
	require.Equal(t, []string{"no", "yes"}, s.Columns[9].Values)
}

const minimal = "name: m\ntask: classification\ndata: {path: data/raw/m.csv, target: y}\nschema: pipelines/m.schema.yaml\ncandidates:\n  - {algorithm: ridge}\n"

func TestDecodeFillsInTheDefaults(t *testing.T) {
	t.Parallel()
	p, err := pipeline.Decode("m.yaml", []byte(minimal))
	require.NoError(t, err)
	require.Equal(t, 1, p.Version)
	require.Equal(t, perennial.CSVOptions{Delimiter: ",", Decimal: ".", NullValues: []string{"", "NA", "NaN", "null"}}, p.Data.CSV)
	require.Equal(t, perennial.Split{By: perennial.SplitStratified, Test: 0.2, Stream: 0.5, Seed: 42}, p.Split)
	require.Equal(t, "log_loss", p.Select.Metric)
	require.Equal(t, 20, p.Tuning.Trials)
	require.Empty(t, p.Retrain.Schedule)
	require.Empty(t, p.Retrain.On)
	require.Empty(t, p.Gates)
	require.True(t, p.Log.Features)

	r, err := pipeline.Decode("m.yaml", []byte(strings.Replace(minimal, "classification", "regression", 1)))
	require.NoError(t, err)
	require.Equal(t, perennial.SplitRandom, r.Split.By)
	require.Equal(t, "rmse", r.Select.Metric)
	require.Equal(t, "rmse", r.Rollout.Guardrails.Quality.Metric)
}

func TestWrittenZeroIsNoDefault(t *testing.T) {
	t.Parallel()
	p, err := pipeline.Decode("m.yaml", []byte(minimal+`
split: {stream: 0, seed: 0}
rollout: {shadow: {min_requests: 0}, steps: [], guardrails: {error_rate: {max_increase: 0}}, watch: {for: 0s, holdback: 0}}
log: {features: false}
`))
	require.NoError(t, err)
	require.Equal(t, perennial.Split{By: perennial.SplitStratified, Test: 0.2}, p.Split)
	require.Empty(t, p.Rollout.Steps)
	require.Equal(t, perennial.WatchSpec{}, p.Rollout.Watch)
	require.Zero(t, p.Rollout.Guardrails.ErrorRate.MaxIncrease)
	require.Equal(t, perennial.LatencyGuardrail{MaxRatio: 1.5, MinIncrease: perennial.Duration(5 * time.Millisecond)}, p.Rollout.Guardrails.LatencyP99)
	require.False(t, p.Log.Features)

	again := *p
	pipeline.Defaults(&again)
	require.Equal(t, *p, again, "Defaults leaves a decoded pipeline as it is")
}

func TestDefaultsCompleteAPipelineBuiltInCode(t *testing.T) {
	t.Parallel()
	decoded, err := pipeline.Decode("m.yaml", []byte(minimal))
	require.NoError(t, err)
	built := perennial.Pipeline{Name: "m", Task: perennial.Classification, Data: perennial.DataSource{Path: "data/raw/m.csv", Target: "y", Feedback: perennial.FeedbackSpec{Include: true, MaxShare: 0.5}},
		Schema: "pipelines/m.schema.yaml", Candidates: []perennial.Candidate{{Algorithm: "ridge"}}}
	pipeline.Defaults(&built)
	require.Equal(t, *decoded, built)
}

// at finds the faults of an error as "line path rule".
func at(t *testing.T, err error) []string {
	t.Helper()
	require.Error(t, err)
	_, _, fields := perennial.Explain(err)
	var out []string
	for _, f := range fields {
		require.NotEmpty(t, f.Message)
		require.NotEmpty(t, f.File)
		out = append(out, strings.TrimSpace(fmt.Sprint(f.Line, " ", f.Path, " ", f.Rule)))
	}
	return out
}

func TestDecodeNamesEveryFaultWithItsLine(t *testing.T) {
	t.Parallel()
	_, err := pipeline.Decode("pipelines/bad.yaml", file(t, "testdata/bad.yaml"))
	require.Equal(t, perennial.CodeInvalid, perennial.CodeOf(err))
	got := make([]string, 0, 60)
	_, _, fields := perennial.Explain(err)
	for _, f := range fields {
		require.Equal(t, "pipelines/bad.yaml", f.File)
		got = append(got, fmt.Sprintf("%d %s %s: %s", f.Line, f.Path, f.Rule, f.Message))
	}
	golden(t, "testdata/bad.golden", strings.Join(got, "\n")+"\n")
}

func TestSchemaNamesEveryFaultWithItsLine(t *testing.T) {
	t.Parallel()
	_, err := pipeline.DecodeSchema("pipelines/bad.schema.yaml", file(t, "testdata/bad.schema.yaml"))
	require.Equal(t, perennial.CodeInvalid, perennial.CodeOf(err))
	got := make([]string, 0, 60)
	_, _, fields := perennial.Explain(err)
	for _, f := range fields {
		got = append(got, fmt.Sprintf("%d %s %s: %s", f.Line, f.Path, f.Rule, f.Message))
	}
	golden(t, "testdata/bad.schema.golden", strings.Join(got, "\n")+"\n")
}

func TestDecodeRefusesWhatIsNoFile(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		code perennial.Code
		want []string
	}{
		"empty":           {"", perennial.CodeInvalid, []string{"1  required"}},
		"only a comment":  {"# nothing\n", perennial.CodeInvalid, []string{"1  required"}},
		"no YAML":         {"name: [\n", perennial.CodeMalformed, []string{"1  syntax"}},
		"a tab":           {"name: a\n\tb: c\n", perennial.CodeMalformed, []string{"2  syntax"}},
		"two documents":   {minimal + "---\n" + minimal, perennial.CodeMalformed, []string{"7  syntax"}},
		"a list":          {"- a\n", perennial.CodeInvalid, []string{"1  type"}},
		"null":            {"~\n", perennial.CodeInvalid, []string{"1  required"}},
		"too large":       {"# " + strings.Repeat("x", 1<<20), perennial.CodeInvalid, []string{"1  too_large"}},
		"merge key":       {minimal + "log: &l {features: true}\nsplit: {<<: *l}\n", perennial.CodeInvalid, []string{"8 /split/<< unknown_key"}},
		"alias to itself": {minimal + "gates: &g [*g]\n", perennial.CodeInvalid, []string{"7 /gates/0 type"}},
		"aliased faults":  {minimal + "gates: [&g {metrics: f1}, *g]\n", perennial.CodeInvalid, []string{"7 /gates/0/metrics unknown_key", "7 /gates/0/metric required", "7 /gates/1/metrics unknown_key", "7 /gates/1/metric required", "7 /gates/0 one_of", "7 /gates/1 one_of"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := pipeline.Decode("m.yaml", []byte(c.text))
			require.Equal(t, c.want, at(t, err))
			require.Equal(t, c.code, perennial.CodeOf(err))
		})
	}
}

func TestAliasesWorkAndAreBounded(t *testing.T) {
	t.Parallel()
	p, err := pipeline.Decode("m.yaml", []byte(minimal+"slices: [a]\ngates:\n  - &g {metric: f1, min: 0.5}\n  - *g\n"))
	require.NoError(t, err)
	require.Equal(t, p.Gates[0], p.Gates[1])

	list := "[" + strings.Repeat("1,", 400) + "1]"
	bomb := strings.Replace(minimal, "- {algorithm: ridge}", "- &c {algorithm: ridge, search: {"+"a: {choice: "+list+"}}}\n"+strings.Repeat("  - *c\n", 5000), 1)
	_, err = pipeline.Decode("m.yaml", []byte(bomb))
	require.Contains(t, strings.Join(at(t, err), "\n"), "too_large")
}

func TestHostileFilesEndSoon(t *testing.T) {
	t.Parallel()
	var keys strings.Builder
	for i := range 60000 {
		fmt.Fprintf(&keys, "k%d: x\n", i)
	}
	for name, text := range map[string]string{
		"deep list": strings.Repeat("[", 1<<19), "deep mapping": strings.Repeat("{a: ", 1<<17), "unknown keys": keys.String(),
		"long key": strings.Repeat("a", 1<<19) + ": 1", "wide list": "candidates: [" + strings.Repeat("1,", 1<<18) + "1]",
	} {
		started := time.Now()
		_, err := pipeline.Decode("m.yaml", []byte(text))
		require.Error(t, err, name)
		_, _, fields := perennial.Explain(err)
		require.LessOrEqual(t, len(fields), 100, name)
		require.Less(t, time.Since(started), 10*time.Second, name)
	}
}

func TestDecodeGivesTheSameThroughJSON(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"testdata/churn.yaml"} {
		p, err := pipeline.Decode(name, file(t, name))
		require.NoError(t, err)
		b, err := json.Marshal(p)
		require.NoError(t, err)
		var back perennial.Pipeline
		require.NoError(t, json.Unmarshal(b, &back))
		require.Equal(t, *p, back)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(minimal))
	for _, name := range []string{"testdata/churn.yaml", "testdata/bad.yaml", "testdata/churn.schema.yaml", "testdata/bad.schema.yaml"} {
		b, err := os.ReadFile(name)
		require.NoError(f, err)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := pipeline.Decode("m.yaml", b)
		if err == nil {
			text, err := pipeline.EncodeYAML(p)
			require.NoError(t, err)
			back, err := pipeline.Decode("m.yaml", text)
			require.NoError(t, err, string(text))
			require.Equal(t, p, back)
		} else {
			at(t, err)
		}
		if _, err := pipeline.DecodeSchema("m.schema.yaml", b); err != nil {
			at(t, err)
		}
	})
}
