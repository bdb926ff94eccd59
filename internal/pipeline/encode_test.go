package pipeline_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/pipeline"
)

func TestEncodeYAMLWritesACompleteFile(t *testing.T) {
	t.Parallel()
	p, err := pipeline.Decode("m.yaml", []byte(minimal))
	require.NoError(t, err)
	text, err := pipeline.EncodeYAML(p)
	require.NoError(t, err)
	golden(t, "testdata/defaults.golden.yaml", string(text))
}

func TestEncodeYAMLKeepsTheContractsExample(t *testing.T) {
	t.Parallel()
	p, err := pipeline.Decode("churn.yaml", file(t, "testdata/churn.yaml"))
	require.NoError(t, err)
	text, err := pipeline.EncodeYAML(p)
	require.NoError(t, err)
	back, err := pipeline.Decode("churn.yaml", text)
	require.NoError(t, err, string(text))
	require.Equal(t, p, back)
	require.Less(t, strings.Index(string(text), "postcode:"), strings.Index(string(text), "income:"), "the order of columns stays")
}

// anyPipeline draws a pipeline that validates by itself.
func anyPipeline(t *rapid.T) *perennial.Pipeline {
	text := rapid.OneOf(rapid.StringMatching(`[a-zA-Z_ #:"'{}\[\],&*!|>%@-]{1,12}`), rapid.SampledFrom([]string{"yes", "no", "null", "~", "1", "1.5", "true", ".inf", "2026-01-01", "<<", "é", "0x1"}))
	p, err := pipeline.Decode("m.yaml", []byte(minimal))
	require.NoError(t, err)
	number := rapid.Float64Range(-1e9, 1e9)
	share := rapid.Float64Range(0, 1)
	names := slices.Compact(slices.Sorted(slices.Values(rapid.SliceOfN(text, 1, 5).Draw(t, "names"))))
	p.Owner.Team = rapid.OneOf(text, rapid.Just("")).Draw(t, "team")
	p.Data.Target, p.Data.Positive = text.Draw(t, "target"), text.Draw(t, "positive")
	p.Data.CSV.NullValues = rapid.SliceOfNDistinct(rapid.OneOf(text, rapid.Just("")), 0, 3, func(s string) string { return s }).Draw(t, "nulls")
	p.Data.Feedback.Include, p.Data.Feedback.MaxShare = rapid.Bool().Draw(t, "include"), share.Draw(t, "share")
	p.Split.Stream, p.Split.Seed = share.Draw(t, "stream"), rapid.Int64().Draw(t, "seed")
	p.Candidates = nil
	for _, n := range names {
		c := perennial.Candidate{Algorithm: n, Params: map[string]any{n: rapid.OneOf(number.AsAny(), text.AsAny(), rapid.Bool().AsAny()).Draw(t, "param")}}
		c.Search = []perennial.SearchParam{{Name: n, Kind: perennial.SearchLog, Low: number.Draw(t, "low"), High: number.Draw(t, "high")}, {Name: n + "2", Kind: perennial.SearchChoice, Choices: []any{n, 1.0, true}}}
		p.Candidates = append(p.Candidates, c)
		p.Preprocess.Columns = append(p.Preprocess.Columns, perennial.ColumnPrep{
			Name: n, Smoothing: new(share.Draw(t, "smoothing")), Clip: &[2]float64{0, share.Draw(t, "clip")}, Drop: new(rapid.Bool().Draw(t, "drop")),
			Value: rapid.SampledFrom([]any{nil, -1.5, "no", "1", false, true}).Draw(t, "value"),
		})
		least := number.Draw(t, "min")
		limit := perennial.Limit{Value: rapid.Float64Range(0, 100).Draw(t, "limit")}
		if rapid.Bool().Draw(t, "relative") {
			limit = perennial.Limit{Value: limit.Value / 100, Relative: true}
		}
		p.Gates = append(p.Gates, perennial.Gate{Metric: n, Min: &least}, perennial.Gate{Metric: n, Versus: "champion", MaxRegression: &limit})
	}
	slices.Reverse(p.Preprocess.Columns)
	p.Slices = names
	p.Threshold = rapid.SampledFrom([]*perennial.Threshold{nil, {Value: 0.25}, {Maximize: "f1"}, {Cost: &perennial.ThresholdCost{FalseNegative: 8}}}).Draw(t, "threshold")
	p.Rollout.Steps = rapid.SampledFrom([][]int{{}, {1}, {5, 99}}).Draw(t, "steps")
	p.Rollout.Shadow.MinRequests = rapid.IntRange(0, 5).Draw(t, "shadow")
	p.Rollout.Guardrails.ErrorRate.MaxIncrease = rapid.SampledFrom([]float64{0, 0.5}).Draw(t, "increase")
	p.Rollout.Watch = perennial.WatchSpec{For: perennial.Duration(rapid.Int64Range(0, 1e18).Draw(t, "for")), Holdback: rapid.IntRange(0, 99).Draw(t, "holdback")}
	p.Retrain.Schedule = rapid.SampledFrom([]string{"", "@daily", "*/5 0-3 * * MON", "@every 90s"}).Draw(t, "schedule")
	p.Log.Features = rapid.Bool().Draw(t, "features")
	return p
}

func TestEveryPipelineReadsBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := anyPipeline(t)
		text, err := pipeline.EncodeYAML(p)
		require.NoError(t, err)
		back, err := pipeline.Decode("m.yaml", text)
		require.NoError(t, err, string(text))
		require.Equal(t, p, back, string(text))
	})
}
